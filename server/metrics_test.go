package server

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
	"groupsyncd/sync/run"
)

// everything is a daemon's figures with all of them in use.
func everything() Vitals {
	end := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	return Vitals{StateSize: 4096, StateMaxSize: 1 << 30, OldestReader: 1500 * time.Millisecond, BackupEvery: 24 * time.Hour, Audit: run.AuditHead{Seq: 12, Hash: "5e1f", Signature: "c2ln"},
		Forward: &Forward{Failing: true, Waiting: 4}, Loaded: time.Now(), ConfigHash: 1<<48 - 1,
		Peers: []Peer{
			{Kind: PeerSource, Name: "corp", Skipped: 2, Counts: httpx.Counts{HTTP: true, Answered: 40, Failed: map[fault.Kind]uint64{fault.Throttled: 2}, Retries: 2}},
			{Kind: PeerSource, Name: "hr"},
			{Kind: PeerTarget, Name: "chat", Counts: httpx.Counts{HTTP: true, Answered: 7, Failed: map[fault.Kind]uint64{fault.Unavailable: 11}, Retries: 9, Exhausted: 1, Spared: true}},
		},
		Expiries: []Expiry{{PeerSource, "corp", providers.ClientCertificate, end}, {PeerTarget, "chat", providers.Token, end}, {PeerListener, "public", providers.ServerCertificate, end}}}
}

// worked is an admin side with every metric in use.
func worked(t *testing.T) *Admin {
	t.Helper()
	o := &office{state: busy(time.Now()), vitals: everything()}
	a, _, _ := newAdmin(t, o)
	a.Use(&config.Config{Sources: []*config.Source{{Name: "corp"}, {Name: "hr"}, {Name: "new"}}, Targets: []*config.Target{{Name: "chat"}}, Webhooks: []*config.Webhook{{Name: "logins"}}, Notify: []*config.Notify{{Name: "on-call", On: []string{"held", "stale"}}}})
	person := &run.UserRef{ID: "canary-person", Email: "canary-person@example.org"}
	group := &run.GroupRef{ID: "canary-group", Name: "canary-group"}
	a.Ended(&run.Report{Trigger: run.Schedule, Started: time.Unix(946684800, 0), DurationMS: 812, Exit: run.ExitHeld, By: "canary-person", Suspensions: []int64{1500},
		Sources: []run.SourceReport{{Name: "corp", Coverage: "full", Memberships: 50, Read: run.ReadChanges}, {Name: "new", Coverage: "none", Fault: "auth", Reason: "canary-person"}},
		Targets: []run.TargetReport{{Name: "chat", Requests: 7, Writes: 3, Summary: run.Summary{Pending: 6, Failed: 1}, Holds: []run.HoldNote{{Check: run.Unruled, Scope: "canary-group"}, {Check: "canary-group"}}, Changes: []run.Change{
			{Op: run.AddMember, Outcome: run.Applied, Group: group, User: person}, {Op: run.AddMember, Outcome: run.Applied, Group: group},
			{Op: run.RemoveMember, Outcome: run.Failed, Group: group, User: person}, {Op: run.RemoveMember, Outcome: run.Held, Group: group},
			{Op: "canary-group", Outcome: run.Applied},
		}}}})
	a.Ended(&run.Report{Trigger: run.Manual, User: "canary-person", Exit: run.ExitOK, Sources: []run.SourceReport{{Name: "corp", Coverage: "partial", Memberships: 1, Fault: "not_found"}}})
	a.Ended(&run.Report{Trigger: "canary-person", Mode: run.Plan, Exit: run.ExitFailure, Sources: []run.SourceReport{{Name: "canary-person", Coverage: "full", Fault: "auth"}, {Name: "hr", Fault: "canary-person"}},
		Targets: []run.TargetReport{{Name: "chat", Error: "canary-person", Fault: "auth", Changes: []run.Change{{Op: run.CreateGroup, Outcome: run.Planned, Group: group}}}, {Name: "canary-group", Writes: 1}}})
	a.Saw(run.Request{Trigger: run.Webhook, User: "canary-person"}, 20*time.Millisecond, nil)
	a.Hooked("logins", Accepted)
	a.Provisioned("corp", Accepted)
	a.Noticed("on-call", string(run.NoticeHeld), "sent")
	return a
}

