package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// two is a small world: two people and two groups of one source, nothing synced yet.
const two = `
	sources corp
	rules r1a
	user corp h0
	user corp h1
	signup h0
	signup h1
	group corp eng
	group corp ops
	join corp h0 eng
	join corp h1 eng
	join corp h0 ops
`

// begin starts a process in a world.
func begin(t *testing.T, text string) *world {
	t.Helper()
	w := newWorld()
	w.boot()
	w.play(t, text)
	return w
}

// play lets further steps happen; what the oracle finds wrong fails the test.
func (w *world) play(t *testing.T, text string) {
	t.Helper()
	for _, s := range parse(text) {
		w.do(s)
	}
	if w.failed != "" {
		t.Fatal(w.failed)
	}
}

// members gives who is in the group of a name, as humans.
func (w *world) members(name string) []string {
	people := []string{}
	for _, id := range w.web.Named(name) {
		for _, a := range w.web.Members(id) {
			people = append(people, w.human[a])
		}
	}
	return people
}

// ours reports whether the ledger has a membership as ours.
func (w *world) ours(group, human string) bool {
	m := w.store.Kept(target)
	n, known := m.Mirror.Number(w.account[human])
	for _, id := range w.web.Named(group) {
		if o := m.Owned[id]; o != nil && known && o.Has(n) {
			return true
		}
	}
	return false
}

func (w *world) wants(t *testing.T, group string, people ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, people...), w.members(group)); diff != "" {
		t.Errorf("members of %s (-want +got):\n%s", group, diff)
	}
}

// target gives the part of the last report that is about the target.
func (w *world) report(t *testing.T) *run.TargetReport {
	t.Helper()
	if w.err != nil {
		t.Fatal(w.err)
	}
	if len(w.last.Targets) != 1 {
		t.Fatalf("the report has %d targets", len(w.last.Targets))
	}
	return &w.last.Targets[0]
}

func outcomes(tr *run.TargetReport) map[run.Outcome]int {
	n := map[run.Outcome]int{}
	for i := range tr.Changes {
		n[tr.Changes[i].Outcome]++
	}
	return n
}

func TestAFullRunMakesGroupsAndTheNextFindsNothingToDo(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	w.wants(t, "eng", "h0", "h1")
	w.wants(t, "ops", "h0")
	want := run.Summary{GroupsCreated: 2, MembersAdded: 3}
	if diff := cmp.Diff(want, w.report(t).Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	effects := len(w.web.Effects)
	w.play(t, "run")
	if tr := w.report(t); tr.Summary.Unchanged != 3 || len(tr.Changes) != 0 || tr.Writes != 0 || w.last.Exit != run.ExitOK {
		t.Errorf("second run: %+v, %d writes, exit %d", tr.Summary, tr.Writes, w.last.Exit)
	}
	if len(w.web.Effects) != effects {
		t.Error("the second run wrote")
	}
}

func TestPlanWritesNothingAndRemembersNothing(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"plan")
	if tr := w.report(t); tr.Summary.GroupsCreated != 2 || tr.Summary.MembersAdded != 3 || tr.Writes != 0 || outcomes(tr)[run.Planned] != 5 {
		t.Errorf("plan: %+v, outcomes %v, %d writes", tr.Summary, outcomes(tr), tr.Writes)
	}
	if len(w.web.Effects) != 0 {
		t.Errorf("a plan wrote %v", w.web.Effects)
	}
	m := w.store.Kept(target)
	if len(m.Links)+len(m.Owned)+len(m.Holds)+m.People.Len()+len(m.Accepted) != 0 {
		t.Errorf("a plan was remembered: %d links, %d owned, %d holds, %d people, %d accepted rules", len(m.Links), len(m.Owned), len(m.Holds), m.People.Len(), len(m.Accepted))
	}
	if w.last.Mode != run.Plan {
		t.Errorf("mode %s", w.last.Mode)
	}
}

