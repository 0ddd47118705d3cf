package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/server/hooks"
	"groupsyncd/server/hooks/hookstest"
	"groupsyncd/sync/run"
)

const (
	hookSecret = "canary-hook-0123456789"
	pathSecret = "canary-path-0123456789"
)

// notebook remembers deliveries as the state does.
type notebook struct {
	mu    sync.Mutex
	by    map[string]run.Delivery
	fails error
}

func (n *notebook) Delivered(webhook, id string, now time.Time) (string, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d, ok := n.by[webhook+"/"+id]
	return d.Run, ok && now.Before(d.Until), nil
}

func (n *notebook) SaveDeliveries(list []run.Delivery, _ time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails != nil {
		return n.fails
	}
	if n.by == nil {
		n.by = map[string]run.Delivery{}
	}
	for _, d := range list {
		n.by[d.Webhook+"/"+d.ID] = d
	}
	return nil
}

func (n *notebook) size() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.by)
}

// porch is a public listener that people come to.
type porch struct {
	*testing.T
	*Public
	dir    string
	at     string
	memory *notebook
	out    *safeBuffer
	server *http.Server

	mu     sync.Mutex
	asked  []string
	counts map[string]int
	// busy is what asking ends with, ends how the runs end.
	busy error
	ends func(ctx context.Context, id string) (*run.Report, error)
	// offset moves the clock, still stops it.
	offset time.Duration
	still  time.Time
}

func (p *porch) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.still.IsZero() {
		return p.still
	}
	return time.Now().Add(p.offset)
}

func (p *porch) ask(w *config.Webhook, list []hooks.Hint) ([]Asked, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy != nil {
		return nil, p.busy
	}
	var out []Asked
	for _, h := range list {
		p.asked = append(p.asked, w.Name+" "+h.Who+h.Account+h.Person.Username)
		id := "run-" + strconv.Itoa(len(p.asked))
		ends := p.ends
		out = append(out, Asked{Run: id, Wait: func(ctx context.Context) (*run.Report, error) { return ends(ctx, id) }})
	}
	return out, nil
}

func (p *porch) runs() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

func (p *porch) counted(webhook string, r Result) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[webhook+" "+string(r)]
}

// keep writes a file that a secret is read from.
func (p *porch) keep(name, text string) secret.Ref {
	p.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.WriteFile(file+".new", []byte(text+"\n"), 0o600); err != nil {
		p.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		p.Fatal(err)
	}
	r, err := secret.Parse("file:" + name)
	if err != nil {
		p.Fatal(err)
	}
	return r.In(p.dir)
}

// newPorch opens a listener with a signed webhook, login, and one with a secret in its
// address, chat. tune changes the server before it begins.
func newPorch(t *testing.T, memory *notebook, tune ...func(*http.Server)) *porch {
	t.Helper()
	p := &porch{T: t, dir: t.TempDir(), memory: memory, out: &safeBuffer{}, counts: map[string]int{}}
	p.ends = func(_ context.Context, id string) (*run.Report, error) {
		return &run.Report{Run: id, Exit: run.ExitHeld}, nil
	}
	ctx, stop := context.WithCancel(t.Context())
	var err error
	p.Public, err = NewPublic(ctx, PublicOptions{Ask: p.ask, Memory: memory, Logger: slog.New(slog.NewTextHandler(p.out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: p.now, Counted: func(w string, r Result) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.counts[w+" "+string(r)]++
		}})
	if err != nil {
		t.Fatal(err)
	}
	p.use(&config.Webhook{Name: "login", Type: "standard", Secret: []secret.Ref{p.keep("hook", hookSecret)}},
		&config.Webhook{Name: "chat", Type: "openwebui", Secret: []secret.Ref{p.keep("path", pathSecret)}, Target: "chat"})
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.at = l.Addr().String()
	p.server = p.Server()
	for _, f := range tune {
		f(p.server)
	}
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(p.Encrypt(l)) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(p.server.Close(), <-served); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		p.Wait()
		for _, canary := range []string{hookSecret, pathSecret, "canary"} {
			if strings.Contains(p.out.String(), canary) {
				t.Errorf("the log has %s:\n%s", canary, p.out.String())
			}
		}
	})
	return p
}

