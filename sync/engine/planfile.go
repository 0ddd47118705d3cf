package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// Planned is a plan, and what is needed to carry out just that. File is nil when not every
// target could be planned.
type Planned struct {
	Report *run.Report   `json:"report"`
	File   *run.PlanFile `json:"file,omitempty"`
}

// PlanFile plans for everybody and writes the plan down.
func (e *Engine) PlanFile(ctx context.Context, req run.Request) (*Planned, error) {
	if req.Single() || req.Revert != "" {
		return nil, fault.New(fault.Invalid, "plan", "", errors.New("only a plan for everybody can be written down"), "leave out the person")
	}
	req.Mode = run.Plan
	report, err := e.Run(ctx, req)
	if err != nil {
		return nil, err
	}
	out := &Planned{Report: report}
	f := &run.PlanFile{Schema: run.PlanSchema, Run: report.Run, Made: report.Started, Source: req.Source, Target: req.Target}
	for i := range report.Targets {
		t := &report.Targets[i]
		if t.Plan == "" {
			return out, nil // The report says why.
		}
		f.Targets = append(f.Targets, run.PlannedPart{Name: t.Name, Instance: e.instance(t.Name), Plan: t.Plan,
			Allowed: plan.AllowedHash(t.Changes), Changes: t.Changes})
	}
	if ctx.Err() == nil && len(f.Targets) > 0 {
		out.File = f
	}
	return out, nil
}

func (e *Engine) instance(target string) string {
	t := e.target(target)
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mem.Instance
}

// carried is one target of a written plan.
type carried struct {
	w    *work
	part *run.PlannedPart // nil: the written plan does not know the target
	tr   *run.TargetReport
	p    *plan.Plan
	g    *plan.Guarded
}

