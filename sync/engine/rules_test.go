package engine_test

import (
	"context"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// unruled checks that h0 is still in ops, and that so many memberships of h0 are held
// because the rules changed.
func (w *world) unruled(t *testing.T, memberships int) {
	t.Helper()
	w.wants(t, "ops", "h0")
	holds := w.engine.Holds()
	if len(holds) != 1 || holds[0].Check != run.Unruled || len(holds[0].Keys) != memberships {
		t.Errorf("held: %+v", holds)
	}
}

func TestARuleThatIsNarrowedHoldsWhatItGave(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nrules r1b\nrun")
	w.unruled(t, 1)
	w.play(t, "wait 16m\nrun\nwait 16m\nrun")
	w.unruled(t, 1)
	w.play(t, "approve 0\nrun")
	w.wants(t, "ops")
}

func TestARuleStaysAcceptedWhileNobodyCanTell(t *testing.T) {
	t.Parallel()
	// When the rule comes to want department A only, corp is too old to say anything.
	w := begin(t, two+"dept corp h0 B\nrun\nwait 13h\nrules r1c\nfault corp fails\nrun")
	if holds := w.engine.Holds(); len(holds) != 0 {
		t.Errorf("held on old evidence: %+v", holds)
	}
	w.play(t, "run\nwait 16m\nrun\nwait 16m\nrun")
	w.unruled(t, 2)
}

func TestARunOfOnePersonAcceptsNoRules(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nrules r1b\nperson h1\nrun\nwait 16m\nrun\nwait 16m\nrun")
	w.unruled(t, 1)
}

func TestTombstonesOfARemovalLastNinetyDays(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nleave corp h0 eng\nrun")
	w.wants(t, "eng", "h1")
	for _, c := range []struct {
		days, want int
	}{{1, 1}, {88, 1}, {2, 0}} {
		w.clock.Add(time.Duration(c.days) * 24 * time.Hour)
		w.play(t, "join corp h1 ops\nrun\nleave corp h1 ops\nwait 1h")
		w.play(t, "run")
		mine := 0
		for _, s := range w.store.Kept(target).Tombstones {
			if s.Account == w.account["h0"] {
				mine++
			}
		}
		if mine != c.want {
			t.Errorf("%d days later: %d tombstones, want %d", c.days, mine, c.want)
		}
	}
}

func TestWhoeverComesBackWithABackupGoesAgain(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nwait 1m")
	backup := w.web.Backup()
	w.play(t, "leave corp h0 eng\nrun")
	w.wants(t, "eng", "h1")
	w.web.Restore(backup)
	w.play(t, "wait 1m\nrun")
	if w.last.Exit != run.ExitHeld {
		t.Errorf("exit %d after a backup was put back", w.last.Exit)
	}
	if err := w.engine.AcceptTarget(t.Context(), target, "tester"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}); err != nil {
		t.Fatal(err)
	}
	w.wants(t, "eng", "h1")
}

func TestALostStateHoldsWhomNobodyNames(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nleave corp h0 eng")
	power := w.store.Power
	w.store = enginetest.NewStore(w.clock.Now)
	w.store.Power = power
	w.play(t, "restart\nrun\nwait 16m\nrun")
	w.wants(t, "eng", "h0", "h1")
	holds := w.engine.Holds()
	if len(holds) != 1 || holds[0].Check != run.StateLost || len(holds[0].Keys) != 1 {
		t.Errorf("held: %+v", holds)
	}
	w.play(t, "approve 0\nrun")
	w.wants(t, "eng", "h1")
}

func TestAGroupThatALoginMadeMeanwhileIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"inside 2 person h0\nrun")
	for _, name := range []string{"eng", "ops"} {
		if n := len(w.web.Named(name)); n != 1 {
			t.Errorf("%d groups are named %s", n, name)
		}
	}
	w.wants(t, "eng", "h0", "h1")
	w.wants(t, "ops", "h0")
}

// leaver is a target whose first addition is under way when the run is told to stop.
type leaver struct {
	engine.Target
	stop func()
}

func (l *leaver) AddMembers(ctx context.Context, group string, accounts []string) error {
	l.stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return l.Target.AddMembers(ctx, group, accounts)
}

func TestACallUnderWayIsFinishedWhenTheRunIsToldToStop(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	ctx, stop := context.WithCancel(t.Context())
	s := w.setup()
	s.Targets[0].Open = func() engine.Target { return &leaver{w.web.Open(), stop} }
	if err := w.engine.Replace(s); err != nil {
		t.Fatal(err)
	}
	report, err := w.engine.Run(ctx, run.Request{Trigger: run.Manual, Mode: run.Apply})
	if err != nil {
		t.Fatal(err)
	}
	if n := outcomes(&report.Targets[0]); n[run.Failed] != 0 || n[run.Applied] != 4 || report.Exit != run.ExitInterrupted {
		t.Errorf("exit %d, outcomes %v", report.Exit, n)
	}
	w.wants(t, "eng", "h0", "h1")
}

// unread is a target that takes calls and cannot be read again.
type unread struct{ engine.Target }

func (unread) ReadGroup(context.Context, string) (plan.Group, error) {
	return plan.Group{}, fault.Errorf(fault.Unavailable, "read group", "open webui", "the connection was refused")
}

func TestWhatCannotBeVerifiedIsNoSuccess(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	s := w.setup()
	s.Targets[0].Open = func() engine.Target { return unread{w.web.Open()} }
	if err := w.engine.Replace(s); err != nil {
		t.Fatal(err)
	}
	w.play(t, "run")
	if n := outcomes(w.report(t)); w.last.Exit != run.ExitPartly || n[run.Failed] != 3 || n[run.Applied] != 2 {
		t.Errorf("exit %d, outcomes %v", w.last.Exit, n)
	}
	w.reload()
	w.play(t, "run\nrun")
	w.wants(t, "eng", "h0", "h1")
	if w.last.Exit != run.ExitOK {
		t.Errorf("exit %d when it can be read again", w.last.Exit)
	}
}

func TestWhatWasAddedBeforeACrashIsOursWithoutAdopting(t *testing.T) {
	t.Parallel()
	// The rule adopts nobody, so nothing but the journal can say that we added h0.
	for cut := range 15 {
		w := begin(t, "sources eu\nrules r6a\nuser eu h0\nuser eu h1\nsignup h0\nsignup h1\ngroup eu x\njoin eu h0 x\njoin eu h1 x")
		w.store.Power.CutAfter(cut)
		w.play(t, "run")
		w.store.Power.On()
		w.play(t, "run\nleave eu h0 x\nrun")
		w.wants(t, "eu_x", "h1")
	}
}

func TestAcceptingOneChangeOfATargetAcceptsNoOther(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nwait 1m")
	backup := w.web.Backup()
	w.play(t, "leave corp h0 eng\nrun\nwait 1m")
	w.web.Restore(backup)
	w.play(t, "run")
	if err := w.engine.AcceptTarget(t.Context(), target, "tester"); err != nil {
		t.Fatal(err)
	}
	// Before anybody looks again, an empty server answers at the address.
	w.web.Empty()
	w.play(t, "run")
	if w.last.Exit != run.ExitHeld || len(w.web.Groups()) != 0 {
		t.Errorf("exit %d, groups %v", w.last.Exit, w.web.Groups())
	}
	// What was accepted is over once the server is as it was.
	w.web.Restore(backup)
	w.play(t, "run")
	w.wants(t, "eng", "h1")
	if n := len(w.store.Kept(target).Approvals); n != 0 {
		t.Errorf("%d approvals are left", n)
	}
}
