// Package monitoring checks that the rules and the dashboard ask for what there is. What
// only Prometheus itself can say of them, test/peers/monitoring asks it.
package monitoring

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// reference gives the labels of every metric that docs/metrics.md lists.
func reference(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{"up": nil, "process_start_time_seconds": nil, "process_resident_memory_bytes": nil}
	word := regexp.MustCompile("`(\\w+)`")
	for _, m := range regexp.MustCompile("(?m)^\\| `(groupsyncd_\\w+)` \\| (\\w+) \\| ([^|]*) \\|").FindAllStringSubmatch(read(t, "../../docs/metrics.md"), -1) {
		var labels []string
		for _, l := range word.FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, l[1])
		}
		if m[2] == "histogram" {
			out[m[1]+"_bucket"] = append(slices.Clone(labels), "le")
			out[m[1]+"_sum"], out[m[1]+"_count"] = labels, labels
			continue
		}
		out[m[1]] = labels
	}
	if len(out) < 60 {
		t.Fatalf("the reference lists %d metrics", len(out))
	}
	return out
}

var (
	quoted   = regexp.MustCompile(`"[^"]*"`)
	selector = regexp.MustCompile(`\b((?:groupsyncd_|process_|go_)\w+|up)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	grouping = regexp.MustCompile(`\b(?:by|on|group_left|group_right)\s*\(([^)]*)\)`)
	legend   = regexp.MustCompile(`\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}`)
)

// asked says what an expression asks for that does not exist.
func asked(known map[string][]string, expr string) []string {
	var bad, labels []string
	bare := quoted.ReplaceAllString(expr, `""`)
	found := selector.FindAllStringSubmatch(bare, -1)
	if len(found) == 0 {
		bad = append(bad, "no metric at all")
	}
	for _, m := range found {
		have, there := known[m[1]]
		if !there {
			bad = append(bad, m[1])
			continue
		}
		have = append(slices.Clone(have), "job", "instance")
		labels = append(labels, have...)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(have, l[1]) {
				bad = append(bad, m[1]+"{"+l[1]+"}")
			}
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(bare, -1) {
		for l := range strings.SplitSeq(m[1], ",") {
			if l = strings.TrimSpace(l); l != "" && !slices.Contains(labels, l) {
				bad = append(bad, "by "+l)
			}
		}
	}
	return bad
}

// spoken says which labels a text shows that the metrics of an expression lack.
func spoken(known map[string][]string, expr, text string) []string {
	labels := []string{"job", "instance"}
	for _, m := range selector.FindAllStringSubmatch(quoted.ReplaceAllString(expr, `""`), -1) {
		labels = append(labels, known[m[1]]...)
	}
	var bad []string
	for _, m := range legend.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(labels, m[1]) {
			bad = append(bad, m[1])
		}
	}
	return bad
}

func TestWhatDoesNotExistIsNoticed(t *testing.T) {
	t.Parallel()
	known := reference(t)
	for _, expr := range []string{
		`groupsyncd_nothing > 0`, `groupsyncd_source_stale{target="x"}`, `sum by (person) (groupsyncd_holds)`, `vector(0)`,
		`rate(groupsyncd_run_duration_seconds[5m])`, `groupsyncd_source_stale == on (target) groupsyncd_source_failing`,
	} {
		if len(asked(known, expr)) == 0 {
			t.Errorf("nothing is wrong with %s", expr)
		}
	}
	if len(spoken(known, "groupsyncd_source_stale", "{{ $labels.target }}")) == 0 || len(spoken(known, "groupsyncd_source_stale", "{{source}} {{ $labels.instance }}")) != 0 {
		t.Error("the labels of a text are not compared")
	}
}

// rule is one alert.
type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	if err := yaml.Unmarshal([]byte(read(t, "alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	var out []rule
	for _, g := range file.Groups {
		out = append(out, g.Rules...)
	}
	if len(out) < 25 {
		t.Fatalf("there are %d rules", len(out))
	}
	return out
}

func TestEachAlertAsksForWhatThereIsAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	known, page := reference(t), read(t, "../../docs/alerts.md")
	tests := read(t, "alerts_test.yaml") + read(t, "alerts_days_test.yaml")
	var names []string
	for _, r := range rules(t) {
		if slices.Contains(names, r.Alert) {
			t.Errorf("%s is there twice", r.Alert)
		}
		names = append(names, r.Alert)
		for _, bad := range asked(known, r.Expr) {
			t.Errorf("%s asks for %s", r.Alert, bad)
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		for _, bad := range spoken(known, r.Expr, r.Annotations["summary"]+r.Annotations["action"]) {
			t.Errorf("%s speaks of %s", r.Alert, bad)
		}
		if r.Annotations["summary"] == "" || r.Annotations["action"] == "" || r.Annotations["runbook"] != "docs/alerts.md#"+strings.ToLower(r.Alert) {
			t.Errorf("%s says %v", r.Alert, r.Annotations)
		}
		if !strings.Contains(tests, "- name: "+r.Alert+" fires\n") || !strings.Contains(tests, "- name: "+r.Alert+" does not fire\n") {
			t.Errorf("%s has no test that it fires and one that it does not", r.Alert)
		}
	}
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(page, -1) {
		sections = append(sections, m[1])
	}
	slices.Sort(names)
	slices.Sort(sections)
	if !slices.Equal(names, sections) {
		t.Errorf("alerts are\n%v\nsections of docs/alerts.md are\n%v", names, sections)
	}
}

func TestThePageOfAlertsNamesCommandsThatExist(t *testing.T) {
	t.Parallel()
	commands := read(t, "../../docs/commands.md")
	text := read(t, "../../docs/alerts.md")
	for _, r := range rules(t) {
		text += "\n`" + r.Annotations["action"] + "`"
	}
	found := regexp.MustCompile("(?m)(?:^|`|; |, then |&& )groupsyncd ([a-z-]+)(?: ([a-z][a-z-]*))?").FindAllStringSubmatch(text, -1)
	if len(found) < 40 {
		t.Errorf("only %d commands were found", len(found))
	}
	for _, m := range found {
		if !strings.Contains(commands, "# groupsyncd "+m[1]+"\n") {
			t.Errorf("there is no command %s", m[1])
		}
		if m[2] != "" && !strings.Contains(commands, "# groupsyncd "+m[1]+" "+m[2]+"\n") {
			t.Errorf("there is no command %s %s", m[1], m[2])
		}
	}
}

