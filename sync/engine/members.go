package engine

import (
	"cmp"
	"slices"

	"groupsyncd/sync/run"
)

// Member is somebody in an Open WebUI group, as last seen.
type Member struct {
	run.UserRef
	Name string
	Role string
	// Owned says that they are in it because of us; By is then the rules that say so.
	Owned bool
	By    []string
}

// Members lists who is in a group of a target, by mail. A group that is not there has none.
func (e *Engine) Members(target, id string) []Member {
	t := e.target(target)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	mem := t.mem
	g := mem.Mirror.Group(id)
	if g == nil {
		return nil
	}
	out := make([]Member, 0, len(g.Numbers))
	for _, n := range g.Numbers {
		a := mem.Mirror.Account(n)
		m := Member{UserRef: run.UserRef{ID: a.ID, Email: a.Email}, Name: a.Name, Role: a.Role}
		if o := mem.Owned[id]; o != nil && o.Has(n) {
			m.Owned = true
			for _, key := range o.Grants(n) {
				if !slices.Contains(m.By, key.Rule) {
					m.By = append(m.By, key.Rule)
				}
			}
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Member) int { return cmp.Or(cmp.Compare(a.Email, b.Email), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Approvals lists what somebody let through and what may still be carried out.
func (e *Engine) Approvals() []run.Approval {
	var out []run.Approval
	for _, t := range e.current().Targets {
		state := e.target(t.Name)
		state.mu.Lock()
		out = append(out, state.mem.Approvals...)
		state.mu.Unlock()
	}
	return out
}

// going tells whoever wants to know that a run of everybody goes on, and gives what tells
// that it has ended, however it did.
func (e *Engine) going(r *run.Report) func() {
	if e.began == nil {
		return func() {}
	}
	return e.began(run.Going{Run: r.Run, Mode: r.Mode, Trigger: r.Trigger, Started: r.Started})
}

// step tells how far a run of everybody is. One of a single person is over before anybody
// could look, and would be taken for the other that goes on beside it.
func (w *work) step(what string, done, total int) {
	if !w.req.Single() {
		w.e.progress(w.t.Name, what, done, total)
	}
}
