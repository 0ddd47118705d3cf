package plan_test

import (
	"testing"

	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

func members(how string) func(*mapping.Spec) { return func(s *mapping.Spec) { s.Members = how } }

func adopt(how ...string) func(*mapping.Spec) { return func(s *mapping.Spec) { s.Adopt = how } }

// synced gives a world in which ann and bob were put into sales.
func synced(t *testing.T, changes ...func(*mapping.Spec)) *world {
	t.Helper()
	w := newWorld(t, "corp").rule("r", "sales", changes...).accounts("ann", "bob", "cid", "dan")
	w.read("corp", 0, "users: ann bob cid dan", "sales: ann bob").run()
	if w.in("sales") != "ann bob" || w.owned("sales") != "ann bob" {
		t.Fatalf("in sales: %s; owned: %s", w.in("sales"), w.owned("sales"))
	}
	w.settled()
	return w
}

// TestOwnership goes through the table of what is wanted, what is there and what is ours.
func TestOwnership(t *testing.T) {
	t.Parallel()
	same := []string{"users: ann bob cid dan", "sales: ann bob"}
	for _, c := range []struct {
		name  string
		hand  []string
		read  []string
		rule  []func(*mapping.Spec)
		want  []string
		after string
		owned string
	}{
		{"wanted, there, ours: nothing", []string{"ann", "bob"}, same, nil, nil, "ann bob", "ann bob"},
		{"wanted, there, not ours: adopted", []string{"ann", "bob", "cid"}, []string{"users: ann bob cid dan", "sales: ann bob cid"}, nil,
			[]string{"adopt_member sales cid"}, "ann bob cid", "ann bob cid"},
		{"wanted, there, not ours, never adopted: left", []string{"ann", "bob", "cid"}, []string{"users: ann bob cid dan", "sales: ann bob cid"},
			[]func(*mapping.Spec){adopt("never")}, nil, "ann bob cid", "ann bob"},
		{"wanted, not there, not ours: added", []string{"ann", "bob"}, []string{"users: ann bob cid dan", "sales: ann bob cid"}, nil,
			[]string{"add_member sales cid"}, "ann bob cid", "ann bob cid"},
		{"wanted, not there, ours: added again", []string{"ann"}, same, nil, []string{"add_member sales bob"}, "ann bob", "ann bob"},
		{"not wanted, there, ours: removed", []string{"ann", "bob"}, []string{"users: ann bob cid dan", "sales: ann"}, nil,
			[]string{"remove_member sales bob left"}, "ann", "ann"},
		{"not wanted, there, ours, add-only: kept", []string{"ann", "bob"}, []string{"users: ann bob cid dan", "sales: ann"},
			[]func(*mapping.Spec){members("add-only")}, nil, "ann bob", "ann bob"},
		{"disabled, add-only: kept", []string{"ann", "bob"}, []string{"users: ann -bob cid dan", "sales: ann bob"},
			[]func(*mapping.Spec){members("add-only")}, nil, "ann bob", "ann bob"},
		{"not wanted, there, not ours: left", []string{"ann", "bob", "cid"}, same, nil, nil, "ann bob cid", "ann bob"},
		{"not wanted, there, not ours, exact: removed after approval", []string{"ann", "bob", "cid"}, same, []func(*mapping.Spec){members("exact")},
			[]string{"remove_member sales cid held exact"}, "ann bob cid", "ann bob"},
		{"not wanted, not there, ours: forgotten", []string{"ann"}, []string{"users: ann bob cid dan", "sales: ann"}, nil,
			[]string{"release_member sales bob left"}, "ann", "ann"},
		{"unknown, there, ours: nothing", []string{"ann", "bob"}, []string{"users: ann cid dan", "sales: ann"}, nil, nil, "ann bob", "ann bob"},
		{"unknown, not there, ours: nothing", []string{"ann"}, []string{"users: ann cid dan", "sales: ann"}, nil, nil, "ann", "ann bob"},
		{"a cut group: nothing", []string{"ann", "bob"}, []string{"users: ann bob cid dan", "sales?: ann"}, nil, nil, "ann bob", "ann bob"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := synced(t, c.rule...)
			w.byHand("sales", c.hand...)
			w.read("corp", 10, c.read...)
			expect(t, w.run(), c.want...)
			if w.in("sales") != c.after || w.owned("sales") != c.owned {
				t.Errorf("in sales %q, owned %q; want %q and %q", w.in("sales"), w.owned("sales"), c.after, c.owned)
			}
		})
	}
}