func TestThePlanOfARunIsTheOneThatADryRunShows(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"plan")
	dry := w.report(t).Plan
	w.play(t, "run")
	if got := w.report(t).Plan; got != dry {
		t.Errorf("applied plan %s, shown plan %s", got, dry)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	emptied := "user corp h2\nsignup h2\njoin corp h2 eng\nrun\nleave corp h0 eng\nleave corp h1 eng\nleave corp h2 eng\n"
	tests := map[string]struct {
		steps string
		exit  int
		check func(*testing.T, *world)
	}{
		"a source that fails":         {"run\nfault corp fails\nrun", run.ExitSource, nil},
		"a source with a bug":         {"run\nfault corp panics\nrun", run.ExitSource, nil},
		"a source that is cut":        {"run\nfault corp cut eng\nrun", run.ExitSource, nil},
		"something is held":           {emptied + "run", run.ExitHeld, func(t *testing.T, w *world) { w.wants(t, "eng", "h0", "h1", "h2") }},
		"a call fails":                {"write 1 before\nrun", run.ExitPartly, nil},
		"a call fails after its work": {"write 3 after\nrun", run.ExitPartly, nil},
		"a call that does nothing":    {"write 3 ignored\nrun", run.ExitPartly, nil},
		"a look-up that fails":        {"run\nlookupfault corp fails\nperson h0", run.ExitSource, nil},
		"a look-up that finds nobody": {"run\nlookupfault corp nobody\nperson h0", run.ExitOK, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, two+tt.steps)
			if w.err != nil {
				t.Fatal(w.err)
			}
			if w.last.Exit != tt.exit {
				t.Errorf("exit %d, want %d: %+v", w.last.Exit, tt.exit, w.report(t).Summary)
			}
			if tt.check != nil {
				tt.check(t, w)
				return
			}
			w.play(t, "run")
			w.wants(t, "eng", "h0", "h1")
			w.wants(t, "ops", "h0")
			if w.last.Exit != run.ExitOK {
				t.Errorf("the next run ends with %d", w.last.Exit)
			}
		})
	}
}

func TestATargetThatCannotBeUsedEndsWithSixAndAHint(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"down":    fault.New(fault.Unavailable, "observe", "http://chat", context.DeadlineExceeded, "is it running?"),
		"refused": fault.New(fault.Auth, "observe", "http://chat", context.DeadlineExceeded, "is the key right?"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, two+"run\nleave corp h0 eng")
			w.web.Down = err
			w.play(t, "run")
			if tr := w.report(t); w.last.Exit != run.ExitTarget || tr.Error == "" || tr.Hint != fault.HintOf(err) {
				t.Errorf("exit %d, error %q, hint %q", w.last.Exit, tr.Error, tr.Hint)
			}
			w.play(t, "up\nsync")
			w.wants(t, "eng", "h1")
		})
	}
}

func TestTooManyFailuresInARowEndTheRun(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("sources eu\nrules r6a\n")
	for _, g := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"} {
		b.WriteString("group eu " + g + "\n")
	}
	w := begin(t, b.String())
	w.web.Fault = func(run.Op, string, []string) enginetest.Fault { return enginetest.FailsBefore }
	w.play(t, "run")
	tr := w.report(t)
	if tr.Writes != 5 || outcomes(tr)[run.Failed] != 9 {
		t.Errorf("%d writes, outcomes %v", tr.Writes, outcomes(tr))
	}
	w.web.Fault = nil
	w.play(t, "run")
	if tr := w.report(t); outcomes(tr)[run.Applied] != 9 {
		t.Errorf("afterwards: %v", outcomes(tr))
	}
}

