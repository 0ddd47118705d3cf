package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// backend is a daemon that remembers what it was asked and answers as told.
type backend struct {
	err    error
	panics bool
	lines  int // of the audit
	asked  []string
	wait   chan struct{}
	begun  chan struct{}
	ended  chan error
}

func (b *backend) note(format string, args ...any) error {
	b.asked = append(b.asked, fmt.Sprintf(format, args...))
	if b.panics {
		panic("nil map")
	}
	return b.err
}

func (b *backend) Run(ctx context.Context, req run.Request, file *NewConfig) (*run.Report, error) {
	if b.wait != nil {
		close(b.begun)
		<-ctx.Done()
		b.ended <- ctx.Err()
		return &run.Report{Run: "01CUT", Exit: run.ExitInterrupted}, nil
	}
	name := ""
	if file != nil {
		name = file.File + " in " + file.Dir + ": " + string(file.Data)
	}
	return &run.Report{Run: "01RUN", Exit: 4}, b.note("run %s %s %s %s %s [%s]", req.Mode, req.Source, req.Target, req.User, req.By, name)
}

func (b *backend) Holds(context.Context) ([]run.Hold, error) {
	return []run.Hold{{Hash: "abc", Check: run.Unruled}}, b.note("holds")
}

func (b *backend) Approve(_ context.Context, hash, reason, by string) (*run.Approval, error) {
	return &run.Approval{Hash: hash, By: by}, b.note("approve %s %s %s", hash, reason, by)
}

func (b *backend) ApproveAll(_ context.Context, hashes []string, reason, by string) ([]run.Approval, error) {
	return make([]run.Approval, len(hashes)), b.note("approve all %s %s %s", strings.Join(hashes, ","), reason, by)
}

func (b *backend) AcceptSource(_ context.Context, name, by string) error {
	return b.note("accept source %s %s", name, by)
}

func (b *backend) RestartSource(_ context.Context, name, by string) error {
	return b.note("restart source %s %s", name, by)
}

func (b *backend) AcceptTarget(_ context.Context, name, by string) error {
	return b.note("accept %s %s", name, by)
}

func (b *backend) Status(context.Context) (*engine.Status, error) {
	return &engine.Status{Daemon: &engine.DaemonStatus{PID: 42}}, b.note("status")
}

func (b *backend) History(_ context.Context, limit int) ([]run.Report, error) {
	return []run.Report{{Run: "01A"}}, b.note("history %d", limit)
}

func (b *backend) Report(_ context.Context, id string) (*run.Report, error) {
	return &run.Report{Run: id}, b.note("report %s", id)
}

func (b *backend) ExplainUser(_ context.Context, name string) (*engine.UserExplanation, error) {
	return &engine.UserExplanation{User: name}, b.note("user %s", name)
}

func (b *backend) ExplainGroup(_ context.Context, name string) (*engine.GroupExplanation, error) {
	return &engine.GroupExplanation{Group: name}, b.note("group %s", name)
}

func (b *backend) Revert(_ context.Context, req run.Request) (*run.Report, error) {
	return &run.Report{Reverts: req.Revert}, b.note("revert %s %s %s %s", req.Revert, req.Mode, req.Reason, req.By)
}

func (b *backend) PlanFile(_ context.Context, req run.Request) (*engine.Planned, error) {
	return &engine.Planned{File: &run.PlanFile{Run: "01P"}}, b.note("plan file %s %s", req.Target, req.By)
}

func (b *backend) ApplyPlan(_ context.Context, f *run.PlanFile, reason, by string) (*run.Report, error) {
	size := 0
	for i := range f.Targets {
		size += len(f.Targets[i].Name)
	}
	return &run.Report{}, b.note("apply %s of %d %s %s", f.Run, size, reason, by)
}

func (b *backend) Reload(context.Context) error { return b.note("reload") }

