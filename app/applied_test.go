package app

import (
	"context"
	"strings"
	"testing"

	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui/openwebuitest"
)

// served runs a daemon while f looks at it, and stops it again. It says whether its start
// found the configuration changed.
func (w *town) served(f func(a *App, stop func())) bool {
	w.Helper()
	a := w.load()
	before, starts := strings.Count(w.log.String(), "configuration changed"), strings.Count(w.log.String(), "msg=ready")
	ctx, stop := context.WithCancel(w.Context())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, nil) }()
	w.until("the daemon is ready", func() bool { return strings.Count(w.log.String(), "msg=ready") > starts })
	f(a, stop)
	stop()
	if err := <-done; err != nil {
		w.Errorf("serve: %v", err)
	}
	if err := a.Close(); err != nil {
		w.Error(err)
	}
	return strings.Count(w.log.String(), "configuration changed") > before
}

// ended waits until the newest run is the n-th, and gives it.
func (w *town) ended(a *App, n int) run.Report {
	w.Helper()
	var runs []run.Report
	w.until("the end of the run", func() bool {
		var err error
		if runs, err = a.History(w.Context(), 100); err != nil {
			w.Fatal(err)
		}
		return len(runs) >= n
	})
	if len(runs) > n {
		w.Fatalf("%d runs, want %d", len(runs), n)
	}
	return runs[0]
}

func TestAStartWithAChangedFileDoesWhatAReloadDoes(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	if w.served(func(a *App, _ func()) {
		if r := w.ended(a, 1); r.Trigger != run.Schedule {
			t.Errorf("the first start began a run by %s", r.Trigger)
		}
	}) {
		t.Error("the first start of all found a change")
	}
	if w.served(func(*App, func()) {}) {
		t.Error("a start with the same file found a change")
	}
	w.append("log: {level: debug} # louder")
	if w.served(func(*App, func()) {}) {
		t.Error("a start with a louder log found a change")
	}

	w.configure("list", `"*", to: "Trade"`)
	if !w.served(func(a *App, _ func()) {
		if r := w.ended(a, 2); r.Trigger != run.Reload || r.Mode != run.Apply || w.size("Trade") != 5 {
			t.Errorf("after the change: %+v", r)
		}
	}) {
		t.Error("no change was found")
	}
	if w.served(func(a *App, _ func()) { w.ended(a, 2) }) {
		t.Error("the change was found twice")
	}

	w.configure("list", `"*", to: "Barter"`)
	w.append("mode: plan")
	if !w.served(func(a *App, _ func()) {
		if r := w.ended(a, 3); r.Mode != run.Plan || w.size("Barter") != -1 {
			t.Errorf("with mode: plan: %+v", r)
		}
	}) {
		t.Error("no change was found where the file says to plan only")
	}
}

func TestARunOfOnlyAPartLeavesTheChangeToTheNextStart(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.served(func(a *App, _ func()) { w.ended(a, 1) })
	w.configure("list", `"*", to: "Trade"`)
	for name, c := range map[string]struct {
		req  run.Request
		left bool
	}{
		"a plan":     {run.Request{Mode: run.Plan}, true},
		"a source":   {run.Request{Source: "list"}, true},
		"a target":   {run.Request{Target: "chat"}, true},
		"a person":   {run.Request{User: "ana@example.org"}, true},
		"everything": {run.Request{}, false},
	} {
		a := w.open()
		before, err := a.db.Applied()
		if err != nil {
			t.Fatal(err)
		}
		sync1(w, a, c.req)
		left, err := a.changedSince()
		if err != nil || left != c.left {
			t.Errorf("after a run of %s the change is left: %t, %v", name, left, err)
		}
		if err := a.db.SaveApplied(before); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARunOfAChangedFileIsBegunOnceByCrashesAndAgainAfterAStop(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.served(func(a *App, _ func()) { w.ended(a, 1) })
	w.configure("list", `"*", to: "Trade"`)
	there, leave := make(chan struct{}), make(chan struct{})
	w.chat.Inject(openwebuitest.Fault{Path: "/api/v1/groups/", Times: 1, Do: func() { close(there); <-leave }})
	w.served(func(a *App, stop func()) {
		<-there
		if left, err := a.changedSince(); err != nil || left {
			t.Errorf("a start after a crash would begin it again: %t, %v", left, err)
		}
		stop()
		close(leave)
	})
	if w.size("Trade") == 5 {
		t.Fatal("the run came to its end before it was stopped")
	}
	if !w.served(func(*App, func()) { w.until("the run that was stopped", func() bool { return w.size("Trade") == 5 }) }) {
		t.Error("no change was found after a stop")
	}
}
