package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// callTimeout bounds one call that was begun when a run is told to stop: it is finished,
// so that its outcome is known.
const callTimeout = time.Minute

// maxFailures is how many calls in a row may fail before a run gives up on a target.
const maxFailures = 5

// calls makes the calls of a plan, one batch at a time, each under the target's lock and
// judged once more before it is made. The error is about our own state.
func (w *work) calls(ctx context.Context, p *plan.Plan) error {
	failures := 0
	var order []string
	done := make([]int, 0, len(w.batches))
	for n, b := range w.batches {
		w.step("calls", n, len(w.batches))
		if ctx.Err() != nil || failures >= maxFailures {
			w.skip(ctx, p, b, failures >= maxFailures)
			continue
		}
		group, err := w.batch(ctx, p, b)
		if fault.KindOf(err) == fault.Damaged {
			return err
		}
		done = append(done, b.seq)
		if err != nil {
			if failures++; failures >= maxFailures {
				w.gaveUp(err)
			}
			continue
		}
		failures = 0
		if group != "" && !slices.Contains(order, group) {
			order = append(order, group)
		}
	}
	if err := w.sign(ctx, p, order); err != nil {
		return err
	}
	if err := w.verify(ctx, p, order); err != nil {
		return err
	}
	if len(done) == len(w.batches) {
		return nil
	}
	var left []int
	for _, b := range w.batches {
		if !slices.Contains(done, b.seq) {
			left = append(left, b.seq)
		}
	}
	return w.done(left, plan.Dirty{})
}

// skip marks the changes of a call that is not made.
func (w *work) skip(ctx context.Context, p *plan.Plan, b batch, failing bool) {
	late := overdue(ctx)
	for _, i := range b.changes {
		p.Changes[i].Outcome = run.Skipped
		p.Changes[i].Error = "the run was interrupted"
		if late != "" {
			p.Changes[i].Outcome = run.Failed
			p.Changes[i].Error = "not tried: " + late
		}
		if failing {
			p.Changes[i].Outcome = run.Failed
			p.Changes[i].Error = "not tried: too many calls in a row failed"
		}
	}
}

// gaveUp makes the target fail as a whole when calls fail for a reason that is not about
// what they asked for.
func (w *work) gaveUp(err error) {
	switch fault.KindOf(err) {
	case fault.Auth, fault.Throttled, fault.Unavailable, fault.Incomplete:
		w.failure = err
	}
}

