package replica

import "slices"

// Directly says how a user stands among those whom a group names itself, without those who
// come in through nested groups only. Where that cannot be told it is unknown: a look-up
// shows that somebody is in a group and not how, so that a group of which nothing else was read
// may have them through another; and whoever is kept in it may have been named by it.
func (r *Replica) Directly(user, group uint32, grace Grace) Verdict {
	v := r.Membership(user, group, grace)
	g := &r.groups[group]
	if v.Standing != Shown || len(g.Children) == 0 && !g.MembersAt.IsZero() {
		return v
	}
	u := &r.users[user]
	_, named := slices.BinarySearch(g.Direct, user)
	_, kept := slices.BinarySearch(g.Kept, user)
	switch {
	case kept:
		return Verdict{Standing: Unknown, Why: nameOf(u) + " was not shown in " + quoted(g.Name, g.DN) + " when that was last read"}
	case named:
		return v
	case g.MembersAt.IsZero() || u.GroupsAt.After(g.MembersAt):
		return Verdict{Standing: Unknown, Why: "a look-up showed " + nameOf(u) + " in " + quoted(g.Name, g.DN) + ", and not whether the group itself names them"}
	}
	return Verdict{Standing: Absent, Absence: Absence{Left, r.Source, g.MembersAt, "not named by " + quoted(g.Name, g.DN) + " itself"}}
}

// Named says whether a group names a member itself; doubt: that cannot be told.
func (r *Replica) Named(user, group uint32) (named, doubt bool) {
	g := &r.groups[group]
	if len(g.Children) == 0 && !g.MembersAt.IsZero() {
		return true, false
	}
	_, named = slices.BinarySearch(g.Direct, user)
	_, kept := slices.BinarySearch(g.Kept, user)
	if kept {
		return false, true
	}
	return named, !named && (g.MembersAt.IsZero() || r.users[user].GroupsAt.After(g.MembersAt))
}
