package app

import (
	"context"

	"groupsyncd/sync/run"
)

// Release ends what is ours; a daemon starts a run at once. A source that is no longer
// configured is known by the name that it had.
func (a *App) Release(ctx context.Context, req run.Release, by string) ([]run.Released, error) {
	a.mu.Lock()
	configured := req.Source == "" || a.parts.cfg.Source(req.Source) != nil
	a.mu.Unlock()
	if !configured {
		known, err := a.db.Sources()
		if err != nil {
			return nil, err
		}
		for _, s := range known {
			if s.Name == req.Source {
				req.Source = s.ID
				break
			}
		}
	}
	out, err := a.engine.Release(ctx, req, by)
	for _, r := range out {
		a.decided(r.Target, by)
	}
	return out, err
}

// decided starts a run of a target at once, in a daemon.
func (a *App) decided(target, by string) {
	a.soon(run.Request{Trigger: run.Manual, Mode: run.Apply, Target: target, By: by})
}

// Links says who is which account.
func (a *App) Links(_ context.Context, source string, conflicts bool) ([]run.Link, error) {
	return a.engine.Links(source, conflicts)
}

// SetLink ties a directory user to an account, or unties them; a daemon starts a run at
// once.
func (a *App) SetLink(ctx context.Context, req run.SetLink, by string) (*run.Link, error) {
	link, err := a.engine.SetLink(ctx, req, by)
	if err == nil {
		a.decided(link.Target, by)
	}
	return link, err
}

// Strangers lists the members of managed groups whom no directory group names.
func (a *App) Strangers(_ context.Context, target string) ([]run.Stranger, error) {
	return a.engine.Strangers(target)
}

// TakeOver makes such members ours; a daemon starts a run at once.
func (a *App) TakeOver(ctx context.Context, req run.Takeover, by string) ([]run.TakenOver, error) {
	out, err := a.engine.TakeOver(ctx, req, by)
	for _, t := range out {
		a.decided(t.Target, by)
	}
	return out, err
}

// ListGroups says what groups the directories have, and which rules take them.
func (a *App) ListGroups(_ context.Context, source string, unmatched bool) ([]run.DirectoryGroup, error) {
	return a.engine.ListGroups(source, unmatched)
}

// ListUsers says whom the directories have, and which accounts are theirs.
func (a *App) ListUsers(_ context.Context, source string, unmatched bool) ([]run.DirectoryUser, error) {
	return a.engine.ListUsers(source, unmatched)
}
