package plan_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"pgregory.net/rapid"
)

// decided puts a decision in force, as the engine does.
func (w *world) decided(d *plan.Decided) *plan.Decided {
	w.mem = d.Memory
	return d
}

func (w *world) release(what plan.Letting) *plan.Decided {
	what.Until = w.now.Add(24 * time.Hour)
	return w.decided(plan.Release(w.input(), what))
}

func (w *world) link(source, user, account string) *plan.Decided {
	link := plan.PersonLink{}
	if account != "" {
		link = plan.PersonLink{Account: "a-" + account, By: "manual", Since: w.now}
	}
	return w.decided(plan.SetLink(w.input(), userKey(source, user), link))
}

// takeOver makes the strangers of a group ours, all or those named.
func (w *world) takeOver(name string, names ...string) int {
	w.t.Helper()
	in := w.input()
	all := plan.FindStrangers(in)
	at := slices.IndexFunc(all, func(s plan.Strangers) bool { return s.Name == name })
	if at < 0 {
		w.t.Fatalf("no rule leads to %s", name)
	}
	var accounts []uint32
	for _, a := range all[at].Accounts {
		if len(names) == 0 || slices.Contains(names, strings.TrimPrefix(w.mem.Mirror.Account(a).ID, "a-")) {
			accounts = append(accounts, a)
		}
	}
	w.decided(plan.TakeOver(in, &all[at], accounts))
	return len(accounts)
}

// taken gives the removals of a plan that are not held, by their key.
func taken(p *plan.Plan) map[string]*plan.Change {
	out := map[string]*plan.Change{}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Loss() && c.Outcome == run.Planned {
			out[c.Key] = c
		}
	}
	return out
}

func TestReleaseKeepsWhatIsThereAndEndsItsHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		begin func(w *world)
		check run.Check
		what  func(w *world) plan.Letting
		// owned is who is still ours in All and in Ops.
		all, ops string
		links    int
	}{
		{"by the hash of the hold of a rule that is gone", func(w *world) { w.drop("ops") }, run.Unruled,
			func(w *world) plan.Letting { return plan.Letting{Keys: w.hold(run.Unruled).Keys} }, "ann bob cid", "", 1},
		{"by the rule that is gone", func(w *world) { w.drop("ops") }, run.Unruled,
			func(*world) plan.Letting { return plan.Letting{Rule: "ops"} }, "ann bob cid", "", 1},
		{"by the group", func(w *world) { w.drop("ops") }, run.Unruled,
			func(w *world) plan.Letting { return plan.Letting{Group: w.group("Ops").ID} }, "ann bob cid", "", 1},
		{"by the source that is gone", func(w *world) { w.sources = w.sources[:1] }, run.SourceRemoved,
			func(*world) plan.Letting { return plan.Letting{Source: "hr"} }, "ann bob", "ann bob", 0},
		{"the source and another group: nothing", func(w *world) { w.sources = w.sources[:1] }, run.SourceRemoved,
			func(w *world) plan.Letting { return plan.Letting{Source: "hr", Group: w.group("Ops").ID} }, "ann bob cid", "ann bob", 0},
		{"everybody of a group that was emptied", func(w *world) { w.read("corp", 10, "users: ann bob", "a: ann bob", "ops:") }, "",
			func(w *world) plan.Letting { return plan.Letting{Group: w.group("Ops").ID} }, "ann bob cid", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "corp", "hr").rule("all", "a", to("All")).rule("ops", "ops", to("Ops")).accounts("ann", "bob", "cid")
			w.read("corp", 0, "users: ann bob", "a: ann bob", "ops: ann bob").read("hr", 0, "users: cid ann", "a: cid ann").run()
			if got := w.in("All") + ", " + w.in("Ops"); got != "ann bob cid, ann bob" {
				t.Fatal(got)
			}
			old := slices.Clone(w.rules)
			c.begin(w)
			if len(w.rules) != len(old) {
				w.accepted = old
			}
			before := w.mem
			if c.check != "" {
				w.run()
				w.hold(c.check)
			}
			d := w.release(c.what(w))
			if w.mem == before {
				t.Error("a decision changed the memory in place")
			}
			if all, ops := w.owned("All"), w.owned("Ops"); all != c.all || ops != c.ops || d.Links != c.links {
				t.Errorf("ours: All %q, Ops %q, %d links ended; want %q, %q, %d", all, ops, d.Links, c.all, c.ops, c.links)
			}
			for range 3 {
				w.run()
			}
			if got := w.in("All") + ", " + w.in("Ops"); got != "ann bob cid, ann bob" {
				t.Errorf("members after it: %s", got)
			}
			if c.all != "ann bob cid" || c.ops != "ann bob" {
				if i := slices.IndexFunc(w.mem.Holds, func(h run.Hold) bool { return h.Check == c.check }); i >= 0 {
					t.Errorf("still held: %+v", w.mem.Holds[i])
				}
			}
		})
	}
}

