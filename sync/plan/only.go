package plan

import "slices"

// bystands reports whether a plan for one person has nothing to decide about a want: the
// account is not in its group, has nothing of ours there, and no feed can name the person.
// Most groups are so, and dozens of people may sign in each second. It says no whenever
// anything is out of the ordinary; no costs nothing but the closer look.
func (c *computer) bystands(at int) bool {
	only := c.in.Only
	if only == nil || only.None || c.closely {
		return false
	}
	w, id := &c.in.Desired.Wants[at], c.group[at].id
	for f := range w.Feeds {
		if c.mayName(&w.Feeds[f], only.Account) {
			return false
		}
	}
	if id == "" {
		return true // Nobody makes a group who would not be in it.
	}
	mem := c.in.Memory
	g, owned := mem.Mirror.Group(id), mem.Owned[id]
	if g == nil || !g.MembersRead || len(mem.Lost[id]) > 0 || len(c.reverted[id]) > 0 || owned != nil && (len(owned.Clocks) > 0 || owned.Has(only.Account)) {
		return false
	}
	_, observed := slices.BinarySearch(g.Numbers, only.Account)
	return !observed
}

// mayName reports whether anybody behind an account is in what feeds a want, shown or not.
func (c *computer) mayName(f *Feed, account uint32) bool {
	if f.Everyone {
		return true
	}
	members := c.in.Sources[f.Source].Replica.Groups()[f.Group].Members
	return slices.ContainsFunc(c.people.of(account), func(p person) bool {
		_, in := slices.BinarySearch(members, p.user)
		return in && p.source == f.Source
	})
}
