package plan_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// did lets a plan come true and gives the report of the run, as it is loaded later.
func (w *world) did(id string, p *plan.Plan, g *plan.Guarded) *run.Report {
	for i := range p.Changes {
		c := &p.Changes[i]
		if o := w.mem.Owned[c.GroupID()]; c.Outcome == run.Planned && (c.Op == run.RemoveMember || c.Op == run.ReleaseMember) && o != nil {
			for _, key := range o.Grants(c.Account) {
				w.mem.Tombstones = append(w.mem.Tombstones, plan.Tombstone{At: w.now, Group: c.Group.ID, Account: c.User.ID, Feed: key})
			}
		}
	}
	w.apply(p, g)
	r := run.Report{Run: id, Mode: run.Apply, Started: w.now, Targets: []run.TargetReport{{Name: "other"}, {Name: "chat"}}}
	for i := range p.Changes {
		c := p.Changes[i].Change
		if c.Group != nil {
			group := *c.Group
			if group.ID == "" && c.Outcome == run.Planned {
				group.ID = w.mem.Links[p.Changes[i].Link].GroupID
			}
			c.Group = &group
		}
		if c.Outcome == run.Planned {
			c.Outcome = run.Applied
		}
		r.Targets[1].Changes = append(r.Targets[1].Changes, c)
	}
	var loaded run.Report
	if err := json.Unmarshal(raw(w.t, r), &loaded); err != nil {
		w.t.Fatal(err)
	}
	return &loaded
}

// runAs is a run whose report is kept.
func (w *world) runAs(id string) (*plan.Plan, *run.Report) {
	p, g := w.plan()
	r := w.did(id, p, g)
	for s := range w.sources {
		w.sources[s].Read = false
	}
	return p, r
}

// inverse plans and guards the undoing of a run.
func (w *world) inverse(r *run.Report) (*plan.Plan, *plan.Guarded) {
	in := w.input()
	in.Undo = r
	p := plan.Inverse(in)
	return p, plan.Guard(p, in, w.limits)
}

// revert undoes a run.
func (w *world) revert(id string, r *run.Report) (*plan.Plan, *run.Report) {
	p, g := w.inverse(r)
	next := w.did(id, p, g)
	next.Reverts = r.Run
	return p, next
}

func (w *world) minute(n int) *world {
	w.now = at(n)
	return w
}

// errors gives what the changes of a plan say went wrong.
func errors(p *plan.Plan) string {
	var all []string
	for i := range p.Changes {
		if e := p.Changes[i].Error; e != "" {
			all = append(all, e)
		}
	}
	return strings.Join(all, "; ")
}

// four is a world in which bob has joined and cid has left in run 2, and dan, who was there
// by hand, was adopted.
func four(t *testing.T, changes ...func(*specOf)) (*world, *run.Report) {
	w := newWorld(t, "corp").rule("r", "*", changes...).accounts("ann", "bob", "cid", "dan")
	w.read("corp", 0, "users: ann bob cid dan", "eng: ann cid").run()
	w.byHand("eng", "ann", "cid", "dan")
	w.read("corp", 10, "users: ann bob cid dan", "eng: ann bob dan")
	p, r := w.runAs("two")
	expect(t, p, "remove_member eng cid left", "adopt_member eng dan", "add_member eng bob")
	w.settled()
	return w, r
}

func TestARunIsUndoneAndStaysSo(t *testing.T) {
	t.Parallel()
	w, r := four(t)
	p, _ := w.minute(11).revert("three", r)
	expect(t, p, "remove_member eng bob", "release_member eng dan", "add_member eng cid")
	if got := w.in("eng") + ", ours: " + w.owned("eng"); got != "ann cid dan, ours: ann cid" {
		t.Errorf("in eng: %s", got)
	}
	want := []string{"reverted two: 3"}
	for _, minute := range []int{12, 20, 60} {
		p, _ := w.read("corp", minute, "users: ann bob cid dan", "eng: ann bob dan").runAs("next")
		expect(t, p, "remove_member eng cid left held reverted", "adopt_member eng dan held reverted", "add_member eng bob held reverted")
		if diff := cmp.Diff(want, w.holds()); diff != "" {
			t.Errorf("holds (-want +got):\n%s", diff)
		}
	}
	if h := w.hold(run.Reverted); len(h.Changes) != 3 || h.Changes[0].Op != run.AddMember || h.Detail != "run two was reverted" {
		t.Errorf("hold %+v", h)
	}
}

