package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/config"
	"groupsyncd/permission"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

// withAccounts gives the smallest file with keys of its target.
func withAccounts(keys string) string {
	return strings.Replace(smallest, "api_key: file:key", "api_key: file:key, "+keys, 1)
}

func TestWithoutTheKeyAccountsAndDefaultsAreNotOurs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{smallest, withAccounts("accounts: null, defaults: ''")} {
		c := load(t, text)
		if c.AccountRules("chat") != nil || c.DefaultPermissions("chat") != nil || len(c.ResourceTypes("chat")) != 0 || len(c.Specs("chat")) != 1 {
			t.Error(c.AccountRules("chat"), c.DefaultPermissions("chat"), c.ResourceTypes("chat"), c.Specs("chat"))
		}
	}
	if c := load(t, withAccounts("accounts: {}")); c.AccountRules("no such target") != nil || c.DefaultPermissions("no such target") != nil {
		t.Error("an unknown target has rules for accounts")
	}
}

func TestAccountsGetEveryDefault(t *testing.T) {
	t.Parallel()
	want := &plan.AccountRules{Authority: []string{"corp"}, Otherwise: "keep", Disabled: "pending", Gone: "pending", RevokeSessions: true, Create: "never"}
	if diff := cmp.Diff(want, load(t, withAccounts("accounts: {}")).AccountRules("chat")); diff != "" {
		t.Error(diff)
	}
	safety := load(t, smallest).Safety
	if safety.MaxDemotions != plan.LimitCount(20) || safety.MaxNewAdmins != plan.LimitCount(3) || safety.MaxCuts != plan.LimitCount(50) {
		t.Errorf("%+v", safety)
	}
}

const roleLines = `accounts: {role: {
  admin: [{match: {dn: "cn=a,dc=x"}}, {from: corp, match: {id: [one, two]}, nested: true}],
  user: [{match: "ai-*"}, {match: [b, c], nested: false}]}}`

func TestLinesOfRolesBecomeRules(t *testing.T) {
	t.Parallel()
	specs := load(t, withAccounts(roleLines)).Specs("chat")
	line := func(role string, match mapping.Match, direct bool) mapping.Spec {
		return mapping.Spec{From: []string{"corp"}, Match: match, Targets: []string{"chat"}, Role: role, Direct: direct,
			Create: "false", Adopt: []string{"never"}, Members: "owned"}
	}
	want := []mapping.Spec{
		line("admin", mapping.Match{DNs: []string{"cn=a,dc=x"}}, true),
		line("admin", mapping.Match{IDs: []string{"one", "two"}}, false),
		line("user", mapping.Match{Names: []string{"ai-*"}}, false),
		line("user", mapping.Match{Names: []string{"b", "c"}}, true),
	}
	got := slices.Clone(specs[1:])
	names := map[string]bool{}
	for i := range got {
		if _, err := mapping.Compile(got[i]); err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(got[i].Name, config.RoleRule+got[i].Role+"-") {
			t.Error(got[i].Name)
		}
		names[got[i].Name], got[i].Name = true, ""
	}
	if diff := cmp.Diff(want, got); diff != "" || len(names) != 4 {
		t.Error(names, diff)
	}
}

// TestALineOfRolesKeepsItsName: with another name it would be another rule, and its people
// would wait for an approval.
func TestALineOfRolesKeepsItsName(t *testing.T) {
	t.Parallel()
	names := func(text string) (out []string) {
		for _, s := range load(t, text).Specs("chat")[1:] {
			out = append(out, s.Name)
		}
		return out
	}
	want := names(withAccounts(roleLines))
	for name, change := range map[string][2]string{
		"its source is renamed":     {"corp", "firm"},
		"nested groups count now":   {`{dn: "cn=a,dc=x"}`, `{dn: "cn=a,dc=x"}, nested: true`},
		"otherwise says more":       {"user: [", "otherwise: pending, user: ["},
		"the source is written out": {`{match: {dn`, `{from: corp, match: {dn`},
	} {
		text := strings.ReplaceAll(withAccounts(roleLines), change[0], change[1])
		if diff := cmp.Diff(want, names(text)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	other := names(strings.Replace(withAccounts(roleLines), "cn=a", "cn=b", 1))
	if other[0] == want[0] || !slices.Equal(other[1:], want[1:]) {
		t.Error(other)
	}
}

func TestDefaultsAreTheWholeOfTheNamedSet(t *testing.T) {
	t.Parallel()
	c := load(t, withAccounts("defaults: more")+"permission_sets: {basic: {chat: {call: true, tts: true}}, more: {extends: basic, chat: {tts: false}}, none: {}}\n")
	if diff := cmp.Diff(permission.Set{"chat.call": true, "chat.tts": false}, c.DefaultPermissions("chat")); diff != "" {
		t.Error(diff)
	}
	c = load(t, withAccounts("defaults: none")+"permission_sets: {none: {}}\n")
	if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0].Message, "targets.chat.defaults: the permission set names no key") {
		t.Error(w)
	}
}

func TestEveryFormOfAccess(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]plan.Access{
		`models: "gpt-*"`:                      {"models": {Read: []string{"gpt-*"}}},
		`models: [a, 4]`:                       {"models": {Read: []string{"a", "4"}}},
		`models: []`:                           nil,
		`models: null, tools: {}`:              nil,
		`knowledge: {read: a, write: [b, c]}`:  {"knowledge": {Read: []string{"a"}, Write: []string{"b", "c"}}},
		`prompts: {write: a}, skills: b`:       {"prompts": {Write: []string{"a"}}, "skills": {Read: []string{"b"}}},
		`tools: {read: a}, default_models: m1`: {"tools": {Read: []string{"a"}}},
	} {
		c := load(t, strings.Replace(smallest, `"ai-*"`, `"ai-*", parent: 'All of {{ .Source }}', `+text, 1))
		spec := c.Specs("chat")[0]
		if diff := cmp.Diff(want, spec.Resources); diff != "" || spec.Parent != "All of {{ .Source }}" {
			t.Errorf("%s: %q %s", text, spec.Parent, diff)
		}
		var types []string
		for _, name := range plan.ResourceTypes() {
			if _, ok := want[name]; ok {
				types = append(types, name)
			}
		}
		if got := c.ResourceTypes("chat"); !slices.Equal(got, types) {
			t.Errorf("%s: resources of the types %v are read, want %v", text, got, types)
		}
		if strings.Contains(text, "default_models") && !slices.Equal(spec.DefaultModels, []string{"m1"}) {
			t.Errorf("%s: %v", text, spec.DefaultModels)
		}
	}
}

func TestWhatManagersOwnIsLookedAt(t *testing.T) {
	t.Parallel()
	for keys, want := range map[string][]string{"": {"models"}, ", owned_by_managers: true": plan.ResourceTypes()} {
		c := load(t, smallest+"teams: [{name: Finance, members: [{match: f}], models: [\"f-*\"]"+keys+"}]\n")
		if got := c.ResourceTypes("chat"); !slices.Equal(got, want) {
			t.Errorf("%q: resources of the types %v are read, want %v", keys, got, want)
		}
	}
}