func TestAnInterruptedRunFinishesItsCallAndSkipsTheRest(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	ctx, cancel := context.WithCancel(t.Context())
	w.web.Before = func(run.Op) { cancel() }
	report, err := w.engine.Run(ctx, run.Request{Trigger: run.Manual, Mode: run.Apply})
	if err != nil {
		t.Fatal(err)
	}
	w.web.Before = nil
	tr := &report.Targets[0]
	if report.Exit != run.ExitInterrupted || outcomes(tr)[run.Applied] != 1 || outcomes(tr)[run.Skipped] != 4 {
		t.Errorf("exit %d, outcomes %v", report.Exit, outcomes(tr))
	}
	if len(w.web.Effects) != 1 || len(w.store.Kept(target).Links) != 1 {
		t.Errorf("%d effects, %d links", len(w.web.Effects), len(w.store.Kept(target).Links))
	}
	if open, err := w.store.Open(target); err != nil || len(open) != 0 {
		t.Errorf("open intents %v, %v", open, err)
	}
	if len(w.store.Kept(target).Accepted) == 0 {
		t.Error("what an interrupted run gave is not known as given by its rules")
	}
	w.play(t, "run")
	w.wants(t, "eng", "h0", "h1")
	w.wants(t, "ops", "h0")
}

func TestAGroupDeletedUnderUsIsNoSilentSuccess(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nleave corp h0 eng")
	w.web.Before = func(op run.Op) {
		if op == run.RemoveMember {
			w.web.Before = nil
			w.do(step{"delgrp", []string{"eng"}})
		}
	}
	w.play(t, "run")
	tr := w.report(t)
	if w.last.Exit != run.ExitPartly || outcomes(tr)[run.Failed] != 1 {
		t.Errorf("exit %d, outcomes %v", w.last.Exit, outcomes(tr))
	}
	w.play(t, "run")
	w.wants(t, "eng", "h1")
	if !slices.ContainsFunc(w.report(t).Problems, func(p run.Problem) bool { return p.Kind == run.KindLostGrants }) {
		t.Errorf("nothing says that the grants of the group are lost: %v", w.report(t).Problems)
	}
}

func TestAnAccountDeletedUnderUsIsFoundByVerifying(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	w.web.Before = func(op run.Op) {
		if op == run.AddMember {
			w.web.Before = nil
			w.do(step{"delacct", []string{"h0"}})
		}
	}
	w.play(t, "run")
	tr := w.report(t)
	if w.last.Exit != run.ExitPartly || outcomes(tr)[run.Failed] != 2 {
		t.Errorf("exit %d, outcomes %v", w.last.Exit, outcomes(tr))
	}
	w.wants(t, "eng", "h1")
	w.play(t, "run")
	if w.last.Exit != run.ExitOK || outcomes(w.report(t))[run.Failed] != 0 {
		t.Errorf("the next run: exit %d, %v", w.last.Exit, outcomes(w.report(t)))
	}
	w.play(t, "signup h0\nrun")
	w.wants(t, "eng", "h1", "h0")
}

func TestIdsThatTheServerDropsAreFoundByVerifying(t *testing.T) {
	t.Parallel()
	for _, op := range []run.Op{run.AddMember, run.RemoveMember} {
		t.Run(string(op), func(t *testing.T) {
			t.Parallel()
			w := begin(t, two+"run\nleave corp h0 eng\njoin corp h1 ops")
			w.web.Fault = func(got run.Op, _ string, _ []string) enginetest.Fault {
				if got == op {
					return enginetest.Ignored
				}
				return enginetest.Works
			}
			w.play(t, "run")
			if w.last.Exit != run.ExitPartly || outcomes(w.report(t))[run.Failed] != 1 || outcomes(w.report(t))[run.Applied] != 1 {
				t.Errorf("exit %d, outcomes %v", w.last.Exit, outcomes(w.report(t)))
			}
			// What the server did not do is not in the ledger either.
			if added, kept := w.ours("ops", "h1"), w.ours("eng", "h0"); added != (op != run.AddMember) || kept != (op == run.RemoveMember) {
				t.Errorf("ledger: h1 in ops %t, h0 in eng %t", added, kept)
			}
			w.web.Fault = nil
			w.play(t, "run")
			w.wants(t, "eng", "h1")
			w.wants(t, "ops", "h0", "h1")
		})
	}
}
