package file

import (
	"slices"

	"groupsyncd/directory"
)

// listing is everything that a file says.
type listing struct {
	users  []directory.User
	groups []directory.Group
}

// link resolves one reference of a group: a name found among users, or among groups,
// or else a reference to nobody. Either map may be nil.
func (l *listing) link(group int, ref string, users, groups map[string]uint32) {
	g := &l.groups[group]
	if i, ok := users[ref]; ok {
		g.Direct = append(g.Direct, i)
	} else if i, ok := groups[ref]; ok {
		g.Children = append(g.Children, i)
	} else {
		g.Unresolved = append(g.Unresolved, ref)
	}
}

// own adds the group of the owners of a group; who they are is linked as of any group.
func (l *listing) own(group int) int {
	l.groups = append(l.groups, l.groups[group].Owners())
	return len(l.groups) - 1
}

// snapshot makes the complete snapshot of a file that was read to its end.
func (l *listing) snapshot(nested bool) *directory.Snapshot {
	s := &directory.Snapshot{Users: l.users, Groups: l.groups, UsersListed: true, GroupsListed: true}
	for i := range s.Users {
		s.Users[i].StatusKnown = true
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		slices.Sort(g.Unresolved)
		g.Unresolved = slices.Compact(g.Unresolved)
		g.MembersKnown = true
	}
	s.Close(nested)
	return s
}
