package replica

import (
	"slices"
)

// A reference that resolved to a nested group at the last complete read and does not
// now (the group was moved out of the search base, or may not be read any more) must
// not take its people out. findBlocks notes such references on the rows and collects,
// for every group of the snapshot, the people who therefore may not leave.

func (m *merger) findBlocks() {
	m.blocked = map[int][]uint32{}
	for i := range m.s.Groups {
		row := &m.new.groups[m.groupAt[i]]
		if !m.s.Groups[i].MembersKnown || m.asOf.Before(row.MembersAt) {
			continue
		}
		row.Blocked = m.blocksOf(i, row)
		for _, b := range row.Blocked {
			m.blocked[i] = append(m.blocked[i], m.old.groups[b.Child].Members...)
		}
	}
	if len(m.blocked) == 0 {
		return
	}
	m.spread()
	for i := range m.blocked {
		slices.Sort(m.blocked[i])
		m.blocked[i] = slices.Compact(m.blocked[i])
	}
}

// blocksOf finds the nested groups of one group that do not resolve any more: those
// whose own reference is unresolved, and those that vanished altogether while a
// reference turned up that resolves to nothing, which is what a move looks like where
// the server rewrites references.
func (m *merger) blocksOf(i int, row *Group) []Block {
	g := &m.s.Groups[i]
	if len(g.Unresolved) == 0 {
		return nil
	}
	known := map[uint32]Block{}
	for _, b := range row.Blocked {
		known[b.Child] = b
	}
	fresh := make([]string, 0, len(g.Unresolved))
	for _, ref := range g.Unresolved {
		if _, seen := slices.BinarySearch(row.Unresolved, ref); !seen && !m.isUser(ref) {
			fresh = append(fresh, ref)
		}
	}
	var blocks []Block
	for _, child := range row.Children {
		c := &m.old.groups[child]
		if m.seen[child] {
			continue
		}
		switch b, ok := known[child]; {
		case slices.Contains(g.Unresolved, c.DN) || slices.Contains(g.Unresolved, c.ID):
			blocks = append(blocks, Block{Child: child, Refs: []string{c.DN, c.ID}})
		case ok && overlaps(b.Refs, g.Unresolved):
			blocks = append(blocks, b)
		case len(fresh) > 0:
			blocks = append(blocks, Block{Child: child, Refs: slices.Clone(fresh)})
		}
	}
	return blocks
}

// isUser reports whether a reference that resolves to nothing names somebody who was
// known before: it is about a person who is gone, and no nested group hides behind it.
func (m *merger) isUser(ref string) bool {
	return slices.ContainsFunc(m.old.users, func(u User) bool { return u.DN == ref || u.ID == ref })
}

func overlaps(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return s != "" && slices.Contains(b, s) })
}

// spread hands blocked people up to every group that contains the blocked one.
func (m *merger) spread() {
	parents := make([][]int, len(m.s.Groups))
	for i := range m.s.Groups {
		for _, c := range m.s.Groups[i].Children {
			parents[c] = append(parents[c], i)
		}
	}
	origins := make([]int, 0, len(m.blocked))
	for i := range m.blocked {
		origins = append(origins, i)
	}
	slices.Sort(origins)
	own := map[int][]uint32{}
	for _, i := range origins {
		own[i] = m.blocked[i]
	}
	for _, origin := range origins {
		seen := map[int]bool{origin: true}
		stack := []int{origin}
		for len(stack) > 0 {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, p := range parents[at] {
				if !seen[p] {
					seen[p] = true
					stack = append(stack, p)
					m.blocked[p] = append(m.blocked[p], own[origin]...)
				}
			}
		}
	}
}

// blockedGroups marks every group that another one names and that does not resolve:
// nothing new is known of its members, by whomever.
func (r *Replica) blockedGroups() map[uint32]bool {
	var marked map[uint32]bool
	for n := range r.groups {
		for _, b := range r.groups[n].Blocked {
			if marked == nil {
				marked = map[uint32]bool{}
			}
			marked[b.Child] = true
		}
	}
	return marked
}

// blocksBelow gives the blocked nested groups of a group and of all groups below it.
func (r *Replica) blocksBelow(g *Group) []uint32 {
	var found []uint32
	seen := map[uint32]bool{}
	stack := []*Group{g}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, b := range at.Blocked {
			found = append(found, b.Child)
		}
		for _, c := range at.Children {
			if !seen[c] {
				seen[c] = true
				stack = append(stack, &r.groups[c])
			}
		}
	}
	return found
}

// Path gives the chain of groups through which a user is in a group, from the group
// down to the one that names the user; nil when no chain is known, as after a look-up.
func (r *Replica) Path(user, group uint32) []uint32 {
	type step struct {
		group uint32
		from  int
	}
	steps := []step{{group, -1}}
	seen := map[uint32]bool{group: true}
	for at := 0; at < len(steps); at++ {
		g := &r.groups[steps[at].group]
		direct := g.Direct
		if len(g.Children) == 0 {
			direct = g.Members
		}
		if _, found := slices.BinarySearch(direct, user); found {
			var path []uint32
			for i := at; i >= 0; i = steps[i].from {
				path = append(path, steps[i].group)
			}
			slices.Reverse(path)
			return path
		}
		for _, c := range g.Children {
			if !seen[c] {
				seen[c] = true
				steps = append(steps, step{c, at})
			}
		}
	}
	return nil
}
