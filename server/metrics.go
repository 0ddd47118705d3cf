package server

import (
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

// metrics counts what runs did. What is true at the moment is collected when somebody
// asks; see gauges. Labels have few values, all from the configuration or from this
// program: never people or groups.
type metrics struct {
	registry *prometheus.Registry
	runs     *prometheus.CounterVec
	duration *prometheus.HistogramVec
	writes   *prometheus.CounterVec
	// reads are counted by whether everything was read or only what changed.
	reads *prometheus.CounterVec
	// failed are reads of sources, refused runs that a target ended, by the kind of failure.
	failed, refused *prometheus.CounterVec
	// changes are counted by what became of them.
	changes map[run.Outcome]*prometheus.CounterVec
	begun   *prometheus.CounterVec
	denied  prometheus.Counter
	// hooks counts requests to webhooks, logins is how long it took from an event to the
	// end of the run of its person.
	hooks *prometheus.CounterVec
	// provisions counts requests of providers that fill a source.
	provisions *prometheus.CounterVec
	logins     *prometheus.HistogramVec
	// notices counts what became of notices to services outside.
	notices *prometheus.CounterVec
	// suspensions is how long accounts stayed open whose people the directory ended.
	suspensions prometheus.Histogram

	mu sync.Mutex
	// known are the names of the configuration.
	sources, targets, webhooks, services []string
	// read is what the last read of each source that proved something held, fared what the
	// last runs of each target showed.
	read  map[string]int
	fared map[string]*standing
}

// standing is what runs showed of a target.
type standing struct {
	success time.Time
	// pending is how many people have no account yet; seen says that a run has shown it.
	pending int
	seen    bool
	holds   map[holdKey]bool
}

// holdKey tells the holds of a target apart, however their lists change.
type holdKey struct {
	check run.Check
	scope string
}

// The scopes of a run.
const (
	scopeAll    = "all"
	scopePerson = "person"
)

func newMetrics(a *Admin) *metrics {
	i := newInstruments()
	m := &metrics{
		registry: i.registry,
		runs:     i.counter("runs_total"),
		duration: i.histogram("run_duration_seconds", 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600),
		writes:   i.counter("target_writes_total"),
		reads:    i.counter("source_reads_total"),
		failed:   i.counter("source_failures_total"),
		refused:  i.counter("target_failures_total"),
		changes: map[run.Outcome]*prometheus.CounterVec{
			run.Planned: i.counter("planned_changes_total"),
			run.Applied: i.counter("applied_changes_total"),
			run.Failed:  i.counter("failed_changes_total"),
		},
		begun:       i.counter("holds_begun_total"),
		denied:      i.counter("admin_refused_total").WithLabelValues(),
		hooks:       i.counter("webhook_requests_total"),
		notices:     i.counter("notices_total"),
		provisions:  i.counter("provisioning_requests_total"),
		logins:      i.histogram("login_duration_seconds", 0.005, 0.01, 0.015, 0.025, 0.06, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60),
		suspensions: i.histogram("suspension_seconds", 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 86400).WithLabelValues().(prometheus.Histogram),
		read:        map[string]int{},
		fared:       map[string]*standing{},
	}
	for _, t := range append(triggers(), "other") {
		for _, r := range results() {
			m.runs.WithLabelValues(string(t), r)
		}
	}
	m.duration.WithLabelValues(scopeAll)
	m.duration.WithLabelValues(scopePerson)
	m.registry.MustRegister(newGauges(a, m, i.list), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// serve gives the handler of /metrics.
func (m *metrics) serve() func(http.ResponseWriter, *http.Request, visitor) {
	h := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
	return func(w http.ResponseWriter, r *http.Request, _ visitor) { h.ServeHTTP(w, r) }
}

// names are what a configuration calls its parts.
type names struct {
	sources, targets, webhooks, services []string
	// notices are the kinds that each service is told of.
	notices map[string][]string
}

// use makes the counters of what is configured begin at zero, so that the first change is
// seen as an increase, and forgets those of others.
func (m *metrics) use(n names) {
	m.mu.Lock()
	defer m.mu.Unlock()
	forget("source", m.sources, n.sources, m.reads, m.failed, m.provisions)
	forget("target", m.targets, n.targets, append(slices.Collect(maps.Values(m.changes)), m.writes, m.refused, m.begun)...)
	forget("webhook", m.webhooks, n.webhooks, m.hooks)
	forget("service", m.services, n.services, m.notices)
	keep := func(list []string) func(string) bool {
		return func(name string) bool { return !slices.Contains(list, name) }
	}
	maps.DeleteFunc(m.read, func(name string, _ int) bool { return keep(n.sources)(name) })
	maps.DeleteFunc(m.fared, func(name string, _ *standing) bool { return keep(n.targets)(name) })
	m.sources, m.targets, m.webhooks, m.services = n.sources, n.targets, n.webhooks, n.services
	for _, name := range n.sources {
		m.reads.WithLabelValues(name, string(run.ReadFull))
		m.reads.WithLabelValues(name, string(run.ReadChanges))
		zero(m.failed, name, reasons())
	}
	for _, name := range n.targets {
		m.writes.WithLabelValues(name)
		zero(m.refused, name, reasons())
		zero(m.begun, name, run.Checks())
		for _, c := range m.changes {
			zero(c, name, ops())
		}
	}
	for _, name := range n.webhooks {
		zero(m.hooks, name, Results())
	}
	for name, kinds := range n.notices {
		for _, kind := range kinds {
			for _, r := range noticeResults() {
				m.notices.WithLabelValues(name, kind, r)
			}
		}
	}
}

// zero makes counters begin at zero.
func zero[T ~string](c *prometheus.CounterVec, name string, values []T) {
	for _, v := range values {
		c.WithLabelValues(name, string(v))
	}
}

// forget drops the counters of names that are no longer configured.
func forget(label string, before, now []string, counters ...*prometheus.CounterVec) {
	for _, old := range before {
		if slices.Contains(now, old) {
			continue
		}
		for _, c := range counters {
			c.DeletePartialMatch(prometheus.Labels{label: old})
		}
	}
}
