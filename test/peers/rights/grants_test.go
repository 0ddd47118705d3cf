//go:build peers

package rights

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// TestGrantsAndDefaultsOfARule is one company whose groups are given models, knowledge,
// prompts, tools and skills, next to what an administrator has given out by hand.
func TestGrantsAndDefaultsOfARule(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 20, []string{"base-1", "base-2"})
	g := &given{company: w.directory(20, peer.SlapdOptions{}), models: `["red_*", base-1]`, defaults: "everyone", made: map[string]thing{}}
	g.group("red", span(1, 6))
	g.group("blue", span(7, 12))
	for _, kind := range kinds {
		g.made[kind] = g.make(g.key, kind, "red_"+kind, nil, g.more(kind))
		g.make(g.key, kind, "other_"+kind, nil, g.more(kind))
	}
	hand := g.newGroup(map[string]any{"name": "By hand", "description": "", "permissions": map[string]any{"chat": map[string]any{"call": true}}},
		g.accounts()[ldif.Mail(15)].ID)
	g.hand = []grant{toGroup(hand, "read"), toGroup(hand, "write"), toUser(g.accounts()[ldif.Mail(16)].ID, "read")}
	for _, thing := range g.made {
		g.share(thing, g.hand...)
	}
	// Blue's belong to an administrator who is not us.
	other := g.accounts()[ldif.Mail(20)].ID
	g.setRole(other, "admin")
	for _, kind := range kinds {
		g.make(g.chat.Login(t, ldif.Mail(20)), kind, "blue_"+kind, nil, g.more(kind))
	}
	g.configure()

	g.step("a rule gives all kinds of things, and what others gave stays", g.first)
	g.step("the default permissions have our keys, and keep the others", g.defaultKeys)
	g.step("a run with nothing to do", g.quiet)
	g.step("a thing made later is given in the next run", g.later)
	g.step("a thing that the rule no longer names is taken back", g.narrower)
	g.step("a deleted group is made once more, with its grants", g.deleted)
	g.step("the default permissions are again what they were", g.restored)
	g.step("an administrator who is not shown everything takes nothing away", g.blind)
}

// given is a company whose groups are given things.
type given struct {
	*company
	// models are those that the rule names, defaults the permission set, if any.
	models, defaults string
	made             map[string]thing
	hand             []grant
	before           map[string]bool
}

func (g *given) configure() {
	g.t.Helper()
	defaults := ""
	if g.defaults != "" {
		defaults = ", defaults: " + g.defaults
	}
	g.Configure(g.t, fmt.Sprintf(`state: state
server: {admin: {listen: ""}}
sources:
  corp: %s
targets:
  chat: {type: openwebui, url: %q, api_key: "file:%s"%s, accounts: {role: {user: [{match: blue}]}}}
rules:
  - {name: blue, from: corp, match: blue, models: ["blue_*", base-1], knowledge: ["blue_*"], prompts: ["blue_*"], tools: ["blue_*"], skills: ["blue_*"]}
  - name: red
    from: corp
    match: red
    models: %s
    knowledge: {read: ["red_*"], write: [red_knowledge]}
    prompts: ["red_*"]
    tools: {write: ["red_*"]}
    skills: ["red_*"]
permission_sets:
  everyone: {workspace: {prompts: true}, chat: {call: false}, features: {api_keys: true}}
`, g.source(""), g.chat.URL, g.chat.KeyFile, defaults, g.models))
}

// more are the fields that a kind needs beside the usual.
func (g *given) more(kind string) map[string]any {
	if kind == "models" {
		return map[string]any{"base_model_id": "base-1"}
	}
	return nil
}

// has demands that a thing has exactly the grants by hand and these of the group.
func (g *given) has(when string, t thing, group string, permissions ...string) {
	g.t.Helper()
	want := slices.Clone(g.hand)
	for _, p := range permissions {
		want = append(want, toGroup(group, p))
	}
	if have := g.grants()[t]; !slices.Equal(have, texts(want)) {
		g.t.Errorf("%s: %s has\n%s\nnot\n%s", when, t, strings.Join(have, "\n"), strings.Join(texts(want), "\n"))
	}
}

// sees gives what person number n finds, with whether they may change it.
func (g *given) sees(n int) map[string]bool {
	g.t.Helper()
	out := map[string]bool{}
	for t, s := range g.listed(g.chat.Login(g.t, ldif.Mail(n))) {
		out[t.kind+" "+s.Name] = s.Write
	}
	return out
}

