package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// office is a daemon behind the admin listener.
type office struct {
	Backend
	mu     sync.Mutex
	asked  []string
	err    error
	panics bool
	// hold keeps every answer back until it is closed.
	hold    chan struct{}
	stopped chan error
	state   engine.Status
	dead    error
	checks  []Check
	vitals  Vitals
}

func (o *office) note(ctx context.Context, what string) error {
	o.mu.Lock()
	o.asked = append(o.asked, what)
	o.mu.Unlock()
	if o.panics {
		panic("nil map")
	}
	if o.hold != nil {
		select {
		case <-o.hold:
		case <-ctx.Done():
			if o.stopped != nil {
				o.stopped <- ctx.Err()
			}
		}
	}
	return o.err
}

func (o *office) log() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.asked, "; ")
}

func (o *office) Run(ctx context.Context, req run.Request, file *NewConfig) (*run.Report, error) {
	if file != nil {
		return nil, errors.New("a configuration came from the network")
	}
	return &run.Report{Run: "01RUN", Trigger: req.Trigger, Mode: req.Mode, Exit: 4},
		o.note(ctx, strings.Join([]string{"run", string(req.Mode), req.Source, req.Target, req.User, req.By}, ","))
}

func (o *office) Holds(ctx context.Context) ([]run.Hold, error) { return nil, o.note(ctx, "holds") }

func (o *office) Approve(ctx context.Context, hash, reason, by string) (*run.Approval, error) {
	return &run.Approval{Hash: hash, By: by}, o.note(ctx, "approve "+hash+","+reason+","+by)
}

func (o *office) Status(ctx context.Context) (*engine.Status, error) {
	return &o.state, o.note(ctx, "status")
}

func (o *office) History(ctx context.Context, limit int) ([]run.Report, error) {
	return make([]run.Report, min(limit, 2)), o.note(ctx, "history")
}

func (o *office) Report(ctx context.Context, id string) (*run.Report, error) {
	return &run.Report{Run: id}, o.note(ctx, "report "+id)
}

func (o *office) ExplainUser(ctx context.Context, name string) (*engine.UserExplanation, error) {
	return &engine.UserExplanation{User: name}, o.note(ctx, "user "+name)
}

func (o *office) ExplainGroup(ctx context.Context, name string) (*engine.GroupExplanation, error) {
	return &engine.GroupExplanation{Group: name}, o.note(ctx, "group "+name)
}

func (o *office) Alive(context.Context) error   { return o.dead }
func (o *office) Ready(context.Context) []Check { return o.checks }
func (o *office) Vitals() (Vitals, error)       { return o.vitals, nil }

func (o *office) Going() ([]run.Going, <-chan struct{}) { return nil, nil }

func (o *office) Members(ctx context.Context, _, group string) ([]engine.Member, error) {
	return nil, o.note(ctx, "members "+group)
}

func (o *office) Approvals(ctx context.Context) ([]run.Approval, error) {
	return nil, o.note(ctx, "approvals")
}

const (
	readToken    = "canary-read-0123456789"
	approveToken = "canary-approve-0123456789"
)

// tokens writes the tokens of grafana, who reads, and alice, who approves.
func tokens(t *testing.T) (*config.Config, string) {
	t.Helper()
	dir := t.TempDir()
	ref := func(name, text string) secret.Ref {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := secret.Parse("file:" + name)
		if err != nil {
			t.Fatal(err)
		}
		return r.In(dir)
	}
	return &config.Config{
		Server: config.Server{Admin: config.Admin{Listen: "groups.example.org:8421",
			Readers: map[string]secret.Ref{"grafana": ref("grafana", readToken)}, Approvers: map[string]secret.Ref{"alice": ref("alice", approveToken)}}},
		Targets: []*config.Target{{Name: "chat"}},
	}, dir
}

