package engine

import (
	"context"
	"errors"
	"log/slog"
	"maps"
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
	all, err := e.ApproveAll(ctx, []string{hash}, reason, by)
	if err != nil {
		return nil, err
	}
	return &all[0], nil
}

// ApproveAll lets through what several holds list, as one decision: what one of them lets
// through ends no other before that is recorded too. A hash that no hold has spoils it all.
func (e *Engine) ApproveAll(ctx context.Context, hashes []string, reason, by string) ([]run.Approval, error) {
	s := e.current()
	at := map[string][]string{}
	for i, hash := range hashes {
		if slices.Contains(hashes[:i], hash) {
			continue
		}
		name := e.holder(&s, hash)
		if name == "" {
			return nil, noHold(hash)
		}
		at[name] = append(at[name], hash)
	}
	var all []run.Approval
	for i := range s.Targets {
		state := e.target(s.Targets[i].Name)
		state.mu.Lock()
		approvals, err := e.approve(&s, state, at[s.Targets[i].Name], reason, by)
		state.mu.Unlock()
		if err != nil {
			return all, err
		}
		for j := range approvals {
			a := &approvals[j]
			logging.Changed(ctx, e.log, "hold approved", slog.String(logging.KeyTarget, a.Target), slog.String("check", string(a.Check)),
				slog.String("hash", a.Hash), slog.Int("changes", len(a.Keys)), slog.String("by", by), slog.String(logging.KeyReason, reason))
		}
		all = append(all, approvals...)
	}
	return all, nil
}

// holder gives the target that has a hold with a hash, or nothing.
func (e *Engine) holder(s *Setup, hash string) string {
	for i := range s.Targets {
		state := e.target(s.Targets[i].Name)
		state.mu.Lock()
		hold, _ := plan.FindHold(state.mem.Holds, hash)
		state.mu.Unlock()
		if hold != nil {
			return s.Targets[i].Name
		}
	}
	return ""
}

func noHold(hash string) error {
	return fault.New(fault.NotFound, "approve", "", errors.New("no hold has the hash "+hash),
		"if it was shown before, it is over: another hold that listed the same was let through, or it is wanted again; see what is held with: groupsyncd holds")
}

// approve records what was decided about holds of one target: all of it, or nothing.
func (e *Engine) approve(s *Setup, state *target, hashes []string, reason, by string) ([]run.Approval, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	mem := state.mem
	before, scopes := mem.Approvals, maps.Clone(mem.Scopes)
	dirty := plan.Dirty{Approvals: true}
	var all []run.Approval
	for _, hash := range hashes {
		hold, listed := plan.FindHold(mem.Holds, hash)
		if hold == nil {
			mem.Approvals, mem.Scopes = before, scopes
			return nil, noHold(hash)
		}
		a := e.decision(s, mem, hold, &listed)
		a.Hash, a.Reason, a.By = hash, reason, by
		mem.Approvals = append(slices.Clip(mem.Approvals), a)
		if listed.Accepts != nil {
			mem.Scopes[hold.Scope] = *listed.Accepts
			dirty.Scopes = true
		}
		dirty.Events = append(dirty.Events, decided(&a))
		all = append(all, a)
	}
	if err := e.ledger.SaveMemory(mem, dirty); err != nil {
		// What is not recorded was not decided.
		mem.Approvals, mem.Scopes = before, scopes
		return nil, err
	}
	return all, nil
}

// decision is an approval of what a hold lists under some hash.
func (e *Engine) decision(s *Setup, mem *plan.Memory, hold *run.Hold, listed *run.Listed) run.Approval {
	keys := listed.Keys
	if hold.Check == run.TargetChanged {
		keys = []string{acceptKey(hold)}
	}
	now := e.now()
	a := run.Approval{Check: hold.Check, Target: mem.Target, Scope: hold.Scope, Keys: slices.Clone(keys), At: now, Until: now.Add(s.Limits.ApprovalTTL)}
	a.Reverts, a.Imports = orders(hold, keys)
	return a
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
