package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/server"
	"groupsyncd/state"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui/openwebuitest"
)

// town is a daemon with a file for a directory and an Open WebUI, by a clock that the
// test moves.
type town struct {
	*testing.T
	dir  string
	chat *openwebuitest.Server
	log  *lockedBuffer

	mu     sync.Mutex
	offset time.Duration
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

const (
	apiKey  = "sk-canary-0123456789"
	members = "[ana, bo, chloe, dmitri, emre]"
)

func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{T: t, dir: t.TempDir(), log: &lockedBuffer{}}
	w.chat = openwebuitest.NewTest(t, openwebuitest.Options{Key: apiKey, Now: w.now})
	for name := range strings.SplitSeq(strings.Trim(members, "[]"), ", ") {
		w.chat.AddAccount(openwebuitest.Account{Email: name + "@example.org"})
	}
	w.write("key", apiKey)
	w.people(members, "[bo, chloe, dmitri, emre, ana]")
	w.configure("list", `"*"`)
	return w
}

func (w *town) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.offset)
}

func (w *town) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
}

func (w *town) write(name, text string) {
	w.Helper()
	file := filepath.Join(w.dir, name)
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		w.Fatal(err)
	}
}

// people writes the directory: who there is, and who is in the group Sales.
func (w *town) people(there, sales string) {
	w.Helper()
	var b strings.Builder
	b.WriteString("users:\n")
	for name := range strings.SplitSeq(strings.Trim(there, "[]"), ", ") {
		fmt.Fprintf(&b, "  - {id: %s, email: %s@example.org}\n", name, name)
	}
	fmt.Fprintf(&b, "groups:\n  - {id: sales, name: Sales, members: %s}\n", sales)
	w.write("people.yaml", b.String())
}

// configure writes the configuration: what the source is called, and what the rule takes.
func (w *town) configure(source, match string) {
	w.Helper()
	w.write("groupsyncd.yaml", fmt.Sprintf(`state: state
sources:
  %s: {type: file, path: people.yaml, schedule: every 24h}
targets:
  chat: {type: openwebui, url: %q, api_key: file:key}
rules:
  - {name: all, match: %s}
safety: {absence: {reads: 2, over: 15m}}
server: {admin: {listen: ""}}
`, source, w.chat.URL, match))
}

func (w *town) options(file string, cfg *config.Config) Options {
	return Options{File: file, Config: cfg, Logger: slog.New(slog.NewTextHandler(w.log, nil)), LockTimeout: -1, Now: w.now}
}

// load makes the program from the file as it is now.
func (w *town) load() *App {
	w.Helper()
	file := filepath.Join(w.dir, "groupsyncd.yaml")
	cfg, err := Load(file)
	if err != nil {
		w.Fatal(err)
	}
	a, err := New(w.Context(), w.options(file, cfg))
	if err != nil {
		w.Fatal(err)
	}
	return a
}

// open starts the program without a daemon; it is closed when the test ends.
func (w *town) open() *App {
	w.Helper()
	a := w.load()
	w.Cleanup(func() {
		if err := a.Close(); err != nil {
			w.Error(err)
		}
	})
	return a
}

// serve runs a daemon until the test ends, and gives a client of it.
func (w *town) serve() (*App, *server.Client, chan<- struct{}) {
	w.Helper()
	a := w.open()
	ctx, stop := context.WithCancel(w.Context())
	hup, done := make(chan struct{}, 1), make(chan error, 1)
	go func() { done <- a.Serve(ctx, hup) }()
	w.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.Errorf("serve: %v", err)
		}
	})
	var client *server.Client
	w.until("the daemon answers", func() bool {
		var err error
		if client, err = server.Dial(w.Context(), filepath.Join(w.dir, "state")); err != nil {
			w.Fatal(err)
		}
		return client != nil
	})
	return a, client, hup
}

// until looks until something has happened.
func (w *town) until(what string, happened func() bool) {
	w.Helper()
	for end := time.Now().Add(time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("not in time: %s\n%s", what, w.log)
		}
	}
}

// size gives the number of members of a group, -1 where it is not.
func (w *town) size(name string) int {
	for _, g := range w.chat.Groups() {
		if g.Name == name {
			return len(g.Members)
		}
	}
	return -1
}

