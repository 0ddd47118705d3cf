package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// going knows the runs of everybody that go on, and how far they are. Nobody is sent
// anything: whoever looks takes the newest picture at their own pace, so that somebody slow
// holds up nobody and nothing piles up.
type going struct {
	mu   sync.Mutex
	runs []*run.Going
	// changed is closed at the next change.
	changed chan struct{}
}

// maxSteps bounds the parts of a run that are told apart.
const maxSteps = 200

// begin notes a run, and gives what notes its end.
func (g *going) begin(r run.Going) func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	kept := &r
	g.runs = append(g.runs, kept)
	g.tell()
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.runs = slices.DeleteFunc(g.runs, func(o *run.Going) bool { return o == kept })
		g.tell()
	}
}

// step notes how far the run is that goes on: there is one at a time.
func (g *going) step(where, what string, done, total int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.runs) == 0 {
		return
	}
	r := g.runs[len(g.runs)-1]
	next := run.Step{Where: where, What: what, Done: done, Total: total}
	i := slices.IndexFunc(r.Steps, func(s run.Step) bool { return s.Where == where && s.What == what })
	switch {
	case i >= 0:
		r.Steps[i] = next
	case len(r.Steps) < maxSteps:
		r.Steps = append(r.Steps, next)
	}
	g.tell()
}

// tell wakes whoever waits for a change.
func (g *going) tell() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// brief is how long a run that a watch started may take before anybody sees it: most find
// nothing and are over at once.
const brief = time.Second

// look gives what goes on, and what is closed when that has changed.
func (g *going) look(now time.Time) ([]run.Going, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := []run.Going{}
	for _, r := range g.runs {
		if r.Trigger.Watched() && now.Sub(r.Started) < brief {
			continue
		}
		shown := *r
		shown.Steps = slices.Clone(r.Steps)
		out = append(out, shown)
	}
	if g.changed == nil {
		g.changed = make(chan struct{})
	}
	return out, g.changed
}

// Going gives the runs that go on, and what is closed when that has changed.
func (a *App) Going() ([]run.Going, <-chan struct{}) { return a.going.look(a.now()) }

// progress tells the terminal, where there is one, and the page how far a run is.
func (a *App) progress(terminal func(string, string, int, int)) func(string, string, int, int) {
	return func(where, what string, done, total int) {
		a.going.step(where, what, done, total)
		if terminal != nil {
			terminal(where, what, done, total)
		}
	}
}

// Members lists who is in a group of a target.
func (a *App) Members(_ context.Context, target, group string) ([]engine.Member, error) {
	return a.engine.Members(target, group), nil
}

// Approvals lists what somebody let through and what may still be carried out.
func (a *App) Approvals(context.Context) ([]run.Approval, error) { return a.engine.Approvals(), nil }
