package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

func to(name string) func(*mapping.Spec) { return func(s *mapping.Spec) { s.To = name } }

func merge(s *mapping.Spec) { s.Merge = true }

func from(sources ...string) func(*mapping.Spec) {
	return func(s *mapping.Spec) { s.From = sources }
}

// TestHowAGroupIsFound: by stored id, else by our mark, else by adoption.
func TestHowAGroupIsFound(t *testing.T) {
	t.Parallel()
	lines := []string{"users: ann", "sales: ann"}
	t.Run("stored id, whatever its name", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales").accounts("ann")
		w.read("corp", 0, lines...).run()
		w.edit("sales", func(g *plan.Group) { g.Name = "renamed by hand" })
		w.byHand("sales")
		p := w.read("corp", 10, lines...).run()
		expect(t, p)
		if !told(p, run.KindNaming, `keeps its name: the new name "sales" is taken`) {
			t.Errorf("problems %v", texts(p))
		}
	})
	t.Run("our mark, when the link is lost", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales", adopt("never")).accounts("ann")
		w.read("corp", 0, lines...).run()
		id := w.group("sales").ID
		clear(w.mem.Links)
		w.byHand("other", "ann")
		expect(t, w.run())
		if got := w.mem.Links[plan.LinkKey{Rule: "r", Group: directory.GroupKey{Source: "corp", ID: "sales"}}].GroupID; got != id {
			t.Errorf("linked to %q, want %q", got, id)
		}
		w.settled()
	})
	t.Run("a named rule is no other rule: its group waits for it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("one", "sales", to("team_{{ .Name }}")).accounts("ann")
		w.read("corp", 0, lines...).run()
		old := slices.Clone(w.rules)
		w.accepted, w.rules = old, nil
		w.rule("two", "sales", to("x_{{ .Name }}"))
		expect(t, w.run(), "remove_member team_sales ann unruled held unruled", "create_group x_sales", "add_member x_sales ann")
		w.rules = append(w.rules, old...)
		expect(t, w.run())
		if w.in("team_sales") != "ann" || len(w.mem.Holds) != 0 {
			t.Errorf("in team_sales %q, holds %v", w.in("team_sales"), w.holds())
		}
	})
	t.Run("our mark of a rule without name that was edited", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("", "sales", adopt("never")).accounts("ann")
		w.read("corp", 0, lines...).run()
		w.rules[0].Match.Names = []string{"sale*"}
		expect(t, w.run())
		w.settled()
		if w.in("sales") != "ann" || w.owned("sales") != "ann" {
			t.Errorf("in %q, owned %q", w.in("sales"), w.owned("sales"))
		}
	})
	t.Run("the mark of a rule in force is not taken by another", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("one", "sales").accounts("ann")
		w.read("corp", 0, lines...).run()
		w.rule("two", "sales", to("x-{{ .Name }}"))
		expect(t, w.run(), "create_group x-sales", "add_member x-sales ann")
		w.settled()
	})
	for _, c := range []struct{ how, name string }{{"name", "Sales"}, {"id", "sales"}, {"path", "/org/sales"}} {
		t.Run("adopted by "+c.how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "corp").rule("r", "*", adopt(c.how)).accounts("ann")
			s := snapshot(0, "users: ann", "sales=Sales: ann")
			s.Groups[0].Path = "/org/sales"
			w.source("corp").Replica, _ = w.source("corp").Replica.Merge(s, 0)
			id := w.byHand(c.name, "ann")
			p := w.run()
			if len(p.Links) != 1 || p.Links[0].GroupID != id {
				t.Errorf("found %+v; problems %v", p.Links, texts(p))
			}
			if w.owned("Sales") != "ann" {
				t.Errorf("owned in Sales: %q", w.owned("Sales"))
			}
			w.settled()
		})
	}
	t.Run("a taken name is a collision where nothing may be adopted", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales", adopt("never")).accounts("ann")
		w.byHand("sales")
		p := w.read("corp", 0, lines...).run()
		expect(t, p)
		if !told(p, run.KindCollision, "may not take it over") {
			t.Errorf("problems %v", texts(p))
		}
	})
	t.Run("two groups of one name are a conflict", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales").accounts("ann")
		w.mem.ObserveGroup(&plan.Group{ID: "x", Name: "sales", MembersRead: true})
		w.mem.ObserveGroup(&plan.Group{ID: "y", Name: "sales", MembersRead: true})
		p := w.read("corp", 0, lines...).run()
		expect(t, p)
		if !told(p, run.KindConflict, `2 groups in Open WebUI are named "sales"`) {
			t.Errorf("problems %v", texts(p))
		}
	})
	t.Run("never made where the rule says so", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales", func(s *mapping.Spec) { s.Create = "false" }).accounts("ann")
		p := w.read("corp", 0, lines...).run()
		expect(t, p)
		if !told(p, run.KindNaming, "may not create it") {
			t.Errorf("problems %v", texts(p))
		}
	})
	t.Run("made once it is used", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales", func(s *mapping.Spec) { s.Create = "used" })
		expect(t, w.read("corp", 0, lines...).run())
		expect(t, w.accounts("ann").run(), "create_group sales", "add_member sales ann")
	})
	t.Run("not made on what is too old", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales").accounts("ann")
		w.read("corp", 0, lines...)
		w.now = at(60 * 49)
		expect(t, w.run())
	})
}

