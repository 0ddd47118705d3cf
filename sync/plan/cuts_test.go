package plan_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// crowded gives a world whose group eng has a number of people, with a permission and a grant
// that its rule gives, and a limit on cuts.
func crowded(t *testing.T, n, limit int) *world {
	w := newWorld(t, "corp").rule("r", "*", resourcesOf(plan.Models, reads("gpt-4")), grants(permission.Set{"chat.edit": true})).there("models gpt-4")
	var people []string
	for i := range n {
		people = append(people, fmt.Sprintf("p%02d", i))
	}
	w.accounts(people...)
	w.mem.Mirror.Defaults = json.RawMessage(`{"chat":{"edit":false}}`)
	w.read("corp", 0, "users: "+words(people), "eng: "+words(people)).run()
	w.limits.MaxCuts = plan.LimitCount(limit)
	return w
}

// makeRole sets the role of an account.
func (w *world) makeRole(name, role string) {
	n, _ := w.mem.Mirror.Number("a-" + name)
	a := *w.mem.Mirror.Account(n)
	a.Role = role
	w.mem.Observe(&plan.Observation{Accounts: []plan.Account{a}, Groups: w.groups(), At: w.now})
}

func (w *world) noResources() { w.rules[0].Resources = nil }
func (w *world) noKeys()      { w.rules[0].Permissions = nil }

func TestWhoIsAffectedByACut(t *testing.T) {
	t.Parallel()
	all := func(m string) func(*world) { return func(w *world) { w.byHand("all", strings.Fields(m)...) } }
	everybody := "p00 p01 p02 p03 p04 p05"
	for _, c := range []struct {
		name     string
		change   func(*world)
		affected int
	}{
		{"everybody in the group, by a grant", func(w *world) { w.noResources() }, 6},
		{"and by a permission", func(w *world) { w.noKeys() }, 6},
		{"each once", func(w *world) { w.noKeys(); w.noResources() }, 6},
		{"who is suspended uses nothing", func(w *world) { w.noKeys(); w.makeRole("p00", "pending") }, 5},
		{"administrators may do everything", func(w *world) { w.noKeys(); w.makeRole("p00", "admin") }, 5},
		{"they keep it through another group", func(w *world) {
			all("p00 p01")(w)
			w.tree2("all", `{"chat":{"edit":true}}`)
			w.noKeys()
		}, 4},
		{"not through one that loses it too", func(w *world) {
			w.rule("two", "ops", grants(permission.Set{"chat.edit": true}))
			w.read("corp", 1, "users: "+everybody, "eng: "+everybody, "ops: p00 p01").run()
			for i := range w.rules {
				w.rules[i].Permissions = nil
			}
		}, 6},
		{"the defaults give it to everybody", func(w *world) { w.noKeys(); w.mem.Mirror.Defaults = json.RawMessage(`{"chat":{"edit":true}}`) }, 0},
		{"everybody may use it", func(w *world) {
			w.noResources()
			w.grant(model("gpt-4"), true, plan.Grant{Kind: "user", ID: "*", Permission: "read"})
		}, 0},
		{"one has it alone", func(w *world) {
			w.noResources()
			w.grant(model("gpt-4"), true, plan.Grant{Kind: "user", ID: "a-p03", Permission: "read"})
		}, 5},
		{"to write is not to read", func(w *world) {
			w.noResources()
			w.grant(model("gpt-4"), true, plan.Grant{Kind: "user", ID: "*", Permission: "write"})
		}, 6},
		{"another group may use it", func(w *world) {
			all("p00 p01 p02")(w)
			w.grant(model("gpt-4"), true, w.may("read", "all"))
			w.noResources()
		}, 3},
		{"whose it is keeps it", func(w *world) {
			res := w.resources()
			res[0].Owner = "a-p05"
			w.everyType(res...)
			w.noResources()
		}, 5},
		{"those in groups below too", func(w *world) {
			w.accounts("q1", "q2")
			w.byHand("below", "q1", "p00")
			w.byHand("deep", "q2")
			w.edit("below", func(g *plan.Group) { g.Parent = w.group("eng").ID })
			w.edit("deep", func(g *plan.Group) { g.Parent = w.group("below").ID })
			w.noResources()
		}, 8},
		{"and they keep what is above them", func(w *world) {
			w.byHand("above")
			w.tree2("above", `{"chat":{"edit":true}}`)
			w.edit("eng", func(g *plan.Group) { g.Parent = w.group("above").ID })
			w.noKeys()
		}, 0},
		{"default permissions: all but administrators", func(w *world) {
			w.accounts("q1")
			w.makeRole("q1", "admin")
			w.accounts("q2", "q3")
			w.mem.Mirror.Defaults = json.RawMessage(`{"chat":{"edit":true,"share":true}}`)
			w.defaults = permission.Set{"chat.share": false}
		}, 8},
		{"default permissions that a group gives", func(w *world) {
			w.accounts("q2")
			w.mem.Mirror.Defaults = json.RawMessage(`{"chat":{"edit":true}}`)
			w.defaults = permission.Set{"chat.edit": false}
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, limit := range []int{max(c.affected-1, 0), c.affected} {
				w := crowded(t, 6, limit)
				c.change(w)
				p, _ := w.minute(2).plan()
				held, cuts := false, 0
				for i := range p.Changes {
					if p.Changes[i].Cut() {
						cuts++
						held = held || p.Changes[i].Outcome == run.Held && p.Changes[i].Hold.Check == run.MaxCuts
					}
				}
				if cuts == 0 || held != (c.affected > limit) {
					t.Errorf("limit %d: held %v, %d affected: %v", limit, held, c.affected, show(p))
				}
			}
		})
	}
}