// drop takes a rule out of the configuration.
func (w *world) drop(name string) {
	w.rules = slices.DeleteFunc(w.rules, func(s specOf) bool { return s.Name == name })
}

// TestReleaseOfASourceForgetsItsScope, so that it is a new source when it comes back.
func TestReleaseOfASourceForgetsItsScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp", "hr").rule("all", "a", to("All")).accounts("ann", "cid")
	w.read("corp", 0, "users: ann", "a: ann").read("hr", 0, "users: cid", "a: cid").run()
	w.sources = w.sources[:1]
	w.run()
	d := w.release(plan.Letting{Keys: w.hold(run.SourceRemoved).Keys})
	if _, known := w.mem.Scopes["hr"]; known || !d.Dirty.Scopes || d.Held != 1 || d.Memberships != 1 || d.Groups != 1 {
		t.Errorf("scopes %v, %+v", w.mem.Scopes, d)
	}
}

// TestReleaseOfOneOfTwoGrantsLeavesTheOther: a membership that somebody else grants stays
// ours through that, and follows it.
func TestReleaseOfOneOfTwoGrantsLeavesTheOther(t *testing.T) {
	t.Parallel()
	w := united(t)
	w.sources = w.sources[1:] // corp is gone; hr still names ann
	w.run()
	w.release(plan.Letting{Source: "corp"})
	if got := w.owned("All"); got != "ann" {
		t.Errorf("ours: %q, want ann", got)
	}
	w.read("hr", 10, "users: ann", "b:")
	expect(t, w.run(), "remove_member All ann left")
	if got := w.in("All"); got != "bob" {
		t.Errorf("members %q", got)
	}
}

// TestReleaseLeavesNothingToAWeakerReason: what only the released grant had kept is kept
// whole, although another grant of it has ended.
func TestReleaseLeavesNothingToAWeakerReason(t *testing.T) {
	t.Parallel()
	w := united(t)
	w.read("hr", 5, "users: ann", "b?:").run()
	w.sources = w.sources[1:]
	w.read("hr", 10, "users: ann", "b:").run()
	if got := w.in("All"); got != "ann bob" {
		t.Fatalf("members %q", got)
	}
	w.release(plan.Letting{Source: "corp"})
	expect(t, w.run())
	if got := w.in("All") + "; " + w.owned("All"); got != "ann bob; " {
		t.Errorf("members and ours: %q", got)
	}
}

