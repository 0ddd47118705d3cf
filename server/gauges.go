package server

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// gauges collects what is true at the moment a scrape asks.
type gauges struct {
	a    *Admin
	m    *metrics
	list map[string]Metric
	desc map[string]*prometheus.Desc
}

// put gives the value of a metric.
type put func(name string, value float64, labels ...string)

// at gives a time, where there is one.
func (p put) at(name string, t time.Time, labels ...string) {
	if !t.IsZero() {
		p(name, seconds(t), labels...)
	}
}

func newGauges(a *Admin, m *metrics, list map[string]Metric) *gauges {
	g := &gauges{a: a, m: m, list: list, desc: map[string]*prometheus.Desc{}}
	for name, f := range list {
		g.desc[name] = prometheus.NewDesc(f.Full(), f.Help, f.Labels, nil)
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
	put := put(func(name string, value float64, labels ...string) {
		kind := prometheus.GaugeValue
		if g.list[name].Type == Counter {
			kind = prometheus.CounterValue
		}
		ch <- prometheus.MustNewConstMetric(g.desc[name], kind, value, labels...)
	})
	put("build_info", 1, g.a.Version, g.a.Revision)
	if s := g.a.look.status(g.a.ctx, g.a); s != nil {
		g.sources(s, put)
		g.targets(s, put)
		g.holds(s, put)
		g.people(s.People, put)
		g.notices(s.Notify, put)
		g.file(s.State, put)
		if s.Last != nil {
			put("last_run_timestamp_seconds", seconds(s.Last.Started.Add(time.Duration(s.Last.DurationMS)*time.Millisecond)))
		}
	}
	v, err := g.a.Daemon.Vitals()
	if err != nil {
		g.a.Logger.LogAttrs(g.a.ctx, slog.LevelWarn, "figures of the state not read", slog.String(logging.KeyErr, err.Error()))
	} else {
		g.state(&v, put)
	}
	put("config_last_reload_successful", flag(!v.LoadFailed))
	put("config_hash", float64(v.ConfigHash))
	put.at("config_last_reload_timestamp_seconds", v.Loaded)
	for i := range v.Peers {
		g.peer(&v.Peers[i], put)
	}
	for _, e := range v.Expiries {
		put("credential_expiry_timestamp_seconds", seconds(e.At), e.Kind, e.Name, string(e.Credential))
	}
}

func (g *gauges) sources(s *engine.Status, put put) {
	for i := range s.Sources {
		src := &s.Sources[i]
		put.at("source_last_complete_timestamp_seconds", src.CompleteAsOf, src.Name)
		put.at("source_last_full_timestamp_seconds", src.FullAsOf, src.Name)
		put.at("source_next_read_timestamp_seconds", src.Next, src.Name)
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
		put("source_stale_after_seconds", src.StaleAfter.Seconds(), src.Name)
		put("source_quarantined", flag(src.Quarantine != nil), src.Name)
	}
}

func (g *gauges) targets(s *engine.Status, put put) {
	for i := range s.Targets {
		t := &s.Targets[i]
		waiting := 0
		for _, n := range t.Waiting {
			waiting += n
		}
		shown := g.m.shown(t.Name)
		put.at("target_last_success_timestamp_seconds", shown.success, t.Name)
		put.at("target_last_seen_timestamp_seconds", t.ObservedAt, t.Name)
		if shown.seen {
			put("target_people_pending", float64(shown.pending), t.Name)
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
}

// holds gives what is held of each target, and since when.
func (g *gauges) holds(s *engine.Status, put put) {
	type key struct{ target, check string }
	changes, holds, oldest := map[key]int{}, map[key]int{}, map[string]time.Time{}
	for i := range s.Holds {
		h := &s.Holds[i]
		k := key{h.Target, checkOf(h.Check)}
		changes[k] += len(h.Keys)
		holds[k]++
		if was, some := oldest[h.Target]; !h.Since.IsZero() && (!some || h.Since.Before(was)) {
			oldest[h.Target] = h.Since
		}
	}
	for k, n := range holds {
		put("holds", float64(n), k.target, k.check)
		put("held_changes", float64(changes[k]), k.target, k.check)
	}
	for target, since := range oldest {
		put.at("oldest_hold_timestamp_seconds", since, target)
	}
}

func (g *gauges) notices(list []run.NotifyStatus, put put) {
	for i := range list {
		put("notices_waiting", float64(list[i].Waiting), list[i].Name)
		put.at("notices_oldest_timestamp_seconds", list[i].Oldest, list[i].Name)
	}
}

func (g *gauges) people(q *engine.QueueStatus, put put) {
	if q == nil {
		return
	}
	put("people_waiting", float64(q.Waiting))
	put("people_at_work", float64(q.AtWork))
	waited := time.Duration(0)
	if !q.Oldest.IsZero() {
		waited = g.a.Now().Sub(q.Oldest)
	}
	put("people_oldest_seconds", waited.Seconds())
}

// file gives what status knows of the file of the state and its copies.
func (g *gauges) file(s *engine.StateStatus, put put) {
	if s == nil {
		return
	}
	put("state_writable", flag(s.Problem == ""))
	put("state_unused_bytes", float64(s.Unused))
	put("state_free_space_bytes", float64(s.FreeSpace))
	put.at("state_checked_timestamp_seconds", s.CheckedAt)
	put.at("backup_last_timestamp_seconds", s.Backup.Last)
	put("backup_failing", flag(s.Backup.Problem != ""))
}

func (g *gauges) state(v *Vitals, put put) {
	put("state_size_bytes", float64(v.StateSize))
	put("state_max_bytes", float64(v.StateMaxSize))
	put("state_oldest_reader_seconds", v.OldestReader.Seconds())
	if v.BackupEvery > 0 {
		put("backup_interval_seconds", v.BackupEvery.Seconds())
	}
	if v.Audit.Seq > 0 {
		put("audit_records", float64(v.Audit.Seq))
		put("audit_head_info", 1, v.Audit.Hash, v.Audit.Signature)
	}
	if v.Forward != nil {
		put("audit_forward_failing", flag(v.Forward.Failing))
		put("audit_forward_waiting", float64(v.Forward.Waiting))
	}
}

// peer gives what was counted of a source or target.
func (g *gauges) peer(p *Peer, put put) {
	if p.Kind == PeerSource {
		put("source_schedule_skipped_total", float64(p.Skipped), p.Name)
	}
	if !p.Counts.HTTP {
		return
	}
	put(p.Kind+"_requests_total", float64(p.Counts.Answered), p.Name, "ok")
	for _, k := range fault.Kinds() {
		put(p.Kind+"_requests_total", float64(p.Counts.Failed[k]), p.Name, k.String())
	}
	put(p.Kind+"_retries_total", float64(p.Counts.Retries), p.Name)
	put(p.Kind+"_retry_budget_exhausted_total", float64(p.Counts.Exhausted), p.Name)
	put(p.Kind+"_breaker_open", flag(p.Counts.Spared), p.Name)
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
