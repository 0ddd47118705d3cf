package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

// telling is a world with one source that tells what changed, after its first read.
const telling = `
tells corp plainly
sources corp
rules r1a
user corp h0
user corp h1
signup h0
signup h1
group corp eng
join corp h0 eng
join corp h1 eng
run
`

// reads gives how the source was read, read by read.
func reads(w *world, source string) string {
	var b strings.Builder
	for _, r := range w.sources[source].Reads {
		switch {
		case r.Person != "":
			b.WriteByte('p')
		case r.Delta:
			b.WriteByte('d')
		case r.Whole:
			b.WriteByte('F')
		default:
			b.WriteByte('c')
		}
	}
	return b.String()
}

// TestWhenEverythingIsRead goes through what makes a full read of a read of changes.
func TestWhenEverythingIsRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, steps, want string }{
		{"changes are enough", "join corp h1 eng\nrun\nrun", "Fdd"},
		{"also for somebody who asks", "sync\nplan", "Fdd"},
		{"the last full read is long ago", "wait 2h\nrun\nwait 1h\nrun\nrun", "FdFd"},
		{"the server does not know the cursor", "forgets corp\nrun\nrun", "FFd"},
		{"it cannot tell any more", "tells corp nothing\nrun\nrun\ntells corp plainly\nrun\nrun", "FFFFd"},
		{"another filter", "narrow corp on\nrun\nrun", "FFd"},
		{"a cut answer", "fault corp cut eng\nrun\nrun", "Fcd"},
		{"a failed one is a failed read", "fault corp fails\nrun\nrun", "Fd"},
		{"a bug in the reader of changes", "fault corp panics\nrun\nrun", "FFd"},
		{"somebody is missing, and it is time to know", "deluser corp h1\nrun\nwait 10m\nrun\nwait 5m\nrun\nrun\nrun", "FddFFd"},
		{"a watch does not wait for that", "deluser corp h1\nrun\nwait 20m\nleave corp h0 eng\nwatched corp", "Fdd"},
		{"another process goes on from there", "restart\nrun", "Fd"},
		{"so does one after a crash", "join corp h1 eng\ncrash 0\nrun\nrun", "Fdd"},
		{"a look-up", "person h1\nrun", "Fpd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, telling+c.steps)
			if got := reads(w, "corp"); got != c.want {
				t.Errorf("read %s, want %s", got, c.want)
			}
			if w.failed != "" {
				t.Error(w.failed)
			}
		})
	}
}

// TestBehindSeveralServersDoubtMeansAFullRead: hr has a lag.
func TestBehindSeveralServersDoubtMeansAFullRead(t *testing.T) {
	t.Parallel()
	base := strings.Replace(strings.ReplaceAll(telling, "corp", "hr"), "\nrun\n", "\nwait 1h\nrun\n", 1)
	for _, c := range []struct{ name, steps, want string }{
		{"a look-up that agrees", "wait 10m\nperson h1\nrun", "Fpd"},
		{"a look-up that differs", "wait 10m\nleave hr h1 eng\nperson h1\nrun\nrun", "FpFd"},
		{"a cut read", "wait 10m\nfault hr cut eng\nrun\nrun\nrun", "FcFd"},
		{"a server behind the cursor", "wait 10m\nrun\nfault hr behind 4\nrun\nrun", "FdFd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, base+c.steps)
			if got := reads(w, "hr"); got != c.want {
				t.Errorf("read %s, want %s", got, c.want)
			}
		})
	}
}

// TestAWatchedChangeGoesThrough: and one that is none costs the history nothing.
func TestAWatchedChangeGoesThrough(t *testing.T) {
	t.Parallel()
	w := begin(t, telling+"leave corp h1 eng\nwatched corp")
	w.wants(t, "eng", "h0")
	if w.last.Trigger != run.Watch || w.last.Sources[0].Read != run.ReadChanges {
		t.Errorf("%+v", w.last)
	}
	before, err := w.store.Runs(100)
	if err != nil {
		t.Fatal(err)
	}
	cursor := w.store.PeekReplica("corp").Cursor
	w.play(t, "watched corp\nwatched corp")
	after, err := w.store.Runs(100)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.last.Targets) != 0 || w.last.Exit != run.ExitOK || len(after) != len(before) || len(w.last.Sources) != 1 {
		t.Errorf("%d runs became %d: %+v", len(before), len(after), w.last)
	}
	if !bytes.Equal(cursor, w.store.PeekReplica("corp").Cursor) {
		t.Error("the state was written")
	}
	w.play(t, "run")
	if bytes.Equal(cursor, w.store.PeekReplica("corp").Cursor) || len(w.last.Targets) != 1 {
		t.Error("a scheduled run did not go on")
	}
}