// newAdmin makes the admin side of an office; its log goes to the buffer.
func newAdmin(t *testing.T, o *office) (a *Admin, dir string, log *bytes.Buffer) {
	t.Helper()
	cfg, dir := tokens(t)
	log = &bytes.Buffer{}
	ctx, stop := context.WithCancel(t.Context())
	a, err := NewAdmin(ctx, AdminOptions{Backend: o, Daemon: o, Logger: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now, Config: cfg, Version: "v1", NewID: func() string { return "01ASKED" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); a.Wait() })
	return a, dir, log
}

// ask makes a request of somebody on this machine; each change alters it.
func ask(a *Admin, method, path, body string, changes ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = "127.0.0.1:40000", "localhost:8421"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, change := range changes {
		change(r)
	}
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(deadlines{w}, r)
	return w
}

// deadlines gives a recorder the deadline of a real connection.
type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetWriteDeadline(time.Time) error { return nil }

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func token(text string) func(*http.Request) { return header("Authorization", "Bearer "+text) }

func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func TestWhoMayRead(t *testing.T) {
	t.Parallel()
	a, _, _ := newAdmin(t, &office{})
	far := from("192.0.2.7:4711")
	for _, c := range []struct {
		name    string
		changes []func(*http.Request)
		want    int
	}{
		{"somebody on this machine", nil, 200},
		{"by address", []func(*http.Request){host("127.0.0.1")}, 200},
		{"by another address of loopback", []func(*http.Request){host("127.8.9.1:1")}, 200},
		{"by IPv6", []func(*http.Request){from("[::1]:40000"), host("[::1]:8421")}, 200},
		{"IPv4 in IPv6", []func(*http.Request){from("[::ffff:127.0.0.1]:40000")}, 200},
		{"the root of names", []func(*http.Request){host("LOCALHOST.:8421")}, 200},
		{"by the configured name", []func(*http.Request){host("groups.example.org:8421")}, 200},
		{"a page of ours", []func(*http.Request){header("Sec-Fetch-Site", "same-origin")}, 200},
		{"a page of somebody else", []func(*http.Request){header("Sec-Fetch-Site", "cross-site")}, 401},
		{"a name that was made to lead here", []func(*http.Request){host("evil.example.org:8421")}, 401},
		{"a name that begins like ours", []func(*http.Request){host("localhost.evil.example.org")}, 401},
		{"no name", []func(*http.Request){host("")}, 401},
		{"through a proxy", []func(*http.Request){header("X-Forwarded-For", "192.0.2.7")}, 401},
		{"through a proxy that says little", []func(*http.Request){header("X-Forwarded-Proto", "")}, 401},
		{"through nginx", []func(*http.Request){header("X-Real-IP", "192.0.2.7")}, 401},
		{"through a standard proxy", []func(*http.Request){header("Forwarded", "for=192.0.2.7")}, 401},
		{"through nginx that says nothing", []func(*http.Request){func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0 }}, 401},
		{"through an old proxy", []func(*http.Request){header("Via", "1.1 proxy")}, 401},
		{"from elsewhere", []func(*http.Request){far}, 401},
		{"from nowhere", []func(*http.Request){from("@")}, 401},
		{"a reader", []func(*http.Request){far, host("any"), token(readToken)}, 200},
		{"an approver", []func(*http.Request){far, token(approveToken)}, 200},
		{"a reader through a proxy", []func(*http.Request){header("Via", "1.1 proxy"), token(readToken)}, 200},
		{"any case of the scheme", []func(*http.Request){far, header("Authorization", "bearer "+readToken)}, 200},
		{"a wrong token", []func(*http.Request){far, token(readToken + "x")}, 401},
		{"a wrong token, on this machine", []func(*http.Request){token("x")}, 401},
		{"an empty token", []func(*http.Request){token("")}, 401},
		{"the name of a token", []func(*http.Request){token("grafana")}, 401},
		{"another scheme", []func(*http.Request){header("Authorization", "Basic "+readToken)}, 401},
		{"two tokens", []func(*http.Request){token(readToken), token(readToken)}, 401},
	} {
		w := ask(a, http.MethodGet, "/api/v1/status", "", c.changes...)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, w.Code, c.want, w.Body)
		}
		if c.want == 401 && (!strings.Contains(w.Body.String(), `"hint": "send Authorization`) || w.Header().Get("WWW-Authenticate") == "") {
			t.Errorf("%s: no help: %s", c.name, w.Body)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		if w := ask(a, http.MethodGet, path, "", far, host("any")); w.Code != 200 {
			t.Errorf("%s from elsewhere: %d", path, w.Code)
		}
	}
	if w := ask(a, http.MethodGet, "/", "", far); w.Code != 401 {
		t.Errorf("/ from elsewhere: %d", w.Code)
	}
}

