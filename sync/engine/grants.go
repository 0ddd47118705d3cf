package engine

import (
	"cmp"
	"context"
	"log/slog"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// share makes the call that changes the grants of one resource: it is read again, changed and
// written whole, because the server knows no other way.
func (w *work) share(ctx context.Context, p *plan.Plan, b batch) error {
	mem := w.state.mem
	key := p.Changes[b.changes[0]].Resource
	changes := w.stillShared(p, b)
	if len(changes) == 0 {
		return ours(w.done([]int{b.seq}, plan.Dirty{Events: w.changeEvents("", pick(p, b))}))
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	var dirty plan.Dirty
	now, err := w.api.Resource(call, key)
	began := err == nil
	if fault.KindOf(err) == fault.NotFound {
		for _, c := range changes {
			c.Outcome, c.Error = run.Skipped, "it was deleted in Open WebUI meanwhile"
		}
		return ours(w.done([]int{b.seq}, mem.ForgetResource(key)))
	}
	if err == nil {
		err = w.setGrants(call, now, &changes, &dirty)
	}
	w.outcome(ctx, slices.DeleteFunc(changes, func(c *plan.Change) bool { return c.Outcome != run.Planned }), "", err)
	applied := slices.DeleteFunc(pick(p, b), func(c *plan.Change) bool { return c.Outcome != run.Applied })
	for _, c := range applied {
		w.useApproval(c.Key, &dirty)
		w.loseCut(c, &dirty)
	}
	w.stayUndone(applied, err, &dirty)
	dirty.Events = append(dirty.Events, w.changeEvents("", pick(p, b))...)
	if began && unsure(b.op, err) {
		return cmp.Or(ours(w.tell(dirty.Events...)), err)
	}
	return cmp.Or(ours(w.done([]int{b.seq}, dirty)), err)
}

// stillShared gives the changes of a call that are still right, with the ids of groups that
// this run made.
func (w *work) stillShared(p *plan.Plan, b batch) []*plan.Change {
	mem := w.state.mem
	var out []*plan.Change
	for _, i := range b.changes {
		c := &p.Changes[i]
		switch {
		case !w.principals(c):
			c.Outcome, c.Error = run.Failed, "its group could not be made, or was deleted meanwhile"
		case !c.Foreign && slices.ContainsFunc(c.Grants.Remove, func(g plan.Grant) bool { return !mem.OwnsGrant(c.Resource, g) }):
			c.Outcome, c.Error = run.Skipped, "no longer ours"
		case !c.Approved && heldNow(mem, c.Key):
			c.Outcome, c.Error = run.Skipped, "held meanwhile"
		default:
			out = append(out, c)
		}
	}
	return out
}

// principals fills in the group that a change is about where that was made since it was
// planned, and reports whether the groups of all added grants are there.
func (w *work) principals(c *plan.Change) bool {
	mem := w.state.mem
	for i := range c.Grants.Add {
		g := &c.Grants.Add[i]
		if g.ID == "" {
			id := mem.Links[c.Link].GroupID
			if c.For != nil {
				id = c.For.ID
			}
			if id == c.Leaves { // also where it was not made: what it leaves is another's now
				return false
			}
			g.ID, c.Fields[i].Principal = id, g.Kind+":"+id
		}
		if g.Kind == plan.KindGroup && mem.Mirror.Group(g.ID) == nil {
			return false
		}
	}
	return true
}

// setGrants writes the grants of a resource as the changes want them, and records which of
// them are ours. What is there by now is somebody else's; what the server did not do is a
// failure.
func (w *work) setGrants(ctx context.Context, now plan.Resource, changes *[]*plan.Change, dirty *plan.Dirty) error {
	mem := w.state.mem
	next := slices.Clone(now.Grants)
	*changes = slices.DeleteFunc(*changes, func(c *plan.Change) bool {
		if len(c.Grants.Add) > 0 && !slices.ContainsFunc(c.Grants.Add, func(g plan.Grant) bool { return !now.Has(g) }) {
			c.Outcome, c.Error = run.Skipped, "done meanwhile by somebody else"
			return true
		}
		return false
	})
	for _, c := range *changes {
		next = slices.DeleteFunc(next, func(g plan.Grant) bool { return slices.Contains(c.Grants.Remove, g) })
	}
	for _, c := range *changes {
		for _, g := range c.Grants.Add {
			if !slices.Contains(next, g) {
				next = append(next, g)
			}
		}
	}
	if len(*changes) == 0 {
		mem.ObserveResource(&now, dirty)
		return nil
	}
	after := now
	var err error
	if !slices.Equal(next, now.Grants) {
		after, err = w.api.SetGrants(ctx, now, next)
	}
	if err != nil && after.ResourceKey != now.ResourceKey {
		return err
	}
	// Also where the server did something else: what is there now says whose it is.
	mem.ObserveResource(&after, dirty)
	for _, c := range *changes {
		w.recordGrants(c, &now, &after, dirty)
	}
	return err
}

// recordGrants notes what became of one change.
func (w *work) recordGrants(c *plan.Change, before, after *plan.Resource, dirty *plan.Dirty) {
	mem := w.state.mem
	var added []plan.OwnedGrant
	for _, o := range c.Owned(w.e.now()) {
		if after.Has(o.Grant) && (!before.Has(o.Grant) || mem.OwnsGrant(c.Resource, o.Grant)) {
			added = append(added, o)
		}
	}
	gone := slices.DeleteFunc(slices.Clone(c.Grants.Remove), after.Has)
	if len(added) > 0 {
		mem.Own(c.Resource, added, dirty)
	}
	if len(gone) > 0 {
		mem.Disown(c.Resource, gone, dirty)
	}
	missing := slices.ContainsFunc(c.Grants.Add, func(g plan.Grant) bool { return !after.Has(g) })
	if missing || len(gone) < len(c.Grants.Remove) {
		c.Outcome, c.Error = run.Failed, "Open WebUI accepted the call and did not change the grants"
		w.log.LogAttrs(context.Background(), slog.LevelError, "change did not happen", slog.String(logging.KeyOp, string(c.Op)),
			slog.String("resource", c.Resource.Type+" "+c.Resource.ID))
	}
}

// loseCut records who lost something by a permission or a grant that went.
func (w *work) loseCut(c *plan.Change, dirty *plan.Dirty) {
	mem, now := w.state.mem, w.e.now()
	for _, n := range c.Affected {
		mem.Losses = append(mem.Losses, plan.Loss{At: now, Account: mem.Mirror.Account(n).ID, Cut: true})
		dirty.Losses = true
	}
}

// bookGrants records what a plan decides about grants, and values that are ours no longer,
// without a call.
func (w *work) bookGrants(p *plan.Plan, dirty *plan.Dirty) {
	mem := w.state.mem
	for _, r := range p.Grants {
		if mem.Grants[r.ResourceKey] = r.Grants; len(r.Grants) == 0 {
			delete(mem.Grants, r.ResourceKey)
		}
		dirty.Grants = append(dirty.Grants, r.ResourceKey)
	}
	for _, f := range p.Forgotten {
		mem.ForgetValue(f.GroupID, f.Field, dirty)
	}
}

// settleGrants finds out what became of an interrupted call about grants by reading the
// resource: what is there and was to be added is ours, what is gone is not.
func (w *work) settleGrants(ctx context.Context, in *plan.Intent, dirty *plan.Dirty) error {
	mem := w.state.mem
	now, err := w.api.Resource(ctx, in.Resource)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return nil
	case err != nil:
		return err
	}
	mem.ObserveResource(&now, dirty)
	for i, o := range in.Add {
		if o.ID == "" && i < len(in.AddLinks) {
			o.ID = w.marked(&plan.Intent{At: in.At, Link: in.AddLinks[i]})
		}
		if now.Has(o.Grant) && !mem.OwnsGrant(in.Resource, o.Grant) {
			mem.Own(in.Resource, []plan.OwnedGrant{o}, dirty)
		}
	}
	for _, g := range in.Remove {
		if !now.Has(g) && mem.OwnsGrant(in.Resource, g) {
			mem.Disown(in.Resource, []plan.Grant{g}, dirty)
		}
	}
	return nil
}

// intendGrants writes down what a call about grants is going to do.
func intendGrants(in *plan.Intent, changes []*plan.Change) {
	links := false
	for _, c := range changes {
		in.Resource = c.Resource
		for _, o := range c.Owned(in.At) {
			in.Add, in.AddLinks = append(in.Add, o), append(in.AddLinks, c.Link)
			links = links || o.ID == ""
		}
		in.Remove = append(in.Remove, c.Grants.Remove...)
	}
	if !links {
		in.AddLinks = nil
	}
}
