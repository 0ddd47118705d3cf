package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"groupsyncd/permission"
	"groupsyncd/sync/run"
)

// Cut reports whether the change takes a permission or a grant away.
func (c *Change) Cut() bool {
	return c.Op == run.SetGrants && len(c.Grants.Remove) > 0 || c.Op == run.SetPermissions && slices.ContainsFunc(c.Fields, cuts)
}

// cuts judges how many people lose something by permissions and grants that go, in this run
// and within a day. Whoever keeps it through another of their groups, or as everybody, loses
// nothing; what other holds keep back goes on giving.
func (g *guard) cuts() {
	if len(g.cutting) == 0 || g.limits.MaxCuts.Off() {
		return
	}
	a := g.audience()
	people := map[string]bool{}
	var changes []int
	for _, i := range g.cutting {
		c := &g.p.Changes[i]
		if c.Outcome == run.Held {
			continue
		}
		c.Affected = a.affected(c)
		if len(c.Affected) == 0 {
			continue
		}
		changes = append(changes, i)
		for _, n := range c.Affected {
			people[g.in.Memory.Mirror.Account(n).ID] = true
		}
	}
	if len(changes) == 0 {
		return
	}
	now := len(people)
	for _, l := range g.in.Memory.Losses {
		if l.Cut && !l.Approved && g.in.Now.Sub(l.At) < window {
			people[l.Account] = true
		}
	}
	living := g.in.Memory.Mirror.Living()
	if !g.limits.MaxCuts.Exceeded(len(people), living) {
		return
	}
	detail := fmt.Sprintf("%d of %d people would lose permissions or grants > %s", now, living, g.limits.MaxCuts)
	if len(people) > now {
		detail = fmt.Sprintf("%d of %d people, with those of the last 24 hours, would lose permissions or grants > %s", len(people), living, g.limits.MaxCuts)
	}
	g.holdAll(changes, run.MaxCuts, "", detail)
	for _, i := range changes {
		g.p.Changes[i].Affected = nil
	}
}

// audience knows who has what once the cuts of a plan have happened.
type audience struct {
	m        *Mirror
	children map[string][]string
	sets     map[string]permission.Set
	defaults permission.Set
	// gone are the permissions that go, by their key and group; goneGrants the grants.
	gone       map[string]map[string]bool
	goneGrants map[ResourceKey]map[Grant]bool
	// keep are, per permission, the accounts that have it all the same.
	keep map[string]map[uint32]bool
	// keepGrants are those who have a resource all the same.
	keepGrants map[heldGrant]map[uint32]bool
}

// heldGrant is what a grant allows, whoever has it.
type heldGrant struct {
	ResourceKey
	permission string
}

func (g *guard) audience() *audience {
	m := g.in.Memory.Mirror
	a := &audience{m: m, children: m.children(), sets: map[string]permission.Set{}, gone: map[string]map[string]bool{},
		goneGrants: map[ResourceKey]map[Grant]bool{}, keep: map[string]map[uint32]bool{}, keepGrants: map[heldGrant]map[uint32]bool{}}
	for _, group := range m.Groups() {
		if set, _, err := permission.Flatten(group.Permissions); err == nil {
			a.sets[group.ID] = set
		}
	}
	if set, _, err := permission.Flatten(m.Defaults); err == nil {
		a.defaults = set
	}
	for i := range g.p.Changes {
		c := &g.p.Changes[i]
		if !c.Cut() || c.Outcome != run.Planned {
			continue
		}
		for _, f := range c.Fields {
			if key, permitted := strings.CutPrefix(f.Name, permissionField); permitted && cuts(f) {
				if a.gone[key] == nil {
					a.gone[key] = map[string]bool{}
				}
				a.gone[key][c.GroupID()] = true
			}
		}
		for _, grant := range c.Grants.Remove {
			if a.goneGrants[c.Resource] == nil {
				a.goneGrants[c.Resource] = map[Grant]bool{}
			}
			a.goneGrants[c.Resource][grant] = true
		}
	}
	return a
}

// affected gives who loses something by a change, sorted.
func (a *audience) affected(c *Change) []uint32 {
	lost := map[uint32]bool{}
	for _, f := range c.Fields {
		if key, permitted := strings.CutPrefix(f.Name, permissionField); permitted && cuts(f) {
			a.without(lost, key, c.GroupID())
		}
	}
	for _, grant := range c.Grants.Remove {
		a.withoutGrant(lost, c.Resource, grant)
	}
	return slices.Sorted(maps.Keys(lost))
}

// without adds whom a permission leaves that a group, or with an empty id the defaults, gives
// no more. Administrators may do everything anyway.
func (a *audience) without(lost map[uint32]bool, key, group string) {
	if group != "" && a.defaults[key] && !a.gone[key][""] {
		return
	}
	if a.keep[key] == nil {
		keep := map[uint32]bool{}
		for id, set := range a.sets {
			if set[key] && !a.gone[key][id] {
				a.everybody(keep, id)
			}
		}
		a.keep[key] = keep
	}
	had := map[uint32]bool{}
	if group != "" {
		a.everybody(had, group)
	} else {
		for n := range a.m.Accounts() {
			had[uint32(n)] = true
		}
	}
	for n := range had {
		if row := a.m.Account(n); row.Role != RoleAdmin && active(row) && !a.keep[key][n] {
			lost[n] = true
		}
	}
}

// withoutGrant adds whom a grant leaves that somebody has no more.
func (a *audience) withoutGrant(lost map[uint32]bool, key ResourceKey, grant Grant) {
	r := a.m.Resource(key)
	if r == nil {
		return
	}
	had, held := map[uint32]bool{}, heldGrant{key, grant.Permission}
	a.holders(had, grant)
	if a.keepGrants[held] == nil {
		keep := map[uint32]bool{}
		for _, g := range r.Grants {
			if g.Permission == grant.Permission && !a.goneGrants[key][g] {
				a.holders(keep, g)
			}
		}
		if owner, known := a.m.Number(r.Owner); known {
			keep[owner] = true
		}
		a.keepGrants[held] = keep
	}
	keep := a.keepGrants[held]
	for n := range had {
		row := a.m.Account(n)
		if active(row) && !keep[n] && (!grant.Public() || row.Role != RoleAdmin) {
			lost[n] = true
		}
	}
}

// holders adds whom a grant is for.
func (a *audience) holders(into map[uint32]bool, g Grant) {
	switch {
	case g.Public():
		for n := range a.m.Accounts() {
			into[uint32(n)] = true
		}
	case g.Kind == KindGroup:
		a.everybody(into, g.ID)
	default:
		if n, known := a.m.Number(g.ID); known {
			into[n] = true
		}
	}
}

// everybody adds who is in a group, or in one below it.
func (a *audience) everybody(into map[uint32]bool, group string) {
	for _, id := range below(a.children, group) {
		if g := a.m.Group(id); g != nil {
			for _, n := range g.Numbers {
				into[n] = true
			}
		}
	}
}

// active reports whether an account can use what it has.
func active(a *Account) bool { return !a.Deleted && a.Role != RolePending }
