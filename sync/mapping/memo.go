package mapping

import (
	"slices"
	"sync"

	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
)

// Memo remembers what rules wanted of one target, and gives it again as long as nothing
// changed that rules look at: names of groups change seldom, and filling a template for
// each of thousands costs more than all the rest of a run in which nothing happens. It is
// safe for use by several goroutines; the zero value remembers nothing.
type Memo struct {
	mu      sync.Mutex
	target  string
	rules   []*Rule
	sources []Source
	desired *plan.Desired
}

// Apply gives what the function Apply gives. The result is shared and not to be changed.
func (m *Memo) Apply(target string, rules []*Rule, sources []Source) *plan.Desired {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.desired == nil || m.target != target || !slices.Equal(m.rules, rules) || !slices.EqualFunc(m.sources, sources, alike) {
		m.desired = Apply(target, rules, sources)
	}
	// The newest replicas are kept, so that the older ones may go.
	m.target, m.rules, m.sources = target, slices.Clone(rules), slices.Clone(sources)
	return m.desired
}

// alike reports whether rules see the same groups in two sources.
func alike(a, b Source) bool {
	if a.ID != b.ID || a.Name != b.Name {
		return false
	}
	if a.Replica == b.Replica {
		return true
	}
	x, y := a.Replica.Groups(), b.Replica.Groups()
	if len(x) != len(y) {
		return false
	}
	for n := range x {
		if !sameGroup(&x[n], &y[n]) {
			return false
		}
	}
	return true
}

// sameGroup compares all that rules and templates see of a group.
func sameGroup(a, b *replica.Group) bool {
	return a.ID == b.ID && a.Listed == b.Listed && a.Name == b.Name && a.DN == b.DN && a.Path == b.Path && a.Description == b.Description && a.OwnersOf == b.OwnersOf
}
