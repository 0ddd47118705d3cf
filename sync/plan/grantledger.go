package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"groupsyncd/sync/run"
)

// How the keys of changes of grants go on after the resource.
const (
	adding   = "+"
	removing = "-"
)

// scopeOf is what changes of a resource's grants have in common in their keys.
func scopeOf(key ResourceKey) string { return key.Type + "\x00" + key.ID }

// text writes a grant: whom it is for, and what they may do.
func (g Grant) text() string { return g.Kind + ":" + g.ID + ":" + g.Permission }

// grantKey identifies that one grant is added or taken away. What is taken away is a change
// for each grant, so that a hold lists it by a key that depends on nothing else.
func grantKey(key ResourceKey, how string, g Grant) string {
	return changeKey(run.SetGrants, scopeOf(key), how+g.text())
}

// addKey identifies that grants are added; who is the link of a group that does not exist yet.
func addKey(key ResourceKey, grants []Grant, who string) string {
	texts := make([]string, len(grants))
	for i, g := range grants {
		texts[i] = g.text()
	}
	slices.Sort(texts)
	what := adding + strings.Join(texts, ",")
	if who != "" {
		what += " " + who
	}
	return changeKey(run.SetGrants, scopeOf(key), what)
}

// grantField writes one grant as a field of a change: what it allows and for whom, whether it
// is there and whether it shall be.
func grantField(g Grant, name string, from, to bool) run.Field {
	f := run.Field{Name: g.Permission + " " + g.Kind + " " + name, From: from, To: to}
	switch {
	case g.Kind == KindAnyone:
		f.Name = g.Permission + " anyone"
	case g.Public():
		f.Name = g.Permission + " everybody"
	}
	if g.ID != "" {
		f.Principal = g.Kind + ":" + g.ID
	}
	return f
}

// GrantOf reads the grant that a field of a change is about; false: it is none, or its group
// did not exist yet.
func GrantOf(f run.Field) (Grant, bool) {
	kind, id, found := strings.Cut(f.Principal, ":")
	permission, _, _ := strings.Cut(f.Name, " ")
	return Grant{Kind: kind, ID: id, Permission: permission}, found && (permission == Read || permission == Write)
}

// ref names a resource for a report.
func (r *Resource) ref() *run.ResourceRef {
	return &run.ResourceRef{Type: r.Type, ID: r.ID, Name: r.Name}
}

// text names a resource in a sentence.
func (r *Resource) text() string {
	return strings.TrimSuffix(r.Type, "s") + " " + quotedName(r.Name, r.ID)
}

func quotedName(name, id string) string { return fmt.Sprintf("%q", firstOf(name, id)) }

// ledger notes which grants of a resource are ours, where a call does not change that.
func (c *computer) ledger(key ResourceKey, was, is []OwnedGrant) {
	slices.SortFunc(is, func(a, b OwnedGrant) int { return strings.Compare(a.text(), b.text()) })
	same := func(a, b OwnedGrant) bool { return a.Grant == b.Grant && a.Rule == b.Rule && a.Since.Equal(b.Since) }
	if slices.EqualFunc(was, is, same) {
		return
	}
	c.plan.Grants = append(c.plan.Grants, ResourceGrants{key, is})
}

// gone forgets what we shared of resources that are no longer in the list of their type.
func (s *sharing) gone() {
	for key, ours := range s.c.in.Memory.Grants {
		if s.managed(key.Type) && s.c.in.Memory.Mirror.Resource(key) == nil {
			s.c.ledger(key, ours, nil)
		}
	}
	slices.SortFunc(s.c.plan.Grants, func(a, b ResourceGrants) int { return strings.Compare(scopeOf(a.ResourceKey), scopeOf(b.ResourceKey)) })
}

// keepCuts keeps what a hold lists about permissions and grants of which this plan cannot tell
// whether the rules still ask for it.
func (c *computer) keepCuts() {
	for i := range c.in.Memory.Holds {
		h := &c.in.Memory.Holds[i]
		for _, k := range h.Keys {
			parts := strings.SplitN(k, separator, 3)
			if len(parts) < 3 {
				continue
			}
			switch {
			case run.Op(parts[0]) == run.SetPermissions && h.Check != run.Reverted:
				c.plan.Unknown[k] = !c.decided(parts[1]) && (parts[1] == "" || c.in.Memory.Mirror.Group(parts[1]) != nil)
			case run.Op(parts[0]) == run.SetGrants && h.Check == run.Reverted:
				what, _ := strings.CutPrefix(parts[2], adding+KindGroup+":")
				id, _, _ := strings.Cut(what, ":")
				_, taken := c.taken[id]
				c.plan.Unknown[k] = c.plan.Unknown[k] || !taken && c.in.Memory.Mirror.Group(id) != nil && c.leadsTo(id)
			}
		}
	}
	maps.DeleteFunc(c.plan.Unknown, func(_ string, unknown bool) bool { return !unknown })
}

// Own records that grants of a resource are ours.
func (m *Memory) Own(key ResourceKey, grants []OwnedGrant, dirty *Dirty) {
	is := slices.Clone(m.Grants[key])
	for _, g := range grants {
		is = slices.DeleteFunc(is, func(o OwnedGrant) bool { return o.Grant == g.Grant })
		is = append(is, g)
	}
	m.setGrants(key, is, dirty)
}

// Disown records that grants of a resource are not ours, or no longer.
func (m *Memory) Disown(key ResourceKey, grants []Grant, dirty *Dirty) {
	is := slices.DeleteFunc(slices.Clone(m.Grants[key]), func(o OwnedGrant) bool { return slices.Contains(grants, o.Grant) })
	m.setGrants(key, is, dirty)
}

func (m *Memory) setGrants(key ResourceKey, is []OwnedGrant, dirty *Dirty) {
	slices.SortFunc(is, func(a, b OwnedGrant) int { return strings.Compare(a.text(), b.text()) })
	if m.Grants[key] = is; len(is) == 0 {
		delete(m.Grants, key)
	}
	dirty.Grants = append(dirty.Grants, key)
}

// OwnsGrant reports whether a grant of a resource is ours.
func (m *Memory) OwnsGrant(key ResourceKey, g Grant) bool {
	return slices.ContainsFunc(m.Grants[key], func(o OwnedGrant) bool { return o.Grant == g })
}

// endGrants forgets what we shared with a group that is not there any more.
func (m *Memory) endGrants(group string, dirty *Dirty) {
	for key, ours := range m.Grants {
		var gone []Grant
		for _, o := range ours {
			if o.Kind == KindGroup && o.ID == group {
				gone = append(gone, o.Grant)
			}
		}
		if len(gone) > 0 {
			m.Disown(key, gone, dirty)
		}
	}
}
