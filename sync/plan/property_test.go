package plan_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	folk  = []string{"ann", "bob", "cid", "dan", "eve", "fay", "gus"}
	teams = []string{"eng", "ops", "sales"}
)

func subset(t *rapid.T, label string, names []string) []string {
	var some []string
	for _, n := range names {
		if rapid.Bool().Draw(t, label+" "+n) {
			some = append(some, n)
		}
	}
	return some
}

// crowdOf draws all, none or some of the names: much at once trips limits.
func crowdOf(t *rapid.T, label string, names []string) []string {
	switch rapid.IntRange(0, 4).Draw(t, "how many "+label) {
	case 0, 1:
		return names
	case 2:
		return nil
	}
	return subset(t, label, names)
}

// anyWorld draws a world with a past: sources, rules, reads whole and cut, hands in Open
// WebUI, accounts that come and go, rules that change, holds, approvals, small limits.
// Every run of that past is checked by all.
func anyWorld(t *rapid.T, tb testing.TB, check func(*world, *plan.Input, *plan.Plan, *plan.Guarded)) *world {
	w := newWorld(tb, "corp", "hr")
	few := func(label string) plan.Limit {
		return rapid.SampledFrom([]plan.Limit{plan.LimitOff(), plan.LimitCount(0), plan.LimitCount(2), plan.LimitPercent(30), plan.LimitBoth(3, 50)}).Draw(t, label)
	}
	w.limits.MaxPeople, w.limits.MaxPeople24h, w.limits.MaxGroupLoss = few("max people"), few("max people of a day"), few("max group loss")
	w.limits.MaxNewGroups = rapid.SampledFrom([]plan.Limit{plan.LimitOff(), plan.LimitOff(), plan.LimitCount(1)}).Draw(t, "max new groups")
	w.limits.MaxSourceShrink = few("max shrink")
	w.limits.MaxCuts = few("max cuts")
	w.limits.MaxDemotions, w.limits.MaxNewAdmins = few("max demotions"), few("max new admins")
	anyAccounts(t, w)
	anyRules(t, w)
	anyShared(t, w)
	w.accounts(crowdOf(t, "account", folk)...)
	minute := 0
	for range rapid.IntRange(1, 9).Draw(t, "steps") {
		minute += rapid.SampledFrom([]int{1, 10, 20, 60 * 30}).Draw(t, "wait")
		w.now, w.only = at(minute), nil
		anyStep(t, w, minute)
		in := w.input()
		p := plan.Compute(in)
		g := plan.Guard(p, in, w.limits)
		check(w, in, p, g)
		w.apply(p, g)
	}
	w.only = nil
	return w
}

func anyRules(t *rapid.T, w *world) {
	w.rules = nil
	forms := []func(){
		func() { w.rule("by name", "*") },
		func() { w.rule("all", "*", to("All"), from("corp")) },
		func() { w.rule("united", "s*", merge, to("x-{{ .Name }}")) },
		func() {
			w.rule("some", "e*", to("Some"), func(s *specOf) { s.Where = map[string][]string{"dept": {"a", "b", "c"}} })
		},
		func() { w.rule("exact", "ops", to("Exact"), members("exact")) },
		func() { w.rule("gentle", "ops", to("Gentle"), members("add-only")) },
		func() {
			w.rule("everybody", "", to("Everybody"), func(s *specOf) { s.Match.Names, s.Match.Everyone = nil, true })
		},
	}
	for i, f := range forms {
		if rapid.IntRange(0, 2).Draw(t, fmt.Sprint("rule ", i)) == 0 {
			f()
			anyKeys(t, &w.rules[len(w.rules)-1])
		}
	}
	w.defaults = anySet(t, "default")
	anyLines(t, w)
}

