//go:build peers

package monitoring

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/test/peers/peer"
)

const (
	sources = 10
	people  = 100
	hookKey = "canary-hook-0123456789"
)

// site is a daemon with nine directories that work and one that refuses it.
type site struct {
	*testing.T
	*peer.Program
	chat          *openwebuitest.Server
	admin, public string
	first         string
}

// directory writes a directory with five groups; nobody is in the first one where empty is
// set.
func (s *site) directory(n int, empty bool) {
	s.Helper()
	var b strings.Builder
	b.WriteString("users:\n")
	for i := range people {
		fmt.Fprintf(&b, "  - {id: p%d, email: p%d-%d@example.org}\n", i, n, i)
	}
	b.WriteString("groups:\n")
	for g := range 5 {
		var members []string
		for i := g; i < people; i += 5 {
			members = append(members, fmt.Sprint("p", i))
		}
		if empty && g == 0 {
			members = nil
		}
		fmt.Fprintf(&b, "  - {id: g%d, name: Canary group %d of %d, members: [%s]}\n", g, g, n, strings.Join(members, ", "))
	}
	s.Write(s.T, fmt.Sprintf("list%d.yaml", n), b.String())
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, Program: peer.NewProgram(t), chat: openwebuitest.NewTest(t, openwebuitest.Options{}), admin: peer.FreeAddr(t), public: peer.FreeAddr(t)}
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"status":"401"}`, http.StatusUnauthorized)
	}))
	t.Cleanup(refuses.Close)
	var list strings.Builder
	var names []string
	for n := range sources - 1 {
		s.directory(n, false)
		names = append(names, fmt.Sprint("list", n))
		fmt.Fprintf(&list, "  list%d: {type: file, path: list%d.yaml, schedule: every 24h}\n", n, n)
		for i := range people {
			if id := s.chat.AddAccount(openwebuitest.Account{Email: fmt.Sprintf("p%d-%d@example.org", n, i)}); s.first == "" {
				s.first = id
			}
		}
	}
	s.Write(t, "key", s.chat.Key)
	s.Write(t, "token", "canary-token-0123456789")
	s.Write(t, "hook", hookKey)
	s.Configure(t, fmt.Sprintf(`state: state
sources:
%s  hr: {type: scim, url: %q, token: file:token, schedule: every 24h}
targets:
  chat: {type: openwebui, url: %q, api_key: file:key}
rules:
  - {name: all, from: [%s], match: "*"}
  - {name: hr, from: hr, match: "*"}
audit: {forward: not/there/audit.jsonl}
server: {admin: {listen: %q}, public: {listen: %q}}
webhooks:
  logins: {type: openwebui, secret: file:hook, target: chat}
`, list.String(), refuses.URL, s.chat.URL, strings.Join(names, ", "), s.admin, s.public))
	return s
}

func (s *site) metrics() string {
	s.Helper()
	code, text := get(s.T, "http://"+s.admin+"/metrics")
	if code != http.StatusOK {
		s.Fatalf("/metrics: %d %s", code, text)
	}
	return text
}

func (s *site) shows(line string) bool {
	return strings.Contains(s.metrics(), "\ngroupsyncd_"+line+"\n")
}

// hook tells of a sign-in, under a secret.
func (s *site) hook(key string) int {
	s.Helper()
	body := fmt.Sprintf(`{"event":"auth.login","id":%q,"subject":{"type":"user","id":%q}}`, time.Now().String(), s.first)
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, "http://"+s.public+"/hooks/logins/"+key+"?wait=10s", strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestPrometheusUnderstandsARunningDaemon: a daemon with ten sources, after runs, a hold, a
// webhook, a refused key and a broken place for the audit. promtool finds nothing wrong with
// what it shows, Prometheus fires the alerts that are due and no other, and every query of the
// dashboard is answered.
func TestPrometheusUnderstandsARunningDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Serve(t, s.admin)
	peer.Until(t, "the first runs", func() bool { return s.shows(`target_memberships{target="chat"} 900`) })
	s.directory(0, true)
	if r := s.Program.Run(t, "sync"); r.Code != 5 {
		t.Fatalf("sync ended with %d:\n%s\n%s", r.Code, r.Out, r.Logs)
	}
	if code := s.hook(hookKey); code != http.StatusOK && code != http.StatusAccepted {
		t.Errorf("the webhook answers %d", code)
	}
	if code := s.hook("wrong"); code < 400 {
		t.Errorf("with a wrong secret the webhook answers %d", code)
	}
	text := s.metrics()
	for _, line := range []string{`holds{check="emptied",target="chat"} 1`, `held_changes{check="emptied",target="chat"} 20`, `holds_begun_total{check="emptied",target="chat"} 1`,
		`source_quarantined{source="hr"} 1`, `webhook_requests_total{result="accepted",webhook="logins"} 1`, `webhook_requests_total{result="refused",webhook="logins"} 1`,
		`audit_forward_failing 1`, `source_failures_total{reason="throttled",source="hr"} 0`} {
		if !strings.Contains(text, "\ngroupsyncd_"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if strings.Contains(text, "example.org") || strings.Contains(strings.ToLower(text), "canary") || strings.Contains(text, s.first) {
		t.Error("a person, a group or a secret is in the metrics")
	}
	if out := promtool(t, text, "check", "metrics"); out != "" {
		t.Errorf("promtool says:\n%s", out)
	}
	s.costs(t)
	p := startPrometheus(t, s.admin)
	peer.Until(t, "the alert of the quarantine", func() bool { return p.alerts()["GroupsyncdSourceQuarantined"] == "firing" })
	// What is pending would fire after a while; the absence ends with the first scrape.
	pending := []string{"GroupsyncdSourceFailing", "GroupsyncdAuditNotForwarded", "GroupsyncdAbsent"}
	for name, state := range p.alerts() {
		if name != "GroupsyncdSourceQuarantined" && (state != "pending" || !slices.Contains(pending, name)) {
			t.Errorf("%s is %s", name, state)
		}
	}
	p.dashboard()
}

// costs says what a scrape costs.
func (s *site) costs(t *testing.T) {
	t.Helper()
	series, ours, bytes := 0, 0, 0
	best := time.Hour
	for range 20 {
		began := time.Now()
		text := s.metrics()
		best = min(best, time.Since(began))
		series, ours, bytes = 0, 0, len(text)
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "#") {
				series++
			}
			if strings.HasPrefix(line, "groupsyncd_") {
				ours++
			}
		}
	}
	t.Logf("a scrape of %d sources, %d people: %s at best, %d series (%d of ours), %d bytes", sources, (sources-1)*people, best.Round(10*time.Microsecond), series, ours, bytes)
	if ours > 1500 {
		t.Errorf("%d series are too many", ours)
	}
}

// dashboard asks every query of the dashboard, and those of its figures for an answer.
func (p *prometheus) dashboard() {
	p.Helper()
	var d struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(p.T, ours(p.T, "dashboard.json"))), &d); err != nil {
		p.Fatal(err)
	}
	asked, answered := 0, 0
	for _, panel := range d.Panels {
		for _, q := range panel.Targets {
			n := p.query(strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(q.Expr))
			if n == 0 && panel.Type == "stat" {
				p.Errorf("%s shows nothing: %s", panel.Title, q.Expr)
			}
			asked++
			answered += min(n, 1)
		}
	}
	p.Logf("%d of %d queries of the dashboard have an answer", answered, asked)
	if answered < 25 {
		p.Error("these are too few")
	}
}