var wantRed = map[string]bool{"models base-1": false, "models red_models": false, "knowledge red_knowledge": true, "prompts red_prompts": false,
	"tools red_tools": true, "skills red_skills": false}

var wantBlue = map[string]bool{"models base-1": false, "models blue_models": false, "knowledge blue_knowledge": false, "prompts blue_prompts": false,
	"tools blue_tools": false, "skills blue_skills": false}

func (g *given) first() {
	tree := map[string]bool{}
	flatten(g.world.defaults(), "", tree)
	g.before = tree
	r := g.Sync(g.t, run.ExitOK)
	if n := r.Target().Summary.GrantsChanged; n != 12 {
		g.t.Errorf("%d grants of groups to things changed, not 12: %+v", n, r.Target().Changes)
	}
	red := g.groups()["red"].ID
	g.all("after the first run", red)
	if have := g.sees(1); !maps.Equal(have, wantRed) {
		g.t.Errorf("somebody in red sees %v", have)
	}
	if have := g.sees(7); !maps.Equal(have, wantBlue) {
		g.t.Errorf("somebody in blue sees %v", have)
	}
	if have := g.sees(13); len(have) != 0 {
		g.t.Errorf("somebody in neither sees %v", have)
	}
	if !g.chats(g.chat.Login(g.t, ldif.Mail(1)), "red_models") || g.chats(g.chat.Login(g.t, ldif.Mail(7)), "red_models") {
		g.t.Error("red, and red alone, has answers from its model")
	}
}

// all demands of every thing of red what the rule says.
func (g *given) all(when, red string) {
	g.t.Helper()
	g.has(when, g.made["models"], red, "read")
	g.has(when, g.made["knowledge"], red, "read", "write")
	g.has(when, g.made["prompts"], red, "read")
	g.has(when, g.made["tools"], red, "read", "write")
	g.has(when, g.made["skills"], red, "read")
	for t, have := range g.grants() {
		if strings.HasPrefix(t.id, "other_") && len(have) > 0 {
			g.t.Errorf("%s: %s has %v", when, t, have)
		}
	}
}

// ours are the keys of the permission set.
var ours = map[string]bool{"workspace.prompts": true, "chat.call": false, "features.api_keys": true}

func (g *given) defaultKeys() {
	tree := map[string]bool{}
	flatten(g.world.defaults(), "", tree)
	want := maps.Clone(g.before)
	maps.Copy(want, ours)
	if !maps.Equal(tree, want) {
		g.t.Errorf("the default permissions are\n%v\nnot\n%v", tree, want)
	}
	may, _ := g.permissions(g.chat.Login(g.t, ldif.Mail(20)))
	if !may["workspace.prompts"] || may["chat.call"] || !may["features.api_keys"] {
		g.t.Errorf("somebody in no group may %v", may)
	}
	// A key of ours that an administrator turns is turned back; another stays as they want it.
	changed := g.world.defaults()
	changed["chat"].(map[string]any)["call"], changed["chat"].(map[string]any)["tts"] = true, !want["chat.tts"]
	g.setDefaults(changed)
	if r := g.Sync(g.t, run.ExitOK); !r.Problem(run.KindDrift) {
		g.t.Errorf("nobody is told: %+v", r.Target().Problems)
	}
	want["chat.tts"] = !want["chat.tts"]
	tree = map[string]bool{}
	flatten(g.world.defaults(), "", tree)
	if !maps.Equal(tree, want) {
		g.t.Errorf("after the drift the default permissions are\n%v\nnot\n%v", tree, want)
	}
	g.before["chat.tts"] = want["chat.tts"]
}

// quiet tells what a run costs that has nothing to do but looks at everything.
func (g *given) quiet() {
	// What was written less than two seconds before it was read has to be read once more.
	time.Sleep(2500 * time.Millisecond)
	g.Sync(g.t, run.ExitOK)
	r := g.Sync(g.t, run.ExitOK)
	if n := r.Target().Requests; n > 15 {
		g.t.Errorf("it made %d requests, more than 15", n)
	}
	if r.Target().Writes != 0 {
		g.t.Errorf("it wrote %d times: %+v", r.Target().Writes, r.Target().Changes)
	}
	g.t.Logf("a run with nothing to do, with roles, default permissions and the grants of five kinds: %d requests", r.Target().Requests)
}

