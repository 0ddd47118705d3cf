package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// Release ends what is ours; what is there stays there. It says for each target what it
// came to.
func (e *Engine) Release(ctx context.Context, req run.Release, by string) ([]run.Released, error) {
	const op = "release"
	if req.Source == "" && req.Rule == "" && req.Group == "" && req.Hold == "" && req.Reference == "" {
		return nil, fault.New(fault.Invalid, op, "", errors.New("nothing says what to release"), "give --source, --rule, --group or --hold")
	}
	if req.Reason == "" {
		return nil, noReason(op)
	}
	s := e.current()
	if req.Reference != "" {
		return e.releaseReference(ctx, &s, req, by)
	}
	targets, err := s.targets(op, req.Target)
	if err != nil {
		return nil, err
	}
	if i := s.source(req.Source); i >= 0 {
		req.Source = s.Sources[i].ID
	}
	var out []run.Released
	for _, t := range targets {
		part, err := e.look(&s, t).release(ctx, req, by)
		if err != nil {
			return out, err
		}
		if part != nil {
			out = append(out, *part)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	what, hint := "no target knows that source, rule or group", "see what is ours with: groupsyncd explain group NAME, and groupsyncd status"
	if req.Hold != "" {
		what, hint = "no hold has the hash "+req.Hold+", or it lists nothing of that source, rule or group", "see what is held with: groupsyncd holds"
	}
	return nil, fault.New(fault.NotFound, op, "", errors.New(what), hint)
}

func noReason(op string) error {
	return fault.New(fault.Invalid, op, "", errors.New("no reason is given"), "say why with --reason TEXT: it is kept with the decision")
}

// release does a release's part for the target; nil: it has nothing that is meant.
func (w *work) release(ctx context.Context, req run.Release, by string) (*run.Released, error) {
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	mem := w.state.mem
	what := plan.Letting{Source: req.Source, Rule: req.Rule, Until: w.e.now().Add(w.setup.Limits.ApprovalTTL)}
	event := run.Event{Kind: run.EventReleased, By: by, Reason: req.Reason, Rule: req.Rule}
	if req.Hold != "" {
		hold, listed := plan.FindHold(mem.Holds, req.Hold)
		if hold == nil {
			return nil, nil //nolint:nilnil // not here; the next target is asked
		}
		if !slices.ContainsFunc(listed.Keys, func(k string) bool { return plan.Removal(k) || hold.Check == run.MaxCuts && plan.Cutting(k) }) {
			if hold.Check == run.Reverted {
				return nil, fault.New(fault.Invalid, "release", "", errors.New("the hold "+req.Hold+" keeps undone what run "+hold.Scope+" did, and takes nothing from anybody"),
					"do nothing to keep that undone; to have it done again: "+hold.Approve+"; what else of the run is to be undone is held apart: groupsyncd holds")
			}
			return nil, fault.New(fault.Invalid, "release", "", errors.New("the hold "+req.Hold+" lists nobody who would lose something, so there is nothing to keep"),
				"let it through with: "+hold.Approve)
		}
		what.Keys = listed.Keys
		event.Check, event.Scope, event.Hash = hold.Check, hold.Scope, req.Hold
	}
	if req.Group != "" {
		ids := groupsNamed(mem, req.Group)
		switch {
		case len(ids) == 0:
			return nil, nil //nolint:nilnil // as above
		case len(ids) > 1:
			return nil, fault.New(fault.Invalid, "release", "", errors.New("several groups of target "+w.t.Name+" are called "+req.Group+": "+strings.Join(ids, ", ")), "give the id of one of them")
		}
		what.Group, event.Group = ids[0], ids[0]
	}
	in := w.input(nil)
	if req.Rule != "" && !in.Rules[req.Rule] && !knowsRule(mem, req.Rule) || req.Source != "" && w.setup.sourceID(req.Source) < 0 && !knowsSource(mem, req.Source) {
		return nil, nil //nolint:nilnil // as above
	}
	d := plan.Release(in, what)
	out := &run.Released{Target: w.t.Name, Memberships: d.Memberships, Groups: d.Groups, Again: d.Again, Links: d.Links, Held: d.Held}
	if d.Dirty.Empty() {
		return out, nil
	}
	event.Count, event.Keys = d.Memberships, d.Keys(plan.MaxBatch)
	if req.Source != "" {
		event.Detail = "source " + req.Source
	}
	if err := w.keep(d, event); err != nil {
		return nil, err
	}
	logging.Changed(ctx, w.log, "released", slog.Int("memberships", out.Memberships), slog.Int("groups", out.Groups), slog.Int("links", out.Links),
		slog.String("by", by), slog.String(logging.KeyReason, req.Reason))
	return out, nil
}

func (s *Setup) sourceID(id string) int {
	return slices.IndexFunc(s.Sources, func(x Source) bool { return x.ID == id })
}

// knowsRule reports whether anything that we remember came from a rule.
func knowsRule(mem *plan.Memory, key string) bool {
	for l := range mem.Links {
		if l.Rule == key {
			return true
		}
	}
	return grants(mem, func(k plan.FeedKey) bool { return k.Rule == key })
}

// knowsSource reports whether anything that we remember came from a source.
func knowsSource(mem *plan.Memory, id string) bool {
	_, accepted := mem.Scopes[id]
	return accepted || grants(mem, func(k plan.FeedKey) bool { return k.Group.Source == id })
}

func grants(mem *plan.Memory, is func(plan.FeedKey) bool) bool {
	for _, o := range mem.Owned {
		if slices.ContainsFunc(o.Feeds, func(f plan.OwnedFeed) bool { return is(f.Key) }) {
			return true
		}
	}
	return false
}
