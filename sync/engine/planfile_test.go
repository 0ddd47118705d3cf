package engine_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

// writeDown makes a plan and gives it as it is read again from a file.
func (w *world) writeDown(t *testing.T) *run.PlanFile {
	t.Helper()
	planned, err := w.engine.PlanFile(t.Context(), run.Request{Trigger: run.Manual})
	if err != nil {
		t.Fatal(err)
	}
	if planned.File == nil {
		t.Fatalf("no plan: %+v", planned.Report)
	}
	var f run.PlanFile
	b, err := json.Marshal(planned.File)
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &f
}

// carryOut applies a written plan, beside the oracle.
func (w *world) carryOut(t *testing.T, f *run.PlanFile) {
	t.Helper()
	w.last, w.err = w.engine.ApplyPlan(t.Context(), f, "because", "tester")
	if w.err != nil {
		t.Fatal(w.err)
	}
}

func TestAWrittenPlanIsCarriedOutAsItIs(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	f := w.writeDown(t)
	w.carryOut(t, f)
	w.wants(t, "eng", "h0", "h1")
	w.wants(t, "ops", "h0")
	tr := w.report(t)
	if w.last.Exit != run.ExitOK || tr.Plan != f.Targets[0].Plan || outcomes(tr)[run.Applied] != 5 || w.last.By != "tester" {
		t.Errorf("%+v", w.last)
	}
	if len(w.store.Kept(target).Accepted) != 1 {
		t.Error("the rules were not accepted")
	}
	// It was for once.
	w.carryOut(t, f)
	if w.last.Exit != run.ExitStale {
		t.Errorf("a second time: exit %d", w.last.Exit)
	}
	// A plan without changes is one too.
	w.carryOut(t, w.writeDown(t))
	if w.last.Exit != run.ExitOK {
		t.Errorf("a plan without changes: exit %d", w.last.Exit)
	}
}

func TestAPlanThatIsNoLongerRightIsNotCarriedOut(t *testing.T) {
	t.Parallel()
	synced := two + "user corp h2\nsignup h2\nuser corp h3\nsignup h3\nrun\njoin corp h2 eng\n"
	for name, c := range map[string]struct {
		steps string
		want  []string
	}{
		"a joiner":                {"join corp h3 eng", []string{`new: add member h3@x.org, group "eng"`}},
		"a leaver":                {"leave corp h1 eng", []string{`new: remove member h1@x.org, group "eng"`}},
		"somebody left again":     {"leave corp h2 eng", []string{`gone: add member h2@x.org, group "eng"`}},
		"both":                    {"join corp h3 ops\nleave corp h2 eng", []string{`new: add member h3@x.org, group "ops"`, `gone: add member h2@x.org, group "eng"`}},
		"somebody did it by hand": {"put h2 eng", []string{`new: adopt member h2@x.org, group "eng"`, `gone: add member h2@x.org, group "eng"`}},
		"a group was renamed":     {"rename corp eng engine", []string{`new: update group, group "eng", name=engine`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, synced)
			f := w.writeDown(t)
			w.play(t, c.steps)
			effects := len(w.web.Effects)
			w.carryOut(t, f)
			tr := w.report(t)
			var got []string
			for _, p := range tr.Problems {
				if p.Kind == run.KindStale {
					got = append(got, p.Message)
				}
			}
			if w.last.Exit != run.ExitStale || !tr.Stale || fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("exit %d, stale %t, %q, want %q", w.last.Exit, tr.Stale, got, c.want)
			}
			if len(w.web.Effects) != effects || outcomes(tr)[run.Planned]+outcomes(tr)[run.Applied] != 0 {
				t.Errorf("something was done: %+v", tr.Changes)
			}
			if open, err := w.store.Open(target); err != nil || len(open) != 0 {
				t.Errorf("open intents %v, %v", open, err)
			}
			w.carryOut(t, w.writeDown(t))
			if w.last.Exit != run.ExitOK {
				t.Errorf("a new plan: exit %d", w.last.Exit)
			}
		})
	}
}

func TestAtMostTwentyDifferencesAreNamed(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(two)
	for n := 2; n < 40; n++ {
		fmt.Fprintf(&b, "user corp h%d\nsignup h%d\n", n, n)
	}
	w := begin(t, b.String()+"run")
	f := w.writeDown(t)
	b.Reset()
	for n := 2; n < 40; n++ {
		fmt.Fprintf(&b, "join corp h%d eng\n", n)
	}
	w.play(t, b.String())
	w.carryOut(t, f)
	problems := w.report(t).Problems
	if len(problems) != 21 || problems[20].Message != "and 18 more differences" {
		t.Errorf("%d differences, the last: %+v", len(problems), problems[len(problems)-1])
	}
}

