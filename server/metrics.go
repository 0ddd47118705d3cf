package server

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"groupsyncd/sync/run"
)

// namespace begins the name of every metric.
const namespace = "groupsyncd"

// metrics counts what runs did. What is true at the moment is collected when somebody
// asks; see gauges. Labels have few values, all from the configuration or from this
// program: never people or groups.
type metrics struct {
	registry *prometheus.Registry
	runs     *prometheus.CounterVec
	duration prometheus.Histogram
	requests *prometheus.CounterVec
	// reads are counted by whether everything was read or only what changed.
	reads  *prometheus.CounterVec
	writes *prometheus.CounterVec
	// asked counts requests to sources.
	asked *prometheus.CounterVec
	// changes are counted by what became of them.
	changes map[run.Outcome]*prometheus.CounterVec
	refused prometheus.Counter
	// hooks counts requests to webhooks, logins is how long it took from an event to the
	// end of the run of its person.
	hooks *prometheus.CounterVec
	// provisions counts requests of providers that fill a source.
	provisions *prometheus.CounterVec
	logins     *prometheus.HistogramVec
	// suspensions is how long accounts stayed open whose people the directory ended.
	suspensions prometheus.Histogram

	mu    sync.Mutex
	known []string // targets
	heard []string // webhooks
	// read is what the last read of each source that proved something held.
	read map[string]int
}

