package entra

import (
	"slices"

	"groupsyncd/directory"
)

// mirror is the directory as far as it was shown, by ids. A full read begins with an empty
// one, a read of changes with what the picture of before shows.
type mirror struct {
	users  map[string]directory.User
	groups map[string]*group
	// order are all ids ever put in, so that pictures of the same directory look alike.
	userOrder, groupOrder []string

	deletedUsers, deletedGroups map[string]bool
}

// group is a group and whom it names.
type group struct {
	directory.Group
	// hidden says that only some may see who is in it.
	hidden bool
	refs   map[string]directory.MemberKind
}

// newMirror holds what a picture shows; nil: nothing. What is worked out anew each time, as
// the groups of app roles, is left out.
func newMirror(base *directory.Snapshot) *mirror {
	m := &mirror{users: map[string]directory.User{}, groups: map[string]*group{}, deletedUsers: map[string]bool{}, deletedGroups: map[string]bool{}}
	if base == nil {
		return m
	}
	for i := range base.Users {
		m.putUser(base.Users[i])
	}
	for i := range base.Groups {
		b := &base.Groups[i]
		if isRole(b.ID) {
			continue
		}
		g := m.putGroup(b.ID)
		g.Name, g.Description = b.Name, b.Description
		for _, u := range b.Direct {
			g.refs[base.Users[u].ID] = directory.UserMember
		}
		for _, c := range b.Children {
			g.refs[base.Groups[c].ID] = directory.GroupMember
		}
		for _, ref := range b.Unresolved {
			g.refs[ref] = directory.AnyMember
		}
	}
	return m
}

func (m *mirror) putUser(u directory.User) {
	if _, known := m.users[u.ID]; !known {
		m.userOrder = append(m.userOrder, u.ID)
	}
	delete(m.deletedUsers, u.ID)
	m.users[u.ID] = u
}

// putGroup gives the group of that id, which is made where there is none.
func (m *mirror) putGroup(id string) *group {
	g := m.groups[id]
	if g == nil {
		g = &group{refs: map[string]directory.MemberKind{}}
		g.ID = id
		m.groups[id] = g
		m.groupOrder = append(m.groupOrder, id)
	}
	delete(m.deletedGroups, id)
	return g
}

// dropUser takes a user out, who may come back as long as that is not for good.
func (m *mirror) dropUser(id string, forGood bool) {
	delete(m.users, id)
	if forGood {
		m.deletedUsers[id] = true
	}
}

func (m *mirror) dropGroup(id string, forGood bool) {
	delete(m.groups, id)
	if forGood {
		m.deletedGroups[id] = true
	}
}

// forget takes out every reference to those who are gone. Graph leaves those to whom can be
// restored where they are, and does not show them; whoever comes back is a reason for a full read.
func (m *mirror) forget(ids []string) {
	if len(ids) == 0 {
		return
	}
	for _, g := range m.groups {
		for _, id := range ids {
			delete(g.refs, id)
		}
	}
}

// change applies lines of members@delta, in the order in which they were shown.
func (g *group) change(lines []member) {
	for i := range lines {
		l := &lines[i]
		if kind, counts := l.counts(); l.gone() {
			delete(g.refs, l.ID)
		} else if counts {
			g.refs[l.ID] = kind
		}
	}
}

// children gives the groups that a group names, sorted.
func (g *group) children() []string {
	var ids []string
	for id, kind := range g.refs {
		if kind == directory.GroupMember {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// present gives the ids of an order that are still there, each once.
func present[T any](order []string, in map[string]T) []string {
	seen, list := make(map[string]bool, len(in)), make([]string, 0, len(in))
	for _, id := range order {
		if _, there := in[id]; there && !seen[id] {
			seen[id] = true
			list = append(list, id)
		}
	}
	return list
}

// named reports whether a group has the id among its members.
func (m *mirror) named(id string) bool {
	for _, g := range m.groups {
		if _, has := g.refs[id]; has {
			return true
		}
	}
	return false
}
