// Package monitoring holds the tests of metrics, alert rules and dashboard against a real
// Prometheus and its promtool. They carry the build tag peers.
package monitoring