func TestOnlyAnApproverDecidesAlsoOnThisMachine(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/api/v1/sync", "/api/v1/holds/abc/approve"} {
		o := &office{}
		a, _, _ := newAdmin(t, o)
		for name, c := range map[string]struct {
			changes []func(*http.Request)
			want    int
		}{
			"nobody":        {nil, 401},
			"a wrong token": {[]func(*http.Request){token("x")}, 401},
			"a reader":      {[]func(*http.Request){token(readToken)}, 403},
		} {
			if w := ask(a, http.MethodPost, path, `{"reason": "x"}`, c.changes...); w.Code != c.want || !strings.Contains(w.Body.String(), `"hint"`) {
				t.Errorf("%s as %s: %d %s", path, name, w.Code, w.Body)
			}
		}
		if o.log() != "" {
			t.Errorf("%s was carried out: %s", path, o.log())
		}
	}
}

func TestARotatedTokenCountsAtOnce(t *testing.T) {
	t.Parallel()
	a, dir, log := newAdmin(t, &office{})
	rotate := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	with := func(text string) int {
		return ask(a, http.MethodGet, "/api/v1/holds", "", from("192.0.2.7:1"), token(text)).Code
	}
	rotate("grafana", "another-0123456789")
	if with(readToken) != 401 || with("another-0123456789") != 200 {
		t.Error("the old token counts, or the new one does not")
	}
	rotate("grafana", "short")
	if with("short") != 401 || with("") != 401 {
		t.Error("a short token counts")
	}
	rotate("grafana", approveToken)
	if with(approveToken) != 401 {
		t.Error("a token that two names have says nothing about who asks")
	}
	if err := os.Remove(filepath.Join(dir, "grafana")); err != nil {
		t.Fatal(err)
	}
	if with("") != 401 || with("x") != 401 || with(approveToken) != 200 {
		t.Error("one missing file concerns others, or lets somebody in")
	}
	if n := strings.Count(log.String(), "token cannot be used"); n != 2 {
		t.Errorf("what is wrong is logged %d times:\n%s", n, log)
	}
	if strings.Contains(log.String(), "canary") || strings.Contains(log.String(), "short\n") {
		t.Errorf("a token is in the log:\n%s", log)
	}
}

func TestAnotherConfigurationReplacesTheTokens(t *testing.T) {
	t.Parallel()
	a, dir, _ := newAdmin(t, &office{})
	ref, err := secret.Parse("file:alice")
	if err != nil {
		t.Fatal(err)
	}
	a.Use(&config.Config{Server: config.Server{Admin: config.Admin{Readers: map[string]secret.Ref{"bob": ref.In(dir)}}}})
	if w := ask(a, http.MethodPost, "/api/v1/sync", "", token(approveToken)); w.Code != 403 || !strings.Contains(w.Body.String(), "bob may read") {
		t.Errorf("what was an approver's token gives %d %s", w.Code, w.Body)
	}
	if w := ask(a, http.MethodGet, "/api/v1/holds", "", token(readToken)); w.Code != 401 {
		t.Errorf("a token that is no longer configured gives %d", w.Code)
	}
}

func TestDecisionsSayWhoMadeThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, body, want, answer string }{
		{"/api/v1/holds/3f9a/approve", `{"reason": " ticket 4711 "}`, "approve 3f9a,ticket 4711,alice (token)", `"by": "alice (token)"`},
		{"/api/v1/sync", ``, "run,apply,,,,alice (token)", `"exit": 4`},
		{"/api/v1/sync", `{}`, "run,apply,,,,alice (token)", `"trigger": "manual"`},
		{"/api/v1/sync?wait=90s", `{"source": "corp", "target": "chat", "user": "ana", "mode": "plan"}`, "run,plan,corp,chat,ana,alice (token)", `"mode": "plan"`},
	} {
		o := &office{}
		a, _, _ := newAdmin(t, o)
		w := ask(a, http.MethodPost, c.path, c.body, token(approveToken))
		if w.Code != 200 || o.log() != c.want || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s %s: %d, asked %q, answer %s", c.path, c.body, w.Code, o.log(), w.Body)
		}
	}
}

func TestBadRequestsAreRefusedWithoutEffect(t *testing.T) {
	t.Parallel()
	approve := "/api/v1/holds/abc/approve"
	for _, c := range []struct {
		name, method, path, body string
		want                     int
		changes                  []func(*http.Request)
	}{
		{"a form", "POST", "/api/v1/sync", "", 415, []func(*http.Request){func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }}},
		{"text", "POST", approve, `{"reason": "x"}`, 415, []func(*http.Request){func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }}},
		{"no type", "POST", "/api/v1/sync", "", 415, []func(*http.Request){func(r *http.Request) { r.Header.Del("Content-Type") }}},
		{"no JSON", "POST", "/api/v1/sync", "{", 400, nil},
		{"a key that means nothing", "POST", "/api/v1/sync", `{"sources": "corp"}`, 400, nil},
		{"two bodies", "POST", "/api/v1/sync", `{} {}`, 400, nil},
		{"another mode", "POST", "/api/v1/sync", `{"mode": "force"}`, 400, nil},
		{"no time", "POST", "/api/v1/sync?wait=soon", ``, 400, nil},
		{"too long a time", "POST", "/api/v1/sync?wait=11m", ``, 400, nil},
		{"no reason", "POST", approve, ``, 400, nil},
		{"an empty reason", "POST", approve, `{"reason": " "}`, 400, nil},
		{"too large", "POST", approve, `{"reason": "` + strings.Repeat("x", adminBody) + `"}`, 413, nil},
		{"no limit", "GET", "/api/v1/runs?limit=all", "", 400, nil},
		{"too high a limit", "GET", "/api/v1/runs?limit=1001", "", 400, nil},
		{"an unknown path", "GET", "/api/v1/nothing", "", 404, nil},
		{"an unknown path at the top", "GET", "/status", "", 404, nil},
		{"the control socket's paths", "POST", "/v1/run", "{}", 404, nil},
		{"another method", "DELETE", "/api/v1/runs", "", 405, nil},
		{"a run by a link", "GET", "/api/v1/sync", "", 405, nil},
	} {
		o := &office{}
		a, _, _ := newAdmin(t, o)
		w := ask(a, c.method, c.path, c.body, append(c.changes, token(approveToken))...)
		if w.Code != c.want || w.Header().Get("Content-Type") != "application/json" || !strings.Contains(w.Body.String(), `"error": "`) {
			t.Errorf("%s: %d, want %d: %s", c.name, w.Code, c.want, w.Body)
		}
		if o.log() != "" {
			t.Errorf("%s: carried out: %s", c.name, o.log())
		}
	}
}

func TestFailuresHaveTheStatusThatFits(t *testing.T) {
	t.Parallel()
	for kind, want := range map[fault.Kind]int{fault.Invalid: 400, fault.NotFound: 404, fault.Conflict: 409, fault.Damaged: 500, fault.Unavailable: 503, 0: 500} {
		a, _, _ := newAdmin(t, &office{err: fault.New(kind, "explain", "", errors.New("no source knows ana"), "see: groupsyncd status")})
		for _, w := range []*httptest.ResponseRecorder{
			ask(a, http.MethodGet, "/api/v1/users/ana", ""),
			ask(a, http.MethodPost, "/api/v1/sync", "", token(approveToken)),
		} {
			if w.Code != want || w.Body.String() != "{\n  \"error\": \"explain: no source knows ana\",\n  \"hint\": \"see: groupsyncd status\"\n}\n" {
				t.Errorf("%s: %d %s", kind, w.Code, w.Body)
			}
		}
	}
	a, _, log := newAdmin(t, &office{panics: true})
	if w := ask(a, http.MethodGet, "/api/v1/status", ""); w.Code != 500 || strings.Contains(w.Body.String(), "nil map") || !strings.Contains(log.String(), "nil map") {
		t.Errorf("a panic: %d %s\n%s", w.Code, w.Body, log)
	}
}

