package app

import (
	"context"

	"groupsyncd/sync/run"
)

// Teams says who is in each team, and what lets others in.
func (a *App) Teams(ctx context.Context, target, name string) (*run.Teams, error) {
	return a.engine.Teams(ctx, target, name)
}
