package server

import (
	"bufio"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/secret"
	"groupsyncd/sync/run"
)

func TestWhoSignsInIsWhoseTheTokenIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, token string
		want        int
		says        string
	}{
		{"an approver", approveToken, 303, ""},
		{"a reader", readToken + "\n", 303, ""},
		{"a wrong token", approveToken + "x", 401, "not known here"},
		{"no token", "", 401, "not known here"},
		{"a name", "alice", 401, "not known here"},
	} {
		b := opened(t, newHall())
		w := b.signIn(c.token)
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) || strings.Contains(w.Body.String(), "canary") {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if c.want == 303 && w.Header().Get("Location") != "/holds/h0" {
			t.Errorf("%s: leads to %s", c.name, w.Header().Get("Location"))
		}
		if c.want != 303 && len(b.cookies) > 0 {
			t.Errorf("%s: a cookie", c.name)
		}
	}
}

func TestTheCookieGoesNowhereElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		want   string
		secure bool
	}{
		{"over plain HTTP", header("X-None", ""), "groupsyncd", false},
		{"the browser says that it came over TLS", header("Origin", "https://groups.example.org"), "__Host-groupsyncd", true},
		{"a proxy says so", header("X-Forwarded-Proto", "https"), "__Host-groupsyncd", true},
	} {
		b := opened(t, newHall())
		b.ask(http.MethodPost, "/signin", url.Values{"token": {approveToken}}, c.change)
		if len(b.cookies) != 1 {
			t.Fatalf("%s: %v", c.name, b.cookies)
		}
		k := b.cookies[0]
		if k.Name != c.want || k.Secure != c.secure || !k.HttpOnly || k.SameSite != http.SameSiteStrictMode || k.Path != "/" || k.Domain != "" || len(k.Value) < 40 {
			t.Errorf("%s: %v", c.name, k)
		}
		if strings.Contains(k.Value, "canary") {
			t.Error("the cookie is the token")
		}
		// A cookie that a neighbour sets under the other name is none.
		other := *k
		other.Name = map[bool]string{true: plainCookie, false: secureCookie}[k.Secure]
		b.cookies = []*http.Cookie{&other}
		if w := b.ask(http.MethodGet, "/holds", nil, from("192.0.2.7:1")); w.Code != 401 {
			t.Errorf("%s: under the other name: %d", c.name, w.Code)
		}
	}
}

func TestOneComesBackToWhereOneWas(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{"/runs/01?page=2": "/runs/01?page=2", "": "/", "//evil.example.org": "/", "///evil.example.org": "/", "https://evil.example.org/": "/", `/\evil.example.org`: "/",
		"/\t/evil.example.org": "/", "/signout": "/", "/sync": "/", "/signin?to=/x": "/", "runs": "/", "javascript:alert(1)": "/", "/users/a%2Fb": "/users/a%2Fb"} {
		b := opened(t, newHall())
		w := b.ask(http.MethodPost, "/signin", url.Values{"token": {approveToken}, "to": {to}})
		if w.Header().Get("Location") != want {
			t.Errorf("%q leads to %q", to, w.Header().Get("Location"))
		}
	}
}

func TestASignInEnds(t *testing.T) {
	t.Parallel()
	far := from("192.0.2.7:1")
	in := func(b *browser) bool { return b.ask(http.MethodGet, "/holds", nil, far).Code == 200 }
	synctest.Test(t, func(t *testing.T) {
		for name, wait := range map[string]func(*browser){
			"when nobody uses it": func(*browser) { time.Sleep(sessionIdle) },
			"after half a day, however much it is used": func(b *browser) {
				for range 13 {
					time.Sleep(sessionIdle - 4*time.Minute)
					in(b)
				}
			},
			"by signing out": func(b *browser) {
				if w := b.ask(http.MethodPost, "/signout", url.Values{"proof": {b.proof()}}); w.Code != 303 {
					t.Errorf("signing out: %d", w.Code)
				}
			},
		} {
			b := opened(t, newHall())
			if b.signIn(readToken); !in(b) {
				t.Fatalf("%s: not signed in", name)
			}
			kept := b.cookies
			if wait(b); in(b) {
				t.Errorf("it does not end %s", name)
			}
			if b.cookies = kept; in(b) {
				t.Errorf("it does not end %s for whoever kept the cookie", name)
			}
		}
		b := opened(t, newHall())
		b.signIn(readToken)
		for range 10 {
			if time.Sleep(sessionIdle - time.Minute); !in(b) {
				t.Error("it ends while it is used")
			}
		}
	})
}

