package replica

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"groupsyncd/directory"
)

// What reading changes adds to a merge: a delta is as good as a full read, except that
// what it does not show was seen to be missing once only, however many deltas repeat it;
// tombstones, which are a statement of the source; and the cursor, which belongs to
// exactly what the replica would show, so that the next delta has the right base.

// miss takes in that a complete list does not show an entry.
func (m *merger) miss(x Missing) Missing {
	if m.s.Delta {
		return x.begin(m.asOf)
	}
	return x.note(m.asOf)
}

// deleted takes in what the source itself says was deleted. Whatever the same read or a
// newer one shows all the same is not.
func (m *merger) deleted() {
	for _, id := range m.s.DeletedUsers {
		n, known := m.new.User(id)
		if u := m.user(n); known && u.SeenAt.Before(m.asOf) && u.DeletedAt.Before(m.asOf) {
			m.know(u, func(e *Evidence) { e.DeletedAt, e.Missing = m.asOf, e.Missing.begin(m.asOf) })
		}
	}
	for _, id := range m.s.DeletedGroups {
		n, known := m.new.Group(id)
		if !known {
			continue
		}
		if g := &m.new.groups[n]; g.SeenAt.Before(m.asOf) && g.DeletedAt.Before(m.asOf) {
			g.DeletedAt, g.Missing = m.asOf, g.Missing.begin(m.asOf)
		}
	}
}

// user gives a row, and one that counts for nothing where there is none.
func (m *merger) user(n uint32) *User {
	if int(n) < len(m.new.users) {
		return &m.new.users[n]
	}
	return &User{Evidence: &Evidence{}}
}

// sighted is the absence of an entry after evidence that shows it. A deletion that is newer
// than the evidence stays, and with it that the entry is missing.
func sighted(missing Missing, deleted, asOf time.Time) (Missing, time.Time) {
	missing = missing.sighted(asOf)
	if deleted.After(asOf) {
		return missing.begin(deleted), deleted
	}
	return missing, time.Time{}
}

// covers reports whether the read says anything about a member whom it does not show: it
// does when it lists everybody, or when the one before did not show them either.
func (m *merger) covers(row *Group, user uint32) bool {
	if m.s.UsersListed || m.listed[user] {
		return true
	}
	_, kept := slices.BinarySearch(row.Kept, user)
	return kept
}

// unread gives those whom a group named itself at its last read and of whom this read,
// whose list of users was cut, says nothing.
func (m *merger) unread(row *Group) []uint32 {
	if m.s.UsersListed {
		return nil
	}
	var list []uint32
	for _, n := range row.named() {
		if !m.listed[n] {
			list = append(list, n)
		}
	}
	return list
}

// named gives those whom the last read of a group showed as named by the group itself.
func (g *Group) named() []uint32 {
	if len(g.Children) > 0 {
		return g.Direct
	}
	return difference(g.Members, g.Kept)
}

// returned counts people who were missing as shown in all groups that this read does not
// cover: nobody has said that they left those.
func (m *merger) returned() {
	if len(m.back) == 0 {
		return
	}
	for n := range m.new.groups {
		if g := &m.new.groups[n]; len(g.Kept) > 0 && !g.MembersAt.Equal(m.asOf) {
			for _, u := range m.back {
				g.Kept = without(g.Kept, u)
			}
		}
	}
}

// cursor decides where the next read of changes begins. A read of everything brings its own
// cursor, or none; any other keeps the one that there is. Where answers may come from
// servers that differ, evidence of another read makes the base of the next delta doubtful:
// what the server of the cursor never showed, it will not say has changed.
func (m *merger) cursor() {
	h := &m.new.Head
	newest := !m.asOf.Before(m.old.CompleteAt)
	full := m.s.Coverage() == directory.Full
	switch {
	case full && newest:
		h.Cursor, h.Scope = bytes.Clone(m.s.Cursor), m.s.Scope
		if !m.s.Delta {
			h.FullAt = m.asOf
		}
	case newest && m.s.Scope != "" && m.s.Scope != h.Scope:
		h.Cursor, h.Scope = nil, m.s.Scope
	}
	if m.lag > 0 && newest && (m.doubt || !full && m.differs()) {
		h.Cursor = nil
	}
}

// differs reports whether a read of less than everything may have changed what the replica
// shows.
func (m *merger) differs() bool {
	if m.s.UsersListed || m.s.GroupsListed || slices.ContainsFunc(m.s.Groups, func(g directory.Group) bool { return g.MembersKnown }) {
		return true
	}
	for i := range m.s.Users {
		n := m.userAt[i]
		if int(n) >= len(m.old.users) {
			continue
		}
		was, is := &m.old.users[n], &m.new.users[n]
		if is.Missing != was.Missing || is.Disabled != was.Disabled || !sameUser(&was.User, &m.s.Users[i]) {
			return true
		}
	}
	for i := range m.s.Groups {
		n := m.groupAt[i]
		if int(n) < len(m.old.groups) && (m.new.groups[n].Missing != m.old.groups[n].Missing || !sameGroup(&m.old.groups[n], &m.s.Groups[i])) {
			return true
		}
	}
	return false
}

// sameUser compares what is shown of a user, the status apart where it was not read.
func sameUser(row, u *directory.User) bool {
	return (!u.StatusKnown || row.Disabled == u.Disabled) && sameTexts(row, u)
}

func sameTexts(row, u *directory.User) bool {
	return row.Email == u.Email && row.Username == u.Username && row.Name == u.Name && row.DN == u.DN &&
		(len(row.Attributes)+len(u.Attributes) == 0 || maps.EqualFunc(row.Attributes, u.Attributes, slices.Equal))
}

func sameGroup(row *Group, g *directory.Group) bool {
	return row.Name == g.Name && row.DN == g.DN && row.Path == g.Path && row.Description == g.Description
}

// without gives a sorted list without one number, itself where it is not in it.
func without(list []uint32, n uint32) []uint32 {
	at, found := slices.BinarySearch(list, n)
	if !found {
		return list
	}
	return slices.Delete(slices.Clone(list), at, at+1)
}

// difference gives the numbers of a sorted list that are not in another one.
func difference(list, out []uint32) []uint32 {
	if len(out) == 0 {
		return list
	}
	rest := make([]uint32, 0, len(list))
	for _, n := range list {
		for len(out) > 0 && out[0] < n {
			out = out[1:]
		}
		if len(out) == 0 || out[0] != n {
			rest = append(rest, n)
		}
	}
	return rest
}

// union gives a list of its own with the numbers of two sorted ones.
func union(a, b []uint32) []uint32 {
	all := append(make([]uint32, 0, len(a)+len(b)), a...)
	if len(b) > 0 {
		all = append(all, b...)
		slices.Sort(all)
		all = slices.Compact(all)
	}
	return all
}

// Awaits reports whether somebody or some group is missing whom a complete read that begins
// now could prove to be gone.
func (r *Replica) Awaits(grace Grace, now time.Time) bool {
	due := func(m *Missing, deleted time.Time) bool {
		return m.Is() && deleted.IsZero() && !grace.done(*m) && !m.First.Add(grace.Over).After(now)
	}
	for n := range r.users {
		if u := &r.users[n]; due(&u.Missing, u.DeletedAt) {
			return true
		}
	}
	for n := range r.groups {
		if g := &r.groups[n]; due(&g.Missing, g.DeletedAt) {
			return true
		}
	}
	return false
}