func anyStep(t *rapid.T, w *world, minute int) {
	switch rapid.IntRange(0, 13).Draw(t, "step") {
	case 12, 13:
		anyRoleByHand(t, w)
	case 10, 11:
		anyShared(t, w)
	case 0, 1, 2, 3:
		anyRead(t, w, "corp", minute)
	case 4:
		anyRead(t, w, "hr", minute)
	case 5:
		who := rapid.SampledFrom(folk).Draw(t, "who")
		w.lookUp("corp", minute, who, subset(t, "in", teams)...)
		w.only = &plan.Only{None: true}
		if n, ok := w.mem.Mirror.Number("a-" + who); ok {
			w.only = &plan.Only{Account: n}
		}
	case 6:
		if rapid.Bool().Draw(t, "deleted") {
			w.without(subset(t, "without", folk)...)
			return
		}
		groups := w.mem.Mirror.Groups()
		if len(groups) == 0 {
			w.byHand("eng")
			return
		}
		g := rapid.SampledFrom(groups).Draw(t, "group")
		if rapid.IntRange(0, 4).Draw(t, "gone") == 0 {
			w.mem.ForgetGroup(g.ID)
			return
		}
		var known []string
		for _, a := range w.mem.Mirror.Accounts() {
			if !a.Deleted {
				known = append(known, strings.TrimPrefix(a.ID, "a-"))
			}
		}
		w.byHand(g.Name, subset(t, "by hand", known)...)
	case 7:
		old := slices.Clone(w.rules)
		anyRules(t, w)
		w.accepted = append(old, w.accepted...)
		seen := map[string]bool{}
		w.accepted = slices.DeleteFunc(w.accepted, func(s specOf) bool {
			dup := seen[s.Hash()]
			seen[s.Hash()] = true
			return dup
		})
	case 9:
		// The state is found to have been lost: everybody in a group of ours is in doubt.
		for _, link := range w.mem.Links {
			if g := w.mem.Mirror.Group(link.GroupID); g != nil && g.MembersRead && len(g.Numbers) > 0 {
				w.mem.Lost[g.ID] = slices.Clone(g.Numbers)
			}
		}
		if rapid.Bool().Draw(t, "nothing is known") {
			clear(w.mem.Owned)
		}
	case 8:
		if len(w.mem.Holds) > 0 {
			w.approve(rapid.SampledFrom(w.mem.Holds).Draw(t, "approve").Hash)
		}
	}
}

func anyRead(t *rapid.T, w *world, id string, minute int) {
	shown := crowdOf(t, "shows", folk)
	var marked []string
	for _, u := range shown {
		if rapid.IntRange(0, 8).Draw(t, "disabled") == 0 {
			u = "-" + u
		}
		marked = append(marked, u)
	}
	list := rapid.SampledFrom([]string{"users", "users", "users", "users?"}).Draw(t, "list")
	lines := []string{list + ": " + strings.Join(marked, " ")}
	if rapid.IntRange(0, 6).Draw(t, "groups cut") == 0 {
		lines = append(lines, "groups?")
	}
	for _, g := range subset(t, "lists", teams) {
		name := g
		if rapid.IntRange(0, 5).Draw(t, "cut") == 0 {
			name += "?"
		}
		lines = append(lines, name+": "+strings.Join(crowdOf(t, "in "+g, shown), " "))
	}
	w.read(id, minute, lines...)
}

// TestPlansKeepTheirPromises checks every run of many pasts.
func TestPlansKeepTheirPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		anyWorld(r, t, func(w *world, in *plan.Input, p *plan.Plan, g *plan.Guarded) {
			for i := range p.Changes {
				promise(r, in, &p.Changes[i])
				promiseOfSharing(r, in, &p.Changes[i])
				promiseOfRoles(r, in, &p.Changes[i])
			}
			roleLimits(r, w, in, p)
			addsGoOn(r, p)
			limits(r, w, in, p)
			standing(r, in, p, g)
			again(r, w, in, p, g)
		})
	})
}

// promise: every change has an outcome, and what is taken away was ours, with a proof.
func promise(t *rapid.T, in *plan.Input, c *plan.Change) {
	switch c.Outcome {
	case run.Planned, run.Held, run.Skipped:
	default:
		t.Fatalf("%v has the outcome %q", c.Change, c.Outcome)
	}
	if (c.Outcome == run.Held) != (c.Hold != nil && c.Outcome != run.Skipped) || c.Outcome == run.Held && c.Hold.Hash == "" {
		t.Fatalf("%v is %s with the hold %+v", c.Change, c.Outcome, c.Hold)
	}
	if c.User != nil && in.Only != nil && (in.Only.None || c.Account != in.Only.Account) {
		t.Fatalf("a run of one person touches another: %v", c.Change)
	}
	if c.Op != run.RemoveMember && c.Op != run.ReleaseMember {
		return
	}
	if c.Approved && !slices.ContainsFunc(in.Memory.Approvals, func(a run.Approval) bool { return in.Now.Before(a.Until) && slices.Contains(a.Keys, c.Key) }) {
		t.Fatalf("%v goes through an approval that does not list it", c.Change)
	}
	owned := in.Memory.Owned[c.Group.ID]
	ours := owned != nil && owned.Has(c.Account)
	if slices.Contains(in.Memory.Lost[c.Group.ID], c.Account) && c.Op == run.RemoveMember && c.Outcome == run.Planned && !c.Approved {
		t.Fatalf("%v: in doubt since the state was lost, and not held", c.Change)
	}
	switch {
	case c.Proof.Lost:
		return
	case c.Proof.Exact && (ours || c.Outcome == run.Planned && !c.Approved):
		t.Fatalf("%v: exact, ours %v, approved %v", c.Change, ours, c.Approved)
	case !c.Proof.Exact && !ours:
		t.Fatalf("%v takes away what is not ours", c.Change)
	case !c.Proof.Exact && c.Proof.Word == "":
		t.Fatalf("%v has no proof", c.Change)
	case c.Op == run.RemoveMember && c.Proof.Word == "unruled" && c.Outcome == run.Planned && !c.Approved:
		t.Fatalf("%v was not held", c.Change)
	}
	if !c.Proof.Exact {
		shown(t, in, c)
	}
}

