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

// follow starts the runs that carry out what was approved: one for each target from the
// directories, whose id each approval gets, and the undoing of runs, which that would not plan.
func (a *App) follow(approvals []run.Approval, by string) {
	begun := map[[2]string]string{}
	start := func(target, undoes, reason string) string {
		if _, twice := begun[[2]string{target, undoes}]; !twice {
			begun[[2]string{target, undoes}] = a.soon(run.Request{Trigger: run.Manual, Mode: run.Apply, Target: target, Revert: undoes, Reason: reason, By: by})
		}
		return begun[[2]string{target, undoes}]
	}
	for i := range approvals {
		for _, id := range approvals[i].Reverts {
			start(approvals[i].Target, id, approvals[i].Reason)
		}
	}
	for i := range approvals {
		approvals[i].Run = start(approvals[i].Target, "", "")
	}
}
