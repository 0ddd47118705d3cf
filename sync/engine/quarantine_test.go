package engine_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// every lets runs be due every five minutes and gives the minutes of those that tried.
func (c *clinic) every5m(t *testing.T, until time.Duration, tries func() int) []int {
	t.Helper()
	var at []int
	for now := time.Duration(0); now <= until; now += 5 * time.Minute {
		before := tries()
		c.scheduled(t)
		if tries() != before {
			at = append(at, int(now/time.Minute))
		}
		c.clock.Add(5 * time.Minute)
	}
	return at
}

func TestASourceThatKeepsFailingIsTriedLessAndLess(t *testing.T) {
	t.Parallel()
	asked := fault.New(fault.Throttled, "read", "directory", context.DeadlineExceeded, "")
	asked.After = 3 * time.Hour
	absurd := fault.New(fault.Throttled, "read", "directory", context.DeadlineExceeded, "")
	absurd.After = 365 * 24 * time.Hour
	for name, c := range map[string]struct {
		err   error
		until time.Duration
		want  []int // minutes
	}{
		"unavailable":                   {broken(fault.Unavailable), 5 * time.Hour, []int{0, 5, 10, 25, 55, 115, 175, 235, 295}},
		"incomplete":                    {broken(fault.Incomplete), 3 * time.Hour, []int{0, 5, 10, 25, 55, 115, 175}},
		"invalid":                       {broken(fault.Invalid), 3 * time.Hour, []int{0, 5, 10, 25, 55, 115, 175}},
		"refused":                       {broken(fault.Auth), 26 * time.Hour, []int{0, 15, 45, 105, 225, 465, 825, 1185, 1545}},
		"asked to stay away for long":   {asked, 10 * time.Hour, []int{0, 5, 10, 190, 370, 550}},
		"asked to stay away for a year": {absurd, 25 * time.Hour, []int{0, 5, 10, 1450}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newClinic(t, 1)
			w.source.failing = c.err
			if diff := cmp.Diff(c.want, w.every5m(t, c.until, func() int { return w.source.pulls })); diff != "" {
				t.Errorf("minutes of tries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATargetThatKeepsFailingIsTriedLessAndLess(t *testing.T) {
	t.Parallel()
	w := newClinic(t, 2)
	w.webs[0].Down = broken(fault.Auth)
	w.scheduled(t)
	if w.last.Exit != run.ExitTarget || kinds(w.last.Notices) != "failed" {
		t.Fatalf("exit %d, notices %+v", w.last.Exit, w.last.Notices)
	}
	w.scheduled(t)
	tr := &w.last.Targets[0]
	if w.last.Exit != run.ExitTarget || !strings.Contains(tr.Error, "in quarantine since 2026-03-02T08:00:00Z, next try after 2026-03-02T08:15:00Z") ||
		!strings.Contains(tr.Error, "it is auth") || tr.Hint != "mend it; try at once with: groupsyncd sync --target chat" || len(w.last.Notices) != 0 {
		t.Errorf("skipped: %+v, notices %+v", tr, w.last.Notices)
	}
	if lab := &w.last.Targets[1]; lab.Error != "" || len(w.webs[1].Members(w.webs[1].Named("eng")[0])) != crowd {
		t.Errorf("the other target: %+v", lab)
	}
	if q := w.status(t).Targets[0].Quarantine; q == nil || !q.Since.Equal(start) || !q.NextTry.Equal(start.Add(15*time.Minute)) || !strings.Contains(q.Reason, "it is auth") {
		t.Errorf("status: %+v", q)
	}
	w.webs[0].Down = nil
	w.clock.Add(15 * time.Minute)
	if got := w.scheduled(t); got != "recovered" || w.last.Exit != run.ExitOK || w.status(t).Targets[0].Quarantine != nil {
		t.Errorf("healed: notices %q, exit %d", got, w.last.Exit)
	}
}

func TestATargetThatRefusesEveryWriteIsSlowedDownToo(t *testing.T) {
	t.Parallel()
	w := newClinic(t, 1)
	for _, g := range []string{"eng1", "eng2", "eng3", "eng4", "eng5", "eng6"} {
		w.dir.SetGroup(enginetestGroup(g))
	}
	w.webs[0].Fault = refuseAll
	for range 2 {
		if got := w.scheduled(t); got != "" {
			t.Errorf("notices %q", got)
		}
	}
	if got := w.scheduled(t); got != "failed" || w.last.Exit != run.ExitPartly {
		t.Errorf("notices %q, exit %d", got, w.last.Exit)
	}
}

func TestQuarantineSurvivesARestartAndYieldsToAPerson(t *testing.T) {
	t.Parallel()
	w := newClinic(t, 1)
	w.source.failing = broken(fault.Auth)
	if got := w.scheduled(t); got != "failed" || w.last.Exit != run.ExitSource {
		t.Fatalf("notices %q, exit %d", got, w.last.Exit)
	}
	for range 20 { // a crash loop
		w.boot(t)
		if got := w.scheduled(t); got != "" || w.last.Exit != run.ExitSource {
			t.Fatalf("notices %q, exit %d", got, w.last.Exit)
		}
	}
	sr := w.last.Sources[0]
	if w.source.pulls != 1 || sr.Coverage != "none" || !strings.Contains(sr.Reason, "next try after 2026-03-02T08:15:00Z") ||
		sr.Hint != "mend it; try at once with: groupsyncd sync --source corp" {
		t.Errorf("%d tries; %+v", w.source.pulls, sr)
	}
	for _, by := range []run.Trigger{run.Schedule, run.Confirm, run.Webhook, run.Watch, run.Push} {
		w.run(t, run.Request{Trigger: by})
	}
	if w.source.pulls != 1 {
		t.Errorf("%d tries although nobody asked", w.source.pulls)
	}
	// Impatience makes nothing longer.
	for _, by := range []run.Trigger{run.Manual, run.Manual, run.Manual, run.Reload} {
		if got := w.run(t, run.Request{Trigger: by}); got != "" {
			t.Errorf("notices %q", got)
		}
	}
	if q := w.status(t).Sources[0].Quarantine; w.source.pulls != 5 || q == nil || !q.NextTry.Equal(start.Add(15*time.Minute)) {
		t.Errorf("%d tries, %+v", w.source.pulls, q)
	}
	w.source.failing = nil
	if got := w.manual(t); got != "recovered" || w.last.Exit != run.ExitOK {
		t.Errorf("notices %q, exit %d", got, w.last.Exit)
	}
	w.scheduled(t)
	if w.source.pulls != 7 || w.status(t).Sources[0].Quarantine != nil {
		t.Error("still in quarantine")
	}
}

func TestOneNoticeOnEntryOneWhenTheReasonChangesOneWhenItLeaves(t *testing.T) {
	t.Parallel()
	w := newClinic(t, 1)
	var told []string
	for _, kind := range []fault.Kind{fault.Unavailable, fault.Unavailable, fault.Unavailable, fault.Unavailable, fault.Auth, fault.Auth, fault.Incomplete, 0, 0} {
		w.source.failing = nil
		if kind != 0 {
			w.source.failing = broken(kind)
		}
		told = append(told, w.manual(t))
	}
	if diff := cmp.Diff([]string{"", "", "failed", "", "failed", "", "failed", "recovered", ""}, told); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
	if n := strings.Count(w.log.String(), "msg=notice"); n != 4 || strings.Count(w.log.String(), "level=INFO msg=notice kind=recovered") != 1 {
		t.Errorf("%d notices in the log:\n%s", n, w.log.String())
	}
}

func TestASuccessEndsARowOfFailures(t *testing.T) {
	t.Parallel()
	w := newClinic(t, 1)
	for range 5 {
		for range 2 {
			w.source.failing = broken(fault.Unavailable)
			w.scheduled(t)
		}
		w.source.failing = nil
		w.scheduled(t)
	}
	if w.source.pulls != 15 || strings.Contains(w.log.String(), "msg=notice") {
		t.Errorf("%d tries; %s", w.source.pulls, w.log.String())
	}
}

func TestAnInterruptedRunSaysNothingAboutASource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newClinic(t, 1)
		w.source.hangs = true
		for range 4 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			report, err := w.engine.Run(ctx, run.Request{Trigger: run.Schedule, Mode: run.Apply})
			if err != nil || report.Exit != run.ExitInterrupted || len(report.Notices) != 0 {
				t.Errorf("%+v, %v", report, err)
			}
		}
		if s := w.status(t).Sources[0]; s.Quarantine != nil || s.Failing != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestLookUpsCountAndNobodyIsNoFailure(t *testing.T) {
	t.Parallel()
	person := run.Request{Trigger: run.Webhook, User: "h1@x.org"}
	w := newClinic(t, 1)
	w.scheduled(t)
	w.source.lookUp = broken(fault.NotFound)
	for range 5 {
		w.run(t, person)
	}
	w.source.lookUp = broken(fault.Unavailable)
	var told []string
	for range 4 {
		told = append(told, w.run(t, person))
	}
	if diff := cmp.Diff([]string{"", "", "failed", ""}, told); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
	if w.last.Exit != run.ExitSource || !strings.Contains(w.last.Sources[0].Reason, "in quarantine") {
		t.Errorf("exit %d, %+v", w.last.Exit, w.last.Sources)
	}
	w.source.lookUp = nil
	if got := w.run(t, run.Request{Trigger: run.Manual, User: "h1@x.org"}); got != "recovered" {
		t.Errorf("notices %q", got)
	}
	// A look-up that works does not end what reads of everything have begun.
	w.source.failing = broken(fault.Incomplete)
	for range 3 {
		w.scheduled(t)
	}
	if got := w.run(t, run.Request{Trigger: run.Manual, User: "h1@x.org"}); got != "" || w.status(t).Sources[0].Quarantine == nil {
		t.Errorf("notices %q", got)
	}
}

func TestWhatIsNoLongerConfiguredIsForgotten(t *testing.T) {
	t.Parallel()
	w := newClinic(t, 2)
	w.webs[1].Down = broken(fault.Auth)
	w.scheduled(t)
	w.webs = w.webs[:1]
	w.boot(t)
	w.scheduled(t)
	h, err := w.store.Health()
	if err != nil || len(h.Targets) != 0 || len(h.Complete) != 1 {
		t.Errorf("%+v, %v", h, err)
	}
}
