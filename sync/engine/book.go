package engine

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

const (
	lossMemory      = 25 * time.Hour
	tombstoneMemory = plan.TombstoneMemory
)

// book records what a plan decides without writing to the target, who is who, what is
// adopted or forgotten, what is held, and then the intents of everything that will be
// written.
func (w *work) book(p *plan.Plan, g *plan.Guarded, only *plan.Only) error {
	mem, now := w.state.mem, w.e.now()
	var dirty plan.Dirty
	w.bookPeople(p, &dirty)
	for _, l := range p.Links {
		link := mem.Links[l.Link]
		link.GroupID, link.Since = l.GroupID, now
		mem.Links[l.Link] = link
		dirty.Links = append(dirty.Links, l.Link)
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		switch {
		case c.Outcome != run.Planned:
		case c.Op == run.AdoptMember:
			own(mem, c.GroupID(), c.Account, c.Feeds, &dirty)
			w.useApproval(c.Key, &dirty)
			c.Outcome = run.Applied
			dirty.Events = append(dirty.Events, w.changeEvent(c))
		case c.Op == run.SetRole && !c.Demotes() && !c.Promotes():
			mem.NoteRole(c.Account, c.Record, c.Role, c.Feeds, &dirty)
			w.useApproval(c.Key, &dirty)
			c.Outcome = run.Applied
			dirty.Events = append(dirty.Events, w.changeEvent(c))
		case c.Op == run.ReleaseMember:
			w.bury(c, &dirty)
			own(mem, c.GroupID(), c.Account, nil, &dirty)
			w.useApproval(c.Key, &dirty)
			c.Outcome = run.Applied
			dirty.Events = append(dirty.Events, w.changeEvent(c))
		}
	}
	w.bookEvidence(p, &dirty)
	w.bookGrants(p, &dirty)
	w.bookRoles(p, &dirty)
	if only == nil && w.undo == nil && w.file == nil {
		if err := w.join(&dirty); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.Lost)) {
		mem.Lost[id] = p.Lost[id]
		if len(p.Lost[id]) == 0 {
			delete(mem.Lost, id)
		}
		dirty.Lost = append(dirty.Lost, id)
	}
	if !reflect.DeepEqual(mem.Holds, g.Holds) {
		dirty.Events = append(dirty.Events, w.heldEvents(mem.Holds, g.Holds)...)
		mem.Holds, dirty.Holds = g.Holds, true
	}
	if only == nil && !maps.Equal(mem.Scopes, g.Scopes) {
		mem.Scopes, dirty.Scopes = g.Scopes, true
	}
	prune(mem, now, &dirty)
	w.batches = batches(p)
	if len(w.batches) > 0 {
		mem.Serial++
		dirty.Head = true
		dirty.Events = append(dirty.Events, w.callsEvent(p))
		// From here on they are the intents of a living run, until apply has ended.
		w.e.live(w.report.Run, true)
		err := w.e.journal.Begin(mem, w.report.Run, p.Hash, intents(w.report.Run, p, w.batches, now), dirty)
		if err != nil {
			w.e.live(w.report.Run, false)
		}
		return err
	}
	if dirty.Empty() {
		return nil
	}
	return w.e.ledger.SaveMemory(mem, dirty)
}

// bookEvidence records what was learned about memberships that are ours: through what
// they are wanted now, and how long nothing selects them. A dry run does so too, because
// its reads count for what is proved later.
func (w *work) bookEvidence(p *plan.Plan, dirty *plan.Dirty) {
	mem := w.state.mem
	for _, r := range p.Provenance {
		own(mem, r.GroupID, r.Account, r.Feeds, dirty)
	}
	for _, id := range slices.Sorted(maps.Keys(p.Clocks)) {
		if o := mem.Owned[id]; o != nil {
			o.Clocks = p.Clocks[id]
			dirty.Owned = append(dirty.Owned, id)
		}
	}
}

// keepGrants lets a dry run add the grants that it saw and drop none: what a grant led to
// is for a run that applies.
func (w *work) keepGrants(p *plan.Plan) {
	for i := range p.Provenance {
		r := &p.Provenance[i]
		if o := w.state.mem.Owned[r.GroupID]; o != nil {
			for _, key := range o.Grants(r.Account) {
				if !slices.Contains(r.Feeds, key) {
					r.Feeds = append(slices.Clip(r.Feeds), key)
				}
			}
		}
	}
}

func (w *work) bookPeople(p *plan.Plan, dirty *plan.Dirty) {
	mem := w.state.mem
	for _, l := range p.People.Ended {
		key := directory.UserKey{Source: l.Source, ID: l.User}
		mem.Unlink(key, w.e.now(), dirty)
	}
	for _, l := range p.People.New {
		key := directory.UserKey{Source: l.Source, ID: l.User}
		mem.People.Set(key, l.Link)
		dirty.People = append(dirty.People, key)
	}
}