func (g *given) later() {
	for _, kind := range kinds {
		g.make(g.key, kind, "red_late_"+kind, nil, g.more(kind))
	}
	r := g.Sync(g.t, run.ExitOK)
	if n := r.Target().Summary.GrantsChanged; n != 5 {
		g.t.Errorf("%d things got grants, not 5: %+v", n, r.Target().Changes)
	}
	have := g.sees(2)
	for _, kind := range kinds {
		if _, there := have[kind+" red_late_"+kind]; !there {
			g.t.Errorf("somebody in red does not see %s made later: %v", kind, have)
		}
	}
}

func (g *given) narrower() {
	g.models = `["red_models", base-1]`
	g.configure()
	r := g.Sync(g.t, run.ExitOK)
	if n := r.Target().Summary.GrantsChanged; n != 1 {
		g.t.Errorf("%d things changed, not one: %+v", n, r.Target().Changes)
	}
	if have := g.grants()[thing{"models", "red_late_models"}]; len(have) != 0 {
		g.t.Errorf("what is no longer named has %v", have)
	}
	g.all("after a narrower rule", g.groups()["red"].ID)
}

func (g *given) deleted() {
	// Something that an administrator gave the group goes with it, and nobody can give it back.
	lost := g.make(g.key, "knowledge", "given by hand", []grant{toGroup(g.groups()["red"].ID, "read")}, nil)
	g.Sync(g.t, run.ExitOK, "--reread")
	old := g.groups()["red"].ID
	g.do(http.MethodDelete, "/api/v1/groups/id/"+old+"/delete", nil, nil)
	r := g.Sync(g.t, run.ExitOK)
	made := g.groups()["red"]
	if made.ID == old || len(made.Members) != 6 {
		g.t.Fatalf("the group is %+v", made)
	}
	if !r.Problem(run.KindLostGrants) {
		g.t.Fatalf("nobody is told: %+v", r.Target().Problems)
	}
	for _, p := range r.Target().Problems {
		if p.Kind == run.KindLostGrants {
			g.t.Logf("%s", p.Message)
			if !strings.Contains(p.Message, "given by hand") {
				g.t.Errorf("the problem does not name what is lost: %s", p.Message)
			}
		}
	}
	if len(g.grants()[lost]) != 0 {
		g.t.Errorf("%s has %v", lost, g.grants()[lost])
	}
	g.all("after the group was deleted", made.ID)
	if again := g.Sync(g.t, run.ExitOK); again.Target().Writes != 0 {
		g.t.Errorf("the next run did %+v", again.Target().Changes)
	}
	g.do(http.MethodDelete, "/api/v1/groups/id/"+made.ID+"/delete", nil, nil)
	if r := g.Sync(g.t, run.ExitHeld); !r.Held(run.Recreated) {
		g.t.Errorf("held: %+v", r.Target().Holds)
	}
	if _, there := g.groups()["red"]; there {
		g.t.Error("what somebody deletes twice is made twice")
	}
}

func (g *given) restored() {
	g.defaults = ""
	g.configure()
	g.Sync(g.t, run.ExitHeld)
	tree := map[string]bool{}
	flatten(g.world.defaults(), "", tree)
	if !maps.Equal(tree, g.before) {
		g.t.Errorf("the default permissions are\n%v\nnot\n%v", tree, g.before)
	}
}

// blind restarts Open WebUI so that administrators are shown only what is theirs: what is not
// listed any more has not gone.
func (g *given) blind() {
	g.chat.Stop(g.t)
	g.chat.Restart(g.t, "BYPASS_ADMIN_ACCESS_CONTROL=false")
	for _, more := range [][]string{nil, {"--reread"}} {
		r := g.Run(g.t, append([]string{"sync", "-o", "json"}, more...)...)
		r.Decode(g.t, &r.Report)
		if n := r.Target().Summary.GrantsChanged; n != 0 {
			g.t.Errorf("grants of %d things changed: %+v", n, r.Target().Changes)
		}
	}
	if have := g.sees(7); !maps.Equal(have, wantBlue) {
		g.t.Errorf("somebody in blue sees %v", have)
	}
	if r := g.Run(g.t, "doctor"); !strings.Contains(r.Out, "BYPASS_ADMIN_ACCESS_CONTROL is false") {
		g.t.Errorf("doctor says\n%s", r.Out)
	}
}