func TestAPlanFileDoesNotPassTheGuardBy(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"user corp h2\nsignup h2\njoin corp h2 eng\nrun\nleave corp h0 eng\nleave corp h1 eng\nleave corp h2 eng\njoin corp h1 ops")
	f := w.writeDown(t)
	w.carryOut(t, f)
	w.wants(t, "eng", "h0", "h1", "h2")
	w.wants(t, "ops", "h0", "h1")
	if tr := w.report(t); w.last.Exit != run.ExitHeld || outcomes(tr)[run.Held] != 3 || outcomes(tr)[run.Applied] != 1 {
		t.Fatalf("exit %d, %+v", w.last.Exit, tr.Changes)
	}
	// What is approved after the plan was made is another plan.
	f = w.writeDown(t)
	if _, err := w.engine.Approve(t.Context(), w.engine.Holds()[0].Hash, "closed", "tester"); err != nil {
		t.Fatal(err)
	}
	w.carryOut(t, f)
	w.wants(t, "eng", "h0", "h1", "h2")
	if tr := w.report(t); w.last.Exit != run.ExitStale || !strings.HasPrefix(tr.Problems[0].Message, "no longer held: remove member") {
		t.Errorf("exit %d, %+v", w.last.Exit, tr.Problems)
	}
	w.carryOut(t, w.writeDown(t))
	w.wants(t, "eng")
}

func TestAPlanOfAnotherStateOrAnotherFormIsRefused(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	whole := w.writeDown(t)
	for name, c := range map[string]struct {
		change func(*run.PlanFile)
		want   string
	}{
		"a later form":      {func(f *run.PlanFile) { f.Schema = 2 }, "has the form 2"},
		"no form":           {func(f *run.PlanFile) { f.Schema = 0 }, "no plan of groupsyncd"},
		"no targets":        {func(f *run.PlanFile) { f.Targets = nil }, "no plan of groupsyncd"},
		"no hash":           {func(f *run.PlanFile) { f.Targets[0].Allowed = "" }, "not complete"},
		"an unknown target": {func(f *run.PlanFile) { f.Target = "other" }, "no target is named other"},
		"an unknown source": {func(f *run.PlanFile) { f.Source = "other" }, "no source is named other"},
	} {
		f := *whole
		f.Targets = append([]run.PlannedPart(nil), whole.Targets...)
		c.change(&f)
		if _, err := w.engine.ApplyPlan(t.Context(), &f, "", "tester"); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (%s)", name, err, fault.HintOf(err))
		}
	}
	for name, change := range map[string]func(*run.PlanFile){
		"made with another state": func(f *run.PlanFile) { f.Targets[0].Instance = "another" },
		"in another way now":      func(f *run.PlanFile) { f.Targets[0].Plan = "sha256:0" },
		"was not there when":      func(f *run.PlanFile) { f.Targets[0].Name = "other" },
		"other is no longer configured": func(f *run.PlanFile) {
			f.Targets = append(f.Targets, run.PlannedPart{Name: "other", Instance: "i", Plan: "p", Allowed: "a"})
		},
		"the same changes would be made": func(f *run.PlanFile) { f.Targets[0].Allowed = "sha256:0" },
	} {
		f := *whole
		f.Targets = append([]run.PlannedPart(nil), whole.Targets...)
		change(&f)
		w.carryOut(t, &f)
		text := fmt.Sprintf("%+v", w.last.Targets)
		if w.last.Exit != run.ExitStale || !strings.Contains(text, name) {
			t.Errorf("%s: exit %d, %s", name, w.last.Exit, text)
		}
	}
	if len(w.web.Effects) != 0 {
		t.Errorf("%d effects", len(w.web.Effects))
	}
	setup := w.setup()
	setup.PlanOnly = true
	if err := w.engine.Replace(setup); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.ApplyPlan(t.Context(), whole, "", "tester"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("in plan mode: %v", err)
	}
	for _, req := range []run.Request{{User: "h0"}, {Revert: "run-0001"}} {
		if _, err := w.engine.PlanFile(t.Context(), req); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", req, err)
		}
	}
}

func TestAPlanIsCarriedOutForAllTargetsOrForNone(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	second := enginetest.NewOpenWebUI(w.clock, w.store.Power)
	for _, h := range []string{"h0", "h1"} {
		second.SignUp("second-"+h, w.mailOf(h), nil)
	}
	setup := w.setup()
	setup.Targets = append(setup.Targets, engine.TargetSetup{Name: "second", Open: second.Open, Match: []string{"email"}})
	if err := w.engine.Replace(setup); err != nil {
		t.Fatal(err)
	}
	f := w.writeDown(t)
	second.Make("eng")
	w.carryOut(t, f)
	if w.last.Exit != run.ExitStale || w.last.Targets[0].Stale || !w.last.Targets[1].Stale || outcomes(&w.last.Targets[0])[run.Skipped] != 5 {
		t.Errorf("exit %d, %+v", w.last.Exit, w.last.Targets)
	}
	second.Down = fault.Errorf(fault.Unavailable, "call", "second", "it is down")
	w.carryOut(t, f)
	if w.last.Exit != run.ExitTarget {
		t.Errorf("exit %d", w.last.Exit)
	}
	if planned, err := w.engine.PlanFile(t.Context(), run.Request{}); err != nil || planned.File != nil || planned.Report.Exit != run.ExitTarget {
		t.Errorf("%+v, %v", planned, err)
	}
	if len(w.web.Effects)+len(second.Effects) != 0 {
		t.Fatal("something was done")
	}
	second.Down = nil
	w.carryOut(t, w.writeDown(t))
	if w.last.Exit != run.ExitOK || len(second.Members(second.Named("eng")[0])) != 2 {
		t.Errorf("exit %d, %+v", w.last.Exit, w.last.Targets)
	}
	w.wants(t, "eng", "h0", "h1")
}