func newMetrics(a *Admin) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		runs:     counter("runs_total", "Runs that have ended, by what started them and how they ended.", "trigger", "result"),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "run_duration_seconds",
			Help: "How long runs took.", Buckets: []float64{0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000}}),
		requests: counter("target_requests_total", "Requests that runs made to the target, writes among them.", "target"),
		reads:    counter("source_reads_total", "Reads of the source that proved anything: of everything (full), or of what changed (changes).", "source", "kind"),
		writes:   counter("target_writes_total", "Requests of runs that wrote to the target.", "target"),
		asked:    counter("source_requests_total", "Requests of runs to the source, where they are counted: those over HTTP.", "source"),
		changes: map[run.Outcome]*prometheus.CounterVec{
			run.Planned: counter("planned_changes_total", "Changes that runs in mode plan would have made.", "target", "op"),
			run.Applied: counter("applied_changes_total", "Changes that were made.", "target", "op"),
			run.Failed:  counter("failed_changes_total", "Changes that the target refused or that could not be verified.", "target", "op"),
		},
		refused: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "admin_refused_total",
			Help: "Requests to the admin listener without the token that they need."}),
		hooks:      counter("webhook_requests_total", "Requests to the webhook, by what became of them; those to no webhook of ours under no name.", "webhook", "result"),
		provisions: counter("provisioning_requests_total", "Requests of a provider to the source, by what became of them; those to no source of ours under no name.", "source", "result"),
		logins: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "login_duration_seconds",
			Help:    "From an event that told of a person to the end of that person's run, by how the event was noticed.",
			Buckets: []float64{0.005, 0.01, 0.015, 0.025, 0.06, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60}}, []string{"trigger"}),
		suspensions: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "suspension_seconds",
			Help:    "From the beginning of the read that showed somebody disabled or gone to the end of the call that made the account pending.",
			Buckets: []float64{0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 86400}}),
		read: map[string]int{},
	}
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info", Help: "Which program this is; the value is 1.",
		ConstLabels: prometheus.Labels{"version": a.Version, "revision": a.Revision}}, func() float64 { return 1 })
	m.registry.MustRegister(m.runs, m.duration, m.requests, m.reads, m.writes, m.asked, m.changes[run.Planned], m.changes[run.Applied], m.changes[run.Failed],
		m.refused, m.hooks, m.provisions, m.logins, m.suspensions, info, newGauges(a, m), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// serve gives the handler of /metrics.
func (m *metrics) serve() func(http.ResponseWriter, *http.Request, visitor) {
	h := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
	return func(w http.ResponseWriter, r *http.Request, _ visitor) { h.ServeHTTP(w, r) }
}

// ops are the kinds of change that have a label of their own.
func ops() []run.Op {
	return []run.Op{run.CreateGroup, run.UpdateGroup, run.DeleteGroup, run.AddMember, run.RemoveMember, run.AdoptMember, run.ReleaseMember, run.SetPermissions,
		run.SetRole, run.CreateAccount, run.SetGrants}
}

// targets makes the counters of the configured targets begin at zero, so that the
// first change is seen as an increase, and forgets those of others.
func (m *metrics) targets(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, old := range m.known {
		if !slices.Contains(names, old) {
			for _, c := range append(slices.Collect(maps.Values(m.changes)), m.requests, m.writes) {
				c.DeletePartialMatch(prometheus.Labels{"target": old})
			}
		}
	}
	m.known = names
	for _, name := range names {
		m.requests.WithLabelValues(name)
		m.writes.WithLabelValues(name)
		for _, c := range m.changes {
			for _, op := range ops() {
				c.WithLabelValues(name, string(op))
			}
		}
	}
}

// webhooks makes the counters of the configured webhooks begin at zero, and forgets those
// of others.
func (m *metrics) webhooks(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, old := range m.heard {
		if !slices.Contains(names, old) {
			m.hooks.DeletePartialMatch(prometheus.Labels{"webhook": old})
		}
	}
	m.heard = names
	for _, name := range names {
		for _, r := range Results() {
			m.hooks.WithLabelValues(name, string(r))
		}
	}
}

// saw counts a run of a person that an event led to.
func (m *metrics) saw(req *run.Request, took time.Duration, err error) {
	if err != nil || !req.Single() {
		return
	}
	m.logins.WithLabelValues(triggerOf(req.Trigger)).Observe(took.Seconds())
}

// triggerOf gives the label of a trigger, which may come from whoever asked for the run.
func triggerOf(t run.Trigger) string {
	if slices.Contains([]run.Trigger{run.Manual, run.Schedule, run.Webhook, run.Watch, run.Reload, run.Confirm, run.Push}, t) {
		return string(t)
	}
	return "other"
}

// result says in a word how a run ended.
func result(exit int) string {
	switch exit {
	case run.ExitOK:
		return "ok"
	case run.ExitPartly:
		return "partly"
	case run.ExitHeld:
		return "held"
	case run.ExitSource:
		return "source"
	case run.ExitTarget:
		return "target"
	case run.ExitState:
		return "state"
	case run.ExitStale:
		return "stale"
	case run.ExitInterrupted:
		return "interrupted"
	}
	return "failed"
}

// ended counts a run.
func (m *metrics) ended(r *run.Report) {
	m.runs.WithLabelValues(triggerOf(r.Trigger), result(r.Exit)).Inc()
	m.duration.Observe((time.Duration(r.DurationMS) * time.Millisecond).Seconds())
	for _, ms := range r.Suspensions {
		m.suspensions.Observe((time.Duration(ms) * time.Millisecond).Seconds())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range r.Sources {
		s := &r.Sources[i]
		if s.Requests > 0 {
			m.asked.WithLabelValues(s.Name).Add(float64(s.Requests))
		}
		if r.User == "" && s.Coverage != "none" {
			m.read[s.Name] = s.Memberships
			m.reads.WithLabelValues(s.Name, string(cmp.Or(s.Read, run.ReadFull))).Inc()
		}
	}
	for i := range r.Targets {
		t := &r.Targets[i]
		m.requests.WithLabelValues(t.Name).Add(float64(t.Requests))
		m.writes.WithLabelValues(t.Name).Add(float64(t.Writes))
		for j := range t.Changes {
			if c := m.changes[t.Changes[j].Outcome]; c != nil {
				c.WithLabelValues(t.Name, string(t.Changes[j].Op)).Inc()
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
