package plan

import "slices"

// Below gives a group with all groups below it, nearest first. Whoever is in one of them has
// what the group has.
func (m *Mirror) Below(id string) []string { return below(m.children(), id) }

// children gives the groups below each group.
func (m *Mirror) children() map[string][]string {
	children := map[string][]string{}
	for _, g := range m.Groups() {
		if g.Parent != "" {
			children[g.Parent] = append(children[g.Parent], g.ID)
		}
	}
	return children
}

func below(children map[string][]string, id string) []string {
	all := []string{id}
	for i := 0; i < len(all); i++ {
		for _, c := range children[all[i]] {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

// Above gives a group with all groups above it, nearest first.
func (m *Mirror) Above(id string) []string {
	all := []string{id}
	for g := m.Group(id); g != nil && g.Parent != "" && !slices.Contains(all, g.Parent); g = m.Group(g.Parent) {
		all = append(all, g.Parent)
	}
	return all
}

// Effective gives the members of a group and of all groups below it, as sorted numbers.
func (m *Mirror) Effective(id string) []uint32 {
	var all []uint32
	for _, b := range m.Below(id) {
		if g := m.Group(b); g != nil {
			all = append(all, g.Numbers...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
