package replica

import (
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/index"
)

// Learned says what a merge made of a snapshot.
type Learned struct {
	// ConfirmAt is when a further complete read can settle references that are kept
	// only because a lagging server may have answered; zero: none are.
	ConfirmAt time.Time
	// Kept counts memberships that the read does not show and that stay because their
	// absence is not proved.
	Kept int
}

// Merge gives the replica as it is after a read: s replaces what it covers and what
// is not newer, and nothing else. lag is how far the answering server may be behind
// another server of the same directory.
func (r *Replica) Merge(s *directory.Snapshot, lag time.Duration) (*Replica, Learned) {
	m := merger{old: r, s: s, lag: lag, asOf: s.AsOf}
	m.copyRows()
	m.mergeUsers()
	m.mergeGroups()
	m.findBlocks()
	for i := range s.Groups {
		if s.Groups[i].MembersKnown {
			m.mergeMembers(i)
		}
	}
	m.missing()
	m.deleted()
	m.returned()
	m.mergeLookUps()
	m.head()
	return m.new, m.learned
}

// merger carries one merge. Numbers of users and groups are positions in the
// snapshot until userAt and groupAt translate them into rows of the replica.
type merger struct {
	old, new *Replica
	s        *directory.Snapshot
	lag      time.Duration
	asOf     time.Time
	learned  Learned

	userAt, groupAt []uint32
	// listed marks the user rows, present the group rows, that the snapshot lists; seen
	// also marks the groups that it shows only inside others.
	listed, present, seen []bool
	// blocked are, per position in the snapshot, user rows that may not leave.
	blocked map[int][]uint32
	scratch []uint32

	// evidence keeps what rows share; sightedAs is what the last sighting made of it.
	evidence  Shared
	sighting  sighting
	sightedAs *Evidence

	// back are users who were missing before.
	back []uint32
	// doubt says that the replica is now more than the read to which its cursor belongs.
	doubt bool
}

func (m *merger) copyRows() {
	n := *m.old
	n.users = slices.Clone(m.old.users)
	n.groups = slices.Clone(m.old.groups)
	m.new = &n
}

// own makes an index our own before the first new row; most merges bring none.
func own(x *index.Index, first bool) {
	if first {
		*x = x.Clone()
	}
}

func (m *merger) mergeUsers() {
	m.userAt = make([]uint32, len(m.s.Users))
	n := ^uint32(0)
	for i := range m.s.Users {
		u := &m.s.Users[i]
		// Directories keep their order, so the row after the last one is tried first.
		n++
		ok := int(n) < len(m.new.users) && m.new.users[n].ID == u.ID
		if !ok {
			n, ok = m.new.User(u.ID)
		}
		if !ok {
			own(&m.new.userNo, len(m.new.users) == len(m.old.users))
			n = uint32(len(m.new.users))
			id := strings.Clone(u.ID)
			m.new.userNo.Put(id, n, m.new.userID)
			m.new.users = append(m.new.users, User{User: directory.User{ID: id}, Evidence: m.evidence.Of(Evidence{})})
		}
		m.userAt[i] = n
		was := m.new.users[n].Missing.Is()
		m.mergeUser(&m.new.users[n], u, m.at(i))
		if was && !m.new.users[n].Missing.Is() {
			m.back = append(m.back, n)
		}
	}
	m.listed = make([]bool, len(m.new.users))
	for _, n := range m.userAt {
		m.listed[n] = true
	}
}

// at gives the time of what the snapshot says of a user.
func (m *merger) at(i int) time.Time {
	if at := m.s.Users[i].AsOf; !at.IsZero() && at.Before(m.asOf) {
		return at
	}
	return m.asOf
}

func (m *merger) mergeUser(row *User, u *directory.User, at time.Time) {
	newest, status := !at.Before(row.SeenAt), u.StatusKnown && !at.Before(row.StatusAt)
	switch {
	case !newest:
		m.doubt = m.doubt || !sameUser(&row.User, u)
	case !sameTexts(&row.User, u):
		disabled := row.Disabled
		row.User = ownTexts(u, row.ID)
		row.Disabled = disabled
		row.GroupsKnown, row.StatusKnown = false, false
	}
	if status {
		row.Disabled = u.Disabled
	}
	m.sight(row, newest, status, at)
}