// TestAWatchedSourceInQuarantineIsLeftAlone without a word in the history.
func TestAWatchedSourceInQuarantineIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := begin(t, telling+"fault corp fails\nrun\nfault corp fails\nrun\nfault corp fails\nrun")
	before, _ := w.store.Runs(100)
	w.play(t, "watched corp")
	after, _ := w.store.Runs(100)
	if len(after) != len(before) || reads(w, "corp") != "F" || w.last.Sources[0].Coverage != "none" {
		t.Errorf("%d runs became %d, read %s, %+v", len(before), len(after), reads(w, "corp"), w.last.Sources)
	}
}

// TestTombstonesGoAtOnce: nobody waits for a grace when the source says that it deleted them.
func TestTombstonesGoAtOnce(t *testing.T) {
	t.Parallel()
	w := begin(t, strings.Replace(telling, "plainly", "tombstones", 1)+"deluser corp h1\nwatched corp")
	w.wants(t, "eng", "h0")
	at := slices.IndexFunc(w.report(t).Changes, func(c run.Change) bool { return c.Op == run.RemoveMember })
	if at < 0 || w.report(t).Changes[at].Absence != "explicit" || !strings.Contains(w.report(t).Changes[at].Reason, "was deleted in the directory") {
		t.Errorf("%+v", w.report(t).Changes)
	}
	w = begin(t, telling+"deluser corp h1\nwatched corp")
	w.wants(t, "eng", "h0", "h1")
}

// TestATombstoneAloneIsAChange: somebody is not shown any more, and only later the source
// says that they were deleted.
func TestATombstoneAloneIsAChange(t *testing.T) {
	t.Parallel()
	w := begin(t, telling+"deluser corp h1\nwatched corp")
	w.wants(t, "eng", "h0", "h1")
	o := &odd{Source: w.sources["corp"], change: func(s *directory.Snapshot) *directory.Snapshot {
		s.DeletedUsers = []string{personID("corp", "h1"), "nobody"}
		return s
	}}
	w.instead(t, o)
	if r := w.request(t, run.Request{Trigger: run.Watch, Mode: run.Apply, Source: "corp"}); len(r.Targets) == 0 {
		t.Error("nothing was planned")
	}
	w.wants(t, "eng", "h0")
	if r := w.request(t, run.Request{Trigger: run.Watch, Mode: run.Apply, Source: "corp"}); len(r.Targets) != 0 {
		t.Error("the same tombstone is told a second time")
	}
}

// odd is a source that answers as it is told.
type odd struct {
	*enginetest.Source
	// change changes what a read of changes, or a full read, gave.
	change, full func(*directory.Snapshot) *directory.Snapshot
	fails        error
}

func (o *odd) Pull(ctx context.Context, p providers.Progress) (*directory.Snapshot, error) {
	s, err := o.Source.Pull(ctx, p)
	if o.full != nil {
		s = o.full(s)
	}
	return s, err
}

func (o *odd) PullChanges(ctx context.Context, base *directory.Snapshot, p providers.Progress) (*directory.Snapshot, error) {
	if o.fails != nil {
		return nil, o.fails
	}
	s, err := o.Source.PullChanges(ctx, base, p)
	if err == nil && o.change != nil {
		s = o.change(s)
	}
	return s, err
}

// instead puts another provider in the place of corp.
func (w *world) instead(t *testing.T, p providers.Source) {
	t.Helper()
	s := w.setup()
	s.Sources[0].Provider = p
	if err := w.engine.Replace(s); err != nil {
		t.Fatal(err)
	}
}

