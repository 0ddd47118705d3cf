package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"groupsyncd/internal/glob"
	"groupsyncd/sync/run"
)

// resources compares who shall use what is shared with what Open WebUI holds, for the types
// of which a complete list was read:
//
//	wanted   there   ours      what happens
//	yes      yes     yes       nothing
//	yes      yes     no        leave: somebody else's
//	yes      no      no        share
//	yes      no      yes       share again, reported as drift
//	no       yes     yes       take away, once a rule no longer names it, after the guard
//	no       yes     no        leave
//	no       no      yes       forget
//
// A rule that names it and leads nowhere now, because its directory group is missing, was
// not read or waits for something, takes nothing away.
func (c *computer) resources() {
	if len(c.in.Memory.Grants) == 0 && !slices.ContainsFunc(c.in.Desired.Wants, func(w Want) bool { return len(w.Resources) > 0 }) {
		return
	}
	s := sharing{c: c, matched: map[string][]bool{}, number: map[ResourceKey]int{}, byType: map[string][]*Resource{}}
	for _, r := range c.in.Memory.Mirror.Resources() {
		if s.managed(r.Type) {
			s.number[r.ResourceKey] = len(s.byType[r.Type])
			s.byType[r.Type] = append(s.byType[r.Type], r)
		}
	}
	s.want()
	for _, kind := range ResourceTypes() {
		for _, r := range s.byType[kind] {
			s.resource(r)
		}
	}
	s.gone()
}

// sharing carries the comparison of all grants.
type sharing struct {
	c      *computer
	byType map[string][]*Resource
	number map[ResourceKey]int
	// matched are the answers of patterns that were asked already, by number of resource.
	matched map[string][]bool
	wanted  map[ResourceKey][]wantedGrant
	// teams and owning are the teams that own what their managers own, by name and by rule.
	teams  map[string]*Team
	owning map[string]*TeamPart
}

// wantedGrant is a grant that a wanted group shall have; without an id the group is made by
// this plan.
type wantedGrant struct {
	id         string
	at         int
	permission string
}

func (s *sharing) managed(kind string) bool {
	return slices.Contains(ResourceTypes(), kind) && !s.c.in.Memory.Mirror.ResourcesAt[kind].IsZero()
}

// want lists what wanted groups shall have, by resource. Who may write may read: the server
// takes the one for nothing without the other.
func (s *sharing) want() {
	s.wanted = map[ResourceKey][]wantedGrant{}
	for at := range s.c.in.Desired.Wants {
		w, r := &s.c.in.Desired.Wants[at], &s.c.group[at]
		if r.blocked || r.id == "" && !s.c.making[at] {
			continue
		}
		for _, kind := range ResourceTypes() {
			a, named := w.Resources[kind]
			if !named || !s.managed(kind) {
				continue
			}
			read, write := s.match(kind, slices.Concat(a.Read, a.Write)), s.match(kind, a.Write)
			for n, res := range s.byType[kind] {
				if read[n] {
					s.wanted[res.ResourceKey] = append(s.wanted[res.ResourceKey], wantedGrant{r.id, at, Read})
				}
				if write[n] {
					s.wanted[res.ResourceKey] = append(s.wanted[res.ResourceKey], wantedGrant{r.id, at, Write})
				}
			}
		}
		s.owned(at)
	}
}

// match says which resources of a type patterns mean, by their ids or names.
func (s *sharing) match(kind string, patterns []string) []bool {
	key := kind + separator + strings.Join(patterns, separator)
	out, known := s.matched[key]
	if known {
		return out
	}
	globs := glob.CompileAny(patterns)
	out = make([]bool, len(s.byType[kind]))
	for n, r := range s.byType[kind] {
		out[n] = globs.Match(r.ID, r.Name)
	}
	s.matched[key] = out
	return out
}

// names reports whether a rule shares a resource in that way with the groups that it leads to.
func (s *sharing) names(rule string, key ResourceKey, permission string) bool {
	a := s.c.in.Desired.Access[rule][key.Type]
	patterns := a.Write
	if permission == Read {
		patterns = slices.Concat(a.Read, a.Write)
	}
	n, listed := s.number[key]
	return listed && (len(patterns) > 0 && s.match(key.Type, patterns)[n] || s.stays(rule, key, permission))
}

