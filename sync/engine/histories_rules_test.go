package engine_test

import (
	"maps"
	"slices"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

// entry is a rule that a history may use, once as the product reads it and once, on its
// own, as the oracle does.
type entry struct {
	spec    mapping.Spec
	rule    *mapping.Rule
	from    []string
	selects func(name string) bool // nil: everyone
	to      func(name string) string
	literal bool
	where   string // department; empty: everybody
	// special: no drawn history uses it, so that the oracle follows it only where it is.
	special bool
}

// useRules puts rules in force.
func (w *world) useRules(names []string) {
	w.rules, w.ruledAt = names, w.clock.Now()
	for _, name := range names {
		w.set.special[name] = w.set.special[name] || catalogue[name].special
	}
}

func (e *entry) covers(source string) bool {
	return len(e.from) == 0 || slices.Contains(e.from, source)
}

func (e *entry) takes(u *directory.User) bool {
	return !u.Disabled && (e.where == "" || slices.Contains(u.Attributes["department"], e.where))
}

// link gives the key of the group that the rule makes of a directory group.
func (e *entry) link(source, group string) plan.LinkKey {
	if e.literal {
		return plan.LinkKey{Rule: e.spec.Key(), To: e.to("")}
	}
	return plan.LinkKey{Rule: e.spec.Key(), Group: directory.GroupKey{Source: source, ID: group}}
}

// grants gives who is granted a membership through the rule by a directory: user ids by
// directory group.
func (e *entry) grants(s *enginetest.State, narrow bool, closure map[string]map[string]bool) map[string][]string {
	out := map[string][]string{}
	if e.selects == nil {
		for id := range s.Users {
			u := s.Users[id]
			if e.takes(&u) {
				out[plan.Everyone] = append(out[plan.Everyone], id)
			}
		}
		return out
	}
	for gid := range s.Groups {
		g := s.Groups[gid]
		if !g.Visible(narrow) || !e.selects(g.Name) {
			continue
		}
		out[gid] = nil
		for id := range closure[gid] {
			u := s.Users[id]
			if e.takes(&u) {
				out[gid] = append(out[gid], id)
			}
		}
	}
	return out
}

func prefix(prefixes ...string) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	}
}

func same(name string) string { return name }

func fixed(name string) func(string) string { return func(string) string { return name } }

// catalogue holds the rules of all histories. The letter tells forms of one rule apart:
// at most one form of a rule is in force.
var catalogue = func() map[string]*entry {
	spec := func(name string, from []string, globs ...string) mapping.Spec {
		return mapping.Spec{Name: name, From: from, Match: mapping.Match{Names: globs}, To: mapping.DefaultTo, Create: "true", Adopt: []string{"name"}, Members: "owned"}
	}
	corp, hr, both := []string{"corp"}, []string{"hr"}, []string{"corp", "hr"}
	with := func(s mapping.Spec, change func(*mapping.Spec)) mapping.Spec { change(&s); return s }
	team := func(name string) string { return "team_" + strings.TrimSuffix(name, "2") }
	all := map[string]*entry{
		"r1a": {spec: spec("r1", corp, "eng*", "ops*"), from: corp, selects: prefix("eng", "ops"), to: same},
		"r1b": {spec: spec("r1", corp, "eng*"), from: corp, selects: prefix("eng"), to: same},
		"r1c": {spec: with(spec("r1", corp, "eng*", "ops*"), func(s *mapping.Spec) { s.Where = map[string][]string{"department": {"A"}} }), from: corp, selects: prefix("eng", "ops"), to: same, where: "A"},
		"r1d": {spec: with(spec("r1", corp, "eng*", "ops*"), func(s *mapping.Spec) { s.To = `t_{{ .Name }}` }), from: corp, selects: prefix("eng", "ops"), to: func(n string) string { return "t_" + n }},
		"r2a": {spec: with(spec("r2", both, "sales*"), func(s *mapping.Spec) { s.To = "Sales" }), from: both, selects: prefix("sales"), to: fixed("Sales"), literal: true},
		"r2b": {spec: with(spec("r2", both, "sales*"), func(s *mapping.Spec) { s.To, s.Members = "Sales", "exact" }), from: both, selects: prefix("sales"), to: fixed("Sales"), literal: true},
		"r2c": {spec: with(spec("r2", both, "sales*"), func(s *mapping.Spec) { s.To, s.Members = "Sales", "add-only" }), from: both, selects: prefix("sales"), to: fixed("Sales"), literal: true},
		"r2d": {spec: with(spec("r2", corp, "sales*"), func(s *mapping.Spec) { s.To = "Sales" }), from: corp, selects: prefix("sales"), to: fixed("Sales"), literal: true},
		"r3a": {spec: with(spec("r3", nil, "ops*", "top*"), func(s *mapping.Spec) { s.To, s.Merge = `team_{{ .Name | trimSuffix "2" }}`, true }), selects: prefix("ops", "top"), to: team},
		"r3b": {spec: with(spec("r3", nil, "top*"), func(s *mapping.Spec) { s.To, s.Merge = `team_{{ .Name | trimSuffix "2" }}`, true }), selects: prefix("top"), to: team},
		"r4a": {spec: with(mapping.Spec{Name: "r4", From: hr, Match: mapping.Match{Everyone: true}, Create: "true", Adopt: []string{"name"}, Members: "owned"}, func(s *mapping.Spec) { s.To = "Everyone" }), from: hr, to: fixed("Everyone"), literal: true},
		"r5a": {spec: with(spec("r5", hr, "eng*"), func(s *mapping.Spec) { s.Create = "used" }), from: hr, selects: prefix("eng"), to: same},
		"r6a": {spec: with(spec("r6", []string{"eu"}, "*"), func(s *mapping.Spec) { s.To, s.Adopt = "eu_{{ .Name }}", []string{"never"} }), from: []string{"eu"}, selects: prefix(""), to: func(n string) string { return "eu_" + n }},
		"r7a": {spec: with(spec("r7", corp, "sales*"), func(s *mapping.Spec) { s.To = "Sales" }), from: corp, selects: prefix("sales"), to: fixed("Sales"), literal: true},
	}
	maps.Copy(all, signInRules(spec))
	maps.Copy(all, specialRules(spec))
	for _, e := range all {
		var err error
		if e.rule, err = mapping.Compile(e.spec); err != nil {
			panic(err)
		}
	}
	return all
}()
