package directory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The bounds of nesting. A group beyond one is not covered, and neither is any that
// contains it.
const (
	// maxNesting is how many levels of groups may be below a group.
	maxNesting = 100
	// maxNested is how many members groups may take over from the groups below them,
	// all groups together.
	maxNested = 20_000_000
)

// Close works out who counts as a member of each group: with nesting, everybody
// below its children, however they are linked. Cycles are legal in directories and
// only reported. A group is covered only if every group below it is, so Close also
// clears MembersKnown of every group that contains an uncovered one. Groups nested
// too deeply, or beyond all measure, keep their direct members and are not covered;
// Reason says so.
//
// Members may share memory with Direct and with the Members of other groups.
func (s *Snapshot) Close(nested bool) {
	sets := newSets(len(s.Users))
	nests := false
	for i := range s.Groups {
		g := &s.Groups[i]
		g.Direct = sets.sort(g.Direct)
		g.Members = g.Direct
		if len(g.Children) > 0 {
			nests = true
			slices.Sort(g.Children)
			g.Children = slices.Compact(g.Children)
		}
	}
	s.Cycles = nil
	if !nested || !nests {
		return
	}
	n := len(s.Groups)
	c := closer{groups: s.Groups, sets: sets, met: make([]uint32, n), low: make([]uint32, n), depth: make([]uint32, n), settled: make([]bool, n)}
	for i := range s.Groups {
		if len(s.Groups[i].Children) > 0 && c.met[i] == 0 {
			c.walk(uint32(i))
		}
	}
	slices.SortFunc(c.cycles, slices.Compare)
	s.Cycles = c.cycles
	s.because(c.deep, fmt.Sprintf("contains groups more than %d levels deep", maxNesting))
	s.because(c.large, fmt.Sprintf("would bring the members taken over from nested groups above %d", maxNested))
}

// because adds to Reason why some groups are not covered.
func (s *Snapshot) because(groups []uint32, why string) {
	if len(groups) == 0 {
		return
	}
	g := &s.Groups[groups[0]]
	why = fmt.Sprintf("group %q %s", cmp.Or(g.DN, g.Name), why)
	if more := len(groups) - 1; more > 0 {
		why += fmt.Sprintf(", as do %d more groups", more)
	}
	switch {
	case s.Reason == "":
		s.Reason = why
	case !strings.Contains(s.Reason, why):
		s.Reason += "; " + why
	}
}

// closer finds the strongly connected components of the groups (Tarjan 1972): the
// groups that contain each other have the same members, which are worked out once. A
// component is settled after all that it contains, so that each list is taken over
// from the level below only. It keeps its path itself, because somebody else decides
// how deep groups are nested.
type closer struct {
	groups []Group
	sets   *sets

	met     []uint32 // The number of a group in the order of the walk; 0 is not met.
	low     []uint32 // The lowest number that a group leads back to.
	depth   []uint32 // How many levels are below a group that is settled.
	settled []bool
	count   uint32
	path    []step
	open    []uint32 // Groups met and not settled, in the order of the walk.

	lists  [][]uint32 // What the groups being settled name, and how many that are.
	named  int
	united int // How many members were taken over so far.

	cycles [][]uint32
	deep   []uint32
	large  []uint32
}

// step is a group on the way from a root, and the child to look at next.
type step struct {
	group uint32
	next  int
}

func (c *closer) walk(root uint32) {
	c.meet(root)
	for len(c.path) > 0 {
		at := &c.path[len(c.path)-1]
		g := at.group
		if children := c.groups[g].Children; at.next < len(children) {
			child := children[at.next]
			at.next++
			switch {
			case len(c.groups[child].Children) == 0:
				// It has its members already.
			case c.met[child] == 0:
				c.meet(child)
			case !c.settled[child]:
				c.low[g] = min(c.low[g], c.met[child])
			}
			continue
		}
		c.path = c.path[:len(c.path)-1]
		if len(c.path) > 0 {
			above := c.path[len(c.path)-1].group
			c.low[above] = min(c.low[above], c.low[g])
		}
		if c.low[g] == c.met[g] {
			from := len(c.open) - 1
			for c.open[from] != g {
				from--
			}
			c.settle(c.open[from:])
			c.open = c.open[:from]
		}
	}
}

func (c *closer) meet(g uint32) {
	c.count++
	c.met[g], c.low[g] = c.count, c.count
	c.path = append(c.path, step{group: g})
	c.open = append(c.open, g)
}

// settle gives the groups of one component their members. What they contain is
// settled, except for each other.
func (c *closer) settle(component []uint32) {
	covered, cyclic, depth, taken := true, false, uint32(1), 0
	c.lists, c.named = c.lists[:0], 0
	for _, i := range component {
		g := &c.groups[i]
		covered = covered && g.MembersKnown
		c.add(g.Direct)
		for _, child := range g.Children {
			if len(c.groups[child].Children) > 0 && !c.settled[child] {
				cyclic = true
				continue
			}
			below := &c.groups[child]
			covered = covered && below.MembersKnown
			depth = max(depth, c.depth[child]+1)
			c.add(below.Members)
			taken += len(below.Members)
		}
	}
	if len(component) > 1 {
		// Each of them takes over what all of them name.
		taken = c.named * len(component)
	}
	switch {
	case depth > maxNesting:
		covered = false
		c.deep = append(c.deep, component...)
	case c.united+taken > maxNested:
		covered = false
		c.large = append(c.large, component...)
	default:
		c.united += taken
		members := c.sets.union(c.lists)
		for _, i := range component {
			c.groups[i].Members = members
		}
	}
	for _, i := range component {
		c.groups[i].MembersKnown = covered
		c.depth[i], c.settled[i] = depth, true
	}
	if cyclic {
		cycle := slices.Clone(component)
		slices.Sort(cycle)
		c.cycles = append(c.cycles, cycle)
	}
}

func (c *closer) add(list []uint32) {
	if len(list) > 0 {
		c.lists = append(c.lists, list)
		c.named += len(list)
	}
}
