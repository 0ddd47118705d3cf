package app

import (
	"context"
	"errors"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// Revert undoes what a run did.
func (a *App) Revert(ctx context.Context, req run.Request) (*run.Report, error) {
	if req.Revert == "" {
		return nil, fault.New(fault.Invalid, "revert", "", errors.New("no run is named"), "see the runs with: groupsyncd history")
	}
	return a.engine.Run(ctx, req)
}

// PlanFile makes a plan that can be carried out later as it is.
func (a *App) PlanFile(ctx context.Context, req run.Request) (*engine.Planned, error) {
	return a.engine.PlanFile(ctx, req)
}

// ApplyPlan carries out a written plan as it is, or nothing.
func (a *App) ApplyPlan(ctx context.Context, file *run.PlanFile, reason, by string) (*run.Report, error) {
	return a.engine.ApplyPlan(ctx, file, reason, by)
}

// follow starts the runs that carry out what was approved: one from the directories, whose
// id it gives, and the undoing of runs, which that would not plan.
func (a *App) follow(approval *run.Approval, by string) string {
	for _, id := range approval.Reverts {
		a.soon(run.Request{Trigger: run.Manual, Mode: run.Apply, Target: approval.Target, Revert: id, Reason: approval.Reason, By: by})
	}
	return a.soon(run.Request{Trigger: run.Manual, Mode: run.Apply, Target: approval.Target, By: by})
}