func TestWhatIsRevertedIsHeldUntilSomethingIsDecided(t *testing.T) {
	t.Parallel()
	same := []string{"users: ann bob cid dan", "eng: ann bob dan"}
	for _, c := range []struct {
		name  string
		steps func(*world)
		in    string
		left  string // of the hold
	}{
		{"time passes", func(w *world) { w.read("corp", 60*24*2, same...) }, "ann cid dan", "reverted two: 3"},
		{"the source is stale", func(w *world) { w.minute(60 * 24 * 30) }, "ann cid dan", "reverted two: 3"},
		{"a read is cut", func(w *world) { w.read("corp", 20, "users?: ann", "eng?: ann") }, "ann cid dan", "reverted two: 3"},
		{"a group is missing for the first time", func(w *world) { w.read("corp", 20, "users: ann bob cid dan") }, "ann cid dan", "reverted two: 3"},
		{"the members in Open WebUI are not read", func(w *world) {
			g := *w.group("eng")
			g.MembersRead = false
			w.mem.Mirror = plan.RestoreMirror(*w.mem.Mirror, w.mem.Mirror.Accounts(), []*plan.MirrorGroup{&g})
		}, "ann cid dan", "reverted two: 3"},
		{"the directory takes back all of it", func(w *world) { w.read("corp", 20, "users: ann bob cid dan", "eng: ann cid") }, "ann cid dan", ""},
		{"the restored member is wanted again", func(w *world) { w.read("corp", 20, "users: ann bob cid dan", "eng: ann bob cid dan") }, "ann cid dan", "reverted two: 2"},
		{"who had joined leaves", func(w *world) { w.read("corp", 20, "users: ann bob cid dan", "eng: ann dan") }, "ann cid dan", "reverted two: 2"},
		{"it is approved", func(w *world) {
			w.approve(w.hold(run.Reverted).Hash)
			w.read("corp", 20, same...)
		}, "ann bob dan", ""},
		{"a run of the person", func(w *world) {
			n, _ := w.mem.Mirror.Number("a-bob")
			w.lookUp("corp", 20, "bob", "eng").only = &plan.Only{Account: n}
		}, "ann cid dan", "reverted two: 3"},
		{"a run of the person who left", func(w *world) {
			n, _ := w.mem.Mirror.Number("a-cid")
			w.lookUp("corp", 20, "cid").only = &plan.Only{Account: n}
		}, "ann cid dan", "reverted two: 3"},
		{"a run of the person who has left by now", func(w *world) {
			n, _ := w.mem.Mirror.Number("a-bob")
			w.lookUp("corp", 20, "bob").only = &plan.Only{Account: n}
		}, "ann cid dan", "reverted two: 2"},
		{"the account is gone", func(w *world) { w.read("corp", 20, same...).without("bob") }, "ann cid dan", "reverted two: 2"},
		{"somebody lets them in by hand", func(w *world) { w.read("corp", 20, same...).byHand("eng", "ann", "bob", "cid", "dan") }, "ann bob cid dan", "reverted two: 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, r := four(t)
			w.minute(11).revert("three", r)
			c.steps(w)
			w.run()
			if got := w.in("eng"); got != c.in {
				t.Errorf("in eng: %s, want %s", got, c.in)
			}
			if got := strings.Join(w.holds(), ", "); got != c.left {
				t.Errorf("holds: %s, want %s", got, c.left)
			}
		})
	}
}

