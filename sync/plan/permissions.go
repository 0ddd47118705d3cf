package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"groupsyncd/permission"
	"groupsyncd/sync/run"
)

// cuts reports whether setting a field takes a permission away.
func cuts(f run.Field) bool {
	return strings.HasPrefix(f.Name, permissionField) && f.From == true && f.To != true
}

// written gives the permissions that we last wrote to a group and what was there before us, as
// the links that lead there have it: first those of the want, which take what is written from
// now on.
func (c *computer) written(group string, first []LinkKey) Values {
	out := Values{Applied: map[string]json.RawMessage{}, Before: map[string]json.RawMessage{}}
	for _, key := range slices.Concat(first, c.linksTo(group)) {
		link := c.in.Memory.Links[key]
		for name, v := range link.Applied {
			if _, has := out.Applied[name]; has || link.GroupID != group || !strings.HasPrefix(name, permissionField) {
				continue
			}
			out.Applied[name] = v
			if before, known := link.Before[name]; known {
				out.Before[name] = before
			}
		}
	}
	return out
}

// keyed reports whether we wrote any permission to a group that is still ours. Most groups
// have none, and then nothing has to be looked at.
func (c *computer) keyed(group string) bool {
	if c.withKeys == nil {
		c.withKeys = map[string]bool{}
		for _, link := range c.in.Memory.Links {
			for name := range link.Applied {
				if strings.HasPrefix(name, permissionField) {
					c.withKeys[link.GroupID] = true
					break
				}
			}
		}
	}
	return c.withKeys[group]
}

// linksTo gives the links that lead to a group, in order.
func (c *computer) linksTo(group string) []LinkKey {
	if c.byGroup == nil {
		c.byGroup = map[string][]LinkKey{}
		for key, link := range c.in.Memory.Links {
			c.byGroup[link.GroupID] = append(c.byGroup[link.GroupID], key)
		}
		for _, keys := range c.byGroup {
			slices.SortFunc(keys, LinkKey.Compare)
		}
	}
	return c.byGroup[group]
}

// permissions plans the permissions of a group: those that its rules name, and those that they
// named before, which go back to what was before us.
func (c *computer) permissions(w *Want, at int, g *MirrorGroup) {
	if w.Permissions == nil && !c.keyed(g.ID) {
		return
	}
	last := c.written(g.ID, w.Links)
	have, others, err := permission.Flatten(g.Permissions)
	if err != nil {
		c.problem(run.KindNaming, fmt.Sprintf("the permissions of group %q cannot be read: %s", g.Name, err), "")
		c.doubtReverted(g.ID)
		c.unreadable[g.ID] = true
		return
	}
	fields := c.named(have, w.Permissions, last, fmt.Sprintf("group %q", g.Name))
	if w.Permissions != nil && len(have)+len(others)+len(fields) == 0 {
		// The server's own sign-in sync gives its defaults to a group with an empty tree.
		fields = append(fields, run.Field{Name: wholeTree, To: false})
	}
	back, restored := c.noLongerNamed(have, w.Permissions, last, g.ID)
	c.update(run.SetPermissions, at, g, slices.Concat(fields, back), restored)
}

// named gives the permissions that are named and not as they are wanted. One that somebody
// else changed is drift.
func (c *computer) named(have, wanted permission.Set, last Values, where string) []run.Field {
	var fields []run.Field
	for _, d := range permission.Diff(have, wanted) {
		if _, named := wanted[d.Key]; !named {
			continue
		}
		name := permissionField + d.Key
		var before any
		if from, known := have[d.Key]; known {
			before = from
		}
		fields = append(fields, run.Field{Name: name, From: before, To: wanted[d.Key]})
		if was, ok := last.Applied[name]; ok && !sameJSON(was, before) {
			c.plan.Summary.Drift++
			c.problem(run.KindDrift, fmt.Sprintf("%s of %s was changed in Open WebUI; it is set again", name, where),
				"take the key out of the permission set to keep what was set by hand")
		}
	}
	return fields
}

// noLongerNamed gives the permissions that we set, that no rule names any more and that nobody
// has changed since: they go back to what was before us. What somebody changed is theirs.
func (c *computer) noLongerNamed(have, wanted permission.Set, last Values, group string) (fields []run.Field, restored []string) {
	for _, name := range slices.Sorted(maps.Keys(last.Applied)) {
		key, permitted := strings.CutPrefix(name, permissionField)
		if _, named := wanted[key]; named || !permitted {
			continue
		}
		var now, before any
		if on, known := have[key]; known {
			now = on
		}
		if err := json.Unmarshal(last.Before[name], &before); err != nil {
			before = nil
		}
		if !sameJSON(last.Applied[name], now) || now == before || now == false && before == nil {
			c.plan.Forgotten = append(c.plan.Forgotten, ForgottenValue{GroupID: group, Field: name})
			continue
		}
		if before == nil && (group == "" || c.made(group)) {
			before = false // The tree that a new group gets names every permission.
		}
		fields = append(fields, run.Field{Name: name, From: now, To: before})
		restored = append(restored, name)
	}
	return fields, restored
}

// made reports whether we made a group, and so whether nothing was there before us.
func (c *computer) made(group string) bool {
	return slices.ContainsFunc(c.linksTo(group), func(l LinkKey) bool { return c.in.Memory.Links[l].Created })
}

// orphanPermissions puts back what rules set that are no longer configured, once nobody is in
// the group because of us any more: until then a person has to say that they may go.
func (c *computer) orphanPermissions() {
	c.keyed("")
	for _, id := range slices.Sorted(maps.Keys(c.withKeys)) {
		_, taken := c.taken[id]
		g, links := c.in.Memory.Mirror.Group(id), c.linksTo(id)
		if taken || g == nil || c.in.Memory.Owned[id] != nil || slices.ContainsFunc(links, func(l LinkKey) bool { return c.concerned(l.Rule) }) {
			continue
		}
		have, _, err := permission.Flatten(g.Permissions)
		if err != nil {
			continue
		}
		c.settledValues[id] = true
		back, restored := c.noLongerNamed(have, nil, c.written(id, nil), id)
		c.set(Change{Change: run.Change{Op: run.SetPermissions, Group: &run.GroupRef{ID: id, Name: g.Name}, Rule: links[0].Rule,
			Reason: "rule " + links[0].Rule + " is no longer configured"}, Link: links[0], Want: -1}, back, restored)
	}
}

// decided reports whether this plan has decided about the permissions of a group, or, without
// an id, about the default permissions.
func (c *computer) decided(group string) bool {
	if at, taken := c.taken[group]; taken {
		return !c.group[at].blocked && !c.unreadable[group]
	}
	return c.settledValues[group] || group != "" && !c.keyed(group)
}

// concerned reports whether a rule is in force for this target.
func (c *computer) concerned(rule string) bool {
	_, in := c.in.Desired.Access[rule]
	return in
}