// rule gives the rule through which a wanted group has a grant.
func (s *sharing) rule(w *Want, key ResourceKey, permission string) string {
	for _, l := range w.Links {
		if s.names(l.Rule, key, permission) {
			return l.Rule
		}
	}
	return w.Rule()
}

// resource compares the grants of one resource.
func (s *sharing) resource(r *Resource) {
	c := s.c
	ours := c.in.Memory.Grants[r.ResourceKey]
	if len(ours)+len(s.wanted[r.ResourceKey]) == 0 {
		return
	}
	next := make([]OwnedGrant, 0, len(ours))
	named := map[Grant]bool{}
	adds := addsOf{at: map[string]int{}}
	at := make(map[Grant]int, len(ours))
	for n, o := range ours {
		at[o.Grant] = n
	}
	for _, want := range s.wanted[r.ResourceKey] {
		g := Grant{Kind: KindGroup, ID: want.id, Permission: want.permission}
		w := &c.in.Desired.Wants[want.at]
		if want.id == "" {
			s.add(&adds, r, g, want.at, w.Rule())
			continue
		}
		if named[g] {
			continue
		}
		named[g] = true
		n, is := at[g]
		if is {
			next = append(next, s.renewed(ours[n], w, r.ResourceKey))
		}
		if c.has(r, g) {
			continue
		}
		if is {
			c.plan.Summary.Drift++
			c.problem(run.KindDrift, fmt.Sprintf("group %q may no longer %s %s: somebody changed it in Open WebUI; it is shared again",
				c.groupName(want.id), g.Permission, r.text()), "take it out of the rule to keep what was set by hand")
		}
		s.add(&adds, r, g, want.at, s.rule(w, r.ResourceKey, g.Permission))
	}
	for _, o := range ours {
		if !named[o.Grant] && s.unnamed(r, o) {
			next = append(next, o)
		}
	}
	for _, a := range adds.order {
		s.change(r, a)
	}
	s.c.ledger(r.ResourceKey, ours, next)
}

// renewed is a grant of ours under a rule that gives it now.
func (s *sharing) renewed(o OwnedGrant, w *Want, key ResourceKey) OwnedGrant {
	if !slices.ContainsFunc(w.Links, func(l LinkKey) bool { return l.Rule == o.Rule }) || !s.names(o.Rule, key, o.Permission) {
		o.Rule = s.rule(w, key, o.Permission)
	}
	return o
}

// wantedAdd are grants that are added by one change.
type wantedAdd struct {
	key, rule string
	at        int // -1: of groups that are there
	grants    []Grant
	fields    []run.Field
}

// addsOf are those of one resource, at says where each is by its key.
type addsOf struct {
	order []wantedAdd
	at    map[string]int
}

// add puts a grant to others of the same rule; what a person undid, and what a group to be made
// gets, are changes of their own.
func (s *sharing) add(adds *addsOf, r *Resource, g Grant, at int, rule string) {
	key, name := rule, s.c.groupName(g.ID)
	switch {
	case g.ID == "":
		key, name = separator+s.c.in.Desired.Wants[at].Links[0].String(), s.c.in.Desired.Wants[at].Name
	case s.c.isReverted(scopeOf(r.ResourceKey), grantKey(r.ResourceKey, adding, g)):
		key, at = separator+g.text(), -1
	default:
		at = -1
	}
	n, known := adds.at[key]
	if !known {
		n = len(adds.order)
		adds.at[key] = n
		adds.order = append(adds.order, wantedAdd{key: key, rule: rule, at: at})
	}
	a := &adds.order[n]
	a.grants = append(a.grants, g)
	a.fields = append(a.fields, grantField(g, name, false, true))
}

// change plans grants that are added.
func (s *sharing) change(r *Resource, a wantedAdd) {
	ch := Change{Change: run.Change{Op: run.SetGrants, Resource: r.ref(), Rule: a.rule, Fields: a.fields, Reason: "wanted by rule " + a.rule},
		Want: -1, Resource: r.ResourceKey, Grants: GrantEdit{Add: a.grants}}
	who := ""
	if a.at >= 0 {
		w := &s.c.in.Desired.Wants[a.at]
		ch.Want, ch.Link, ch.Leaves, who = a.at, w.Links[0], s.c.leaves(w), w.Links[0].String()
	}
	ch.Key = addKey(r.ResourceKey, a.grants, who)
	s.c.plan.Changes = append(s.c.plan.Changes, ch)
}