// TestWhoCameInByARuleThatOnlyAddsStays: also when that rule selects nothing for the group any
// more and another one goes on to fill it.
func TestWhoCameInByARuleThatOnlyAddsStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp", "hr").rule("gentle", "sales", to("All"), members("add-only")).rule("hard", "sales", to("All")).rule("other", "ops", to("All")).accounts("ann", "bob", "cid")
	w.read("hr", 0, "users: bob cid", "ops: bob cid").read("corp", 0, "users: ann", "sales: ann").run()
	if w.in("All") != "ann bob cid" {
		t.Fatalf("in All %q", w.in("All"))
	}
	w.read("hr", 10, "users: bob cid", "ops: bob")
	expect(t, w.run())
	for _, minute := range []int{20, 40, 60} {
		renamed := snapshot(minute, "users: ann", "sales: ann")
		renamed.Groups[0].Name = "sold"
		w.source("corp").Replica, _ = w.source("corp").Replica.Merge(renamed, 0)
		w.read("hr", minute, "users: bob cid", "ops: bob").run()
	}
	// Cid came in by a rule that takes people out again, and left while nobody could be.
	if w.in("All") != "ann bob cid" {
		t.Errorf("in All %q", w.in("All"))
	}
}

func TestUnknownIsNeitherAddedNorAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "sales").accounts("ann", "bob")
	w.read("corp", 0, "users: ann bob", "sales: ann").run()
	w.byHand("sales", "ann", "bob")
	// Bob came into the group and vanished again before any run: he is in his grace.
	w.read("corp", 10, "users: ann bob", "sales: ann bob").read("corp", 12, "users: ann", "sales: ann")
	p := w.run()
	expect(t, p)
	if w.owned("sales") != "ann" || p.Summary.Foreign != 1 {
		t.Errorf("owned %q, foreign %d", w.owned("sales"), p.Summary.Foreign)
	}
	w.byHand("sales", "ann")
	w.read("corp", 13, "users: ann", "sales: ann")
	expect(t, w.run())
}

func TestDriftIsReportedAndRepaired(t *testing.T) {
	t.Parallel()
	w := synced(t)
	w.byHand("sales", "ann")
	p := w.read("corp", 10, "users: ann bob cid dan", "sales: ann bob").run()
	if p.Summary.Drift != 1 || !told(p, run.KindDrift, "bob@example.org was taken out of \"sales\"") {
		t.Errorf("drift %d, problems %v", p.Summary.Drift, texts(p))
	}
}

// TestMembersAreForgottenOnlyOnAVerifiedReading: what a group holds is not known until
// its members were read.
func TestMembersAreForgottenOnlyOnAVerifiedReading(t *testing.T) {
	t.Parallel()
	w := synced(t)
	id := w.group("sales").ID
	w.mem.ForgetGroup(id)
	w.mem.ObserveGroup(&plan.Group{ID: id, Name: "sales", MemberCount: 2})
	expect(t, w.read("corp", 10, "users: ann bob cid dan", "sales: ann").run())
	if w.owned("sales") != "ann bob" {
		t.Errorf("owned %q", w.owned("sales"))
	}
}

func TestExactGroup(t *testing.T) {
	t.Parallel()
	same := []string{"users: ann bob cid dan", "sales: ann bob"}
	t.Run("somebody unmatched: nobody is removed", func(t *testing.T) {
		t.Parallel()
		w := synced(t, members("exact"))
		w.byHand("sales", "ann", "bob", "cid")
		expect(t, w.read("corp", 10, "users: ann bob cid dan eve=", "sales: ann bob eve").run())
	})
	t.Run("a conflict: nobody is removed", func(t *testing.T) {
		t.Parallel()
		w := synced(t, members("exact"))
		w.byHand("sales", "ann", "bob", "cid")
		w.accounts("eve")
		w.read("corp", 10, "users: ann bob cid dan eve eve2=EVE@example.org", "sales: ann bob eve")
		expect(t, w.run())
	})
	t.Run("somebody pending holds up nothing", func(t *testing.T) {
		t.Parallel()
		w := synced(t, members("exact"))
		w.byHand("sales", "ann", "bob", "cid")
		expect(t, w.read("corp", 10, "users: ann bob cid dan eve", "sales: ann bob eve").run(), "remove_member sales cid held exact")
	})
	t.Run("somebody in the grace: is not removed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales", members("exact")).accounts("ann", "bob")
		w.read("corp", 0, "users: ann bob", "sales: ann").run()
		w.byHand("sales", "ann", "bob")
		w.read("corp", 10, "users: ann bob", "sales: ann bob").read("corp", 12, "users: ann", "sales: ann")
		expect(t, w.run())
	})
	t.Run("a cut group: nobody is removed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "sales", members("exact")).accounts("ann", "bob")
		w.byHand("sales", "ann", "bob")
		expect(t, w.read("corp", 10, "users: ann bob", "sales?: ann").run())
	})
	t.Run("protected: never", func(t *testing.T) {
		t.Parallel()
		w := synced(t, members("exact"))
		w.protect = []string{"CID@example.org"}
		w.byHand("sales", "ann", "bob", "cid")
		expect(t, w.read("corp", 10, same...).run())
	})
	t.Run("our own account: never", func(t *testing.T) {
		t.Parallel()
		w := synced(t, members("exact"))
		w.mem.Mirror.Self = "a-cid"
		w.byHand("sales", "ann", "bob", "cid")
		expect(t, w.read("corp", 10, same...).run())
	})
	t.Run("approved: removed", func(t *testing.T) {
		t.Parallel()
		w := synced(t, members("exact"))
		w.byHand("sales", "ann", "bob", "cid")
		w.read("corp", 10, same...).run()
		w.approve(w.hold(run.Exact).Hash)
		expect(t, w.run(), "remove_member sales cid")
		w.settled()
	})
}

