package state

import (
	"maps"
	"slices"

	"groupsyncd/sync/replica"
)

// A look-up of one person changes a few rows of a replica of many thousands, and shares all
// others with the replica before it. What is shared with the one that was stored last needs
// not be encoded to know that it is stored already.

// kept tells which rows of a replica are those of the last stored one.
type kept struct{ was, is *replica.Replica }

// lastSaved gives the comparison with the last stored replica of a source, as far as there is
// one and rows are still encoded relative to the same times. The lock of saves is held.
func (db *DB) lastSaved(r *replica.Replica) *kept {
	was := db.saved[r.Source]
	if was == nil || !was.UsersAt.Equal(r.UsersAt) || !was.GroupsAt.Equal(r.GroupsAt) || !was.CompleteAt.Equal(r.CompleteAt) || !was.FullAt.Equal(r.FullAt) {
		return nil
	}
	return &kept{was: was, is: r}
}

// users reports whether the rows from one number up to another are stored as they are.
func (k *kept) users(from, to int) bool {
	if k == nil || len(k.was.Users()) < to || len(k.is.Users()) != len(k.was.Users()) {
		return false
	}
	was, is := k.was.Users()[from:to], k.is.Users()[from:to]
	for i := range is {
		a, b := &was[i], &is[i]
		if a.Evidence != b.Evidence || a.ID != b.ID || a.Email != b.Email || a.Username != b.Username || a.Name != b.Name || a.DN != b.DN ||
			a.Disabled != b.Disabled || (a.Attributes == nil) != (b.Attributes == nil) || !maps.EqualFunc(a.Attributes, b.Attributes, slices.Equal) {
			return false
		}
	}
	return true
}

// group reports whether a row is stored as it is.
func (k *kept) group(n int) bool {
	if k == nil || n >= len(k.was.Groups()) {
		return false
	}
	a, b := &k.was.Groups()[n], &k.is.Groups()[n]
	return a.ID == b.ID && a.Name == b.Name && a.DN == b.DN && a.Path == b.Path && a.Description == b.Description && a.Listed == b.Listed && a.OwnersOf == b.OwnersOf &&
		a.SeenAt.Equal(b.SeenAt) && a.MembersAt.Equal(b.MembersAt) && oneList(a.Members, b.Members) && oneList(a.Kept, b.Kept) && oneList(a.Direct, b.Direct) &&
		oneList(a.Children, b.Children) && oneList(a.Recent, b.Recent) && oneList(a.Blocked, b.Blocked) && oneList(a.Unresolved, b.Unresolved)
}

// oneList reports whether two lists are one: what replicas hold is never changed.
func oneList[T any](a, b []T) bool {
	return len(a) == len(b) && (a == nil) == (b == nil) && (len(a) == 0 || &a[0] == &b[0])
}