// shown: no fresh replica shows the membership through a grant that a rule in force still
// leads to this group, and every source that could grant it is fresh.
func shown(t *rapid.T, in *plan.Input, c *plan.Change) {
	if c.Want < 0 || in.Accounts != nil && c.Proof.Word == "explicit" && disabledByAll(in, c.User.ID) {
		return // What the deciding sources end is over for all of them.
	}
	want := in.Desired.Wants[c.Want]
	for _, s := range want.Could {
		src := in.Sources[s]
		if _, fresh := src.Replica.Fresh(nil, in.Now, src.MaxAge); !fresh {
			t.Fatalf("%v while %s is not fresh", c.Change, src.Name)
		}
	}
	for _, f := range want.Feeds {
		src := in.Sources[f.Source]
		for n, u := range src.Replica.Users() {
			link, ok := in.Memory.People.Get(userKey(src.ID, u.ID))
			if !ok || link.Account != c.User.ID || !src.Replica.Active(uint32(n)) || f.Where != nil && !f.Where(&u) {
				continue
			}
			in := f.Everyone
			if !in {
				row := src.Replica.Groups()[f.Group]
				_, member := slices.BinarySearch(row.Members, uint32(n))
				in = member && !row.Missing.Is()
			}
			if in {
				t.Fatalf("%v although %s shows %s through %+v", c.Change, src.Name, u.ID, f.Key)
			}
		}
	}
}

// limits: what goes without approval exceeds none of the limits.
func limits(t *rapid.T, w *world, in *plan.Input, p *plan.Plan) {
	now, day := map[string]bool{}, map[string]bool{}
	lost := map[string]int{}
	for _, l := range in.Memory.Losses {
		if !l.Approved && in.Now.Sub(l.At) < 24*60*60*1e9 {
			day[l.Account] = true
			lost[l.Group]++
		}
	}
	fresh := map[string]int{}
	for _, c := range p.Changes {
		if c.Op == run.RemoveMember && c.Outcome == run.Planned && !c.Approved {
			now[c.User.ID], day[c.User.ID] = true, true
			fresh[c.Group.ID]++
		}
	}
	if len(now) == 0 {
		return
	}
	owning := map[string]bool{}
	for _, o := range in.Memory.Owned {
		for n, a := range in.Memory.Mirror.Accounts() {
			if o.Has(uint32(n)) {
				owning[a.ID] = true
			}
		}
	}
	if len(now) >= 5 && w.limits.MaxPeople.Exceeded(len(now), len(owning)) {
		t.Fatalf("%d of %d people lose something, the limit is %v: %v", len(now), len(owning), w.limits.MaxPeople, show(p))
	}
	maps.Copy(owning, day)
	if len(day) >= 5 && w.limits.MaxPeople24h.Exceeded(len(day), len(owning)) {
		t.Fatalf("%d of %d people lose something within a day, the limit is %v: %v", len(day), len(owning), w.limits.MaxPeople24h, show(p))
	}
	for id, n := range fresh {
		had := in.Memory.Owned[id].Count() + lost[id]
		if had >= 10 && w.limits.MaxGroupLoss.Exceeded(n+lost[id], had) {
			t.Fatalf("group %s loses %d of %d", id, n+lost[id], had)
		}
		if had >= 3 && n+lost[id] == had {
			t.Fatalf("group %s is emptied of %d: %v", id, had, show(p))
		}
	}
}

// standing: what was held is still held, or let through, or settled by this very plan.
func standing(t *rapid.T, in *plan.Input, p *plan.Plan, g *plan.Guarded) {
	held := map[string]bool{}
	for _, h := range g.Holds {
		if len(h.Changes) != len(h.Keys) || !slices.IsSorted(h.Keys) || h.Hash == "" {
			t.Fatalf("hold %+v", h)
		}
		for _, k := range h.Keys {
			held[k] = true
		}
	}
	planned := map[string]*plan.Change{}
	for i := range p.Changes {
		planned[p.Changes[i].Key] = &p.Changes[i]
	}
	for _, h := range in.Memory.Holds {
		for _, k := range h.Keys {
			c := planned[k]
			switch {
			case held[k]:
			case p.Unknown[k]:
				t.Fatalf("%q is unknown and no longer held", k)
			case c == nil, c.Approved, c.Outcome == run.Skipped:
			case c.Op == run.RemoveMember || c.Cut():
				t.Fatalf("%v was held and goes on", c.Change)
			}
		}
	}
}