func (m *merger) mergeGroups() {
	m.groupAt = make([]uint32, len(m.s.Groups))
	for i := range m.s.Groups {
		g := &m.s.Groups[i]
		n, ok := m.new.Group(g.ID)
		if !ok {
			own(&m.new.grpNo, len(m.new.groups) == len(m.old.groups))
			n = uint32(len(m.new.groups))
			id := strings.Clone(g.ID)
			m.new.grpNo.Put(id, n, m.new.groupID)
			m.new.groups = append(m.new.groups, Group{ID: id})
		}
		m.groupAt[i] = n
		row, at := &m.new.groups[n], m.shownAt(g)
		switch {
		case !g.Unlisted || !row.Listed:
			row.Missing, row.DeletedAt = sighted(row.Missing, row.DeletedAt, at)
		case !row.DeletedAt.After(at):
			row.DeletedAt = time.Time{} // It is there, and still missing from the list.
		}
		if at.Before(row.SeenAt) {
			m.doubt = m.doubt || !sameGroup(row, g)
			continue
		}
		if row.OwnersOf != g.OwnersOf {
			row.OwnersOf = strings.Clone(g.OwnersOf)
		}
		if !sameGroup(row, g) {
			row.Name, row.DN, row.Path, row.Description = strings.Clone(g.Name), strings.Clone(g.DN), strings.Clone(g.Path), strings.Clone(g.Description)
		}
		row.SeenAt = at
		row.Listed = row.Listed || !g.Unlisted
	}
	m.present = make([]bool, len(m.new.groups))
	m.seen = make([]bool, len(m.new.groups))
	for i, n := range m.groupAt {
		m.present[n] = !m.s.Groups[i].Unlisted
		m.seen[n] = true
	}
}

// mergeMembers replaces the members of a group that was read to its end.
func (m *merger) mergeMembers(i int) {
	g := &m.s.Groups[i]
	row := &m.new.groups[m.groupAt[i]]
	if m.asOf.Before(row.MembersAt) {
		return
	}
	// What the first complete read of a source shows has been there for who knows how
	// long; a group that turns up later is as fresh as its members.
	first := row.MembersAt.IsZero() && m.old.GroupsAt.IsZero()
	shown := m.rows(g.Members)
	named := m.unread(row)
	if slices.Equal(row.Members, shown) {
		row.Kept = nil
	} else {
		row.Members, row.Kept = m.members(i, row, shown, first)
	}
	row.Recent = m.expire(row.Recent)
	row.Direct = nil
	if len(g.Children)+len(row.Blocked) > 0 {
		row.Direct = union(m.rows(g.Direct), named)
	}
	row.Children = m.children(g, row)
	// Most groups have none, and a copy of nothing would cost more than all the rest here.
	row.Unresolved = nil
	if len(g.Unresolved) > 0 {
		row.Unresolved = ownList(g.Unresolved)
		slices.Sort(row.Unresolved)
	}
	row.MembersAt = m.asOf
}

// children gives the nested groups of a group, blocked ones among them.
func (m *merger) children(g *directory.Group, row *Group) []uint32 {
	if len(g.Children)+len(row.Blocked) == 0 {
		return nil
	}
	children := make([]uint32, 0, len(g.Children)+len(row.Blocked))
	for _, c := range g.Children {
		children = append(children, m.groupAt[c])
	}
	for _, b := range row.Blocked {
		children = append(children, b.Child)
	}
	slices.Sort(children)
	return slices.Compact(children)
}

// rows translates positions of the snapshot into sorted rows. The result is valid
// until the next call. Directories keep their order, so sorting is rarely needed.
func (m *merger) rows(positions []uint32) []uint32 {
	m.scratch = m.scratch[:0]
	sorted := true
	for _, p := range positions {
		n := m.userAt[p]
		sorted = sorted && (len(m.scratch) == 0 || m.scratch[len(m.scratch)-1] < n)
		m.scratch = append(m.scratch, n)
	}
	if !sorted {
		slices.Sort(m.scratch)
	}
	return m.scratch
}

// members walks the old and the shown members side by side and decides each
// difference. The second list are those who stay although they are not shown.
func (m *merger) members(i int, row *Group, shown []uint32, first bool) ([]uint32, []uint32) {
	old := row.Members
	out := make([]uint32, 0, max(len(old), len(shown)))
	var kept []uint32
	var added []Recent
	recent := make(map[uint32]time.Time, len(row.Recent))
	for _, r := range row.Recent {
		recent[r.User] = r.First
	}
	a, b := 0, 0
	for a < len(old) || b < len(shown) {
		switch {
		case b == len(shown) || a < len(old) && old[a] < shown[b]:
			if m.stays(i, row, old[a], recent[old[a]]) {
				out = append(out, old[a])
				m.learned.Kept++
				if m.covers(row, old[a]) {
					kept = append(kept, old[a])
				}
			}
			a++
		case a == len(old) || shown[b] < old[a]:
			// Newer evidence about this person says they are in no such group.
			if row.OwnersOf != "" || !m.new.users[shown[b]].GroupsAt.After(m.asOf) {
				out = append(out, shown[b])
				if m.lag > 0 && !first {
					added = append(added, Recent{User: shown[b], First: m.asOf})
				}
			} else {
				m.doubt = true
			}
			b++
		default:
			out = append(out, old[a])
			a++
			b++
		}
	}
	row.Recent = slices.Concat(row.Recent, added)
	return out, kept
}

