package site

import (
	"context"

	"groupsyncd/internal/fault"
	"groupsyncd/state"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// Chat is an Open WebUI in which nothing has changed since it was last looked at. Every
// other call is refused: nothing is written in such a run.
type Chat struct {
	engine.Target
	Groups []plan.Group
}

// GroupsOf lists the groups that the state knows, as the server would.
func GroupsOf(db *state.DB) ([]plan.Group, error) {
	m, err := db.Memory(Target)
	if err != nil {
		return nil, err
	}
	var groups []plan.Group
	for _, g := range m.Mirror.Groups() {
		next := g.Group
		next.MembersRead = false
		groups = append(groups, next)
	}
	return groups, nil
}

// Observe shows the groups as they were.
func (c *Chat) Observe(_ context.Context, m *plan.Mirror, _ plan.Look) (*plan.Observation, error) {
	groups := append([]plan.Group(nil), c.Groups...)
	for i := range groups {
		if !m.Unchanged(&groups[i]) {
			return nil, fault.Errorf(fault.Invalid, "observe", groups[i].ID, "the state does not vouch for the group")
		}
	}
	return &plan.Observation{Version: "0.12.4", Groups: groups, At: Began()}, nil
}

// BuiltInSync finds no problem.
func (c *Chat) BuiltInSync(context.Context) ([]run.Problem, error) { return nil, nil }

// Spent gives what such a run costs.
func (c *Chat) Spent() (requests, writes int) { return 3, 0 }
