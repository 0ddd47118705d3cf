package directory

import "slices"

// Close works out who counts as a member of each group: with nesting, everybody
// below its children, however deep; cycles are legal in directories and only
// counted. A group is covered only if every group below it is, so Close also
// clears MembersKnown of every group that contains an uncovered one.
func (s *Snapshot) Close(nested bool) {
	for i := range s.Groups {
		g := &s.Groups[i]
		slices.Sort(g.Direct)
		g.Direct = slices.Compact(g.Direct)
		slices.Sort(g.Children)
		g.Children = slices.Compact(g.Children)
		g.Members = g.Direct
	}
	if !nested {
		return
	}
	c := closer{snapshot: s, seenGroup: make([]uint32, len(s.Groups)), seenUser: make([]uint32, len(s.Users))}
	for i := range s.Groups {
		if len(s.Groups[i].Children) > 0 {
			c.close(uint32(i))
		}
	}
	for _, i := range c.uncovered {
		s.Groups[i].MembersKnown = false
	}
}

// closer walks down from one group at a time. The marks hold the number of the walk
// in which something was seen last, so that they need no clearing between walks.
type closer struct {
	snapshot  *Snapshot
	walk      uint32
	seenGroup []uint32
	seenUser  []uint32
	stack     []uint32
	uncovered []uint32
}

func (c *closer) close(root uint32) {
	c.walk++
	groups := c.snapshot.Groups
	c.stack = append(c.stack[:0], root)
	c.seenGroup[root] = c.walk
	var members []uint32
	covered, cyclic := true, false
	for len(c.stack) > 0 {
		g := &groups[c.stack[len(c.stack)-1]]
		c.stack = c.stack[:len(c.stack)-1]
		covered = covered && g.MembersKnown
		for _, u := range g.Direct {
			if c.seenUser[u] != c.walk {
				c.seenUser[u] = c.walk
				members = append(members, u)
			}
		}
		for _, child := range g.Children {
			cyclic = cyclic || child == root
			if c.seenGroup[child] != c.walk {
				c.seenGroup[child] = c.walk
				c.stack = append(c.stack, child)
			}
		}
	}
	slices.Sort(members)
	groups[root].Members = members
	if !covered {
		c.uncovered = append(c.uncovered, root)
	}
	if cyclic {
		c.snapshot.Cycles++
	}
}