// TestRename is the second scenario.
func TestRename(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, changes ...func(*mapping.Spec)) *world {
		w := newWorld(t, "corp").rule("r", "ai-*", changes...).accounts("ann")
		w.read("corp", 0, "users: ann", "g=ai-one: ann").run()
		return w
	}
	t.Run("within its rule: the same group, a new name", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		id := w.group("ai-one").ID
		expect(t, w.read("corp", 10, "users: ann", "g=ai-two: ann").run(), "update_group ai-one")
		if g := w.group("ai-two"); g == nil || g.ID != id || w.in("ai-two") != "ann" {
			t.Errorf("group %+v", g)
		}
		w.settled()
	})
	t.Run("out of its rule: unselected after the grace", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		for _, minute := range []int{10, 15, 20} {
			p := w.read("corp", minute, "users: ann", "g=other: ann").run()
			expect(t, p)
			if !p.ConfirmAt.Equal(at(25)) {
				t.Errorf("at %d: to be confirmed at %v", minute, p.ConfirmAt)
			}
		}
		expect(t, w.read("corp", 25, "users: ann", "g=other: ann").run(), "remove_member ai-one ann unselected")
	})
	t.Run("back into its rule within the grace: the clock starts anew", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		w.read("corp", 10, "users: ann", "g=other: ann").run()
		w.read("corp", 20, "users: ann", "g=ai-one: ann").run()
		expect(t, w.read("corp", 40, "users: ann", "g=other: ann").run())
	})
	t.Run("to a name that somebody has: the old name stays", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		w.byHand("ai-two", "ann")
		p := w.read("corp", 10, "users: ann", "g=ai-two: ann").run()
		expect(t, p)
		if !told(p, run.KindNaming, `"ai-one" keeps its name`) {
			t.Errorf("problems %v", texts(p))
		}
	})
	t.Run("to a name that cannot be used: nobody loses anything", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		for _, minute := range []int{10, 30, 60} {
			p := w.read("corp", minute, "users: ann", "g=ai-one\u200b: ann").run()
			expect(t, p)
			if !told(p, run.KindNaming, "no usable name") {
				t.Errorf("problems %v", texts(p))
			}
		}
		if w.owned("ai-one") != "ann" {
			t.Errorf("owned %q", w.owned("ai-one"))
		}
		// Who leaves is out all the same, and who joins is in.
		w.accounts("bob").read("corp", 70, "users: ann bob", "g=ai-one\u200b: bob")
		expect(t, w.run(), "remove_member ai-one ann left", "add_member ai-one bob")
	})
	t.Run("a new group without usable name is not made", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		expect(t, w.read("corp", 10, "users: ann", "g=ai-one: ann", "h=ai-x\u200b: ann", "i=ai-y\u200b: ann").run())
	})
	t.Run("one of two united groups has no usable name: its people stay", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "*", merge, to(`{{ .Name | trimPrefix "x-" }}`)).accounts("ann", "bob")
		w.read("corp", 0, "users: ann bob", "g=team: ann", "h=x-team: bob").run()
		if w.in("team") != "ann bob" {
			t.Fatalf("in team: %s", w.in("team"))
		}
		w.run() // the second link is recorded when the group is there
		w.settled()
		for _, minute := range []int{10, 30, 60} {
			expect(t, w.read("corp", minute, "users: ann bob", "g=team: ann", "h=x-: bob").run())
		}
	})
}

