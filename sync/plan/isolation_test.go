package plan_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"groupsyncd/permission"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// inTeam makes a rule one of a team, whose models begin with its name.
func inTeam(team string, managers bool, isolation string) func(*specOf) {
	return func(s *specOf) {
		s.To, s.Team = team, &mapping.Team{Name: team, Isolation: isolation}
		access := plan.Access{Read: []string{team + "-*"}}
		if managers {
			s.To, s.Team.Managers, access = team+" managers", true, plan.Access{Write: []string{team + "-*"}}
		}
		s.Resources = map[string]plan.Access{plan.Models: access}
	}
}

// department gives team fin, which ann runs and bob is in; cid is in neither. Everything that
// rules want of it is there.
func department(t *testing.T, isolation string, changes ...func(*world)) *world {
	w := newWorld(t, "corp").accounts("ann", "bob", "cid")
	w.rule("fin", "users", inTeam("fin", false, isolation)).rule("fin: managers", "admins", inTeam("fin", true, isolation))
	w.read("corp", 0, "users: ann bob cid", "users=users: ann bob", "admins: ann", "others: cid")
	for _, c := range changes {
		c(w)
	}
	w.there("models fin-gpt", "models fin-own", "models other").run()
	return w
}

// leaks plans and lists what lets others into a team: "kind what who".
func (w *world) leaks(team string) []string {
	in := w.input()
	var all []string
	for _, t := range plan.Teams(in, plan.Settings{AdminBypass: new(false)}) {
		if t.Name != team {
			continue
		}
		for _, l := range t.Leaks {
			text := strings.TrimSpace(fmt.Sprintf("%s %s %s", l.Kind, l.Name, l.Who))
			if l.Closable {
				text += " !"
			}
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return all
}

func by(name string) plan.Grant {
	return plan.Grant{Kind: plan.KindUser, ID: "a-" + name, Permission: plan.Read}
}

func everybody(permission string) plan.Grant {
	return plan.Grant{Kind: plan.KindUser, ID: plan.Everybody, Permission: permission}
}

// TestWhatLetsOthersIn: each kind of leak, and what is none.
func TestWhatLetsOthersIn(t *testing.T) {
	t.Parallel()
	fin := model("fin-gpt")
	for _, c := range []struct {
		name string
		open func(*world)
		want []string
	}{
		{"nothing", func(*world) {}, nil},
		{"every signed-in user", func(w *world) { w.grant(fin, true, everybody(plan.Read)) }, []string{"public Name of fin-gpt every signed-in user !"}},
		{"anybody at all", func(w *world) {
			w.grant(fin, true, plan.Grant{Kind: plan.KindAnyone, ID: plan.Everybody, Permission: plan.Read})
		}, []string{"public Name of fin-gpt anybody, without signing in !"}},
		{"another group", func(w *world) { w.byHand("guests", "cid"); w.grant(fin, true, w.may(plan.Read, "guests")) }, []string{"group Name of fin-gpt guests !"}},
		{"a group that is gone", func(w *world) {
			w.grant(fin, true, plan.Grant{Kind: plan.KindGroup, ID: "gone", Permission: plan.Read})
		}, nil},
		{"a group below the team with people of the team", func(w *world) {
			w.byHand("interns", "bob")
			w.edit("interns", func(g *plan.Group) { g.Parent = w.group("fin").ID })
			w.grant(fin, true, w.may(plan.Read, "interns"))
		}, nil},
		{"a group below the team with others", func(w *world) {
			w.byHand("interns", "bob", "cid")
			w.edit("interns", func(g *plan.Group) { g.Parent = w.group("fin managers").ID })
			w.edit("fin managers", func(g *plan.Group) { g.Parent = w.group("fin").ID })
			w.grant(fin, true, w.may(plan.Read, "interns"))
		}, []string{"below  interns"}},
		{"a group above the team", func(w *world) {
			w.byHand("Departments", "cid")
			w.edit("fin", func(g *plan.Group) { g.Parent = w.group("Departments").ID })
			w.grant(fin, true, w.may(plan.Read, "Departments"))
		}, []string{"group Name of fin-gpt Departments !"}},
		{"somebody outside", func(w *world) { w.grant(fin, true, by("cid")) }, []string{"user Name of fin-gpt cid@example.org !"}},
		{"somebody inside", func(w *world) { w.grant(fin, true, by("bob"), by("ann")) }, nil},
		{"somebody without an account", func(w *world) { w.grant(fin, true, by("nobody")) }, nil},
		{"an owner outside", func(w *world) { w.owner(fin, "cid"); w.grant(fin, true, by("cid")) }, []string{"owner Name of fin-gpt cid@example.org"}},
		{"an owner inside", func(w *world) { w.owner(fin, "bob") }, nil},
		{"ourselves as owner", func(w *world) { w.accounts("self"); w.mem.Mirror.Self = "a-self"; w.owner(fin, "self") }, nil},
		{"what is not of the team", func(w *world) { w.grant(model("other"), true, everybody(plan.Write)); w.owner(model("other"), "cid") }, nil},
		{"another team has it as well", func(w *world) {
			w.rule("law", "others", inTeam("law", false, plan.IsolationReport))
			w.rules[len(w.rules)-1].Resources = map[string]plan.Access{plan.Models: {Read: []string{"fin-gpt"}}}
			w.run()
		}, []string{"two teams Name of fin-gpt law"}},
		{"a group that a rule shares it with", func(w *world) {
			w.rule("audit", "others", func(s *specOf) { s.Resources = map[string]plan.Access{plan.Models: {Read: []string{"fin-gpt"}}} }).run()
		}, []string{"group Name of fin-gpt others"}},
		{"what everybody may share with everybody", func(w *world) {
			w.mem.Mirror.Defaults = json.RawMessage(`{"sharing":{"public_models":true,"public_tools":true},"access_grants":{"allow_users":true,"allow_groups":true}}`)
		}, []string{"sharing  access_grants.allow_users", "sharing  sharing.public_models"}},
		{"what a group above lets them share", func(w *world) {
			w.byHand("Departments")
			w.edit("Departments", func(g *plan.Group) { g.Permissions = json.RawMessage(`{"sharing":{"public_models":true}}`) })
			w.edit("fin", func(g *plan.Group) { g.Parent = w.group("Departments").ID })
		}, []string{"sharing  sharing.public_models"}},
		{"what only managers should have", func(w *world) {
			w.rules[1].Permissions = permission.Set{"workspace.models": true}
			w.run()
			w.mem.Mirror.Defaults = json.RawMessage(`{"workspace":{"models":true}}`)
		}, []string{"rights  workspace.models"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := department(t, plan.IsolationReport)
			c.open(w)
			if got := w.leaks("fin"); !slices.Equal(got, c.want) {
				t.Errorf("leaks\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
			before := w.shares(fin)
			p := w.run()
			if got := w.shares(fin); got != before {
				t.Errorf("a report changed grants: %s, before %s", got, before)
			}
			if got := told(p, run.KindForeign, "team fin: "); got != (len(c.want) > 0) {
				t.Errorf("problems %v", texts(p))
			}
		})
	}
}

// owner gives a resource an owner.
func (w *world) owner(key plan.ResourceKey, name string) {
	all := w.resources()
	for i := range all {
		if all[i].ResourceKey == key {
			all[i].Owner = "a-" + name
		}
	}
	w.everyType(all...)
}

// TestEnforceTakesAwayWhatCanBeTakenAway: public and foreign grants, and nothing else of what
// an administrator did.
func TestEnforceTakesAwayWhatCanBeTakenAway(t *testing.T) {
	t.Parallel()
	w := department(t, plan.IsolationEnforce)
	w.byHand("guests", "cid")
	w.rule("audit", "others", func(s *specOf) { s.Resources = map[string]plan.Access{plan.Models: {Read: []string{"fin-own"}}} }).run()
	fin, other := model("fin-gpt"), model("other")
	w.grant(fin, true, everybody(plan.Read), everybody(plan.Write), w.may(plan.Read, "guests"), by("cid"), by("bob"))
	w.grant(other, true, everybody(plan.Read), w.may(plan.Write, "guests"), by("cid"))
	left := w.shares(other)
	p := w.run()
	for _, ch := range p.Changes {
		if ch.Op != run.SetGrants || !ch.Foreign || ch.Rule != "fin" || ch.Resource != fin {
			t.Errorf("change %+v", ch.Change)
		}
	}
	if got, want := w.shares(fin), "read a-bob, read fin managers*, read fin*, write fin managers*"; got != want || len(p.Changes) != 4 {
		t.Errorf("%d changes leave %s, want %s", len(p.Changes), got, want)
	}
	if got := w.shares(other); got != left {
		t.Errorf("what is not of the team: %s, before %s", got, left)
	}
	if got := w.shares(model("fin-own")); !strings.Contains(got, "read others*") {
		t.Errorf("what a rule shares: %s", got)
	}
	if told(p, run.KindForeign, "guests") || !told(p, run.KindForeign, "others") {
		t.Errorf("problems %v, want only what stays open", texts(p))
	}
	w.settled()
}

// TestNothingIsTakenAwayInDoubt: who is in the team, or that it is there, may be unknown.
func TestNothingIsTakenAwayInDoubt(t *testing.T) {
	t.Parallel()
	fin := model("fin-gpt")
	for name, doubt := range map[string]func(*world){
		"a source that is too old": func(w *world) { w.now = at(60 * 24 * 3) },
		"a source that was never read": func(w *world) {
			w.sources = append(w.sources, newWorld(t, "hr").sources...)
		},
		"a group of the team that is gone": func(w *world) {
			w.mem.ForgetGroup(w.group("fin managers").ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := department(t, plan.IsolationEnforce)
			w.grant(fin, true, everybody(plan.Read))
			doubt(w)
			p, _ := w.plan()
			if slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Foreign }) {
				t.Errorf("changes %v", show(p))
			}
			if !told(p, run.KindForeign, "open to everybody: models Name of fin-gpt") {
				t.Errorf("problems %v", texts(p))
			}
		})
	}
}

// TestWhoJoinsTheTeamKeepsTheirGrant: somebody whom this very run puts into the team is not
// locked out first.
func TestWhoJoinsTheTeamKeepsTheirGrant(t *testing.T) {
	t.Parallel()
	w := department(t, plan.IsolationEnforce)
	fin := model("fin-gpt")
	w.grant(fin, true, by("cid"))
	w.read("corp", 10, "users: ann bob cid", "users=users: ann bob cid", "admins: ann", "others:")
	expect(t, w.run(), "add_member fin cid")
	if got := w.shares(fin); !strings.Contains(got, "read a-cid") {
		t.Errorf("now %s", got)
	}
}

// TestEnforcementPassesTheGuard: many people would lose what was open to everybody, so a
// person decides; who undoes it keeps it undone.
func TestEnforcementPassesTheGuard(t *testing.T) {
	t.Parallel()
	w := department(t, plan.IsolationEnforce)
	w.limits.MaxCuts = plan.LimitCount(0)
	fin := model("fin-gpt")
	w.grant(fin, true, everybody(plan.Read))
	p, g := w.plan()
	if len(p.Changes) != 1 || p.Changes[0].Outcome != run.Held || p.Changes[0].Hold.Check != run.MaxCuts {
		t.Fatalf("changes %v, holds %+v", show(p), g.Holds)
	}
	w.run()
	// In doubt the hold stays.
	hash := w.mem.Holds[0].Hash
	w.now = at(60 * 24 * 3)
	w.run()
	if len(w.mem.Holds) == 0 || w.mem.Holds[0].Hash != hash {
		t.Errorf("holds %+v", w.mem.Holds)
	}
}

func TestOneProblemForEachKind(t *testing.T) {
	t.Parallel()
	w := department(t, plan.IsolationReport)
	var names []string
	for n := range 9 {
		names = append(names, fmt.Sprintf("models fin-%d", n))
	}
	w.there(names...)
	for n := range 9 {
		w.grant(model(fmt.Sprintf("fin-%d", n)), true, everybody(plan.Read), by("cid"))
	}
	p := w.run()
	if !told(p, run.KindForeign, "team fin: open to everybody: models Name of fin-0, models Name of fin-1, models Name of fin-2 and 6 more") ||
		!told(p, run.KindForeign, "team fin: shared with people who are not in the team: ") {
		t.Errorf("problems %v", texts(p))
	}
}

// TestWhatManagersOwnBelongsToTheTeam where it says so.
func TestWhatManagersOwnBelongsToTheTeam(t *testing.T) {
	t.Parallel()
	for _, owned := range []bool{false, true} {
		w := department(t, plan.IsolationEnforce)
		for i := range w.rules {
			team := *w.rules[i].Team
			team.OwnedByManagers = owned
			w.rules[i].Team = &team
		}
		w.there("knowledge mine", "knowledge theirs")
		w.owner(knowledge("mine"), "ann")
		w.owner(knowledge("theirs"), "bob")
		w.grant(knowledge("mine"), true, everybody(plan.Read))
		w.grant(knowledge("theirs"), true, everybody(plan.Read))
		w.run()
		want := "read *"
		if owned {
			want = "read fin managers*, read fin*, write fin managers*"
		}
		if got := w.shares(knowledge("mine")); got != want {
			t.Errorf("owned %v: what a manager made is shared as %s, want %s", owned, got, want)
		}
		if got := w.shares(knowledge("theirs")); got != "read *" {
			t.Errorf("owned %v: what a member made is shared as %s", owned, got)
		}
		w.settled()
	}
}

// TestWhatAManagerMadeStaysWithTheTeam: nobody loses it because its maker left.
func TestWhatAManagerMadeStaysWithTheTeam(t *testing.T) {
	t.Parallel()
	w := department(t, plan.IsolationReport)
	for i := range w.rules {
		w.rules[i].Team.OwnedByManagers = true
	}
	w.there("knowledge mine")
	w.owner(knowledge("mine"), "ann")
	w.run()
	const want = "read fin managers*, read fin*, write fin managers*"
	if got := w.shares(knowledge("mine")); got != want {
		t.Fatalf("shared as %s", got)
	}
	w.read("corp", 10, "users: ann bob cid", "users=users: bob", "admins: bob", "others: cid ann")
	w.run()
	w.run()
	if got := w.shares(knowledge("mine")); got != want {
		t.Errorf("shared as %s after its maker left, want %s", got, want)
	}
	// Who takes the word back takes back what came with it.
	for i := range w.rules {
		team := *w.rules[i].Team
		team.OwnedByManagers = false
		w.rules[i].Team = &team
	}
	w.run()
	if got := w.shares(knowledge("mine")); got != "" {
		t.Errorf("shared as %s although what managers own is theirs again", got)
	}
}

// TestEnforceTakesNothingThatARuleMayStillGive: the directory group of another rule was
// renamed, and until that is proved to last its people and what it shares stay.
func TestEnforceTakesNothingThatARuleMayStillGive(t *testing.T) {
	t.Parallel()
	w := department(t, plan.IsolationEnforce)
	w.rule("audit", "others", func(s *specOf) { s.Resources = map[string]plan.Access{plan.Models: {Read: []string{"fin-gpt"}}} }).run()
	if got := w.shares(model("fin-gpt")); !strings.Contains(got, "read others*") {
		t.Fatal(got)
	}
	w.read("corp", 10, "users: ann bob cid", "users=users: ann bob", "admins: ann", "others=elsewhere: cid")
	p := w.run()
	if !told(p, run.KindForeign, "others") {
		t.Errorf("problems %v", texts(p))
	}
	if got := w.shares(model("fin-gpt")); !strings.Contains(got, "read others*") {
		t.Errorf("members %s; now %s: %v", w.in("others"), got, show(p))
	}
}
