package mapping_test

import (
	"slices"
	"testing"

	"groupsyncd/permission"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"

	"github.com/google/go-cmp/cmp"
)

func TestRulesOfOneGroupShareTogether(t *testing.T) {
	t.Parallel()
	corp := source("corp", group("eng"), group("ops"))
	one := spec(func(s *mapping.Spec) {
		s.Name, s.Match.Names = "one", []string{"*"}
		s.Resources = map[string]plan.Access{plan.Models: {Read: []string{"b", "a"}, Write: []string{"w"}}}
	})
	two := spec(func(s *mapping.Spec) {
		s.Name, s.Match.Names = "two", []string{"eng"}
		s.Resources = map[string]plan.Access{plan.Models: {Read: []string{"c", "a"}}, plan.Tools: {Write: []string{"x"}}}
	})
	none := spec(func(s *mapping.Spec) { s.Name, s.Match.Names = "none", []string{"nothing"} })
	far := spec(func(s *mapping.Spec) {
		s.Name, s.Match.Names, s.Targets = "far", []string{"eng"}, []string{"elsewhere"}
		s.Resources = map[string]plan.Access{plan.Models: {Read: []string{"*"}}}
	})
	for _, rules := range [][]mapping.Spec{{one, two, none, far}, {far, none, two, one}} {
		d := mapping.Apply("chat", compile(t, rules...), []mapping.Source{corp})
		want := map[string]map[string]plan.Access{
			"eng": {plan.Models: {Read: []string{"a", "b", "c"}, Write: []string{"w"}}, plan.Tools: {Write: []string{"x"}}},
			"ops": {plan.Models: {Read: []string{"a", "b"}, Write: []string{"w"}}},
		}
		for _, w := range d.Wants {
			for kind, access := range want[w.Name] {
				got := w.Resources[kind]
				if diff := cmp.Diff(access, plan.Access{Read: empty(got.Read), Write: empty(got.Write)}); diff != "" {
					t.Errorf("%s of %s (-want +got):\n%s", kind, w.Name, diff)
				}
			}
			if len(w.Resources) != len(want[w.Name]) {
				t.Errorf("%s shares %v", w.Name, w.Resources)
			}
		}
		// Every rule that concerns the target is known, also one that selects nothing.
		var names []string
		for name := range d.Access {
			names = append(names, name)
		}
		slices.Sort(names)
		if !slices.Equal(names, []string{"none", "one", "two"}) || len(d.Access["none"]) != 0 || len(d.Access["two"]) != 2 {
			t.Errorf("access %v", d.Access)
		}
	}
}

func empty(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// TestNoPermissionsAndNoneNamed: a rule that says that its groups may do nothing is not one
// that says nothing.
func TestNoPermissionsAndNoneNamed(t *testing.T) {
	t.Parallel()
	corp := source("corp", group("eng"))
	rule := func(name string, keys permission.Set) mapping.Spec {
		return spec(func(s *mapping.Spec) { s.Name, s.Match.Names, s.Permissions = name, []string{"eng"}, keys })
	}
	for _, c := range []struct {
		rules []mapping.Spec
		want  permission.Set
	}{
		{[]mapping.Spec{rule("a", nil)}, nil},
		{[]mapping.Spec{rule("a", permission.Set{})}, permission.Set{}},
		{[]mapping.Spec{rule("a", permission.Set{}), rule("b", nil)}, permission.Set{}},
		{[]mapping.Spec{rule("a", permission.Set{}), rule("b", permission.Set{"chat.edit": true})}, permission.Set{"chat.edit": true}},
		{[]mapping.Spec{rule("a", permission.Set{"chat.edit": true}), rule("b", permission.Set{"chat.edit": false})}, permission.Set{"chat.edit": true}},
	} {
		d := mapping.Apply("chat", compile(t, c.rules...), []mapping.Source{corp})
		if diff := cmp.Diff(c.want, d.Wants[0].Permissions); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
