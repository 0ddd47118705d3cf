package plan_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// knowledge, models and so on give keys of resources.
func model(id string) plan.ResourceKey     { return plan.ResourceKey{Type: plan.Models, ID: id} }
func knowledge(id string) plan.ResourceKey { return plan.ResourceKey{Type: plan.Knowledge, ID: id} }

// everyType reads all types of resources, with these of them there and no others.
func (w *world) everyType(resources ...plan.Resource) *world {
	w.mem.Observe(&plan.Observation{Groups: w.groups(), At: w.now, Resources: resources, ResourceTypes: plan.ResourceTypes()})
	return w
}

// resources gives what is there, to be read again.
func (w *world) resources() []plan.Resource {
	var all []plan.Resource
	for _, r := range w.mem.Mirror.Resources() {
		all = append(all, *r)
	}
	return all
}

// there makes resources, which nobody shares: "models gpt-4".
func (w *world) there(names ...string) *world {
	all := w.resources()
	for _, n := range names {
		kind, id, _ := strings.Cut(n, " ")
		all = append(all, plan.Resource{ResourceKey: plan.ResourceKey{Type: kind, ID: id}, Name: "Name of " + id})
	}
	return w.everyType(all...)
}

// grant shares a resource by hand, or no longer.
func (w *world) grant(key plan.ResourceKey, on bool, grants ...plan.Grant) {
	all := w.resources()
	for i := range all {
		if all[i].ResourceKey == key {
			all[i].Grants = slices.DeleteFunc(slices.Clone(all[i].Grants), func(g plan.Grant) bool { return slices.Contains(grants, g) })
			if on {
				all[i].Grants = append(all[i].Grants, grants...)
			}
		}
	}
	w.everyType(all...)
}

// to gives a grant for a group.
func (w *world) may(permission, group string) plan.Grant {
	return plan.Grant{Kind: plan.KindGroup, ID: w.group(group).ID, Permission: permission}
}

// shares lists the grants of a resource as "read eng", with a star where they are ours.
func (w *world) shares(key plan.ResourceKey) string {
	r := w.mem.Mirror.Resource(key)
	if r == nil {
		return "no resource"
	}
	var all []string
	for _, g := range r.Grants {
		name := g.ID
		if group := w.mem.Mirror.Group(g.ID); group != nil {
			name = group.Name
		}
		if w.mem.OwnsGrant(key, g) {
			name += "*"
		}
		all = append(all, g.Permission+" "+name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// granted writes what a change of grants does.
func granted(c *run.Change) string {
	text := ""
	if c.Op == run.SetGrants {
		for _, f := range c.Fields {
			how := " +"
			if f.To == false {
				how = " -"
			}
			text += how + strings.ReplaceAll(f.Name, " group ", " ")
		}
	}
	return text
}

// shared lets changes of grants and of default permissions come true.
func (w *world) shared(c *plan.Change, id string) bool {
	m := w.mem
	switch {
	case c.Op == run.SetGrants:
		r := *m.Mirror.Resource(c.Resource)
		r.Grants = slices.DeleteFunc(slices.Clone(r.Grants), func(g plan.Grant) bool { return slices.Contains(c.Grants.Remove, g) })
		owned := c.Owned(w.now)
		for i, g := range c.Grants.Add {
			if g.ID == "" {
				g.ID = id
				c.Fields[i].Principal = "group:" + id
				owned[i].ID = id
			}
			if m.Mirror.Group(g.ID) == nil && g.Kind == plan.KindGroup {
				w.t.Fatalf("%v is for the group %q, which is not there", c.Change, g.ID)
			}
			r.Grants = append(r.Grants, g)
		}
		m.ObserveResource(&r, &plan.Dirty{})
		m.Own(c.Resource, owned, &plan.Dirty{})
		m.Disown(c.Resource, c.Grants.Remove, &plan.Dirty{})
	case c.Op == run.SetPermissions && c.Group == nil:
		m.Mirror.Defaults = w.tree(m.Mirror.Defaults, c)
		link := plan.Values{Applied: maps.Clone(m.Defaults.Applied), Before: maps.Clone(m.Defaults.Before)}
		if link.Applied == nil {
			link = plan.Values{Applied: map[string]json.RawMessage{}, Before: map[string]json.RawMessage{}}
		}
		for _, f := range c.Fields {
			if slices.Contains(c.Restored, f.Name) {
				delete(link.Applied, f.Name)
				delete(link.Before, f.Name)
				continue
			}
			if _, ours := link.Applied[f.Name]; !ours {
				link.Before[f.Name] = raw(w.t, f.From)
			}
			link.Applied[f.Name] = raw(w.t, f.To)
		}
		m.Defaults = link
	case c.Op == run.SetPermissions:
		w.cut(c)
		return false
	default:
		return false
	}
	w.cut(c)
	for i := range m.Approvals {
		m.Approvals[i].Keys = slices.DeleteFunc(slices.Clone(m.Approvals[i].Keys), func(k string) bool { return k == c.Key })
	}
	return true
}

func (w *world) cut(c *plan.Change) {
	for _, n := range c.Affected {
		w.mem.Losses = append(w.mem.Losses, plan.Loss{At: w.now, Account: w.mem.Mirror.Account(n).ID, Cut: true})
	}
}

// tree lays what a change writes over a tree, as Open WebUI's client does.
func (w *world) tree(have json.RawMessage, c *plan.Change) json.RawMessage {
	set, others, err := permission.Flatten(have)
	if err != nil {
		w.t.Fatal(err)
	}
	if c.Spec.Permissions != nil && len(set)+len(others) == 0 {
		return permission.Explicit(c.Spec.Permissions)
	}
	tree, err := permission.Merge(have, c.Spec.Permissions)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(c.Spec.Dropped) == 0 {
		return tree
	}
	var top map[string]map[string]any
	if err := json.Unmarshal(tree, &top); err != nil {
		w.t.Fatal(err)
	}
	for _, key := range c.Spec.Dropped {
		category, leaf, _ := strings.Cut(key, ".")
		delete(top[category], leaf)
	}
	return raw(w.t, top)
}

// book keeps what a plan says about grants and values without a call.
func (w *world) book(p *plan.Plan) {
	for _, r := range p.Grants {
		if w.mem.Grants[r.ResourceKey] = r.Grants; len(r.Grants) == 0 {
			delete(w.mem.Grants, r.ResourceKey)
		}
	}
	for _, f := range p.Forgotten {
		w.mem.ForgetValue(f.GroupID, f.Field, &plan.Dirty{})
	}
}

// resourcesOf gives rules resources.
func resourcesOf(kind string, a plan.Access) func(*specOf) {
	return func(s *specOf) {
		s.Resources = maps.Clone(s.Resources)
		if s.Resources == nil {
			s.Resources = map[string]plan.Access{}
		}
		s.Resources[kind] = a
	}
}

func reads(patterns ...string) plan.Access  { return plan.Access{Read: patterns} }
func writes(patterns ...string) plan.Access { return plan.Access{Write: patterns} }