// TestReleaseTakesItsChangesOffEveryList: the rest of a hold stays held, under a new hash,
// and the old hash lets the rest through and nothing that was released.
func TestReleaseTakesItsChangesOffEveryList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("by name", "*").accounts("ann", "bob", "cid")
	w.read("corp", 0, "users: ann bob cid", "eng: ann bob", "ops: cid").run()
	w.accepted, w.rules = w.rules, nil
	w.rule("other", "none")
	w.run()
	h := w.hold(run.Unruled)
	w.approve(h.Hash)
	d := w.release(plan.Letting{Group: w.group("eng").ID})
	next := w.hold(run.Unruled)
	if len(next.Keys) != 1 || len(next.Changes) != 1 || next.Hash == h.Hash || d.Held != 2 || !strings.Contains(next.Approve, next.Hash) || !strings.Contains(next.Release, next.Hash) {
		t.Errorf("hold after it: %+v; %d no longer held", next, d.Held)
	}
	if _, earlier := plan.FindHold(w.mem.Holds, h.Hash); !slices.Equal(earlier.Keys, next.Keys) {
		t.Errorf("the earlier hash lists %v", earlier.Keys)
	}
	if len(w.mem.Approvals) != 1 || !slices.Equal(w.mem.Approvals[0].Keys, next.Keys) || !d.Dirty.Approvals {
		t.Errorf("approvals %+v", w.mem.Approvals)
	}
	if len(h.Keys) != 3 {
		t.Error("the memory before it was changed")
	}
	expect(t, w.run(), "remove_member ops cid unruled")
	if got := w.in("eng"); got != "ann bob" {
		t.Errorf("members %q", got)
	}
}

func TestMembersOfAnExactGroupWhoWereReleasedDoNotComeBackIntoTheHold(t *testing.T) {
	t.Parallel()
	exact := func(t *testing.T) *world {
		w := newWorld(t, "corp").rule("r", "ops", to("Ops"), members("exact")).accounts("ann", "bob", "cid")
		w.byHand("Ops", "bob", "cid")
		w.read("corp", 0, "users: ann", "ops: ann").run()
		w.read("corp", 5, "users: ann", "ops: ann").run()
		if got := len(w.hold(run.Exact).Keys); got != 2 {
			t.Fatalf("%d held", got)
		}
		return w
	}
	t.Run("by the hold", func(t *testing.T) {
		t.Parallel()
		w := exact(t)
		w.release(plan.Letting{Keys: w.hold(run.Exact).Keys})
		for range 2 {
			expect(t, w.run())
		}
		if got := w.in("Ops"); got != "ann bob cid" || len(w.mem.Holds) != 0 {
			t.Errorf("members %q, holds %v", got, w.mem.Holds)
		}
		// The directory names one of them, and then no longer: that one goes as others do.
		w.read("corp", 10, "users: ann bob", "ops: ann bob").run()
		if w.mem.Stays(w.group("Ops").ID, "a-bob") {
			t.Error("bob is ours and still noted as one who stays")
		}
		w.read("corp", 20, "users: ann bob", "ops: ann")
		expect(t, w.run(), "remove_member Ops bob left")
		// Whoever comes later is held again.
		w.byHand("Ops", "ann", "bob", "cid")
		w.run()
		if got := w.hold(run.Exact).Keys; len(got) != 1 {
			t.Errorf("held %v", got)
		}
	})
	t.Run("by the group, which was let be exact before", func(t *testing.T) {
		t.Parallel()
		w := exact(t)
		for key, link := range w.mem.Links {
			link.Exact = true
			w.mem.Links[key] = link
		}
		w.mem.Holds = nil
		d := w.release(plan.Letting{Group: w.group("Ops").ID})
		if d.Memberships != 3 || d.Again != 1 {
			t.Errorf("%d memberships, %d again", d.Memberships, d.Again)
		}
		for m := range 3 {
			w.read("corp", 10+m, "users: ann", "ops: ann").run()
		}
		if got := w.in("Ops") + "; " + w.owned("Ops"); got != "ann bob cid; ann" {
			t.Errorf("members and ours: %s", got)
		}
	})
}

func TestReleaseEndsTheDoubtAboutMembersOfALostState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "ops", to("Ops")).accounts("ann", "bob", "cid")
	w.byHand("Ops", "ann", "bob", "cid")
	w.read("corp", 0, "users: ann", "ops: ann").run()
	id := w.group("Ops").ID
	w.mem.Lost = map[string][]uint32{id: {1, 2}, "elsewhere": {1}}
	w.release(plan.Letting{Source: "corp", Group: id})
	if len(w.mem.Lost[id]) != 2 {
		t.Error("doubts belong to no source")
	}
	w.release(plan.Letting{Keys: []string{plan.RemovalKey(id, "a-bob")}})
	if !slices.Equal(w.mem.Lost[id], []uint32{2}) {
		t.Errorf("in doubt: %v", w.mem.Lost)
	}
	d := w.release(plan.Letting{Group: id})
	if _, left := w.mem.Lost[id]; left || !slices.Equal(w.mem.Lost["elsewhere"], []uint32{1}) || !slices.Contains(d.Dirty.Lost, id) {
		t.Errorf("in doubt: %v, dirty %v", w.mem.Lost, d.Dirty.Lost)
	}
}