// TestUnitedGroupsPart: of two directory groups that were united, one gets a name of its
// own. The other keeps the group, its name and its people.
func TestUnitedGroupsPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "*", merge, to(`{{ .Name | trimPrefix "x-" }}`)).accounts("ann", "bob")
	w.read("corp", 0, "users: ann bob", "g=team: ann", "h=x-team: bob").run()
	w.run()
	id := w.group("team").ID
	expect(t, w.read("corp", 10, "users: ann bob", "g=team: ann", "h=x-a-new-name: bob").run(), "create_group a-new-name", "add_member a-new-name bob")
	expect(t, w.read("corp", 20, "users: ann bob", "g=team: ann", "h=x-a-new-name: bob").run())
	// His grace in the old group begins when he has the new one.
	expect(t, w.read("corp", 30, "users: ann bob", "g=team: ann", "h=x-a-new-name: bob").run())
	expect(t, w.read("corp", 35, "users: ann bob", "g=team: ann", "h=x-a-new-name: bob").run(), "remove_member team bob unselected")
	if w.group("team").ID != id || w.in("team") != "ann" || w.in("a-new-name") != "bob" {
		t.Errorf("team %q, the other %q", w.in("team"), w.in("a-new-name"))
	}
	w.settled()
}

func TestCollisions(t *testing.T) {
	t.Parallel()
	t.Run("two directory groups of one name, neither linked: both held", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp", "hr").rule("r", "sales").accounts("ann", "bob")
		w.read("corp", 0, "users: ann", "sales: ann").read("hr", 0, "users: bob", "sales: bob")
		p := w.run()
		expect(t, p, "create_group sales held collision", "create_group sales held collision")
		if !told(p, run.KindCollision, "sales (corp), sales (hr)") || len(w.mem.Holds) != 1 {
			t.Errorf("problems %v, holds %v", texts(p), w.holds())
		}
	})
	t.Run("the same, and a group of that name is there: nobody takes it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp", "hr").rule("r", "sales").accounts("ann", "bob")
		w.byHand("sales", "ann", "bob")
		w.read("corp", 0, "users: ann", "sales: ann").read("hr", 0, "users: bob", "sales: bob")
		p := w.run()
		if w.owned("sales") != "" || !told(p, run.KindCollision, "sales (corp), sales (hr)") {
			t.Errorf("owned %q, %v, problems %v", w.owned("sales"), show(p), texts(p))
		}
	})
	t.Run("the linked one goes on, the newcomer is held", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp", "hr").rule("r", "sales").accounts("ann", "bob")
		w.read("hr", 0, "users: bob", "sales: bob").read("corp", 0, "users: ann", "other: ann").run()
		expect(t, w.read("corp", 10, "users: ann", "sales: ann", "other: ann").run(), "create_group sales held collision")
		expect(t, w.read("hr", 20, "users: bob", "sales:").run(), "remove_member sales bob left", "create_group sales held collision")
	})
	t.Run("somebody renames into the name of a linked one", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "*").accounts("ann", "bob")
		w.read("corp", 0, "users: ann bob", "1=sales: ann", "2=eng: bob").run()
		p := w.read("corp", 10, "users: ann bob", "1=sales: ann", "2=sales: bob").run()
		expect(t, p)
		if w.in("sales") != "ann" || w.in("eng") != "bob" {
			t.Errorf("sales %q, eng %q", w.in("sales"), w.in("eng"))
		}
	})
	t.Run("two that were linked to one group: nobody loses it while they are not told apart", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp", "hr").rule("one", "sales", from("corp")).rule("two", "sales", from("hr")).accounts("ann", "bob")
		both := w.sources
		w.sources = both[:1]
		w.read("corp", 0, "users: ann", "sales: ann").run()
		w.sources = both[1:]
		w.read("hr", 10, "users: bob", "sales: bob").run()
		if w.in("sales") != "ann bob" {
			t.Fatalf("in sales %q", w.in("sales"))
		}
		w.sources = both
		for _, minute := range []int{20, 40, 60} {
			w.read("corp", minute, "users: ann", "sales: ann").read("hr", minute, "users: bob", "sales: bob")
			expect(t, w.run(), "create_group sales held collision")
		}
		if w.owned("sales") != "ann bob" {
			t.Errorf("owned %q", w.owned("sales"))
		}
	})
	t.Run("approved, it is made", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp", "hr").rule("r", "sales").accounts("ann", "bob")
		w.read("hr", 0, "users: bob", "sales: bob").read("corp", 0, "users: ann", "other: ann").run()
		w.read("corp", 10, "users: ann", "sales: ann", "other: ann").run()
		w.approve(w.hold(run.Collision).Hash)
		expect(t, w.run(), "create_group sales", "add_member sales ann")
		w.settled()
	})
}