func TestAnApprovalOfARevertedChangeIsForOnce(t *testing.T) {
	t.Parallel()
	w, r := four(t)
	w.minute(11).revert("three", r)
	w.approve(w.hold(run.Reverted).Hash)
	_, again := w.minute(12).runAs("four")
	if len(w.mem.Holds) != 0 || slices.ContainsFunc(w.mem.Approvals, func(a run.Approval) bool { return len(a.Keys) > 0 }) {
		t.Fatalf("holds %v, approvals %v", w.holds(), w.mem.Approvals)
	}
	w.minute(13).revert("five", again)
	if got := w.in("eng"); got != "ann cid dan" {
		t.Errorf("in eng: %s", got)
	}
	p := w.minute(14).run()
	expect(t, p, "remove_member eng cid left held reverted", "adopt_member eng dan held reverted", "add_member eng bob held reverted")
}

func TestARevertIsReverted(t *testing.T) {
	t.Parallel()
	w, r := four(t)
	_, undone := w.minute(11).revert("three", r)
	w.minute(12).run()
	p, redone := w.minute(13).revert("four", undone)
	expect(t, p, "remove_member eng cid", "adopt_member eng dan", "add_member eng bob")
	if got := w.in("eng") + ", ours: " + w.owned("eng"); got != "ann bob dan, ours: ann bob dan" {
		t.Errorf("in eng: %s", got)
	}
	w.minute(14).run()
	w.settled()
	if got := w.holds(); len(got) != 0 {
		t.Errorf("holds: %v", got)
	}
	// And once more, back to what was before.
	w.minute(15).revert("five", redone)
	expect(t, w.minute(16).run(), "remove_member eng cid left held reverted", "adopt_member eng dan held reverted", "add_member eng bob held reverted")
	if got := w.in("eng") + ", ours: " + w.owned("eng"); got != "ann cid dan, ours: ann cid" {
		t.Errorf("in eng: %s", got)
	}
}

func TestWhatSomebodyChangedSinceIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps func(*world)
		want  []string
		why   string
	}{
		{"the group is gone", func(w *world) { w.mem.ForgetGroup(w.group("eng").ID) },
			[]string{"remove_member eng bob failed", "release_member eng dan failed", "add_member eng cid failed"}, "the group was deleted in Open WebUI since then"},
		{"the accounts are gone", func(w *world) { w.without("bob", "cid") },
			[]string{"remove_member eng bob failed", "release_member eng dan", "add_member eng cid failed"}, "the account was deleted"},
		{"somebody took them out", func(w *world) { w.byHand("eng", "ann") },
			[]string{"remove_member eng bob failed", "release_member eng dan failed", "add_member eng cid"}, "they are no longer a member"},
		{"somebody put them back", func(w *world) { w.byHand("eng", "ann", "bob", "cid", "dan") },
			[]string{"remove_member eng bob", "release_member eng dan", "add_member eng cid failed"}, "they are a member again"},
		{"it is no longer ours", func(w *world) { delete(w.mem.Owned, w.group("eng").ID) },
			[]string{"remove_member eng bob failed", "release_member eng dan failed", "add_member eng cid"}, "no longer ours"},
		{"nobody knows why they were members", func(w *world) { w.mem.Tombstones = nil },
			[]string{"remove_member eng bob", "release_member eng dan", "add_member eng cid failed"}, "nobody knows any more through what they were a member; that is kept for 90 days"},
		{"only other ends are known", func(w *world) { w.mem.Tombstones[0].At = at(2) },
			[]string{"remove_member eng bob", "release_member eng dan", "add_member eng cid failed"}, "nobody knows"},
		{"the members are not read", func(w *world) {
			g := *w.group("eng")
			g.MembersRead = false
			w.mem.Mirror = plan.RestoreMirror(*w.mem.Mirror, w.mem.Mirror.Accounts(), []*plan.MirrorGroup{&g})
		}, []string{"remove_member eng bob failed", "release_member eng dan failed", "add_member eng cid failed"}, "could not be read"},
		{"the accounts are protected", func(w *world) { w.protect = []string{"BOB@example.org", "cid@example.org"} },
			[]string{"remove_member eng bob skipped protected", "release_member eng dan", "add_member eng cid"}, ""},
		{"the account is our own", func(w *world) { w.mem.Mirror.Self = "a-bob" },
			[]string{"remove_member eng bob skipped protected", "release_member eng dan", "add_member eng cid"}, ""},
		{"the accounts are ignored", func(w *world) { w.ignore = []string{"bob@example.org", "cid@example.org", "dan@example.org"} },
			[]string{"remove_member eng bob skipped", "release_member eng dan skipped", "add_member eng cid skipped"}, "ignore list"},
		{"it was undone already", func(w *world) { w.revert("three", w.report) },
			[]string{"remove_member eng bob skipped", "release_member eng dan skipped", "add_member eng cid skipped"}, "undone already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, r := four(t)
			w.report = r
			c.steps(w.minute(11))
			p, g := w.inverse(r)
			expect(t, p, c.want...)
			if got := errors(p); !strings.Contains(got, c.why) {
				t.Errorf("errors %q, want %q", got, c.why)
			}
			for _, h := range g.Holds {
				for _, ch := range h.Changes {
					if i := slices.IndexFunc(p.Changes, func(x plan.Change) bool { return x.User.ID == ch.User.ID }); p.Changes[i].Outcome == run.Failed {
						t.Errorf("%s of %s was not undone and is held", ch.Op, ch.User.ID)
					}
				}
			}
		})
	}
}