func TestOnlyHoldsThatListLossesTellHowToKeep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("by name", "*").accounts("ann")
	w.limits.MaxNewGroups = plan.LimitCount(0)
	w.read("corp", 0, "users: ann", "ops: ann").run()
	if h := w.hold(run.MaxNewGroups); h.Release != "" {
		t.Errorf("a hold on new groups offers %q", h.Release)
	}
}

// TestLinksByHandTakeNothingAway, neither from who is tied nor from the account.
func TestLinksByHandTakeNothingAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		mail     string
		do       func(w *world) *plan.Decided
		eng, ops string
		kept     int
	}{
		{"tied to the same account", "", func(w *world) *plan.Decided { return w.link("corp", "ann", "ann") }, "ann bob; ann bob", "; ", 0},
		{"untied, and found again by mail", "", func(w *world) *plan.Decided { return w.link("corp", "ann", "") }, "ann bob; ann bob", "; ", 0},
		{"the account goes to somebody else while who had it claims it", "", func(w *world) *plan.Decided {
			w.link("corp", "ann", "")
			return w.link("corp", "cid", "ann")
		}, "ann bob; ann bob", "ann; ann", 0},
		{"the account goes to somebody who is in other groups", "=new@example.org", func(w *world) *plan.Decided {
			w.link("corp", "ann", "")
			return w.link("corp", "cid", "ann")
		}, "ann bob; bob", "ann; ann", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "corp").rule("by name", "*").accounts("ann", "bob")
			w.read("corp", 0, "users: ann bob cid", "eng: ann bob", "ops: cid").run()
			shows := []string{"users: ann" + c.mail + " bob cid", "eng: ann bob", "ops: cid"}
			w.read("corp", 5, shows...).run()
			if d := c.do(w); d.Memberships != c.kept {
				t.Errorf("%d kept, want %d", d.Memberships, c.kept)
			}
			for m := range 3 {
				w.read("corp", 10+m, shows...).run()
			}
			if got := w.in("eng") + "; " + w.owned("eng"); got != c.eng {
				t.Errorf("eng %q, want %q", got, c.eng)
			}
			if got := w.in("ops") + "; " + w.owned("ops"); got != c.ops {
				t.Errorf("ops %q, want %q", got, c.ops)
			}
		})
	}
}

// TestALinkByHandIsNeverGuessedAgain, whatever mails say later.
func TestALinkByHandIsNeverGuessedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("by name", "*").accounts("ann", "other")
	w.read("corp", 0, "users: ann", "eng: ann").run()
	w.link("corp", "ann", "other")
	for m := range 3 {
		w.read("corp", 10+m, "users: ann", "eng: ann").run()
	}
	if got := w.mem.People.Link(userKey("corp", "ann")); got.Account != "a-other" || got.By != "manual" {
		t.Errorf("link %+v", got)
	}
	if got := w.in("eng"); got != "ann other" {
		t.Errorf("members %q: what the first account was given stays", got)
	}
}

func TestMatchSaysWhyPeopleHaveNoAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp", "hr").accounts("ann", "twin1=twin@example.org", "twin2=twin@example.org", "pat")
	w.source("corp").Domains = []string{"example.org"}
	w.read("corp", 0, "users: ann new=new@example.org away=x@elsewhere.org none= two=twin@example.org p1=pat@example.org p2=pat@example.org same1=s@example.org same2=s@example.org -off=off@example.org")
	w.run()
	got := map[string]string{}
	for _, m := range plan.Match(w.input()) {
		u := w.sources[m.Source].Replica.Users()[m.User]
		got[u.ID] = m.State + ": " + m.Why
		if m.State == plan.StateLinked {
			got[u.ID] = m.State + " " + m.Link.By + " " + m.Account.ID
		}
	}
	for id, want := range map[string]string{
		"ann": "linked email a-ann", "new": "pending: no account", "away": "unmatched: the mail address x@elsewhere.org is not in email_domains",
		"none": "unmatched: no mail address", "two": "unmatched: 2 accounts have the mail address twin@example.org",
		"p1": "conflict: another person of the same source has it, or claims it too", "p2": "conflict: another person",
		"off": "none: disabled", "same1": "unmatched: somebody else of source corp has the mail address s@example.org too",
	} {
		if !strings.HasPrefix(got[id], want) {
			t.Errorf("%s: %q, want %q", id, got[id], want)
		}
	}
}

