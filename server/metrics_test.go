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
	"groupsyncd/sync/run"
)

// worked is an admin side with every metric in use.
func worked(t *testing.T) *Admin {
	t.Helper()
	o := &office{state: busy(time.Now()), vitals: Vitals{StateSize: 4096, StateMaxSize: 1 << 30, OldestReader: 1500 * time.Millisecond, Audit: run.AuditHead{Seq: 12, Hash: "5e1f", Signature: "c2ln"}, Loaded: time.Now()}}
	a, _, _ := newAdmin(t, o)
	person := &run.UserRef{ID: "canary-person", Email: "canary-person@example.org"}
	group := &run.GroupRef{ID: "canary-group", Name: "canary-group"}
	a.Ended(&run.Report{Trigger: run.Schedule, DurationMS: 812, Exit: run.ExitHeld, By: "canary-person",
		Sources: []run.SourceReport{{Name: "corp", Coverage: "full", Memberships: 50, Read: run.ReadChanges}, {Name: "new", Coverage: "none"}},
		Targets: []run.TargetReport{{Name: "chat", Requests: 7, Writes: 3, Error: "canary-person", Changes: []run.Change{
			{Op: run.AddMember, Outcome: run.Applied, Group: group, User: person}, {Op: run.AddMember, Outcome: run.Applied, Group: group},
			{Op: run.RemoveMember, Outcome: run.Failed, Group: group, User: person}, {Op: run.RemoveMember, Outcome: run.Held, Group: group},
		}}}})
	a.Ended(&run.Report{Trigger: run.Manual, User: "canary-person", Exit: run.ExitOK, Sources: []run.SourceReport{{Name: "corp", Coverage: "partial", Memberships: 1, Requests: 4}}})
	a.Ended(&run.Report{Trigger: "canary-person", Mode: run.Plan, Exit: run.ExitFailure, Targets: []run.TargetReport{{Name: "chat", Changes: []run.Change{{Op: run.CreateGroup, Outcome: run.Planned, Group: group}}}}})
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
			`groupsyncd_run_duration_seconds_count 3`,
			`groupsyncd_run_duration_seconds_bucket{le="1"} 3`,
			`groupsyncd_target_requests_total{target="chat"} 7`,
			`groupsyncd_target_writes_total{target="chat"} 3`,
			`groupsyncd_applied_changes_total{op="add_member",target="chat"} 2`,
			`groupsyncd_applied_changes_total{op="remove_member",target="chat"} 0`,
			`groupsyncd_failed_changes_total{op="remove_member",target="chat"} 1`,
			`groupsyncd_planned_changes_total{op="create_group",target="chat"} 1`,
			`groupsyncd_last_run_timestamp_seconds 9.466847415e+08`,
			`groupsyncd_source_last_complete_timestamp_seconds{source="corp"} 9.4668462e+08`,
			`groupsyncd_source_last_full_timestamp_seconds{source="corp"} 9.46674e+08`,
			`groupsyncd_source_requests_total{source="corp"} 4`,
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
		for _, never := range []string{"canary", `source_memberships{source="new"}`, `source_last_complete_timestamp_seconds{source="new"}`, "-6."} {
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

func TestTheListOfMetricsIsWhole(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	var there, listed []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (groupsyncd_\w+) (\w+)$`).FindAllStringSubmatch(scrape(t, worked(t)), -1) {
		there = append(there, m[1])
		if !regexp.MustCompile(`(?m)^\| ` + "`" + m[1] + "(\\{[a-z,]+\\})?`" + ` \| ` + m[2] + ` \| .+ \|$`).Match(doc) {
			t.Errorf("docs/operating.md does not list %s as %s", m[1], m[2])
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(groupsyncd_\\w+)").FindAllSubmatch(doc, -1) {
		listed = append(listed, string(m[1]))
	}
	slices.Sort(listed)
	if !slices.Equal(there, listed) || len(there) < 25 {
		t.Errorf("there are\n%s\nlisted are\n%s", strings.Join(there, "\n"), strings.Join(listed, "\n"))
	}
}

func TestATargetThatIsNoLongerConfiguredLeavesTheMetrics(t *testing.T) {
	t.Parallel()
	a := worked(t)
	a.Use(&config.Config{Targets: []*config.Target{{Name: "other"}}})
	text := scrape(t, a)
	if strings.Contains(text, `requests_total{target="chat"}`) || strings.Contains(text, `op="add_member",target="chat"`) || !strings.Contains(text, `groupsyncd_target_writes_total{target="other"} 0`) {
		t.Error("the counters are not those of the targets")
	}
}
