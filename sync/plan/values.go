package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"groupsyncd/permission"
	"groupsyncd/sync/run"
)

// create plans a group that does not exist, and reports whether members may be planned
// for it: not while a person has to decide about it first.
func (c *computer) create(at int) bool {
	if c.in.Only != nil && !c.anybody() {
		return false
	}
	w, r := &c.in.Desired.Wants[at], &c.group[at]
	if w.Create == CreateNever {
		c.problem(run.KindNaming, fmt.Sprintf("no group named %q exists in Open WebUI, and rule %q may not create it", w.Name, w.Rule()),
			"create the group by hand, or set `create: true`")
		return false
	}
	reason := "wanted by rule " + w.Rule()
	if r.again {
		reason = "deleted in Open WebUI by somebody; made again"
		c.lostGrants(w)
	}
	key := createKey(w.Links[0])
	ch := Change{
		Change: run.Change{Op: run.CreateGroup, Group: &run.GroupRef{Name: w.Name}, Rule: w.Rule(), Reason: reason, Hold: r.hold},
		Key:    key, Link: w.Links[0], Links: w.Links, Leaves: c.leaves(w), Want: at,
		Spec: GroupSpec{Name: w.Name, Description: w.Description, Share: w.Share, Permissions: w.Permissions, Mark: c.mark(w)},
	}
	c.place(at, &ch)
	c.plan.Changes = append(c.plan.Changes, ch)
	c.making[at] = r.hold == nil || c.approved[key]
	return c.making[at]
}

// leaves gives the group that a want without one is linked to, because another want holds
// that group now.
func (c *computer) leaves(w *Want) string {
	id, _, _ := c.stored(w)
	return id
}

func (c *computer) mark(w *Want) *Mark {
	l := w.Links[0]
	return &Mark{Instance: c.in.Memory.Instance, Rule: l.Rule, Source: l.Group.Source, Group: l.Group.ID, To: l.To, Serial: c.in.Memory.Serial + 1}
}

// values plans what the rules say about the group itself: name, description, share and
// permissions. A value that somebody changed by hand is drift: reported, and set again
// because the rule names it.
func (c *computer) values(at int) {
	if c.in.Only != nil {
		return
	}
	w, g := &c.in.Desired.Wants[at], c.in.Memory.Mirror.Group(c.group[at].id)
	link := c.in.Memory.Links[w.Links[0]]
	var fields []run.Field
	set := func(name string, from, to any) {
		fields = append(fields, run.Field{Name: name, From: from, To: to})
		if last, ok := link.Applied[name]; ok && !sameJSON(last, from) {
			c.plan.Summary.Drift++
			c.problem(run.KindDrift, fmt.Sprintf("%s of group %q was changed in Open WebUI; it is set again", name, g.Name),
				"take the value out of the rule to keep what was set by hand")
		}
	}
	if w.Name != "" && w.Name != g.Name && c.rename(at, g) {
		fields = append(fields, run.Field{Name: "name", From: g.Name, To: w.Name})
	}
	if w.Description != nil && *w.Description != g.Description {
		set("description", g.Description, *w.Description)
	}
	if w.Share != "" && w.Share != g.Share {
		set("share", g.Share, w.Share)
	}
	c.placed(at, g, set)
	restored := c.restore(w, g, link, &fields)
	c.update(run.UpdateGroup, at, g, fields, restored)
	c.permissions(w, at, g)
}

// restore puts back what was there before us where the rules name a value no longer
// and nobody has changed it since. It gives the names of those values.
func (c *computer) restore(w *Want, g *MirrorGroup, link GroupLink, fields *[]run.Field) []string {
	var names []string
	back := func(name, have string) {
		last, ours := link.Applied[name]
		before, known := textOf(link.Before[name])
		if !ours || !sameJSON(last, have) || !known || before == have {
			return
		}
		*fields = append(*fields, run.Field{Name: name, From: have, To: before})
		names = append(names, name)
	}
	if w.Description == nil {
		back("description", g.Description)
	}
	if w.Share == "" {
		back("share", g.Share)
	}
	c.displaced(w, g, link, back)
	return names
}

// textOf reads a stored text.
func textOf(stored json.RawMessage) (string, bool) {
	if len(stored) == 0 {
		return "", false
	}
	var text string
	err := json.Unmarshal(stored, &text)
	return text, err == nil
}

