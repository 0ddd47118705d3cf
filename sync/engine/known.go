package engine

// Known gives the ids of the accounts that a target is known to have, and of our own there,
// empty where it is not known.
func (e *Engine) Known(target string) (accounts map[string]bool, self string) {
	t := e.target(target)
	t.mu.Lock()
	defer t.mu.Unlock()
	accounts = map[string]bool{}
	for _, a := range t.mem.Mirror.Accounts() {
		if !a.Deleted {
			accounts[a.ID] = true
		}
	}
	return accounts, t.mem.Mirror.Self
}
