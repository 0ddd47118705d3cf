//go:build peers

package rights

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// The people of the two teams, those who run one first; nobody else is in the directory but
// twenty who are in neither.
var teams = map[string][]int{"finance": span(1, 50), "legal": span(51, 100)}

// managers is how many run a team.
const managers = 2

// TestTwoTeamsSeeNothingOfEachOther finds two teams by the names of groups in a directory,
// and asks Open WebUI in the name of each of their people what they see.
func TestTwoTeamsSeeNothingOfEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 120, []string{"base-1"})
	s := &scoped{company: w.directory(120, peer.SlapdOptions{}), isolation: "report", tokens: map[int]string{}}
	for name, who := range teams {
		s.group("ws-"+name+"-managers", who[:managers])
		s.group("ws-"+name+"-members", who[managers:])
	}
	s.group("ws-nonsense", []int{110})
	s.seed()
	s.configure()
	before := s.everything()

	s.step("the teams are found, and nobody sees anything of the other", s.found)
	s.step("who runs a team can make things for it, and others cannot", s.managed)
	s.step("a model made public by hand is reported", s.reported)
	s.step("and closed", s.enforced)
	s.step("what an administrator did elsewhere is as it was", func() { s.untouched(before) })
}

// scoped are two teams in one Open WebUI.
type scoped struct {
	*company
	isolation string
	tokens    map[int]string
	planted   thing
}

func (s *scoped) configure() {
	s.t.Helper()
	s.Configure(s.t, fmt.Sprintf(`state: state
server: {admin: {listen: ""}}
sources:
  corp: %s
targets:
  chat: {type: openwebui, url: %q, api_key: "file:%s"}
teams:
  - discover: {from: corp, regex: "^ws-(?P<team>.+)-(?P<role>members|managers)$"}
    name: "Team {{ .Match.team }}"
    member_permissions: [basic]
    manager_permissions: [curator]
    models: ["{{ .Match.team }}_*"]
    knowledge: ["{{ .Match.team }}_*"]
    prompts: ["{{ .Match.team }}_*"]
    tools: ["{{ .Match.team }}_*"]
    skills: ["{{ .Match.team }}_*"]
    owned_by_managers: true
    isolation: %s
permission_sets:
  basic: {features: {api_keys: true}}
  curator: {workspace: {models: true, knowledge: true}}
`, s.source(""), s.chat.URL, s.chat.KeyFile, s.isolation))
}

// seed makes things of each team, and a life of its own beside them: groups, grants and
// permissions by hand.
func (s *scoped) seed() {
	s.share(thing{"models", "base-1"}, public) // what both build on
	for name := range teams {
		for _, kind := range kinds {
			more := map[string]any{}
			if kind == "models" {
				more["base_model_id"] = "base-1"
			}
			s.make(s.key, kind, name+"_"+kind, nil, more)
		}
	}
	accounts := s.accounts()
	var ids []string
	for n := 101; n <= 105; n++ {
		ids = append(ids, accounts[ldif.Mail(n)].ID)
	}
	parent := s.newGroup(map[string]any{"name": "By hand", "description": "not ours", "permissions": map[string]any{"workspace": map[string]any{"tools": true}, "own": map[string]any{"key": true}}}, ids...)
	child := s.newGroup(map[string]any{"name": "Below", "description": "", "parent_group_id": parent, "data": map[string]any{"config": map[string]any{"share": true}, "note": "mine"}}, ids[:2]...)
	for _, kind := range kinds {
		more := map[string]any{}
		if kind == "models" {
			more["base_model_id"] = "base-1"
		}
		s.make(s.key, kind, "hand_"+kind, []grant{toGroup(parent, "read"), toGroup(child, "write"), toUser(ids[0], "read")}, more)
	}
	s.make(s.key, "prompts", "for_all", []grant{public}, nil)
	tree := s.defaults()
	tree["features"].(map[string]any)["web_search"] = false
	s.setDefaults(tree)
	s.setRole(ids[3], "pending")
	s.setRole(ids[4], "admin")
}

// token signs person number n in, once.
func (s *scoped) token(n int) string {
	s.t.Helper()
	if s.tokens[n] == "" {
		s.tokens[n] = s.chat.Login(s.t, ldif.Mail(n))
	}
	return s.tokens[n]
}