func (w *world) request(t *testing.T, req run.Request) *run.Report {
	t.Helper()
	w.clock.Add(time.Minute)
	r, err := w.engine.Run(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestChangesThatAreNoPictureAreNotTaken: everything is read instead, in the same run.
func TestChangesThatAreNoPictureAreNotTaken(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*directory.Snapshot) *directory.Snapshot{
		"nothing at all":       func(*directory.Snapshot) *directory.Snapshot { return nil },
		"no delta":             func(s *directory.Snapshot) *directory.Snapshot { s.Delta = false; return s },
		"a cut list":           func(s *directory.Snapshot) *directory.Snapshot { s.UsersListed = false; return s },
		"a group without end":  func(s *directory.Snapshot) *directory.Snapshot { s.Groups[0].MembersKnown = false; return s },
		"no cursor":            func(s *directory.Snapshot) *directory.Snapshot { s.Cursor = nil; return s },
		"another scope":        func(s *directory.Snapshot) *directory.Snapshot { s.Scope = "layout=ad"; return s },
		"older than the base":  func(s *directory.Snapshot) *directory.Snapshot { s.AsOf = start; return s },
		"no time":              func(s *directory.Snapshot) *directory.Snapshot { s.AsOf = time.Time{}; return s },
		"a panic on the way":   func(*directory.Snapshot) *directory.Snapshot { panic("a bug") },
		"somebody who is gone": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, telling+"leave corp h1 eng")
			o := &odd{Source: w.sources["corp"], change: change}
			w.instead(t, o)
			r := w.request(t, run.Request{Trigger: run.Schedule, Mode: run.Apply})
			want := run.ReadFull
			if change == nil {
				want = run.ReadChanges
			}
			if r.Sources[0].Read != want || r.Sources[0].Coverage != "full" || r.Exit != run.ExitOK {
				t.Errorf("%+v, exit %d", r.Sources[0], r.Exit)
			}
			w.wants(t, "eng", "h0")
		})
	}
}

// TestFailuresOfChanges: what a full read would fail with too is a failure at once, anything
// else is tried with a full read first.
func TestFailuresOfChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fails error
		full  bool
	}{
		{fault.Errorf(fault.Auth, "bind", "", "wrong password"), false},
		{fault.Errorf(fault.Unavailable, "connect", "", "refused"), false},
		{fault.Errorf(fault.Throttled, "read", "", "busy"), false},
		{fault.Errorf(fault.Invalid, "read", "", "an answer without a cookie"), true},
		{fault.Errorf(fault.Incomplete, "read", "", "cut"), true},
		{errors.New("what is this"), true},
		{fmt.Errorf("too old: %w", providers.ErrFullRead), true},
		{fault.New(fault.Unavailable, "read changes", "", providers.ErrFullRead, ""), true},
	} {
		t.Run(c.fails.Error(), func(t *testing.T) {
			t.Parallel()
			w := begin(t, telling+"leave corp h1 eng")
			w.instead(t, &odd{Source: w.sources["corp"], fails: c.fails})
			r := w.request(t, run.Request{Trigger: run.Schedule, Mode: run.Apply})
			src := r.Sources[0]
			if c.full {
				if src.Read != run.ReadFull || src.Coverage != "full" || r.Exit != run.ExitOK {
					t.Errorf("%+v, exit %d", src, r.Exit)
				}
				return
			}
			if src.Coverage != "none" || src.Read != run.ReadChanges || r.Exit != run.ExitSource || !strings.Contains(src.Reason, c.fails.Error()) {
				t.Errorf("%+v, exit %d", src, r.Exit)
			}
			w.wants(t, "eng", "h0", "h1")
			if reads(w, "corp") != "F" {
				t.Errorf("read %s", reads(w, "corp"))
			}
		})
	}
}

// TestEverythingIsReadOnRequest, by somebody who asks and to confirm.
func TestEverythingIsReadOnRequest(t *testing.T) {
	t.Parallel()
	for _, req := range []run.Request{{Trigger: run.Manual, Mode: run.Apply, Full: true}, {Trigger: run.Confirm, Mode: run.Apply}} {
		w := begin(t, telling)
		if r := w.request(t, req); r.Sources[0].Read != run.ReadFull {
			t.Errorf("%s: %+v", req.Trigger, r.Sources[0])
		}
	}
}

