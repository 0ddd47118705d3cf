package engine_test

import (
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

func enginetestGroup(name string) enginetest.TrueGroup {
	return enginetest.TrueGroup{ID: "corp-" + name, Name: name, Members: map[string]bool{"corp-h0": true}}
}

func refuseAll(run.Op, string, []string) enginetest.Fault { return enginetest.FailsBefore }

// leave takes people out of the directory group.
func (c *clinic) leave(people ...string) {
	c.dir.Edit("corp-eng", func(g *enginetest.TrueGroup) {
		for _, p := range people {
			delete(g.Members, "corp-"+p)
		}
	})
}

func TestOneHoldInSeveralTargetsIsOneNotice(t *testing.T) {
	t.Parallel()
	w := newClinic(t, 3)
	w.limits.MaxPeople = plan.LimitCount(1)
	w.boot(t)
	w.scheduled(t)
	w.webs[2].Down = broken(fault.Unavailable)
	w.clock.Add(time.Hour)
	w.leave("h0", "h1", "h2", "h3", "h4")
	if got := w.scheduled(t); got != "held" {
		t.Fatalf("notices %q: %+v", got, w.last)
	}
	n := w.last.Notices[0]
	if strings.Join(n.Targets, " ") != "chat lab" || !strings.Contains(n.Message, string(run.MaxPeople)) || !strings.Contains(n.Message, "target lab: ") ||
		strings.Count(n.Hint, "groupsyncd approve ") != 2 || n.Key != "held/max_people" {
		t.Errorf("%+v", n)
	}
	// Its list grows, the process starts again, time passes: nothing new.
	w.leave("h5")
	for range 3 {
		w.boot(t)
		w.clock.Add(20 * time.Minute)
		if got := w.scheduled(t); strings.Contains(got, "held") {
			t.Errorf("told again: %+v", w.last.Notices)
		}
	}
	// It begins in a target that had not been looked at: that one is told, alone.
	w.webs[2].Down = nil
	if got := w.manual(t); got != "held recovered" && got != "recovered held" {
		t.Errorf("notices %q", got)
	}
	for _, n := range w.last.Notices {
		if n.Kind == run.NoticeHeld && strings.Join(n.Targets, " ") != "old" {
			t.Errorf("%+v", n)
		}
	}
	if open := w.status(t).Notices; kinds(open) != "held" || len(open[0].Targets) != 3 {
		t.Errorf("open: %+v", open)
	}
	// It ends, and begins again later: that is news.
	w.dir.Edit("corp-eng", func(g *enginetest.TrueGroup) {
		for _, p := range []string{"h0", "h1", "h2", "h3", "h4", "h5"} {
			g.Members["corp-"+p] = true
		}
	})
	if got := w.manual(t); got != "" || len(w.status(t).Notices) != 0 {
		t.Errorf("notices %q, open %+v", got, w.status(t).Notices)
	}
	w.clock.Add(time.Hour)
	w.leave("h0", "h1", "h2", "h3", "h4")
	if got := w.scheduled(t); got != "held" || len(w.last.Notices[0].Targets) != 3 {
		t.Errorf("notices %q", got)
	}
}

func TestAPlanTellsNobodyOfHolds(t *testing.T) {
	t.Parallel()
	w := newClinic(t, 1)
	w.limits.MaxPeople = plan.LimitCount(1)
	w.boot(t)
	w.scheduled(t)
	w.clock.Add(time.Hour)
	w.leave("h0", "h1", "h2", "h3", "h4")
	if got := w.run(t, run.Request{Trigger: run.Manual, Mode: run.Plan}); got != "" || w.last.Exit != run.ExitHeld {
		t.Errorf("notices %q, exit %d", got, w.last.Exit)
	}
}

func TestAChangedTargetIsToldAgainOnlyWhenAnotherThingIsStrange(t *testing.T) {
	t.Parallel()
	w := newClinic(t, 1)
	groups := []string{"eng1", "eng2", "eng3", "eng4", "eng5", "eng6", "eng7", "eng8"}
	for _, g := range groups {
		w.dir.SetGroup(enginetestGroup(g))
	}
	w.scheduled(t)
	web := w.webs[0]
	backup := web.Backup()
	w.clock.Add(time.Hour)
	web.Describe(web.Named("eng")[0], "by hand")
	w.scheduled(t)
	for _, g := range groups[:6] {
		web.Delete(web.Named(g)[0])
	}
	if got := w.scheduled(t); got != "held" || !strings.Contains(w.last.Notices[0].Message, "6 of 9 known groups are missing") {
		t.Fatalf("notices %q %+v", got, w.last)
	}
	web.Delete(web.Named("eng7")[0])
	if got := w.scheduled(t); got != "" {
		t.Errorf("one more group is missing: notices %q", got)
	}
	web.Restore(backup)
	if got := w.scheduled(t); got != "held" || !strings.Contains(w.last.Notices[0].Message, "restored backup") {
		t.Errorf("notices %q %+v", got, w.last)
	}
}

func TestASourceThatIsNotReadIsStaleAndSaysSo(t *testing.T) {
	t.Parallel()
	w := newClinic(t, 1)
	w.stale = 45 * time.Minute
	w.boot(t)
	w.clock.Add(44 * time.Minute)
	if err := w.engine.CheckHealth(); err != nil || len(w.status(t).Notices) != 0 || w.status(t).Sources[0].Stale {
		t.Errorf("too early: %v %+v", err, w.status(t))
	}
	// Nothing runs at all any more.
	w.clock.Add(2 * time.Minute)
	for range 3 {
		if err := w.engine.CheckHealth(); err != nil {
			t.Fatal(err)
		}
	}
	if s := w.status(t); !s.Sources[0].Stale || kinds(s.Notices) != "stale" || !strings.Contains(s.Notices[0].Message, "was never read completely") {
		t.Errorf("%+v", s)
	}
	if n := strings.Count(w.log.String(), "msg=notice kind=stale"); n != 1 {
		t.Errorf("told %d times", n)
	}
	// The next run keeps it in the history, also one that fails.
	w.source.failing = broken(fault.Unavailable)
	w.boot(t) // a restart repeats nothing
	if got := w.manual(t); got != "" || !hasProblem(&w.last.Targets[0], run.KindStale) {
		t.Errorf("notices %q, %+v", got, w.last)
	}
	w.source.failing = nil
	if got := w.manual(t); got != "recovered" || hasProblem(&w.last.Targets[0], run.KindStale) || w.last.Notices[0].Key != "stale/corp" {
		t.Errorf("notices %q, %+v", got, w.last)
	}
	w.clock.Add(46 * time.Minute)
	if err := w.engine.CheckHealth(); err != nil {
		t.Fatal(err)
	}
	w.source.failing = broken(fault.Unavailable)
	if got := w.manual(t); got != "stale" || !strings.Contains(w.last.Notices[0].Message, "was last read completely at 2026-03-02T08:46:00Z") {
		t.Errorf("notices %q %+v", got, w.last.Notices)
	}
}

func hasProblem(tr *run.TargetReport, kind run.ProblemKind) bool {
	for _, p := range tr.Problems {
		if p.Kind == kind {
			return true
		}
	}
	return false
}