// panel is a part of the dashboard.
type panel struct {
	ID          int
	Type, Title string
	Datasource  struct{ UID string }
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct {
		Expr, LegendFormat, RefID string
		Datasource                struct{ UID string }
	}
}

func TestTheDashboardAsksForWhatThereIs(t *testing.T) {
	t.Parallel()
	known := reference(t)
	var d struct {
		Title, UID string
		Templating struct{ List []struct{ Name, Type string } }
		Panels     []panel
	}
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.Title != "groupsyncd" || d.UID == "" || len(d.Templating.List) != 2 || d.Templating.List[0].Type != "datasource" || d.Templating.List[1].Name != "instance" {
		t.Errorf("%s %s has the variables %v", d.Title, d.UID, d.Templating.List)
	}
	ids, taken, queries := map[int]bool{}, map[[2]int]string{}, 0
	var titles []string
	for i := range d.Panels {
		p := &d.Panels[i]
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d, %q: its number is taken, or it has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if taken[at] != "" || at[0] >= 24 {
					t.Fatalf("%q lies over %q or beyond the edge at %v", p.Title, taken[at], at)
				}
				taken[at] = p.Title
			}
		}
		if p.Type == "row" {
			titles = append(titles, p.Title)
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("%q asks nothing, or the wrong one", p.Title)
		}
		for _, q := range p.Targets {
			queries++
			for _, bad := range asked(known, q.Expr) {
				t.Errorf("%q asks for %s", p.Title, bad)
			}
			for _, bad := range spoken(known, q.Expr, q.LegendFormat) {
				t.Errorf("%q speaks of %s", p.Title, bad)
			}
			if !strings.Contains(q.Expr, `instance=~"$instance"`) || q.Datasource.UID != "${datasource}" {
				t.Errorf("%q does not ask for the chosen instance: %s", p.Title, q.Expr)
			}
		}
	}
	if want := []string{"Status", "Sources", "Open WebUI", "Changes", "Guard", "Logins", "Daemon"}; !slices.Equal(titles, want) || queries < 40 {
		t.Errorf("the rows are %v with %d queries, want %v", titles, queries, want)
	}
}