// start serves a backend on a socket and gives a client of it, the folder, and how to
// stop it.
func start(t *testing.T, b Backend, log *slog.Logger) (*Client, string, context.CancelFunc) {
	t.Helper()
	dir := t.TempDir()
	l, err := Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(t.Context())
	web := NewServer(ctx, Control(b, log, Caller), log)
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	t.Cleanup(func() {
		stop()
		if err := web.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	c, err := Dial(t.Context(), dir)
	if err != nil || c == nil {
		t.Fatalf("dial: %v, %v", c, err)
	}
	return c, dir, stop
}

func me(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

func TestEveryQuestionReachesTheDaemonUnchanged(t *testing.T) {
	t.Parallel()
	b := &backend{}
	c, _, _ := start(t, b, nil)
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	const odd = "O'Neil / ?#%2f ü"
	r, err := c.Run(ctx, run.Request{Mode: run.Plan, Source: "s", Target: "t", User: odd, By: "forged"}, &NewConfig{File: "a.yaml", Dir: "/d", Data: []byte("x: \xff")})
	check(err)
	if r.Exit != 4 {
		t.Errorf("report: %+v", r)
	}
	_, err = c.Holds(ctx)
	check(err)
	a, err := c.Approve(ctx, "abc", odd, "forged")
	check(err)
	if a.By != me(t) {
		t.Errorf("approved by %q", a.By)
	}
	both, err := c.ApproveAll(ctx, []string{"abc", "def"}, odd, "forged")
	check(err)
	if len(both) != 2 {
		t.Errorf("approved: %+v", both)
	}
	check(c.AcceptTarget(ctx, odd, "forged"))
	check(c.AcceptSource(ctx, odd, "forged"))
	check(c.RestartSource(ctx, odd, "forged"))
	s, err := c.Status(ctx)
	check(err)
	if s.Daemon.PID != 42 {
		t.Errorf("status: %+v", s)
	}
	_, err = c.History(ctx, 7)
	check(err)
	_, err = c.Report(ctx, odd)
	check(err)
	_, err = c.ExplainUser(ctx, odd)
	check(err)
	_, err = c.ExplainGroup(ctx, odd)
	check(err)
	check(c.Reload(ctx))
	undone, err := c.Revert(ctx, run.Request{Revert: odd, Mode: run.Plan, Reason: odd, By: "forged"})
	check(err)
	if undone.Reverts != odd {
		t.Errorf("reverted: %+v", undone)
	}
	planned, err := c.PlanFile(ctx, run.Request{Target: "t", By: "forged"})
	check(err)
	if planned.File.Run != "01P" {
		t.Errorf("planned: %+v", planned)
	}
	// A plan may be larger than any other request.
	_, err = c.ApplyPlan(ctx, &run.PlanFile{Run: "01P", Targets: []run.PlannedPart{{Name: strings.Repeat("x", maxBody)}}}, odd, "forged")
	check(err)
	_, err = c.ApplyPlan(ctx, nil, odd, "forged")
	check(err)
	want := []string{"run plan s t " + odd + " " + me(t) + " [a.yaml in /d: x: \xff]", "holds", "approve abc " + odd + " " + me(t), "approve all abc,def " + odd + " " + me(t), "accept " + odd + " " + me(t), "accept source " + odd + " " + me(t), "restart source " + odd + " " + me(t),
		"status", "history 7", "report " + odd, "user " + odd, "group " + odd, "reload",
		"revert " + odd + " plan " + odd + " " + me(t), "plan file t " + me(t), fmt.Sprintf("apply 01P of %d %s %s", maxBody, odd, me(t)), "apply  of 0 " + odd + " " + me(t)}
	if diff := cmp.Diff(want, b.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestAFailureArrivesWithItsPartsAndKind(t *testing.T) {
	t.Parallel()
	inner := fault.New(fault.NotFound, "load run", "01X", errors.New("there is no such run"), "list them")
	for _, want := range []error{
		inner,
		fmt.Errorf("explain: %w", inner),
		fault.New(fault.Damaged, "", "", inner, ""),
		fault.New(fault.Invalid, "", "", errors.New("no source is named x"), "see"),
		errors.New("no kind at all"),
		context.Canceled,
		config.Problems{{File: "a.yaml", Line: 3, Column: 5, Message: "unknown key", Hint: "remove it"}, {File: "a.yaml", Line: 4, Column: 1, Message: "is empty"}},
	} {
		c, _, _ := start(t, &backend{err: want}, nil)
		_, got := c.Report(t.Context(), "01X")
		if got == nil || got.Error() != want.Error() || fault.KindOf(got) != fault.KindOf(want) || fault.HintOf(got) != fault.HintOf(want) {
			t.Errorf("%q with kind %s and hint %q arrives as %q with kind %s and hint %q",
				want, fault.KindOf(want), fault.HintOf(want), got, fault.KindOf(got), fault.HintOf(got))
		}
	}
}

func TestWhatIsNoRequestIsRefused(t *testing.T) {
	t.Parallel()
	b := &backend{}
	c, _, _ := start(t, b, nil)
	for _, r := range []struct{ method, path, body, want string }{
		{http.MethodPost, "/v1/run", "{", "unexpected EOF"},
		{http.MethodPost, "/v1/approve", `["x"]`, "cannot unmarshal"},
		{http.MethodPost, "/v1/approvals", `["x"]`, "cannot unmarshal"},
		{http.MethodPost, "/v1/run", `{"user": "` + strings.Repeat("x", maxBody) + `"}`, "too large"},
		{http.MethodGet, "/v1/nothing", "", "404"},
		{http.MethodDelete, "/v1/holds", "", "405"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), r.method, "http://groupsyncd"+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		fmt.Fprint(&text, resp.Status)
		buffer := make([]byte, 4096)
		n, _ := resp.Body.Read(buffer) // The beginning is enough.
		text.Write(buffer[:n])
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(text.String(), r.want) {
			t.Errorf("%s %s: %s", r.method, r.path, &text)
		}
	}
	if len(b.asked) != 0 {
		t.Errorf("asked: %q", b.asked)
	}
}

func TestAnotherVersionOfTheDaemonIsNamedAsTheReason(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{"/v1/holds": `{"an": "object"}`, "/v1/status": "<html>"}
	web := NewServer(t.Context(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answers[r.URL.Path] == "" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, answers[r.URL.Path])
	}), slog.New(slog.DiscardHandler))
	go func() { _ = web.Serve(l) }() // Always http.ErrServerClosed.
	t.Cleanup(func() { _ = web.Close() })
	c, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Holds(t.Context())
	if fault.KindOf(err) != fault.Damaged || !strings.Contains(fault.HintOf(err), "same version") {
		t.Errorf("another shape: %v", err)
	}
	_, err = c.Status(t.Context())
	if fault.KindOf(err) != fault.Damaged {
		t.Errorf("a web page: %v", err)
	}
	if err := c.Reload(t.Context()); fault.KindOf(err) != fault.Damaged || !strings.Contains(err.Error(), "404") || !strings.Contains(fault.HintOf(err), "same version") {
		t.Errorf("a call that is not there: %v (%s)", err, fault.HintOf(err))
	}
}

func TestAPanicIsLoggedAndTheDaemonGoesOn(t *testing.T) {
	t.Parallel()
	var log safeBuffer
	b := &backend{panics: true}
	c, _, _ := start(t, b, slog.New(slog.NewTextHandler(&log, nil)))
	if _, err := c.Holds(t.Context()); fault.KindOf(err) != fault.Damaged || fault.HintOf(err) != "see the daemon's log" {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "nil map") {
		t.Errorf("log: %s", log.String())
	}
	b.panics = false
	if _, err := c.Holds(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestARunEndsWithWhoAskedAndWithTheDaemon(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"the client leaves", "the daemon stops"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			b := &backend{wait: make(chan struct{}), begun: make(chan struct{}), ended: make(chan error, 1)}
			c, _, stop := start(t, b, nil)
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			type answer struct {
				report *run.Report
				err    error
			}
			got := make(chan answer, 1)
			go func() {
				r, err := c.Run(ctx, run.Request{}, nil)
				got <- answer{r, err}
			}()
			<-b.begun
			if who == "the daemon stops" {
				stop()
				_ = <-b.ended
				if a := <-got; a.err != nil || a.report.Exit != run.ExitInterrupted {
					t.Errorf("got %+v", a)
				}
				return
			}
			leave()
			_ = <-b.ended
			if a := <-got; fault.KindOf(a.err) != fault.Canceled || !strings.Contains(fault.HintOf(a.err), "groupsyncd history") {
				t.Errorf("got %+v", a)
			}
		})
	}
}

func TestDialTellsNoDaemonFromATroubledOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none := func(dir string) {
		t.Helper()
		if c, err := Dial(t.Context(), dir); c != nil || err != nil {
			t.Errorf("dial %s: %v, %v", dir, c, err)
		}
	}
	none(dir)
	none(filepath.Join(dir, "missing"))
	// A socket that a killed process left behind.
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	none(dir)
	// Listen puts its own in its place.
	again, err := Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v, %v", info, err)
	}
	if c, err := Dial(t.Context(), dir); c == nil || err != nil {
		t.Errorf("dial: %v, %v", c, err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	none(dir)

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	none(file)
	none(filepath.Join(dir, strings.Repeat("x", 120)))
}

func TestListenRefusesAPathThatIsTooLong(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "choose a shorter state folder") {
		t.Errorf("got %v", err)
	}
	if _, err := Listen(t.Context(), filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("no error without a folder")
	}
}

func TestCallerIsUnknownWithoutASocketOfThisMachine(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	if got := callerOf(here); got != "unknown" {
		t.Errorf("got %q", got)
	}
	_, _ = here.Close(), there.Close() // Pipes close without failing.
	if got := Caller(t.Context()); got != "" {
		t.Errorf("got %q", got)
	}
	if got := UserName(4_000_000_000); got != "uid 4000000000" {
		t.Errorf("got %q", got)
	}
}

func TestAHeadThatNeverEndsIsCutOff(t *testing.T) {
	t.Parallel()
	if s := NewServer(t.Context(), nil, slog.New(slog.DiscardHandler)); s.ReadHeaderTimeout <= 0 || s.ReadHeaderTimeout > time.Minute {
		t.Errorf("the head of a request may take %s", s.ReadHeaderTimeout)
	}
}
