package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// releaseReference ends the wait for nested groups that a directory group names and that do
// not resolve any more. What came only through them stays in Open WebUI and is no longer
// ours. The memories are stored first: a crash before the replica leaves the wait as it was,
// and the next run makes what stays ours again.
func (e *Engine) releaseReference(ctx context.Context, s *Setup, req run.Release, by string) ([]run.Released, error) {
	src, err := referenceSource(s, &req)
	if err != nil {
		return nil, err
	}
	works, unlock := e.lookAtAll(s)
	defer unlock()
	for {
		r := e.replica(src.ID)
		group, err := blockedNamed(src, r, req.Reference)
		if err != nil {
			return nil, err
		}
		next, dropped := r.Unblock(group)
		event := run.Event{Kind: run.EventReleased, By: by, Reason: req.Reason, Detail: "source " + src.Name + ", what " + label(&r.Groups()[group]) + " names and does not resolve"}
		var out []run.Released
		for _, w := range works {
			part, err := w.unblock(src.ID, next, dropped, event)
			if err != nil {
				return out, err
			}
			part.References = len(r.Groups()[group].Blocked)
			out = append(out, *part)
		}
		stored, err := e.exchange(r, next)
		if err != nil {
			return nil, err
		}
		if stored {
			logging.Changed(ctx, e.log, "reference released", slog.String(logging.KeySource, src.Name), slog.String(logging.KeyGroup, label(&r.Groups()[group])),
				slog.Int("memberships", len(dropped)), slog.String("by", by), slog.String(logging.KeyReason, req.Reason))
			return out, nil
		}
		// A read came in between: what it showed is judged anew.
	}
}

// lookAtAll takes the locks of all targets, in the order of their names.
func (e *Engine) lookAtAll(s *Setup) (works []*work, unlock func()) {
	targets := slices.Clone(s.Targets)
	slices.SortFunc(targets, func(a, b TargetSetup) int { return cmp.Compare(a.Name, b.Name) })
	for i := range targets {
		w := e.look(s, &targets[i])
		w.state.mu.Lock()
		works = append(works, w)
	}
	return works, func() {
		for _, w := range works {
			w.state.mu.Unlock()
		}
	}
}

// exchange puts a replica in the place of the one that it was made from, durably; false: a
// read was taken in meanwhile.
func (e *Engine) exchange(from, to *replica.Replica) (bool, error) {
	e.merging.Lock()
	defer e.merging.Unlock()
	if e.replica(to.Source) != from {
		return false, nil
	}
	if err := e.ledger.SaveReplica(to); err != nil {
		return false, fmt.Errorf("keep that the reference is released: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.replicas[to.Source] = to
	return true, nil
}

// unblock does its part for one target, whose lock is held.
func (w *work) unblock(source string, next *replica.Replica, dropped []replica.Dropped, event run.Event) (*run.Released, error) {
	w.instead = nil
	in := w.input(nil)
	w.instead = next
	d := plan.ReleaseReference(in, w.input(nil), source, dropped, w.e.now().Add(w.setup.Limits.ApprovalTTL))
	event.Count, event.Keys = d.Memberships, d.Keys(plan.MaxBatch)
	if err := w.keep(d, event); err != nil {
		return nil, err
	}
	return &run.Released{Target: w.t.Name, Memberships: d.Memberships, Groups: d.Groups, Again: d.Again, Held: d.Held}, nil
}

func referenceSource(s *Setup, req *run.Release) (*Source, error) {
	const op = "release"
	if req.Rule != "" || req.Group != "" || req.Hold != "" || req.Target != "" {
		return nil, fault.New(fault.Invalid, op, "", errors.New("a reference belongs to a source, not to a rule, group, hold or target"), "give --source and --reference alone")
	}
	if i := slices.IndexFunc(s.Sources, func(x Source) bool { return x.Name == req.Source || x.ID == req.Source }); i >= 0 {
		return &s.Sources[i], nil
	}
	if req.Source == "" {
		return nil, fault.New(fault.Invalid, op, "", errors.New("nothing says which source shows the reference"), "give its name with --source")
	}
	return nil, fault.New(fault.Invalid, op, "", errors.New("no source is named "+req.Source), "see the sources with: groupsyncd status")
}

// blockedNamed finds the group with unresolved references that is meant, by DN, id, path or
// name.
func blockedNamed(src *Source, r *replica.Replica, name string) (uint32, error) {
	const op = "release"
	var found []uint32
	known := false
	for n := range r.Groups() {
		g := &r.Groups()[n]
		if name != g.ID && name != g.Path && name != g.Name && !strings.EqualFold(name, g.DN) {
			continue
		}
		known = true
		if len(g.Blocked) > 0 {
			found = append(found, uint32(n))
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		names := make([]string, len(found))
		for i, n := range found {
			names[i] = cmp.Or(r.Groups()[n].DN, r.Groups()[n].Path, r.Groups()[n].ID)
		}
		return 0, fault.New(fault.Invalid, op, "", errors.New("several groups of source "+src.Name+" are called "+name+": "+strings.Join(names, ", ")), "give the DN or id of one of them")
	case known:
		return 0, fault.New(fault.NotFound, op, "", errors.New("the group "+name+" of source "+src.Name+" names nothing that does not resolve any more"),
			"see what does not resolve in the problems of the last run: groupsyncd history RUN")
	}
	return 0, fault.New(fault.NotFound, op, "", errors.New("source "+src.Name+" has no group "+name), "see its groups with: groupsyncd list groups --source "+src.Name)
}

func label(g *replica.Group) string { return cmp.Or(g.DN, g.Path, g.Name) }