func scrape(t *testing.T, a *Admin) string {
	t.Helper()
	w := ask(a, http.MethodGet, "/metrics", "", from("192.0.2.7:1"))
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetricsSayWhatHappenedAndWhatIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		text := scrape(t, worked(t))
		for _, line := range []string{
			`groupsyncd_runs_total{result="held",trigger="schedule"} 1`,
			`groupsyncd_runs_total{result="ok",trigger="manual"} 1`,
			`groupsyncd_runs_total{result="failed",trigger="other"} 1`,
			`groupsyncd_runs_total{result="source",trigger="schedule"} 0`,
			`groupsyncd_run_duration_seconds_count{scope="all"} 2`,
			`groupsyncd_run_duration_seconds_count{scope="person"} 1`,
			`groupsyncd_run_duration_seconds_bucket{scope="all",le="1"} 2`,
			`groupsyncd_target_requests_total{result="ok",target="chat"} 7`,
			`groupsyncd_target_requests_total{result="unavailable",target="chat"} 11`,
			`groupsyncd_target_requests_total{result="auth",target="chat"} 0`,
			`groupsyncd_target_retries_total{target="chat"} 9`,
			`groupsyncd_target_retry_budget_exhausted_total{target="chat"} 1`,
			`groupsyncd_target_breaker_open{target="chat"} 1`,
			`groupsyncd_target_failures_total{reason="auth",target="chat"} 1`,
			`groupsyncd_target_failures_total{reason="unavailable",target="chat"} 0`,
			`groupsyncd_target_last_seen_timestamp_seconds{target="chat"} 9.4668474e+08`,
			`groupsyncd_target_people_pending{target="chat"} 6`,
			`groupsyncd_source_breaker_open{source="corp"} 0`,
			`groupsyncd_source_retries_total{source="corp"} 2`,
			`groupsyncd_source_requests_total{result="throttled",source="corp"} 2`,
			`groupsyncd_source_schedule_skipped_total{source="corp"} 2`,
			`groupsyncd_source_schedule_skipped_total{source="hr"} 0`,
			`groupsyncd_source_failures_total{reason="auth",source="new"} 1`,
			`groupsyncd_source_failures_total{reason="other",source="hr"} 1`,
			`groupsyncd_source_failures_total{reason="not_found",source="corp"} 0`,
			`groupsyncd_source_next_read_timestamp_seconds{source="corp"} 9.4668552e+08`,
			`groupsyncd_oldest_hold_timestamp_seconds{target="chat"} 9.466812e+08`,
			`groupsyncd_holds_begun_total{check="unruled",target="chat"} 1`,
			`groupsyncd_holds_begun_total{check="max_people",target="chat"} 0`,
			`groupsyncd_notices_total{kind="held",result="sent",service="on-call"} 1`,
			`groupsyncd_notices_total{kind="stale",result="expired",service="on-call"} 0`,
			`groupsyncd_notices_waiting{service="on-call"} 2`,
			`groupsyncd_notices_oldest_timestamp_seconds{service="on-call"} 9.466812e+08`,
			`groupsyncd_people_waiting 3`,
			`groupsyncd_people_at_work 2`,
			`groupsyncd_people_oldest_seconds 90`,
			`groupsyncd_state_writable 1`,
			`groupsyncd_state_unused_bytes 100`,
			`groupsyncd_state_free_space_bytes 1e+09`,
			`groupsyncd_backup_interval_seconds 86400`,
			`groupsyncd_backup_failing 1`,
			`groupsyncd_backup_last_timestamp_seconds 9.466812e+08`,
			`groupsyncd_audit_forward_failing 1`,
			`groupsyncd_audit_forward_waiting 4`,
			`groupsyncd_config_hash 2.81474976710655e+14`,
			`groupsyncd_credential_expiry_timestamp_seconds{credential="token",kind="target",name="chat"} 1.893553445e+09`,
			`groupsyncd_suspension_seconds_bucket{le="3"} 1`,
			`groupsyncd_target_writes_total{target="chat"} 3`,
			`groupsyncd_applied_changes_total{op="add_member",target="chat"} 2`,
			`groupsyncd_applied_changes_total{op="remove_member",target="chat"} 0`,
			`groupsyncd_failed_changes_total{op="remove_member",target="chat"} 1`,
			`groupsyncd_planned_changes_total{op="create_group",target="chat"} 1`,
			`groupsyncd_last_run_timestamp_seconds 9.466847415e+08`,
			`groupsyncd_source_last_complete_timestamp_seconds{source="corp"} 9.4668462e+08`,
			`groupsyncd_source_last_full_timestamp_seconds{source="corp"} 9.46674e+08`,
			`groupsyncd_source_watched{source="corp"} 1`,
			`groupsyncd_target_watched{target="chat"} 0`,
			`groupsyncd_source_reads_total{kind="changes",source="corp"} 1`,
			`groupsyncd_source_coverage{source="corp"} 1`,
			`groupsyncd_source_coverage{source="hr"} 0.5`,
			`groupsyncd_source_coverage{source="new"} 0`,
			`groupsyncd_source_users{source="corp"} 10`,
			`groupsyncd_source_groups{source="corp"} 4`,
			`groupsyncd_source_memberships{source="corp"} 50`,
			`groupsyncd_source_failing{source="hr"} 3`,
			`groupsyncd_source_stale{source="corp"} 0`,
			`groupsyncd_source_stale{source="hr"} 1`,
			`groupsyncd_source_quarantined{source="hr"} 1`,
			`groupsyncd_source_quarantined{source="corp"} 0`,
			`groupsyncd_target_quarantined{target="chat"} 0`,
			`groupsyncd_held_changes{check="unruled",target="chat"} 3`,
			`groupsyncd_holds{check="unruled",target="chat"} 2`,
			`groupsyncd_holds{check="target_changed",target="chat"} 1`,
			`groupsyncd_target_memberships{target="chat"} 7`,
			`groupsyncd_target_roles{target="chat"} 3`,
			`groupsyncd_target_grants{target="chat"} 4`,
			`groupsyncd_target_groups_managed{target="chat"} 2`,
			`groupsyncd_target_accounts{target="chat"} 9`,
			`groupsyncd_target_waiting{target="chat"} 3`,
			`groupsyncd_state_size_bytes 4096`,
			`groupsyncd_state_oldest_reader_seconds 1.5`,
			`groupsyncd_audit_records 12`,
			`groupsyncd_audit_head_info{hash="5e1f",signature="c2ln"} 1`,
			`groupsyncd_config_last_reload_successful 1`,
			`groupsyncd_config_last_reload_timestamp_seconds 9.466848e+08`,
			`groupsyncd_build_info{revision="",version="v1"} 1`,
		} {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("missing: %s", line)
			}
		}
		for _, never := range []string{"canary", `source_memberships{source="new"}`, `source_requests_total{result="ok",source="hr"}`, `target_last_success`, `source_last_complete_timestamp_seconds{source="new"}`, "-6."} {
			if strings.Contains(text, never) {
				t.Errorf("the metrics hold %s", never)
			}
		}
	})
}