// again: equal inputs give equal plans, with maps filled in another order and without the
// short way for groups that are as they should be.
func again(t *rapid.T, w *world, in *plan.Input, p *plan.Plan, g *plan.Guarded) {
	other := *in
	memory := *in.Memory
	memory.People, memory.Links, memory.Owned, memory.Scopes = shuffledPeople(in.Memory.People), shuffled(in.Memory.Links), shuffled(in.Memory.Owned), shuffled(in.Memory.Scopes)
	memory.Grants, memory.Roles = shuffled(in.Memory.Grants), shuffled(in.Memory.Roles)
	other.Memory, other.Rules = &memory, shuffled(in.Rules)
	if in.Only == nil {
		other.Desired = closely(in.Desired)
	}
	compute := plan.Compute
	if in.Only != nil {
		compute = plan.ComputeClosely
	}
	p2 := compute(&other)
	g2 := plan.Guard(p2, &other, w.limits)
	a, b := written(t, p, g), written(t, p2, g2)
	if a != b || p.Hash != p2.Hash {
		t.Fatalf("equal inputs differ:\n%s", cmp.Diff(a, b))
	}
}

// written is everything of a plan as text. Keys of maps with structs are none of JSON's.
func written(t *rapid.T, p *plan.Plan, g *plan.Guarded) string {
	b, err := json.Marshal([]any{p, g})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func shuffledPeople(p *plan.PersonLinks) *plan.PersonLinks {
	out := &plan.PersonLinks{}
	for key, link := range shuffled(maps.Collect(p.All())) {
		out.Set(key, link)
	}
	return out
}

// closely gives every feed a condition that everybody meets: groups with conditions are
// looked at person by person.
func closely(d *plan.Desired) *plan.Desired {
	own := *d
	own.Wants = slices.Clone(d.Wants)
	for w := range own.Wants {
		want := &own.Wants[w]
		want.Feeds = slices.Clone(want.Feeds)
		for f := range want.Feeds {
			if want.Feeds[f].Where == nil {
				want.Feeds[f].Where = func(*replica.User) bool { return true }
			}
		}
	}
	return &own
}

func shuffled[K comparable, V any](m map[K]V) map[K]V {
	out := make(map[K]V, 2*len(m))
	maps.Copy(out, m)
	return out
}

func userKey(source, id string) directory.UserKey { return directory.UserKey{Source: source, ID: id} }

// TestPlanAfterApplyIsEmpty: once all that was planned has come true, a second look at the
// same knowledge finds nothing more than what is held, skipped or waits for another one's
// link.
func TestPlanAfterApplyIsEmpty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		w := anyWorld(r, t, func(*world, *plan.Input, *plan.Plan, *plan.Guarded) {})
		for range 3 {
			w.run()
		}
		p, _ := w.plan()
		for _, c := range p.Changes {
			if c.Outcome == run.Planned {
				r.Fatalf("after all is done there is more to do: %v; problems %v", show(p), texts(p))
			}
		}
		if len(p.Roles) != 0 {
			r.Fatalf("after all is done there is more to note about roles: %v", p.Roles)
		}
		if len(p.Grants)+len(p.Forgotten) != 0 {
			r.Fatalf("after all is done there is more to note: %v, %v", p.Grants, p.Forgotten)
		}
		if len(p.Provenance)+len(p.Links)+len(p.People.New)+len(p.People.Ended)+len(p.Clocks) != 0 {
			r.Fatalf("after all is done there is more to note: %v, %v, %v, %v", p.Provenance, p.Links, p.People, p.Clocks)
		}
	})
}

// TestHashTellsPlansApart: what a creation writes is part of the plan.
func TestHashTellsPlansApart(t *testing.T) {
	t.Parallel()
	hash := func(change func(*specOf)) string {
		w := newWorld(t, "corp").rule("r", "sales", change).accounts("ann")
		p, _ := w.read("corp", 0, "users: ann", "sales: ann").plan()
		return p.Hash
	}
	text := "about"
	base := hash(func(*specOf) {})
	for name, change := range map[string]func(*specOf){
		"permissions": func(s *specOf) { s.Permissions = map[string]bool{"chat.edit": true} },
		"share":       func(s *specOf) { s.Share = "anyone" },
		"description": func(s *specOf) { s.Description = &text },
	} {
		if hash(change) == base {
			t.Errorf("%s of a new group are not part of the hash", name)
		}
	}
	if base != hash(func(*specOf) {}) || !strings.HasPrefix(base, "sha256:") {
		t.Errorf("hash %s", base)
	}
}
