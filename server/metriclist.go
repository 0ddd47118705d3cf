package server

import "strings"

// namespace begins the name of every metric.
const namespace = "groupsyncd"

// Metric describes a metric. The list of them is the only place where names, labels and
// words of metrics are; docs/metrics.md is made from it.
type Metric struct {
	// Name is without the namespace that all have.
	Name   string     `json:"name"`
	Type   MetricType `json:"type"`
	Labels []string   `json:"labels,omitempty"`
	Help   string     `json:"help"`
}

// MetricType is what kind of metric one is.
type MetricType string

// The types of metrics.
const (
	Counter   MetricType = "counter"
	Gauge     MetricType = "gauge"
	Histogram MetricType = "histogram"
)

// Full gives the whole name.
func (m *Metric) Full() string { return namespace + "_" + m.Name }

// Unit gives what the numbers are, from the name as Prometheus wants it.
func (m *Metric) Unit() string {
	name := strings.TrimSuffix(m.Name, "_total")
	switch {
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return "Unix time"
	case strings.HasSuffix(name, "_seconds"):
		return "seconds"
	case strings.HasSuffix(name, "_bytes"):
		return "bytes"
	}
	return ""
}

// Metrics lists every metric but those of the Go runtime and the process, in the order in
// which people want to read of them.
func Metrics() []Metric {
	var out []Metric
	for _, part := range [][]Metric{runMetrics(), sourceMetrics(), targetMetrics(), guardMetrics(), peopleMetrics(), noticeMetrics(), stateMetrics(), daemonMetrics()} {
		out = append(out, part...)
	}
	return out
}

func metric(t MetricType, name, labels, help string) Metric {
	return Metric{Name: name, Type: t, Labels: strings.Fields(labels), Help: help}
}

func runMetrics() []Metric {
	return []Metric{
		metric(Counter, "runs_total", "trigger result", "Runs that have ended, by what started them and how they ended."),
		metric(Histogram, "run_duration_seconds", "scope", "How long runs took: those of everything or of a source (all), and those of one person (person)."),
		metric(Gauge, "last_run_timestamp_seconds", "", "When the last run ended, however it ended."),
		metric(Counter, "planned_changes_total", "target op", "Changes that runs in mode plan would have made."),
		metric(Counter, "applied_changes_total", "target op", "Changes that were made."),
		metric(Counter, "failed_changes_total", "target op", "Changes that the target refused or that could not be verified."),
	}
}

func sourceMetrics() []Metric {
	return []Metric{
		metric(Gauge, "source_last_complete_timestamp_seconds", "source", "The last success of the source: the time up to which its last complete read is evidence."),
		metric(Gauge, "source_last_full_timestamp_seconds", "source", "The same of the last read of everything, where reads of changes may lie in between."),
		metric(Gauge, "source_next_read_timestamp_seconds", "source", "When the source is read next by its schedule."),
		metric(Counter, "source_reads_total", "source kind", "Reads of the source that proved anything: of everything (full), or of what changed (changes)."),
		metric(Counter, "source_failures_total", "source reason", "Reads and look-ups of the source that failed, by the kind of failure."),
		metric(Gauge, "source_failing", "source", "Reads that failed since the last complete one."),
		metric(Gauge, "source_stale", "source", "1 while what is known of the source is too old."),
		metric(Gauge, "source_stale_after_seconds", "source", "How long the source may go without a complete read before it counts as too old: stale_after intervals of its schedule."),
		metric(Gauge, "source_quarantined", "source", "1 while the source is read less often because it keeps failing."),
		metric(Gauge, "source_watched", "source", "1 while the source is watched for changes, 0 while it should be; absent where it is not."),
		metric(Gauge, "source_coverage", "source", "What the last read by this process proved: 1 everything, 0.5 a part, 0 nothing."),
		metric(Gauge, "source_users", "source", "People whom the source is known to have."),
		metric(Gauge, "source_groups", "source", "Groups that the source is known to have."),
		metric(Gauge, "source_memberships", "source", "Memberships in the last read by this process that proved anything."),
		metric(Counter, "source_schedule_skipped_total", "source", "Times of the schedule that passed while the run before them had not ended."),
		metric(Counter, "source_requests_total", "source result", "Requests over HTTP to the source, each attempt counted, by what became of it: ok, or the kind of failure."),
		metric(Counter, "source_retries_total", "source", "Requests over HTTP to the source that repeated one that had failed."),
		metric(Counter, "source_retry_budget_exhausted_total", "source", "Requests over HTTP to the source that were given up because a run had no retries left."),
		metric(Gauge, "source_breaker_open", "source", "1 while the source, asked over HTTP, has failed so often in a row that nothing is sent but a probe now and then."),
		metric(Counter, "provisioning_requests_total", "source result", "Requests of a provider to the source, by what became of them; those to no source of ours under no name."),
	}
}

