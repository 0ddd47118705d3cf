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

// Strangers lists the members of managed groups whom no directory group names and who are
// not ours, group by group; groups without any are left out.
func (e *Engine) Strangers(target string) ([]run.Stranger, error) {
	s := e.current()
	targets, err := s.targets("take over", target)
	if err != nil {
		return nil, err
	}
	out := []run.Stranger{}
	for _, t := range targets {
		w := e.look(&s, t)
		w.state.mu.Lock()
		for _, g := range plan.FindStrangers(w.input(nil)) {
			if len(g.Accounts) > 0 {
				out = append(out, run.Stranger{Target: t.Name, Group: run.GroupRef{ID: g.GroupID, Name: g.Name}, Rule: g.Link.Rule,
					Users: w.users(g.Accounts), Gentle: g.Gentle})
			}
		}
		w.state.mu.Unlock()
	}
	return out, nil
}

// users names accounts, sorted by mail.
func (w *work) users(accounts []uint32) []run.UserRef {
	refs := make([]run.UserRef, len(accounts))
	for i, n := range accounts {
		a := w.state.mem.Mirror.Account(n)
		refs[i] = run.UserRef{ID: a.ID, Email: a.Email}
	}
	slices.SortFunc(refs, func(a, b run.UserRef) int {
		if a.Email != b.Email {
			if a.Email < b.Email {
				return -1
			}
			return 1
		}
		return 0
	})
	return refs
}

// TakeOver makes the members of a managed group ours whom no directory group names, or one
// of them. Nothing is written: the next plan takes them out through the guard.
func (e *Engine) TakeOver(ctx context.Context, req run.Takeover, by string) ([]run.TakenOver, error) {
	const op = "take over"
	switch {
	case req.Group == "":
		return nil, fault.New(fault.Invalid, op, "", errors.New("no group is named"), "give --group; see whom it would concern with: groupsyncd takeover")
	case req.Reason == "":
		return nil, noReason(op)
	}
	s := e.current()
	targets, err := s.targets(op, req.Target)
	if err != nil {
		return nil, err
	}
	var out []run.TakenOver
	for _, t := range targets {
		part, err := e.look(&s, t).takeOver(ctx, req, by)
		if err != nil {
			return out, err
		}
		if part != nil {
			out = append(out, *part)
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.NotFound, op, "", errors.New("Open WebUI has no group "+req.Group+", as last seen"), "give the name or the id of the group in Open WebUI")
	}
	return out, nil
}

// takeOver does its part for the target; nil: it has no such group.
func (w *work) takeOver(ctx context.Context, req run.Takeover, by string) (*run.TakenOver, error) {
	const op = "take over"
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	mem := w.state.mem
	ids := groupsNamed(mem, req.Group)
	if len(ids) == 0 {
		return nil, nil //nolint:nilnil // not here; the next target is asked
	}
	in := w.input(nil)
	all := plan.FindStrangers(in)
	at := slices.IndexFunc(all, func(g plan.Strangers) bool { return slices.Contains(ids, g.GroupID) })
	switch {
	case at < 0:
		return nil, fault.New(fault.Invalid, op, "", fmt.Errorf("no rule leads to the group %s of target %s, so its members are none of our business", req.Group, w.t.Name),
			"see the groups that rules lead to with: groupsyncd list groups")
	case all[at].Gentle:
		return nil, fault.New(fault.Invalid, op, "", errors.New("the group "+req.Group+" is add-only: its rule never takes a membership away"), "give the rule `members: owned` first")
	}
	accounts := all[at].Accounts
	if req.User != "" {
		n, err := accountNamed(op, mem.Mirror, req.User)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(accounts, n) {
			return nil, fault.New(fault.Invalid, op, "", fmt.Errorf("%s cannot be taken over in group %s: %s", req.User, req.Group, w.noStranger(in, all[at].GroupID, n)),
				"see who can be with: groupsyncd takeover; and why with: groupsyncd explain user "+req.User)
		}
		accounts = []uint32{n}
	}
	out := &run.TakenOver{Target: w.t.Name, Group: run.GroupRef{ID: all[at].GroupID, Name: all[at].Name}, Users: w.users(accounts)}
	if len(accounts) == 0 {
		return out, nil
	}
	event := run.Event{Kind: run.EventTakenOver, By: by, Reason: req.Reason, Group: all[at].GroupID, Rule: all[at].Link.Rule, Count: len(accounts)}
	for _, u := range out.Users {
		event.Keys = append(event.Keys, plan.RemovalKey(out.Group.ID, u.ID))
	}
	if err := w.keep(plan.TakeOver(in, &all[at], accounts), event); err != nil {
		return nil, err
	}
	logging.Changed(ctx, w.log, "taken over", slog.String(logging.KeyGroup, out.Group.Name), slog.Int("members", len(accounts)),
		slog.String("by", by), slog.String(logging.KeyReason, req.Reason))
	return out, nil
}

// noStranger says why an account is not among those who can be taken over.
func (w *work) noStranger(in *plan.Input, group string, account uint32) string {
	mem := w.state.mem
	mail := mem.Mirror.Account(account).Email
	switch o := mem.Owned[group]; {
	case !member(mem, group, account):
		return "they are not in it"
	case o != nil && o.Has(account):
		return "the membership is ours already"
	case slices.Contains(in.Protect, mail) || mem.Mirror.Account(account).ID == mem.Mirror.Self:
		return "the account is protected"
	case slices.Contains(in.Ignore, mail):
		return "the account is ignored"
	}
	return "a directory group names them, or it is not known whether one does"
}
