package plan_test

import (
	"encoding/json"
	"slices"
	"testing"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

func describe(text string) func(*specOf) { return func(s *specOf) { s.Description = &text } }

func grants(keys permission.Set) func(*specOf) { return func(s *specOf) { s.Permissions = keys } }

func share(how string) func(*specOf) { return func(s *specOf) { s.Share = how } }

// permissions gives the keys of a group of Open WebUI.
func (w *world) permissions(name string) permission.Set {
	set, _, err := permission.Flatten(w.group(name).Permissions)
	if err != nil {
		w.t.Fatal(err)
	}
	return set
}

func TestCreationWritesWhatTheRulesSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "sales", describe("about"), share("members"), grants(permission.Set{"chat.edit": true})).accounts("ann")
	w.read("corp", 0, "users: ann", "sales: ann").run()
	g := w.group("sales")
	if g.Description != "about" || g.Share != "members" || !w.permissions("sales")["chat.edit"] {
		t.Errorf("made %+v", g.Group)
	}
	if g.Mark == nil || g.Mark.Rule != "r" || g.Mark.Group != "sales" || g.Mark.Instance != "here" {
		t.Errorf("marked %+v", g.Mark)
	}
	w.settled()
}

func TestValuesOfAnAdoptedGroup(t *testing.T) {
	t.Parallel()
	lines := []string{"users: ann", "sales: ann"}
	start := func(t *testing.T, changes ...func(*specOf)) *world {
		w := newWorld(t, "corp").rule("r", "sales", changes...).accounts("ann")
		w.byHand("sales", "ann")
		w.edit("sales", func(g *plan.Group) {
			g.Description, g.Share = "by hand", "anyone"
			g.Permissions = json.RawMessage(`{"chat":{"edit":false,"share":true}}`)
		})
		w.read("corp", 0, lines...).run()
		return w
	}
	t.Run("what no rule names stays as it is", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		if g := w.group("sales"); g.Description != "by hand" || g.Share != "anyone" || !w.permissions("sales")["chat.share"] {
			t.Errorf("now %+v", g.Group)
		}
	})
	t.Run("what a rule names is set, and only that", func(t *testing.T) {
		t.Parallel()
		w := start(t, describe("ours"), share("members"), grants(permission.Set{"chat.edit": true, "chat.delete": false}))
		have := w.permissions("sales")
		if g := w.group("sales"); g.Description != "ours" || g.Share != "members" || !have["chat.edit"] || !have["chat.share"] || have["chat.delete"] {
			t.Errorf("now %+v, %v", g.Group, have)
		}
		w.settled()
	})
	t.Run("drift is reported and repaired", func(t *testing.T) {
		t.Parallel()
		w := start(t, describe("ours"), grants(permission.Set{"chat.edit": true}))
		w.edit("sales", func(g *plan.Group) {
			g.Description = "theirs"
			g.Permissions = json.RawMessage(`{"chat":{"edit":false,"share":true}}`)
		})
		p := w.run()
		expect(t, p, "update_group sales", "set_permissions sales")
		if p.Summary.Drift != 2 || !told(p, run.KindDrift, "description of group") || !told(p, run.KindDrift, "permissions.chat.edit of group") {
			t.Errorf("drift %d, problems %v", p.Summary.Drift, texts(p))
		}
		w.settled()
	})
	t.Run("what is no longer wanted goes back to what was before us", func(t *testing.T) {
		t.Parallel()
		w := start(t, describe("ours"), share("members"))
		w.rules[0].Description, w.rules[0].Share = nil, ""
		expect(t, w.run(), "update_group sales")
		if g := w.group("sales"); g.Description != "by hand" || g.Share != "anyone" {
			t.Errorf("now %+v", g.Group)
		}
		w.settled()
	})
	t.Run("unless somebody changed it since", func(t *testing.T) {
		t.Parallel()
		w := start(t, describe("ours"))
		w.edit("sales", func(g *plan.Group) { g.Description = "theirs" })
		w.rules[0].Description = nil
		expect(t, w.run())
		if g := w.group("sales"); g.Description != "theirs" {
			t.Errorf("now %+v", g.Group)
		}
	})
	t.Run("a new wish replaces the old one without drift", func(t *testing.T) {
		t.Parallel()
		w := start(t, describe("ours"))
		w.rules[0].Description = new("newer")
		p := w.run()
		expect(t, p, "update_group sales")
		if p.Summary.Drift != 0 {
			t.Errorf("drift %d", p.Summary.Drift)
		}
	})
	t.Run("a one-person run touches no values", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		w.rules[0].Description = new("ours")
		w.only = &plan.Only{Account: 0}
		expect(t, w.run())
	})
	t.Run("permissions that cannot be read are told and left alone", func(t *testing.T) {
		t.Parallel()
		w := start(t, grants(permission.Set{"chat.edit": true}))
		w.edit("sales", func(g *plan.Group) { g.Permissions = json.RawMessage(`"what"`) })
		p := w.run()
		if !told(p, run.KindNaming, "cannot be read") || slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Op == run.SetPermissions }) {
			t.Errorf("%v, problems %v", show(p), texts(p))
		}
	})
}

func TestTallyCountsWhatBecameOfChanges(t *testing.T) {
	t.Parallel()
	w, people := full(t, 12)
	w.limits.MaxGroupLoss = plan.LimitPercent(50)
	w.protect = []string{people[11] + "@example.org"}
	w.byHand("all", slices.Concat(people[1:], []string{})...)
	p := w.read("corp", 10, "users: "+words(people), "all: "+words(people[:2]), "new: "+people[0]).run()
	s := p.Tally()
	if s.GroupsCreated != 1 || s.MembersAdded != 2 || s.Held != 9 || s.MembersRemoved != 0 || s.Drift != 1 || s.Unchanged != 1 {
		t.Errorf("tally %+v of %v", s, show(p))
	}
}