// batch makes one call and records what became of it. It gives the id of the group.
func (w *work) batch(ctx context.Context, p *plan.Plan, b batch) (string, error) {
	defer w.hold()()
	switch {
	case b.op == run.SetGrants:
		return "", w.share(ctx, p, b)
	case b.op == run.SetPermissions && p.Changes[b.changes[0]].Group == nil:
		return "", w.setDefaults(ctx, p, b)
	}
	mem := w.state.mem
	id := p.Changes[b.changes[0]].GroupID()
	if id == "" {
		if g := mem.Mirror.Group(mem.Links[b.link].GroupID); g != nil && g.ID != p.Changes[b.changes[0]].Leaves {
			id = g.ID
		}
	}
	changes := w.still(p, b, id)
	if len(changes) == 0 {
		return "", ours(w.done([]int{b.seq}, plan.Dirty{Events: w.changeEvents(id, pick(p, b))}))
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	var (
		dirty plan.Dirty
		err   error
	)
	switch b.op {
	case run.CreateGroup:
		id, err = w.create(call, changes[0], &dirty)
	case run.UpdateGroup, run.SetPermissions:
		err = w.update(call, changes, &dirty)
	case run.SetRole:
		err = w.setRole(call, changes[0], &dirty)
	case run.CreateAccount:
		err = w.createAccount(call, changes[0], &dirty)
	case run.AddMember, run.RemoveMember:
		err = w.members(call, b.op, id, changes, &dirty)
	default:
		err = fault.Errorf(fault.Invalid, "apply", string(b.op), "no such operation")
	}
	w.outcome(ctx, changes, id, err)
	w.stayUndone(changes, err, &dirty)
	if fault.KindOf(err) == fault.NotFound && id != "" {
		dirty.Merge(mem.ForgetGroup(id))
	}
	dirty.Events = append(dirty.Events, w.changeEvents(id, pick(p, b))...)
	if unsure(b.op, err) {
		// The intent stays open: the next run looks at what became of the call.
		return id, cmp.Or(ours(w.tell(dirty.Events...)), err)
	}
	if stored := ours(w.done([]int{b.seq}, dirty)); stored != nil {
		return id, stored
	}
	return id, err
}

// unsure reports whether a call that failed may have changed members or grants all the same: its
// answer was lost, or made no sense. A server that refuses has done nothing.
func unsure(op run.Op, err error) bool {
	if err == nil || op != run.AddMember && op != run.RemoveMember && op != run.SetGrants && op != run.SetRole && op != run.CreateAccount {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Canceled, fault.Incomplete, 0:
		return true
	}
	return false
}

// still gives the changes of a call that are still right: what somebody's login changed
// meanwhile, and what is there already, is skipped.
func (w *work) still(p *plan.Plan, b batch, id string) []*plan.Change {
	mem := w.state.mem
	var out []*plan.Change
	for _, i := range b.changes {
		c := &p.Changes[i]
		why := ""
		switch {
		case c.User != nil && w.state.refreshed[c.User.ID] > w.planSeq:
			why = "looked up since this was planned"
		case b.op == run.CreateGroup && id != "":
			why = "made meanwhile"
		case (b.op == run.AddMember || b.op == run.RemoveMember) && id == "":
			c.Outcome, c.Error = run.Failed, "its group could not be made"
			continue
		case b.op == run.AddMember && mem.Owned[id] != nil && mem.Owned[id].Has(c.Account) && member(mem, id, c.Account):
			why = "added meanwhile"
		case b.op == run.RemoveMember && !c.Proof.Exact && !c.Proof.Lost && (mem.Owned[id] == nil || !mem.Owned[id].Has(c.Account)):
			why = "no longer ours"
		case b.op == run.RemoveMember && c.Proof.Exact && mem.Stays(id, c.User.ID):
			why = "somebody decided meanwhile that they stay"
		case b.op == run.RemoveMember && c.Proof.Lost && !slices.Contains(mem.Lost[id], c.Account):
			why = "no longer in doubt"
		case b.op == run.SetRole && w.stillRole(c) != "":
			why = w.stillRole(c)
		case b.op == run.CreateAccount && made(mem, c.User.Email):
			why = "made meanwhile"
		case c.User != nil && !c.Approved && heldNow(mem, c.Key):
			why = "held meanwhile"
		}
		if why != "" {
			c.Outcome, c.Error = run.Skipped, why
			continue
		}
		out = append(out, c)
	}
	return out
}

func member(mem *plan.Memory, id string, account uint32) bool {
	g := mem.Mirror.Group(id)
	if g == nil {
		return false
	}
	_, found := slices.BinarySearch(g.Numbers, account)
	return found
}

func heldNow(mem *plan.Memory, key string) bool {
	return slices.ContainsFunc(mem.Holds, func(h run.Hold) bool { return slices.Contains(h.Keys, key) })
}

// create makes a group and links it.
func (w *work) create(ctx context.Context, c *plan.Change, dirty *plan.Dirty) (string, error) {
	mem, now := w.state.mem, w.e.now()
	if c.Below != nil {
		// A parent that could not be made is no reason to make nothing: the next run sets it.
		if up := mem.Mirror.Group(mem.Links[*c.Below].GroupID); up != nil {
			c.Spec.Parent = &up.ID
		}
	}
	if err := getParent(c); err != nil {
		return "", err
	}
	g, err := w.api.CreateGroup(ctx, c.Spec)
	if err != nil {
		return "", err
	}
	g.Members, g.MembersRead = nil, true
	dirty.Merge(mem.ObserveGroup(&g))
	link := plan.GroupLink{GroupID: g.ID, Since: now, Created: true}
	for _, l := range c.Links {
		old, again := mem.Links[l]
		if !again || mem.Mirror.Group(old.GroupID) != nil {
			continue // a group that is still there belongs to another link now
		}
		link.RecreatedAt = now
		mem.EndGroup(old.GroupID, now, dirty)
	}
	// Every directory group behind it leads to the group: one of them may be gone before
	// the next run could find out.
	for _, l := range c.Links {
		each := link
		apply(&each, created(&c.Spec), nil)
		mem.Links[l] = each
		dirty.Links = append(dirty.Links, l)
	}
	w.useApproval(c.Key, dirty)
	c.Group.ID = g.ID
	return g.ID, nil
}

// created gives the values that a creation wrote, as fields with nothing before them.
func created(s *plan.GroupSpec) []run.Field {
	fields := []run.Field{{Name: "name", To: s.Name}}
	if s.Description != nil {
		fields = append(fields, run.Field{Name: "description", To: *s.Description})
	}
	if s.Share != "" {
		fields = append(fields, run.Field{Name: "share", To: s.Share})
	}
	fields = append(fields, plan.Placed(s)...)
	for _, k := range s.Permissions.Keys() {
		fields = append(fields, run.Field{Name: "permissions." + k, To: s.Permissions[k]})
	}
	return fields
}

// update writes values of a group.
func (w *work) update(ctx context.Context, changes []*plan.Change, dirty *plan.Dirty) error {
	mem, first := w.state.mem, changes[0]
	have := mem.Mirror.Group(first.Group.ID)
	for _, c := range changes {
		if err := getParent(c); err != nil {
			return err
		}
	}
	if have == nil {
		return fault.Errorf(fault.NotFound, "update group", first.Group.Name, "the group was deleted meanwhile")
	}
	g, err := w.api.UpdateGroup(ctx, have.Group, joined(changes))
	if err != nil {
		return err
	}
	g.MembersRead = false
	dirty.Merge(mem.ObserveGroup(&g))
	for _, c := range changes {
		for _, name := range c.Restored { // whichever link of the group has it
			mem.ForgetValue(c.Group.ID, name, dirty)
		}
		if !c.Foreign { // What a file or its undoing sets is as if set by hand.
			link := mem.Links[c.Link]
			apply(&link, c.Fields, c.Restored)
			mem.Links[c.Link] = link
			dirty.Links = append(dirty.Links, c.Link)
		}
		w.useApproval(c.Key, dirty)
		w.loseCut(c, dirty)
	}
	return nil
}

// apply notes what we wrote, and what was there before us the first time. Values that
// went back to that are no longer ours.
func apply(link *plan.GroupLink, fields []run.Field, restored []string) {
	if link.Applied == nil {
		link.Applied, link.Before = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	}
	for _, f := range fields {
		if slices.Contains(restored, f.Name) {
			delete(link.Applied, f.Name)
			delete(link.Before, f.Name)
			continue
		}
		to, errTo := json.Marshal(f.To)
		from, errFrom := json.Marshal(f.From)
		if errTo != nil || errFrom != nil {
			continue // texts and switches only: cannot happen
		}
		if _, ours := link.Applied[f.Name]; !ours {
			link.Before[f.Name] = from
		}
		link.Applied[f.Name] = to
	}
}

// members adds or removes members of one group and records them as ours, or no longer.
func (w *work) members(ctx context.Context, op run.Op, id string, changes []*plan.Change, dirty *plan.Dirty) error {
	mem, now := w.state.mem, w.e.now()
	ids := make([]string, len(changes))
	for i, c := range changes {
		ids[i] = c.User.ID
	}
	call := w.api.AddMembers
	if op == run.RemoveMember {
		call = w.api.RemoveMembers
	}
	if err := call(ctx, id, ids); err != nil {
		return err
	}
	g := mem.Mirror.Group(id)
	for _, c := range changes {
		at, found := slices.BinarySearch(g.Numbers, c.Account)
		if op == run.AddMember {
			own(mem, id, c.Account, c.Feeds, dirty)
			if !found {
				g.Numbers = slices.Insert(g.Numbers, at, c.Account)
			}
		} else {
			w.lose(c, id, now, dirty)
			if found {
				g.Numbers = slices.Delete(g.Numbers, at, at+1)
			}
		}
		c.Group.ID = id
		w.useApproval(c.Key, dirty)
	}
	dirty.MirrorGroups = append(dirty.MirrorGroups, id)
	w.exactFromNowOn(op, changes, dirty)
	return nil
}

// exactFromNowOn notes that a person let the first exact removal of a group through:
// later ones are limited as any other.
func (w *work) exactFromNowOn(op run.Op, changes []*plan.Change, dirty *plan.Dirty) {
	mem := w.state.mem
	for _, c := range changes {
		link, linked := mem.Links[c.Link]
		if op == run.RemoveMember && c.Proof.Exact && c.Approved && linked && !link.Exact {
			link.Exact = true
			mem.Links[c.Link] = link
			dirty.Links = append(dirty.Links, c.Link)
		}
	}
}

// lose records that somebody lost a membership.
func (w *work) lose(c *plan.Change, id string, now time.Time, dirty *plan.Dirty) {
	mem := w.state.mem
	mem.Losses = append(mem.Losses, plan.Loss{At: now, Group: id, Account: c.User.ID, Approved: c.Approved})
	dirty.Losses = true
	if o := mem.Owned[id]; o != nil {
		c.Feeds = o.Grants(c.Account)
	}
	w.bury(c, dirty)
	own(mem, id, c.Account, nil, dirty)
	mem.Settle(id, c.Account, dirty)
}

// useApproval uses up the approval of a change, now that it happened.
func (w *work) useApproval(key string, dirty *plan.Dirty) {
	mem := w.state.mem
	for i := range mem.Approvals {
		if n := slices.Index(mem.Approvals[i].Keys, key); n >= 0 {
			mem.Approvals[i].Keys = slices.Delete(slices.Clone(mem.Approvals[i].Keys), n, n+1)
			dirty.Approvals = true
		}
	}
}

// about gives what a line of log says first of a change.
func about(c *plan.Change) []slog.Attr {
	attrs := []slog.Attr{slog.String(logging.KeyOp, string(c.Op))}
	switch {
	case c.Group != nil:
		attrs = append(attrs, slog.String(logging.KeyGroup, c.GroupName()))
	case c.Change.Resource != nil:
		attrs = append(attrs, slog.String(logging.KeyResource, c.Where()))
	}
	return attrs
}

// outcome marks changes and writes one line of log for each.
func (w *work) outcome(ctx context.Context, changes []*plan.Change, id string, err error) {
	for _, c := range changes {
		attrs := about(c)
		if c.User != nil {
			attrs = append(attrs, slog.String(logging.KeyUser, c.User.ID))
		}
		if from, to := c.Roles(); to != "" {
			attrs = append(attrs, slog.String("from", from), slog.String("to", to))
		}
		if c.Rule != "" {
			attrs = append(attrs, slog.String(logging.KeyRule, c.Rule))
		}
		if err != nil {
			c.Outcome, c.Error = run.Failed, err.Error()
			if hint := fault.HintOf(err); hint != "" {
				c.Error = fmt.Sprintf("%s (%s)", c.Error, hint)
			}
			w.log.LogAttrs(ctx, slog.LevelError, "change failed", append(attrs, slog.String(logging.KeyErr, err.Error()))...)
			continue
		}
		c.Outcome = run.Applied
		if id != "" && c.Group != nil && c.Group.ID == "" {
			c.Group.ID = id
		}
		logging.Changed(ctx, w.log, "change", attrs...)
	}
}
