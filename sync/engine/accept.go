package engine

import (
	"context"
	"encoding/json"
	"slices"

	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

// acceptedRules gives the rules that runs have applied and that are not in force in the
// same form now. None: the rules have not changed.
func acceptedRules(mem *plan.Memory, rules []*mapping.Rule) []*mapping.Rule {
	now := map[string]bool{}
	for _, r := range rules {
		now[r.Hash()] = true
	}
	var old []*mapping.Rule
	for _, a := range mem.Accepted {
		if now[a.Hash] {
			continue
		}
		var spec mapping.Spec
		if json.Unmarshal(a.Spec, &spec) != nil {
			continue
		}
		// A rule that compiled when it was accepted compiles now, or a later version
		// reads it differently; then it cannot say what it wanted.
		if r, err := mapping.Compile(spec); err == nil {
			old = append(old, r)
		}
	}
	return old
}

// join adds the rules of a full run to the accepted ones, before its first call: what it
// gives must be known as theirs even when it does not come to its end.
func (w *work) join(dirty *plan.Dirty) error {
	mem := w.state.mem
	for _, r := range w.setup.Rules {
		hash := r.Hash()
		if slices.ContainsFunc(mem.Accepted, func(a plan.AcceptedRule) bool { return a.Hash == hash }) {
			continue
		}
		spec, err := json.Marshal(r.Spec)
		if err != nil {
			return err
		}
		mem.Accepted = append(slices.Clip(mem.Accepted), plan.AcceptedRule{Key: r.Key(), Hash: hash, Spec: spec})
		dirty.Accepted = true
	}
	return nil
}

// accept drops old forms of rules at the end of a full run, once nothing is left that
// they want and the new ones do not.
func (w *work) accept(ctx context.Context, p *plan.Plan, only *plan.Only) error {
	if only != nil || ctx.Err() != nil || !p.Accepts {
		return nil
	}
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	mem := w.state.mem
	now := map[string]bool{}
	for _, r := range w.setup.Rules {
		now[r.Hash()] = true
	}
	next := slices.DeleteFunc(slices.Clone(mem.Accepted), func(a plan.AcceptedRule) bool { return !now[a.Hash] })
	if len(next) == len(mem.Accepted) {
		return nil
	}
	mem.Accepted = next
	return w.e.ledger.SaveMemory(mem, plan.Dirty{Accepted: true})
}