func TestOnlyWhatHappenedIsUndone(t *testing.T) {
	t.Parallel()
	w, r := four(t)
	for i := range r.Targets[1].Changes {
		r.Targets[1].Changes[i].Outcome = []run.Outcome{run.Failed, run.Held, run.Skipped}[i]
	}
	r.Targets[0].Changes = []run.Change{{Op: run.AddMember, Group: &run.GroupRef{ID: w.group("eng").ID}, User: &run.UserRef{ID: "a-bob"}, Outcome: run.Applied}}
	p, g := w.inverse(r)
	if len(p.Changes)+len(g.Holds) != 0 {
		t.Errorf("changes %v, holds %v", show(p), g.Holds)
	}
}

func TestAForgottenMembershipIsNotGivenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "*").accounts("ann", "bob")
	w.read("corp", 0, "users: ann bob", "eng: ann bob").run()
	w.byHand("eng", "ann")
	p, r := w.read("corp", 10, "users: ann bob", "eng: ann").runAs("two")
	expect(t, p, "release_member eng bob left")
	p, _ = w.inverse(r)
	expect(t, p)
}

func TestAMemberWhoWasNotOursIsGivenBackAsSuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "*", members("exact")).accounts("ann", "bob")
	w.read("corp", 0, "users: ann bob", "eng: ann").run()
	w.byHand("eng", "ann", "bob")
	w.run()
	w.approve(w.hold(run.Exact).Hash)
	p, r := w.minute(1).runAs("two")
	expect(t, p, "remove_member eng bob")
	p, undone := w.minute(2).revert("three", r)
	expect(t, p, "add_member eng bob")
	if got := w.in("eng") + ", ours: " + w.owned("eng"); got != "ann bob, ours: ann" {
		t.Errorf("in eng: %s", got)
	}
	expect(t, w.minute(3).run(), "remove_member eng bob held reverted")
	// The group takes nobody else, and the source cannot say so at the moment.
	expect(t, w.minute(60*24*30).run())
	if got := w.holds(); !slices.Equal(got, []string{"reverted two: 1"}) {
		t.Errorf("holds %v", got)
	}
	p, _ = w.inverse(undone)
	expect(t, p, "remove_member eng bob held exact")
}

