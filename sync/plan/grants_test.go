package plan_test

import (
	"slices"
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// sharing gives a world in which the rule "r" shares gpt-* with its groups, of which one is
// there, and everything is as it should be.
func sharing(t *testing.T) *world {
	w := newWorld(t, "corp").rule("r", "*", resourcesOf(plan.Models, reads("gpt-*"))).accounts("ann", "bob")
	w.there("models gpt-4", "models llama", "knowledge gpt-4")
	w.read("corp", 0, "users: ann bob", "eng: ann bob").run()
	if got := w.shares(model("gpt-4")); got != "read eng*" {
		t.Fatalf("gpt-4 is shared with %q", got)
	}
	w.settled()
	return w
}

func TestWhatRulesShare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		access map[string]plan.Access
		want   map[plan.ResourceKey]string
	}{
		{"by a pattern on the id", map[string]plan.Access{plan.Models: reads("gpt-*")}, map[plan.ResourceKey]string{model("gpt-4"): "read eng*", model("llama"): ""}},
		{"by a pattern on the name", map[string]plan.Access{plan.Models: reads("Name of l*")}, map[plan.ResourceKey]string{model("gpt-4"): "", model("llama"): "read eng*"}},
		{"who may write may read", map[string]plan.Access{plan.Models: writes("llama")}, map[plan.ResourceKey]string{model("llama"): "read eng*, write eng*"}},
		{"both, each once", map[string]plan.Access{plan.Models: {Read: []string{"*"}, Write: []string{"llama"}}}, map[plan.ResourceKey]string{model("gpt-4"): "read eng*", model("llama"): "read eng*, write eng*"}},
		{"of a type of its own", map[string]plan.Access{plan.Knowledge: reads("gpt-4")}, map[plan.ResourceKey]string{model("gpt-4"): "", knowledge("gpt-4"): "read eng*"}},
		{"nothing by no pattern", map[string]plan.Access{plan.Models: {}}, map[plan.ResourceKey]string{model("gpt-4"): ""}},
		{"never notes", map[string]plan.Access{plan.Notes: reads("*")}, map[plan.ResourceKey]string{{Type: plan.Notes, ID: "n"}: ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "corp").rule("r", "*", func(s *specOf) { s.Resources = c.access }).accounts("ann")
			w.there("models gpt-4", "models llama", "knowledge gpt-4", "notes n")
			w.read("corp", 0, "users: ann", "eng: ann").run()
			for key, want := range c.want {
				if got := w.shares(key); got != want {
					t.Errorf("%v is shared with %q, want %q", key, got, want)
				}
			}
			w.settled()
		})
	}
}

func TestWhatBecomesOfAGrant(t *testing.T) {
	t.Parallel()
	off := func(w *world) { w.rules[0].Resources = nil }
	for _, c := range []struct {
		name    string
		change  func(*world)
		changes []string
		shares  string
		told    string
	}{
		{"what is there by hand is left and not ours", func(w *world) {
			w.grant(model("llama"), true, w.may("read", "eng"))
			w.rules[0].Resources = map[string]plan.Access{plan.Models: reads("*")}
		}, nil, "read eng*", ""},
		{"what a rule no longer names goes", off, []string{"set_grants models Name of gpt-4 -read eng"}, "", ""},
		{"what is no longer there is forgotten", func(w *world) { off(w); w.grant(model("gpt-4"), false, w.may("read", "eng")) }, nil, "", ""},
		{"what somebody took away is shared again", func(w *world) { w.grant(model("gpt-4"), false, w.may("read", "eng")) },
			[]string{"set_grants models Name of gpt-4 +read eng"}, "read eng*", `group "eng" may no longer read model "Name of gpt-4"`},
		{"what others share stays", func(w *world) {
			off(w)
			w.byHand("theirs")
			w.grant(model("gpt-4"), true, w.may("read", "theirs"), w.may("write", "eng"), plan.Grant{Kind: "user", ID: "*", Permission: "read"})
		}, []string{"set_grants models Name of gpt-4 -read eng"}, "read *, read theirs, write eng", ""},
		{"a type that was never read says nothing", func(w *world) {
			delete(w.mem.Mirror.ResourcesAt, plan.Models)
			off(w)
		}, nil, "read eng*", ""},
		{"what appears later is shared by the next run", func(w *world) { w.there("models gpt-5") },
			[]string{"set_grants models Name of gpt-5 +read eng"}, "read eng*", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := sharing(t)
			c.change(w)
			p := w.minute(1).run()
			expect(t, p, c.changes...)
			if got := w.shares(model("gpt-4")); got != c.shares {
				t.Errorf("shared with %q, want %q", got, c.shares)
			}
			if c.told != "" && (!told(p, run.KindDrift, c.told) || p.Summary.Drift != 1) {
				t.Errorf("drift %d, problems %v", p.Summary.Drift, texts(p))
			}
			w.settled()
		})
	}
}

