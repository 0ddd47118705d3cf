package plan_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// united gives a world in which corp and hr put ann into one group, and bob is in it by
// corp alone.
func united(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, "corp", "hr").rule("r", "*", to("All")).accounts("ann", "bob")
	w.read("corp", 0, "users: ann bob", "a: ann bob").read("hr", 0, "users: ann", "b: ann").run()
	w.settled()
	return w
}

// TestTakenAwayOnlyWhenEverySourceThatCouldIsFresh: the union over all replicas decides,
// and whoever cannot be asked keeps everything.
func TestTakenAwayOnlyWhenEverySourceThatCouldIsFresh(t *testing.T) {
	t.Parallel()
	hr := func(w *world, m int) { w.read("hr", m, "users: ann", "b: ann") }
	for _, c := range []struct {
		name  string
		steps func(w *world)
		want  []string
		waits string
	}{
		{"one of two drops her, the other still names her", func(w *world) {
			hr(w, 10)
			w.read("corp", 10, "users: ann bob", "a: bob")
		}, nil, ""},
		{"the same while the other is failing but fresh enough", func(w *world) { w.read("corp", 60*24, "users: ann bob", "a: bob") }, nil, ""},
		{"both drop her", func(w *world) {
			w.read("hr", 10, "users: ann", "b:").read("corp", 10, "users: ann bob", "a: bob")
		}, []string{"remove_member All ann left"}, ""},
		{"one drops him, the other is too old", func(w *world) { w.read("corp", 60*49, "users: ann bob", "a: ann") }, nil, "hr"},
		{"one drops her, the other shows her on too old evidence", func(w *world) { w.read("corp", 60*49, "users: ann bob", "a: bob") }, nil, "hr"},
		{"one drops him, a group of the other was cut since", func(w *world) {
			w.read("hr", 60*47, "users: ann", "b?:").read("corp", 60*49, "users: ann bob", "a: ann")
		}, nil, "hr"},
		{"a source that was never read", func(w *world) {
			w.sources = append(w.sources, newWorld(w.t, "new").sources...)
			w.read("corp", 10, "users: ann bob", "a: ann")
		}, nil, "new"},
		{"a rule that names its sources asks no others", func(w *world) {
			w.sources = append(w.sources, newWorld(w.t, "new").sources...)
			w.rules[0].From = []string{"corp", "hr"}
			w.read("corp", 10, "users: ann bob", "a: ann")
		}, []string{"remove_member All bob left"}, ""},
		{"disabled in one source: what the other grants stays", func(w *world) {
			hr(w, 10)
			w.read("corp", 10, "users: -ann bob", "a: ann bob")
		}, nil, ""},
		{"disabled in the only source that grants it", func(w *world) {
			hr(w, 10)
			w.read("corp", 10, "users: ann -bob", "a: ann bob")
		}, []string{"remove_member All bob explicit"}, ""},
		{"gone from one, in the grace of the other", func(w *world) {
			w.read("corp", 10, "users: bob", "a: bob").read("corp", 30, "users: bob", "a: bob").read("hr", 31, "users:", "b:")
		}, nil, "hr"},
		{"gone from one, and the other was not read since", func(w *world) {
			w.read("hr", 9, "users: ann", "b:")
			w.read("corp", 10, "users: ann", "a: ann").read("corp", 30, "users: ann", "a: ann")
		}, nil, "hr"},
		{"gone from one, and the other was read since", func(w *world) {
			w.read("corp", 10, "users: ann", "a: ann").read("corp", 30, "users: ann", "a: ann")
			w.read("hr", 31, "users: ann", "b:")
		}, []string{"remove_member All bob gone"}, ""},
		{"missing from a source where she had nothing does not delay the other's left", func(w *world) {
			w.read("hr", 5, "users: ann", "b:")
			w.run()
			w.read("hr", 10, "users:", "b:").read("corp", 10, "users: ann bob", "a: bob")
		}, []string{"remove_member All ann left"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := united(t)
			c.steps(w)
			p := w.run()
			expect(t, p, c.want...)
			if waits := firstKey(p.Waiting); waits != c.waits {
				t.Errorf("waiting for %q, want %q", waits, c.waits)
			}
		})
	}
}

