package server

import (
	"context"
	"slices"
	"testing"

	"groupsyncd/sync/run"
)

func (b *backend) Teams(_ context.Context, target, name string) (*run.Teams, error) {
	return &run.Teams{Teams: []run.Team{{Name: name, Target: target}}}, b.note("teams %s %s", target, name)
}

func TestTeamsAreAskedOfTheDaemon(t *testing.T) {
	t.Parallel()
	b := &backend{}
	c, _, _ := start(t, b, nil)
	odd := "R&D /?ü"
	all, err := c.Teams(t.Context(), "chat", odd)
	if err != nil || len(all.Teams) != 1 || all.Teams[0].Name != odd || all.Teams[0].Target != "chat" {
		t.Errorf("%+v, %v", all, err)
	}
	if !slices.Equal(b.asked, []string{"teams chat " + odd}) {
		t.Errorf("asked %v", b.asked)
	}
}

func (b *backend) TestNotices(_ context.Context, name string) ([]run.NotifyTest, error) {
	return []run.NotifyTest{{Name: name, Kind: "generic", OK: true}}, nil
}
