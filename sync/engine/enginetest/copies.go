package enginetest

import (
	"bytes"
	"maps"
	"slices"

	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

func copyMemory(m *plan.Memory) *plan.Memory {
	c := *m
	accounts := make([]plan.Account, len(m.Mirror.Accounts()))
	for i, a := range m.Mirror.Accounts() {
		accounts[i] = copyAccount(a)
	}
	var groups []*plan.MirrorGroup
	for _, g := range m.Mirror.Groups() {
		groups = append(groups, copyMirrorGroup(g))
	}
	c.Mirror = plan.RestoreMirror(*m.Mirror, accounts, groups, copyResources(m.Mirror)...)
	c.People = m.People.Clone()
	c.Links = map[plan.LinkKey]plan.GroupLink{}
	for k, v := range m.Links {
		c.Links[k] = copyLink(v)
	}
	c.Owned = map[string]*plan.OwnedGroup{}
	for k, v := range m.Owned {
		c.Owned[k] = copyOwned(v)
	}
	c.Losses = slices.Clone(m.Losses)
	c.Holds, c.Approvals = copyHolds(m.Holds), copyApprovals(m.Approvals)
	c.Accepted, c.Scopes, c.Tombstones = slices.Clone(m.Accepted), maps.Clone(m.Scopes), slices.Clone(m.Tombstones)
	c.Lost, c.Peers = map[string][]uint32{}, maps.Clone(m.Peers)
	for k, v := range m.Lost {
		c.Lost[k] = slices.Clone(v)
	}
	c.Roles, c.Grants, c.Defaults = maps.Clone(m.Roles), map[plan.ResourceKey][]plan.OwnedGrant{}, copyValues(m.Defaults)
	for k, v := range m.Grants {
		c.Grants[k] = slices.Clone(v)
	}
	return &c
}

func copyResources(m *plan.Mirror) []*plan.Resource {
	var out []*plan.Resource
	for _, r := range m.Resources() {
		c := *r
		c.Grants = slices.Clone(r.Grants)
		out = append(out, &c)
	}
	return out
}

func copyValues(v plan.Values) plan.Values {
	return plan.Values{Applied: maps.Clone(v.Applied), Before: maps.Clone(v.Before)}
}

func copyAccount(a plan.Account) plan.Account {
	a.Subjects = maps.Clone(a.Subjects)
	return a
}

func copyMirrorGroup(g *plan.MirrorGroup) *plan.MirrorGroup {
	c := *g
	c.Members, c.Numbers = nil, slices.Clone(g.Numbers)
	c.Permissions, c.Data = bytes.Clone(g.Permissions), bytes.Clone(g.Data)
	if g.Mark != nil {
		mark := *g.Mark
		c.Mark = &mark
	}
	return &c
}

func copyLink(l plan.GroupLink) plan.GroupLink {
	l.Applied, l.Before, l.Kept = maps.Clone(l.Applied), maps.Clone(l.Before), slices.Clone(l.Kept)
	return l
}

func copyOwned(o *plan.OwnedGroup) *plan.OwnedGroup {
	c := &plan.OwnedGroup{GroupID: o.GroupID, Clocks: slices.Clone(o.Clocks)}
	for _, f := range o.Feeds {
		c.Feeds = append(c.Feeds, plan.OwnedFeed{Key: f.Key, Accounts: slices.Clone(f.Accounts)})
	}
	return c
}

func copyHolds(holds []run.Hold) []run.Hold {
	out := slices.Clone(holds)
	for i := range out {
		h := &out[i]
		h.Keys, h.Entered, h.Changes, h.Earlier = slices.Clone(h.Keys), slices.Clone(h.Entered), slices.Clone(h.Changes), slices.Clone(h.Earlier)
	}
	return out
}

func copyApprovals(approvals []run.Approval) []run.Approval {
	out := slices.Clone(approvals)
	for i := range out {
		out[i].Keys = slices.Clone(out[i].Keys)
	}
	return out
}

func copyIntent(in plan.Intent) plan.Intent {
	in.Accounts, in.Keys = slices.Clone(in.Accounts), slices.Clone(in.Keys)
	feeds := make([][]int, len(in.Feeds))
	for i := range in.Feeds {
		feeds[i] = slices.Clone(in.Feeds[i])
	}
	in.Feeds = feeds
	in.Add, in.Remove = slices.Clone(in.Add), slices.Clone(in.Remove)
	return in
}