// held gives how much room bodies take.
func (p *porch) held() int64 {
	p.limits.mu.Lock()
	defer p.limits.mu.Unlock()
	return p.limits.held
}

// open gives how many connections there are.
func (p *porch) open() int {
	p.limits.mu.Lock()
	defer p.limits.mu.Unlock()
	return p.limits.open
}

// become changes how what is asked for ends.
func (p *porch) become(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.memory.mu.Lock()
	defer p.memory.mu.Unlock()
	f()
}

func (p *porch) use(list ...*config.Webhook) {
	p.Helper()
	var out []Hook
	for _, w := range list {
		kind, ok := hooks.Find(w.Type)
		dialect, err := hooks.New(w.Type, hooks.Options{Tolerance: 5 * time.Minute})
		if !ok || err != nil {
			p.Fatal(err)
		}
		out = append(out, Hook{Config: w, Kind: kind, Dialect: dialect})
	}
	p.Use(out, nil, "https://groups.example.org/in/")
}

// letter is a request to be sent.
type letter struct {
	method, path, body string
	head               http.Header
	// endless sends the body in chunks, so that its length is not known.
	endless bool
}

// signed is one of the webhook login about somebody.
func (p *porch) signed(id, key, body string) letter {
	return letter{"POST", "/hooks/login", body, hookstest.Standard(key, id, body, p.now()), false}
}

func about(who string) string { return `{"type":"login","data":{"user":"` + who + `"}}` }

// login is the usual one.
func (p *porch) login(id string) letter { return p.signed(id, hookSecret, about("ana@example.org")) }

type response struct {
	status int
	head   http.Header
	body   string
}

func (r response) run(t *testing.T) string {
	t.Helper()
	var v struct{ Run string }
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
	return v.Run
}