// apart signs everybody of both teams in and demands that they see all of their own team,
// what is for all, and nothing else.
func (s *scoped) apart() {
	s.t.Helper()
	for name, who := range teams {
		other := map[string]string{"finance": "legal", "legal": "finance"}[name]
		want := []string{"models base-1", "prompts for_all"}
		for _, kind := range kinds {
			want = append(want, kind+" "+name+"_"+kind)
		}
		for i, n := range who {
			token := s.token(n)
			var have []string
			for t, shown := range s.listed(token) {
				have = append(have, t.kind+" "+shown.Name)
				if ours := strings.HasPrefix(shown.Name, name+"_"); ours && t.kind != "models" && shown.Write != (i < managers) {
					s.t.Errorf("%s of %s may change %s: %t", ldif.Mail(n), name, t, shown.Write)
				}
			}
			if !slices.Equal(sorted(have), sorted(want)) {
				s.t.Errorf("%s of %s sees\n%q\nnot\n%q", ldif.Mail(n), name, sorted(have), sorted(want))
			}
			groups := []string{"Team " + name}
			if i < managers {
				groups = append(groups, "Team "+name+" managers")
			}
			if have := s.groupsOf(token); !slices.Equal(have, groups) {
				s.t.Errorf("%s of %s is in %q", ldif.Mail(n), name, have)
			}
			for _, g := range s.shareable(token) {
				if strings.Contains(g, other) {
					s.t.Errorf("%s of %s may share with %q", ldif.Mail(n), name, g)
				}
			}
			if t := (thing{"models", other + "_models"}); i == managers && (s.chats(token, t.id) || !s.chats(token, name+"_models")) {
				s.t.Errorf("%s of %s has answers of a wrong model", ldif.Mail(n), name)
			}
		}
	}
}

// shareable gives the names of the groups that somebody may share with.
func (s *scoped) shareable(token string) []string {
	s.t.Helper()
	var list []web
	s.chat.Do(s.t, token, http.MethodGet, "/api/v1/groups/?share=true", nil, &list)
	names := []string{}
	for i := range list {
		names = append(names, list[i].Name)
	}
	return names
}

func (s *scoped) found() {
	r := s.Sync(s.t, run.ExitOK)
	if n := r.Target().Summary.GroupsCreated; n != 4 {
		s.t.Errorf("%d groups were made, not 4", n)
	}
	began := time.Now()
	s.apart()
	s.t.Logf("100 people asked in %s", time.Since(began).Round(time.Millisecond))
	if r := s.Sync(s.t, run.ExitOK); r.Target().Writes != 0 {
		s.t.Errorf("the next run did %+v", r.Target().Changes)
	}
}

func (s *scoped) managed() {
	manager, member := s.token(1), s.token(1+managers)
	knowledge := map[string]any{"name": "finance_own", "description": "", "access_grants": []grant{}}
	model := map[string]any{"id": "finance_own", "name": "finance_own", "base_model_id": "base-1", "meta": map[string]any{}, "params": map[string]any{}, "access_grants": []grant{}}
	for path, body := range map[string]any{"/api/v1/knowledge/create": knowledge, "/api/v1/models/create": model} {
		if status := s.as(member, http.MethodPost, path, body); status != http.StatusUnauthorized {
			s.t.Errorf("a member gets %d for %s", status, path)
		}
		if status := s.as(manager, http.MethodPost, path, body); status != http.StatusOK {
			s.t.Errorf("a manager gets %d for %s", status, path)
		}
		if status := s.as(manager, http.MethodPost, "/api/v1/tools/create", map[string]any{"id": "x", "name": "x", "content": "", "meta": map[string]any{}}); status != http.StatusUnauthorized {
			s.t.Errorf("a manager gets %d for a tool", status)
		}
	}
	// What carries no name of the team belongs to it by its owner.
	s.make(s.token(51), "knowledge", "mine", nil, nil)
	s.Sync(s.t, run.ExitOK)
	var mine int
	for _, n := range []int{51, 60} {
		for t, shown := range s.listed(s.token(n)) {
			if t.kind == "knowledge" && shown.Name == "mine" {
				mine++
			}
		}
	}
	if mine != 2 {
		s.t.Errorf("what a manager owns is seen by %d of two of the team", mine)
	}
}

// open says whether `teams` shows that the planted model is open to others, and demands that
// it shows everything else of the two teams.
func (s *scoped) open() bool {
	s.t.Helper()
	var all run.Teams
	s.Must(s.t, run.ExitOK, "teams", "-o", "json").Decode(s.t, &all)
	if len(all.Teams) != len(teams) {
		s.t.Fatalf("%d teams are shown", len(all.Teams))
	}
	open := false
	for i := range all.Teams {
		team := &all.Teams[i]
		if len(team.Members)+len(team.Managers) < 50 || len(team.Managers) != managers || len(team.Resources) < len(kinds) {
			s.t.Errorf("team %s has %d members, %d managers and %d resources", team.Name, len(team.Members), len(team.Managers), len(team.Resources))
		}
		open = open || slices.ContainsFunc(team.Leaks, func(l run.TeamLeak) bool { return l.Resource != nil && l.Resource.ID == s.planted.id && l.Closable })
	}
	return open
}