// stays reports whether a member whom the read does not show must be kept: because
// newer evidence shows them, because they themselves are not shown (missing people
// have their own grace), because the reference is too fresh for a lagging server, or
// because they came in through a nested group that does not resolve.
func (m *merger) stays(i int, row *Group, user uint32, since time.Time) bool {
	if !m.listed[user] || row.OwnersOf == "" && m.new.users[user].GroupsAt.After(m.asOf) && !m.wasMissing(i, m.new.users[user].GroupsAt) {
		return true
	}
	// A group that has dropped out of the list keeps everybody: what rules gave
	// through it waits for the group's own grace.
	if m.s.Groups[i].Unlisted && row.Listed {
		return true
	}
	if m.tooFresh(since, m.asOf) {
		return true
	}
	_, found := slices.BinarySearch(m.blocked[i], user)
	return found
}

// wasMissing reports whether a group of the snapshot was missing when a look-up was made,
// which therefore said nothing about it.
func (m *merger) wasMissing(i int, lookUp time.Time) bool {
	n := m.groupAt[i]
	if int(n) >= len(m.old.groups) {
		return false
	}
	missing := m.old.groups[n].Missing
	return missing.Is() && missing.First.Before(lookUp)
}

// tooFresh reports whether a reference first seen at that time, zero for an old one, may
// only be missing at another because a lagging server answered, and notes when that is settled.
func (m *merger) tooFresh(since, at time.Time) bool {
	settled := since.Add(m.lag)
	if since.IsZero() || !settled.After(at) {
		return false
	}
	if m.learned.ConfirmAt.IsZero() || settled.Before(m.learned.ConfirmAt) {
		m.learned.ConfirmAt = settled
	}
	return true
}

// freshSince gives the time at which a reference was first seen, zero for an old one.
func (g *Group) freshSince(user uint32) time.Time {
	var since time.Time
	for _, r := range g.Recent {
		if r.User == user {
			since = r.First
		}
	}
	return since
}

// expire drops the references that are no longer fresh.
func (m *merger) expire(recent []Recent) []Recent {
	if len(recent) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(recent), func(r Recent) bool { return !r.First.Add(m.lag).After(m.asOf) })
}

// missing counts everybody whom a complete list does not show.
func (m *merger) missing() {
	if m.s.UsersListed && !m.asOf.Before(m.old.UsersAt) {
		for n := range m.new.users {
			if u := &m.new.users[n]; !m.listed[n] && !u.SeenAt.After(m.asOf) {
				m.know(u, func(e *Evidence) { e.Missing = m.miss(e.Missing) })
				m.erase(u)
			}
		}
	}
	if m.s.GroupsListed && !m.asOf.Before(m.old.GroupsAt) {
		for n := range m.new.groups {
			if g := &m.new.groups[n]; g.Listed && !m.present[n] && !g.SeenAt.After(m.asOf) {
				g.Missing = m.miss(g.Missing)
			}
		}
	}
}

// KeptFor is how long the name, mail address and attributes of somebody stay who is missing
// from complete lists.
const KeptFor = 90 * 24 * time.Hour

// erase leaves of somebody who has been missing for long only the id, and what is known of
// their absence: nothing is decided by the rest any more. Whoever comes back brings it along.
func (m *merger) erase(u *User) {
	if m.asOf.Sub(u.Missing.First) >= KeptFor && !sameTexts(&u.User, &directory.User{}) {
		u.User = directory.User{ID: u.ID, Disabled: u.Disabled}
	}
}

func (m *merger) head() {
	newer := func(at *time.Time) {
		if m.asOf.After(*at) {
			*at = m.asOf
		}
	}
	if m.s.UsersListed {
		newer(&m.new.UsersAt)
	}
	if m.s.GroupsListed {
		newer(&m.new.GroupsAt)
	}
	if m.s.Coverage() == directory.Full {
		newer(&m.new.CompleteAt)
	}
	m.cursor()
}
