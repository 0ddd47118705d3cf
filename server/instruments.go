package server

import "github.com/prometheus/client_golang/prometheus"

// instruments makes metrics from the list.
type instruments struct {
	list     map[string]Metric
	registry *prometheus.Registry
}

// newInstruments makes the instruments of all that Metrics lists.
func newInstruments() *instruments {
	i := &instruments{list: map[string]Metric{}, registry: prometheus.NewRegistry()}
	for _, m := range Metrics() {
		i.list[m.Name] = m
	}
	return i
}

// take takes a metric off the list; what is left is collected by gauges.
func (i *instruments) take(name string) Metric {
	m := i.list[name]
	delete(i.list, name)
	return m
}

func (i *instruments) counter(name string) *prometheus.CounterVec {
	m := i.take(name)
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: m.Help}, m.Labels)
	i.registry.MustRegister(v)
	return v
}

func (i *instruments) histogram(name string, buckets ...float64) *prometheus.HistogramVec {
	m := i.take(name)
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: m.Help, Buckets: buckets}, m.Labels)
	i.registry.MustRegister(v)
	return v
}