func firstKey(m map[string]int) string {
	for k, n := range m {
		if n > 0 {
			return k
		}
	}
	return ""
}

func TestGoneGoesAfterTheGrace(t *testing.T) {
	t.Parallel()
	w := synced(t)
	without := []string{"users: ann cid dan", "sales: ann"}
	p := w.read("corp", 10, without...).run()
	expect(t, p)
	if !p.ConfirmAt.Equal(at(25)) || p.Waiting["corp"] != 1 || len(p.Unknown) != 1 {
		t.Errorf("to be confirmed at %v; waiting %v, unknown %v", p.ConfirmAt, p.Waiting, p.Unknown)
	}
	expect(t, w.read("corp", 20, without...).run())
	p = w.read("corp", 25, without...).run()
	expect(t, p, "remove_member sales bob gone")
	if !p.ConfirmAt.IsZero() || len(p.Waiting) != 0 {
		t.Errorf("still to be confirmed at %v, waiting %v", p.ConfirmAt, p.Waiting)
	}
}

// TestLeaverWhoseRemovalWasHeldAndWhoThenVanishes goes in the end.
func TestLeaverWhoseRemovalWasHeldAndWhoThenVanishes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "sales").accounts("ann", "bob", "cid")
	w.read("corp", 0, "users: ann bob cid", "sales: ann bob cid").run()
	expect(t, w.read("corp", 10, "users: ann bob cid", "sales:").run(),
		"remove_member sales ann emptied held emptied", "remove_member sales bob emptied held emptied", "remove_member sales cid emptied held emptied")
	for _, minute := range []int{20, 40} {
		w.read("corp", minute, "users: ann", "sales:").run()
	}
	w.approve(w.hold(run.Emptied).Hash)
	w.run()
	if w.in("sales") != "" {
		t.Errorf("still in sales: %s; holds %v", w.in("sales"), w.holds())
	}
}

// TestUnselected: what no rule selects any more goes after a grace of its own.
func TestUnselected(t *testing.T) {
	t.Parallel()
	byDept := func(s *mapping.Spec) { s.Where = map[string][]string{"dept": {"a", "b"}} }
	moved := func(w *world, minute int) *world {
		s := snapshot(minute, "users: ann bob cid dan", "sales: ann bob")
		s.Users[1].Attributes = map[string][]string{"dept": {"x"}}
		w.source("corp").Replica, _ = w.source("corp").Replica.Merge(s, 0)
		w.now = at(minute)
		return w
	}
	t.Run("the person's attributes changed", func(t *testing.T) {
		t.Parallel()
		w := synced(t, byDept)
		expect(t, moved(w, 10).run())
		expect(t, moved(w, 20).run())
		expect(t, moved(w, 25).run(), "remove_member sales bob unselected")
		w.settled()
	})
	t.Run("many runs over one read count once", func(t *testing.T) {
		t.Parallel()
		w := synced(t, byDept)
		moved(w, 10).run()
		for range 5 {
			w.now = w.now.Add(time.Hour)
			expect(t, w.run())
		}
	})
	t.Run("a read from before it was seen does not count", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "x*", to("All")).accounts("ann", "bob")
		w.read("corp", 0, "users: ann bob", "c=x: ann bob").run()
		// The list of people is cut when the rename is seen first.
		w.read("corp", 16, "users?: ann bob", "c=c: ann bob").run()
		expect(t, w.read("corp", 20, "users: ann bob", "c=c: ann bob").run())
		expect(t, w.read("corp", 31, "users: ann bob", "c=c: ann bob").run(), "remove_member All ann unselected", "remove_member All bob unselected")
	})
	t.Run("a sighting begins it anew", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "x*", to("All")).accounts("ann")
		w.read("corp", 0, "users: ann", "c=x: ann").run()
		expect(t, w.read("corp", 20, "users: ann", "c=c: ann").run())
		expect(t, w.read("corp", 40, "users: ann", "c=x: ann").run())
		expect(t, w.read("corp", 60, "users: ann", "c=c: ann").run())
		expect(t, w.read("corp", 80, "users: ann", "c=c: ann").run(), "remove_member All ann unselected")
	})
	t.Run("a look-up is no complete read", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "x*", to("All")).accounts("ann")
		w.read("corp", 0, "users: ann", "c=x: ann").run()
		w.lookUp("corp", 16, "ann", "c").run() // it is named c
		expect(t, w.read("corp", 40, "users: ann", "c=c: ann").run())
		expect(t, w.read("corp", 41, "users: ann", "c=c: ann").run(), "remove_member All ann unselected")
	})
	t.Run("two sources do not count for each other", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp", "hr").rule("r", "x*", to("All")).accounts("ann")
		w.read("corp", 0, "users: ann", "c=xc: ann").read("hr", 0, "users: ann", "h=xh: ann").run()
		// Both groups are renamed: hr is read twice, corp once between.
		w.read("hr", 10, "users: ann", "h=h: ann").run()
		w.read("corp", 30, "users: ann", "c=c: ann").run()
		w.now = at(31)
		expect(t, w.run())
		expect(t, w.read("hr", 40, "users: ann", "h=h: ann").run())
		expect(t, w.read("corp", 50, "users: ann", "c=c: ann").run())
		expect(t, w.read("hr", 60, "users: ann", "h=h: ann").run(), "remove_member All ann unselected")
	})
}