// TestAGrantGoesOnlyBecauseARuleNoLongerNamesIt: whatever else is missing keeps it.
func TestAGrantGoesOnlyBecauseARuleNoLongerNamesIt(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world){
		"its directory group is missing": func(w *world) { w.read("corp", 1, "users: ann bob") },
		"and gone for good": func(w *world) {
			for _, minute := range []int{1, 30, 60} {
				w.read("corp", minute, "users: ann bob").run()
			}
		},
		"its members were not read": func(w *world) { w.read("corp", 1, "users: ann bob", "eng?:") },
		"its source is too old":     func(w *world) { w.now = at(60 * 24 * 30) },
		"its name leads to several groups": func(w *world) {
			w.rules[0].To = "one"
			w.rules[0].Merge = false
		},
		"the rule leads to another group": func(w *world) { w.rules[0].To = "new-{{ .Name }}"; w.rules[0].Create = "false" },
		"the rule is gone, and its members are held": func(w *world) {
			w.accepted, w.rules = slices.Clone(w.rules), nil
			w.rule("other", "none")
		},
		"another rule leads there too, and the one that gave it is gone": func(w *world) {
			w.rule("other", "*")
			w.accepted = slices.Clone(w.rules)
			w.rules[1].Where = map[string][]string{"dept": {"a"}} // bob is in through r alone
			w.rules = w.rules[1:]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := sharing(t)
			change(w)
			p := w.run()
			if got := w.shares(model("gpt-4")); !strings.Contains(got, "read ") || !strings.Contains(got, "*") {
				t.Errorf("shared with %q after %v", got, show(p))
			}
			for i := range p.Changes {
				if p.Changes[i].Op == run.SetGrants && p.Changes[i].Cut() {
					t.Errorf("changes %v", show(p))
				}
			}
		})
	}
}

func TestGrantsOfARuleThatIsGoneGoWithItsMembers(t *testing.T) {
	t.Parallel()
	w := sharing(t)
	w.accepted, w.rules = slices.Clone(w.rules), nil
	w.rule("other", "none")
	expect(t, w.minute(1).run(), "remove_member eng ann unruled held unruled", "remove_member eng bob unruled held unruled")
	w.approve(w.hold(run.Unruled).Hash)
	expect(t, w.minute(2).run(), "remove_member eng ann unruled", "remove_member eng bob unruled")
	expect(t, w.minute(3).run(), "set_grants models Name of gpt-4 -read eng")
	w.settled()
}

func TestAGrantFollowsTheRuleThatGivesItNow(t *testing.T) {
	t.Parallel()
	w := sharing(t)
	w.rules[0].Name = "renamed"
	w.accepted = nil
	w.mem.Links[plan.LinkKey{Rule: "renamed", Group: directory.GroupKey{Source: "corp", ID: "eng"}}] = w.mem.Links[plan.LinkKey{Rule: "r", Group: directory.GroupKey{Source: "corp", ID: "eng"}}]
	w.minute(1).run()
	if got := w.mem.Grants[model("gpt-4")][0].Rule; got != "renamed" {
		t.Errorf("rule %q", got)
	}
}

func TestAGroupIsMadeWithItsGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "*", resourcesOf(plan.Models, writes("gpt-4"))).accounts("ann", "bob").there("models gpt-4")
	p := w.read("corp", 0, "users: ann bob", "eng: ann", "ops: bob").run()
	expect(t, p, "create_group eng", "create_group ops", "add_member eng ann", "add_member ops bob",
		"set_grants models Name of gpt-4 +read eng +write eng", "set_grants models Name of gpt-4 +read ops +write ops")
	w.settled()

	w = newWorld(t, "corp").rule("r", "*", resourcesOf(plan.Models, reads("gpt-4"))).accounts("ann").there("models gpt-4")
	w.limits.MaxNewGroups = plan.LimitCount(0)
	expect(t, w.read("corp", 0, "users: ann", "eng: ann").run(), "create_group eng held max_new_groups", "add_member eng ann held max_new_groups",
		"set_grants models Name of gpt-4 +read eng held max_new_groups")
	w.approve(w.hold(run.MaxNewGroups).Hash)
	w.minute(1).run()
	if got := w.shares(model("gpt-4")); got != "read eng*" {
		t.Errorf("shared with %q", got)
	}
}

