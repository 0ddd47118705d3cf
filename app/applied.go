package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"groupsyncd/internal/logging"
	"groupsyncd/state"
	"groupsyncd/sync/run"
)

// perform carries out a request. Before a run of everything begins, it is noted which
// configuration that is for, so that a daemon which crashes in it does not begin it again
// with each start; one that was stopped counts as never begun.
func (a *App) perform(ctx context.Context, req run.Request) (*run.Report, error) {
	if req.Mode != run.Apply || req.Source != "" || req.Target != "" || req.Revert != "" || req.Single() {
		return a.engine.Run(ctx, req)
	}
	sum, err := a.settings().Deciding()
	if err != nil {
		return nil, err
	}
	before, err := a.db.Applied()
	switch {
	case err != nil:
		return nil, err
	case before == sum:
		return a.engine.Run(ctx, req)
	}
	if err := a.db.SaveApplied(sum); err != nil {
		return nil, err
	}
	report, err := a.engine.Run(ctx, req)
	if err != nil || report.Exit == run.ExitInterrupted {
		return report, errors.Join(err, a.db.SaveApplied(before))
	}
	return report, nil
}

// looksChanged reports whether a start has to do what a reload does; it is asked before any
// schedule begins. What keeps it from being known keeps nothing else from going on.
func (a *App) looksChanged(ctx context.Context) bool {
	changed, err := a.changedSince()
	switch {
	case err != nil:
		a.log.LogAttrs(ctx, slog.LevelError, "not known whether the configuration has changed since the last run", slog.String(logging.KeyErr, err.Error()))
	case changed:
		a.log.LogAttrs(ctx, slog.LevelInfo, "configuration changed since the last run", slog.String("file", a.file))
	}
	return changed
}

// changedSince reports whether the configuration decides otherwise than the one that the last
// run of everything was for. Where no schedule has begun yet, all of them begin now, and what
// they carry out is in force.
func (a *App) changedSince() (bool, error) {
	sum, err := a.settings().Deciding()
	if err != nil {
		return false, err
	}
	before, err := a.db.Applied()
	if err != nil || before == sum {
		return false, err
	}
	known, err := a.db.Sources()
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(known, func(s state.SourceIdentity) bool { return !s.LastStart.IsZero() }) {
		return true, nil
	}
	return false, a.db.SaveApplied(sum)
}