func TestTakeoverWaitsForProofThatNoDirectoryNamesThem(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) *world {
		w := newWorld(t, "corp", "hr").rule("r", "ops", to("Ops")).accounts("ann", "bob", "cid", "dan")
		w.byHand("Ops", "bob", "cid", "dan")
		w.protect = []string{"dan@example.org"}
		w.read("corp", 0, "users: ann bob", "ops: ann").read("hr", 0, "users: ann", "ops:").run()
		if got := w.in("Ops"); got != "ann bob cid dan" {
			t.Fatal(got)
		}
		return w
	}
	for _, c := range []struct {
		name  string
		after func(w *world)
		want  []string
	}{
		{"nothing changed: an account of somebody, and one of nobody", func(*world) {}, []string{"remove_member Ops bob explicit", "remove_member Ops cid explicit"}},
		{"a source that could name them is too old", func(w *world) { w.read("corp", 60*49, "users: ann bob", "ops: ann") }, nil},
		{"the members of one group were not read", func(w *world) {
			w.read("hr", 10, "users: ann", "more?:", "ops:")
			w.rules[0].Match.Names = []string{"ops", "more"}
		}, nil},
		{"somebody named here cannot be matched", func(w *world) { w.read("hr", 10, "users: ann nobody=", "ops: nobody") }, nil},
		{"the directory names one of them", func(w *world) { w.read("hr", 10, "users: ann cid", "ops: cid") }, []string{"remove_member Ops bob explicit"}},
		{"the rule is gone", func(w *world) { w.accepted, w.rules = w.rules, nil }, []string{"remove_member Ops ann unruled held unruled", "remove_member Ops bob unruled held unruled", "remove_member Ops cid unruled held unruled"}},
		{"no rule leads to the group any more", func(w *world) { w.rules[0].Match.Names = []string{"other"} }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			if n := w.takeOver("Ops"); n != 2 {
				t.Fatalf("%d taken over", n)
			}
			c.after(w)
			expect(t, w.run(), c.want...)
			if c.name == "the directory names one of them" {
				if got := w.owned("Ops"); got != "ann cid" {
					t.Errorf("ours: %q", got)
				}
				w.read("hr", 20, "users: ann cid", "ops:")
				expect(t, w.run(), "remove_member Ops cid left")
			}
		})
	}
}

func TestTakenOverMembersPassTheGuard(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		limit func(w *world)
		check run.Check
	}{
		{"max_people", func(w *world) { w.limits.MaxPeople = plan.LimitCount(4) }, run.MaxPeople},
		{"a source that shrank", func(w *world) {
			w.limits.MaxSourceShrink = plan.LimitPercent(30)
			w.read("corp", 10, "users: ann", "ops: ann")
		}, run.MaxSourceShrink},
		{"a changed scope", func(w *world) { w.source("corp").Scope = "less" }, run.SourceChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "corp").rule("r", "ops", to("Ops")).accounts(folk...)
			w.byHand("Ops", folk[1:]...)
			w.read("corp", 0, "users: "+strings.Join(folk, " "), "ops: ann").run()
			w.takeOver("Ops")
			c.limit(w)
			w.run()
			if got := w.hold(c.check); w.in("Ops") != strings.Join(folk, " ") || len(got.Keys) == 0 {
				t.Errorf("members %q, hold %+v", w.in("Ops"), got)
			}
		})
	}
}