// unnamed deals with a grant of ours that no wanted group has, and reports whether it stays ours.
func (s *sharing) unnamed(r *Resource, o OwnedGrant) bool {
	c := s.c
	key := grantKey(r.ResourceKey, removing, o.Grant)
	if o.Kind != KindGroup || c.in.Memory.Mirror.Group(o.ID) == nil {
		return true // The end of the group ends it.
	}
	why := "rule " + o.Rule + " no longer names it"
	switch {
	case !c.concerned(o.Rule):
		if c.stillIn(o.ID, o.Rule) {
			c.plan.Unknown[key] = true
			return true
		}
		why = "rule " + o.Rule + " is no longer configured"
	case s.names(o.Rule, r.ResourceKey, o.Permission) && !s.decided(o, r.ResourceKey):
		c.plan.Unknown[key] = true
		return true
	}
	if !c.has(r, o.Grant) {
		return false
	}
	c.cut(r.ResourceKey, o.Grant, o.Rule, why, false)
	return true
}

// decided reports whether all that a rule shares with a group is known, although its templates
// could mean anything: every directory group through which the rule led there leads there now.
func (s *sharing) decided(o OwnedGrant, key ResourceKey) bool {
	c := s.c
	at, taken := c.taken[o.ID]
	if !taken || c.group[at].blocked || s.stays(o.Rule, key, o.Permission) {
		return false
	}
	w := &c.in.Desired.Wants[at]
	known := false
	for _, l := range c.linksTo(o.ID) {
		if l.Rule != o.Rule {
			continue
		}
		if l.To != "" || !slices.Contains(w.Links, l) {
			return false
		}
		known = true
	}
	return known && !w.Unfilled
}

// stillIn reports whether anybody is in a group through a rule that is no longer configured, or
// in one that no rule leads to any more: whether they may stay is for a person to say.
func (c *computer) stillIn(group, rule string) bool {
	owned := c.in.Memory.Owned[group]
	if _, taken := c.taken[group]; owned == nil || !taken {
		return owned != nil
	}
	return slices.ContainsFunc(owned.Feeds, func(f OwnedFeed) bool { return f.Key.Rule == rule })
}

// cut plans that a grant is taken away, unless that is planned already. A foreign one is not
// ours: the report remembers that, so that it can be given back.
func (c *computer) cut(key ResourceKey, g Grant, rule, reason string, foreign bool) {
	r := c.in.Memory.Mirror.Resource(key)
	id := grantKey(key, removing, g)
	if r == nil || !c.has(r, g) || c.cutting[id] {
		return
	}
	c.cutting[id] = true
	c.plan.Changes = append(c.plan.Changes, Change{
		Change: run.Change{Op: run.SetGrants, Resource: r.ref(), Rule: rule, Fields: []run.Field{grantField(g, c.principal(g), true, false)}, Reason: reason, Foreign: foreign},
		Key:    id, Want: -1, Resource: key, Grants: GrantEdit{Remove: []Grant{g}},
	})
}

// has reports whether a resource has a grant. Resources are asked about one after the other,
// and some have a grant for each of thousands of groups.
func (c *computer) has(r *Resource, g Grant) bool {
	if c.granted.of != r {
		c.granted.of, c.granted.is = r, make(map[Grant]bool, len(r.Grants))
		for _, is := range r.Grants {
			c.granted.is[is] = true
		}
	}
	return c.granted.is[g]
}

func (c *computer) groupName(id string) string {
	if g := c.in.Memory.Mirror.Group(id); g != nil {
		return g.Name
	}
	return id
}

// principal names whom a grant is for.
func (c *computer) principal(g Grant) string { return principalName(c.in.Memory.Mirror, g) }

func principalName(m *Mirror, g Grant) string {
	if g.Kind == KindGroup {
		name := g.ID
		if group := m.Group(g.ID); group != nil {
			name = group.Name
		}
		return name
	}
	if n, known := m.Number(g.ID); known {
		return cmp.Or(m.Account(n).Email, g.ID)
	}
	return g.ID
}
