package mapping_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/directory"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
)

// team gives the rules of a discovered team as the configuration makes them.
func team(owners bool) []mapping.Spec {
	const regex = `^ws-(?P<team>.+)-(?P<role>members|managers)$`
	one := func(key, to, role string, managers bool) mapping.Spec {
		return spec(func(s *mapping.Spec) {
			s.Name, s.To, s.Merge, s.Match.Regexps = key, to, true, []string{regex}
			s.Only = map[string]string{"role": role}
			s.Team = &mapping.Team{Name: "{{ .Match.team | title }}", Managers: managers, Isolation: "report"}
			s.Owners = owners && strings.Contains(key, "managers")
			if managers {
				s.Parent = "{{ .Team }}"
			}
		})
	}
	role := "managers"
	if owners {
		role = "members"
	}
	return []mapping.Spec{one("members", "{{ .Match.team | title }}", "members", false), one("managers as members", "{{ .Team }}", role, false), one("managers", "{{ .Team }} managers", role, true)}
}

func TestADiscoveredTeamHasTwoGroups(t *testing.T) {
	t.Parallel()
	corp := source("corp", group("ws-art-members"), group("ws-art-managers"), group("ws-law-members"), group("ws-art-guests"), group("other"))
	d := mapping.Apply("chat", compile(t, team(false)...), []mapping.Source{corp})
	if diff := cmp.Diff([]string{
		"Art = corp/id-ws-art-managers, corp/id-ws-art-members",
		"Art managers = corp/id-ws-art-managers",
		"Law = corp/id-ws-law-members",
	}, show(d)); diff != "" || len(d.Problems) > 0 {
		t.Errorf("(-want +got):\n%s\n%s", diff, problems(d))
	}
	everybody, managers := d.Wants[0], d.Wants[1]
	if diff := cmp.Diff(&plan.TeamPart{Team: "Art", Isolation: "report"}, everybody.Team); diff != "" || everybody.Parent != "" {
		t.Errorf("everybody: parent %q, %s", everybody.Parent, diff)
	}
	if diff := cmp.Diff(&plan.TeamPart{Team: "Art", Managers: true, Isolation: "report"}, managers.Team); diff != "" || managers.Parent != "Art" {
		t.Errorf("managers: parent %q, %s", managers.Parent, diff)
	}
}

func TestOwnersRunTheirTeam(t *testing.T) {
	t.Parallel()
	art, law := group("ws-art-members"), group("ws-law-members")
	owners := art.Owners()
	owners.MembersKnown = true
	corp := source("corp", art, law, owners)
	d := mapping.Apply("chat", compile(t, team(true)...), []mapping.Source{corp})
	if diff := cmp.Diff([]string{
		"Art = corp/id-ws-art-members:owners, corp/id-ws-art-members",
		"Art managers = corp/id-ws-art-members:owners",
		"Law = corp/id-ws-law-members",
	}, show(d)); diff != "" || len(d.Problems) > 0 {
		t.Errorf("(-want +got):\n%s\n%s", diff, problems(d))
	}
	feed := d.Wants[1].Feeds[0]
	if got := corp.Replica.Groups()[feed.Group].ID; got != owners.ID || d.Wants[1].Links[0].Group.ID != owners.ID {
		t.Errorf("the managers come from %s, linked by %v", got, d.Wants[1].Links)
	}
}

func TestOnlyARuleForOwnersSelectsThem(t *testing.T) {
	t.Parallel()
	g := group("a")
	owners := g.Owners()
	owners.MembersKnown = true
	corp := []mapping.Source{source("corp", g, owners)}
	for _, match := range []mapping.Match{{Names: []string{"*"}}, {IDs: []string{owners.ID, g.ID}}, {Regexps: []string{"."}}} {
		d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match = match })), corp)
		if got := show(d); !slices.Equal(got, []string{"a = corp/id-a"}) {
			t.Errorf("%+v selects %v", match, got)
		}
	}
	d := mapping.Apply("chat", compile(t, spec(func(s *mapping.Spec) { s.Match.Everyone, s.Owners, s.To = true, true, "x" })), corp)
	if len(d.Wants) > 0 {
		t.Errorf("owners of everyone: %v", show(d))
	}
}