// anyLetting draws what to release.
func anyLetting(t *rapid.T, w *world) plan.Letting {
	var what plan.Letting
	if rapid.Bool().Draw(t, "by source") {
		what.Source = rapid.SampledFrom([]string{"corp", "hr"}).Draw(t, "source")
	}
	if rapid.Bool().Draw(t, "by rule") {
		what.Rule = rapid.SampledFrom([]string{"by name", "all", "united", "some", "exact", "gentle", "everybody"}).Draw(t, "rule")
	}
	if groups := w.mem.Mirror.Groups(); len(groups) > 0 && rapid.Bool().Draw(t, "by group") {
		what.Group = rapid.SampledFrom(groups).Draw(t, "group").ID
	}
	if len(w.mem.Holds) > 0 && rapid.Bool().Draw(t, "by hold") {
		what.Keys = rapid.SampledFrom(w.mem.Holds).Draw(t, "hold").Keys
	}
	return what
}

// TestNoDecisionTakesAnythingAwayByItself: after a release, or a link set or removed, no
// plan takes away what it would not have taken away without, and what is released is
// taken away by none. After a takeover whatever goes is one of those taken over.
func TestNoDecisionTakesAnythingAwayByItself(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		w := anyWorld(r, t, func(*world, *plan.Input, *plan.Plan, *plan.Guarded) {})
		if rapid.Bool().Draw(r, "a source is gone") {
			w.sources = w.sources[:1]
		}
		p, _ := w.plan()
		before := taken(p)
		all := map[string]bool{}
		for i := range p.Changes {
			all[p.Changes[i].Key] = p.Changes[i].Loss()
		}
		memory := w.mem
		copied := shuffled(w.mem.Owned)
		spared := func(*plan.Change) bool { return false }
		switch rapid.IntRange(0, 3).Draw(r, "decision") {
		case 0, 1:
			what := anyLetting(r, w)
			d := w.release(what)
			released := map[string]bool{}
			for id, o := range memory.Owned {
				for n := range memory.Mirror.Accounts() {
					if now := d.Memory.Owned[id]; o.Has(uint32(n)) && (now == nil || !now.Has(uint32(n))) {
						released[plan.RemovalKey(id, memory.Mirror.Account(uint32(n)).ID)] = true
					}
				}
			}
			maps.DeleteFunc(before, func(k string, _ *plan.Change) bool { return released[k] })
			maps.DeleteFunc(all, func(k string, _ bool) bool { return released[k] })
		case 2:
			user, account := rapid.SampledFrom(folk).Draw(r, "user"), ""
			old := w.mem.People.Link(userKey("corp", user)).Account
			if rapid.Bool().Draw(r, "set") {
				account = rapid.SampledFrom(folk).Draw(r, "account")
				if n, known := w.mem.Mirror.Number("a-" + account); !known || w.mem.Mirror.Account(n).Deleted {
					account = ""
				}
				for key, link := range w.mem.People.All() {
					if key.Source == "corp" && link.Account == "a-"+account {
						account = ""
					}
				}
			}
			w.link("corp", user, account)
			spared = func(c *plan.Change) bool {
				return c.Proof.Exact && c.User.ID != old && c.User.ID != "a-"+account
			}
		case 3:
			strangers := plan.FindStrangers(w.input())
			if len(strangers) == 0 {
				return
			}
			group := rapid.SampledFrom(strangers).Draw(r, "group")
			over := map[string]bool{}
			for _, n := range group.Accounts {
				over[plan.RemovalKey(group.GroupID, w.mem.Mirror.Account(n).ID)] = true
			}
			w.takeOver(group.Name)
			// Somebody taken over may go for a better reason, such as being disabled.
			spared = func(c *plan.Change) bool { return over[c.Key] }
		}
		if !maps.Equal(memory.Owned, copied) {
			r.Fatal("a decision changed the memory before it")
		}
		next, _ := w.plan()
		for key, c := range taken(next) {
			if !all[key] && !spared(c) {
				r.Fatalf("%s only because of the decision (%s); before: %v", c.Change.Reason, key, show(p))
			}
		}
	})
}
