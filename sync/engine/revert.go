package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// runRevert undoes what a run really did: the inverse of its applied changes is planned on
// a fresh look at each target, guarded, written down, applied and verified as any plan.
// No source is read, because nothing is decided about what the directories want.
func (e *Engine) runRevert(ctx context.Context, req run.Request) (*run.Report, error) {
	done, err := e.revertible(req)
	if err != nil {
		return nil, err
	}
	setup := e.current()
	report := e.begin(&setup, req)
	defer e.going(report)()
	report.Reverts, report.By = done.Run, req.By
	log := e.log.With(slog.String(logging.KeyRun, report.Run))
	log.LogAttrs(ctx, slog.LevelInfo, "run begins", slog.String(logging.KeyTrigger, string(req.Trigger)), slog.String("mode", string(report.Mode)),
		slog.String("reverts", done.Run), slog.String("by", req.By), slog.String(logging.KeyReason, req.Reason))
	for i := range done.Targets {
		did := &done.Targets[i]
		if req.Target != "" && did.Name != req.Target || !changed(did) {
			continue
		}
		if ctx.Err() != nil {
			if late := overdue(ctx); late != "" {
				report.Targets = append(report.Targets, unreached(did.Name, late))
			}
			continue
		}
		at := slices.IndexFunc(setup.Targets, func(t TargetSetup) bool { return t.Name == did.Name })
		if at < 0 {
			report.Targets = append(report.Targets, run.TargetReport{Name: did.Name, Changes: []run.Change{}, Problems: []run.Problem{},
				Error: "target " + did.Name + " is no longer configured", Hint: "configure it again to undo what the run did there"})
			continue
		}
		w := e.work(&setup, &setup.Targets[at], req, report, log, map[string]bool{})
		w.undo = done
		tr, err := w.try(ctx, w.apart)
		if err != nil {
			return nil, err
		}
		report.Targets = append(report.Targets, *tr)
	}
	return e.end(ctx, report, &req, log)
}

// revertible loads the report of a run and says why it cannot be undone, if so.
func (e *Engine) revertible(req run.Request) (*run.Report, error) {
	done, err := e.runs.Run(req.Revert)
	if err != nil {
		return nil, err
	}
	see := "see what it did with: groupsyncd history " + done.Run
	if done.Mode == run.Plan {
		return nil, fault.New(fault.Invalid, "revert", "", fmt.Errorf("run %s was a plan: it changed nothing", done.Run), see)
	}
	for i := range done.Targets {
		if t := &done.Targets[i]; changed(t) && (req.Target == "" || req.Target == t.Name) {
			return done, nil
		}
	}
	where := ""
	if req.Target != "" {
		where = " in target " + req.Target
	}
	return nil, fault.New(fault.Invalid, "revert", "", fmt.Errorf("run %s changed nothing%s", done.Run, where), see)
}

// changed reports whether a run did anything to a target that can be undone.
func changed(t *run.TargetReport) bool {
	return slices.ContainsFunc(t.Changes, func(c run.Change) bool { return c.Outcome == run.Applied })
}

// apart does the target's part of a run that is not made from the directories: what a run did
// is undone, or a file carried in.
func (w *work) apart(ctx context.Context) (*run.TargetReport, error) {
	tr := &run.TargetReport{Name: w.t.Name, Changes: []run.Change{}, Problems: []run.Problem{}}
	p, err := w.prepare(ctx, tr, nil)
	if err != nil || p == nil {
		return w.finish(tr, nil), err
	}
	if w.mode == run.Apply {
		if err := w.apply(ctx, p); err != nil {
			return nil, err
		}
	}
	return w.finish(tr, p), nil
}

func (w *work) inverse() (*plan.Plan, *plan.Guarded) {
	in := w.people()
	in.Undo = w.undo
	p := plan.Inverse(in)
	return p, plan.Guard(p, in, w.setup.Limits)
}

// holding gives the holds that keep back a part of a plan.
func holding(p *plan.Plan, holds []run.Hold) []run.Hold {
	held := map[string]bool{}
	for i := range p.Changes {
		held[p.Changes[i].Key] = p.Changes[i].Outcome == run.Held
	}
	var out []run.Hold
	for _, h := range holds {
		if slices.ContainsFunc(h.Keys, func(k string) bool { return held[k] }) {
			out = append(out, h)
		}
	}
	return out
}

// stayUndone makes sure, in the transaction of a change that undid another, that what
// would undo it again is held: a run of a person may have concluded meanwhile that there
// was nothing to hold yet.
func (w *work) stayUndone(changes []*plan.Change, err error, dirty *plan.Dirty) {
	if w.undo == nil || err != nil {
		return
	}
	var against []plan.Opposite
	for _, c := range changes {
		against = append(against, c.Against...)
	}
	before := w.state.mem.Holds
	if w.state.mem.HoldReverted(w.undo.Run, against, w.e.now(), w.setup.Limits.ApprovalTTL) {
		dirty.Holds = true
		dirty.Events = append(dirty.Events, w.heldEvents(before, w.state.mem.Holds)...)
	}
}

// orders gives the runs that are undone, and the files that are imported, by those of the
// changes that a hold keeps back which have these keys.
func orders(h *run.Hold, keys []string) (reverts, imports []string) {
	add := func(ids *[]string, id string) {
		if id != "" && !slices.Contains(*ids, id) {
			*ids = append(*ids, id)
		}
	}
	for i := range h.Changes {
		if c := &h.Changes[i]; i < len(h.Keys) && slices.Contains(keys, h.Keys[i]) {
			add(&reverts, c.Reverts)
			add(&imports, c.Imports)
		}
	}
	slices.Sort(reverts)
	slices.Sort(imports)
	return reverts, imports
}