// ApplyPlan carries out a written plan as it is, or does nothing at all: it reads and plans
// anew, and when anything differs for any target the report says what. The guard has the
// same say as in every run.
func (e *Engine) ApplyPlan(ctx context.Context, file *run.PlanFile, reason, by string) (*run.Report, error) {
	req := run.Request{Trigger: run.Manual, Mode: run.Apply, Source: file.Source, Target: file.Target, Reason: reason, By: by}
	if err := errors.Join(checkPlan(file), e.check(req)); err != nil {
		return nil, err
	}
	end, err := e.alone(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	ctx, cancel := e.bound(ctx, req)
	defer cancel()
	setup := e.current()
	report := e.begin(&setup, req)
	report.By = by
	log := e.log.With(slog.String(logging.KeyRun, report.Run))
	log.LogAttrs(ctx, slog.LevelInfo, "run begins", slog.String(logging.KeyTrigger, string(req.Trigger)), slog.String("mode", string(report.Mode)),
		slog.String("plan", file.Run), slog.String("by", by), slog.String(logging.KeyReason, reason))
	var parts []*carried
	for i := range setup.Targets {
		t := &setup.Targets[i]
		if req.Target != "" && t.Name != req.Target {
			continue
		}
		if mode(&setup, t, req) == run.Plan {
			return nil, fault.New(fault.Invalid, "apply", "", fmt.Errorf("target %s is in plan mode", t.Name), "take `mode: plan` out of the configuration")
		}
		c := &carried{w: e.work(&setup, t, req, report, log, nil), tr: &run.TargetReport{Name: t.Name, Changes: []run.Change{}, Problems: []run.Problem{}}}
		if at := slices.IndexFunc(file.Targets, func(p run.PlannedPart) bool { return p.Name == t.Name }); at >= 0 {
			c.part = &file.Targets[at]
		}
		parts = append(parts, c)
	}
	read, err := e.pull(ctx, &setup, req)
	if err != nil {
		return nil, err
	}
	report.Sources = read.reports
	for _, c := range parts {
		c.w.read = read.complete
	}
	same, err := agree(ctx, parts, removed(file, parts))
	if err != nil {
		return nil, err
	}
	for _, c := range parts {
		if same {
			read.confirmAt = soonest(read.confirmAt, c.w.confirmAt)
		}
		tr, err := c.carryOut(ctx, same)
		if err != nil {
			return nil, err
		}
		report.Targets = append(report.Targets, *tr)
	}
	for _, name := range removed(file, parts) {
		report.Targets = append(report.Targets, run.TargetReport{Name: name, Changes: []run.Change{}, Stale: true,
			Problems: []run.Problem{stale("target " + name + " is no longer configured")}})
	}
	if e.confirm != nil && !read.confirmAt.IsZero() {
		e.confirm(read.confirmAt)
	}
	e.reportStale(&setup, report)
	return e.end(ctx, report, &req, log)
}

// checkPlan says what is wrong with a plan that somebody handed in.
func checkPlan(f *run.PlanFile) error {
	again := "make a new plan with: groupsyncd plan --out FILE"
	switch {
	case f.Schema > run.PlanSchema:
		return fault.New(fault.Invalid, "apply", "", fmt.Errorf("the plan has the form %d, and this groupsyncd knows none above %d", f.Schema, run.PlanSchema),
			"use the version that wrote it, or "+again)
	case f.Schema < 1, f.Run == "", len(f.Targets) == 0:
		return fault.New(fault.Invalid, "apply", "", errors.New("this is no plan of groupsyncd"), again)
	}
	for i := range f.Targets {
		if p := &f.Targets[i]; p.Name == "" || p.Instance == "" || p.Plan == "" || p.Allowed == "" {
			return fault.New(fault.Invalid, "apply", "", errors.New("the plan is not complete"), again)
		}
	}
	return nil
}

// removed gives the targets of a written plan that there are no more.
func removed(f *run.PlanFile, parts []*carried) []string {
	var names []string
	for i := range f.Targets {
		if !slices.ContainsFunc(parts, func(c *carried) bool { return c.part == &f.Targets[i] }) {
			names = append(names, f.Targets[i].Name)
		}
	}
	return names
}

// agree plans anew for all targets at once, so that nothing comes between, and writes down
// what is about to be done when every plan is still the one that was written.
func agree(ctx context.Context, parts []*carried, gone []string) (bool, error) {
	for _, c := range parts {
		c.w.state.mu.Lock()
	}
	defer func() {
		for _, c := range parts {
			c.w.state.mu.Unlock()
		}
	}()
	same := len(gone) == 0
	left := maxDifferences
	for _, c := range parts {
		var err error
		if c.p, c.g, err = c.w.look(ctx, c.tr, nil); err != nil {
			return false, err
		}
		if c.p == nil {
			same = false // It could not be planned; the report says why.
			continue
		}
		c.compare(&left)
		same = same && !c.tr.Stale
	}
	if !same || ctx.Err() != nil {
		for _, c := range parts {
			c.leave()
		}
		return false, nil
	}
	for _, c := range parts {
		if err := c.w.book(c.p, c.g, nil); err != nil {
			return false, err
		}
	}
	return true, nil
}

// maxDifferences is how many differences a report names.
const maxDifferences = 20

// compare says what is no longer as it was written.
func (c *carried) compare(left *int) {
	now := make([]run.Change, len(c.p.Changes))
	for i := range c.p.Changes {
		now[i] = c.p.Changes[i].Change
	}
	var why []string
	switch {
	case c.part == nil:
		why = []string{"target " + c.tr.Name + " was not there when the plan was made"}
	case c.part.Instance != c.w.state.mem.Instance:
		why = []string{"the plan was made with another state"}
	case c.part.Plan == c.p.Hash && c.part.Allowed == plan.AllowedHash(now):
		return
	default:
		if why = plan.Differences(c.part.Changes, now); len(why) == 0 {
			why = []string{"the same changes would be made in another way now"}
		}
	}
	c.tr.Stale = true
	shown := min(len(why), *left)
	*left -= shown
	for _, line := range why[:shown] {
		c.tr.Problems = append(c.tr.Problems, stale(line))
	}
	if more := len(why) - shown; more > 0 {
		c.tr.Problems = append(c.tr.Problems, stale(fmt.Sprintf("and %d more differences", more)))
	}
}

func stale(message string) run.Problem {
	return run.Problem{Kind: run.KindStale, Message: message, Hint: "see what is planned now, and write it down anew, with: groupsyncd plan --out FILE"}
}

// leave marks what is not done because the plan is not carried out.
func (c *carried) leave() {
	if c.p == nil {
		return
	}
	for i := range c.p.Changes {
		if ch := &c.p.Changes[i]; ch.Outcome == run.Planned {
			ch.Outcome, ch.Error = run.Skipped, "not done: the written plan is carried out as a whole or not at all"
		}
	}
}

// carryOut does what is planned, if that is what was written, and takes in how the target
// fared.
func (c *carried) carryOut(ctx context.Context, same bool) (*run.TargetReport, error) {
	began := c.w.e.now()
	if same {
		if err := c.w.apply(ctx, c.p); err != nil {
			return nil, err
		}
		if err := c.w.accept(ctx, c.p, nil); err != nil {
			return nil, err
		}
	}
	tr := c.w.finish(c.tr, c.p)
	if overdue(ctx) != "" {
		return tr, nil // Too little time is no failure of the target.
	}
	return tr, c.w.e.fared(c.w.t.party(), c.w.failure, began, true)
}
