package engine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// What the audit is told. Events travel in plan.Dirty, so that they are stored in the
// transaction of what they describe, or not at all.

// ours gives a failure of our own state the kind that ends a run: what was done and
// cannot be recorded must not be followed by more.
func ours(err error) error {
	if err == nil || fault.KindOf(err) == fault.Damaged {
		return err
	}
	return fault.New(fault.Damaged, "record what happened", "", err, fault.HintOf(err))
}

// asker is who wanted a run: a person, or what started it.
func asker(req *run.Request) string { return cmp.Or(req.By, string(req.Trigger)) }

func (w *work) event(kind run.EventKind) run.Event {
	return run.Event{At: w.e.now(), Kind: kind, Run: w.report.Run, Target: w.t.Name}
}

// callsEvent announces what a run is about to do.
func (w *work) callsEvent(p *plan.Plan) run.Event {
	e := w.event(run.EventCalls)
	e.By, e.Reason, e.Hash, e.Count = asker(&w.req), w.req.Reason, p.Hash, len(w.batches)
	e.Detail = "trigger " + string(w.req.Trigger)
	if w.file != nil {
		e.Detail += ", imports " + w.report.Imports
	}
	return e
}

// changeEvent is about one change as it is marked.
func (w *work) changeEvent(c *plan.Change) run.Event {
	e := w.event(run.EventChange)
	e.Op, e.Rule, e.Absence, e.Fields, e.Outcome, e.Error = c.Op, c.Rule, c.Absence, c.Fields, c.Outcome, c.Error
	if c.Group != nil {
		e.Group = c.GroupID()
	}
	if c.User != nil {
		e.User = c.User.ID
	}
	if c.Change.Resource != nil {
		e.Resource = c.Change.Resource.Type + "/" + c.Change.Resource.ID
	}
	if w.setup.AuditNames {
		if c.Group != nil {
			e.GroupName = c.GroupName()
		}
		if c.User != nil {
			e.UserName = c.User.Email
		}
	}
	return e
}

// changeEvents is about the changes of one call in a group, whose id a change of a group
// that was made by the same run may not have. Those that failed together, which may
// happen run after run, are one record with all ids.
func (w *work) changeEvents(group string, changes []*plan.Change) []run.Event {
	var events []run.Event
	failed := -1
	for _, c := range changes {
		if c.Outcome != run.Applied && c.Outcome != run.Failed {
			continue
		}
		if c.Outcome == run.Failed && c.User != nil {
			if failed >= 0 && events[failed].Error == c.Error && events[failed].Op == c.Op {
				join(&events[failed], c.User.ID)
				continue
			}
			failed = len(events)
		}
		e := w.changeEvent(c)
		e.Group = cmp.Or(e.Group, group)
		events = append(events, e)
	}
	return events
}

// markEvent is about our mark in a group, which is no change of the plan.
func (w *work) markEvent(group string, err error) run.Event {
	e := w.event(run.EventChange)
	e.Op, e.Group, e.Outcome, e.Detail = run.UpdateGroup, group, run.Applied, "our mark"
	if err != nil {
		e.Outcome, e.Error = run.Failed, err.Error()
	}
	return e
}

// join adds a person to a record about several.
func join(e *run.Event, user string) {
	if len(e.Keys) == 0 {
		e.Keys = []string{e.User}
		e.User, e.UserName, e.Rule, e.Absence = "", "", "", ""
	}
	e.Keys = append(e.Keys, user)
	e.Count = len(e.Keys)
}

// pick gives the changes of a call.
func pick(p *plan.Plan, b batch) []*plan.Change {
	out := make([]*plan.Change, len(b.changes))
	for n, i := range b.changes {
		out[n] = &p.Changes[i]
	}
	return out
}

