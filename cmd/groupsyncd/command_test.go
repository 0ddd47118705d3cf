package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/server"
	"groupsyncd/state"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

func TestExitCodesOfFailures(t *testing.T) {
	t.Parallel()
	damaged := fault.New(fault.Damaged, "open state", "x", errors.New("no"), "")
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"without a kind", errors.New("x"), 1},
		{"not found", fault.Errorf(fault.NotFound, "", "", "x"), 1},
		{"no daemon", fault.Errorf(fault.Unavailable, "", "", "x"), 1},
		{"usage", usage("x"), 2},
		{"problems", config.Problems{{File: "a", Line: 1, Column: 1, Message: "x"}}, 2},
		{"state", damaged, 7},
		{"state, wrapped and joined", errors.Join(errors.New("x"), fmt.Errorf("keep: %w", damaged)), 7},
		{"cancelled", fmt.Errorf("wait: %w", context.Canceled), 130},
	} {
		if got := exitCode(t.Context(), c.err); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := exitCode(ended, damaged); got != 130 {
		t.Errorf("interrupted: %d", got)
	}
}

// TestTheFirstExitCodeThatAppliesWins holds the order that scripts rely on.
func TestTheFirstExitCodeThatAppliesWins(t *testing.T) {
	t.Parallel()
	order := []int{130, 2, 7, 6, 5, 9, 3, 4, 8, 1}
	for i, first := range order {
		for _, later := range order[i:] {
			if got := run.First(later, 0, first); got != first {
				t.Errorf("of %d and %d, %d wins", first, later, got)
			}
		}
	}
	if run.First() != 0 || run.First(0, 0) != 0 {
		t.Error("nothing applies, and the code is not 0")
	}
	all := slices.Clone(order)
	slices.Reverse(all)
	if got := run.First(all...); got != 130 {
		t.Errorf("of all, %d wins", got)
	}
}

func TestNumbersAndTheirNouns(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"0 requests":                  plural(0, "request"),
		"1 request":                   plural(1, "request"),
		"2 memberships":               plural(2, "membership"),
		"1 person without an account": plural(1, "person without an account"),
		"2 people without an account": plural(2, "person without an account"),
		"2 members by hand":           plural(2, "member by hand"),
		"3 entries":                   plural(3, "entry"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestASummaryLeavesOutWhatDidNotHappen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		summary run.Summary
		want    string
	}{
		{run.Summary{}, "nothing to do"},
		{run.Summary{Unchanged: 2, Pending: 1}, "nothing to do, 2 memberships unchanged, 1 person without an account"},
		{run.Summary{GroupsCreated: 1, MembersAdded: 2, Held: 1, Failed: 3}, "1 group created, 2 members added, 1 change held, 3 changes failed"},
		{run.Summary{GroupsUpdated: 2, MembersRemoved: 1, MembersAdopted: 1, MembersReleased: 1, Drift: 1, Foreign: 4},
			"2 groups updated, 1 member removed, 1 member adopted, 1 membership released, 1 value changed by somebody, 4 members by hand left alone"},
		{run.Summary{RolesChanged: 2, AccountsCreated: 1, GrantsChanged: 1, DefaultsChanged: 1},
			"2 roles changed, 1 account created, 1 grant changed, default permissions changed"},
	} {
		if got := summaryLine(&c.summary); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// printer is a command whose output is kept.
func printer() (*command, *bytes.Buffer, *bytes.Buffer) {
	var out, err bytes.Buffer
	return &command{world: world{now: time.Now}, Streams: Streams{Out: &out, Err: &err}}, &out, &err
}

// TestNamesFromADirectoryCannotMoveTheCursor shows changes of somebody who has chosen a
// name that terminals obey.
func TestNamesFromADirectoryCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	const evil = "a\x1b[2Jb\x07\u009bc\rd\nline\tcolumn"
	c, out, errs := printer()
	ch := run.Change{Op: run.AddMember, Outcome: run.Held, Group: &run.GroupRef{Name: evil}, User: &run.UserRef{Email: evil}, Reason: evil,
		Hold: &run.HoldRef{Check: run.Unruled, Detail: evil}}
	c.reportTable(&run.Report{Run: "01", User: evil, Sources: []run.SourceReport{{Name: evil, Reason: evil, Hint: evil}},
		Targets: []run.TargetReport{{Name: evil, Error: evil, Hint: evil, Changes: []run.Change{ch, ch}, Problems: []run.Problem{{Message: evil, Hint: evil}}}}}, false)
	c.holdsTable([]run.Hold{{Hash: "1", Detail: evil, Changes: []run.Change{ch}}}, false)
	c.complain(fault.New(fault.Invalid, evil, evil, errors.New(evil), evil))
	c.complain(config.Problems{{File: evil, Message: evil, Hint: evil}})
	for name, text := range map[string]string{"stdout": out.String(), "stderr": errs.String()} {
		if at := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r <= 0x9f }); at >= 0 {
			t.Errorf("%s has a control character: %q", name, text[max(0, at-20):at+5])
		}
	}
	rows := 0
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "  add member") {
			rows++
		}
	}
	if rows != 3 {
		t.Errorf("%d rows of changes:\n%s", rows, out)
	}
}