// TestSuccession: a directory group is deleted and made anew under the same name.
func TestSuccession(t *testing.T) {
	t.Parallel()
	for _, ids := range [][2]string{{"1", "2"}, {"2", "1"}} {
		t.Run(fmt.Sprintf("%s follows %s", ids[1], ids[0]), func(t *testing.T) {
			t.Parallel()
			old, fresh := ids[0]+"=sales: ", ids[1]+"=sales: "
			w := newWorld(t, "corp").rule("r", "sales").accounts("ann", "bob", "cid")
			w.read("corp", 0, "users: ann bob cid", old+"ann bob").run()
			id := w.group("sales").ID
			p := w.read("corp", 10, "users: ann bob cid", fresh+"ann cid").run()
			expect(t, p)
			if !told(p, run.KindNaming, "takes the place of an earlier one") {
				t.Errorf("problems %v", texts(p))
			}
			// Whoever is in both never leaves; the old one's people go in the same plan.
			p = w.read("corp", 30, "users: ann bob cid", fresh+"ann cid").run()
			expect(t, p, "remove_member sales bob gone", "add_member sales cid")
			if g := w.group("sales"); g.ID != id || w.in("sales") != "ann cid" || w.owned("sales") != "ann cid" {
				t.Errorf("in %s: %q, owned %q", g.ID, w.in("sales"), w.owned("sales"))
			}
			w.settled()
			expect(t, w.read("corp", 40, "users: ann bob cid", fresh+"cid bob").run(), "remove_member sales ann left", "add_member sales bob")
			w.settled()
			// The old one comes back: it takes nothing away from its successor.
			p = w.read("corp", 50, "users: ann bob cid", fresh+"cid bob", old+"ann").run()
			for _, minute := range []int{80, 100} {
				w.read("corp", minute, "users: ann bob cid", fresh+"cid bob", old+"ann").run()
			}
			if w.in("sales") != "bob cid" || w.owned("sales") != "bob cid" {
				t.Errorf("after the old one came back: in %q, owned %q; first %v %v", w.in("sales"), w.owned("sales"), show(p), texts(p))
			}
		})
	}
	t.Run("a group that is no longer selected gives up its name after the grace", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales").accounts("ann", "bob")
		w.read("corp", 0, "users: ann bob", "1=sales: ann bob").run()
		id := w.group("sales").ID
		lines := []string{"users: ann bob", "1=old-sales: ann bob", "2=sales: ann"}
		expect(t, w.read("corp", 10, lines...).run())
		expect(t, w.read("corp", 30, lines...).run(), "remove_member sales bob unselected")
		if w.group("sales").ID != id || w.owned("sales") != "ann" {
			t.Errorf("owned %q", w.owned("sales"))
		}
		w.settled()
	})
	t.Run("a one-person run does not let it happen early", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales").accounts("ann", "bob")
		w.read("corp", 0, "users: ann bob", "1=sales: bob").run()
		w.read("corp", 10, "users: ann bob", "2=sales: ann")
		n, _ := w.mem.Mirror.Number("a-ann")
		w.only = &plan.Only{Account: n}
		p := w.run()
		expect(t, p)
		if len(p.Links) != 0 {
			t.Errorf("took over %+v", p.Links)
		}
	})
}

// TestGroupDeletedByHand is the fourteenth scenario.
func TestGroupDeletedByHand(t *testing.T) {
	t.Parallel()
	lines := []string{"users: ann", "sales: ann"}
	w := newWorld(t, "corp").rule("r", "sales").accounts("ann")
	w.read("corp", 0, lines...).run()
	w.mem.ForgetGroup(w.group("sales").ID)
	p := w.read("corp", 10, lines...).run()
	expect(t, p, "create_group sales", "add_member sales ann")
	if !told(p, run.KindLostGrants, "is lost") {
		t.Errorf("problems %v", texts(p))
	}
	w.settled()
	w.mem.ForgetGroup(w.group("sales").ID)
	expect(t, w.read("corp", 20, lines...).run(), "create_group sales held recreated")
	expect(t, w.read("corp", 60*25, lines...).run(), "create_group sales held recreated")
	w.approve(w.hold(run.Recreated).Hash)
	expect(t, w.run(), "create_group sales", "add_member sales ann")
}

// TestGoneGroupIsNotMadeAgain: what the directory no longer has needs no group.
func TestGoneGroupIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "sales").accounts("ann")
	w.read("corp", 0, "users: ann", "sales: ann").run()
	w.mem.ForgetGroup(w.group("sales").ID)
	expect(t, w.read("corp", 10, "users: ann").run())
}

func TestNamesOfGroupsAreToldForPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "sales").accounts("ann")
	p := w.read("corp", 0, "users: ann", "sales: ann").run()
	if r := p.Changes[1].Reason; !strings.Contains(r, "in sales (corp)") {
		t.Errorf("reason %q", r)
	}
}
