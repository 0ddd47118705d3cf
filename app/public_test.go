package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/server/hooks/hookstest"
	"groupsyncd/sync/run"
)

const (
	loginSecret = "canary-login-0123456789"
	chatSecret  = "canary-chat-0123456789"
)

// receive puts a public listener, its webhooks and an admin listener into the
// configuration of the town.
func (w *town) receive(public, admin, webhooks string) {
	w.Helper()
	file := filepath.Join(w.dir, "groupsyncd.yaml")
	old, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	text := regexp.MustCompile(`(?ms)^server: .*`).ReplaceAllLiteralString(string(old), "")
	w.write("groupsyncd.yaml", text+"server: {public: {"+public+"}, admin: {listen: \"127.0.0.1:0\""+admin+"}}\nwebhooks: {"+webhooks+"}\n")
}

const usualHooks = `login: {type: standard, secret: file:login, source: list}, chat: {type: openwebui, secret: file:chat, target: chat}`

// newHall is a town with two webhooks.
func newHall(t *testing.T) *town {
	t.Helper()
	w := newTown(t)
	w.write("login", loginSecret)
	w.write("chat", chatSecret)
	w.write("alice", aliceToken)
	w.receive(`listen: "127.0.0.1:0"`, ", approvers: {alice: file:alice}", usualHooks)
	return w
}

// hall gives the last address that the log says is open for webhooks.
func (w *town) hall() string {
	all := regexp.MustCompile(`msg="public listener open" address=(\S+)`).FindAllStringSubmatch(w.log.String(), -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}

// answer is what a webhook was answered.
type answer struct {
	status   int
	text, id string
}

// tell sends a signed webhook about somebody.
func (w *town) tell(address, id, key, who, query string) answer {
	w.Helper()
	text := fmt.Sprintf(`{"type":"login","data":{"user":%q}}`, who)
	return w.deliver(address, "/hooks/login"+query, text, hookstest.Standard(key, id, text, w.now()))
}

func (w *town) deliver(address, path, text string, head http.Header) answer {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), "POST", "http://"+address+path, strings.NewReader(text))
	if err != nil {
		w.Fatal(err)
	}
	req.Header = head
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return answer{text: err.Error()}
	}
	var v struct{ Run string }
	var raw json.RawMessage
	err = json.NewDecoder(resp.Body).Decode(&raw)
	if err := errors.Join(err, resp.Body.Close(), json.Unmarshal(raw, &v)); err != nil {
		w.Fatal(err)
	}
	return answer{resp.StatusCode, string(raw), v.Run}
}

// report reads the report of a run that was waited for.
func (w *town) report(a answer) *run.Report {
	w.Helper()
	var r run.Report
	if err := json.Unmarshal([]byte(a.text), &r); err != nil || a.status != 200 || r.Schema != run.Schema {
		w.Fatalf("%d %s: %v", a.status, a.text, err)
	}
	return &r
}

