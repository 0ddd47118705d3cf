package plan

import (
	"fmt"
	"slices"
	"time"

	"groupsyncd/permission"
	"groupsyncd/sync/run"
)

// grants undoes what happened to the grants of a resource, each of them for itself.
func (v *inverse) grants(did *run.Change) {
	if did.Resource == nil {
		return
	}
	key := ResourceKey{Type: did.Resource.Type, ID: did.Resource.ID}
	for _, f := range did.Fields {
		g, known := GrantOf(f)
		if !known {
			continue
		}
		undo := removing
		if f.To == false {
			undo = adding
		}
		c := Change{Change: run.Change{Op: run.SetGrants, Resource: did.Resource, Rule: did.Rule, Foreign: did.Foreign, Reason: "undoes run " + v.in.Undo.Run,
			Fields: []run.Field{{Name: f.Name, From: f.To, To: f.From, Principal: f.Principal}}}, Key: grantKey(key, undo, g), Resource: key}
		back := *did
		back.Fields, back.Outcome, back.Hold, back.Error, back.Reverts = []run.Field{f}, run.Held, nil, "", ""
		if undo == removing {
			c.Grants.Remove = []Grant{g}
			c.Against = []Opposite{{Key: grantKey(key, adding, g), Change: back}}
		} else {
			c.Grants.Add = []Grant{g}
			c.Against = []Opposite{{Key: grantKey(key, removing, g), Change: back}}
		}
		v.grant(c, g)
	}
}

// grant judges one grant as it is now.
func (v *inverse) grant(c Change, g Grant) {
	m := v.in.Memory
	r, takes := m.Mirror.Resource(c.Resource), len(c.Grants.Remove) > 0
	done := v.undone[c.Against[0].Key]
	switch {
	case r == nil:
		v.refuse(c, "it was deleted in Open WebUI since then")
		return
	case g.Kind == KindGroup && m.Mirror.Group(g.ID) == nil:
		v.refuse(c, "the group was deleted in Open WebUI since then")
		return
	}
	c.Change.Resource = r.ref()
	switch is := r.Has(g); {
	case is != takes && done:
		v.skip(c, "undone already")
	case takes && !is:
		v.refuse(c, "it is no longer shared so: somebody took it away since then")
	case takes && !c.Foreign && !m.OwnsGrant(c.Resource, g):
		v.refuse(c, "the grant is no longer ours")
	case !takes && is:
		v.refuse(c, "it is shared so again: somebody did that since then")
	default:
		v.add(c)
	}
}

// defaults puts default permissions back where they still are as the run left them.
func (v *inverse) defaults(did *run.Change) {
	m := v.in.Memory
	have, _, err := permission.Flatten(m.Mirror.Defaults)
	var all Change
	for _, f := range did.Fields {
		back := run.Field{Name: f.Name, From: f.To, To: f.From == true}
		c := Change{Change: run.Change{Op: did.Op, Rule: did.Rule, Fields: []run.Field{back}, Reason: "undoes run " + v.in.Undo.Run},
			Key: valueKey(did.Op, "", back), Spec: specOf([]run.Field{back})}
		now := any(nil)
		if on, known := have[f.Name[min(len(permissionField), len(f.Name)):]]; known {
			now = on
		}
		switch key := valueKey(did.Op, "", f); {
		case err != nil || m.Mirror.Defaults == nil:
			v.refuse(c, "the default permissions could not be read")
		case !equal(now, f.To) && equal(now, back.To) && v.undone[key]:
			v.skip(c, "undone already")
		case !equal(now, f.To):
			v.refuse(c, fmt.Sprintf("it is %v now: somebody changed it since then", now))
		default:
			if all.Op == "" {
				all = c
				all.Fields = nil
			}
			all.Fields = append(all.Fields, back)
			all.Against = append(all.Against, Opposite{Key: key, Change: run.Change{Op: did.Op, Rule: did.Rule, Fields: []run.Field{f}, Outcome: run.Held}})
			if equalJSON(m.Defaults.Before[f.Name], back.To) {
				all.Restored = append(all.Restored, f.Name)
			}
		}
	}
	v.apart(all, "")
}

// apart adds the values of a change: permissions that go are changes of their own, as in
// every plan.
func (v *inverse) apart(all Change, group string) {
	var together []int
	part := func(fields ...int) {
		c := all
		c.Fields, c.Against, c.Restored = nil, nil, nil
		for _, i := range fields {
			c.Fields = append(c.Fields, all.Fields[i])
			c.Against = append(c.Against, all.Against[i])
			if slices.Contains(all.Restored, all.Fields[i].Name) {
				c.Restored = append(c.Restored, all.Fields[i].Name)
			}
		}
		c.Key, c.Spec = valueKey(c.Op, group, c.Fields...), specOf(c.Fields)
		v.add(c)
	}
	for i, f := range all.Fields {
		if cuts(f) {
			part(i)
			continue
		}
		together = append(together, i)
	}
	if len(together) > 0 {
		part(together...)
	}
}

// stillCut reports whether a held change of permissions or grants, which undoes a run, would
// still take away what it did: only reverting that run plans it.
func (g *guard) stillCut(c *run.Change) bool {
	m := g.in.Memory
	switch {
	case c.Op == run.SetGrants && c.Resource != nil && len(c.Fields) == 1 && c.Fields[0].To == false:
		key := ResourceKey{Type: c.Resource.Type, ID: c.Resource.ID}
		grant, known := GrantOf(c.Fields[0])
		r := m.Mirror.Resource(key)
		return known && r != nil && r.Has(grant) && (c.Foreign || m.OwnsGrant(key, grant))
	case c.Op == run.SetPermissions && len(c.Fields) == 1 && cuts(c.Fields[0]):
		tree := m.Mirror.Defaults
		if c.Group != nil {
			group := m.Mirror.Group(c.GroupID())
			if group == nil {
				return false
			}
			tree = group.Permissions
		}
		have, _, err := permission.Flatten(tree)
		return err == nil && have[c.Fields[0].Name[len(permissionField):]]
	}
	return false
}

// Owned gives the added grants of a change as they are recorded.
func (c *Change) Owned(now time.Time) []OwnedGrant {
	if c.Foreign {
		return nil
	}
	out := make([]OwnedGrant, len(c.Grants.Add))
	for i, g := range c.Grants.Add {
		out[i] = OwnedGrant{Grant: g, Since: now, Rule: c.Rule}
	}
	return out
}
