package plan

import (
	"encoding/json"
	"slices"

	"groupsyncd/permission"
	"groupsyncd/sync/run"
)

// Refused stands, among the default permissions that we wrote, for one that the server did
// not take: it knows no such key. It is not tried again while the tree does not have it.
const Refused = "null"

// defaultPermissions plans the default permissions of the instance: the keys that are to be kept, and
// those that were kept before, which go back to what was before us.
func (c *computer) defaultPermissions() {
	last := c.in.Memory.Defaults
	if len(c.in.Defaults) == 0 && len(last.Applied) == 0 {
		c.settledValues[""] = true
		return
	}
	tree := c.in.Memory.Mirror.Defaults
	have, _, err := permission.Flatten(tree)
	if tree == nil || err != nil {
		if err != nil {
			c.problem(run.KindNaming, "the default permissions cannot be read: "+err.Error(), "")
		}
		c.doubtReverted("")
		return
	}
	c.settledValues[""] = true
	wanted := permission.Set{}
	for key, on := range c.in.Defaults {
		if _, known := have[key]; !known && !on {
			continue // What the tree does not have is allowed to nobody.
		}
		wanted[key] = on
	}
	for _, key := range wanted.Keys() {
		if _, known := have[key]; !known && string(last.Applied[permissionField+key]) == Refused {
			delete(wanted, key) // unknownKeys says so
		}
	}
	known := c.in.Memory.Defaults.without(Refused)
	fields := c.named(have, wanted, known, "the default permissions")
	back, restored := c.noLongerNamed(have, c.in.Defaults, last, "")
	c.set(Change{Change: run.Change{Op: run.SetPermissions, Reason: "the default permissions of the target"}, Want: -1}, slices.Concat(fields, back), restored)
}

// without gives values but for those that were written as a text.
func (v Values) without(text string) Values {
	out := Values{Applied: map[string]json.RawMessage{}, Before: v.Before}
	for name, value := range v.Applied {
		if string(value) != text {
			out.Applied[name] = value
		}
	}
	return out
}
