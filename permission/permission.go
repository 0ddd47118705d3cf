// Package permission holds Open WebUI's permission model: a tree of switches, of
// which a person has the union over the instance's defaults and their groups. The
// most permissive wins; nothing denies.
//
// It turns trees into sets of named leaves and back, compares and unites them, and
// says which group gives a right. It knows the names of the leaves only to help with
// typing errors: a key of a newer server passes through everything here.
package permission

import (
	"encoding/json"
	"maps"
	"slices"
)

// Set is a permission tree by the dotted names of its leaves: "workspace.models".
// A key that is missing is not touched; false is an explicit no.
type Set map[string]bool

// Keys lists the keys of the set, sorted.
func (s Set) Keys() []string { return slices.Sorted(maps.Keys(s)) }

// Union unites sets: a key that any of them allows is allowed. A key that is named
// but allowed nowhere stays an explicit no.
func Union(sets ...Set) Set {
	all := Set{}
	for _, s := range sets {
		for key, on := range s {
			all[key] = all[key] || on
		}
	}
	return all
}

// Subset reports whether b allows everything that a allows. A missing key and an
// explicit no allow the same: nothing.
func Subset(a, b Set) bool {
	for key, on := range a {
		if on && !b[key] {
			return false
		}
	}
	return true
}

// State is what a set says about one key. The zero value is Unset.
type State int

// What a set can say about a key.
const (
	Unset State = iota
	Denied
	Allowed
)

// String gives the state as it stands in a tree; Unset is empty.
func (s State) String() string {
	switch s {
	case Denied:
		return "false"
	case Allowed:
		return "true"
	}
	return ""
}

// State tells what the set says about a key.
func (s Set) State(key string) State {
	on, named := s[key]
	switch {
	case !named:
		return Unset
	case on:
		return Allowed
	}
	return Denied
}

// Change is one key about which two sets differ.
type Change struct {
	Key      string
	From, To State
}

// Takes reports whether the change takes a right away.
func (c Change) Takes() bool { return c.From == Allowed && c.To != Allowed }

// Diff lists the keys about which two sets differ, sorted by key.
func Diff(from, to Set) []Change {
	keys := map[string]struct{}{}
	for key := range from {
		keys[key] = struct{}{}
	}
	for key := range to {
		keys[key] = struct{}{}
	}
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if a, b := from.State(key), to.State(key); a != b {
			changes = append(changes, Change{Key: key, From: a, To: b})
		}
	}
	return changes
}

// Default is the name under which Effective reports the instance's own permissions.
const Default = "default"

// Grant is the set of one group, under the name in which people know it.
type Grant struct {
	From string
	Set  Set
}

// Right says whether a key is allowed, and by whom.
type Right struct {
	Allowed bool `json:"allowed"`
	// From lists who allows it: Default first, then the groups in the given order.
	From []string `json:"from"`
}

// Effective gives what a person may do who is in these groups, for every key that
// the defaults or a group name.
func Effective(defaults Set, groups ...Grant) map[string]Right {
	rights := map[string]Right{}
	add := func(from string, set Set) {
		for key, on := range set {
			right := rights[key]
			if right.From == nil {
				right.From = []string{}
			}
			if on {
				right.Allowed = true
				right.From = append(right.From, from)
			}
			rights[key] = right
		}
	}
	add(Default, defaults)
	for _, g := range groups {
		add(g.From, g.Set)
	}
	return rights
}

// Explicit gives a nested tree that names every known key and every key of the set:
// what the set does not allow is false.
func Explicit(set Set) json.RawMessage {
	full := Set{}
	for _, key := range KnownKeys() {
		full[key] = false
	}
	// The known keys nest without conflict, and keys of the set that cannot be part
	// of a tree beside them are not Open WebUI permissions: they are left out.
	tree, err := Merge(nil, full)
	if err != nil {
		panic(err) // the known keys are constants of this package
	}
	for _, key := range set.Keys() {
		if next, err := Merge(tree, Set{key: set[key]}); err == nil {
			tree = next
		}
	}
	return tree
}
