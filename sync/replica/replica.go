// Package replica keeps what a source has proved about each of its users and groups,
// and is the only place where that knowledge changes.
//
// A read replaces only what it covers and only what is not newer; Merge does so as a
// pure function. Absence has kinds, and an Absence, without which nothing can be
// taken away from anybody, can be made by this package alone. Rules and accounts are
// unknown here.
package replica

import (
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/index"
)

// Replica is what one source has proved so far. It is never changed after it was
// made: Merge gives a new one that shares what stayed the same. Users and groups have
// dense numbers that stay the same from one replica to the next.
type Replica struct {
	Head
	users  []User
	groups []Group
	userNo index.Index
	grpNo  index.Index
}

// Head is what is known about the source as a whole. All times are AsOf times of
// snapshots: before the first request of the read that proved it.
type Head struct {
	// Source is the identity of the source in our state.
	Source string `json:"source"`
	// UsersAt and GroupsAt are the newest complete reads of the lists.
	UsersAt  time.Time `json:"users_at,omitzero"`
	GroupsAt time.Time `json:"groups_at,omitzero"`
	// CompleteAt is the newest read that covered everything, FullAt the newest of them that
	// was no delta.
	CompleteAt time.Time `json:"complete_at,omitzero"`
	FullAt     time.Time `json:"full_at,omitzero"`
	// Cursor is where the next read of changes begins. It belongs to what this replica
	// holds, so the two are only ever stored together. Empty: only a full read can follow.
	Cursor []byte `json:"cursor,omitempty"`
	// Scope is what the server decided about which entries are shown under which ids.
	Scope string `json:"scope,omitempty"`
}

// User is one user and the evidence about them.
type User struct {
	directory.User
	*Evidence
}

// Group is one group and the evidence about it.
type Group struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DN          string `json:"dn,omitempty"`
	Path        string `json:"path,omitempty"`
	Description string `json:"description,omitempty"`

	SeenAt time.Time `json:"seen_at,omitzero"`
	// MembersAt is the newest complete read of the members; zero: never, what is
	// known of them comes from look-ups.
	MembersAt time.Time `json:"members_at,omitzero"`
	// Listed says that rules may select the group; an unlisted one was seen only
	// inside another.
	Listed bool `json:"listed,omitempty"`
	// OwnersOf is the id of the group whose owners these are; empty for any other group.
	OwnersOf string  `json:"owners_of,omitempty"`
	Missing  Missing `json:"missing,omitzero"`
	// DeletedAt is as for users.
	DeletedAt time.Time `json:"deleted_at,omitzero"`

	// Members are user numbers, sorted: everybody shown, and those whose absence is
	// not proved (missing people, fresh references within the lag, blocked children).
	Members []uint32 `json:"-"`
	// Kept are those of Members whom the last complete read of them did not show.
	Kept []uint32 `json:"-"`
	// Direct are those named by the group itself, nil when the group has no children;
	// Children are group numbers.
	Direct   []uint32 `json:"-"`
	Children []uint32 `json:"-"`
	// Recent are references seen for the first time not long ago, where answers may
	// come from a lagging server.
	Recent []Recent `json:"recent,omitempty"`
	// Blocked are nested groups that resolved once and now do not.
	Blocked []Block `json:"blocked,omitempty"`
	// Unresolved are the references that named nobody at the last complete read.
	Unresolved []string `json:"unresolved,omitempty"`
}

// Recent is a member reference with the read that showed it first.
type Recent struct {
	User  uint32    `json:"user"`
	First time.Time `json:"first"`
}

// Block keeps the members that came through a nested group whose reference does not
// resolve any more. It ends when the group is seen again or when none of the
// references is left.
type Block struct {
	Child uint32   `json:"child"`
	Refs  []string `json:"refs"`
}

// Missing counts the complete reads of a list in which an entry was missing. Reads
// with one AsOf count once; any sighting resets it. A delta or a tombstone can begin the
// time, and counts as no read.
type Missing struct {
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	Reads int       `json:"reads,omitempty"`
}

// Is reports whether the entry is missing at all.
func (m Missing) Is() bool { return !m.First.IsZero() }

// begin starts the time of an entry that is not missing yet, and counts nothing.
func (m Missing) begin(asOf time.Time) Missing {
	if m.Is() {
		return m
	}
	return Missing{First: asOf, Last: asOf}
}

// note counts a complete read without the entry.
func (m Missing) note(asOf time.Time) Missing {
	switch {
	case !m.Is():
		return Missing{First: asOf, Last: asOf, Reads: 1}
	case asOf.After(m.Last):
		m.Last = asOf
		m.Reads++
	}
	return m
}

// sighted is the count after evidence that shows the entry: it starts anew, with the
// last miss when that one is newer than the sighting.
func (m Missing) sighted(asOf time.Time) Missing {
	switch {
	case !m.Is() || asOf.Before(m.First):
		return m
	case asOf.Before(m.Last):
		return Missing{First: m.Last, Last: m.Last, Reads: 1}
	}
	return Missing{}
}

// New gives the replica of a source that was never read.
func New(source string) *Replica {
	return &Replica{Head: Head{Source: source}}
}

// Restore rebuilds a replica from its stored rows, whose positions are the numbers. Users
// without evidence have never been shown.
func Restore(head Head, users []User, groups []Group) *Replica {
	r := &Replica{Head: head, users: users, groups: groups}
	r.userNo, r.grpNo = index.Of(len(users), r.userID), index.Of(len(groups), r.groupID)
	never := &Evidence{}
	for i := range users {
		if users[i].Evidence == nil {
			users[i].Evidence = never
		}
	}
	return r
}

func (r *Replica) userID(n uint32) string  { return r.users[n].ID }
func (r *Replica) groupID(n uint32) string { return r.groups[n].ID }

// Users gives the rows of all users by number. Not to be changed.
func (r *Replica) Users() []User { return r.users }

// Groups gives the rows of all groups by number. Not to be changed.
func (r *Replica) Groups() []Group { return r.groups }

// User finds the number of a user by id.
func (r *Replica) User(id string) (uint32, bool) {
	return r.userNo.Find(id, r.userID)
}

// Group finds the number of a group by id.
func (r *Replica) Group(id string) (uint32, bool) {
	return r.grpNo.Find(id, r.groupID)
}

// Size counts the users and groups that are neither missing nor deleted: what the
// source would show now. People in their grace count as lost.
func (r *Replica) Size() (users, groups int) {
	for i := range r.users {
		if !r.users[i].Missing.Is() {
			users++
		}
	}
	for i := range r.groups {
		if g := &r.groups[i]; g.Listed && g.OwnersOf == "" && !g.Missing.Is() {
			groups++
		}
	}
	return users, groups
}

// Active reports whether the user is shown and enabled: whether memberships that the
// replica shows for them count.
func (r *Replica) Active(user uint32) bool {
	u := &r.users[user]
	return !u.Missing.Is() && !u.Disabled
}
