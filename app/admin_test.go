package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"
)

const aliceToken = "canary-alice-0123456789"

// admin puts another admin listener into the configuration of the town.
func (w *town) admin(text string) {
	w.Helper()
	file := filepath.Join(w.dir, "groupsyncd.yaml")
	old, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	w.write("groupsyncd.yaml", regexp.MustCompile(`(?m)^server: .*$`).ReplaceAllLiteralString(string(old), "server: {admin: {"+text+"}}"))
}

// address gives the last address that the log says is open.
func (w *town) address() string {
	all := regexp.MustCompile(`msg="admin listener open" address=(\S+)`).FindAllStringSubmatch(w.log.String(), -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}

// http makes a request and gives the status and the body of the answer; 0 when there is none.
func (w *town) http(method, address, path, token, body string) (int, string) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestTheDaemonAnswersOverHTTP(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.write("alice", aliceToken)
	w.admin(`listen: "127.0.0.1:0", approvers: {alice: file:alice}`)
	w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	at := w.address()
	code, text := w.http("POST", at, "/api/v1/sync", aliceToken, "")
	var r run.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil || code != 200 || r.Exit != run.ExitOK || r.Trigger != run.Manual || r.Targets[0].Summary.Unchanged != 5 {
		t.Fatalf("sync: %d %s", code, text)
	}
	for path, want := range map[string]string{
		"/livez":                        "^ok\n$",
		"/readyz":                       "^ok\n$",
		"/readyz?verbose":               `(?s)^\[\+\]configuration ok, loaded \S+ ago\n\[\+\]state ok\n\[\+\]control socket ok\n\[ \]source list: last complete read \S+ ago, next read in \S+\n\[ \]target chat: last seen \S+ ago\nreadyz check passed\n$`,
		"/api/v1/status":                `"pid": ` + `\d+`,
		"/api/v1/runs?limit=1":          `(?s)^{\n  "runs": \[\n    {\n      "schema": 1,\n      "run": "` + r.Run,
		"/api/v1/runs/" + r.Run:         `"run": "` + r.Run,
		"/api/v1/holds":                 `^{\n  "holds": \[\]\n}\n$`,
		"/api/v1/users/ana@example.org": `"state": "member"`,
		"/api/v1/groups/Sales":          `"owned": 5`,
	} {
		if code, text := w.http("GET", at, path, "", ""); code != 200 || !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if code, text := w.http("GET", at, "/api/v1/users/nobody@example.org", "", ""); code != 404 || !strings.Contains(text, `"hint": "give a mail address`) {
		t.Errorf("nobody: %d %s", code, text)
	}
	_, metrics := w.http("GET", at, "/metrics", "", "")
	for _, line := range []string{`runs_total{result="ok",trigger="manual"} 1`, `runs_total{result="ok",trigger="schedule"} 1`,
		`applied_changes_total{op="add_member",target="chat"} 5`, `source_memberships{source="list"} 5`, `target_memberships{target="chat"} 5`,
		`source_coverage{source="list"} 1`, `config_last_reload_successful 1`} {
		if !strings.Contains(metrics, "\ngroupsyncd_"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if strings.Contains(w.log.String()+metrics, "canary") || strings.Contains(metrics, "ana@") || strings.Contains(metrics, "Sales") {
		t.Error("a token or a person is in the log or the metrics")
	}
}

func TestAReloadMovesTheAdminListenerOrLeavesIt(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.write("alice", aliceToken)
	w.admin(`listen: "127.0.0.1:0"`)
	_, client, _ := w.serve()
	w.until("the admin listener", func() bool { return w.address() != "" })
	old := w.address()
	reload := func() error { return client.Reload(t.Context()) }
	metric := func(at, name string) bool {
		_, text := w.http("GET", at, "/metrics", "", "")
		return strings.Contains(text, "\ngroupsyncd_"+name+"\n")
	}

	// Another address that is taken: nothing changes.
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.admin(`listen: "` + taken.Addr().String() + `", readers: {alice: file:alice}`)
	if err := reload(); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "address already in use") || !strings.Contains(fault.HintOf(err), "server.admin.listen") {
		t.Errorf("a taken address gives %v", err)
	}
	if code, _ := w.http("GET", old, "/api/v1/holds", aliceToken, ""); code != 401 {
		t.Errorf("a token of a refused file gives %d", code)
	}
	if !metric(old, "config_last_reload_successful 0") {
		t.Error("the metrics do not tell of the refused file")
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}

	// A token that cannot serve: nothing changes either, at the same address too.
	w.write("short", "too-short")
	w.admin(`listen: "127.0.0.1:0", readers: {bob: file:short}`)
	if err := reload(); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "shorter than 16") {
		t.Errorf("a short token gives %v", err)
	}

	// The address is free now, and then the listener is there and nowhere else.
	w.admin(`listen: "` + taken.Addr().String() + `", readers: {alice: file:alice}`)
	if err := reload(); err != nil {
		t.Fatal(err)
	}
	if code, text := w.http("GET", taken.Addr().String(), "/api/v1/holds", aliceToken, ""); code != 200 {
		t.Errorf("the new address: %d %s", code, text)
	}
	w.until("the old address is closed", func() bool { code, _ := w.http("GET", old, "/livez", "", ""); return code == 0 })
	if !metric(taken.Addr().String(), "config_last_reload_successful 1") {
		t.Error("the metrics still tell of the refused file")
	}

	// The same address with other tokens keeps the listener.
	w.admin(`listen: "` + taken.Addr().String() + `"`)
	if err := reload(); err != nil {
		t.Fatal(err)
	}
	if code, _ := w.http("GET", taken.Addr().String(), "/api/v1/holds", aliceToken, ""); code != 401 || w.address() != taken.Addr().String() {
		t.Errorf("a token that is gone gives %d", code)
	}

	w.admin(`listen: ""`)
	if err := reload(); err != nil {
		t.Fatal(err)
	}
	w.until("it is switched off", func() bool { code, _ := w.http("GET", taken.Addr().String(), "/livez", "", ""); return code == 0 })
}

// take takes an address for as long as the test likes, unless another program keeps it.
func (w *town) take(address string) func() {
	w.Helper()
	var lc net.ListenConfig
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		l, err := lc.Listen(w.Context(), "tcp", address)
		if err == nil {
			return func() {
				if err := l.Close(); err != nil {
					w.Error(err)
				}
			}
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			w.Fatal(err)
		}
		if time.Now().After(end) {
			return func() {}
		}
	}
}

func TestATakenDefaultAddressIsAWarningAndAChosenOneAnError(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	address := "127.0.0.1:8421"
	// We have it, or another program that keeps it.
	taken := w.take(address)
	defer taken()
	w.admin("")
	_, client, _ := w.serve()
	w.until("the warning", func() bool {
		return strings.Contains(w.log.String(), "no admin listener: its default address cannot be used") && strings.Contains(w.log.String(), "server.admin.listen")
	})
	if r := sync1(w, client, run.Request{}); r.Exit != run.ExitOK {
		t.Errorf("the daemon does not go on: %+v", r)
	}

	other := newTown(t)
	other.admin(`listen: "` + address + `"`)
	err := other.open().Serve(t.Context(), nil)
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), address+": bind: address already in use") {
		t.Errorf("a chosen address that is taken gives %v", err)
	}
}

