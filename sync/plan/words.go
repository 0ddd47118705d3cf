// Package plan works out, without any input or output, what has to change in Open
// WebUI (Compute) and what of it must not happen by itself (Guard).
//
// Both are pure: the time is an input, nothing is logged, no order comes from a map,
// and equal inputs give equal output with an equal hash. The package holds the words
// for both sides: what rules want (Desired), what the target holds (Mirror), what we
// did there (Memory), and the differences (Change).
package plan

import (
	"cmp"

	"groupsyncd/directory"
)

// LinkKey says which wanted group an Open WebUI group is: the rule with the directory
// group it was made from, or the rule with its literal name.
type LinkKey struct {
	Rule  string             `json:"rule"`
	Group directory.GroupKey `json:"group,omitzero"`
	To    string             `json:"to,omitempty"`
}

// Compare orders link keys.
func (k LinkKey) Compare(o LinkKey) int {
	return cmp.Or(cmp.Compare(k.Rule, o.Rule), cmp.Compare(k.To, o.To),
		cmp.Compare(k.Group.Source, o.Group.Source), cmp.Compare(k.Group.ID, o.Group.ID))
}

// String writes the key for logs and as a stable text.
func (k LinkKey) String() string {
	if k.To != "" {
		return k.Rule + "\x00to\x00" + k.To
	}
	return k.Rule + "\x00" + k.Group.Source + "\x00" + k.Group.ID
}

// UnnamedRule is how the key begins of a rule that has no name.
const UnnamedRule = "rule-"

// Everyone is the id of the directory group that stands for all enabled people of a
// source.
const Everyone = "*"

// TakenOver is the id, without a source, of what stands for a person's decision that a
// membership is ours although no directory group names its owner.
const TakenOver = "taken-over"

// FeedKey is the provenance of a membership: the rule and the directory group (or
// Everyone) that grant it.
type FeedKey struct {
	Rule  string             `json:"rule"`
	Group directory.GroupKey `json:"group"`
}

// Compare orders feed keys.
func (k FeedKey) Compare(o FeedKey) int {
	return cmp.Or(cmp.Compare(k.Rule, o.Rule), cmp.Compare(k.Group.Source, o.Group.Source), cmp.Compare(k.Group.ID, o.Group.ID))
}

// takenOver reports whether the grant is a person's decision and no directory's.
func (k FeedKey) takenOver() bool { return k.Group.Source == "" && k.Group.ID == TakenOver }

// Members says whose memberships in a group are ours to take away.
type Members int

// The ways to keep members, from the gentlest to the strictest; several rules that
// feed one group take the gentlest.
const (
	AddOnly Members = iota + 1
	Owned
	ExactMembers
)

// Create says when a group that does not exist is made.
type Create int

// When a group is made: never, once it has a member with an account, at once.
const (
	CreateNever Create = iota + 1
	CreateUsed
	CreateAlways
)

// Adopt says by what an existing group is taken over. None of them set: never.
type Adopt struct{ Name, ID, Path bool }
