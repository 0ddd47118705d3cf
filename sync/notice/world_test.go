package notice

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"
)

// shelf is a store in memory. What it kept is there for the next desk, as after a restart.
type shelf struct {
	mu      sync.Mutex
	desk    run.Desk
	found   bool
	letters map[uint64]run.Letter
	audit   []run.AuditRecord
	runs    map[string]*run.Report
	// broken fails every write, damaged every read until all of it is dropped.
	broken, damaged bool
}

func newShelf() *shelf {
	return &shelf{letters: map[uint64]run.Letter{}, runs: map[string]*run.Report{}}
}

func (s *shelf) Desk() (run.Desk, []run.Letter, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damaged {
		return run.Desk{}, nil, false, fault.Errorf(fault.Damaged, "load notices", "", "a record is not what was written")
	}
	var list []run.Letter
	for _, seq := range slices.Sorted(maps.Keys(s.letters)) {
		list = append(list, s.letters[seq])
	}
	return copied(s.desk), list, s.found, nil
}

// copied keeps the maps of a desk from being those of the store.
func copied(d run.Desk) run.Desk {
	told := map[string]map[string]run.Told{}
	for name, m := range d.Told {
		told[name] = maps.Clone(m)
	}
	d.Told, d.Lost = told, maps.Clone(d.Lost)
	return d
}

func (s *shelf) SaveDesk(d run.Desk, put []run.Letter, drop []uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return fault.Errorf(fault.Damaged, "save notices", "", "the disk is full")
	}
	for _, l := range put {
		s.letters[l.Seq] = l
	}
	for _, seq := range drop {
		delete(s.letters, seq)
	}
	s.desk, s.found = copied(d), true
	return nil
}

func (s *shelf) breaks(broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken
}

func (s *shelf) DropDesk() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.desk, s.found, s.damaged = run.Desk{}, false, false
	clear(s.letters)
	return nil
}

func (s *shelf) Audit(from uint64, fn func(run.AuditRecord) error) error {
	s.mu.Lock()
	list := slices.Clone(s.audit)
	s.mu.Unlock()
	for _, r := range list {
		if r.Seq >= from {
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shelf) Head() (run.AuditHead, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return run.AuditHead{Seq: uint64(len(s.audit))}, nil
}

func (s *shelf) Run(id string) (*run.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.runs[id]; r != nil {
		return r, nil
	}
	return nil, fault.Errorf(fault.NotFound, "load run", id, "there is none")
}

func (s *shelf) note(events ...run.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.audit = append(s.audit, run.AuditRecord{Seq: uint64(len(s.audit) + 1), Event: e})
	}
}

// ended puts a run into the history and the audit.
func (s *shelf) ended(r *run.Report, events ...run.Event) {
	s.mu.Lock()
	s.runs[r.Run] = r
	s.mu.Unlock()
	count := 0
	for i := range r.Targets {
		count += len(r.Targets[i].Changes)
	}
	s.note(append(events, run.Event{At: r.Started, Kind: run.EventRun, Run: r.Run, Count: count})...)
}

// ear is a service that keeps what it is sent.
type ear struct {
	mu       sync.Mutex
	messages []message
	err      error
	limit    int
	// hold keeps a message under way until it is closed.
	hold chan struct{}
}

type message struct {
	at          time.Time
	title, body string
}

func (e *ear) Kind() string { return "ear" }

func (e *ear) Limit() int { return max(e.limit, 0) + 8000*btoi(e.limit == 0) }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (e *ear) Send(ctx context.Context, title, body string) error {
	if e.hold != nil {
		select {
		case <-e.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	e.messages = append(e.messages, message{time.Now(), title, body})
	return nil
}

func (e *ear) heard() []message {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.messages
	e.messages = nil
	return out
}

func (e *ear) fails(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
}

// world is a desk with what it looks at.
type world struct {
	t     testing.TB
	shelf *shelf
	mu    sync.Mutex
	open  []run.Condition
	desk  *Desk
	log   *strings.Builder
	stop  func()
	count map[string]int
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, shelf: newShelf(), log: &strings.Builder{}, count: map[string]int{}}
	return w
}

func (w *world) set(open ...run.Condition) {
	w.mu.Lock()
	w.open = open
	w.mu.Unlock()
	if w.desk != nil {
		w.desk.Poke()
	}
}

// begin makes a desk as a new process does.
func (w *world) begin(services ...Service) *Desk {
	w.t.Helper()
	w.desk = New(Options{Store: w.shelf, Logger: slog.New(slog.NewTextHandler(w.log, nil)), Now: time.Now, Host: "box", Page: func() string { return "http://127.0.0.1:8421/" },
		Conditions: func() []run.Condition { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.open) },
		Named: func(_, account, group string) (string, string) {
			return strings.ReplaceAll(account, "id-", "") + mailOf(account), group
		},
		Protected: func(_, mail string) bool { return mail == "root@example.org" },
		Count: func(service string, kind run.NoticeKind, result string) {
			w.count[service+" "+string(kind)+" "+result]++
		}})
	w.desk.Use(services)
	if err := w.desk.Begin(); err != nil {
		w.t.Fatal(err)
	}
	return w.desk
}

func mailOf(account string) string {
	if account == "" {
		return ""
	}
	return "@example.org"
}

// run lets the desk work as in a daemon.
func (w *world) run(services ...Service) {
	desk := w.begin(services...)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); desk.Run(ctx) }()
	w.stop = func() { cancel(); <-done }
}

func everything() []run.NoticeKind {
	return []run.NoticeKind{run.NoticeHeld, run.NoticeQuarantined, run.NoticeStale, run.NoticeRecovered, run.NoticePrivileged, run.NoticeApplied}
}

func to(t testing.TB, name string, e *ear, kinds ...run.NoticeKind) Service {
	t.Helper()
	if kinds == nil {
		kinds = everything()
	}
	template, err := Parse("", "")
	if err != nil {
		t.Fatal(err)
	}
	return Service{Name: name, On: kinds, Remind: 24 * time.Hour, Template: template, Open: func() (Sender, error) { return e, nil }}
}

func held(key, reason string) run.Condition {
	return run.Condition{Kind: run.NoticeHeld, Key: "held/chat/" + key + "/", Reason: reason, Message: "held: " + key, Hint: "approve it", Since: time.Now(), Target: "chat",
		Lines: []string{"remove member Sales bo@example.org"}, More: 4}
}

func titles(list []message) string {
	var out []string
	for _, m := range list {
		out = append(out, strings.TrimPrefix(m.title, "groupsyncd on box: "))
	}
	return strings.Join(out, "; ")
}

func (w *world) expect(e *ear, want string) []message {
	w.t.Helper()
	got := e.heard()
	if titles(got) != want {
		w.t.Fatalf("told %q, want %q", titles(got), want)
	}
	return got
}

func changed(id string) *run.Report {
	return &run.Report{Run: id, Mode: run.Apply, Started: time.Now(), Targets: []run.TargetReport{{Name: "chat", Summary: run.Summary{MembersAdded: 1, Held: 3},
		Changes: []run.Change{{Op: run.AddMember, Group: &run.GroupRef{Name: "Sales"}, User: &run.UserRef{Email: "ada@example.org"}, Outcome: run.Applied, Reason: "in cn=sales"}}}}}
}

// sleep lets time pass, and everybody who is at work then write down what became of it.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
