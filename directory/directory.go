// Package directory holds the words in which every identity source speaks:
// users, groups, who is in which, and what a read proved.
//
// It owns no knowledge of protocols, rules or targets and imports the standard
// library only. A Snapshot is what one read saw; what is known over time is kept
// by package replica, the only reader of a snapshot's coverage.
package directory

import (
	"strings"
	"time"
)

// UserKey names a user for good: the identity of the source in our state and the
// id that the source never changes (entryUUID, objectGUID, sub). Names, mails and
// DNs are attributes, never keys.
type UserKey struct {
	Source string `json:"source"`
	ID     string `json:"id"`
}

// GroupKey names a group for good, in the same way as UserKey.
type GroupKey struct {
	Source string `json:"source"`
	ID     string `json:"id"`
}

// User is one person as a source shows them.
type User struct {
	ID       string `json:"id"`
	Email    string `json:"email,omitempty"`
	Username string `json:"username,omitempty"`
	Name     string `json:"name,omitempty"`
	DN       string `json:"dn,omitempty"`
	// Attributes are the extra attributes that the configuration declares for
	// `where`, by their configured name. Nil when none are declared.
	Attributes map[string][]string `json:"attributes,omitempty"`

	// Disabled is meaningful only when StatusKnown is set.
	Disabled bool `json:"disabled,omitempty"`
	// StatusKnown says that Disabled was read.
	StatusKnown bool `json:"-"`
	// GroupsKnown says that this read saw every group of the user, nested ones
	// included: the coverage of a look-up or of a token. A read of whole lists
	// leaves it unset, because there Group.MembersKnown says the same better.
	GroupsKnown bool `json:"-"`
	// AsOf is the time of what is known of this user, where it is another than that of
	// the snapshot: a token says what was so when it was issued. Zero: the snapshot's. It
	// is never later than the snapshot's.
	AsOf time.Time `json:"-"`
}

// Value gives the values of an attribute by its configured name: id, email,
// username, name, dn, or one declared under attributes.
func (u *User) Value(attribute string) []string {
	var v string
	switch attribute {
	case "id":
		v = u.ID
	case "email":
		v = u.Email
	case "username":
		v = u.Username
	case "name":
		v = u.Name
	case "dn":
		v = u.DN
	default:
		return u.Attributes[attribute]
	}
	if v == "" {
		return nil
	}
	return []string{v}
}

// Group is one group as a source shows it.
type Group struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DN          string `json:"dn,omitempty"`
	Path        string `json:"path,omitempty"`
	Description string `json:"description,omitempty"`

	// Direct are the users named by the group itself and Children the groups
	// named by it: indices into Snapshot.Users and Snapshot.Groups.
	Direct   []uint32 `json:"-"`
	Children []uint32 `json:"-"`
	// Members are the users who count as members: Direct, and with nesting
	// everybody below Children. Sorted and unique; filled by Snapshot.Close.
	Members []uint32 `json:"-"`
	// Unresolved are member references that name nobody in this snapshot, in the
	// form in which DN (or ID, where the source has no DNs) would name them.
	Unresolved []string `json:"-"`

	// MembersKnown says that the member list was read to its end, nested groups
	// included.
	MembersKnown bool `json:"-"`
	// Unlisted marks a group that was read only because another group contains
	// it: it is outside the base or filter, and no rule can select it.
	Unlisted bool `json:"-"`
	// OwnersOf is the id of the group whose owners these are; empty for a group of the
	// directory itself. Only a rule that asks for owners selects such a group, and no
	// look-up of a person says anything about it.
	OwnersOf string `json:"-"`
}

// Owners gives the group of the owners of a group, without anybody in it.
func (g *Group) Owners() Group {
	return Group{ID: g.ID + ":owners", OwnersOf: g.ID, Name: "owners of " + g.Name}
}

// Snapshot is what one read of a source saw. Every flag of coverage that is not
// set means "not covered", so a zero snapshot proves nothing.
type Snapshot struct {
	// AsOf is a time before the first request of the read.
	AsOf   time.Time
	Users  []User
	Groups []Group
	// UsersListed and GroupsListed say that the list was read to its proved end.
	UsersListed  bool
	GroupsListed bool
	// Reason says in words why something is not covered.
	Reason string
	// Requests counts what the read asked of its server, where that is counted.
	Requests int
	// Cycles are the groups that contain each other, or themselves: the indices of each
	// cycle, sorted. Filled by Snapshot.Close.
	Cycles [][]uint32

	// Scope is what the server, not the configuration, decided about which entries are
	// shown under which ids: a layout that was detected. Empty: nothing.
	Scope string
	// Replicated says that the server turned out to be one of several that may lag behind
	// each other, so that a membership seen a moment ago may be missing from the next answer.
	Replicated bool
	// Cursor is where a later read of changes begins; it belongs to exactly what this
	// snapshot shows. Empty: only a full read can follow.
	Cursor []byte
	// Delta marks a snapshot that is an earlier one with the changes since then applied.
	// It shows everything that a full read would, but what is missing from its lists was
	// seen to be missing once only, however many deltas repeat it.
	Delta bool
	// DeletedUsers and DeletedGroups are ids of entries that the source itself says were
	// deleted, by a tombstone and not by mere absence.
	DeletedUsers, DeletedGroups []string
}

// Coverage sums up what a snapshot proves.
type Coverage string

// The three words of the report.
const (
	Full    Coverage = "full"
	Partial Coverage = "partial"
	None    Coverage = "none"
)

// Coverage gives the word for the whole snapshot: full when both lists and the
// members of every group are covered, none when nothing at all is.
func (s *Snapshot) Coverage() Coverage {
	full := s.UsersListed && s.GroupsListed
	some := s.UsersListed || s.GroupsListed
	for i := range s.Groups {
		full = full && s.Groups[i].MembersKnown
		some = some || s.Groups[i].MembersKnown
	}
	for i := range s.Users {
		some = some || s.Users[i].GroupsKnown || s.Users[i].StatusKnown
	}
	switch {
	case full:
		return Full
	case some:
		return Partial
	default:
		return None
	}
}

// Counts reports whether the group is one of those that a source is known by: in its list,
// and of the directory itself.
func (g *Group) Counts() bool { return !g.Unlisted && g.OwnersOf == "" }

// Memberships counts the members of all listed groups.
func (s *Snapshot) Memberships() int {
	n := 0
	for i := range s.Groups {
		if s.Groups[i].Counts() {
			n += len(s.Groups[i].Members)
		}
	}
	return n
}

// Person says whom a look-up is about. A source uses the first field that is set and
// that means something to it: ID, then Account, then Email, then Username.
type Person struct {
	// ID is the id of the person in the source.
	ID string
	// Account is the id of the person's account in the target whose sign-ins the source
	// reads; it means nothing to other sources.
	Account  string
	Email    string
	Username string
}

// FoldEmail gives the form in which mail addresses are compared: ASCII addresses
// by lower case of A to Z, anything else byte for byte. Unicode folding would let
// one address stand for another (admin and admın).
func FoldEmail(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return s
		}
	}
	return strings.ToLower(s)
}
