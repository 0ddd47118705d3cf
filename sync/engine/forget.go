package engine

import "slices"

// Forget drops what is held in memory of a source that is no longer configured.
func (e *Engine) Forget(source string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.ContainsFunc(e.setup.Sources, func(s Source) bool { return s.ID == source }) {
		delete(e.replicas, source)
		delete(e.pulls, source)
	}
}
