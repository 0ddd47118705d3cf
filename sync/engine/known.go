package engine

import (
	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"
)

// Known gives the ids of the accounts that a target is known to have.
func (e *Engine) Known(target string) map[string]bool {
	t := e.target(target)
	t.mu.Lock()
	defer t.mu.Unlock()
	accounts := map[string]bool{}
	for _, a := range t.mem.Mirror.Accounts() {
		if !a.Deleted {
			accounts[a.ID] = true
		}
	}
	return accounts
}

// Self gives the id of our own account at a target, empty where it is not known.
func (e *Engine) Self(target string) string {
	t := e.target(target)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mem.Mirror.Self
}

// LeftAlone gives an error that says why a target is not asked by what comes by itself, or
// none: it is in quarantine.
func (e *Engine) LeftAlone(target string) error {
	p := (&TargetSetup{Name: target}).party()
	if t, rests := e.rests(p, run.Watch); rests {
		return fault.Errorf(fault.Unavailable, "look for sign-ins", p.String(), "%s", resting(&t))
	}
	return nil
}
