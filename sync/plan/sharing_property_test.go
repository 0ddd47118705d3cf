package plan_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"pgregory.net/rapid"
)

var rights = []string{"chat.edit", "chat.share", "workspace.models"}

// anySet draws some permissions; nil and an empty set differ.
func anySet(t *rapid.T, label string) permission.Set {
	if rapid.Bool().Draw(t, label+" names no permissions") {
		return nil
	}
	set := permission.Set{}
	for _, key := range subset(t, label+" permissions", rights) {
		set[key] = rapid.Bool().Draw(t, key)
	}
	return set
}

// anyKeys gives a rule permissions and resources.
func anyKeys(t *rapid.T, s *specOf) {
	s.Permissions = anySet(t, "rule")
	for _, kind := range subset(t, "shares", []string{plan.Models, plan.Knowledge}) {
		pattern := rapid.SampledFrom([]string{"*", "a*", "b"})
		access := plan.Access{Read: rapid.SliceOfN(pattern, 0, 2).Draw(t, "read"), Write: rapid.SliceOfN(pattern, 0, 1).Draw(t, "write")}
		resourcesOf(kind, access)(s)
	}
}

// anyShared is what a hand does to resources, to their grants, to the trees of groups and to
// the default permissions.
func anyShared(t *rapid.T, w *world) {
	w.mem.Mirror.Defaults = anyTree(t)
	groups := w.mem.Mirror.Groups()
	for _, g := range groups {
		if rapid.IntRange(0, 3).Draw(t, "tree by hand") == 0 {
			next := g.Group
			next.Permissions, next.MembersRead = anyTree(t), false
			w.mem.ObserveGroup(&next)
		}
	}
	var all []plan.Resource
	for _, name := range subset(t, "there is", []string{"models a1", "models a2", "models b", "knowledge b"}) {
		kind, id, _ := strings.Cut(name, " ")
		key := plan.ResourceKey{Type: kind, ID: id}
		r := plan.Resource{ResourceKey: key, Name: "named " + key.ID}
		if have := w.mem.Mirror.Resource(key); have != nil {
			r = *have
			r.Grants = slices.DeleteFunc(slices.Clone(r.Grants), func(plan.Grant) bool { return rapid.IntRange(0, 3).Draw(t, "taken away by hand") == 0 })
		}
		for _, g := range groups {
			grant := plan.Grant{Kind: plan.KindGroup, ID: g.ID, Permission: rapid.SampledFrom([]string{plan.Read, plan.Write}).Draw(t, "may")}
			if rapid.IntRange(0, 3).Draw(t, "shared by hand") == 0 && !r.Has(grant) {
				r.Grants = append(r.Grants, grant)
			}
		}
		all = append(all, r)
	}
	w.everyType(all...)
}

func anyTree(t *rapid.T) json.RawMessage {
	return json.RawMessage(rapid.SampledFrom([]string{`null`, `{}`, `{"chat":{"edit":true}}`, `{"chat":{"edit":false,"x":"y"},"new":{"key":true}}`,
		`{"chat":{"edit":true,"share":true},"workspace":{"models":true}}`, `{"workspace":{"models":null},"odd":3}`}).Draw(t, "tree"))
}

// promiseOfSharing: what is taken away is there and ours, what is given is not there, and a
// change does one of both.
func promiseOfSharing(t *rapid.T, in *plan.Input, c *plan.Change) {
	if c.Op != run.SetGrants {
		return
	}
	r := in.Memory.Mirror.Resource(c.Resource)
	if r == nil || len(c.Grants.Add) > 0 == (len(c.Grants.Remove) > 0) || len(c.Fields) != len(c.Grants.Add)+len(c.Grants.Remove) || in.Only != nil {
		t.Fatalf("%+v", c.Change)
	}
	for _, g := range c.Grants.Remove {
		if !r.Has(g) || !in.Memory.OwnsGrant(c.Resource, g) {
			t.Fatalf("%v takes away %v, which is not there or not ours", c.Change, g)
		}
	}
	for _, g := range c.Grants.Add {
		if r.Has(g) || g.ID != "" && in.Memory.Mirror.Group(g.ID) == nil {
			t.Fatalf("%v gives %v, which is there, or whose group is not", c.Change, g)
		}
	}
}

// addsGoOn: whatever is held, grants that are given are not, unless a person undid them or
// their group may not be made.
func addsGoOn(t *rapid.T, p *plan.Plan) {
	for i := range p.Changes {
		c := &p.Changes[i]
		gives := c.Op == run.SetGrants && len(c.Grants.Add) > 0 || c.Op == run.SetPermissions && !c.Cut()
		if gives && c.Outcome == run.Held && c.Hold.Check != run.Reverted && c.Hold.Check != run.MaxNewGroups {
			t.Fatalf("%v is held by %s", c.Change, c.Hold.Check)
		}
	}
}

// TestOrderOfWhatIsThereMeansNothing: rules and resources in another order give the same plan.
func TestOrderOfWhatIsThereMeansNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		w := anyWorld(r, t, func(*world, *plan.Input, *plan.Plan, *plan.Guarded) {})
		anyShared(r, w)
		p, _ := w.plan()
		slices.Reverse(w.rules)
		all := w.resources()
		slices.Reverse(all)
		for i := range all {
			all[i].Grants = slices.Clone(all[i].Grants)
			slices.Reverse(all[i].Grants)
		}
		w.everyType(all...)
		if again, _ := w.plan(); again.Hash != p.Hash {
			r.Fatalf("in another order: %v, was %v", show(again), show(p))
		}
	})
}
