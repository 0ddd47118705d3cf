package server

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// busy is a status with everything in it, and people and secrets where they may be.
func busy(now time.Time) engine.Status {
	return engine.Status{
		Sources: []engine.SourceStatus{
			{Name: "corp", Coverage: "full", CompleteAsOf: now.Add(-3 * time.Minute), FullAsOf: now.Add(-3 * time.Hour), Watch: &engine.WatchStatus{State: engine.WatchWorks}, Users: 10, Groups: 4, Next: now.Add(12 * time.Minute)},
			{Name: "hr", Coverage: "partial", Reason: "bind as cn=canary-person failed", Hint: "canary-person", CompleteAsOf: now.Add(-49 * time.Hour), Failing: 3, Stale: true,
				Quarantine: &run.Quarantine{Reason: "canary-person was refused", Since: now.Add(-time.Hour), NextTry: now.Add(30 * time.Minute)}},
			{Name: "new", Coverage: "none"},
		},
		Targets: []engine.TargetStatus{{Name: "chat", Watch: &engine.WatchStatus{State: engine.WatchLost}, ObservedAt: now.Add(-time.Minute), Accounts: 9, Managed: 2, Memberships: 7, Roles: 3, Grants: 4, Held: 2, Waiting: map[string]int{"hr": 2, "corp": 1}}},
		Holds: []run.Hold{
			{Check: run.Unruled, Target: "chat", Scope: "canary-group", Keys: []string{"canary-person", "b"}},
			{Check: run.Unruled, Target: "chat", Scope: "other", Keys: []string{"c"}},
			{Check: run.TargetChanged, Target: "chat", Since: now.Add(-time.Hour)},
		},
		Notify: []run.NotifyStatus{{Name: "on-call", Waiting: 2, Oldest: now.Add(-time.Hour), Reason: "canary-person"}},
		People: &engine.QueueStatus{Waiting: 3, AtWork: 2, Oldest: now.Add(-90 * time.Second)},
		State:  &engine.StateStatus{Unused: 100, FreeSpace: 1e9, CheckedAt: now.Add(-time.Hour), Backup: engine.BackupStatus{Last: now.Add(-time.Hour), Problem: "canary-person is full"}},
		Last:   &run.Report{Started: now.Add(-time.Minute), DurationMS: 1500},
	}
}

func TestLivezAsksTheLoopsAndNothingElse(t *testing.T) {
	t.Parallel()
	o := &office{checks: []Check{{Name: "state", Err: errors.New("disk full")}}}
	a, _, _ := newAdmin(t, o)
	if w := ask(a, http.MethodGet, "/livez", ""); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("alive: %d %s", w.Code, w.Body)
	}
	o.dead = errors.New("the main loop does not answer")
	if w := ask(a, http.MethodGet, "/livez", ""); w.Code != 503 || w.Body.String() != "loops: the main loop does not answer\n" {
		t.Errorf("dead: %d %s", w.Code, w.Body)
	}
	if w := ask(a, http.MethodGet, "/livez?verbose", ""); w.Code != 503 || w.Body.String() != "[-]loops failed: the main loop does not answer\nlivez check failed\n" {
		t.Errorf("dead: %d %s", w.Code, w.Body)
	}
	if o.log() != "" {
		t.Errorf("being alive depends on %s", o.log())
	}
}

func TestReadyzSaysWhyNotAndHowOldEverythingIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &office{state: busy(time.Now()), checks: []Check{{Name: "configuration", Note: "loaded 5s ago"}, {Name: "state"}}}
		a, _, _ := newAdmin(t, o)
		if w := ask(a, http.MethodGet, "/readyz", ""); w.Code != 200 || w.Body.String() != "ok\n" {
			t.Errorf("ready: %d %s", w.Code, w.Body)
		}
		want := `[+]configuration ok, loaded 5s ago
[+]state ok
[ ]source corp: last complete read 3m0s ago, next read in 12m0s
[ ]source hr: last complete read 49h0m0s ago, failed 3 times since, stale, in quarantine for 1h0m0s, next try in 30m0s
[ ]source new: last complete read never
[ ]target chat: last seen 1m0s ago, 2 changes held
readyz check passed
`
		if w := ask(a, http.MethodGet, "/readyz?verbose", ""); w.Code != 200 || w.Body.String() != want {
			t.Errorf("verbose: %d %s", w.Code, w.Body)
		}
		o.checks[1].Err = errors.New("writing was stopped")
		if w := ask(a, http.MethodGet, "/readyz", ""); w.Code != 503 || w.Body.String() != "state: writing was stopped\n" {
			t.Errorf("not ready: %d %s", w.Code, w.Body)
		}
		if w := ask(a, http.MethodGet, "/readyz?verbose", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "[-]state failed: writing was stopped\n") || !strings.HasSuffix(w.Body.String(), "readyz check failed\n") {
			t.Errorf("not ready: %d %s", w.Code, w.Body)
		}
	})
}

func TestALookThatHangsHoldsNoScrapeUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &office{state: busy(time.Now())}
		a, _, _ := newAdmin(t, o)
		if w := ask(a, http.MethodGet, "/metrics", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "groupsyncd_target_memberships") {
			t.Fatalf("before: %d", w.Code)
		}
		o.hold = make(chan struct{})
		for range 20 {
			began := time.Now()
			w := ask(a, http.MethodGet, "/metrics", "")
			if took := time.Since(began); w.Code != 200 || took > lookBound || !strings.Contains(w.Body.String(), `groupsyncd_target_memberships{target="chat"} 7`) {
				t.Fatalf("a scrape gives %d after %s", w.Code, took)
			}
		}
		if w := ask(a, http.MethodGet, "/readyz?verbose", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "target chat") {
			t.Errorf("readyz: %d %s", w.Code, w.Body)
		}
		if n := strings.Count(o.log(), "status"); n != 2 {
			t.Errorf("the status was asked for %d times", n)
		}
		close(o.hold)
	})
}

func TestAStatusThatCannotBeReadLeavesHealthAndTheOtherMetrics(t *testing.T) {
	t.Parallel()
	for _, o := range []*office{{err: errors.New("disk gone")}, {panics: true}} {
		a, _, log := newAdmin(t, o)
		if w := ask(a, http.MethodGet, "/readyz?verbose", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "not known yet") {
			t.Errorf("readyz: %d %s", w.Code, w.Body)
		}
		if w := ask(a, http.MethodGet, "/metrics", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "groupsyncd_state_size_bytes") || strings.Contains(w.Body.String(), "groupsyncd_source_") {
			t.Errorf("metrics: %d", w.Code)
		}
		if !strings.Contains(log.String(), "status not read") {
			t.Error("nobody is told")
		}
	}
}