func TestAWebhookLeadsToARunOfItsPerson(t *testing.T) {
	t.Parallel()
	w := newHall(t)
	_, client, _ := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	w.people(members, "[bo, chloe, dmitri, emre]")
	a := w.tell(w.hall(), "msg-1", loginSecret, "ana@example.org", "?wait=20s")
	if r := w.report(a); r.Trigger != run.Webhook || r.User != "ana@example.org" || r.Run != a.id || w.size("Sales") != 4 {
		t.Fatalf("%+v, %d in Sales", r, w.size("Sales"))
	}
	if kept, err := client.Report(t.Context(), a.id); err != nil || kept.Targets[0].Summary.MembersRemoved != 1 {
		t.Errorf("the run in the history: %+v, %v", kept, err)
	}
	// Nothing changes: it is in no history, and can be looked up all the same.
	a = w.tell(w.hall(), "msg-2", loginSecret, "bo@example.org", "?wait=20s")
	if r := w.report(a); r.Exit != run.ExitOK || len(r.Targets[0].Changes) != 0 {
		t.Fatalf("%+v", r)
	}
	if kept, err := client.Report(t.Context(), a.id); err != nil || kept.Run != a.id {
		t.Errorf("a run that changed nothing: %+v, %v", kept, err)
	}
	if code, text := w.http("GET", w.address(), "/api/v1/runs/"+a.id, "", ""); code != 200 || !strings.Contains(text, a.id) {
		t.Errorf("%d %s", code, text)
	}
	// Nobody is an answer like any other.
	if r := w.report(w.tell(w.hall(), "msg-3", loginSecret, "nobody@example.org", "?wait=20s")); r.Exit != run.ExitOK {
		t.Errorf("nobody: %+v", r)
	}
	account := w.chat.Accounts()[0]
	event := `{"id":"1","event":"auth.login","subject":{"type":"user","id":"` + account.ID + `"}}`
	if r := w.report(w.deliver(w.hall(), "/hooks/chat/"+chatSecret+"?wait=20s", event, nil)); r.Exit != run.ExitOK {
		t.Errorf("a sign-in at Open WebUI: %+v", r)
	}
	if a := w.deliver(w.hall(), "/hooks/chat/canary-wrong", `{}`, nil); a.status != 404 {
		t.Errorf("a wrong secret: %+v", a)
	}

	_, metrics := w.http("GET", w.address(), "/metrics", "", "")
	for _, line := range []string{`webhook_requests_total{result="accepted",webhook="login"} 3`, `webhook_requests_total{result="accepted",webhook="chat"} 1`,
		`webhook_requests_total{result="refused",webhook="chat"} 1`, `webhook_requests_total{result="repeated",webhook="chat"} 0`, `people_waiting 0`,
		`login_duration_seconds_count{trigger="webhook"} 4`} {
		if !strings.Contains(metrics, "\ngroupsyncd_"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	s, err := client.Status(t.Context())
	if err != nil || len(s.Webhooks) != 2 || s.Webhooks[0].Accepted != 3 || s.Webhooks[1].Refused != 1 || s.Webhooks[1].Reason == "" || s.People == nil {
		t.Errorf("status %+v, %v", s, err)
	}
	if _, text := w.http("GET", w.address(), "/readyz?verbose", "", ""); !strings.Contains(text, "[+]public listener ok, bound to "+w.hall()+"\n") {
		t.Errorf("ready: %s", text)
	}
	if strings.Contains(w.log.String()+metrics, "canary") || strings.Contains(metrics, "ana@") {
		t.Error("a secret or a person is in the log or the metrics")
	}
}

func TestARepeatedWebhookCountsOnceAlsoInTheNextDaemon(t *testing.T) {
	t.Parallel()
	w := newHall(t)
	once := func() answer {
		file := filepath.Join(w.dir, "groupsyncd.yaml")
		cfg, err := Load(file)
		if err != nil {
			t.Fatal(err)
		}
		a, err := New(t.Context(), w.options(file, cfg))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		before := w.hall()
		go func() { done <- a.Serve(ctx, nil) }()
		w.until("the listener", func() bool { return w.hall() != before })
		w.until("the first run", func() bool { return w.size("Sales") == 5 })
		got := w.tell(w.hall(), "msg-1", loginSecret, "ana@example.org", "?wait=20s")
		stop()
		if err := errors.Join(<-done, a.Close()); err != nil {
			t.Fatal(err)
		}
		return got
	}
	first, again := once(), once()
	if first.status != 200 || again.status != 200 || first.id == "" || again.id != first.id || strings.Contains(again.text, "schema") {
		t.Errorf("first %+v, then %+v", first, again)
	}
}

func TestAReloadMovesThePublicListenerOrLeavesIt(t *testing.T) {
	t.Parallel()
	w := newHall(t)
	_, client, _ := w.serve()
	w.until("the listener", func() bool { return w.hall() != "" })
	old, n := w.hall(), 0
	status := func(at, key string) int {
		n++
		return w.tell(at, fmt.Sprint("msg-", n), key, "ana@example.org", "").status
	}
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := taken.Addr().String()
	const next = "canary-next-0123456789"
	w.write("next", next)
	moved := strings.Replace(usualHooks, "file:login", "[file:next]", 1)
	w.receive(`listen: "`+at+`"`, "", moved)
	if err := client.Reload(t.Context()); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "address already in use") || !strings.Contains(fault.HintOf(err), "server.public.listen") {
		t.Errorf("a taken address gives %v", err)
	}
	if a, b := status(old, loginSecret), status(old, next); a != 202 || b != 401 {
		t.Errorf("after a refused file the secrets give %d and %d", a, b)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	w.write("short", "too-short")
	w.receive(`listen: "`+at+`"`, "", strings.Replace(usualHooks, "file:login", "file:short", 1))
	if err := client.Reload(t.Context()); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "webhooks.login.secret: the secret is shorter than 16") {
		t.Errorf("a short secret gives %v", err)
	}

	w.receive(`listen: "`+at+`"`, "", moved)
	if err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a, b := status(at, loginSecret), status(at, next); a != 401 || b != 202 {
		t.Errorf("at the new address the secrets give %d and %d", a, b)
	}
	w.until("the old address is closed", func() bool { return status(old, next) == 0 })

	// The same address with another webhook keeps the listener.
	w.receive(`listen: "`+at+`"`, "", usualHooks)
	if err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := status(at, loginSecret); a != 202 || strings.Count(w.log.String(), "public listener open") != 2 {
		t.Errorf("the old secret gives %d", a)
	}
	w.receive("", "", "")
	if err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.until("it is switched off", func() bool { return status(at, loginSecret) == 0 })
	if s, err := client.Status(t.Context()); err != nil || len(s.Webhooks) != 0 {
		t.Errorf("status %+v, %v", s.Webhooks, err)
	}
}

func TestWebhooksThatCannotServeKeepTheDaemonFromStarting(t *testing.T) {
	t.Parallel()
	w := newHall(t)
	if err := os.Remove(filepath.Join(w.dir, "login")); err != nil {
		t.Fatal(err)
	}
	err := w.open().Serve(t.Context(), nil)
	problems, ok := errors.AsType[config.Problems](err)
	if !ok || fault.KindOf(err) != fault.Invalid || problems[0].Line == 0 || !strings.Contains(err.Error(), "webhooks.login.secret: secret file") {
		t.Errorf("a missing secret gives %v", err)
	}

	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	other := newHall(t)
	other.receive(`listen: "`+taken.Addr().String()+`"`, "", usualHooks)
	err = other.open().Serve(t.Context(), nil)
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "open the public listener at "+taken.Addr().String()) {
		t.Errorf("a taken address gives %v", err)
	}
}