func targetMetrics() []Metric {
	return []Metric{
		metric(Gauge, "target_last_success_timestamp_seconds", "target", "When the last run of more than one person ended that saw the target and in which no change failed."),
		metric(Gauge, "target_last_seen_timestamp_seconds", "target", "When the target was last looked at."),
		metric(Counter, "target_failures_total", "target reason", "Runs that the target ended, by the kind of failure."),
		metric(Gauge, "target_quarantined", "target", "1 while the target is tried less often because it keeps failing."),
		metric(Gauge, "target_watched", "target", "1 while sign-ins to the target are noticed, 0 while they should be; absent where nobody looks."),
		metric(Counter, "target_requests_total", "target result", "Requests to the target, each attempt counted, by what became of it: ok, or the kind of failure."),
		metric(Counter, "target_writes_total", "target", "Requests of runs that wrote to the target."),
		metric(Counter, "target_retries_total", "target", "Requests to the target that repeated one that had failed."),
		metric(Counter, "target_retry_budget_exhausted_total", "target", "Requests to the target that were given up because a run had no retries left."),
		metric(Gauge, "target_breaker_open", "target", "1 while the target has failed so often in a row that nothing is sent but a probe now and then."),
		metric(Gauge, "target_accounts", "target", "Accounts in the target."),
		metric(Gauge, "target_people_pending", "target", "People who are wanted in a group and have no account yet, as the last run of more than one person saw it."),
		metric(Gauge, "target_groups_managed", "target", "Groups in the target that groupsyncd manages."),
		metric(Gauge, "target_memberships", "target", "Memberships in the target that groupsyncd gave."),
		metric(Gauge, "target_roles", "target", "Accounts in the target whose role groupsyncd gave."),
		metric(Gauge, "target_grants", "target", "Grants of resources in the target that groupsyncd gave."),
		metric(Gauge, "target_waiting", "target", "Memberships that groupsyncd gave and that wait for a source."),
	}
}

func guardMetrics() []Metric {
	return []Metric{
		metric(Gauge, "holds", "target check", "Holds that wait for a decision, those that list no change among them."),
		metric(Gauge, "held_changes", "target check", "Changes that the guard holds back."),
		metric(Gauge, "oldest_hold_timestamp_seconds", "target", "Since when the oldest hold of the target waits; absent where none does."),
		metric(Counter, "holds_begun_total", "target check", "Holds that have begun, at the end of the run in which they did."),
	}
}

func peopleMetrics() []Metric {
	return []Metric{
		metric(Gauge, "people_waiting", "", "People who wait for a run of their own."),
		metric(Gauge, "people_at_work", "", "People whose run is under way."),
		metric(Gauge, "people_oldest_seconds", "", "How long the one who waits longest has waited."),
		metric(Histogram, "login_duration_seconds", "trigger", "From an event that told of a person to the end of that person's run, by how the event was noticed."),
		metric(Histogram, "suspension_seconds", "", "From the beginning of the read that showed somebody disabled or gone to the end of the call that made the account pending."),
		metric(Counter, "webhook_requests_total", "webhook result", "Requests to the webhook, by what became of them; those to no webhook of ours under no name."),
	}
}

func noticeMetrics() []Metric {
	return []Metric{
		metric(Counter, "notices_total", "service kind result", "Notices to the service outside, by what became of them: sent, failed (and tried again), expired (given up)."),
		metric(Gauge, "notices_waiting", "service", "Notices that have not arrived at the service yet."),
		metric(Gauge, "notices_oldest_timestamp_seconds", "service", "When the oldest of them was written; absent where none waits."),
	}
}

func stateMetrics() []Metric {
	return []Metric{
		metric(Gauge, "state_writable", "", "0 when writing to the state was stopped, because it is damaged or its disk fails; nothing is changed in a target then."),
		metric(Gauge, "state_size_bytes", "", "Size of the state file."),
		metric(Gauge, "state_max_bytes", "", "Size that the state file may have."),
		metric(Gauge, "state_unused_bytes", "", "Part of the state file that holds nothing; compacting gives it back."),
		metric(Gauge, "state_free_space_bytes", "", "Space that is left on the disk of the state."),
		metric(Gauge, "state_oldest_reader_seconds", "", "Age of the oldest open look at the state; a large one keeps the file growing."),
		metric(Gauge, "state_checked_timestamp_seconds", "", "When all of the state was last read and found whole by this process, beside the check at its start."),
		metric(Gauge, "backup_last_timestamp_seconds", "", "When the newest good backup of the state was made."),
		metric(Gauge, "backup_interval_seconds", "", "How often a backup is to be made; absent where none is."),
		metric(Gauge, "backup_failing", "", "1 while the last attempt at a backup failed."),
		metric(Gauge, "audit_records", "", "Number of the last record of the audit."),
		metric(Gauge, "audit_head_info", "hash signature", "1; the end of the audit, signed: whoever keeps it can tell later that nothing before it was cut or changed."),
		metric(Gauge, "audit_forward_failing", "", "1 while records of the audit cannot be passed on; absent where they go nowhere."),
		metric(Gauge, "audit_forward_waiting", "", "Records of the audit that have not been passed on; absent where they go nowhere."),
	}
}

func daemonMetrics() []Metric {
	return []Metric{
		metric(Gauge, "config_last_reload_successful", "", "0 when the configuration file was refused at the last reload."),
		metric(Gauge, "config_last_reload_timestamp_seconds", "", "When the configuration in force was loaded."),
		metric(Gauge, "config_hash", "", "The first 48 bits of the SHA-256 of the configuration file in force, as a number: equal files, equal numbers."),
		metric(Gauge, "credential_expiry_timestamp_seconds", "kind name credential", "Until when a credential is good, as far as that can be known: certificates of servers that were met, our own ones, and tokens that say it themselves."),
		metric(Counter, "admin_refused_total", "", "Requests to the admin listener without the token that they need."),
		metric(Gauge, "build_info", "version revision", "Which program this is; the value is 1."),
	}
}