// own sets the recorded grants of a membership; none: it is no longer ours.
func own(mem *plan.Memory, group string, account uint32, feeds []plan.FeedKey, dirty *plan.Dirty) {
	o := mem.Owned[group]
	if o == nil {
		if len(feeds) == 0 {
			return
		}
		o = &plan.OwnedGroup{GroupID: group}
		mem.Owned[group] = o
	}
	o.Set(account, feeds)
	if len(feeds) > 0 {
		mem.EndStay(group, mem.Mirror.Account(account).ID, dirty)
	}
	if len(o.Feeds) == 0 {
		delete(mem.Owned, group)
	}
	if n := len(dirty.Owned); n == 0 || dirty.Owned[n-1] != group {
		dirty.Owned = append(dirty.Owned, group)
	}
}

// bury leaves tombstones for a membership of ours that ends.
func (w *work) bury(c *plan.Change, dirty *plan.Dirty) {
	mem := w.state.mem
	if o := mem.Owned[c.GroupID()]; o != nil {
		for _, key := range o.Grants(c.Account) {
			mem.Tombstones = append(mem.Tombstones, plan.Tombstone{At: w.e.now(), Group: c.GroupID(), Account: c.User.ID, Feed: key})
			dirty.Tombstones = true
		}
	}
}

func prune(mem *plan.Memory, now time.Time, dirty *plan.Dirty) {
	if n := len(mem.Losses); n > 0 && now.Sub(mem.Losses[0].At) > lossMemory {
		mem.Losses = slices.DeleteFunc(mem.Losses, func(l plan.Loss) bool { return now.Sub(l.At) > lossMemory })
		dirty.Losses = true
	}
	if n := len(mem.Tombstones); n > 0 && now.Sub(mem.Tombstones[0].At) > tombstoneMemory {
		mem.Tombstones = slices.DeleteFunc(mem.Tombstones, func(t plan.Tombstone) bool { return now.Sub(t.At) > tombstoneMemory })
		dirty.Tombstones = true
	}
	mem.EraseAccounts(dirty)
	before := len(mem.Approvals)
	mem.Approvals = slices.DeleteFunc(mem.Approvals, func(a run.Approval) bool { return len(a.Keys) == 0 || !now.Before(a.Until) })
	dirty.Approvals = dirty.Approvals || len(mem.Approvals) != before
}

// batch is one call to the target: a single change to a group, members of one group, or the
// grants of one resource.
type batch struct {
	seq     int
	op      run.Op
	link    plan.LinkKey
	changes []int
}

// batches cuts the planned changes, which are sorted by operation and group, into calls.
func batches(p *plan.Plan) []batch {
	var out []batch
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Outcome != run.Planned {
			continue
		}
		if n := len(out); n > 0 && oneCall(&p.Changes[out[n-1].changes[0]], c) && len(out[n-1].changes) < plan.MaxBatch {
			out[n-1].changes = append(out[n-1].changes, i)
			continue
		}
		out = append(out, batch{seq: len(out), op: c.Op, link: c.Link, changes: []int{i}})
	}
	return out
}

// oneCall reports whether two changes go into one call.
func oneCall(a, b *plan.Change) bool {
	if a.Op != b.Op {
		return false
	}
	switch a.Op {
	case run.AddMember, run.RemoveMember, run.SetPermissions:
		return a.GroupID() == b.GroupID() && a.Link == b.Link
	case run.SetGrants:
		return a.Resource == b.Resource
	}
	return false
}

// intents writes down every call before the first is made.
func intents(runID string, p *plan.Plan, batches []batch, now time.Time) []plan.Intent {
	out := make([]plan.Intent, 0, len(batches))
	for _, b := range batches {
		first := &p.Changes[b.changes[0]]
		in := plan.Intent{Run: runID, Seq: b.seq, At: now, Op: string(b.op), Link: b.link, GroupID: first.GroupID(), Name: first.GroupName()}
		switch b.op {
		case run.SetGrants:
			intendGrants(&in, pick(p, b))
		case run.SetRole:
			in.GroupID, in.Role = first.Role, first.Record
			in.Name, _ = first.Roles()
		case run.CreateAccount:
			in.Email, in.Role, in.Name = first.NewAccount.Email, first.Record, first.NewAccount.Email
			in.Link.Group = directory.GroupKey{Source: first.Person.Source, ID: first.Person.ID}
		}
		for _, i := range b.changes {
			c := &p.Changes[i]
			if c.User == nil || c.User.ID == "" {
				continue
			}
			in.Accounts = append(in.Accounts, c.User.ID)
			if b.op == run.AddMember || b.op == run.SetRole {
				in.Feeds = append(in.Feeds, positions(&in.Keys, c.Feeds))
			}
		}
		out = append(out, in)
	}
	return out
}

// positions gives the places of feeds in a growing list of all feeds of an intent.
func positions(keys *[]plan.FeedKey, feeds []plan.FeedKey) []int {
	at := make([]int, 0, len(feeds))
	for _, f := range feeds {
		n := slices.Index(*keys, f)
		if n < 0 {
			n = len(*keys)
			*keys = append(*keys, f)
		}
		at = append(at, n)
	}
	return at
}
