package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

func TestARunThatTakesTooLongEndsAsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newClinic(t, 1)
		w.deadline = 10 * time.Minute
		w.boot(t)
		w.source.hangs = true
		began := time.Now()
		w.scheduled(t)
		if time.Since(began) != w.deadline || w.last.Exit != run.ExitTarget {
			t.Errorf("exit %d after %s", w.last.Exit, time.Since(began))
		}
		if sr := w.last.Sources[0]; !strings.HasPrefix(sr.Reason, "the run reached its deadline of 10m0s: ") || sr.Hint == "" {
			t.Errorf("%+v", sr)
		}
		if tr := w.last.Targets[0]; tr.Error != "the run reached its deadline of 10m0s before this target was reached" || tr.Hint == "" {
			t.Errorf("%+v", tr)
		}
		if s := w.status(t); s.Sources[0].Failing != 1 || len(s.Notices) != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestCallsThatAreNotMadeInTimeHaveFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newClinic(t, 1)
		w.deadline = 10 * time.Minute
		w.boot(t)
		w.webs[0].Fault = func(op run.Op, _ string, _ []string) enginetest.Fault {
			if op == run.CreateGroup {
				time.Sleep(11 * time.Minute)
			}
			return enginetest.Works
		}
		w.scheduled(t)
		if tr := w.last.Targets[0]; w.last.Exit != run.ExitPartly || tr.Summary.GroupsCreated != 1 || tr.Summary.Failed != crowd ||
			!strings.Contains(tr.Changes[len(tr.Changes)-1].Error, "the run reached its deadline of 10m0s") {
			t.Errorf("exit %d, %+v", w.last.Exit, tr)
		}
		w.webs[0].Fault = nil
		if w.scheduled(t); w.last.Exit != run.ExitOK || len(w.webs[0].Members(w.webs[0].Named("eng")[0])) != crowd {
			t.Errorf("the next run: exit %d, %+v", w.last.Exit, w.last.Targets)
		}
	})
}

func TestARunOfOnePersonHasTwoMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newClinic(t, 1)
		w.scheduled(t)
		w.source.hangs = true
		began := time.Now()
		w.run(t, run.Request{Trigger: run.Webhook, User: "h1@x.org"})
		if time.Since(began) != 2*time.Minute || w.last.Exit != run.ExitTarget {
			t.Errorf("exit %d after %s", w.last.Exit, time.Since(began))
		}
	})
}