func TestTokensThatCannotServeKeepTheDaemonFromStarting(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.admin(`listen: "127.0.0.1:0", approvers: {alice: file:alice}`)
	err := w.open().Serve(t.Context(), nil)
	problems, ok := errors.AsType[config.Problems](err)
	if !ok || fault.KindOf(err) != fault.Invalid || problems[0].Line == 0 || !strings.Contains(err.Error(), "server.admin.approvers.alice: secret file") {
		t.Errorf("a missing token gives %v", err)
	}
}

func TestStoppingEndsWhatTheAdminListenerBegan(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.write("alice", aliceToken)
	w.admin(`listen: "127.0.0.1:0", approvers: {alice: file:alice}`)
	a := w.open()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, nil) }()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	held := make(chan struct{})
	release := make(chan struct{})
	go func() {
		_ = a.engine.Quiet(context.Background(), func() error { close(held); <-release; return nil }) // It always gets its turn.
	}()
	<-held
	answer := make(chan int, 1)
	go func() {
		code, _ := w.http("POST", w.address(), "/api/v1/sync", aliceToken, "")
		answer <- code
	}()
	select {
	case code := <-answer:
		t.Fatalf("a run that waits its turn was answered with %d", code)
	case <-time.After(50 * time.Millisecond):
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if code := <-answer; code != 503 {
		t.Errorf("the request was answered with %d", code)
	}
	close(release)
}
