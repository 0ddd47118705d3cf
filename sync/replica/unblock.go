package replica

import "slices"

// Dropped is a membership that a replica shows no longer.
type Dropped struct {
	User, Group uint32
}

// Unblock gives the replica without the references of one group to nested groups that do
// not resolve any more, and the memberships that came only through them, in this group and
// in every group above it. It proves nothing: somebody has decided that those references
// count no longer, and has to see to it that nobody loses anything by that. A replica whose
// group has no such reference is given back as it is.
func (r *Replica) Unblock(group uint32) (*Replica, []Dropped) {
	if len(r.groups[group].Blocked) == 0 {
		return r, nil
	}
	next := *r
	next.groups = slices.Clone(r.groups)
	row := &next.groups[group]
	var came []uint32
	children := slices.Clone(row.Children)
	for _, b := range row.Blocked {
		came = append(came, r.groups[b.Child].Members...)
		children = slices.DeleteFunc(children, func(c uint32) bool { return c == b.Child })
	}
	slices.Sort(came)
	came = slices.Compact(came)
	row.Blocked, row.Children = nil, children
	// Whoever stays is told by the ways as they are before any of the members change.
	var dropped []Dropped
	for _, n := range next.above(group) {
		named := next.named(n, group)
		for _, u := range came {
			if _, in := slices.BinarySearch(next.groups[n].Members, u); in && !named[u] {
				dropped = append(dropped, Dropped{User: u, Group: n})
			}
		}
	}
	for _, d := range dropped {
		g := &next.groups[d.Group]
		g.Members, g.Kept = without(g.Members, d.User), without(g.Kept, d.User)
		g.Recent = slices.DeleteFunc(slices.Clone(g.Recent), func(x Recent) bool { return x.User == d.User })
	}
	if len(row.Children) == 0 {
		row.Children, row.Direct = nil, nil
	}
	return &next, dropped
}

// above gives a group and every group that contains it, directly or through others.
func (r *Replica) above(group uint32) []uint32 {
	found := []uint32{group}
	for at := 0; at < len(found); at++ {
		for n := range r.groups {
			if slices.Contains(r.groups[n].Children, found[at]) && !slices.Contains(found, uint32(n)) {
				found = append(found, uint32(n))
			}
		}
	}
	return found
}

// named gives everybody whom a group or one of those below it names. Of the group that was
// just unblocked only its own list counts, because its members have other reasons too.
func (r *Replica) named(group, unblocked uint32) map[uint32]bool {
	named := map[uint32]bool{}
	found := []uint32{group}
	for at := 0; at < len(found); at++ {
		g := &r.groups[found[at]]
		direct := g.Direct
		if len(g.Children) == 0 && found[at] != unblocked {
			direct = g.Members
		}
		for _, u := range direct {
			named[u] = true
		}
		for _, c := range g.Children {
			if !slices.Contains(found, c) {
				found = append(found, c)
			}
		}
	}
	return named
}
