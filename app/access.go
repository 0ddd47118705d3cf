package app

import (
	"context"

	"groupsyncd/sync/access"
)

// AccessUser says what somebody may do at a target.
func (a *App) AccessUser(ctx context.Context, q access.UserQuery) (*access.User, error) {
	return a.engine.AccessUser(ctx, q)
}

// AccessGroup says what a group gives.
func (a *App) AccessGroup(ctx context.Context, target, name string) (*access.Group, error) {
	return a.engine.AccessGroup(ctx, target, name)
}

// AccessWho lists everybody who has a permission, a resource or a role.
func (a *App) AccessWho(ctx context.Context, target, what string) (*access.Holders, error) {
	return a.engine.AccessWho(ctx, target, what)
}

// AccessReport gives the rows of a review of everybody.
func (a *App) AccessReport(ctx context.Context, target string) (*access.Report, error) {
	return a.engine.AccessReport(ctx, target)
}