// TestUnruled: what the rules no longer want is held, at once and for good.
func TestUnruled(t *testing.T) {
	t.Parallel()
	same := []string{"users: ann bob cid dan", "sales: ann bob"}
	held := []string{"remove_member sales ann unruled held unruled", "remove_member sales bob unruled held unruled"}
	change := func(w *world, change func(*mapping.Spec)) {
		w.accepted = slices.Clone(w.rules)
		w.rules = slices.Clone(w.rules)
		change(&w.rules[0])
	}
	t.Run("the rule was removed; it never clears by waiting; restored, nothing is lost", func(t *testing.T) {
		t.Parallel()
		w := synced(t)
		rules := w.rules
		w.accepted, w.rules = w.rules, nil
		for _, minute := range []int{10, 60, 6000} {
			expect(t, w.read("corp", minute, same...).run(), held...)
		}
		w.rules = rules
		expect(t, w.read("corp", 6001, same...).run())
		if len(w.mem.Holds) != 0 {
			t.Errorf("holds %v", w.holds())
		}
	})
	t.Run("except was widened", func(t *testing.T) {
		t.Parallel()
		w := synced(t)
		change(w, func(s *mapping.Spec) { s.Except = []string{"sales"} })
		expect(t, w.read("corp", 10, same...).run(), held...)
		w.approve(w.hold(run.Unruled).Hash)
		p := w.run()
		expect(t, p, "remove_member sales ann unruled", "remove_member sales bob unruled")
		w.run()
		if w.accepted != nil {
			t.Error("the old form is still accepted although nothing is left of it")
		}
	})
	t.Run("where was added", func(t *testing.T) {
		t.Parallel()
		w := synced(t)
		change(w, func(s *mapping.Spec) { s.Where = map[string][]string{"dept": {"a"}} })
		expect(t, w.read("corp", 10, same...).run(), "remove_member sales bob unruled held unruled")
	})
	t.Run("from was narrowed", func(t *testing.T) {
		t.Parallel()
		w := united(t)
		change(w, func(s *mapping.Spec) { s.From = []string{"hr"} })
		w.read("corp", 10, "users: ann bob", "a: ann bob").read("hr", 10, "users: ann", "b: ann")
		expect(t, w.run(), "remove_member All bob unruled held unruled")
	})
	t.Run("nothing of this person's changed and the source is too old: unknown, not unruled", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales", func(s *mapping.Spec) { s.Where = map[string][]string{"dept": {"a"}} }).accounts("ann")
		w.read("corp", 0, "users: ann", "sales: ann").run()
		change(w, func(s *mapping.Spec) { s.Members = "exact" })
		w.now = at(60 * 49)
		p := w.run()
		expect(t, p)
		if len(p.Unknown) != 1 {
			t.Errorf("unknown %v", p.Unknown)
		}
	})
	t.Run("another rule wants it, and its source is too old: unknown", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp", "hr").rule("one", "a", to("All"), from("corp")).rule("two", "b", to("All"), from("hr")).accounts("ann")
		w.read("corp", 0, "users: ann", "a: ann").read("hr", 0, "users: ann", "b: ann").run()
		w.accepted, w.rules = w.rules, w.rules[1:]
		expect(t, w.read("corp", 60*49, "users: ann", "a: ann").run())
		expect(t, w.read("hr", 60*49, "users: ann", "b:").run(), "remove_member All ann unruled held unruled")
	})
	t.Run("the accepted rule cannot tell: it stays accepted", func(t *testing.T) {
		t.Parallel()
		w := synced(t)
		w.read("corp", 5, "users: ann cid dan", "sales: ann").run()
		change(w, func(s *mapping.Spec) { s.Except = []string{"sales"} })
		p := w.read("corp", 10, "users: ann cid dan", "sales: ann").run()
		if p.Accepts {
			t.Errorf("accepted although bob is in his grace: %v", show(p))
		}
	})
}

