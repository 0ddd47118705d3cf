package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/permission"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

const withTeams = `
sources: {corp: {type: ldap, url: ldap://localhost, users: {base: "dc=x"}}, hr: {type: ldap, url: ldap://localhost, users: {base: "dc=y"}}}
targets: {chat: {url: "http://127.0.0.1:8080", api_key: file:key}, other: {url: "http://127.0.0.1:8081", api_key: file:key}}
permission_sets: {basic: {chat: {edit: true}}, lead: {extends: basic, workspace: {models: true}}}
teams:
`

// lines writes what tells rules of teams apart.
func lines(specs []mapping.Spec) []string {
	var out []string
	for _, s := range specs {
		line := s.Name + " | " + strings.Join(s.From, ",") + " | " + strings.Join(append(append([]string{}, s.Match.Names...), s.Match.Regexps...), ",")
		if s.Owners {
			line += " owners"
		}
		for k, v := range s.Only {
			line += " " + k + "=" + v
		}
		line += " -> " + s.To
		if s.Parent != "" {
			line += " below " + s.Parent
		}
		if s.Merge {
			line += ", merged"
		}
		out = append(out, line)
	}
	return out
}

// TestTeamsBecomeRules: everybody goes into the group of the team, those who run it into
// theirs as well.
func TestTeamsBecomeRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"one by name", `  - {name: Fin, members: [{from: corp, match: fin}], managers: [{from: corp, match: fin-admins}]}`, []string{
			"team Fin (corp) | corp | fin -> Fin",
			"team Fin: managers as members (corp) | corp | fin-admins -> Fin",
			"team Fin: managers (corp) | corp | fin-admins -> Fin managers below Fin",
		}},
		{"groups of one source are one rule, whatever is added", `  - {name: Fin, members: [{from: corp, match: a}, {match: b}, {from: corp, match: c}], managers: [{match: d}], managers_name: "Leads of {{ .Team }}", parent: All}`, []string{
			"team Fin (corp) | corp | a,c -> Fin below All",
			"team Fin |  | b -> Fin below All",
			"team Fin: managers as members |  | d -> Fin below All",
			"team Fin: managers |  | d -> Leads of Fin below Fin",
		}},
		{"owners run it", `  - {name: Fin, members: [{from: corp, match: fin}], managers: owners}`, []string{
			"team Fin (corp) | corp | fin -> Fin",
			"team Fin: managers as members, owners (corp) | corp | fin owners -> Fin",
			"team Fin: managers, owners (corp) | corp | fin owners -> Fin managers below Fin",
		}},
		{"nobody runs it", `  - {name: Fin, members: [{match: fin}]}`, []string{"team Fin |  | fin -> Fin"}},
		{"discovered, with roles", `  - {discover: {from: corp, regex: "^(?P<team>.+)-(?P<role>members|managers)$"}}`, []string{
			"teams ^(?P<team>.+)-(?P<role>members|managers)$ (corp) | corp | ^(?P<team>.+)-(?P<role>members|managers)$ role=members -> {{ .Match.team }}, merged",
			"teams ^(?P<team>.+)-(?P<role>members|managers)$: managers as members (corp) | corp | ^(?P<team>.+)-(?P<role>members|managers)$ role=managers -> {{ .Match.team }}, merged",
			"teams ^(?P<team>.+)-(?P<role>members|managers)$: managers (corp) | corp | ^(?P<team>.+)-(?P<role>members|managers)$ role=managers -> {{ .Team }} managers below {{ .Match.team }}, merged",
		}},
		{"discovered, run by owners", `  - {discover: {regex: "^x-(?P<team>.+)$"}, name: "X {{ .Match.team }}", managers: owners}`, []string{
			"teams ^x-(?P<team>.+)$ |  | ^x-(?P<team>.+)$ -> X {{ .Match.team }}, merged",
			"teams ^x-(?P<team>.+)$: managers as members, owners |  | ^x-(?P<team>.+)$ owners -> X {{ .Match.team }}, merged",
			"teams ^x-(?P<team>.+)$: managers, owners |  | ^x-(?P<team>.+)$ owners -> {{ .Team }} managers below X {{ .Match.team }}, merged",
		}},
		{"for another target", `  - {name: Fin, members: [{match: fin}], target: other}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			specs := load(t, withTeams+c.text+"\n").Specs("chat")
			if diff := cmp.Diff(c.want, lines(specs)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, s := range specs {
				if _, err := mapping.Compile(s); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestRightsOfATeam(t *testing.T) {
	t.Parallel()
	specs := load(t, withTeams+`  - name: Fin
    members: [{match: fin}]
    managers: [{match: leads}]
    member_permissions: basic
    manager_permissions: [lead, {features: {web_search: true}}]
    models: "fin-*"
    tools: [a, b]
    owned_by_managers: true
    isolation: enforce
`).Specs("chat")
	want := mapping.Spec{Name: "team Fin", Match: mapping.Match{Names: []string{"fin"}}, To: "Fin", Create: "true", Adopt: []string{"name"}, Members: "owned",
		Permissions: permission.Set{"chat.edit": true},
		Resources:   map[string]plan.Access{plan.Models: {Read: []string{"fin-*"}}, plan.Tools: {Read: []string{"a", "b"}}},
		Team:        &mapping.Team{Name: "Fin", OwnedByManagers: true, Isolation: "enforce"}}
	if diff := cmp.Diff(want, specs[0]); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	want.Name, want.Match.Names = "team Fin: managers as members", []string{"leads"}
	if diff := cmp.Diff(want, specs[1]); diff != "" {
		t.Errorf("managers as members (-want +got):\n%s", diff)
	}
	want.Name, want.To, want.Parent = "team Fin: managers", "Fin managers", "Fin"
	want.Permissions = permission.Set{"chat.edit": true, "workspace.models": true, "features.web_search": true}
	want.Resources = map[string]plan.Access{plan.Models: {Write: []string{"fin-*"}}, plan.Tools: {Write: []string{"a", "b"}}}
	want.Team = &mapping.Team{Name: "Fin", Managers: true, OwnedByManagers: true, Isolation: "enforce"}
	if diff := cmp.Diff(want, specs[2]); diff != "" {
		t.Errorf("managers (-want +got):\n%s", diff)
	}
}

// TestRulesOfATeamKeepTheirKey: what the rules of a team own goes on when its groups, rights
// or anything but its name and the sources are edited.
func TestRulesOfATeamKeepTheirKey(t *testing.T) {
	t.Parallel()
	keys := func(text string) []string {
		var out []string
		for _, s := range load(t, withTeams+text).Specs("chat") {
			out = append(out, s.Key())
		}
		return out
	}
	before := keys("  - {name: Fin, members: [{from: corp, match: a}], managers: [{from: corp, match: b}]}\n")
	after := keys("  - {name: Fin, members: [{from: corp, match: c}, {from: corp, match: d}], managers: [{from: corp, match: {regex: e}}], member_permissions: basic, models: x, isolation: enforce, parent: P}\n")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
}

func TestTeamsThatAreProbablyNotMeantAreWarnedAbout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`  - {name: Fin, members: [{match: fin}]}`, "nobody runs the team"},
		{`  - {discover: {regex: "^x-(?P<team>.+)$"}}`, "nobody runs these teams"},
		{"  - {name: Fin, members: [{match: fin}], managers: owners}\nrules: [{match: x, to: Fin}]", "go into a group of the team in line 6"},
		{"  - {name: Fin, members: [{match: fin}], managers: owners}\nrules: [{match: x, to: Fin managers}]", "go into a group of the team in line 6"},
		{"  - {name: Fin, members: [{match: fin}], managers: owners, target: chat}\nrules: [{match: x, to: Fin, target: other}]", ""},
		{`  - {name: Fin, members: [{match: fin}], managers: owners}`, ""},
	} {
		warnings := load(t, withTeams+c.text+"\n").Warnings()
		switch {
		case c.want == "" && len(warnings) > 0:
			t.Errorf("%s: %v", c.text, warnings)
		case c.want != "" && !strings.Contains(warnings.Error(), c.want):
			t.Errorf("%s: %v, want %s", c.text, warnings, c.want)
		}
	}
}
