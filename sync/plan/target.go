package plan

import "groupsyncd/permission"

// GroupSpec says what a group of Open WebUI shall be. What it leaves unset is not
// touched by an update, and left to the server's defaults by a creation.
type GroupSpec struct {
	// Name is the wanted name; an update with an empty name keeps the present one.
	Name string
	// Description is the wanted description; nil: not touched.
	Description *string
	// Permissions are the keys to set, true or false; keys that it does not name stay
	// as they are. Nil: not touched.
	Permissions permission.Set
	// Share is anyone, members or nobody; empty: not touched.
	Share string
	// Mark is our note in the group's data; nil: not touched.
	Mark *Mark
}

// AccountView is one account with the ids of the groups it is a direct member of.
type AccountView struct {
	Account
	Groups []string
}

// MaxBatch is the most members that go into one call: a larger call holds the server's
// only write lock for too long.
const MaxBatch = 1000