func sync1(t *town, b server.Backend, req run.Request) *run.Report {
	t.Helper()
	req.Trigger = run.Manual
	if req.Mode == "" {
		req.Mode = run.Apply
	}
	r, err := b.Run(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAConfirmingReadTakesOutWhoIsGone(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, client, _ := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	sync1(w, client, run.Request{})

	w.people("[bo, chloe, dmitri, emre]", "[bo, chloe, dmitri, emre, ana]")
	w.later(time.Minute)
	if r := sync1(w, client, run.Request{}); r.Targets[0].Summary.MembersRemoved != 0 || w.size("Sales") != 5 {
		t.Fatalf("one read was enough to take somebody out: %+v", r.Targets[0].Summary)
	}
	if next := a.daemon.schedule.Next(confirmName).Sub(w.now()); next < 14*time.Minute || next > 16*time.Minute {
		t.Errorf("the confirming read is in %s", next)
	}
	w.later(16 * time.Minute)
	// The runner notices a clock that has jumped within half a minute, or at once when
	// something else is asked of it.
	a.daemon.schedule.At("a look at the clock", w.now(), func(context.Context, time.Time) {})
	w.until("somebody is taken out", func() bool { return w.size("Sales") == 4 })
	w.until("the run is in the history", func() bool {
		runs, err := client.History(t.Context(), 1)
		return err == nil && len(runs) == 1 && runs[0].Trigger == run.Confirm && runs[0].Targets[0].Summary.MembersRemoved == 1
	})
}

func TestAPlanWithAnotherFileKeepsNothing(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, client, _ := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	sync1(w, client, run.Request{})
	w.people("[bo, chloe, dmitri, emre]", "[bo, chloe, dmitri, emre]")
	replicaBefore, err := a.db.Replica("list")
	if err != nil {
		t.Fatal(err)
	}
	memoryBefore, err := a.db.Memory("chat")
	if err != nil {
		t.Fatal(err)
	}
	runs, err := client.History(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	w.chat.ResetLog()
	text, err := os.ReadFile(filepath.Join(w.dir, "groupsyncd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := &server.NewConfig{File: "new.yaml", Dir: w.dir, Data: []byte(strings.ReplaceAll(string(text), `match: "*"`, `match: "*", to: "New {{ .Name }}"`))}
	for range 3 {
		w.later(time.Hour)
		r, err := client.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Plan}, file)
		if err != nil {
			t.Fatal(err)
		}
		if r.Mode != run.Plan || len(r.Targets[0].Changes) == 0 {
			t.Fatalf("no plan: %+v", r)
		}
	}
	if _, writes := w.chat.Count(); writes != 0 {
		t.Errorf("%d writes", writes)
	}
	replicaAfter, err := a.db.Replica("list")
	if err != nil {
		t.Fatal(err)
	}
	memoryAfter, err := a.db.Memory("chat")
	if err != nil {
		t.Fatal(err)
	}
	after, err := client.History(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(replicaBefore, replicaAfter) || !reflect.DeepEqual(memoryBefore, memoryAfter) || len(runs) != len(after) {
		t.Error("a plan with another file left something behind")
	}
	_, err = client.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}, file)
	if fault.KindOf(err) != fault.Invalid || w.size("Sales") != 5 {
		t.Errorf("applying another file gives %v", err)
	}
}

func TestReloadTakesOverOrLeavesTheOldInForce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	_, client, hup := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })

	w.configure("list", `"*", nonsense: 1`)
	if err := client.Reload(t.Context()); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a bad file gives %v", err)
	}
	hup <- struct{}{}
	w.until("the log says so", func() bool { return strings.Contains(w.log.String(), "the old one stays in force") })
	if r := sync1(w, client, run.Request{}); r.Exit != run.ExitOK {
		t.Errorf("the old configuration is not in force: %+v", r)
	}

	w.configure("list", `"*", to: "Trade"`)
	if err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.until("the run after the reload", func() bool { return w.size("Trade") == 5 })
}