func TestRulesThatDisagreeAboutParentModelsOrTeamAreTold(t *testing.T) {
	t.Parallel()
	corp := []mapping.Source{source("corp", group("a"), group("b"))}
	one := func(name, match string, change func(*mapping.Spec)) mapping.Spec {
		s := spec(func(s *mapping.Spec) { s.Name, s.To, s.Match.Names = name, "x", []string{match} })
		change(&s)
		return s
	}
	for _, c := range []struct {
		name          string
		first, second func(*mapping.Spec)
		want          plan.Want
		problem       string
	}{
		{"one names them", func(s *mapping.Spec) { s.Parent, s.DefaultModels = "up", []string{"m", "a"} }, func(*mapping.Spec) {},
			plan.Want{Parent: "up", DefaultModels: []string{"m", "a"}}, ""},
		{"other parents", func(s *mapping.Spec) { s.Parent = "up" }, func(s *mapping.Spec) { s.Parent = "down" }, plan.Want{}, "different values of parent"},
		{"other models", func(s *mapping.Spec) { s.DefaultModels = []string{"m"} }, func(s *mapping.Spec) { s.DefaultModels = []string{"n"} }, plan.Want{}, "different values of default_models"},
		{"one team", func(s *mapping.Spec) { s.Team = &mapping.Team{Name: "A"} }, func(*mapping.Spec) {}, plan.Want{Team: &plan.TeamPart{Team: "A"}}, ""},
		{"two teams", func(s *mapping.Spec) { s.Team = &mapping.Team{Name: "A"} }, func(s *mapping.Spec) { s.Team = &mapping.Team{Name: "B"} }, plan.Want{}, "several teams"},
		{"a parent without a name", func(s *mapping.Spec) { s.Parent = "{{ .Match.none }}" }, func(*mapping.Spec) {}, plan.Want{}, "no parent"},
	} {
		d := mapping.Apply("chat", compile(t, one("r", "a", c.first), one("s", "b", c.second)), corp)
		if len(d.Wants) != 1 {
			t.Fatalf("%s: %v", c.name, show(d))
		}
		w := d.Wants[0]
		if diff := cmp.Diff(c.want, plan.Want{Parent: w.Parent, DefaultModels: w.DefaultModels, Team: w.Team}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if got := problems(d); (c.problem == "") != (got == "") || !strings.Contains(got, c.problem) {
			t.Errorf("%s: problems %q", c.name, got)
		}
	}
}

func TestATeamWithoutUsableNameIsATeamNoLonger(t *testing.T) {
	t.Parallel()
	corp := []mapping.Source{source("corp", directory.Group{ID: "1", Name: "ws- -members", MembersKnown: true})}
	d := mapping.Apply("chat", compile(t, team(false)...), corp)
	if len(d.Wants) != 1 || d.Wants[0].Team != nil || d.Wants[0].Name != "" || !strings.Contains(problems(d), "no usable name") {
		t.Errorf("%v, %s", show(d), problems(d))
	}
}

// TestResourcesByTheNameOfATeam: a name from the directory never becomes a pattern that means
// more than itself.
func TestResourcesByTheNameOfATeam(t *testing.T) {
	t.Parallel()
	rules := compile(t, spec(func(s *mapping.Spec) {
		s.Match.Regexps, s.To = []string{`^ws-(?P<team>.+)$`}, "{{ .Match.team }}"
		s.Team = &mapping.Team{Name: "{{ .Match.team }}"}
		s.Resources = map[string]plan.Access{plan.Models: {Read: []string{"{{ .Team }}-*", "all"}, Write: []string{"{{ .Match.team | upper }}"}}}
	}))
	d := mapping.Apply("chat", rules, []mapping.Source{source("corp", group("ws-art"), group("ws-*"), group("ws-?"))})
	got := map[string]map[string]plan.Access{}
	for _, w := range d.Wants {
		got[w.Name] = w.Resources
	}
	want := map[string]map[string]plan.Access{"art": {plan.Models: {Read: []string{"all", "art-*"}, Write: []string{"ART"}}}, "*": nil, "?": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := problems(d); strings.Count(got, "would mean more than itself") != 2 {
		t.Errorf("problems %s", got)
	}
	// What such a rule may have shared is not known without its directory group.
	if diff := cmp.Diff(map[string]plan.Access{plan.Models: {Read: []string{"*", "all"}, Write: []string{"*"}}}, d.Access["r"]); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
}

func TestTemplatesOfResourcesAreChecked(t *testing.T) {
	t.Parallel()
	s := spec(func(s *mapping.Spec) {
		s.Match.Names = []string{"*"}
		s.Resources = map[string]plan.Access{plan.Tools: {Write: []string{"{{ .Nothing }}"}}}
	})
	if p := s.Check(); len(p) != 1 || p[0].Field != plan.Tools || !strings.Contains(p[0].Message, "Nothing") {
		t.Errorf("%+v", p)
	}
	if _, err := mapping.Compile(s); err == nil {
		t.Error("it compiles")
	}
}

func TestATeamThatSelectsNothingIsTold(t *testing.T) {
	t.Parallel()
	found := func(owners bool, sources ...mapping.Source) string {
		specs := team(owners)
		specs[1].Name = "x" + mapping.AsMembers
		return problems(mapping.Apply("chat", compile(t, specs...), sources))
	}
	if got := found(false, source("corp", group("other"))); strings.Count(got, "selects no directory group") != 2 ||
		!strings.Contains(got, "there is no such team") || !strings.Contains(got, "nobody runs the team") {
		t.Errorf("nothing is there: %s", got)
	}
	if got := found(false, source("corp", group("ws-art-members"), group("ws-art-managers"))); got != "" {
		t.Errorf("all is there: %s", got)
	}
	if got := found(true, source("corp", group("ws-art-members"))); !strings.Contains(got, "no group with owners") {
		t.Errorf("no owners: %s", got)
	}
	if got := found(false, mapping.Source{ID: "corp", Name: "corp", Replica: replica.New("corp")}); got != "" {
		t.Errorf("never read: %s", got)
	}
}