func TestNamesReachTheBackendWhole(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/api/v1/users/ana@example.org": "user ana@example.org",
		"/api/v1/groups/R%26D%2FLab%20": "group R&D/Lab ",
		"/api/v1/runs/01KAG":            "report 01KAG",
	} {
		o := &office{}
		a, _, _ := newAdmin(t, o)
		if w := ask(a, http.MethodGet, path, ""); w.Code != 200 || o.log() != want {
			t.Errorf("%s: %d, asked %q", path, w.Code, o.log())
		}
	}
}

func TestAnswersAreNeitherKeptNorSharedWithOtherPages(t *testing.T) {
	t.Parallel()
	a, _, _ := newAdmin(t, &office{})
	for _, path := range []string{"/", "/livez", "/metrics", "/api/v1/status", "/nothing"} {
		w := ask(a, http.MethodGet, path, "", header("Origin", "https://evil.example.org"))
		h := w.Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" ||
			h.Get("Access-Control-Allow-Origin") != "" || h.Get("Set-Cookie") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	if w := ask(a, http.MethodOptions, "/api/v1/sync", "", header("Access-Control-Request-Method", "POST")); w.Code != 405 || w.Header().Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("a preflight: %d %v", w.Code, w.Header())
	}
}

func TestARunGoesOnWhenNobodyWaitsForIt(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"?wait=0s", "?wait=90s", ""} {
		synctest.Test(t, func(t *testing.T) {
			o := &office{hold: make(chan struct{}), stopped: make(chan error, 1)}
			a, _, _ := newAdmin(t, o)
			began := time.Now()
			w := ask(a, http.MethodPost, "/api/v1/sync"+query, "", token(approveToken))
			if took := time.Since(began); w.Code != 202 || !strings.Contains(w.Body.String(), `"state": "running"`) || took > 90*time.Second {
				t.Errorf("%q: %d %s after %s", query, w.Code, w.Body, took)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			ask(a, http.MethodPost, "/api/v1/sync", "", token(approveToken), func(r *http.Request) { *r = *r.WithContext(ctx) })
			synctest.Wait()
			if len(o.stopped) != 0 {
				t.Error("the run was ended with its request")
			}
			close(o.hold)
		})
	}
}

func TestTooManyRequestsAtATimeAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &office{hold: make(chan struct{})}
		a, _, _ := newAdmin(t, o)
		var g sync.WaitGroup
		for range maxAtOnce {
			g.Go(func() {
				if w := ask(a, http.MethodGet, "/api/v1/status", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "takes longer than 20s") {
					t.Errorf("a call that hangs: %d %s", w.Code, w.Body)
				}
			})
		}
		synctest.Wait()
		if w := ask(a, http.MethodGet, "/api/v1/status", ""); w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "too many") {
			t.Errorf("one too many: %d %s", w.Code, w.Body)
		}
		if w := ask(a, http.MethodPost, "/api/v1/sync?wait=0s", "", token(approveToken)); w.Code != 202 {
			t.Errorf("readers keep an approver out: %d %s", w.Code, w.Body)
		}
		g.Wait()
		close(o.hold)
	})
}

func TestTheListOfPathsNamesThemAll(t *testing.T) {
	t.Parallel()
	a, _, _ := newAdmin(t, &office{})
	body, err := io.ReadAll(ask(a, http.MethodGet, "/", "").Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/api/v1/status", "/api/v1/runs ", "/api/v1/runs/RUN", "/api/v1/holds ", "/users/NAME", "/groups/NAME", "/api/v1/sync", "/holds/HASH/approve"} {
		if !strings.Contains(string(body), path) {
			t.Errorf("%s is not listed", path)
		}
	}
}