func TestTheMembersOfAGroupThatWasMadeGoAndTheGroupStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "*").accounts("ann", "bob")
	_, r := w.read("corp", 0, "users: ann bob", "eng: ann bob").runAs("one")
	p, _ := w.minute(1).revert("two", r)
	expect(t, p, "remove_member eng ann", "remove_member eng bob", "delete_group eng skipped")
	if got := errors(p); !strings.Contains(got, "deletes no groups") {
		t.Errorf("errors %q", got)
	}
	if got := w.in("eng"); got != "" {
		t.Errorf("in eng: %s", got)
	}
	expect(t, w.minute(2).run(), "add_member eng ann held reverted", "add_member eng bob held reverted")
}

func TestValuesGoBackWhereTheyStillAreAsTheyWereSet(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) (*world, *run.Report) {
		w := newWorld(t, "corp").rule("r", "sales", describe("ours"), share("members"), grants(permission.Set{"chat.edit": true, "chat.share": true})).accounts("ann")
		w.byHand("sales", "ann")
		w.edit("sales", func(g *plan.Group) {
			g.Description, g.Share, g.Permissions = "by hand", "anyone", json.RawMessage(`{"chat":{"edit":false}}`)
		})
		w.read("corp", 0, "users: ann", "sales: ann")
		p, r := w.runAs("one")
		expect(t, p, "update_group sales", "set_permissions sales", "adopt_member sales ann")
		return w, r
	}
	t.Run("all of them", func(t *testing.T) {
		t.Parallel()
		w, r := start(t)
		p, undone := w.minute(1).revert("two", r)
		expect(t, p, "release_member sales ann", "update_group sales", "set_permissions sales", "set_permissions sales")
		g := w.group("sales")
		if g.Description != "by hand" || g.Share != "anyone" || w.permissions("sales")["chat.edit"] || w.permissions("sales")["chat.share"] {
			t.Errorf("now %+v", g.Group)
		}
		p = w.minute(2).run()
		expect(t, p, "update_group sales held reverted", "update_group sales held reverted", "set_permissions sales held reverted",
			"set_permissions sales held reverted", "adopt_member sales ann held reverted")
		if told(p, run.KindDrift, "") {
			t.Errorf("what we put back ourselves is told as drift: %v", texts(p))
		}
		if got := w.holds(); !slices.Equal(got, []string{"reverted one: 5"}) {
			t.Errorf("holds %v", got)
		}
		// Undone once more, the rule has its values again.
		w.minute(3).revert("three", undone)
		w.minute(4).run()
		if g := w.group("sales"); g.Description != "ours" || !w.permissions("sales")["chat.edit"] || len(w.mem.Holds) != 0 {
			t.Errorf("now %+v, holds %v", g.Group, w.holds())
		}
		w.settled()
	})
	t.Run("what was undone does not hold the rest back, and ends with the rule", func(t *testing.T) {
		t.Parallel()
		w, r := start(t)
		w.minute(1).revert("two", r)
		w.rules = nil
		w.rule("r", "sales", describe("another"), share("members"))
		expect(t, w.minute(2).run(), "update_group sales", "update_group sales held reverted", "adopt_member sales ann held reverted")
		if g := w.group("sales"); g.Description != "another" || g.Share != "anyone" {
			t.Errorf("now %+v", g.Group)
		}
		if got := w.holds(); !slices.Equal(got, []string{"reverted one: 2"}) {
			t.Errorf("holds %v", got)
		}
	})
	t.Run("not what somebody changed since", func(t *testing.T) {
		t.Parallel()
		w, r := start(t)
		w.edit("sales", func(g *plan.Group) { g.Description = "mine" })
		p, _ := w.minute(1).revert("two", r)
		expect(t, p, "release_member sales ann", "update_group sales failed", "update_group sales", "set_permissions sales", "set_permissions sales")
		if got := errors(p); got != "it is mine now: somebody changed it since then" {
			t.Errorf("errors %q", got)
		}
		if g := w.group("sales"); g.Description != "mine" || g.Share != "anyone" {
			t.Errorf("now %+v", g.Group)
		}
	})
	t.Run("not in a group that is gone, or none of ours", func(t *testing.T) {
		t.Parallel()
		w, r := start(t)
		for l := range w.mem.Links {
			delete(w.mem.Links, l)
		}
		p, _ := w.inverse(r)
		if got := errors(p); !strings.Contains(got, "no rule leads to the group any more") {
			t.Errorf("errors %q", got)
		}
		w.mem.ForgetGroup(w.group("sales").ID)
		p, _ = w.inverse(r)
		if got := errors(p); !strings.Contains(got, "the group was deleted") {
			t.Errorf("errors %q", got)
		}
	})
	t.Run("a name, unless another group has it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "*").accounts("ann")
		w.read("corp", 0, "users: ann", "g1=old: ann").run()
		p, r := w.read("corp", 10, "users: ann", "g1=new: ann").runAs("two")
		expect(t, p, "update_group old")
		p, _ = w.inverse(r)
		expect(t, p, "update_group new")
		w.byHand("old")
		p, _ = w.inverse(r)
		expect(t, p, "update_group new failed")
		if got := errors(p); got != "another group has that name now" {
			t.Errorf("errors %q", got)
		}
	})
}