func TestASignInEndsWithItsToken(t *testing.T) {
	t.Parallel()
	far := from("192.0.2.7:1")
	for name, change := range map[string]func(*Admin, *config.Config, string) error{
		"replaced": func(_ *Admin, _ *config.Config, dir string) error {
			return os.WriteFile(filepath.Join(dir, "alice"), []byte("another-0123456789"), 0o600)
		},
		"taken out of the configuration": func(a *Admin, cfg *config.Config, _ string) error {
			next := *cfg
			next.Server.Admin.Approvers = nil
			a.Use(&next)
			return nil
		},
		"given to another name": func(a *Admin, cfg *config.Config, _ string) error {
			next := *cfg
			next.Server.Admin.Approvers = map[string]secret.Ref{"mallory": cfg.Server.Admin.Approvers["alice"]}
			a.Use(&next)
			return nil
		},
		"removed": func(_ *Admin, _ *config.Config, dir string) error { return os.Remove(filepath.Join(dir, "alice")) },
	} {
		cfg, dir := tokens(t)
		b := &browser{T: t, a: hallAdmin(t, newHall(), cfg)}
		b.signIn(approveToken)
		if w := b.ask(http.MethodGet, "/holds", nil, far); w.Code != 200 {
			t.Fatalf("%s: not signed in: %d", name, w.Code)
		}
		if err := change(b.a, cfg, dir); err != nil {
			t.Fatal(err)
		}
		if w := b.ask(http.MethodGet, "/holds", nil, far); w.Code != 401 {
			t.Errorf("%s: still signed in: %d", name, w.Code)
		}
	}
	// Who becomes a reader may decide nothing any more, and stays signed in.
	cfg, _ := tokens(t)
	b := &browser{T: t, a: hallAdmin(t, newHall(), cfg)}
	b.signIn(approveToken)
	proof := b.proof()
	next := *cfg
	next.Server.Admin.Approvers, next.Server.Admin.Readers = nil, map[string]secret.Ref{"alice": cfg.Server.Admin.Approvers["alice"]}
	b.a.Use(&next)
	if w := b.ask(http.MethodPost, "/holds/h0", url.Values{"proof": {proof}, "reason": {"x"}}); w.Code != 403 || !strings.Contains(w.Body.String(), "alice may read") {
		t.Errorf("who was an approver: %d %s", w.Code, w.Body)
	}
}

func TestSignInsAreBounded(t *testing.T) {
	t.Parallel()
	first := opened(t, newHall())
	first.signIn(approveToken)
	for range maxSessionsEach {
		(&browser{T: t, a: first.a}).signIn(approveToken)
	}
	if w := first.ask(http.MethodGet, "/holds", nil, from("192.0.2.7:1")); w.Code != 401 {
		t.Errorf("the oldest of too many: %d", w.Code)
	}
	if n := len(first.a.page.sessions.by); n != maxSessionsEach {
		t.Errorf("%d sign-ins of one name", n)
	}
}

func TestWrongTokensAreFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := opened(t, newHall())
		codes := map[int]int{}
		for range 20 {
			codes[b.signIn("wrong-0123456789-wrong").Code]++
		}
		if codes[401] != guessBurst || codes[429] != 20-guessBurst {
			t.Errorf("%v", codes)
		}
		if w := b.signIn(approveToken); w.Code != 429 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "Wait a few seconds") {
			t.Errorf("the right one after too many wrong ones: %d", w.Code)
		}
		neighbour := &browser{T: t, a: b.a, with: []func(*http.Request){from("192.0.2.9:1")}}
		if w := neighbour.signIn(approveToken); w.Code != 303 {
			t.Errorf("a neighbour: %d", w.Code)
		}
		time.Sleep(guessEvery)
		if w := b.signIn(approveToken); w.Code != 303 {
			t.Errorf("a little later: %d", w.Code)
		}
	})
}

func TestOnlyAFormOfOursDecides(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/holds/h0", "/sync"} {
		for _, c := range []struct {
			name    string
			token   string
			form    url.Values
			changes []func(*http.Request)
			want    int
		}{
			{"from a page of somebody else", approveToken, nil, []func(*http.Request){func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }}, 403},
			{"from a neighbouring site", approveToken, nil, []func(*http.Request){func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }}, 403},
			{"from an old browser on another page", approveToken, nil, []func(*http.Request){func(r *http.Request) {
				r.Header.Del("Sec-Fetch-Site")
				r.Header.Set("Origin", "https://evil.example.org")
			}}, 403},
			{"without what the form carries", approveToken, url.Values{"proof": {""}}, nil, 403},
			{"with what another form carries", approveToken, url.Values{"proof": {"AAAAAAAAAAAAAAAAAAAAAAAAAA"}}, nil, 403},
			{"as a reader", readToken, nil, nil, 403},
			{"as nobody, on this machine", "", nil, nil, 403},
			{"as nobody, from elsewhere", "", nil, []func(*http.Request){from("192.0.2.7:1")}, 401},
			{"as an approver", approveToken, nil, nil, 303},
		} {
			h := newHall()
			b := opened(t, h)
			form := url.Values{"reason": {"ticket 4711"}}
			if c.token != "" {
				b.signIn(c.token)
				form.Set("proof", b.proof())
			}
			maps.Copy(form, c.form)
			w := b.ask(http.MethodPost, path, form, c.changes...)
			b.a.Wait()
			done := strings.Contains(h.log(), "approve ") || strings.Contains(h.log(), "run,")
			if w.Code != c.want || done != (c.want == 303) {
				t.Errorf("%s %s: %d, asked %q", path, c.name, w.Code, h.log())
			}
		}
	}
}

// TestWhoApprovesASourceReadsWhatItIsTakenFor: such a hold can list nobody, while a grace
// is not over, and approving it lets people go all the same.
func TestWhoApprovesASourceReadsWhatItIsTakenFor(t *testing.T) {
	t.Parallel()
	h := newHall()
	h.list = append(h.list, run.Hold{Hash: "h1", Check: run.MaxSourceShrink, Target: "chat", Scope: "corp", Accepts: &run.AcceptedSource{Users: 1300, Groups: 1}})
	b := opened(t, h)
	b.signIn(approveToken)
	page := b.ask(http.MethodGet, "/holds/h1", nil).Body.String()
	for _, want := range []string{"<button>Let it through</button>", "with 1,300 people and 1 group: who is missing there goes when the grace is over"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q: %s", want, page)
		}
	}
	if page := b.ask(http.MethodGet, "/holds/h0", nil).Body.String(); !strings.Contains(page, "once, and nothing else.") || strings.Contains(page, "grace") {
		t.Errorf("a hold about people: %s", page)
	}
}

