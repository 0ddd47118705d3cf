package main

import (
	"context"

	"groupsyncd/internal/fault"
	"groupsyncd/state"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
	"groupsyncd/test/bench/site"
)

// chat is an Open WebUI in which nothing has changed since it was last looked at. Every
// other call is refused: nothing is written in such a run.
type chat struct {
	engine.Target
	groups []plan.Group
}

// groupsOf lists the groups that the state knows, as the server would.
func groupsOf(db *state.DB) ([]plan.Group, error) {
	m, err := db.Memory(site.Target)
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

func (c *chat) Observe(_ context.Context, m *plan.Mirror, _ bool) (*plan.Observation, error) {
	groups := append([]plan.Group(nil), c.groups...)
	for i := range groups {
		if !m.Unchanged(&groups[i]) {
			return nil, fault.Errorf(fault.Invalid, "observe", groups[i].ID, "the state does not vouch for the group")
		}
	}
	return &plan.Observation{Version: "0.12.4", Groups: groups, At: site.Began()}, nil
}

func (c *chat) BuiltInSync(context.Context) ([]run.Problem, error) { return nil, nil }
func (c *chat) Spent() (requests, writes int)                      { return 3, 0 }