func TestARevertPassesTheGuard(t *testing.T) {
	t.Parallel()
	people := crowd("p", 30)
	start := func(t *testing.T) (*world, *run.Report) {
		w := newWorld(t, "corp").rule("r", "*").accounts(people...)
		w.read("corp", 0, "users: "+words(people), "all: "+words(people[:10])).run()
		_, r := w.read("corp", 10, "users: "+words(people), "all: "+words(people)).runAs("two")
		return w, r
	}
	for _, c := range []struct {
		name  string
		set   func(*world)
		check run.Check
	}{
		{"people of a run", func(w *world) { w.limits.MaxPeople = plan.LimitPercent(50) }, run.MaxPeople},
		{"people of a day", func(w *world) { w.limits.MaxPeople24h = plan.LimitCount(19) }, run.MaxPeople24h},
		{"members of a group", func(w *world) { w.limits.MaxGroupLoss = plan.LimitPercent(50) }, run.MaxGroupLoss},
		{"emptied", func(w *world) {
			o := w.mem.Owned[w.group("all").ID]
			for _, n := range people[:10] {
				a, _ := w.mem.Mirror.Number("a-" + n)
				o.Set(a, nil)
			}
		}, run.Emptied},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, r := start(t)
			c.set(w)
			p, _ := w.minute(11).revert("three", r)
			if planned, held := outcomes(p); planned != 0 || held != 20 {
				t.Fatalf("%d planned, %d held", planned, held)
			}
			if got := w.holds(); len(got) != 1 || !strings.HasPrefix(got[0], string(c.check)) {
				t.Fatalf("holds %v", got)
			}
			// No other run plans these removals, and none ends their hold.
			for _, minute := range []int{12, 20} {
				w.read("corp", minute, "users: "+words(people), "all: "+words(people)).run()
				if h := w.hold(c.check); len(h.Keys) != 20 || h.Changes[0].Reverts != "two" {
					t.Fatalf("hold %+v", h)
				}
			}
			w.approve(w.hold(c.check).Hash)
			w.minute(21).run()
			if got := len(w.group("all").Numbers); got != 30 {
				t.Fatalf("%d members", got)
			}
			p, _ = w.minute(22).revert("four", r)
			if planned, held := outcomes(p); planned != 20 || held != 0 {
				t.Fatalf("%d planned, %d held", planned, held)
			}
			if got := w.holds(); !slices.Equal(got, []string{"reverted two: 20"}) {
				t.Errorf("holds %v", got)
			}
		})
	}
	t.Run("what is held of a revert goes with the membership", func(t *testing.T) {
		t.Parallel()
		w, r := start(t)
		w.limits.MaxPeople = plan.LimitCount(5)
		w.minute(11).revert("three", r)
		w.byHand("all", people[:12]...)
		w.read("corp", 20, "users: "+words(people), "all: "+words(people[:12])).run()
		if h := w.hold(run.MaxPeople); len(h.Keys) != 2 {
			t.Errorf("%d are held", len(h.Keys))
		}
	})
}