// TestSourceRemoved is the eighth scenario.
func TestSourceRemoved(t *testing.T) {
	t.Parallel()
	w := united(t)
	w.sources = w.sources[1:]
	p := w.read("hr", 10, "users: ann", "b: ann").run()
	expect(t, p, "remove_member All bob unruled held source_removed")
	w.approve(w.hold(run.SourceRemoved).Hash)
	expect(t, w.run(), "remove_member All bob unruled")
	w.settled()
}

func TestOnlyConcernsOnePerson(t *testing.T) {
	t.Parallel()
	w := synced(t)
	w.byHand("sales", "ann", "cid")
	w.edit("sales", func(g *plan.Group) { g.Description = "by hand" })
	w.read("corp", 10, "users: ann bob cid dan", "sales: cid dan")
	n, _ := w.mem.Mirror.Number("a-dan")
	w.only = &plan.Only{Account: n}
	expect(t, w.run(), "add_member sales dan")
	w.only = &plan.Only{None: true}
	expect(t, w.run())
	w.only = nil
	expect(t, w.run(), "remove_member sales ann left", "release_member sales bob left", "adopt_member sales cid")
}

// TestOnePersonAppliesNewRulesAndAcceptsNone: what a login shows of rule changes is held
// like in a full run.
func TestOnePersonRunHoldsWhatRulesTookAway(t *testing.T) {
	t.Parallel()
	w := synced(t)
	w.accepted, w.rules = w.rules, nil
	n, _ := w.mem.Mirror.Number("a-bob")
	w.only = &plan.Only{Account: n}
	expect(t, w.lookUp("corp", 10, "bob", "sales").run(), "remove_member sales bob unruled held unruled")
	w.only = nil
	expect(t, w.run(), "remove_member sales ann unruled held unruled", "remove_member sales bob unruled held unruled")
	if h := w.hold(run.Unruled); len(h.Keys) != 2 || len(h.Earlier) != 1 {
		t.Errorf("hold %+v", h)
	}
}

// TestNobodyBehindTheAccount: an account that is linked to nobody loses nothing.
func TestNobodyBehindTheAccount(t *testing.T) {
	t.Parallel()
	w := synced(t)
	for key := range maps.Collect(w.mem.People.All()) {
		if key.ID == "bob" {
			w.mem.People.Delete(key)
		}
	}
	p := w.read("corp", 10, "users: ann bob=new@example.org cid dan", "sales: ann").run()
	expect(t, p)
	if len(p.Unknown) != 1 {
		t.Errorf("unknown %v", p.Unknown)
	}
}
