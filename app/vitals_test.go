package app

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// figures gives the metrics of a daemon.
func (w *town) figures() string {
	w.Helper()
	code, text := w.http("GET", w.address(), "/metrics", "", "")
	if code != 200 {
		w.Fatalf("/metrics: %d %s", code, text)
	}
	return text
}

// figure gives a metric of a daemon as it is written, empty where there is none.
func (w *town) figure(name string) string {
	w.Helper()
	for line := range strings.Lines(w.figures()) {
		if rest, ok := strings.CutPrefix(line, "groupsyncd_"+name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

func (w *town) wantFigures(want map[string]string) {
	w.Helper()
	for name, value := range want {
		if got := w.figure(name); got != value {
			w.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

func TestTheFiguresOfADaemonFollowWhatHappens(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.admin(`listen: "127.0.0.1:0"`)
	file := filepath.Join(w.dir, "groupsyncd.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.write("groupsyncd.yaml", string(text)+"audit: {forward: "+filepath.Join(w.dir, "elsewhere", "audit.jsonl")+"}\n")
	_, client, _ := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	w.until("its end", func() bool { return w.figure(`runs_total{result="ok",trigger="schedule"}`) == "1" })
	w.wantFigures(map[string]string{
		`source_failures_total{reason="invalid",source="list"}`:                             "0",
		`source_requests_total{result="ok",source="list"}`:                                  "",
		`target_requests_total{result="auth",target="chat"}`:                                "0",
		`target_breaker_open{target="chat"}`:                                                "0",
		`source_schedule_skipped_total{source="list"}`:                                      "0",
		`credential_expiry_timestamp_seconds{credential="token",kind="target",name="chat"}`: "",
		`state_writable`:                       "1",
		`backup_interval_seconds`:              "86400",
		`target_people_pending{target="chat"}`: "0",
	})
	success := w.figure(`target_last_success_timestamp_seconds{target="chat"}`)
	if sent := w.figure(`target_requests_total{result="ok",target="chat"}`); success == "" || sent == "0" || sent == "" {
		t.Errorf("success %q after %q requests", success, sent)
	}
	w.until("the audit cannot be passed on", func() bool {
		return w.figure("audit_forward_failing") == "1" && w.figure("audit_forward_waiting") != "0"
	})

	// The directory breaks, and the key of Open WebUI becomes a token that ends.
	hash, end := w.figure("config_hash"), time.Now().Add(time.Hour).Unix()
	w.write("people.yaml", "users: [")
	w.write("key", "e30."+base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, end))+".c2ln")
	w.write("groupsyncd.yaml", strings.Replace(string(text), "every 24h", "every 23h", 1))
	if err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.until("a run that fails", func() bool {
		return w.figure(`source_failures_total{reason="invalid",source="list"}`) != "0" && w.figure(`target_failures_total{reason="auth",target="chat"}`) != "0"
	})
	if now := w.figure("config_hash"); now == hash || len(now) < 5 {
		t.Errorf("the hash of the configuration is %s, it was %s", now, hash)
	}
	w.wantFigures(map[string]string{
		`credential_expiry_timestamp_seconds{credential="token",kind="target",name="chat"}`: strconv.FormatFloat(float64(end), 'g', -1, 64),
		`audit_forward_failing`:                                "",
		`target_last_success_timestamp_seconds{target="chat"}`: success,
	})
	if refused := w.figure(`target_requests_total{result="auth",target="chat"}`); refused == "0" {
		t.Error("a refused key is not counted")
	}
}

func TestAScrapeAsksNobody(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.admin(`listen: "127.0.0.1:0"`)
	file := filepath.Join(w.dir, "groupsyncd.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.write("groupsyncd.yaml", strings.Replace(string(text), "api_key: file:key", "api_key: file:key, watch: off", 1))
	w.serve()
	w.until("the admin listener", func() bool { return w.address() != "" })
	w.until("the first scheduled run", func() bool { return w.figure(`runs_total{result="ok",trigger="schedule"}`) == "1" })
	reads, writes := w.chat.Count()
	for range 20 {
		w.figures()
	}
	if r, wr := w.chat.Count(); r != reads || wr != writes {
		t.Errorf("%d reads and %d writes were sent for scrapes", r-reads, wr-writes)
	}
}