func TestLongTablesAreCutAndSayHowToSeeAll(t *testing.T) {
	t.Parallel()
	r := &run.Report{Run: "01RUN", Targets: []run.TargetReport{{Name: "chat"}}}
	for range shownLines + 5 {
		r.Targets[0].Changes = append(r.Targets[0].Changes, run.Change{Op: run.AddMember, Group: &run.GroupRef{Name: "Sales"}, User: &run.UserRef{Email: "x"}, Outcome: run.Applied})
		r.Targets[0].Problems = append(r.Targets[0].Problems, run.Problem{Kind: run.KindCollision, Message: "m"})
	}
	for full, want := range map[bool]int{false: shownLines, true: shownLines + 5} {
		c, out, _ := printer()
		c.reportTable(r, full)
		if n := strings.Count(out.String(), "  add member"); n != want {
			t.Errorf("full %t: %d lines", full, n)
		}
		if cut := strings.Contains(out.String(), "… and 5 more; see all with: groupsyncd history 01RUN --full"); cut == full {
			t.Errorf("full %t: the way to the rest is shown: %t", full, cut)
		}
		if cut := strings.Contains(out.String(), "… and 5 more problems"); cut == full {
			t.Errorf("full %t: the rest of the problems is named: %t", full, cut)
		}
	}
}

func TestAPlanThatIsNotKeptIsSeenWholeByPlanningAgain(t *testing.T) {
	t.Parallel()
	r := &run.Report{Run: "01RUN", Mode: run.Plan, Targets: []run.TargetReport{{Name: "chat"}}}
	for range shownLines + 1 {
		r.Targets[0].Changes = append(r.Targets[0].Changes, run.Change{Op: run.CreateGroup, Group: &run.GroupRef{Name: "Sales"}, Outcome: run.Planned})
	}
	c, out, _ := printer()
	c.unkept, c.config = true, "new.yaml"
	c.reportTable(r, false)
	if !strings.Contains(out.String(), "see all with: groupsyncd plan --config new.yaml --full") {
		t.Errorf("got:\n%s", out)
	}
}

func TestTextsStayTextsInYAML(t *testing.T) {
	t.Parallel()
	c, out, _ := printer()
	c.output = "yaml"
	if err := c.print(map[string]any{"a": "yes", "b": "012", "c": "null", "d": "x: y", "e": []string{}, "f": "two\nlines", "g": 1.5}, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`a: "yes"`, `b: "012"`, `c: "null"`, "e: []", "g: 1.5"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is missing in:\n%s", want, out)
		}
	}
}

func TestProgressIsForTerminalsOnly(t *testing.T) {
	t.Parallel()
	c, _, errs := printer()
	l := c.progress()
	l.clear()
	if l.progress() != nil || l.over(c.Out) != c.Out || errs.Len() != 0 {
		t.Errorf("progress is written to a buffer: %q", errs)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if terminal(f) {
		t.Error("a file is taken for a terminal")
	}
}

func TestProgressIsOneLineThatGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := &liveLine{out: &out, every: time.Second}
		l.show("corp", "users", 1, 0)
		l.show("corp", "users", 2, 0) // Too soon.
		time.Sleep(2 * time.Second)
		l.show("chat\x1b[2J", "calls", 3, 9)
		l.clear()
		if want := "\r\x1b[Kcorp: 1 users\r\x1b[Kchat\uFFFD[2J: 3 of 9 calls\r\x1b[K"; out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
		out.Reset()
		l = &liveLine{out: &out, every: time.Second}
		if l.clear(); out.Len() != 0 {
			t.Errorf("a line that was never shown is cleared: %q", out.String())
		}
	})
}

// full is a stream behind which there is no room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestATableThatCannotBeWrittenIsAFailure(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"table", "json", "yaml"} {
		var errs bytes.Buffer
		if code := Main(t.Context(), nil, []string{"version", "-o", form}, Streams{Out: full{}, Err: &errs}); code != run.ExitFailure ||
			errs.String() != "groupsyncd: write the output: no space left on device\n" {
			t.Errorf("%s: ended with %d: %q", form, code, errs.String())
		}
	}
}

func TestAReportDoesNotBeginInTheLineOfProgress(t *testing.T) {
	t.Parallel()
	var screen bytes.Buffer
	l := &liveLine{out: &screen}
	report := l.over(&screen)
	l.show("corp", "users", 1, 0)
	fmt.Fprint(report, "run 1\n")
	fmt.Fprint(report, "SOURCE\n")
	l.clear()
	if want := "\r\x1b[Kcorp: 1 users\r\x1b[Krun 1\nSOURCE\n"; screen.String() != want {
		t.Errorf("got %q, want %q", screen.String(), want)
	}
}

// started is a daemon that has its socket at last.
type started struct{ server.Backend }

func (started) Status(context.Context) (*engine.Status, error) {
	return &engine.Status{Daemon: &engine.DaemonStatus{PID: 4711}}, nil
}

// TestACommandFindsADaemonThatIsJustStarting lets somebody hold the state who opens the
// control socket only a little later.
func TestACommandFindsADaemonThatIsJustStarting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := state.Open(t.Context(), state.Options{Dir: filepath.Join(dir, "state")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // nothing was written
	text := strings.NewReplacer("LDAP_URL", "ldap://127.0.0.1:1", "CHAT_URL", "http://127.0.0.1:1").Replace(standard)
	file := filepath.Join(dir, "groupsyncd.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- mainAt(t.Context(), nil, []string{"status", "--config", file}, Streams{Out: &out, Err: &errs}, world{now: time.Now, lockTimeout: patience})
	}()
	time.Sleep(50 * time.Millisecond) // Later or sooner, the command must find it.
	l, err := server.Listen(t.Context(), filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	web := server.NewServer(t.Context(), server.Control(started{}, log, server.Caller), log)
	go func() { _ = web.Serve(l) }() // Always http.ErrServerClosed.
	defer web.Close()                //nolint:errcheck // the test is over
	if got := <-code; got != 0 || !strings.Contains(out.String(), "running as pid 4711") {
		t.Errorf("exit code %d\n%s%s", got, &out, &errs)
	}
}