func TestARenamedSourceKeepsItsIdentity(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, client, _ := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	sync1(w, client, run.Request{})
	w.configure("people", `"*"`)
	if err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := sync1(w, client, run.Request{})
	if r.Exit != run.ExitOK || r.Sources[0].Name != "people" || r.Targets[0].Summary.Unchanged != 5 {
		t.Errorf("after renaming: %+v", r)
	}
	known, err := a.db.Sources()
	if err != nil || len(known) != 1 || known[0].ID != "list" || known[0].Name != "people" {
		t.Errorf("sources: %+v, %v", known, err)
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	load := func(sources string) *parts {
		w.write("groupsyncd.yaml", "sources:\n"+sources+"targets:\n  chat: {url: \"http://127.0.0.1:1\", api_key: file:key}\nrules: [{match: \"*\"}]\n")
		cfg, err := Load(filepath.Join(w.dir, "groupsyncd.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		return &parts{cfg: cfg}
	}
	place := func(name string) (string, string) {
		src := load("  x: {type: file, path: " + name + "}\n").cfg.Sources[0]
		return src.Config.Place(), src.Config.Scope()
	}
	placeA, scopeA := place("a.yaml")
	placeB, scopeB := place("b.yaml")
	known := []state.SourceIdentity{{ID: "one", Name: "hr", Place: placeA, Scope: scopeA}, {ID: "two", Name: "old", Place: placeB, Scope: scopeB}}
	for _, c := range []struct {
		name, sources string
		want          map[string]string
	}{
		{"the same names", "  hr: {type: file, path: a.yaml}\n  old: {type: file, path: b.yaml}\n", map[string]string{"hr": "one", "old": "two"}},
		{"another place under the same name", "  hr: {type: file, path: c.yaml}\n", map[string]string{"hr": "one"}},
		{"another name for the same place", "  new: {type: file, path: b.yaml}\n  hr: {type: file, path: a.yaml}\n", map[string]string{"hr": "one", "new": "two"}},
		{"a second one of the same place", "  old: {type: file, path: b.yaml}\n  new: {type: file, path: b.yaml}\n", map[string]string{"old": "two", "new": "new"}},
		{"both renamed", "  x: {type: file, path: a.yaml}\n  y: {type: file, path: b.yaml}\n", map[string]string{"x": "one", "y": "two"}},
		{"a new one with the id of another", "  one: {type: file, path: c.yaml}\n  hr: {type: file, path: a.yaml}\n", map[string]string{"hr": "one", "one": "one-2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := identify(load(c.sources).cfg, known); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestASecondProgramFindsTheStateTaken(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.serve()
	file := filepath.Join(w.dir, "groupsyncd.yaml")
	cfg, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(t.Context(), Options{File: file, Config: cfg, Logger: slog.New(slog.DiscardHandler), LockTimeout: -1})
	if fault.KindOf(err) != fault.Damaged || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) || fault.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestStoppingEndsRunsOfTheSocket(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.open()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, nil) }()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	client, err := server.Dial(t.Context(), filepath.Join(w.dir, "state"))
	if err != nil || client == nil {
		t.Fatalf("dial: %v, %v", client, err)
	}
	sync1(w, client, run.Request{})

	called, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.chat.Inject(openwebuitest.Fault{Path: "/api/v1/groups/id/*/users/remove", Do: func() {
		once.Do(func() { close(called) })
		<-release
	}})
	w.people(members, "[bo, chloe, dmitri, emre]")
	w.later(time.Minute)
	report := make(chan *run.Report, 1)
	go func() {
		r, err := client.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}, nil)
		if err != nil {
			t.Errorf("run: %v", err)
		}
		report <- r
	}()
	<-called
	stop()
	select {
	case err := <-done:
		t.Fatalf("stopped in the middle of a call: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if r := <-report; r == nil || r.Exit != run.ExitInterrupted {
		t.Errorf("report: %+v", r)
	}
	if w.size("Sales") != 4 {
		t.Error("the call under way was not finished")
	}
}

func TestReloadNeedsADaemon(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	if err := w.open().Reload(t.Context()); fault.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.write("key", "another")
	cfg, err := Load(filepath.Join(w.dir, "groupsyncd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	checked, err := Check(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil || len(checked) != 2 || checked[0].Kind != "source" || checked[1].Name != "chat" {
		t.Fatalf("checked: %+v, %v", checked, err)
	}
	for _, f := range checked[1].Findings {
		if f.Check == "api_key" && f.Remedy != "" {
			return
		}
	}
	t.Errorf("the wrong key was not found: %+v", checked[1].Findings)
}

func TestADaemonLooksAtOnceWhatBecameOfInterruptedCalls(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.open()
	sync1(w, a, run.Request{Trigger: run.Manual, Mode: run.Apply})
	// The next read is a day off, and a call is open.
	if err := a.noteStart("list"); err != nil {
		t.Fatal(err)
	}
	m, err := a.db.Memory("chat")
	if err != nil {
		t.Fatal(err)
	}
	intent := plan.Intent{Run: "01CRASHED", Op: string(run.AddMember), GroupID: m.Mirror.Groups()[0].ID, Accounts: []string{m.Mirror.Account(0).ID}, Feeds: [][]int{nil}}
	if err := a.db.Begin(m, intent.Run, "sha256:x", []plan.Intent{intent}, plan.Dirty{}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, nil) }()
	w.until("the call is settled", func() bool { open, err := a.db.Open("chat"); return err == nil && len(open) == 0 })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
