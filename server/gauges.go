package server

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"groupsyncd/internal/logging"
	"groupsyncd/sync/engine"
)

// gauges collects what is true at the moment a scrape asks.
type gauges struct {
	a    *Admin
	m    *metrics
	desc map[string]*prometheus.Desc
}

// figure is a metric that gauges gives.
type figure struct{ name, help, label, second string }

// figures lists them.
func figures() []figure {
	return []figure{
		{"last_run_timestamp_seconds", "When the last run ended.", "", ""},
		{"source_last_complete_timestamp_seconds", "The time up to which the last complete read of the source is evidence.", "source", ""},
		{"source_last_full_timestamp_seconds", "The same of the last read of everything, where reads of changes may lie in between.", "source", ""},
		{"source_watched", "1 while the source is watched for changes, 0 while it should be.", "source", ""},
		{"source_coverage", "What the last read by this process proved: 1 everything, 0.5 a part, 0 nothing.", "source", ""},
		{"source_users", "People whom the source is known to have.", "source", ""},
		{"source_groups", "Groups that the source is known to have.", "source", ""},
		{"source_memberships", "Memberships in the last read by this process that proved anything.", "source", ""},
		{"source_failing", "Reads that failed since the last complete one.", "source", ""},
		{"source_stale", "1 while what is known of the source is too old.", "source", ""},
		{"source_quarantined", "1 while the source is read less often because it keeps failing.", "source", ""},
		{"held_changes", "Changes that the guard holds back.", "target", "check"},
		{"holds", "Holds that wait for a decision, those that list no change among them.", "target", "check"},
		{"target_memberships", "Memberships in the target that groupsyncd gave.", "target", ""},
		{"target_roles", "Accounts in the target whose role groupsyncd gave.", "target", ""},
		{"target_grants", "Grants of resources in the target that groupsyncd gave.", "target", ""},
		{"target_groups_managed", "Groups in the target that groupsyncd manages.", "target", ""},
		{"target_accounts", "Accounts in the target.", "target", ""},
		{"target_waiting", "Memberships that groupsyncd gave and that wait for a source.", "target", ""},
		{"target_watched", "1 while sign-ins to the target are noticed, 0 while they should be; absent where nobody looks.", "target", ""},
		{"target_quarantined", "1 while the target is tried less often because it keeps failing.", "target", ""},
		{"people_waiting", "People who wait for a run of their own.", "", ""},
		{"people_oldest_seconds", "How long the one who waits longest has waited.", "", ""},
		{"state_size_bytes", "Size of the state file.", "", ""},
		{"state_max_bytes", "Size that the state file may have.", "", ""},
		{"state_oldest_reader_seconds", "Age of the oldest open look at the state; a large one keeps the file growing.", "", ""},
		{"audit_records", "Number of the last record of the audit.", "", ""},
		{"audit_head_info", "1; the end of the audit, signed: whoever keeps it can tell later that nothing before it was cut or changed.", "hash", "signature"},
		{"config_last_reload_successful", "0 when the configuration file was refused at the last reload.", "", ""},
		{"config_last_reload_timestamp_seconds", "When the configuration in force was loaded.", "", ""},
	}
}

func newGauges(a *Admin, m *metrics) *gauges {
	g := &gauges{a: a, m: m, desc: map[string]*prometheus.Desc{}}
	for _, f := range figures() {
		var labels []string
		for _, l := range []string{f.label, f.second} {
			if l != "" {
				labels = append(labels, l)
			}
		}
		g.desc[f.name] = prometheus.NewDesc(namespace+"_"+f.name, f.help, labels, nil)
	}
	return g
}

// Describe lists the metrics.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range g.desc {
		ch <- d
	}
}