func (s *scoped) reported() {
	s.planted = thing{"models", "finance_planted"}
	s.make(s.key, "models", s.planted.id, []grant{public}, map[string]any{"base_model_id": "base-1"})
	r := s.Sync(s.t, run.ExitOK)
	told := slices.ContainsFunc(r.Target().Problems, func(p run.Problem) bool { return strings.Contains(p.Message, s.planted.id) })
	if !told {
		s.t.Errorf("no problem names it: %+v", r.Target().Problems)
	}
	if !s.open() {
		s.t.Error("teams does not show it")
	}
	if _, sees := s.listed(s.token(60))[s.planted]; !sees {
		s.t.Error("a report took it away")
	}
}

func (s *scoped) enforced() {
	s.isolation = "enforce"
	s.configure()
	// More than fifty people would lose it: somebody has to look at that.
	if r := s.Sync(s.t, run.ExitHeld); !r.Held(run.MaxCuts) || r.Target().Writes != 0 {
		s.t.Errorf("held: %+v, changed: %+v", r.Target().Holds, r.Target().Changes)
	}
	s.Must(s.t, run.ExitOK, "approve", s.Hold(s.t, run.MaxCuts).Hash, "--reason", "it is the team's")
	r := s.Sync(s.t, run.ExitOK)
	if _, sees := s.listed(s.token(60))[s.planted]; sees {
		s.t.Errorf("somebody of the other team still sees it: %+v", r.Target().Changes)
	}
	if _, sees := s.listed(s.token(10))[s.planted]; !sees {
		s.t.Error("the team itself does not see it any more")
	}
	if s.chats(s.token(60), s.planted.id) || !s.chats(s.token(10), s.planted.id) {
		s.t.Error("its answers go to the wrong people")
	}
	if s.open() {
		s.t.Error("teams still shows it as open")
	}
	// With all that was made since, some of each team once more.
	for _, n := range []int{1, 2, 3, 25, 50, 51, 52, 53, 75, 100, 115} {
		for t, shown := range s.listed(s.token(n)) {
			finance, legal := strings.HasPrefix(shown.Name, "finance_"), strings.HasPrefix(shown.Name, "legal_") || shown.Name == "mine"
			if finance && n > 50 || legal && (n <= 50 || n > 100) {
				s.t.Errorf("%s sees %s %s", ldif.Mail(n), t.kind, shown.Name)
			}
		}
	}
	if r := s.Sync(s.t, run.ExitOK); r.Target().Writes != 0 {
		s.t.Errorf("the next run did %+v", r.Target().Changes)
	}
}

// export is everything that an administrator sees, by what it is about.
type export map[string]any

// everything reads all groups with their members, all grants, all accounts with their roles,
// the default permissions and the settings.
func (s *scoped) everything() export {
	s.t.Helper()
	out := export{"defaults": s.defaults()}
	for name, g := range s.groups() {
		out["group "+name] = g
	}
	for t, grants := range s.grants() {
		out[t.String()] = grants
	}
	for mail, a := range s.accounts() {
		out["account "+mail] = a
	}
	for _, path := range []string{"/api/v1/auths/admin/config", "/api/v1/auths/admin/config/oauth"} {
		var settings map[string]any
		s.do(http.MethodGet, path, nil, &settings)
		out[path] = settings
	}
	return out
}

// untouched compares with what there was before the first run, but for what belongs to a team.
func (s *scoped) untouched(before export) {
	s.t.Helper()
	after := s.everything()
	teams := func(key string, _ any) bool {
		return strings.Contains(key, "finance_") || strings.Contains(key, "legal_") || strings.HasPrefix(key, "group Team ")
	}
	for _, e := range []export{before, after} {
		names := s.names()
		maps.DeleteFunc(e, func(key string, v any) bool {
			kind, id, _ := strings.Cut(key, " ")
			return teams(key, v) || teams(kind+" "+names[thing{kind, id}], v) || names[thing{kind, id}] == "mine"
		})
	}
	if diff := cmp.Diff(text(s.t, before), text(s.t, after)); diff != "" {
		s.t.Errorf("before the first run -, now +:\n%s", diff)
	}
	s.t.Logf("%d groups, things, accounts and settings are as they were", len(before))
}

// names gives the names of all things, whose ids say nothing.
func (s *scoped) names() map[thing]string {
	s.t.Helper()
	out := map[thing]string{}
	for t, shown := range s.listed(s.key) {
		out[t] = shown.Name
	}
	return out
}

func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
