package plan

import (
	"slices"
	"strings"

	"groupsyncd/sync/run"
)

// revertedChange is a change that a person undid and that the check reverted holds: a
// member by the id of the account, or a value.
type revertedChange struct {
	key  string
	op   run.Op
	what string
}

// listReverted reads what the check reverted holds, by group.
func (c *computer) listReverted() {
	c.reverted, c.judged = map[string][]revertedChange{}, map[string]bool{}
	for i := range c.in.Memory.Holds {
		h := &c.in.Memory.Holds[i]
		if h.Check != run.Reverted {
			continue
		}
		for _, k := range h.Keys {
			if parts := strings.SplitN(k, separator, 3); len(parts) == 3 {
				c.reverted[parts[1]] = append(c.reverted[parts[1]], revertedChange{key: k, op: run.Op(parts[0]), what: parts[2]})
			}
		}
	}
}

func (c *computer) isReverted(group, key string) bool {
	return slices.ContainsFunc(c.reverted[group], func(r revertedChange) bool { return r.key == key })
}

// doubtReverted keeps everything in a group held of which this plan cannot tell whether
// the directory still asks for it.
func (c *computer) doubtReverted(group string) {
	for _, r := range c.reverted[group] {
		c.plan.Unknown[r.key] = true
	}
}

// keepReverted keeps members of a group held about whom this plan cannot tell: a source
// that cannot be read says neither that they are wanted nor that they are not. The wanted
// and unknown people are still painted.
func (c *computer) keepReverted(group string, w *Want) {
	c.judged[group] = true
	switch {
	case len(c.reverted[group]) == 0:
		return
	case w == nil:
		if c.leadsTo(group) {
			c.doubtReverted(group)
		}
		return
	}
	silent := func(a uint32) bool {
		return slices.ContainsFunc(w.Could, func(s int) bool { return c.silent(s, w.selected(s), a) })
	}
	for _, r := range c.reverted[group] {
		a, known := c.in.Memory.Mirror.Number(r.what)
		switch {
		case !r.member() || !known || c.in.Memory.Mirror.Account(a).Deleted:
		case c.hidden(a):
			c.plan.Unknown[r.key] = true
		case c.painted[a]&isWanted != 0:
		case silent(a), c.painted[a]&isUnknown != 0, len(c.people.contested[a]) > 0, c.unsettled && r.op == run.RemoveMember:
			c.plan.Unknown[r.key] = true
		}
	}
}

func (r *revertedChange) member() bool {
	return r.op == run.AddMember || r.op == run.RemoveMember || r.op == run.AdoptMember
}

// keepUnjudged keeps what is held in groups that this plan did not come to, and that a
// rule asks for all the same.
func (c *computer) keepUnjudged() {
	for group := range c.reverted {
		if !c.judged[group] && c.in.Memory.Mirror.Group(group) != nil && c.leadsTo(group) {
			c.doubtReverted(group)
		}
	}
}

// leadsTo reports whether a wanted group is linked to a group, whoever holds that now.
func (c *computer) leadsTo(group string) bool {
	return slices.ContainsFunc(c.in.Desired.Wants, func(w Want) bool {
		id, _, _ := c.stored(&w)
		return id == group
	})
}
