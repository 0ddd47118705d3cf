package engine

import (
	"context"
	"log/slog"
	"slices"

	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// sign writes the number of this run into the mark of one of the groups that it touched,
// unless it made a group, whose mark has it already. A state that is older than that
// number, or another one, can be told by it. A mark that cannot be written is no failure
// of the run: the next one that writes makes up for it.
func (w *work) sign(ctx context.Context, p *plan.Plan, groups []string) error {
	if slices.ContainsFunc(p.Changes, func(c plan.Change) bool {
		return c.Op == run.CreateGroup && c.Outcome == run.Applied && c.Spec.Mark != nil
	}) {
		return nil
	}
	defer w.hold()()
	mem := w.state.mem
	for _, id := range groups {
		g := mem.Mirror.Group(id)
		if mark, linked := mem.MarkOf(id); g != nil && linked {
			return w.mark(ctx, g.Group, mark)
		}
	}
	return nil
}

func (w *work) mark(ctx context.Context, g plan.Group, mark *plan.Mark) error {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	after, err := w.api.UpdateGroup(call, g, plan.GroupSpec{Mark: mark})
	if err != nil {
		w.log.LogAttrs(ctx, slog.LevelWarn, "mark not written", slog.String(logging.KeyGroup, g.Name), slog.String(logging.KeyErr, err.Error()))
		return w.tell(w.markEvent(g.ID, err))
	}
	after.MembersRead = false
	dirty := w.state.mem.ObserveGroup(&after)
	dirty.Events = append(dirty.Events, w.markEvent(g.ID, nil))
	return w.save(dirty)
}