// settled is about an interrupted call, as far as a look has shown what became of it.
// done are the members for whom it did what it should and who were not recorded before.
func (w *work) settled(in *plan.Intent, group string, done, not []string) []run.Event {
	base := w.event(run.EventChange)
	base.Run, base.Op, base.Group, base.Outcome = in.Run, run.Op(in.Op), group, run.Applied
	base.Detail = "found done after an interruption by run " + w.report.Run
	if w.setup.AuditNames {
		base.GroupName = in.Name
	}
	if base.Op == run.CreateGroup && group != "" {
		return []run.Event{base}
	}
	var events []run.Event
	for _, id := range done {
		e := base
		e.User = id
		events = append(events, e)
	}
	if len(in.Accounts) > 0 && len(not) == 0 {
		return events // The others, or all, were recorded before.
	}
	base.Outcome, base.Keys, base.Count = run.Skipped, not, len(not)
	base.Detail = "not found done after an interruption, by run " + w.report.Run
	if in.Resource != (plan.ResourceKey{}) {
		base.Resource = in.Resource.Type + "/" + in.Resource.ID
		base.Detail = "interrupted: the resource was read, seen by run " + w.report.Run
	}
	if base.Op == run.UpdateGroup || base.Op == run.SetPermissions {
		base.Detail = "interrupted: the next plan compares the values, seen by run " + w.report.Run
	}
	return append(events, base)
}

// heldEvents says which holds begin, list something else, or end.
func (w *work) heldEvents(before, after []run.Hold) []run.Event {
	var events []run.Event
	find := func(in []run.Hold, h *run.Hold) *run.Hold {
		i := slices.IndexFunc(in, func(x run.Hold) bool { return x.Check == h.Check && x.Scope == h.Scope })
		if i < 0 {
			return nil
		}
		return &in[i]
	}
	tell := func(h *run.Hold, outcome run.Outcome, detail string, keys []string) {
		e := w.event(run.EventHeld)
		e.Check, e.Scope, e.Hash, e.Outcome, e.Detail, e.Keys, e.Count = h.Check, h.Scope, h.Hash, outcome, detail, slices.Clone(keys), len(h.Keys)
		events = append(events, e)
	}
	for i := range after {
		h := &after[i]
		switch old := find(before, h); {
		case old == nil:
			tell(h, run.Held, h.Detail, h.Keys)
		case !slices.Equal(old.Keys, h.Keys):
			more := slices.DeleteFunc(slices.Clone(h.Keys), func(k string) bool { return slices.Contains(old.Keys, k) })
			tell(h, run.Held, "lists other changes than before; new ones are named. "+h.Detail, more)
		}
	}
	for i := range before {
		if h := &before[i]; find(after, h) == nil {
			tell(h, run.HoldEnded, "", nil)
		}
	}
	return events
}

// decided is about a decision of a person on a hold.
func decided(a *run.Approval) run.Event {
	e := run.Event{At: a.At, Kind: run.EventApproved, Target: a.Target, By: a.By, Reason: a.Reason, Check: a.Check, Scope: a.Scope,
		Hash: a.Hash, Count: len(a.Keys), Keys: slices.Clone(a.Keys)}
	if a.Check == run.TargetChanged {
		e.Kind = run.EventAccepted
	}
	return e
}

// closing is the record of a whole run.
func (e *Engine) closing(r *run.Report, req *run.Request) run.Event {
	end := run.Event{At: e.now(), Kind: run.EventRun, Run: r.Run, By: asker(req), Reason: req.Reason}
	s := r.Total()
	end.Detail = fmt.Sprintf("mode=%s trigger=%s exit=%d held=%d failed=%d", r.Mode, r.Trigger, r.Exit, s.Held, s.Failed)
	if r.Mode == run.Apply {
		end.Count = s.GroupsCreated + s.GroupsUpdated + s.GroupsDeleted + s.MembersAdded + s.MembersRemoved + s.MembersAdopted + s.MembersReleased +
			s.RolesChanged + s.GrantsChanged + s.AccountsCreated + s.DefaultsChanged
		end.Detail += fmt.Sprintf(" groups_created=%d groups_updated=%d groups_deleted=%d added=%d removed=%d adopted=%d released=%d roles=%d grants=%d accounts_created=%d defaults=%d",
			s.GroupsCreated, s.GroupsUpdated, s.GroupsDeleted, s.MembersAdded, s.MembersRemoved, s.MembersAdopted, s.MembersReleased,
			s.RolesChanged, s.GrantsChanged, s.AccountsCreated, s.DefaultsChanged)
	}
	return end
}

// tellHead logs the end of the audit: a log that is kept elsewhere shows later that
// nothing before it was cut or changed.
func (e *Engine) tellHead(ctx context.Context, log *slog.Logger) error {
	head, err := e.audit.Head()
	if err != nil || head.Seq == 0 {
		return err
	}
	log.LogAttrs(ctx, slog.LevelInfo, "audit head", slog.Uint64("seq", head.Seq), slog.String("hash", head.Hash), slog.String("signature", head.Signature))
	return nil
}
