package engine

import (
	"context"
	"log/slog"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// verify reads the groups that a run touched again, in the order in which they were
// written, and turns every difference into a failure. What the server silently did not
// do is corrected in the ledger too.
func (w *work) verify(ctx context.Context, p *plan.Plan, groups []string) error {
	byGroup := map[string][]*plan.Change{}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Outcome == run.Applied && (c.Op == run.AddMember || c.Op == run.RemoveMember || c.Imports != "" && c.Group != nil) {
			byGroup[c.GroupID()] = append(byGroup[c.GroupID()], c)
		}
	}
	for n, id := range groups {
		w.step("groups verified", n, len(groups))
		if err := w.verifyGroup(ctx, id, byGroup[id]); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) verifyGroup(ctx context.Context, id string, changes []*plan.Change) error {
	defer w.hold()()
	mem := w.state.mem
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	g, err := w.api.ReadGroup(call, id)
	if err != nil {
		for _, c := range changes {
			c.Outcome, c.Error = run.Failed, "could not be verified: "+err.Error()
		}
		w.log.LogAttrs(ctx, slog.LevelError, "group not verified", slog.String(logging.KeyGroup, id), slog.String(logging.KeyErr, err.Error()))
		if fault.KindOf(err) == fault.NotFound {
			dirty := mem.ForgetGroup(id)
			dirty.Events = append(dirty.Events, w.changeEvents(id, changes)...)
			return w.save(dirty)
		}
		return w.tell(w.changeEvents(id, changes)...)
	}
	dirty := mem.ObserveGroup(&g)
	var wrong []*plan.Change
	for _, c := range changes {
		if c.User == nil {
			if !asImported(c, &g) {
				wrong = append(wrong, c)
			}
			continue
		}
		if w.state.refreshed[c.User.ID] > w.planSeq {
			continue // what a login found since is right, whatever this run did before
		}
		is := slices.Contains(g.Members, c.User.ID)
		switch {
		case c.Op == run.AddMember && !is:
			own(mem, id, c.Account, nil, &dirty)
			c.Outcome, c.Error = run.Failed, "Open WebUI accepted the call and did not add the account"
		case c.Op == run.RemoveMember && is:
			own(mem, id, c.Account, c.Feeds, &dirty)
			c.Outcome, c.Error = run.Failed, "Open WebUI accepted the call and did not remove the account"
		default:
			continue
		}
		wrong = append(wrong, c)
		w.log.LogAttrs(ctx, slog.LevelError, "change did not happen", slog.String(logging.KeyOp, string(c.Op)),
			slog.String(logging.KeyGroup, g.Name), slog.String(logging.KeyUser, c.User.ID))
	}
	dirty.Events = append(dirty.Events, w.changeEvents(id, wrong)...)
	return w.save(dirty)
}
