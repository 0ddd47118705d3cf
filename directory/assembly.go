package directory

import (
	"cmp"
	"slices"
)

// Assembly puts a snapshot together from what an API shows piece by piece: users, groups, and
// members that are named by id. Members may be named before what they name is shown. The zero
// Assembly is empty and ready.
type Assembly struct {
	// Snapshot carries AsOf, the flags of coverage and everything else that is not put
	// together here.
	Snapshot Snapshot

	users, groups map[string]uint32
	links         []link
}

// link is a member as it was named.
type link struct {
	group uint32
	ref   Ref
}

// Ref names a member of a group.
type Ref struct {
	// ID is the id by which the source names the member.
	ID string
	// Kind says what it is; AnyMember where the source does not.
	Kind MemberKind
	// Text is what an unresolved reference is called; empty: the id.
	Text string
}

// MemberKind is what a member of a group is.
type MemberKind int

// The kinds of members.
const (
	// AnyMember is a user or a group, whichever has that id.
	AnyMember MemberKind = iota
	UserMember
	GroupMember
)

// User adds a user; one that was shown before is replaced, as on pages that overlap.
func (a *Assembly) User(u User) {
	if i, shown := a.users[u.ID]; shown {
		a.Snapshot.Users[i] = u
		return
	}
	if a.users == nil {
		a.users = map[string]uint32{}
	}
	a.users[u.ID] = uint32(len(a.Snapshot.Users))
	a.Snapshot.Users = append(a.Snapshot.Users, u)
}

// HasUser reports whether a user was shown.
func (a *Assembly) HasUser(id string) bool {
	_, shown := a.users[id]
	return shown
}

// Group adds a group without members; one that was shown before is replaced. Its members are
// not known before Known says so.
func (a *Assembly) Group(g Group) {
	g.Direct, g.Children, g.Members, g.Unresolved = nil, nil, nil, nil
	if i, shown := a.groups[g.ID]; shown {
		g.MembersKnown = g.MembersKnown || a.Snapshot.Groups[i].MembersKnown
		a.Snapshot.Groups[i] = g
		return
	}
	if a.groups == nil {
		a.groups = map[string]uint32{}
	}
	a.groups[g.ID] = uint32(len(a.Snapshot.Groups))
	a.Snapshot.Groups = append(a.Snapshot.Groups, g)
}

// HasGroup reports whether a group was shown.
func (a *Assembly) HasGroup(id string) bool {
	_, shown := a.groups[id]
	return shown
}

// Member adds a member to a group that was shown; for any other it does nothing.
func (a *Assembly) Member(group string, ref Ref) {
	if i, shown := a.groups[group]; shown {
		a.links = append(a.links, link{group: i, ref: ref})
	}
}

// Known says that all direct members of a group were named.
func (a *Assembly) Known(group string) {
	if i, shown := a.groups[group]; shown {
		a.Snapshot.Groups[i].MembersKnown = true
	}
}

// Close resolves the members, works out nesting and gives the snapshot. The assembly must not
// be used any more.
func (a *Assembly) Close(nested bool) *Snapshot {
	s := &a.Snapshot
	for _, l := range a.links {
		g := &s.Groups[l.group]
		user, isUser := a.users[l.ref.ID]
		group, isGroup := a.groups[l.ref.ID]
		switch {
		case isUser && l.ref.Kind != GroupMember:
			g.Direct = append(g.Direct, user)
		case isGroup && l.ref.Kind != UserMember:
			g.Children = append(g.Children, group)
		default:
			g.Unresolved = append(g.Unresolved, cmp.Or(l.ref.Text, l.ref.ID))
		}
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		slices.Sort(g.Unresolved)
		g.Unresolved = slices.Compact(g.Unresolved)
	}
	s.Close(nested)
	return s
}
