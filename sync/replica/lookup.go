package replica

import (
	"cmp"
	"slices"
	"time"

	"groupsyncd/directory"
)

// Of some people a read shows all groups and nobody else in them: a look-up, a token, or
// many of them. Each has a time of its own, and replaces what is not newer.

// looked is somebody whose groups a read saw, as of a time.
type looked struct {
	user uint32
	at   time.Time
}

// fewLooked is up to how many people their groups are looked for one by one; with more of
// them it is cheaper to walk through all members.
const fewLooked = 8

// shownAt gives the time at which a group was shown: that of the read, or where only people
// show it, that of the newest word of one of them.
func (m *merger) shownAt(g *directory.Group) time.Time {
	if m.s.GroupsListed || g.MembersKnown {
		return m.asOf
	}
	var newest time.Time
	for _, p := range g.Members {
		at := m.at(int(p))
		if at.Equal(m.asOf) {
			return at
		}
		if at.After(newest) {
			newest = at
		}
	}
	if newest.IsZero() {
		return m.asOf
	}
	return newest
}

// mergeLookUps replaces the memberships of everybody whose groups the read saw, in every
// group whose members are not known by something newer.
func (m *merger) mergeLookUps() {
	var people []looked
	for i := range m.s.Users {
		n, at := m.userAt[i], m.at(i)
		if m.s.Users[i].GroupsKnown && !at.Before(m.new.users[n].GroupsAt) {
			people = append(people, looked{n, at})
		}
	}
	if len(people) == 0 {
		return
	}
	slices.SortFunc(people, func(a, b looked) int { return cmp.Compare(a.user, b.user) })
	in := m.shownIn(people)
	blocked := m.new.blockedGroups()
	for n := range m.new.groups {
		if m.new.groups[n].OwnersOf != "" {
			continue // A look-up says what somebody is a member of, not what they own.
		}
		m.mergeLookedUp(&m.new.groups[n], people, in[uint32(n)], blocked[uint32(n)])
	}
	for _, p := range people {
		m.know(&m.new.users[p.user], func(e *Evidence) { e.GroupsAt = p.at })
	}
}

// shownIn gives, by group, the people of a list, as positions in it, whom the read shows in
// the group.
func (m *merger) shownIn(people []looked) map[uint32][]int {
	in := map[uint32][]int{}
	for p := range m.s.Groups {
		n := m.groupAt[p]
		for _, u := range m.s.Groups[p].Members {
			if at, found := find(people, m.userAt[u]); found {
				in[n] = append(in[n], at)
			}
		}
		slices.Sort(in[n])
		in[n] = slices.Compact(in[n])
	}
	return in
}

func find(people []looked, user uint32) (int, bool) {
	return slices.BinarySearchFunc(people, user, func(p looked, n uint32) int { return cmp.Compare(p.user, n) })
}

// mergeLookedUp takes into one group who of some people is in it and who is not.
func (m *merger) mergeLookedUp(g *Group, people []looked, shown []int, blocked bool) {
	var joined, left, there []uint32
	covers := func(i int) bool { return !people[i].at.Before(g.MembersAt) }
	for _, i := range shown {
		user := people[i].user
		switch _, has := slices.BinarySearch(g.Members, user); {
		case !covers(i):
		case has:
			there = append(there, user)
		default:
			joined = append(joined, user)
		}
	}
	for _, i := range among(g.Members, people) {
		user := people[i].user
		_, is := slices.BinarySearch(shown, i)
		if !is && covers(i) && !g.Missing.Is() && !blocked && !m.tooFresh(g.freshSince(user), people[i].at) && !m.blockedNow(g, user) {
			left = append(left, user)
		}
	}
	if len(joined)+len(left) > 0 {
		m.doubt = true
		g.Members = union(difference(g.Members, left), joined)
	}
	if len(left) > 0 {
		g.Direct = difference(g.Direct, left)
	}
	if len(g.Kept) > 0 {
		g.Kept = difference(difference(g.Kept, there), left)
	}
	if m.lag > 0 && len(joined) > 0 {
		g.Recent = slices.Clip(g.Recent)
		for _, user := range joined {
			i, _ := find(people, user)
			g.Recent = append(g.Recent, Recent{User: user, First: people[i].at})
		}
	}
}

// among gives the people of a list, as positions in it, who are members.
func among(members []uint32, people []looked) []int {
	var found []int
	if len(people) <= fewLooked {
		for i := range people {
			if _, has := slices.BinarySearch(members, people[i].user); has {
				found = append(found, i)
			}
		}
		return found
	}
	i := 0
	for _, n := range members {
		for i < len(people) && people[i].user < n {
			i++
		}
		if i < len(people) && people[i].user == n {
			found = append(found, i)
		}
	}
	return found
}

// blockedNow reports whether somebody is in a group through a nested group that does
// not resolve: a look-up cannot see that path either.
func (m *merger) blockedNow(g *Group, user uint32) bool {
	for _, b := range m.new.blocksBelow(g) {
		if _, found := slices.BinarySearch(m.new.groups[b].Members, user); found {
			return true
		}
	}
	return false
}