// post sends a letter.
func (p *porch) post(l letter) response {
	p.Helper()
	return p.through(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http", l)
}

func (p *porch) through(client *http.Client, scheme string, l letter) response {
	p.Helper()
	var body io.Reader = strings.NewReader(l.body)
	if l.endless {
		body = io.MultiReader(body)
	}
	req, err := http.NewRequestWithContext(p.Context(), l.method, scheme+"://"+p.at+l.path, body)
	if err != nil {
		p.Fatal(err)
	}
	req.Header = l.head.Clone()
	resp, err := client.Do(req)
	if err != nil {
		return response{body: err.Error()}
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		p.Fatal(err)
	}
	return response{resp.StatusCode, resp.Header, string(text)}
}

func TestAVerifiedRequestIsAskedForAtOnce(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	r := p.post(p.login("msg-1"))
	if r.status != 202 || r.run(t) != "run-1" || strings.Contains(r.body, "runs") {
		t.Errorf("%d %s", r.status, r.body)
	}
	for key, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := r.head.Get(key); got != want {
			t.Errorf("%s: %s", key, got)
		}
	}
	event := `{"id":"%d","event":"auth.login","subject":{"type":"user","id":"account-7"}}`
	if r := p.post(letter{"POST", "/hooks/chat/" + pathSecret, fmt.Sprintf(event, 1), nil, false}); r.status != 202 || r.run(t) != "run-2" {
		t.Errorf("%d %s", r.status, r.body)
	}
	// What concerns nobody is taken, and leads to nothing.
	if r := p.post(letter{"POST", "/hooks/chat/" + pathSecret, `{"id":"2","event":"group.member_added"}`, nil, false}); r.status != 202 || r.run(t) != "" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if got, want := p.runs(), []string{"login ana@example.org", "chat account-7"}; !slices.Equal(got, want) {
		t.Errorf("asked for %q, want %q", got, want)
	}
	if p.counted("login", Accepted) != 1 || p.counted("chat", Accepted) != 1 || p.counted("chat", Ignored) != 1 {
		t.Errorf("counted %v", p.counts)
	}
	s := p.Status()
	if len(s) != 2 || s[0].Name != "login" || s[0].Accepted != 1 || s[1].Accepted != 2 || s[1].LastAccepted.IsZero() || s[1].Refused != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestEveryRefusalHasItsStatusAndAsksForNothing(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	change := func(l letter, f func(*letter)) letter { f(&l); return l }
	good := func() letter { return p.login("msg-1") }
	huge := about(strings.Repeat("a", hooks.MaxBody))
	chat := "/hooks/chat/" + pathSecret
	type refusal struct {
		letter letter
		status int
		text   string
		result Result
	}
	for name, c := range map[string]refusal{
		"another secret":        {p.signed("msg-1", "canary-other-0123456789", about("ana")), 401, "not accepted", Refused},
		"a changed byte":        {change(good(), func(l *letter) { l.body = strings.Replace(l.body, "ana", "eva", 1) }), 401, "not accepted", Refused},
		"no signature":          {change(good(), func(l *letter) { l.head.Del("Webhook-Signature") }), 401, "not accepted", Refused},
		"an old time":           {change(good(), func(l *letter) { l.head.Set("Webhook-Timestamp", "1700000000") }), 401, "not accepted", Refused},
		"not of the dialect":    {p.signed("msg-2", hookSecret, "canary"), 400, "the body cannot be used", Unreadable},
		"the wrong method":      {change(good(), func(l *letter) { l.method = "PUT" }), 405, "this path takes POST alone", WrongWay},
		"looking":               {letter{"GET", chat, "", nil, false}, 405, "this path takes POST alone", WrongWay},
		"a long body":           {p.signed("msg-3", hookSecret, huge), 413, "the body is longer than 256 KiB", TooLong},
		"a body without length": {change(p.signed("msg-3", hookSecret, huge), func(l *letter) { l.endless = true }), 413, "the body is longer than 256 KiB", TooLong},
		"a wrong path secret":   {letter{"POST", "/hooks/chat/canary", "{}", nil, false}, 404, "not found", Refused},
		"no path secret":        {letter{"POST", "/hooks/chat", "{}", nil, false}, 404, "not found", Refused},
		"more than the secret":  {letter{"POST", chat + "/", "{}", nil, false}, 404, "not found", Refused},
		"an unknown name":       {letter{"POST", "/hooks/canary/" + pathSecret, "{}", nil, false}, 404, "not found", Unknown},
		"no name":               {letter{"POST", "/hooks/", "{}", nil, false}, 404, "not found", Unknown},
		"elsewhere":             {letter{"POST", "/canary", "{}", nil, false}, 404, "not found", Unknown},
		"the admin's paths":     {letter{"GET", "/metrics", "", nil, false}, 404, "not found", Unknown},
		"a wait too long":       {change(good(), func(l *letter) { l.path += "?wait=61s" }), 400, "wait must be", Unreadable},
		"a wait without a unit": {change(good(), func(l *letter) { l.path += "?wait=10" }), 400, "wait must be", Unreadable},
	} {
		r := p.post(c.letter)
		var v struct{ Error string }
		if err := json.Unmarshal([]byte(r.body), &v); err != nil || r.status != c.status || !strings.HasPrefix(v.Error, c.text) {
			t.Errorf("%s: %d %s, want %d %s", name, r.status, r.body, c.status, c.text)
		}
		webhook := ""
		if c.result != Unknown {
			webhook = strings.Split(c.letter.path, "/")[2]
		}
		if i := strings.IndexByte(webhook, '?'); i >= 0 {
			webhook = webhook[:i]
		}
		if p.counted(webhook, c.result) == 0 {
			t.Errorf("%s: not counted as %s of %q", name, c.result, webhook)
		}
		if r.status == 405 && r.head.Get("Allow") != "POST" {
			t.Errorf("%s: Allow is %q", name, r.head.Get("Allow"))
		}
	}
	if got := p.runs(); len(got) > 0 || p.memory.size() > 0 {
		t.Errorf("asked for %q, %d kept", got, p.memory.size())
	}
}

// TestARefusalArrivesAtWhoeverEndsTheConnection, as a proxy does that speaks HTTP/1.0: the
// body that nobody read must not reset the connection before the answer is read.
func TestARefusalArrivesAtWhoeverEndsTheConnection(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	for _, size := range []int{100, 60 << 10, 200 << 10, 300 << 10, 2 << 20} {
		for range 3 { // Who is refused more often is told to wait.
			if r := p.post(letter{"POST", "/hooks/canary", strings.Repeat("x", size), nil, false}); r.status != 404 {
				t.Errorf("%d bytes: %d %s", size, r.status, r.body)
			}
		}
	}
}

func TestAWrongSecretInTheAddressLooksLikeANameThatNobodyHas(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	one := p.post(letter{"POST", "/hooks/chat/canary-wrong", "{}", nil, false})
	other := p.post(letter{"POST", "/hooks/chit/canary-wrong", "{}", nil, false})
	one.head.Del("Date")
	other.head.Del("Date")
	if one.status != other.status || one.body != other.body || fmt.Sprint(one.head) != fmt.Sprint(other.head) {
		t.Errorf("%+v\n%+v", one, other)
	}
	// Looking at either is the same too.
	one, other = p.post(letter{"GET", "/hooks/chat/x", "", nil, false}), p.post(letter{"GET", "/hooks/chit/x", "", nil, false})
	if one.status != other.status || one.body != other.body {
		t.Errorf("%+v\n%+v", one, other)
	}
}

func TestARepeatedRequestCountsOnceAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	memory := &notebook{}
	p := newPorch(t, memory)
	l := p.login("msg-1")
	for i, at := range []*porch{p, p, newPorch(t, memory)} {
		r := at.post(l)
		if want := []int{202, 200, 200}[i]; r.status != want || r.run(t) != "run-1" {
			t.Errorf("time %d: %d %s, want %d with the same run", i, r.status, r.body, want)
		}
		if i > 0 && len(at.runs()) != 2-i {
			t.Errorf("time %d: asked for %q", i, at.runs())
		}
	}
	if r := p.post(p.login("msg-2")); r.status != 202 || r.run(t) != "run-2" {
		t.Errorf("another: %d %s", r.status, r.body)
	}
}

