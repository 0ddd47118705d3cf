package plan

import (
	"slices"

	"groupsyncd/sync/run"
)

// importing reports whether a listed change comes from a file and could still be made: only
// importing that file plans it. A group that would be made waits for as long as an approval is
// good: nobody loses anything when it is forgotten then.
func (g *guard) importing(h *run.Hold, i int) bool {
	if i >= len(h.Changes) || h.Changes[i].Imports == "" {
		return false
	}
	c := &h.Changes[i]
	group := g.in.Memory.Mirror.Group(c.GroupID())
	switch {
	case c.GroupID() == "":
		return g.in.Now.Sub(h.Since) < g.limits.ApprovalTTL
	case group == nil:
		return false
	case c.Op == run.RemoveMember && c.User != nil:
		n, known := g.in.Memory.Mirror.Number(c.User.ID)
		_, is := slices.BinarySearch(group.Numbers, n)
		return known && (is || !group.MembersRead)
	case c.Op == run.SetPermissions && len(c.Fields) == 1:
		return equal(value(group, c.Fields[0].Name), c.Fields[0].From)
	}
	return false
}