func TestHeldCutsStayHeldAndEverythingElseGoesOn(t *testing.T) {
	t.Parallel()
	w := crowded(t, 6, 5)
	w.noResources()
	w.noKeys()
	w.there("models llama")
	w.rules[0].Resources = map[string]plan.Access{plan.Models: reads("llama")}
	p := w.minute(1).run()
	expect(t, p, "set_permissions eng held max_cuts", "set_grants models Name of gpt-4 -read eng held max_cuts", "set_grants models Name of llama +read eng")
	h := w.hold(run.MaxCuts)
	if h.Detail != "6 of 6 people would lose permissions or grants > 5" || h.Scope != "" || h.Release == "" {
		t.Errorf("hold %+v", h)
	}
	// A wider limit, fewer people and a source that cannot be read move nothing.
	w.limits.MaxCuts = plan.LimitCount(1000)
	expect(t, w.minute(2).run(), "set_permissions eng held max_cuts", "set_grants models Name of gpt-4 -read eng held max_cuts")
	w.now = at(60 * 24 * 10)
	w.run()
	if len(w.holds()) == 0 || w.hold(run.MaxCuts).Hash != h.Hash {
		t.Errorf("holds %v", w.holds())
	}
	// While the rule leads nowhere, nothing is known about it.
	w.read("corp", 60*24*10+1, "users: p00 p01 p02 p03 p04 p05").run()
	if w.hold(run.MaxCuts).Hash != h.Hash {
		t.Errorf("holds %v", w.holds())
	}
	w.read("corp", 60*24*10+2, "users: p00 p01 p02 p03 p04 p05", "eng: p00 p01 p02 p03 p04 p05").run()
	w.approve(w.hold(run.MaxCuts).Hash)
	expect(t, w.run(), "set_permissions eng", "set_grants models Name of gpt-4 -read eng")
	if got := w.shares(model("gpt-4")); got != "" || w.permissions("eng")["chat.edit"] || len(w.mem.Holds) != 0 {
		t.Errorf("shared with %q, holds %v", got, w.holds())
	}
	w.settled()
}

func TestAHoldOfCutsEndsWhenTheyAreWantedAgain(t *testing.T) {
	t.Parallel()
	w := crowded(t, 6, 5)
	w.noResources()
	w.minute(1).run()
	w.rules[0].Resources = map[string]plan.Access{plan.Models: reads("gpt-4")}
	expect(t, w.minute(2).run())
	if len(w.mem.Holds) != 0 {
		t.Errorf("holds %v", w.holds())
	}
	w.settled()
}

func TestCutsOfADayCountTogether(t *testing.T) {
	t.Parallel()
	w := crowded(t, 6, 6)
	w.there("models llama")
	w.noResources()
	expect(t, w.minute(1).run(), "set_grants models Name of gpt-4 -read eng") // six people
	w.byHand("more", "p00")
	w.accounts("q")
	w.byHand("eng", "p00", "p01", "p02", "p03", "p04", "p05", "q")
	w.noKeys()
	p := w.minute(60).run()
	expect(t, p, "set_permissions eng held max_cuts")
	if d := w.hold(run.MaxCuts).Detail; d != "7 of 7 people would lose permissions or grants > 6" {
		t.Errorf("detail %q", d)
	}
	if len(w.mem.Losses) != 6 {
		t.Errorf("losses %v", w.mem.Losses)
	}
	// Such losses are none of a membership.
	w.limits.MaxPeople24h = plan.LimitCount(5)
	p = w.read("corp", 61, "users: p00 p01 p02 p03 p04 p05", "eng: p01 p02 p03 p04 p05").run()
	if !slices.Contains(show(p), "remove_member eng p00 left") {
		t.Errorf("changes %v", show(p))
	}
	w = crowded(t, 6, 6)
	w.mem.Losses = []plan.Loss{{At: w.now, Account: "a-somebody", Cut: true}}
	w.noResources()
	w.minute(10).run()
	if d := w.hold(run.MaxCuts).Detail; d != "7 of 6 people, with those of the last 24 hours, would lose permissions or grants > 6" {
		t.Errorf("detail %q", d)
	}
	w = crowded(t, 6, 6)
	w.mem.Losses = []plan.Loss{{At: w.now.Add(-25 * time.Hour), Account: "a-somebody", Cut: true}, {At: w.now, Account: "a-other", Cut: true, Approved: true}}
	w.noResources()
	expect(t, w.minute(10).run(), "set_grants models Name of gpt-4 -read eng")
}

