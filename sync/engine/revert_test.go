package engine_test

import (
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// revert undoes a run, which the oracle of the histories knows nothing about: what follows
// is not judged by it.
func (w *world) revert(t *testing.T, id string) *run.TargetReport {
	t.Helper()
	w.ask(t, run.Request{Trigger: run.Manual, Mode: run.Apply, Revert: id, Reason: "because", By: "tester"})
	return w.report(t)
}

// ask carries out a request beside the oracle.
func (w *world) ask(t *testing.T, req run.Request) {
	t.Helper()
	w.last, w.err = w.engine.Run(t.Context(), req)
}

// full is a full run beside the oracle.
func (w *world) full(t *testing.T) *run.TargetReport {
	t.Helper()
	w.ask(t, run.Request{Trigger: run.Schedule, Mode: run.Apply})
	return w.report(t)
}

// moved is a world in which, in the last run, h2 has joined eng and h1 has left it.
const moved = two + "user corp h2\nsignup h2\nrun\njoin corp h2 eng\nleave corp h1 eng\nrun"

func TestARevertedRunStaysUndone(t *testing.T) {
	t.Parallel()
	w := begin(t, moved)
	w.wants(t, "eng", "h0", "h2")
	id := w.last.Run
	tr := w.revert(t, id)
	w.wants(t, "eng", "h0", "h1")
	if w.last.Reverts != id || w.last.By != "tester" || w.last.Exit != run.ExitOK || outcomes(tr)[run.Applied] != 2 {
		t.Errorf("report %+v", w.last)
	}
	if !w.ours("eng", "h1") || w.ours("eng", "h2") {
		t.Error("the ledger does not say what was undone")
	}
	effects := len(w.web.Effects)
	for range 2 {
		tr = w.full(t)
		if outcomes(tr)[run.Held] != 2 || len(tr.Changes) != 2 || len(tr.Holds) != 1 || tr.Holds[0].Check != run.Reverted || tr.Holds[0].Scope != id {
			t.Fatalf("changes %+v, holds %+v", tr.Changes, tr.Holds)
		}
	}
	for _, h := range []string{"h1", "h2"} {
		w.ask(t, run.Request{Trigger: run.Webhook, Mode: run.Apply, User: w.mailOf(h)})
	}
	w.wants(t, "eng", "h0", "h1")
	if len(w.web.Effects) != effects || w.store.Unsaved(target) != "" {
		t.Errorf("%d effects more, not saved: %q", len(w.web.Effects)-effects, w.store.Unsaved(target))
	}
	// A new process knows it too.
	w.boot()
	if tr = w.full(t); outcomes(tr)[run.Held] != 2 || len(w.web.Effects) != effects {
		t.Errorf("after a restart: %+v", tr.Changes)
	}
	// An approval lets it through, once.
	if _, err := w.engine.Approve(t.Context(), tr.Holds[0].Hash, "after all", "tester"); err != nil {
		t.Fatal(err)
	}
	w.full(t)
	w.wants(t, "eng", "h0", "h2")
	if tr = w.full(t); len(tr.Changes)+len(tr.Holds) != 0 {
		t.Errorf("afterwards: %+v, %+v", tr.Changes, tr.Holds)
	}
}

func TestADryRevertWritesNothing(t *testing.T) {
	t.Parallel()
	w := begin(t, moved)
	effects, before := len(w.web.Effects), w.store.Kept(target)
	w.ask(t, run.Request{Trigger: run.Manual, Mode: run.Plan, Revert: w.last.Run})
	if tr := w.report(t); outcomes(tr)[run.Planned] != 2 || tr.Writes != 0 || w.last.Exit != run.ExitOK || w.last.Mode != run.Plan {
		t.Errorf("%+v", w.last)
	}
	after := w.store.Kept(target)
	if len(w.web.Effects) != effects || len(after.Holds) != 0 || !cmp.Equal(before.Owned, after.Owned) || !cmp.Equal(before.Tombstones, after.Tombstones) {
		t.Error("something was changed")
	}
}

func TestARevertOfARevertEndsItsHold(t *testing.T) {
	t.Parallel()
	w := begin(t, moved)
	w.revert(t, w.last.Run)
	tr := w.revert(t, w.last.Run)
	w.wants(t, "eng", "h0", "h2")
	if outcomes(tr)[run.Applied] != 2 {
		t.Errorf("%+v", tr.Changes)
	}
	if tr := w.full(t); len(tr.Changes)+len(tr.Holds) != 0 || w.last.Exit != run.ExitOK {
		t.Errorf("%+v, %+v", tr.Changes, tr.Holds)
	}
}

func TestARevertedRunIsNotUndoneTwice(t *testing.T) {
	t.Parallel()
	w := begin(t, moved)
	id := w.last.Run
	w.revert(t, id)
	effects := len(w.web.Effects)
	tr := w.revert(t, id)
	if outcomes(tr)[run.Skipped] != 2 || len(w.web.Effects) != effects {
		t.Errorf("%+v", tr.Changes)
	}
}

func TestWhatCannotBeRevertedSaysWhy(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"plan")
	planned := w.last.Run
	w.play(t, "run\nrun")
	for _, c := range []struct {
		req  run.Request
		kind fault.Kind
		want string
	}{
		{run.Request{Revert: planned}, fault.Invalid, "revert: run " + planned + " was a plan: it changed nothing"},
		{run.Request{Revert: w.last.Run}, fault.Invalid, "revert: run " + w.last.Run + " changed nothing"},
		{run.Request{Revert: "run-0002", Target: "chat2"}, fault.Invalid, "no target is named chat2"},
		{run.Request{Revert: "run-9999"}, fault.NotFound, "no run has that id"},
		{run.Request{Revert: "run-0002", User: "h0"}, fault.Invalid, "a run is reverted as a whole"},
		{run.Request{Revert: "run-0002", Source: "corp"}, fault.Invalid, "a run is reverted as a whole"},
	} {
		c.req.Mode = run.Apply
		w.ask(t, c.req)
		if fault.KindOf(w.err) != c.kind || !strings.Contains(w.err.Error(), c.want) || c.kind == fault.Invalid && fault.HintOf(w.err) == "" {
			t.Errorf("%+v gives %v (%s)", c.req, w.err, fault.HintOf(w.err))
		}
	}
}

func TestARevertLeavesATargetAloneThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	w := begin(t, moved)
	id := w.last.Run
	w.play(t, "down")
	if tr := w.revert(t, id); w.last.Exit != run.ExitTarget || tr.Error == "" || len(tr.Changes) != 0 {
		t.Errorf("%+v", w.last)
	}
	w.play(t, "up")
	setup := w.setup()
	setup.Targets[0].PlanOnly = true
	if err := w.engine.Replace(setup); err != nil {
		t.Fatal(err)
	}
	effects := len(w.web.Effects)
	if tr := w.revert(t, id); outcomes(tr)[run.Planned] != 2 || len(w.web.Effects) != effects {
		t.Errorf("%+v", tr.Changes)
	}
	setup.Targets = nil
	if err := w.engine.Replace(setup); err != nil {
		t.Fatal(err)
	}
	if tr := w.revert(t, id); w.last.Exit != run.ExitTarget || !strings.Contains(tr.Error, "no longer configured") {
		t.Errorf("%+v", w.last)
	}
}

func TestWhatTheGuardHoldsOfARevertComesWithAnApprovalAndAnother(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"user corp h2\nsignup h2\njoin corp h2 eng\nrun")
	w.store.Keep = 0
	id := w.last.Run
	tr := w.revert(t, id) // eng had three members, and loses all of them
	w.wants(t, "eng", "h0", "h1", "h2")
	w.wants(t, "ops")
	if outcomes(tr)[run.Held] != 3 || outcomes(tr)[run.Applied] != 1 || w.last.Exit != run.ExitHeld {
		t.Fatalf("%+v", tr.Changes)
	}
	w.full(t)
	var hold run.Hold
	for _, h := range w.engine.Holds() {
		if h.Check == run.Emptied {
			hold = h
		}
	}
	a, err := w.engine.Approve(t.Context(), hold.Hash, "close it", "tester")
	if err != nil || !cmp.Equal(a.Reverts, []string{id}) || len(a.Keys) != 3 {
		t.Fatalf("approval %+v, %v", a, err)
	}
	w.full(t)
	w.wants(t, "eng", "h0", "h1", "h2")
	if tr = w.revert(t, id); outcomes(tr)[run.Applied] != 3 {
		t.Fatalf("%+v", tr.Changes)
	}
	w.wants(t, "eng")
	w.full(t)
	w.wants(t, "eng")
	w.wants(t, "ops")
}

func TestACrashInTheMiddleOfARevertIsSettled(t *testing.T) {
	t.Parallel()
	done := false
	for cut := 0; !done; cut++ {
		w := begin(t, moved)
		w.store.Keep = 0
		w.play(t, "join corp h1 ops\njoin corp h2 ops\nrun")
		w.wants(t, "ops", "h0", "h1", "h2")
		id := "run-0002" // the run in which h1 left eng
		w.store.Power.CutAfter(cut)
		w.ask(t, run.Request{Trigger: run.Manual, Mode: run.Apply, Revert: id})
		if w.last != nil && w.err == nil {
			done = true
		}
		w.store.Power.Off()
		w.boot()
		// What was undone stays so; what was not is undone when it is asked for again.
		between := w.members("eng")
		w.full(t)
		if diff := cmp.Diff(between, w.members("eng")); diff != "" {
			t.Errorf("dead after %d steps, the next run undoes what was undone:\n%s", cut, diff)
		}
		w.revert(t, id)
		w.wants(t, "eng", "h0", "h1")
		w.wants(t, "ops", "h0", "h1", "h2")
		w.full(t)
		w.wants(t, "eng", "h0", "h1")
		if open, err := w.store.Open(target); err != nil || len(open) != 0 || w.store.Unsaved(target) != "" {
			t.Errorf("dead after %d steps: open intents %v, %v, not saved %q", cut, open, err, w.store.Unsaved(target))
		}
		if cut > 40 {
			t.Fatal("the revert takes more steps than are tried")
		}
	}
}

func TestWhoSignsInDuringARevertIsLeftOutOfIt(t *testing.T) {
	t.Parallel()
	w := begin(t, moved)
	ctx := &between{Context: t.Context(), when: 2, do: func() {
		if _, err := w.engine.Run(t.Context(), run.Request{Trigger: run.Webhook, Mode: run.Apply, User: w.mailOf("h2")}); err != nil {
			t.Error(err)
		}
	}}
	w.last, w.err = w.engine.Run(ctx, run.Request{Trigger: run.Manual, Mode: run.Apply, Revert: w.last.Run})
	if tr := w.report(t); ctx.n < ctx.when || outcomes(tr)[run.Skipped] != 1 || outcomes(tr)[run.Applied] != 1 {
		t.Fatalf("asked %d times, %+v", ctx.n, tr.Changes)
	}
	w.wants(t, "eng", "h0", "h1", "h2")
	if tr := w.full(t); outcomes(tr)[run.Held] != 1 || len(tr.Changes) != 1 {
		t.Errorf("%+v", tr.Changes)
	}
}
