package engine_test

import "groupsyncd/sync/mapping"

// specialRules are rules that only traces use.
func specialRules(spec func(string, []string, ...string) mapping.Spec) map[string]*entry {
	corp, both := []string{"corp"}, []string{"corp", "hr"}
	// A description, two of them, and none.
	described := func(text *string) *entry {
		s := spec("r8", corp, "eng*")
		s.Description = text
		return &entry{spec: s, from: corp, selects: prefix("eng"), to: same}
	}
	one, other := "one", "other"
	// A group that is there already, and is never made.
	found := spec("r9", corp, "eng*")
	found.Create = "false"
	// Nobody but whom the directory names, and whoever was there before is not ours.
	strict := spec("r2", both, "sales*")
	strict.To, strict.Members, strict.Adopt = "Sales", "exact", []string{"never"}
	all := map[string]*entry{
		"r8a": described(&one), "r8b": described(&other), "r8c": described(nil),
		"r9a": {spec: found, from: corp, selects: prefix("eng"), to: same},
		"r2e": {spec: strict, from: both, selects: prefix("sales"), to: fixed("Sales"), literal: true},
	}
	for _, e := range all {
		e.special = true
	}
	return all
}
