package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// Import carries groups of a file into a target: what would make them true there is planned
// on a fresh look, guarded, written down, applied and verified as any plan, and none of it
// becomes ours. No source is read, because nothing is decided about what directories want.
func (e *Engine) Import(ctx context.Context, asked *run.ImportRequest) (*run.Report, error) {
	const op = "import"
	groups, err := plan.ReadImport(asked.File)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, asked.Name, err, "")
	}
	setup := e.current()
	t, err := setup.oneTarget(op, asked.Target)
	if err != nil {
		return nil, err
	}
	end, err := e.alone(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	req := run.Request{Trigger: run.Manual, Mode: asked.Mode, Target: t.Name, Reason: asked.Reason, By: asked.By}
	ctx, cancel := e.bound(ctx, req)
	defer cancel()
	sum := sha256.Sum256(asked.File)
	file := &plan.Importing{Groups: groups, Exact: asked.Exact, Digest: hex.EncodeToString(sum[:6]), Name: asked.Name}
	report := e.begin(&setup, req)
	defer e.going(report)()
	report.Imports, report.By = file.Name+" ("+file.Digest+")", req.By
	log := e.log.With(slog.String(logging.KeyRun, report.Run))
	log.LogAttrs(ctx, slog.LevelInfo, "run begins", slog.String(logging.KeyTrigger, string(req.Trigger)), slog.String("mode", string(report.Mode)),
		slog.String("imports", report.Imports), slog.String("by", req.By), slog.String(logging.KeyReason, req.Reason))
	w := e.work(&setup, t, req, report, log, map[string]bool{})
	w.file = file
	tr, err := w.try(ctx, w.apart)
	if err != nil {
		return nil, err
	}
	report.Targets = append(report.Targets, *tr)
	return e.end(ctx, report, &req, log)
}

// shares reports whether the file says what is shared with its groups.
func shares(f *plan.Importing) bool {
	return f != nil && slices.ContainsFunc(f.Groups, func(g plan.ImportGroup) bool { return len(g.Shared) > 0 })
}

// imported plans what the file says.
func (w *work) imported() (*plan.Plan, *plan.Guarded) {
	in := w.people()
	in.Import = w.file
	p := plan.Import(in)
	return p, plan.Guard(p, in, w.setup.Limits)
}

// tellImported says in the report which groups those of the file are now, also those that
// were just made.
func tellImported(tr *run.TargetReport, p *plan.Plan) {
	tr.Imported = slices.Clone(p.Imported)
	for i := range tr.Imported {
		tr.Imported[i].NewID = p.Refs[i].ID
	}
}

// getParent gives a change the id of the parent that its group gets, which may have been made
// since it was planned.
func getParent(c *plan.Change) error {
	if c.PutUnder() {
		return nil
	}
	return fault.New(fault.Conflict, string(c.Op), c.GroupName(), fmt.Errorf("its parent %s could not be made", c.Under.Name), "")
}

// asImported reports whether a group has the values that it got from a file. Servers leave out
// without a word what they do not understand.
func asImported(c *plan.Change, g *plan.Group) bool {
	for _, f := range c.Fields {
		if now := plan.ValueOf(g, f.Name); now != f.To {
			c.Outcome, c.Error = run.Failed, fmt.Sprintf("Open WebUI accepted the call, and %s is %v", f.Name, now)
			return false
		}
	}
	return true
}