func TestProtectedAndIgnored(t *testing.T) {
	t.Parallel()
	t.Run("protected: the removal is shown and skipped, approved or not", func(t *testing.T) {
		t.Parallel()
		w := synced(t)
		w.protect = []string{"bob@example.org"}
		w.read("corp", 10, "users: ann bob cid dan", "sales: ann")
		expect(t, w.run(), "remove_member sales bob left skipped protected")
		p, _ := w.plan()
		w.mem.Approvals = []run.Approval{{Keys: []string{p.Changes[0].Key}, Until: at(10000)}}
		expect(t, w.run(), "remove_member sales bob left skipped protected")
	})
	t.Run("our own account is never removed", func(t *testing.T) {
		t.Parallel()
		w := synced(t)
		w.mem.Mirror.Self = "a-bob"
		expect(t, w.read("corp", 10, "users: ann bob cid dan", "sales: ann").run(), "remove_member sales bob left skipped protected")
	})
	t.Run("ignored: neither added nor removed", func(t *testing.T) {
		t.Parallel()
		w := synced(t)
		w.ignore = []string{"bob@example.org", "CID@example.org"}
		expect(t, w.read("corp", 10, "users: ann bob cid dan", "sales: ann cid").run())
	})
	t.Run("a mail that only looks alike protects nobody", func(t *testing.T) {
		t.Parallel()
		w := synced(t)
		w.protect = []string{"\u212aob@example.org", "bo\u0432@example.org"}
		expect(t, w.read("corp", 10, "users: ann bob cid dan", "sales: ann").run(), "remove_member sales bob left")
	})
}

// TestScenarioAddedByHandThenNamedThenGone is the fourth scenario.
func TestScenarioAddedByHandThenNamedThenGone(t *testing.T) {
	t.Parallel()
	w := synced(t)
	w.byHand("sales", "ann", "bob", "cid")
	w.read("corp", 10, "users: ann bob cid dan", "sales: ann bob cid").run()
	expect(t, w.read("corp", 20, "users: ann bob cid dan", "sales: ann bob").run(), "remove_member sales cid left")
	n := synced(t, adopt("never"))
	n.byHand("sales", "ann", "bob", "cid")
	n.read("corp", 10, "users: ann bob cid dan", "sales: ann bob cid").run()
	expect(t, n.read("corp", 20, "users: ann bob cid dan", "sales: ann bob").run())
}

// TestProvenanceFollowsTheGrants: an owned membership is judged by what grants it now.
func TestProvenanceFollowsTheGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp", "hr").rule("r", "*", func(s *mapping.Spec) { s.To = "All" }).accounts("ann")
	w.read("corp", 0, "users: ann", "a: ann").read("hr", 0, "users: ann", "b:").run()
	w.read("corp", 10, "users: ann", "a: ann").read("hr", 10, "users: ann", "b: ann").run()
	w.settled()
	// Corp drops her, hr still names her: she stays, and it is hr that counts.
	expect(t, w.read("corp", 20, "users: ann", "a:").run())
	w.settled()
	expect(t, w.read("hr", 30, "users: ann", "b:").read("corp", 30, "users: ann", "a:").run(), "remove_member All ann left")
}