func TestEqualRequestsAtOnceCountOnce(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	l := p.login("msg-1")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if r := p.post(l); r.status/100 != 2 || r.run(t) != "run-1" {
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	wg.Wait()
	if got := p.runs(); len(got) != 1 {
		t.Errorf("asked for %q", got)
	}
}

func TestWhatCannotBeTakenNowMayComeAgain(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	l := p.login("msg-1")
	for name, c := range map[string]struct {
		busy, fails error
		result      Result
	}{
		"a full queue":          {fault.Errorf(fault.Throttled, "", "", "too many people wait"), nil, Busy},
		"a daemon that stops":   {fault.Errorf(fault.Canceled, "", "", "the daemon stops"), nil, Failed},
		"a state without space": {nil, fault.Errorf(fault.Unavailable, "save", "", "the disk is full"), Failed},
	} {
		p.become(func() { p.busy, p.memory.fails = c.busy, c.fails })
		r := p.post(l)
		if r.status != 503 || r.head.Get("Retry-After") != "5" || p.counted("login", c.result) == 0 || strings.Contains(r.body, "disk") {
			t.Errorf("%s: %d %s, Retry-After %s", name, r.status, r.body, r.head.Get("Retry-After"))
		}
		if p.memory.size() != 0 {
			t.Errorf("%s: it was kept", name)
		}
	}
	p.become(func() { p.busy, p.memory.fails = nil, nil })
	if r := p.post(l); r.status != 202 {
		t.Errorf("afterwards: %d %s", r.status, r.body)
	}
}

func TestASenderMayWaitForItsRun(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	n := 0
	send := func(query string) response {
		n++
		l := p.login("msg-" + strconv.Itoa(n))
		l.path += query
		return p.post(l)
	}
	var report run.Report
	if r := send("?wait=30s"); r.status != 200 || json.Unmarshal([]byte(r.body), &report) != nil || report.Run != "run-1" || report.Exit != run.ExitHeld {
		t.Errorf("%d %s", r.status, r.body)
	}
	ends := func(f func(context.Context, string) (*run.Report, error)) { p.become(func() { p.ends = f }) }
	ends(func(ctx context.Context, _ string) (*run.Report, error) { <-ctx.Done(); return nil, ctx.Err() })
	if r := send("?wait=10ms"); r.status != 202 || r.run(t) != "run-2" {
		t.Errorf("one that takes longer: %d %s", r.status, r.body)
	}
	if r := send("?wait=0s"); r.status != 202 || r.run(t) != "run-3" {
		t.Errorf("no time to wait: %d %s", r.status, r.body)
	}
	// Somebody who is not known looks like somebody for whom nothing changed.
	ends(func(context.Context, string) (*run.Report, error) {
		return nil, fault.Errorf(fault.NotFound, "", "", "no source knows canary")
	})
	report = run.Report{}
	if r := send("?wait=1s"); r.status != 200 || json.Unmarshal([]byte(r.body), &report) != nil || report.Run != "run-4" || report.Exit != 0 || strings.Contains(r.body, "canary") {
		t.Errorf("nobody: %d %s", r.status, r.body)
	}
	ends(func(context.Context, string) (*run.Report, error) {
		return nil, fault.Errorf(fault.Damaged, "", "", "canary state")
	})
	if r := send("?wait=1s"); r.status != 500 || r.run(t) != "run-5" || strings.Contains(r.body, "canary") {
		t.Errorf("a failure: %d %s", r.status, r.body)
	}
}

func TestSeveralPeopleInOneRequestHaveARunEach(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	p.use(&config.Webhook{Name: "okta", Type: "okta", Secret: []secret.Ref{p.keep("okta", hookSecret)}})
	body := `{"eventId":"%s","data":{"events":[{"uuid":"1","eventType":"user.session.start","actor":{"id":"00u1","type":"User","alternateId":"ana@example.org"}},` +
		`{"uuid":"2","eventType":"user.session.start","actor":{"id":"00u2","type":"User","alternateId":"bo@example.org"}}]}}`
	head := http.Header{"Authorization": {hookSecret}, "Content-Type": {"application/json"}}
	r := p.post(letter{"POST", "/hooks/okta", fmt.Sprintf(body, "a"), head, false})
	if r.status != 200 || r.run(t) != "run-1" || !strings.Contains(r.body, `"run-2"`) {
		t.Errorf("%d %s", r.status, r.body)
	}
	var both struct{ Runs []run.Report }
	r = p.post(letter{"POST", "/hooks/okta?wait=5s", fmt.Sprintf(body, "b"), head, false})
	if err := json.Unmarshal([]byte(r.body), &both); err != nil || r.status != 200 || len(both.Runs) != 2 {
		t.Errorf("%d %s", r.status, r.body)
	}
	// A handshake is answered whoever may look.
	head.Set("X-Okta-Verification-Challenge", "who-are-you")
	if r := p.post(letter{"GET", "/hooks/okta", "", head, false}); r.status != 200 || !strings.Contains(r.body, "who-are-you") || p.counted("okta", Handshook) != 1 {
		t.Errorf("handshake: %d %s", r.status, r.body)
	}
}

func TestASecretIsReplacedWithoutARestart(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	const next = "canary-next-0123456789"
	status := func(id, key string) int { return p.post(p.signed(id, key, about("ana"))).status }
	if got := status("a", next); got != 401 {
		t.Errorf("a secret of tomorrow: %d", got)
	}
	ref := p.keep("next", next)
	old := p.keep("hook", hookSecret)
	p.use(&config.Webhook{Name: "login", Type: "standard", Secret: []secret.Ref{ref, old}})
	if a, b := status("b", next), status("c", hookSecret); a != 202 || b != 202 {
		t.Errorf("while both are in force: %d and %d", a, b)
	}
	p.use(&config.Webhook{Name: "login", Type: "standard", Secret: []secret.Ref{old}})
	p.keep("hook", next)
	if a, b := status("d", next), status("e", hookSecret); a != 202 || b != 401 {
		t.Errorf("after the file was replaced: %d and %d", a, b)
	}
	if s := p.Status(); s[0].Accepted != 3 || s[0].Refused != 2 || s[0].Reason == "" {
		t.Errorf("what is known of a webhook was forgotten: %+v", s)
	}
}

func TestASecretThatCannotBeReadOpensNothing(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	short := "canary-short"
	for name, spoil := range map[string]func(){
		"too short": func() { p.keep("hook", short); p.keep("path", short) },
		"gone": func() {
			if err := errors.Join(os.Remove(filepath.Join(p.dir, "hook")), os.Remove(filepath.Join(p.dir, "path"))); err != nil {
				t.Fatal(err)
			}
		},
	} {
		p.keep("hook", hookSecret)
		p.keep("path", pathSecret)
		spoil()
		if r := p.post(p.signed("x", short, about("ana"))); r.status != 503 || r.head.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		if r := p.post(letter{"POST", "/hooks/chat/" + short, "{}", nil, false}); r.status != 404 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if got := p.runs(); len(got) > 0 {
		t.Errorf("asked for %q", got)
	}
	if n := strings.Count(p.out.String(), "a secret of the webhook cannot be used"); n != 2 {
		t.Errorf("said %d times, once for each webhook is enough:\n%s", n, p.out.String())
	}
}

func TestTheLogHearsOfACauseOnceAMinute(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	for range 5 {
		p.post(p.signed("x", "canary-other-0123456789", about("ana")))
		p.post(letter{"POST", "/hooks/canary/canary", "canary", nil, false})
	}
	count := func(text string) int { return strings.Count(p.out.String(), text) }
	if count("webhook=login result=refused") != 1 || count(`webhook="" result=unknown`) != 1 {
		t.Errorf("log:\n%s", p.out.String())
	}
	p.mu.Lock()
	p.offset = toldEvery
	p.mu.Unlock()
	p.post(p.signed("x", "canary-other-0123456789", about("ana")))
	if count("webhook=login result=refused") != 2 || count("not_logged=4") != 1 {
		t.Errorf("log:\n%s", p.out.String())
	}
}

// clumsy is a dialect with a bug.
type clumsy struct{ hooks.Dialect }

func (clumsy) Handshake(*hooks.Request, []secret.Value) (hooks.Answer, bool) { panic("nil map") }

func TestABugInADialectEndsItsRequestAlone(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	h := p.table.Load().hooks["login"].Hook
	h.Dialect = clumsy{}
	p.Use([]Hook{h}, nil, "")
	if r := p.post(p.login("a")); r.status != 500 || !strings.Contains(r.body, "an internal error") || strings.Contains(r.body, "map") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if !strings.Contains(p.out.String(), "panic in a webhook") {
		t.Errorf("log:\n%s", p.out.String())
	}
	if held := p.held(); held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
}

func TestADialectIsToldTheAddressThatSendersKnow(t *testing.T) {
	t.Parallel()
	p := newPorch(t, &notebook{})
	if got := p.table.Load().hooks["login"].url; got != "https://groups.example.org/in/hooks/login" {
		t.Error(got)
	}
}