// occupy keeps every run from beginning until it is told otherwise.
func (w *town) occupy(a *App) (leave func()) {
	held, release := make(chan struct{}), make(chan struct{})
	go func() {
		_ = a.engine.Quiet(context.Background(), func() error { close(held); <-release; return nil }) // It always gets its turn.
	}()
	<-held
	return func() { close(release) }
}

func TestStoppingEndsWhatWebhooksWaitFor(t *testing.T) {
	t.Parallel()
	w := newHall(t)
	a := w.open()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, nil) }()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	leave := w.occupy(a)
	got := make(chan answer, 1)
	go func() { got <- w.tell(w.hall(), "msg-1", loginSecret, "ana@example.org", "?wait=60s") }()
	w.until("it waits", func() bool { l := a.serving().people.load(); return l.AtWork+l.Waiting > 0 })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if a := <-got; a.status != 202 && a.status != 500 {
		t.Errorf("the request was answered with %+v", a)
	}
	leave()
}

func TestARunThatWasAskedForCanBeFollowedByItsID(t *testing.T) {
	t.Parallel()
	w := newHall(t)
	a, client, _ := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	leave := w.occupy(a)
	id := w.tell(w.hall(), "msg-1", loginSecret, "ana@example.org", "").id
	if _, err := client.Report(t.Context(), id); fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), "has not ended") {
		t.Errorf("before its end: %v", err)
	}
	code, body := w.http("POST", w.address(), "/api/v1/sync?wait=1ms", aliceToken, `{"user": "bo@example.org"}`)
	var later struct{ Run, State string }
	if err := json.Unmarshal([]byte(body), &later); err != nil || code != 202 || later.State != "running" || later.Run == "" {
		t.Errorf("%d %s", code, body)
	}
	leave()
	for _, one := range []string{id, later.Run} {
		w.until("run "+one+" can be looked up", func() bool {
			r, err := client.Report(t.Context(), one)
			return err == nil && r.Run == one
		})
	}
	if _, err := client.Report(t.Context(), "01NONE"); fault.KindOf(err) != fault.NotFound || strings.Contains(err.Error(), "has not ended") {
		t.Errorf("a run that never was: %v", err)
	}
}