func TestAnApprovalHasAReasonAndANameAndLeadsToItsRun(t *testing.T) {
	t.Parallel()
	h := newHall()
	b := opened(t, h)
	b.signIn(approveToken)
	proof := b.proof()
	for _, reason := range []string{"", "  ", strings.Repeat("x", longestReason+1)} {
		if w := b.ask(http.MethodPost, "/holds/h0", url.Values{"proof": {proof}, "reason": {reason}}); w.Code != 422 || !strings.Contains(w.Body.String(), `role="alert"`) {
			t.Errorf("the reason %.5q: %d", reason, w.Code)
		}
	}
	w := b.ask(http.MethodPost, "/holds/h0", url.Values{"proof": {proof}, "reason": {" ticket 4711 "}})
	if w.Code != 303 || w.Header().Get("Location") != "/runs/01SOON" || !strings.Contains(h.log(), "approve h0,ticket 4711,alice (token)") {
		t.Fatalf("%d %s, asked %s", w.Code, w.Header().Get("Location"), h.log())
	}
	after := b.ask(http.MethodGet, "/runs/01SOON", nil)
	for _, want := range []string{"has not ended", "Let through as alice: 2 changes at chat. A run carries it out.", `href="/runs/01SOON"`} {
		if after.Code != 200 || !strings.Contains(after.Body.String(), want) {
			t.Errorf("afterwards %d without %q", after.Code, want)
		}
	}
	if again := b.ask(http.MethodGet, "/runs/01SOON", nil); strings.Contains(again.Body.String(), "Let through as") {
		t.Error("the message is shown twice")
	}
	h.past = append(h.past, run.Report{Run: "01SOON"})
	if w := b.ask(http.MethodGet, "/runs/01SOON", nil); !strings.Contains(w.Body.String(), "It changed nothing") {
		t.Errorf("when it has ended: %d", w.Code)
	}
	h.office.err = errors.New("the state cannot be written")
	if w := b.ask(http.MethodPost, "/holds/h0", url.Values{"proof": {proof}, "reason": {"x"}}); w.Code != 500 || !strings.Contains(w.Body.String(), "The state cannot be written") {
		t.Errorf("what fails: %d", w.Code)
	}
}

func TestWhoeverListensAfterTheEndOfARunHearsOfIt(t *testing.T) {
	t.Parallel()
	b := opened(t, newHall())
	listen(t, b).until("id: 0")
}

func TestProgressIsSentAsItHappens(t *testing.T) {
	t.Parallel()
	h := newHall()
	h.goOn(run.Going{Run: "01GOES", Trigger: run.Schedule, Started: time.Now(), Steps: []run.Step{{Where: hostile, What: "users", Done: 500}}})
	b := opened(t, h)
	events := listen(t, b)
	events.until("id: 1")
	events.until("500 users")
	h.goOn(run.Going{Run: "01GOES", Trigger: run.Schedule, Started: time.Now(), Steps: []run.Step{{Where: "chat", What: "calls", Done: 40, Total: 100}}})
	events.until("40 of 100 calls")
	h.goOn()
	events.until("id: 0")
	// Whoever listens, and goes on for longer than this, does not keep the door from closing.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := events.web.Shutdown(ctx); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// listener follows the progress of runs as the page does.
type listener struct {
	t     *testing.T
	web   *http.Server
	lines *bufio.Scanner
}

// listen begins to follow; the test's end ends it.
func listen(t *testing.T, b *browser) *listener {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.Config = b.a.Server()
	web.Start()
	t.Cleanup(web.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+"/progress/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	return &listener{t, web.Config, bufio.NewScanner(resp.Body)}
}

// until reads up to a line that holds the words.
func (l *listener) until(want string) {
	l.t.Helper()
	for l.lines.Scan() {
		if strings.Contains(l.lines.Text(), "<script>") {
			l.t.Fatalf("markup of others: %s", l.lines.Text())
		}
		if strings.Contains(l.lines.Text(), want) {
			return
		}
	}
	l.t.Fatalf("it ends before %q: %v", want, l.lines.Err())
}

func TestFollowersAreBounded(t *testing.T) {
	t.Parallel()
	b := opened(t, newHall())
	for range maxStreams {
		b.a.page.streams <- struct{}{}
	}
	if w := b.ask(http.MethodGet, "/progress/events", nil); w.Code != 503 {
		t.Errorf("one too many: %d", w.Code)
	}
}
