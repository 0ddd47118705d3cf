package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// Holds gives what the guard holds back, over all targets.
func (e *Engine) Holds() []run.Hold {
	var holds []run.Hold
	for _, t := range e.current().Targets {
		state := e.target(t.Name)
		state.mu.Lock()
		holds = append(holds, state.mem.Holds...)
		state.mu.Unlock()
	}
	return holds
}

// Approve lets through what the hold with that hash lists, each change once, and takes the
// source that it is about as it looked then. An earlier hash of a hold that has grown since
// lets its own list through, and accepts no more than that.
func (e *Engine) Approve(ctx context.Context, hash, reason, by string) (*run.Approval, error) {
	s := e.current()
	for i := range s.Targets {
		state := e.target(s.Targets[i].Name)
		state.mu.Lock()
		a, err := e.approve(&s, state, hash, reason, by)
		state.mu.Unlock()
		if a != nil || err != nil {
			if err == nil {
				logging.Changed(ctx, e.log, "hold approved", slog.String(logging.KeyTarget, a.Target), slog.String("check", string(a.Check)),
					slog.String("hash", a.Hash), slog.Int("changes", len(a.Keys)), slog.String("by", by), slog.String(logging.KeyReason, reason))
			}
			return a, err
		}
	}
	return nil, fault.New(fault.NotFound, "approve", "", errors.New("no hold has the hash "+hash), "see what is held with: groupsyncd holds")
}

func (e *Engine) approve(s *Setup, state *target, hash, reason, by string) (*run.Approval, error) {
	mem := state.mem
	hold, listed := plan.FindHold(mem.Holds, hash)
	if hold == nil {
		return nil, nil //nolint:nilnil // not here; the next target is asked
	}
	keys := listed.Keys
	if hold.Check == run.TargetChanged {
		keys = []string{acceptKey(hold)}
	}
	now := e.now()
	a := run.Approval{Hash: hash, Check: hold.Check, Target: mem.Target, Scope: hold.Scope, Keys: slices.Clone(keys),
		By: by, Reason: reason, At: now, Until: now.Add(s.Limits.ApprovalTTL)}
	a.Reverts, a.Imports = orders(hold, keys)
	dirty := plan.Dirty{Approvals: true, Events: []run.Event{decided(&a)}}
	scope, had := mem.Scopes[hold.Scope]
	mem.Approvals = append(mem.Approvals, a)
	if listed.Accepts != nil {
		mem.Scopes[hold.Scope] = *listed.Accepts
		dirty.Scopes = true
	}
	if err := e.ledger.SaveMemory(mem, dirty); err != nil {
		// What is not recorded was not decided.
		mem.Approvals = mem.Approvals[:len(mem.Approvals)-1]
		if dirty.Scopes && had {
			mem.Scopes[hold.Scope] = scope
		} else if dirty.Scopes {
			delete(mem.Scopes, hold.Scope)
		}
		return nil, err
	}
	return &a, nil
}

// acceptKey is what an approval of a changed target lists: the kind of change that somebody
// has seen. Another kind needs another look.
func acceptKey(h *run.Hold) string { return "target\x1f" + reasonKind(h) }

// AcceptTarget takes a target that looks changed as the right one: the next look ends
// the links of what is missing and goes on from what is there.
func (e *Engine) AcceptTarget(ctx context.Context, name, by string) error {
	t := e.target(name)
	if t == nil {
		return fault.New(fault.Invalid, "accept target", "", errors.New("no target is named "+name), "see the targets with: groupsyncd status")
	}
	t.mu.Lock()
	i := slices.IndexFunc(t.mem.Holds, func(h run.Hold) bool { return h.Check == run.TargetChanged })
	hash := ""
	if i >= 0 {
		hash = t.mem.Holds[i].Hash
	}
	t.mu.Unlock()
	if hash == "" {
		return fault.New(fault.Invalid, "accept target", "", errors.New("target "+name+" is not held as changed"), "see what is held with: groupsyncd holds")
	}
	_, err := e.Approve(ctx, hash, "target accepted", by)
	return err
}
