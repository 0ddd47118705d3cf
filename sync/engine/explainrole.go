package engine

import (
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// RoleWhy says why an account has its role, and what the next run would make of it.
type RoleWhy struct {
	// State is ours, manual (not through groupsyncd), suspended (made pending because of the
	// directory), by_hand (made pending by somebody), held, unknown (waits for evidence) or
	// changing.
	State string `json:"state"`
	// Next is the role that the next run gives.
	Next string `json:"next,omitempty"`
	Why  []Why  `json:"why,omitempty"`
	Hold string `json:"hold,omitempty"`
}

// role explains the role of the account; nil: nothing of roles is ours.
func (x *explainer) role() *RoleWhy {
	if x.in.Accounts == nil {
		return nil
	}
	a := x.mem.Mirror.Account(x.account)
	entry, known := x.mem.Roles[a.ID]
	out := &RoleWhy{State: "manual"}
	id := plan.RoleGroup(a.Role)
	ours := x.mem.Owned[id] != nil && x.mem.Owned[id].Has(x.account)
	switch {
	case a.ByHand:
		out.State = "by_hand"
	case known && entry.Role == a.Role && entry.Suspends():
		out.State = "suspended"
		out.Why = append(out.Why, Why{Note: entry.Why + " in the directory since " + clock(entry.Since) + "; role before: " + entry.Before})
	case ours && x.p.Unknown[plan.RemovalKey(id, a.ID)]:
		out.State = "unknown"
	case ours || known && entry.Role == a.Role:
		out.State = "ours"
	}
	for i := range x.in.Desired.Wants {
		w := &x.in.Desired.Wants[i]
		for f := range w.Feeds {
			if w.Role == "" {
				break
			}
			if why, ok := x.feed(&w.Feeds[f]); ok {
				why.Note = join2("gives the role "+w.Role, why.Note)
				out.Why = append(out.Why, why)
			}
		}
	}
	for i := range x.p.Changes {
		c := &x.p.Changes[i]
		from, to := c.Roles()
		if c.User == nil || c.User.ID != a.ID || from == to {
			continue
		}
		out.Why = append(out.Why, Why{Rule: c.Rule, Note: c.Reason})
		switch {
		case c.Outcome == run.Held:
			out.State, out.Hold = "held", c.Hold.Detail
			if c.Hold.Check != run.LastAdmin {
				out.Hold += "; let it through with: groupsyncd approve " + c.Hold.Hash + " --reason TEXT"
			}
		case c.Outcome == run.Skipped && c.Hold != nil:
			out.Hold = c.Hold.Detail
		default:
			out.State, out.Next = "changing", to
		}
	}
	return out
}

func join2(a, b string) string {
	if b == "" {
		return a
	}
	return a + "; " + b
}