// update plans values of a group in one call. A value that a person undid is a change of
// its own, so that the others need not wait for it; so is a permission that goes, because
// the guard may hold it, and what it holds is told again by its key.
func (c *computer) update(op run.Op, at int, g *MirrorGroup, fields []run.Field, restored []string) {
	if len(fields) == 0 {
		return
	}
	w := &c.in.Desired.Wants[at]
	reason := "wanted by rule " + w.Rule()
	switch len(restored) {
	case 0:
	case len(fields):
		reason = "no rule names it any more; as it was before"
	default:
		reason += ", or as it was before where no rule names it any more"
	}
	c.set(Change{Change: run.Change{Op: op, Group: &run.GroupRef{ID: g.ID, Name: g.Name}, Rule: w.Rule(), Reason: reason}, Link: w.Links[0], Want: at}, fields, restored)
}

// set plans the fields of a change, whose group is nil for the default permissions.
func (c *computer) set(like Change, fields []run.Field, restored []string) {
	id := like.GroupID()
	add := func(fields ...run.Field) {
		ch := like
		ch.Fields, ch.Key, ch.Spec = fields, valueKey(ch.Op, id, fields...), specOf(fields)
		for _, f := range fields {
			if slices.Contains(restored, f.Name) {
				ch.Restored = append(ch.Restored, f.Name)
			}
		}
		c.plan.Changes = append(c.plan.Changes, ch)
	}
	var together []run.Field
	for _, f := range fields {
		if cuts(f) || c.isReverted(id, valueKey(like.Op, id, f)) {
			add(f)
			continue
		}
		together = append(together, f)
	}
	if len(together) > 0 {
		add(together...)
	}
}

// valueKey identifies a change of values across runs.
func valueKey(op run.Op, group string, fields ...run.Field) string {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fmt.Sprintf("%s=%v", fields[i].Name, fields[i].To)
	}
	slices.Sort(names)
	return changeKey(op, group, strings.Join(names, ","))
}

// permissionField is how the name of a field begins that is a permission; wholeTree is the
// field of a tree that has none yet and becomes an explicit no to everything.
const (
	permissionField = "permissions."
	wholeTree       = "permissions"
)

// specOf gives what a call has to write to set fields. An empty name or share cannot be
// written; a permission with nothing is taken out.
func specOf(fields []run.Field) GroupSpec {
	var spec GroupSpec
	for _, f := range fields {
		text, _ := f.To.(string)
		on, _ := f.To.(bool)
		switch key, permitted := strings.CutPrefix(f.Name, permissionField); {
		case permitted && f.To == nil:
			spec.Dropped = append(spec.Dropped, key)
		case permitted || f.Name == wholeTree:
			if spec.Permissions == nil {
				spec.Permissions = permission.Set{}
			}
			if permitted {
				spec.Permissions[key] = on
			}
		case f.Name == "name":
			spec.Name = text
		case f.Name == "description":
			spec.Description = &text
		case f.Name == "share":
			spec.Share = text
		case f.Name == parentField:
			spec.Parent = &text
		case f.Name == modelsField:
			spec.DefaultModels = modelsOf(text)
		}
	}
	spec.Data = dataOf(fields)
	return spec
}

// rename reports whether a group may take its new name: not while another group has it.
func (c *computer) rename(at int, g *MirrorGroup) bool {
	w := &c.in.Desired.Wants[at]
	for _, o := range c.in.Memory.Mirror.Groups() {
		if o.ID != g.ID && o.Name == w.Name {
			c.problem(run.KindNaming, fmt.Sprintf("group %q keeps its name: the new name %q is taken by another group", g.Name, w.Name),
				"rename or delete the other group in Open WebUI")
			return false
		}
	}
	for i := range c.in.Desired.Wants {
		if i != at && c.in.Desired.Wants[i].Name == w.Name && !c.group[i].blocked && c.alive(&c.in.Desired.Wants[i]) {
			c.problem(run.KindCollision, fmt.Sprintf("group %q keeps its name: other directory groups lead to %q too", g.Name, w.Name),
				"tell them apart with `to`, or unite them with `merge: true`")
			return false
		}
	}
	return true
}

// sameJSON reports whether a stored JSON value says the same as v.
func sameJSON(stored json.RawMessage, v any) bool {
	b, err := json.Marshal(v)
	return err == nil && string(b) == string(stored)
}