// Collect gives their values.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	put := func(name string, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(g.desc[name], prometheus.GaugeValue, value, labels...)
	}
	if s := g.a.look.status(g.a.ctx, g.a); s != nil {
		g.sources(s, put)
		g.targets(s, put)
		if q := s.People; q != nil {
			put("people_waiting", float64(q.Waiting))
			waited := time.Duration(0)
			if !q.Oldest.IsZero() {
				waited = g.a.Now().Sub(q.Oldest)
			}
			put("people_oldest_seconds", waited.Seconds())
		}
		if s.Last != nil {
			put("last_run_timestamp_seconds", seconds(s.Last.Started.Add(time.Duration(s.Last.DurationMS)*time.Millisecond)))
		}
	}
	v, err := g.a.Daemon.Vitals()
	if err != nil {
		g.a.Logger.LogAttrs(g.a.ctx, slog.LevelWarn, "figures of the state not read", slog.String(logging.KeyErr, err.Error()))
	} else {
		put("state_size_bytes", float64(v.StateSize))
		put("state_max_bytes", float64(v.StateMaxSize))
		put("state_oldest_reader_seconds", v.OldestReader.Seconds())
		if v.Audit.Seq > 0 {
			put("audit_records", float64(v.Audit.Seq))
			put("audit_head_info", 1, v.Audit.Hash, v.Audit.Signature)
		}
	}
	put("config_last_reload_successful", flag(!v.LoadFailed))
	if !v.Loaded.IsZero() {
		put("config_last_reload_timestamp_seconds", seconds(v.Loaded))
	}
}

func (g *gauges) sources(s *engine.Status, put func(string, float64, ...string)) {
	for i := range s.Sources {
		src := &s.Sources[i]
		if !src.CompleteAsOf.IsZero() {
			put("source_last_complete_timestamp_seconds", seconds(src.CompleteAsOf), src.Name)
		}
		if !src.FullAsOf.IsZero() {
			put("source_last_full_timestamp_seconds", seconds(src.FullAsOf), src.Name)
		}
		if src.Watch != nil {
			put("source_watched", flag(src.Watch.State == engine.WatchWorks), src.Name)
		}
		if share, known := coverage(src.Coverage); known {
			put("source_coverage", share, src.Name)
		}
		if n, known := g.m.memberships(src.Name); known {
			put("source_memberships", float64(n), src.Name)
		}
		put("source_users", float64(src.Users), src.Name)
		put("source_groups", float64(src.Groups), src.Name)
		put("source_failing", float64(src.Failing), src.Name)
		put("source_stale", flag(src.Stale), src.Name)
		put("source_quarantined", flag(src.Quarantine != nil), src.Name)
	}
}

func (g *gauges) targets(s *engine.Status, put func(string, float64, ...string)) {
	for i := range s.Targets {
		t := &s.Targets[i]
		waiting := 0
		for _, n := range t.Waiting {
			waiting += n
		}
		put("target_memberships", float64(t.Memberships), t.Name)
		put("target_roles", float64(t.Roles), t.Name)
		put("target_grants", float64(t.Grants), t.Name)
		put("target_groups_managed", float64(t.Managed), t.Name)
		put("target_accounts", float64(t.Accounts), t.Name)
		put("target_waiting", float64(waiting), t.Name)
		if t.Watch != nil {
			put("target_watched", flag(t.Watch.State == engine.WatchWorks), t.Name)
		}
		put("target_quarantined", flag(t.Quarantine != nil), t.Name)
	}
	type key struct{ target, check string }
	changes, holds := map[key]int{}, map[key]int{}
	for i := range s.Holds {
		k := key{s.Holds[i].Target, string(s.Holds[i].Check)}
		changes[k] += len(s.Holds[i].Keys)
		holds[k]++
	}
	for k, n := range holds {
		put("holds", float64(n), k.target, k.check)
		put("held_changes", float64(changes[k]), k.target, k.check)
	}
}

// coverage gives the share that a word stands for.
func coverage(word string) (float64, bool) {
	switch word {
	case "full":
		return 1, true
	case "partial":
		return 0.5, true
	case "none":
		return 0, true
	}
	return 0, false
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
