package server

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"
)

// saw counts a run of a person that an event led to.
func (m *metrics) saw(req *run.Request, took time.Duration, err error) {
	if err != nil || !req.Single() {
		return
	}
	m.logins.WithLabelValues(triggerOf(req.Trigger)).Observe(took.Seconds())
}

// count counts one for a name, the first of the labels, as long as it is configured: what
// was under way when it was removed begins no count again. The empty name is that of
// everything that nobody configured.
func (m *metrics) count(c *prometheus.CounterVec, configured *[]string, labels ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if labels[0] == "" || slices.Contains(*configured, labels[0]) {
		c.WithLabelValues(labels...).Inc()
	}
}

// ended counts a run.
func (m *metrics) ended(r *run.Report) {
	m.runs.WithLabelValues(triggerOf(r.Trigger), result(r.Exit)).Inc()
	scope := scopeAll
	if r.User != "" {
		scope = scopePerson
	}
	m.duration.WithLabelValues(scope).Observe((time.Duration(r.DurationMS) * time.Millisecond).Seconds())
	for _, ms := range r.Suspensions {
		m.suspensions.Observe((time.Duration(ms) * time.Millisecond).Seconds())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range r.Sources {
		m.source(&r.Sources[i], scope)
	}
	for i := range r.Targets {
		m.target(&r.Targets[i], r, scope, true)
	}
}

// source counts what a run did with a source. Whoever is removed from the configuration
// while a run goes on begins no count again.
func (m *metrics) source(s *run.SourceReport, scope string) {
	if !slices.Contains(m.sources, s.Name) {
		return
	}
	// A person whom a source does not know is no failure of it.
	if s.Fault != "" && (scope == scopeAll || s.Fault != fault.NotFound.String()) {
		m.failed.WithLabelValues(s.Name, reasonOf(s.Fault)).Inc()
	}
	if scope == scopeAll && s.Coverage != "none" {
		m.read[s.Name] = s.Memberships
		m.reads.WithLabelValues(s.Name, string(cmp.Or(s.Read, run.ReadFull))).Inc()
	}
}

// target counts what a run did with a target. count is false for one that an earlier
// process counted.
func (m *metrics) target(t *run.TargetReport, r *run.Report, scope string, count bool) {
	if !slices.Contains(m.targets, t.Name) {
		return
	}
	if count {
		m.did(t)
	}
	if scope != scopeAll || t.Error != "" {
		return
	}
	f := m.fared[t.Name]
	if f == nil {
		f = &standing{}
		m.fared[t.Name] = f
	}
	f.pending, f.seen = t.Summary.Pending, true
	if t.Summary.Failed == 0 && !t.Stale && r.Exit != run.ExitState && r.Exit != run.ExitInterrupted {
		f.success = r.Started.Add(time.Duration(r.DurationMS) * time.Millisecond)
	}
	open := map[holdKey]bool{}
	for i := range t.Holds {
		k := holdKey{t.Holds[i].Check, t.Holds[i].Scope}
		if open[k] = true; count && !f.holds[k] {
			m.begun.WithLabelValues(t.Name, checkOf(k.check)).Inc()
		}
	}
	f.holds = open
}

func (m *metrics) did(t *run.TargetReport) {
	m.writes.WithLabelValues(t.Name).Add(float64(t.Writes))
	if t.Fault != "" {
		m.refused.WithLabelValues(t.Name, reasonOf(t.Fault)).Inc()
	}
	for i := range t.Changes {
		if c := m.changes[t.Changes[i].Outcome]; c != nil && slices.Contains(ops(), t.Changes[i].Op) {
			c.WithLabelValues(t.Name, string(t.Changes[i].Op)).Inc()
		}
	}
}

// remember takes in the runs of an earlier process, newest first: a restart forgets
// neither a success nor what was held already.
func (m *metrics) remember(past []run.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(past) - 1; i >= 0; i-- {
		for j := range past[i].Targets {
			if past[i].User == "" {
				m.target(&past[i].Targets[j], &past[i], scopeAll, false)
			}
		}
	}
}

// memberships gives how many memberships the last read of a source held.
func (m *metrics) memberships(source string) (int, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.read[source]
	return n, ok
}

// shown gives what runs showed of a target.
func (m *metrics) shown(target string) standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.fared[target]; f != nil {
		return *f
	}
	return standing{}
}
