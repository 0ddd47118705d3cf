package engine

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// A run that a watched change started mostly changes a few memberships, somebody may wait
// for them, and there may be another one every second; to list all groups keeps a large Open
// WebUI busy for longer than all the rest. So it plans on what the last look at everything
// showed, looks at exactly the groups and accounts that the plan would change, and plans
// again. Whatever is out of the ordinary has it look at everything, like every other run.
const (
	// narrowMost is how many groups, and how many accounts, are looked at one by one.
	narrowMost = 20
	// narrowFor is how long ago this process may have looked at everything.
	narrowFor = 15 * time.Minute
)

// narrow gives the plan of a watched change; none, when everything has to be looked at. The
// error is about our own state.
func (w *work) narrow(ctx context.Context) (*plan.Plan, *plan.Guarded, error) {
	if !w.mayBeNarrow() {
		return nil, nil, nil
	}
	p, g := w.compute(nil)
	t, few := w.touches(p, g)
	if !few {
		return nil, nil, nil
	}
	same, known, err := w.lookAt(ctx, t)
	if err != nil || !known {
		return nil, nil, err
	}
	if same {
		return p, g, nil
	}
	p, g = w.compute(nil)
	again, few := w.touches(p, g)
	if !few || !again.within(t) {
		return nil, nil, nil
	}
	return p, g, nil
}

// mayBeNarrow reports whether a run may leave most of the target unseen: this process has
// seen it not long ago, it is the server that we know, and the rules are the accepted ones.
func (w *work) mayBeNarrow() bool {
	mem, now := w.state.mem, w.e.now()
	if !w.req.Trigger.Watched() || w.undo != nil || heldAsChanged(mem) || slices.ContainsFunc(mem.Approvals, accepts) {
		return false
	}
	if w.state.seen.IsZero() || now.Before(w.state.seen) || now.Sub(w.state.seen) > narrowFor {
		return false
	}
	accepted := map[string]bool{}
	for _, a := range mem.Accepted {
		accepted[a.Hash] = true
	}
	for _, r := range w.setup.Rules {
		if !accepted[r.Hash()] {
			return false
		}
	}
	return len(mem.Accepted) == len(w.setup.Rules)
}

// touched are the ids of the groups and accounts that a plan would change.
type touched struct{ groups, accounts map[string]bool }

// within reports whether another plan touches all of this.
func (t *touched) within(other *touched) bool {
	in := func(a, b map[string]bool) bool {
		for id := range a {
			if !b[id] {
				return false
			}
		}
		return true
	}
	return in(t.groups, other.groups) && in(t.accounts, other.accounts)
}

// touches gives what a plan would change, false when it does more than to add and remove a
// few members: whoever has no account may have got one, a membership of ours that is missing
// may mean another server, and a group is made only after a look at all that there are.
func (w *work) touches(p *plan.Plan, g *plan.Guarded) (*touched, bool) {
	if len(p.Links)+len(p.People.New)+len(p.People.Ended)+len(p.Lost) > 0 || p.Summary.Drift > 0 ||
		p.Summary.Pending > w.state.pending || !reflect.DeepEqual(w.state.mem.Holds, g.Holds) {
		return nil, false
	}
	t := &touched{groups: map[string]bool{}, accounts: map[string]bool{}}
	for i := range p.Changes {
		c := &p.Changes[i]
		switch {
		case c.Outcome != run.Planned:
		case (c.Op == run.AddMember || c.Op == run.RemoveMember) && c.GroupID() != "":
			t.groups[c.GroupID()], t.accounts[c.User.ID] = true, true
		case c.Op == run.SetRole && !needsAll(&plan.Plan{Changes: p.Changes[i : i+1]}):
			t.accounts[c.User.ID] = true
		default:
			return nil, false
		}
	}
	return t, len(t.groups) <= narrowMost && len(t.accounts) <= narrowMost
}

// lookAt looks at single groups and accounts. same: everything is as it was known; known:
// nothing about it is odd. What fails here is tried again with everything else, which says
// what is wrong.
func (w *work) lookAt(ctx context.Context, t *touched) (same, known bool, err error) {
	mem := w.state.mem
	defer w.took(ctx, "target observed in part", w.e.now())
	var dirty plan.Dirty
	same, known = true, true
	for _, id := range slices.Sorted(maps.Keys(t.groups)) {
		was := mem.Mirror.Group(id)
		now, err := w.api.ReadGroup(ctx, id)
		if err != nil || was == nil || now.UpdatedAt < was.UpdatedAt {
			known = false
			break
		}
		dirty.Merge(mem.ObserveGroup(&now))
		is := mem.Mirror.Group(id)
		same = same && now.UpdatedAt == was.UpdatedAt && slices.Equal(is.Numbers, was.Numbers)
	}
	for _, id := range slices.Sorted(maps.Keys(t.accounts)) {
		if !known {
			break
		}
		view, err := w.api.Account(ctx, id, false)
		if err != nil || mem.Returned(view) {
			known = false
			break
		}
		differs := mem.ObserveAccount(view)
		same = same && differs.Empty()
		dirty.Merge(differs)
	}
	if dirty.Empty() {
		return same, known, nil
	}
	return same, known, w.e.ledger.SaveMemory(mem, dirty)
}
