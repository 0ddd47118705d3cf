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

// accept adds the rules of a full run that applied to the accepted ones, and drops old
// forms once nothing is left that they want and the new ones do not.
func (w *work) accept(ctx context.Context, p *plan.Plan, only *plan.Only) error {
	if only != nil || ctx.Err() != nil {
		return nil
	}
	w.state.mu.Lock()
	defer w.state.mu.Unlock()
	mem := w.state.mem
	have := map[string]bool{}
	for _, a := range mem.Accepted {
		have[a.Hash] = true
	}
	next := slices.Clone(mem.Accepted)
	now := map[string]bool{}
	for _, r := range w.setup.Rules {
		hash := r.Hash()
		now[hash] = true
		if have[hash] {
			continue
		}
		spec, err := json.Marshal(r.Spec)
		if err != nil {
			return err
		}
		next = append(next, plan.AcceptedRule{Key: r.Key(), Hash: hash, Spec: spec})
	}
	if p.Accepts {
		next = slices.DeleteFunc(next, func(a plan.AcceptedRule) bool { return !now[a.Hash] })
	}
	if slices.EqualFunc(next, mem.Accepted, func(a, b plan.AcceptedRule) bool { return a.Hash == b.Hash }) {
		return nil
	}
	mem.Accepted = next
	return w.e.ledger.SaveMemory(mem, plan.Dirty{Accepted: true})
}
