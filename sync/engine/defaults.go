package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// setDefaults makes the call that changes the default permissions. It names the keys of the
// changes and no others: what somebody set since they were read is not put back.
func (w *work) setDefaults(ctx context.Context, p *plan.Plan, b batch) error {
	mem := w.state.mem
	changes := pick(p, b)
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	var dirty plan.Dirty
	tree, err := permission.Merge(nil, joined(changes).Permissions)
	if err != nil {
		err = fault.New(fault.Conflict, "set default permissions", "target "+w.t.Name, err, "")
	}
	var after plan.Defaults
	if err == nil {
		after, err = w.api.SetDefaults(call, tree)
	}
	var have permission.Set
	if err == nil {
		if have, _, err = permission.Flatten(after); err != nil {
			err = fault.New(fault.Incomplete, "set default permissions", "target "+w.t.Name, err, "")
		}
	}
	if err == nil {
		mem.Mirror.Defaults, dirty.Head = after, true
		for _, c := range changes {
			w.recordDefaults(c, have, &dirty)
		}
	}
	w.outcome(ctx, slices.DeleteFunc(slices.Clone(changes), func(c *plan.Change) bool { return c.Outcome != run.Planned }), "", err)
	applied := slices.DeleteFunc(slices.Clone(changes), func(c *plan.Change) bool { return c.Outcome != run.Applied })
	for _, c := range applied {
		w.useApproval(c.Key, &dirty)
		w.loseCut(c, &dirty)
	}
	w.stayUndone(applied, err, &dirty)
	dirty.Events = append(dirty.Events, w.changeEvents("", changes)...)
	return cmp.Or(ours(w.done([]int{b.seq}, dirty)), err)
}

// recordDefaults notes what we wrote and what was there before us. A server drops keys that
// it does not know without a word: those are noted, so that they are not tried again.
func (w *work) recordDefaults(c *plan.Change, have permission.Set, dirty *plan.Dirty) {
	mem := w.state.mem
	link := plan.GroupLink{Applied: maps.Clone(mem.Defaults.Applied), Before: maps.Clone(mem.Defaults.Before)}
	var taken []run.Field
	for _, f := range c.Fields {
		key, _ := strings.CutPrefix(f.Name, "permissions.")
		if now, known := have[key]; known && now == (f.To == true) {
			taken = append(taken, f)
			continue
		}
		c.Outcome, c.Error = run.Failed, "Open WebUI accepted the call and did not set "+f.Name
		if _, known := have[key]; !known {
			if link.Applied == nil {
				link.Applied, link.Before = map[string]json.RawMessage{}, map[string]json.RawMessage{}
			}
			link.Applied[f.Name] = json.RawMessage(plan.Refused)
			c.Error = "Open WebUI knows no default permission " + key + ", and dropped it"
		}
	}
	for _, f := range taken {
		if string(link.Applied[f.Name]) == plan.Refused {
			delete(link.Applied, f.Name)
		}
	}
	apply(&link, taken, c.Restored)
	mem.Defaults = plan.Values{Applied: link.Applied, Before: link.Before}
	dirty.Head = true
}

// joined gives what one call has to write for several changes of one group, or of the default
// permissions.
func joined(changes []*plan.Change) plan.GroupSpec {
	spec := changes[0].Spec
	if len(changes) == 1 {
		return spec
	}
	spec.Permissions, spec.Dropped = maps.Clone(spec.Permissions), slices.Clone(spec.Dropped)
	for _, c := range changes[1:] {
		if spec.Permissions == nil && c.Spec.Permissions != nil {
			spec.Permissions = permission.Set{}
		}
		maps.Copy(spec.Permissions, c.Spec.Permissions)
		spec.Dropped = append(spec.Dropped, c.Spec.Dropped...)
	}
	return spec
}