func TestMetricsAreWellFormed(t *testing.T) {
	t.Parallel()
	problems, err := promlint.New(strings.NewReader(scrape(t, worked(t)))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestTheReferenceListsWhatIsThere(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	a := worked(t)
	var there, listed []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (groupsyncd_\w+) (\w+)$`).FindAllStringSubmatch(scrape(t, a), -1) {
		there = append(there, m[1]+" "+m[2])
	}
	// What needs a success of a target, or a check of the state.
	a.Ended(&run.Report{Started: time.Now(), Targets: []run.TargetReport{{Name: "chat"}}})
	if text := scrape(t, a); strings.Contains(text, "groupsyncd_target_last_success_timestamp_seconds{") {
		there = append(there, "groupsyncd_target_last_success_timestamp_seconds gauge")
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(groupsyncd_\\w+)` \\| (\\w+) \\|").FindAllSubmatch(doc, -1) {
		listed = append(listed, string(m[1])+" "+string(m[2]))
	}
	slices.Sort(listed)
	slices.Sort(there)
	if !slices.Equal(there, listed) || len(there) < 60 {
		t.Errorf("there are\n%s\nlisted are\n%s", strings.Join(there, "\n"), strings.Join(listed, "\n"))
	}
}

// words are the values that labels of the program may have.
func words() []string {
	out := []string{"all", "person", "full", "changes", "ok", "other", "v1", "", "5e1f", "c2ln", "held", "sent", PeerSource, PeerTarget, PeerListener}
	out = append(out, reasons()...)
	out = append(out, results()...)
	out = append(out, noticeResults()...)
	add := func(list ...string) { out = append(out, list...) }
	for _, v := range triggers() {
		add(string(v))
	}
	for _, v := range ops() {
		add(string(v))
	}
	for _, v := range run.Checks() {
		add(string(v))
	}
	for _, v := range Results() {
		add(string(v))
	}
	for _, v := range providers.Credentials() {
		add(string(v))
	}
	return out
}

func TestLabelsComeFromTheConfigurationAndFromTheProgram(t *testing.T) {
	t.Parallel()
	allowed := append(words(), "corp", "hr", "new", "chat", "logins", "public", "on-call")
	lists := map[string][]string{}
	for _, m := range Metrics() {
		lists[m.Full()] = m.Labels
	}
	seen := 0
	for line := range strings.Lines(scrape(t, worked(t))) {
		m := regexp.MustCompile(`^(groupsyncd_\w+?)(?:_bucket|_sum|_count)?\{(.+)\} `).FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for _, pair := range regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`).FindAllStringSubmatch(m[2], -1) {
			seen++
			if pair[1] == "le" {
				continue
			}
			if !slices.Contains(lists[m[1]], pair[1]) {
				t.Errorf("%s has the label %s, which is not listed", m[1], pair[1])
			}
			if !slices.Contains(allowed, pair[2]) {
				t.Errorf("%s{%s=%q}: nobody chose that word", m[1], pair[1], pair[2])
			}
		}
	}
	if seen < 300 {
		t.Errorf("only %d labels were looked at", seen)
	}
}

func TestARestartForgetsNeitherASuccessNorWhatWasHeld(t *testing.T) {
	t.Parallel()
	a, _, _ := newAdmin(t, &office{state: busy(time.Now())})
	a.Use(&config.Config{Targets: []*config.Target{{Name: "chat"}}})
	held := []run.HoldNote{{Check: run.Unruled, Scope: "one"}}
	success := func(at int64) run.Report {
		return run.Report{Started: time.Unix(at, 0), DurationMS: 500, Exit: run.ExitHeld, Targets: []run.TargetReport{{Name: "chat", Writes: 9, Holds: held}}}
	}
	newest := success(9000)
	newest.Targets[0].Error = "down"
	person := success(9500)
	person.User = "somebody"
	a.Remember([]run.Report{person, newest, success(8000), success(7000)})
	has := func(want ...string) {
		t.Helper()
		text := scrape(t, a)
		for _, line := range want {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("missing: %s", line)
			}
		}
	}
	has(`groupsyncd_target_last_success_timestamp_seconds{target="chat"} 8000.5`, `groupsyncd_holds_begun_total{check="unruled",target="chat"} 0`, `groupsyncd_target_writes_total{target="chat"} 0`)
	next := success(10000)
	next.Targets[0].Holds = slices.Concat(held, []run.HoldNote{{Check: run.Unruled, Scope: "two"}})
	a.Ended(&next)
	has(`groupsyncd_target_last_success_timestamp_seconds{target="chat"} 10000.5`, `groupsyncd_holds_begun_total{check="unruled",target="chat"} 1`)
	a.Ended(&next)
	has(`groupsyncd_holds_begun_total{check="unruled",target="chat"} 1`)
	healed := success(11000)
	healed.Targets[0].Holds = nil
	a.Ended(&healed)
	a.Ended(&next)
	has(`groupsyncd_holds_begun_total{check="unruled",target="chat"} 3`)
	for _, bad := range []func(*run.Report){
		func(r *run.Report) { r.Targets[0].Summary.Failed = 1 },
		func(r *run.Report) { r.Targets[0].Stale = true },
		func(r *run.Report) { r.Targets[0].Error = "refused" },
		func(r *run.Report) { r.Exit = run.ExitInterrupted },
		func(r *run.Report) { r.Exit = run.ExitState },
		func(r *run.Report) { r.User = "somebody" },
	} {
		r := success(20000)
		bad(&r)
		a.Ended(&r)
		has(`groupsyncd_target_last_success_timestamp_seconds{target="chat"} 10000.5`)
	}
}

func TestATargetThatIsNoLongerConfiguredLeavesTheMetrics(t *testing.T) {
	t.Parallel()
	a := worked(t)
	a.Use(&config.Config{Targets: []*config.Target{{Name: "other"}}})
	text := scrape(t, a)
	if strings.Contains(text, `writes_total{target="chat"}`) || strings.Contains(text, `failures_total{reason="auth",target="chat"}`) || strings.Contains(text, `holds_begun_total{check="unruled",target="chat"}`) || strings.Contains(text, `op="add_member",target="chat"`) || strings.Contains(text, `notices_total{kind="held"`) || !strings.Contains(text, `groupsyncd_target_writes_total{target="other"} 0`) {
		t.Error("the counters are not those of the targets")
	}
}

func TestWhatEndsAfterAReloadBeginsNoCountAgain(t *testing.T) {
	t.Parallel()
	a := worked(t)
	a.Use(&config.Config{Targets: []*config.Target{{Name: "other"}}})
	// A notice, a request to a webhook and one of a provider were under way.
	a.Noticed("on-call", string(run.NoticeHeld), "failed")
	a.Hooked("logins", Accepted)
	a.Provisioned("corp", Accepted)
	a.Hooked("", Unknown) // Nobody configured where that went to.
	text := scrape(t, a)
	for _, label := range []string{`service="on-call"`, `webhook="logins"`, `source="corp"`} {
		if m := regexp.MustCompile(`(?m)^groupsyncd_(notices|webhook_requests|provisioning_requests)_total\{.*` + label).FindString(text); m != "" {
			t.Errorf("counted for what is not configured: %s", m)
		}
	}
	if !strings.Contains(text, `groupsyncd_webhook_requests_total{result="unknown",webhook=""} 1`) {
		t.Error("requests to no webhook are not counted any more")
	}
}
