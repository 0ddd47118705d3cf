package engine_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

func TestACrashAtAnyStepMakesNothingTwiceAndLosesNothing(t *testing.T) {
	t.Parallel()
	for cut := range 30 {
		w := begin(t, two)
		w.store.Power.CutAfter(cut)
		w.play(t, "run")
		if cut == 29 && w.err != nil {
			t.Fatal("the run takes more steps than are tried")
		}
		w.store.Power.On()
		w.play(t, "run")
		w.wants(t, "eng", "h0", "h1")
		w.wants(t, "ops", "h0")
		for _, name := range []string{"eng", "ops"} {
			if n := len(w.web.Named(name)); n != 1 {
				t.Errorf("dead after %d steps: %d groups %s", cut, n, name)
			}
		}
		// What was added before the crash is ours: it goes when the directory says so.
		w.play(t, "leave corp h0 eng\nleave corp h0 ops\nrun")
		w.wants(t, "eng", "h1")
		w.wants(t, "ops")
	}
}

func TestACrashWhileRemovingIsSettledByLooking(t *testing.T) {
	t.Parallel()
	for cut := range 20 {
		w := begin(t, two+"run\nleave corp h0 eng\nleave corp h0 ops\njoin corp h1 ops")
		w.store.Power.CutAfter(cut)
		w.play(t, "run")
		w.store.Power.On()
		w.play(t, "run")
		w.wants(t, "eng", "h1")
		w.wants(t, "ops", "h1")
		if open, err := w.store.Open(target); err != nil || len(open) != 0 {
			t.Errorf("dead after %d steps: open intents %v, %v", cut, open, err)
		}
		if n := len(w.store.Kept(target).Losses); n != 2 {
			t.Errorf("dead after %d steps: %d losses are counted", cut, n)
		}
	}
}

func TestARunOfAPersonGoesBetweenTheBatchesOfAFullRun(t *testing.T) {
	t.Parallel()
	signedIn := func(w *world) bool { return w.dirs["corp"].Now().Groups["ops"].Members["c-h2"] }
	for gap := 1; ; gap++ {
		w := begin(t, two+"run\nleave corp h0 eng\njoin corp h1 ops\nuser corp h2\nsignup h2\njoin corp h2 eng")
		// The full run has read the directory; then h2 leaves, and signs in.
		w.sources["corp"].During = func() {
			w.armed[gap] = []step{{"leave", []string{"corp", "h2", "eng"}}, {"join", []string{"corp", "h2", "ops"}}, {"person", []string{"h2"}}}
		}
		w.play(t, "run")
		if w.report(t).Summary.Failed != 0 {
			t.Errorf("gap %d: %+v", gap, w.report(t).Changes)
		}
		if !signedIn(w) {
			if gap < 6 {
				t.Errorf("the run has only %d gaps", gap-1)
			}
			return
		}
		w.wants(t, "ops", "h0", "h1", "h2")
		w.wants(t, "eng", "h1")
	}
}

func TestWhoeverWasLookedUpMeanwhileIsLeftOutOfAnOlderPlan(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\njoin corp h1 ops")
	// The full run plans to add h1 to ops; between its plan and its call h1 leaves again
	// and a login tells us so.
	w.play(t, "inside 2 leave corp h1 ops\ninside 2 person h1\nrun")
	w.wants(t, "ops", "h0")
	if n := outcomes(w.report(t))[run.Skipped]; n != 1 {
		t.Errorf("%d changes were skipped: %+v", n, w.report(t).Changes)
	}
}

func TestARunOfOnePersonTouchesNobodyElse(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nleave corp h0 eng\nleave corp h1 eng\nperson h0")
	w.wants(t, "eng", "h1")
	w.play(t, "run")
	w.wants(t, "eng")
}

func TestSomebodyUnknownIsAnErrorWithAHint(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	_, err := w.engine.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply, User: "nobody@x.org"})
	if fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	for _, req := range []run.Request{{Source: "corpp"}, {Target: "chatt"}} {
		if _, err := w.engine.Run(t.Context(), req); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%+v: error %v, hint %q", req, err, fault.HintOf(err))
		}
	}
}

func TestEqualRequestsThatWaitBecomeOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, two)
		free := make(chan struct{})
		w.sources["corp"].During = func() { <-free }
		ids := make([]string, 6)
		ask := func(i int) {
			go func() {
				report, err := w.engine.Run(t.Context(), run.Request{Trigger: run.Schedule, Mode: run.Apply})
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = report.Run
			}()
			synctest.Wait()
		}
		for i := range ids {
			ask(i) // the first is at work, so that the others wait
		}
		close(free)
		synctest.Wait()
		if ids[0] == ids[1] || ids[0] == "" {
			t.Errorf("a request joined a run that had begun: %v", ids)
		}
		for _, id := range ids[2:] {
			if id != ids[1] {
				t.Errorf("equal requests that waited were runs of their own: %v", ids)
			}
		}
	})
}

func TestWhoeverGivesUpWaitingTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, two)
		free := make(chan struct{})
		w.sources["corp"].During = func() { <-free }
		req := run.Request{Trigger: run.Schedule, Mode: run.Apply}
		impatient, giveUp := context.WithCancel(t.Context())
		errs := make([]error, 3)
		for i, ctx := range []context.Context{t.Context(), impatient, t.Context()} {
			go func() { _, errs[i] = w.engine.Run(ctx, req) }()
			synctest.Wait()
		}
		giveUp()
		synctest.Wait()
		close(free)
		synctest.Wait()
		if errs[0] != nil || errs[2] != nil || fault.KindOf(errs[1]) != fault.Canceled {
			t.Errorf("errors %v", errs)
		}
	})
}

func TestATargetThatChangedIsNotWrittenUntilItIsAccepted(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	backup := w.web.Backup()
	w.play(t, "wait 1h\nuser corp h2\nsignup h2\njoin corp h2 eng\njoin corp h1 ops\nrun\nleave corp h1 eng\nrun")
	w.wants(t, "eng", "h0", "h2")
	w.web.Restore(backup)
	effects := len(w.web.Effects)
	w.play(t, "run\nperson h0\nrun")
	if len(w.web.Effects) != effects {
		t.Fatalf("written: %v", w.web.Effects[effects:])
	}
	holds := w.engine.Holds()
	if w.last.Exit != run.ExitHeld || len(holds) != 1 || holds[0].Check != run.TargetChanged {
		t.Fatalf("exit %d, holds %+v", w.last.Exit, holds)
	}
	w.play(t, "restart\nrun")
	if len(w.web.Effects) != effects {
		t.Fatalf("written after a restart: %v", w.web.Effects[effects:])
	}
	if err := w.engine.AcceptTarget(t.Context(), target, "tester"); err != nil {
		t.Fatal(err)
	}
	w.account["h2"] = ""
	w.play(t, "run\nsignup h2\nrun")
	w.wants(t, "ops", "h0", "h1")
	if len(w.engine.Holds()) != 0 {
		t.Errorf("holds after accepting: %+v", w.engine.Holds())
	}
	if err := w.engine.AcceptTarget(t.Context(), target, "tester"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("accepting again: %v", err)
	}
}

func TestAnEmptyAnswerIsNotAnEmptyOpenWebUI(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	empty := enginetest.NewOpenWebUI(w.clock, w.store.Power)
	w.web.Restore(empty)
	effects := len(w.web.Effects)
	w.play(t, "run")
	if w.last.Exit != run.ExitHeld || len(w.web.Effects) != effects {
		t.Errorf("exit %d, written %v", w.last.Exit, w.web.Effects[effects:])
	}
	m := w.store.Kept(target)
	if len(m.Owned) != 2 || len(m.Links) != 2 {
		t.Errorf("%d owned and %d links are left", len(m.Owned), len(m.Links))
	}
}

func TestApprovalIsUsedUpBySuccessAndOutlivesARestart(t *testing.T) {
	t.Parallel()
	w := begin(t, two+`
		user corp h2
		signup h2
		join corp h2 eng
		run
		leave corp h0 eng
		leave corp h1 eng
		leave corp h2 eng
		run
		approve 0
		restart
		write 1 before
		run
	`)
	w.wants(t, "eng", "h0", "h1", "h2")
	w.play(t, "run")
	w.wants(t, "eng")
	m := w.store.Kept(target)
	if len(m.Holds) != 0 || slices.ContainsFunc(m.Approvals, func(a run.Approval) bool { return len(a.Keys) > 0 }) {
		t.Errorf("holds %v, approvals %v", m.Holds, m.Approvals)
	}
	for _, l := range m.Losses {
		if !l.Approved {
			t.Errorf("an approved loss counts: %+v", l)
		}
	}
}

func TestApprovingWhatIsNotHeldSaysSo(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	if _, err := w.engine.Approve(t.Context(), "0123456789ab", "why", "me"); fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
}

func TestReplaceKeepsTheOldSetupWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	if err := w.engine.Replace(engine.Setup{}); err != nil {
		t.Fatal(err)
	}
	w.reload()
	w.play(t, "run")
	w.wants(t, "eng", "h0", "h1")
}
