//go:build peers

package monitoring

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"groupsyncd/test/peers/peer"
)

func TestMain(m *testing.M) { peer.Main(m) }

// tool gives the path of a program of Prometheus.
func tool(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(peer.Root(t), "test", "peers", "monitoring.sh"), "folder").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), name)
}

// ours gives the path of a file of packaging/monitoring.
func ours(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join(peer.Root(t), "packaging", "monitoring", name)
}

// promtool runs a check that has to pass, and gives what it says.
func promtool(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, "promtool"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestRulesPassTheirTests(t *testing.T) {
	t.Parallel()
	promtool(t, "", "check", "config", ours(t, "prometheus.yaml"))
	t.Log(promtool(t, "", "test", "rules", ours(t, "alerts_test.yaml"), ours(t, "alerts_days_test.yaml")))
}

// prometheus is a server that scrapes one daemon.
type prometheus struct {
	*testing.T
	at string
}

// startPrometheus starts one with our own file, but for the address and how often it looks.
func startPrometheus(t *testing.T, admin string) *prometheus {
	t.Helper()
	dir, p := t.TempDir(), &prometheus{t, peer.FreeAddr(t)}
	text := replaced(t, read(t, ours(t, "prometheus.yaml")), "alerts.yaml", ours(t, "alerts.yaml"), "127.0.0.1:8421", admin, "scrape_interval: 30s", "scrape_interval: 1s")
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {evaluation_interval: 1s}\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), tool(t, "prometheus"), "--config.file="+config,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+p.at, "--log.level=warn")
	cmd.Stdout, cmd.Stderr = log, log
	// It ends with us, also where we are ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // It was killed.
		_ = log.Close()
		if t.Failed() {
			t.Logf("what Prometheus said:\n%s", read(t, log.Name()))
		}
	})
	peer.Until(t, "Prometheus is ready", func() bool {
		code, _ := p.get("/-/ready", nil)
		return code == http.StatusOK
	})
	return p
}

// replaced puts one text in the place of another, which has to be there.
func replaced(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("there is no %q", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (p *prometheus) get(path string, query url.Values) (int, string) {
	p.Helper()
	return get(p.T, "http://"+p.at+path+"?"+query.Encode())
}

// get gives the status and the body of an answer; 0 when there is none.
func get(t *testing.T, address string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// query asks for an expression, and gives how many series it has now.
func (p *prometheus) query(expr string) int {
	p.Helper()
	code, text := p.get("/api/v1/query", url.Values{"query": {expr}})
	var answer struct {
		Status string
		Data   struct{ Result []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || code != http.StatusOK || answer.Status != "success" {
		p.Errorf("%s: %d %s", expr, code, text)
	}
	return len(answer.Data.Result)
}

// alerts gives the state of each alert that is not silent.
func (p *prometheus) alerts() map[string]string {
	p.Helper()
	_, text := p.get("/api/v1/alerts", nil)
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		p.Fatalf("%v: %s", err, text)
	}
	out := map[string]string{}
	for _, a := range answer.Data.Alerts {
		out[a.Labels["alertname"]] = a.State
	}
	return out
}