func TestAReleaseKeepsWhatAHoldOfCutsLists(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"hold", "rule", "group"} {
		w := crowded(t, 6, 5)
		w.noResources()
		w.noKeys()
		w.minute(1).run()
		letting := plan.Letting{Until: w.now.Add(time.Hour)}
		switch what {
		case "hold":
			letting.Keys = w.hold(run.MaxCuts).Keys
		case "rule":
			letting.Rule = "r"
		case "group":
			letting.Group = w.group("eng").ID
		}
		d := plan.Release(w.input(), letting)
		if len(d.Memory.Grants) != 0 || len(w.mem.Grants) == 0 {
			t.Errorf("%s: grants %v, before %v", what, d.Memory.Grants, w.mem.Grants)
		}
		w.mem = d.Memory
		p := w.minute(2).run()
		if got := w.shares(model("gpt-4")); got != "read eng" {
			t.Errorf("%s: shared with %q", what, got)
		}
		if what == "hold" && (len(w.holds()) != 0 || !w.permissions("eng")["chat.edit"] || len(p.Changes) != 0) {
			t.Errorf("%s: holds %v, changes %v", what, w.holds(), show(p))
		}
	}
}

// TestADecisionTakesNoGrantAway: who releases the members of a rule that is gone does not take
// its grants away thereby.
func TestADecisionTakesNoGrantAway(t *testing.T) {
	t.Parallel()
	w := crowded(t, 3, 100)
	w.accepted, w.rules = slices.Clone(w.rules), nil
	w.rule("other", "none")
	w.minute(1).run()
	d := plan.Release(w.input(), plan.Letting{Source: "corp", Until: w.now.Add(time.Hour)})
	w.mem = d.Memory
	expect(t, w.minute(2).run())
	if got := w.shares(model("gpt-4")); got != "read eng" || !w.permissions("eng")["chat.edit"] {
		t.Errorf("shared with %q", got)
	}
}

// TestAHeldGrantStaysHeldWhileItsRuleLeadsNowhere: then nobody can tell whether it is wanted.
func TestAHeldGrantStaysHeldWhileItsRuleLeadsNowhere(t *testing.T) {
	t.Parallel()
	w := crowded(t, 6, 5)
	w.noResources()
	w.minute(1).run()
	h := w.hold(run.MaxCuts)
	w.accepted = slices.Clone(w.rules)
	w.rules[0].Resources = map[string]plan.Access{plan.Models: reads("gpt-4")}
	w.rules[0].Match.Names = []string{"nothing"}
	w.minute(2).run()
	if got := w.hold(run.MaxCuts); got.Hash != h.Hash {
		t.Errorf("holds %v", w.holds())
	}
	w.rules[0].Match.Names = []string{"*"}
	w.minute(3).run()
	if slices.ContainsFunc(w.mem.Holds, func(h run.Hold) bool { return h.Check == run.MaxCuts }) {
		t.Errorf("holds %v", w.holds())
	}
}

// TestAHoldOfCutsEndsWithWhatItIsAbout: what somebody took away by hand, and what is no longer
// managed, is held no more.
func TestAHoldOfCutsEndsWithWhatItIsAbout(t *testing.T) {
	t.Parallel()
	w := crowded(t, 6, 5)
	w.noKeys()
	w.minute(1).run()
	w.tree2("eng", `{"chat":{"edit":false}}`)
	w.minute(2).run()
	expect(t, w.minute(3).run())
	if len(w.mem.Holds) != 0 {
		t.Errorf("holds %v", w.holds())
	}
	w.mem.Mirror.Defaults = json.RawMessage(`{"chat":{"share":true}}`)
	w.defaults = permission.Set{"chat.share": false}
	expect(t, w.minute(4).run(), "set_permissions default permissions held max_cuts")
	w.tree2("eng", `"what"`) // says nothing about the defaults
	w.minute(5).run()
	if len(w.mem.Holds) != 1 {
		t.Errorf("holds %v", w.holds())
	}
	w.defaults = nil
	w.minute(6).run()
	if len(w.mem.Holds) != 0 {
		t.Errorf("holds %v", w.holds())
	}
}

// TestAHoldOfCutsOutlivesATreeThatCannotBeRead: nothing is known then.
func TestAHoldOfCutsOutlivesATreeThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := crowded(t, 6, 5)
	w.noKeys()
	w.minute(1).run()
	tree := string(w.group("eng").Permissions)
	w.tree2("eng", `"what"`)
	w.minute(2).run()
	if w.hold(run.MaxCuts); len(w.mem.Holds) != 1 {
		t.Errorf("holds %v", w.holds())
	}
	w.tree2("eng", tree)
	expect(t, w.minute(3).run(), "set_permissions eng held max_cuts")
}