// TestACursorIsGoodForTheSourceItCameFrom: not for another directory, nor for other entries.
func TestACursorIsGoodForTheSourceItCameFrom(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*engine.Source){
		"place":   func(s *engine.Source) { s.Place = "ldaps://other" },
		"scope":   func(s *engine.Source) { s.Scope += "x" },
		"off":     func(s *engine.Source) { s.Changes = false },
		"nothing": func(*engine.Source) {},
	} {
		w := begin(t, telling)
		s := w.setup()
		change(&s.Sources[0])
		if err := w.engine.Replace(s); err != nil {
			t.Fatal(err)
		}
		r := w.request(t, run.Request{Trigger: run.Schedule, Mode: run.Apply})
		if changes := r.Sources[0].Read == run.ReadChanges; changes != (name == "nothing") {
			t.Errorf("%s: %+v", name, r.Sources[0])
		}
	}
}

// TestAnotherScopeByTheServerIsHeld: what a detected layout changes is held as what the
// configuration changes.
func TestAnotherScopeByTheServerIsHeld(t *testing.T) {
	t.Parallel()
	for _, cut := range []bool{false, true} {
		w := begin(t, telling)
		detected := ""
		o := &odd{Source: w.sources["corp"], full: func(s *directory.Snapshot) *directory.Snapshot { s.Scope = detected; return s }}
		w.instead(t, o)
		w.sources["corp"].Forgot = true
		detected = "layout=rfc2307"
		// Nothing is lost, so the first scope of a server is taken as it is.
		if r := w.request(t, run.Request{Trigger: run.Schedule, Mode: run.Apply}); len(r.Targets[0].Holds) != 0 {
			t.Fatalf("%+v", r.Targets[0].Holds)
		}
		detected = "layout=ad"
		w.sources["corp"].Forgot = true
		w.play(t, "leave corp h1 eng")
		if cut {
			// The group that lost somebody was read, the rest was not.
			w.sources["corp"].Next.Cut = []string{"ops"}
			w.play(t, "group corp ops")
		}
		r := w.request(t, run.Request{Trigger: run.Schedule, Mode: run.Apply})
		w.wants(t, "eng", "h0", "h1")
		if len(r.Targets[0].Holds) != 1 || r.Targets[0].Holds[0].Check != run.SourceChanged {
			t.Errorf("cut %v: %+v", cut, r.Targets[0].Holds)
		}
	}
}

// TestStatusSaysWhenEverythingWasRead.
func TestStatusSaysWhenEverythingWasRead(t *testing.T) {
	t.Parallel()
	w := begin(t, telling+"wait 1h\nrun")
	s, err := w.engine.Status()
	if err != nil {
		t.Fatal(err)
	}
	src := s.Sources[0]
	if src.Read != run.ReadChanges || src.CompleteAsOf.Sub(src.FullAsOf) < time.Hour {
		t.Errorf("%+v", src)
	}
	e, err := w.engine.ExplainUser("h0@x.org")
	if err != nil {
		t.Fatal(err)
	}
	if v := e.Sources[0]; !v.FullAsOf.Equal(src.FullAsOf) || !v.CompleteAsOf.Equal(src.CompleteAsOf) {
		t.Errorf("%+v", v)
	}
}

// TestAServerThatIsOneOfSeveralMayLag: what was seen a moment ago stays until a later read
// confirms that it is gone, although the configuration knows of one server only.
func TestAServerThatIsOneOfSeveralMayLag(t *testing.T) {
	t.Parallel()
	for _, replicated := range []bool{false, true} {
		w := begin(t, strings.Replace(telling, "tells corp plainly\n", "", 1))
		w.sources["corp"].Replicated = replicated
		w.play(t, "wait 10m\nuser corp h2\nsignup h2\njoin corp h2 eng\nrun\nwait 1m\nleave corp h2 eng\nrun")
		if replicated {
			w.wants(t, "eng", "h0", "h1", "h2")
			w.play(t, "wait 10m\nrun")
		}
		w.wants(t, "eng", "h0", "h1")
	}
}