func TestARevertLeavesOtherHoldsAndSourcesAlone(t *testing.T) {
	t.Parallel()
	people := crowd("p", 20)
	w := newWorld(t, "corp", "hr").rule("r", "*", from("corp")).accounts(people...)
	w.read("hr", 0, "users: x1 x2 x3 x4 x5 x6").read("corp", 0, "users: "+words(people), "all: "+words(people[:19])).run()
	_, r := w.read("corp", 5, "users: "+words(people), "all: "+words(people)).runAs("two")
	w.limits.MaxPeople, w.limits.MaxSourceShrink = plan.LimitCount(5), plan.LimitPercent(30)
	w.read("hr", 10, "users: x1")
	w.read("corp", 10, "users: "+words(people), "all: "+words(people[6:])).run()
	before, scopes := slices.Clone(w.mem.Holds), len(w.mem.Scopes)
	if got := w.holds(); !slices.Equal(got, []string{"max_people: 6", "max_source_shrink hr: 0"}) {
		t.Fatalf("holds %v", got)
	}
	w.source("corp").Scope, w.source("corp").Read = "less of corp", true
	w.minute(11).revert("three", r)
	if diff := cmp.Diff(before, w.mem.Holds[:2]); diff != "" {
		t.Errorf("holds (-before +now):\n%s", diff)
	}
	if len(w.mem.Scopes) != scopes || w.mem.Scopes["corp"].Scope != "all of corp" {
		t.Errorf("scopes %v", w.mem.Scopes)
	}
	// What the directory's hold lists is not let through by undoing who had got it either.
	_, one := w.minute(12).runAs("four")
	one.Targets[1].Changes = append(one.Targets[1].Changes, run.Change{Op: run.AddMember, Outcome: run.Applied,
		Group: &run.GroupRef{ID: w.group("all").ID}, User: &run.UserRef{ID: "a-" + people[0]}})
	p, g := w.inverse(one)
	expect(t, p, "remove_member all "+people[0]+" held max_people")
	if len(g.Holds) != len(w.mem.Holds) {
		t.Errorf("%d holds, before %d", len(g.Holds), len(w.mem.Holds))
	}
}

func TestAHoldOfARevertGrowsByWhatIsUndoneLater(t *testing.T) {
	t.Parallel()
	w, _ := four(t)
	ch := func(user string) plan.Opposite {
		return plan.Opposite{Key: "add_member\x1fg\x1f" + user, Change: run.Change{Op: run.AddMember, User: &run.UserRef{ID: user}}}
	}
	if !w.mem.HoldReverted("two", []plan.Opposite{ch("b")}, at(1), time.Hour) || w.mem.HoldReverted("two", []plan.Opposite{ch("b")}, at(2), time.Hour) {
		t.Error("new is not told from known")
	}
	first := w.hold(run.Reverted)
	w.mem.HoldReverted("two", []plan.Opposite{ch("a"), ch("c")}, at(3), time.Hour)
	h := w.hold(run.Reverted)
	if len(h.Keys) != 3 || !slices.IsSorted(h.Keys) || h.Changes[0].User.ID != "a" || h.Changes[2].User.ID != "c" || h.Since != at(1) {
		t.Errorf("hold %+v", h)
	}
	if found, earlier := plan.FindHold(w.mem.Holds, first.Hash); found == nil || len(earlier.Keys) != 1 {
		t.Errorf("the earlier hash gives %v", earlier.Keys)
	}
}
