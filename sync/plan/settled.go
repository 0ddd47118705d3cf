package plan

import "slices"

// settled reports whether a group holds exactly the people whom its one directory group
// names, and all of them are ours through that one: what nearly every group is in nearly
// every run. Then there is nothing to decide about its members, and they are counted as
// unchanged. It says no whenever anything is out of the ordinary; no costs nothing but the
// closer look.
func (c *computer) settled(w *Want, id string) bool {
	mem := c.in.Memory
	if c.in.Only != nil || len(w.Feeds) != 1 || len(c.reverted[id]) > 0 || len(mem.Lost[id]) > 0 {
		return false
	}
	f, g, owned := &w.Feeds[0], mem.Mirror.Group(id), mem.Owned[id]
	if f.Everyone || f.Where != nil || g == nil || !g.MembersRead || !owned.only(f.Key, g.Numbers) {
		return false
	}
	src := &c.in.Sources[f.Source]
	row := &src.Replica.Groups()[f.Group]
	if row.Missing.Is() || !c.fresh(f.Source) || c.in.Now.Sub(row.MembersAt) > src.MaxAge {
		return false
	}
	if !c.seated(f.Source, row.Members, g.Numbers) {
		return false
	}
	c.plan.Summary.Unchanged += len(g.Numbers)
	return true
}

// only reports whether exactly these memberships are ours, all through one grant, and no
// clock runs for any of them. None may be nil.
func (o *OwnedGroup) only(key FeedKey, accounts []uint32) bool {
	if o == nil || len(o.Feeds) == 0 {
		return len(accounts) == 0 && (o == nil || len(o.Clocks) == 0)
	}
	return len(o.Feeds) == 1 && len(o.Clocks) == 0 && o.Feeds[0].Key == key && slices.Equal(o.Feeds[0].Accounts, accounts)
}

// seated reports whether users have exactly these accounts, each of them one. Both are
// numbers of their own kind, so the accounts are painted and looked for; people without an
// account are noted as they would be by the closer look.
func (c *computer) seated(source int, users, accounts []uint32) bool {
	for _, a := range accounts {
		c.painted[a] = isObserved
	}
	seats, without, found := c.seats[source], c.without[source], 0
	for _, n := range users {
		a := seats[n]
		if a < 0 {
			without[n] = without[n] || a == standing
			continue
		}
		if c.painted[a] != isObserved {
			found = -1
			break
		}
		c.painted[a] = isObserved | isWanted
		found++
	}
	for _, a := range accounts {
		c.painted[a] = 0
	}
	return found == len(accounts)
}