func TestOneChangeForAllGroupsOfARule(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "*").accounts("ann").there("models gpt-4")
	w.read("corp", 0, "users: ann", "eng: ann", "ops: ann").run()
	w.rules[0].Resources = map[string]plan.Access{plan.Models: reads("gpt-4")}
	p := w.minute(1).run()
	expect(t, p, "set_grants models Name of gpt-4 +read eng +read ops")
	if c := p.Changes[0].Change; c.Rule != "r" || c.Resource == nil || *c.Resource != (run.ResourceRef{Type: "models", ID: "gpt-4", Name: "Name of gpt-4"}) ||
		c.Group != nil || c.Fields[0].Principal != "group:"+w.group("eng").ID || c.Fields[0].From != false || c.Fields[0].To != true {
		t.Errorf("change %+v", c)
	}
	if s := p.Tally(); s.GrantsChanged != 1 {
		t.Errorf("tally %+v", s)
	}
}

func TestARunOfOnePersonSharesNothing(t *testing.T) {
	t.Parallel()
	w := sharing(t)
	w.there("models gpt-5")
	w.defaults = permission.Set{"chat.edit": true}
	w.mem.Mirror.Defaults = []byte(`{"chat":{"edit":false}}`)
	w.only = &plan.Only{Account: 0}
	expect(t, w.run())
}

func TestGrantsEndWithTheirGroupAndTheirResource(t *testing.T) {
	t.Parallel()
	w := sharing(t)
	w.everyType()
	w.run()
	if len(w.mem.Grants) != 0 {
		t.Errorf("grants of what is gone: %v", w.mem.Grants)
	}
	w = sharing(t)
	id := w.group("eng").ID
	w.mem.ForgetGroup(id)
	var dirty plan.Dirty
	w.mem.EndGroup(id, w.now, &dirty)
	if len(w.mem.Grants) != 0 || !slices.Contains(dirty.Grants, model("gpt-4")) {
		t.Errorf("grants of a group that is gone: %v, dirty %v", w.mem.Grants, dirty.Grants)
	}
}

func TestLostGrantsAreNamed(t *testing.T) {
	t.Parallel()
	w := sharing(t)
	eng := w.group("eng")
	w.grant(model("llama"), true, w.may("read", "eng"), w.may("write", "eng"))
	w.grant(knowledge("gpt-4"), true, w.may("read", "eng"))
	// The group and what was shared with it vanish in one look.
	var groups []plan.Group
	all := w.resources()
	for i := range all {
		all[i].Grants = slices.DeleteFunc(slices.Clone(all[i].Grants), func(g plan.Grant) bool { return g.ID == eng.ID })
	}
	w.mem.Observe(&plan.Observation{Groups: groups, At: w.now, Resources: all, ResourceTypes: plan.ResourceTypes()})
	p := w.minute(1).run()
	want := `group "eng" was deleted in Open WebUI and is made again; what was shared with it is lost: knowledge "Name of gpt-4" (read), model "Name of llama" (read, write); the rules share again: model "Name of gpt-4" (read)`
	if !told(p, run.KindLostGrants, want) {
		t.Errorf("problems %v", texts(p))
	}
	if got := w.shares(model("gpt-4")); !strings.Contains(got, "read eng*") {
		t.Errorf("shared with %q", got)
	}
	if got := w.shares(model("llama")); got != "" {
		t.Errorf("shared with %q", got)
	}
	w.settled()
}

// TestATemplateThatMeansSomethingElseNow: the directory group was renamed, so what its old name
// meant goes, unless something else may still mean it.
func TestATemplateThatMeansSomethingElseNow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, now, old string
		merge          bool
	}{
		{"renamed", "g=dev: ann", "", false},
		{"renamed to what would be a pattern", "g=d*v: ann", "read dev*", false},
		{"one of two that were united", "g=dev: ann", "read staff*", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "corp").rule("r", "*", resourcesOf(plan.Models, reads("{{.Name}}-*"))).accounts("ann")
			w.there("models eng-1", "models dev-1")
			lines := []string{"users: ann", "g=eng: ann"}
			if w.rules[0].Merge = c.merge; c.merge {
				w.rules[0].To = "{{if .}}staff{{end}}"
				lines = append(lines, "h=eng: ann")
			}
			w.read("corp", 0, lines...).run()
			w.run()                             // and both are known to lead there
			w.rules[0].Except = []string{"eng"} // which h is still called
			w.read("corp", 10, append(lines[:1:1], append([]string{c.now}, lines[2:]...)...)...).run()
			if got := w.shares(model("eng-1")); strings.ReplaceAll(got, "d*v", "dev") != c.old {
				t.Errorf("what the old name meant is shared with %q, want %q", got, c.old)
			}
		})
	}
}
