package httpx_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
)

const canary = "sk-canary-5b1f0c"

// script answers the nth request with the nth handler, the last one for ever.
type script struct {
	handlers []http.HandlerFunc
	served   atomic.Int64
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(s.served.Add(1)) - 1
	s.handlers[min(n, len(s.handlers)-1)](w, r)
}

func answer(status int, contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func good() http.HandlerFunc { return answer(200, "application/json", `{"ok":true}`) }

func drop(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

type world struct {
	server *script
	client *httpx.Client
	logs   *bytes.Buffer
}

func start(t *testing.T, retry httpx.Retry, handlers ...http.HandlerFunc) *world {
	t.Helper()
	w := &world{server: &script{handlers: handlers}, logs: &bytes.Buffer{}}
	srv := httptest.NewServer(w.server)
	t.Cleanup(srv.Close)
	w.client = newClient(t, srv.URL, retry, w.logs)
	return w
}

func newClient(t *testing.T, address string, retry httpx.Retry, logs *bytes.Buffer) *httpx.Client {
	t.Helper()
	base, err := httpx.ParseBase(address)
	if err != nil {
		t.Fatal(err)
	}
	if retry.First == 0 {
		retry.First = time.Millisecond
	}
	c := httpx.New(httpx.Options{
		Name: "target chat", Base: base, Retry: retry, Timeout: 5 * time.Second, MaxBody: 1 << 20,
		Bearer: httpx.Key(func() (secret.Value, error) { return secret.New(canary), nil }),
		Logger: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	t.Cleanup(c.Close)
	return c
}

type reply struct {
	OK bool `json:"ok"`
}

func read(into *reply) httpx.Request {
	return httpx.Request{
		Method: http.MethodGet, Path: "/x", Op: "read things", Into: into, Repeat: true,
		Query: url.Values{"token": {"canary-query"}},
	}
}

func TestAnAnswerSaysWhatItMeans(t *testing.T) {
	t.Parallel()
	detail := `{"detail":"no such thing"}`
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   fault.Kind
		sent   int
		text   string
	}{
		"success":                      {good(), 0, 1, ""},
		"bad request":                  {answer(400, "application/json", detail), fault.Invalid, 1, "400 Bad Request: no such thing"},
		"unauthorized":                 {answer(401, "application/json", detail), fault.Auth, 1, "401 Unauthorized"},
		"forbidden":                    {answer(403, "application/json", detail), fault.Auth, 1, "403"},
		"not found":                    {answer(404, "application/json; charset=utf-8", detail), fault.NotFound, 1, "no such thing"},
		"not found by a proxy":         {answer(404, "text/html", "<html>secret page"), fault.Invalid, 1, "404 Not Found"},
		"conflict":                     {answer(409, "application/json", detail), fault.Conflict, 1, "409"},
		"unprocessable":                {answer(422, "application/json", `{"detail":[{"loc":["body","name"],"msg":"Field required","input":"canary-input"}]}`), fault.Invalid, 1, "body.name: Field required"},
		"throttled":                    {answer(429, "application/json", detail), fault.Throttled, 3, "429"},
		"server error":                 {answer(500, "text/plain", "Internal Server Error"), fault.Unavailable, 3, "500 Internal Server Error"},
		"unavailable":                  {answer(503, "text/html", "<html>"), fault.Unavailable, 3, "503"},
		"not implemented":              {answer(501, "text/html", "<html>"), fault.Invalid, 1, "501"},
		"web page":                     {answer(200, "text/html; charset=utf-8", "<!doctype html>"), fault.Invalid, 1, "text/html, not JSON"},
		"no content type":              {answer(200, "nonsense nonsense", "{}"), fault.Invalid, 1, "not JSON"},
		"half of the JSON":             {answer(200, "application/json", `{"ok":tr`), fault.Unavailable, 3, "not complete JSON"},
		"empty body":                   {answer(200, "application/json", ``), fault.Unavailable, 3, "not complete JSON"},
		"another form":                 {answer(200, "application/json", `{"ok":"yes"}`), fault.Invalid, 1, "unknown form"},
		"larger than allowed":          {answer(200, "application/json", `"`+strings.Repeat("x", 1<<20)+`"`), fault.Invalid, 1, "larger than"},
		"connection dropped":           {drop, fault.Unavailable, 3, "EOF"},
		"redirect to another server":   {answer(307, "text/html", "", "Location", "https://evil.example/x?token=canary-query"), fault.Invalid, 1, "https://evil.example/x"},
		"redirect to https":            {answer(301, "text/html", "", "Location", "https://"+"127.0.0.1/x"), fault.Invalid, 1, "https://127.0.0.1/x"},
		"the key echoed in the detail": {answer(400, "application/json", `{"detail":"bad `+canary+` here"}`), fault.Invalid, 1, "bad [secret] here"},
		"a long and wild detail":       {answer(400, "application/json", `{"detail":"a\n\u001b[31mb`+strings.Repeat("y", 500)+`"}`), fault.Invalid, 1, "a [31mb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, httpx.Retry{Tries: 3}, c.answer)
			s := w.client.Session()
			var got reply
			_, err := s.Do(t.Context(), read(&got))
			if fault.KindOf(err) != c.kind {
				t.Fatalf("%v is %s, want %s", err, fault.KindOf(err), c.kind)
			}
			requests, writes := s.Spent()
			if requests != c.sent || writes != 0 {
				t.Errorf("sent %d requests, %d writes; want %d and none", requests, writes, c.sent)
			}
			if err == nil {
				return
			}
			if _, ok := errors.AsType[*fault.Error](err); !ok {
				t.Errorf("%T is no *fault.Error", err)
			}
			if !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "read things at target chat (GET /x): ") {
				t.Errorf("the error reads %q", err)
			}
			if len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("the error does not fit one line: %q", err)
			}
			if name == "connection dropped" && !strings.Contains(fault.HintOf(err), "hangs up without an answer: is that its port, and does it speak http:// there?") {
				t.Errorf("the hint reads %q", fault.HintOf(err))
			}
			for _, text := range []string{err.Error(), fault.HintOf(err), w.logs.String()} {
				if strings.Contains(text, "canary") {
					t.Errorf("a secret shows: %s", text)
				}
			}
		})
	}
}

func TestAFailureThatPassesIsNotSeen(t *testing.T) {
	t.Parallel()
	w := start(t, httpx.Retry{}, drop, answer(503, "text/html", ""), answer(200, "application/json", `{"ok"`), good())
	var got reply
	a, err := w.client.Session().Do(t.Context(), read(&got))
	if err != nil || !got.OK || a.Status != 200 || a.Date.IsZero() {
		t.Errorf("%+v %+v %v", a, got, err)
	}
	if !strings.Contains(w.logs.String(), "trying again") {
		t.Error("the log says nothing of it")
	}
}

func TestAWriteIsNotRepeatedUnlessItMayBe(t *testing.T) {
	t.Parallel()
	for _, repeat := range []bool{false, true} {
		w := start(t, httpx.Retry{}, drop, good())
		s := w.client.Session()
		_, err := s.Do(t.Context(), httpx.Request{Method: http.MethodPost, Path: "/x", Op: "write", Body: map[string]int{"a": 1}, Repeat: repeat})
		if (err == nil) != repeat {
			t.Errorf("repeat %t: %v", repeat, err)
		}
		requests, writes := s.Spent()
		if want := map[bool]int{false: 1, true: 2}[repeat]; requests != want || writes != want {
			t.Errorf("repeat %t: %d requests, %d writes", repeat, requests, writes)
		}
	}
}

func TestALostAnswerIsLookedForBeforeTheNextAttempt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handlers []http.HandlerFunc
		happened []any // bool or error, by the time of asking
		sent     int
		want     func(error) bool
	}{
		"it happened":           {[]http.HandlerFunc{drop}, []any{true}, 1, func(err error) bool { return errors.Is(err, httpx.ErrHappened) }},
		"it did not":            {[]http.HandlerFunc{drop, good()}, []any{false}, 2, func(err error) bool { return err == nil }},
		"the last one happened": {[]http.HandlerFunc{drop}, []any{false, true}, 2, func(err error) bool { return errors.Is(err, httpx.ErrHappened) }},
		"it never did":          {[]http.HandlerFunc{drop}, []any{false, false}, 2, func(err error) bool { return fault.KindOf(err) == fault.Unavailable }},
		"it cannot be seen": {[]http.HandlerFunc{drop}, []any{fault.Errorf(fault.Unavailable, "look", "", "down")}, 1,
			func(err error) bool {
				return fault.KindOf(err) == fault.Unavailable && strings.Contains(err.Error(), "could not be seen")
			}},
		"refused, so it did not": {[]http.HandlerFunc{answer(400, "application/json", "{}")}, nil, 1, func(err error) bool { return fault.KindOf(err) == fault.Invalid }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, httpx.Retry{Tries: 2}, c.handlers...)
			s := w.client.Session()
			asked := 0
			_, err := s.Do(t.Context(), httpx.Request{
				Method: http.MethodPost, Path: "/x", Op: "create",
				Happened: func(context.Context) (bool, error) {
					v := c.happened[asked]
					asked++
					if err, ok := v.(error); ok {
						return false, err
					}
					return v == true, nil
				},
			})
			if requests, _ := s.Spent(); !c.want(err) || asked != len(c.happened) || requests != c.sent {
				t.Errorf("%v after %d requests, asked %d times", err, requests, asked)
			}
		})
	}
}

// inMemory lets synctest bubbles make requests.
type inMemory struct{ h http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	m.h.ServeHTTP(rec, r)
	return rec.Result(), nil
}

func TestRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	const none, soon = time.Duration(-1), time.Duration(-2)
	ahead := func(now time.Time) time.Time { return now.Add(-time.Hour) } // Our clock is an hour ahead of the server's.
	for name, c := range map[string]struct {
		header   func(now time.Time) string
		deadline time.Duration // of the context; zero: none
		waited   time.Duration // none: the request fails at once; soon: after a first step of ours
	}{
		"at once":                   {func(time.Time) string { return "0" }, 0, soon},
		"a date by another clock":   {func(now time.Time) string { return ahead(now).Add(9 * time.Second).UTC().Format(http.TimeFormat) }, 0, 9 * time.Second},
		"seconds":                   {func(time.Time) string { return "7" }, 0, 7 * time.Second},
		"a date":                    {func(now time.Time) string { return now.Add(9 * time.Second).UTC().Format(http.TimeFormat) }, 0, 9 * time.Second},
		"a date that has passed":    {func(now time.Time) string { return now.Add(-time.Hour).UTC().Format(http.TimeFormat) }, 0, soon},
		"longer than we wait":       {func(time.Time) string { return "86400" }, 0, none},
		"longer than the deadline":  {func(time.Time) string { return "60" }, 30 * time.Second, none},
		"shorter than the deadline": {func(time.Time) string { return "20" }, 30 * time.Second, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				date := began
				if name == "a date by another clock" {
					date = ahead(began)
				}
				h := &script{handlers: []http.HandlerFunc{answer(429, "application/json", "{}", "Retry-After", c.header(began), "Date", date.UTC().Format(http.TimeFormat)), good()}}
				client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: inMemory{h}})
				ctx := t.Context()
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				var got reply
				_, err := client.Session().Do(ctx, read(&got))
				if c.waited == none {
					if fault.KindOf(err) != fault.Throttled || time.Since(began) != 0 {
						t.Errorf("%v after %s", err, time.Since(began))
					}
					return
				}
				if took := time.Since(began); c.waited == soon && err == nil && took > 0 && took <= 500*time.Millisecond {
					return
				}
				if err != nil || time.Since(began) != c.waited {
					t.Errorf("%v after %s, want %s", err, time.Since(began), c.waited)
				}
			})
		})
	}
}

func TestACancelledWaitSaysWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &script{handlers: []http.HandlerFunc{answer(503, "application/json", `{"detail":"starting"}`, "Retry-After", "60")}}
		client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: inMemory{h}})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		_, err := client.Session().Do(ctx, read(&reply{}))
		if fault.KindOf(err) != fault.Canceled || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "503 Service Unavailable: starting") {
			t.Errorf("%v", err)
		}
	})
}

func TestAFailingServerIsNotAskedForEver(t *testing.T) {
	t.Parallel()
	w := start(t, httpx.Retry{Budget: 4, Break: 100}, answer(500, "text/plain", ""))
	s := w.client.Session()
	for range 10 {
		if _, err := s.Do(t.Context(), read(&reply{})); fault.KindOf(err) != fault.Unavailable {
			t.Fatal(err)
		}
	}
	if requests, _ := s.Spent(); requests != 14 {
		t.Errorf("%d requests for ten calls with a budget of four retries", requests)
	}
}

func TestASlowAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		client := httpx.New(httpx.Options{
			Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: slow, Timeout: 3 * time.Second, Retry: httpx.Retry{Tries: 2},
		})
		s := client.Session()
		_, err := s.Do(t.Context(), read(&reply{}))
		if requests, _ := s.Spent(); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "no answer within 3s") || requests != 2 {
			t.Errorf("%v after %d requests", err, requests)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheKeyGoesToNoOtherServer(t *testing.T) {
	t.Parallel()
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Store(true) }))
	defer other.Close()
	w := start(t, httpx.Retry{}, answer(302, "text/html", "", "Location", other.URL+"/x"))
	_, err := w.client.Session().Do(t.Context(), read(&reply{}))
	if leaked.Load() || fault.KindOf(err) != fault.Invalid {
		t.Errorf("followed %t, %v", leaked.Load(), err)
	}
	w = start(t, httpx.Retry{}, answer(307, "text/html", "", "Location", "/y"), good())
	var got reply
	if _, err := w.client.Session().Do(t.Context(), read(&got)); err != nil || !got.OK {
		t.Errorf("on the same server: %v", err)
	}
	w = start(t, httpx.Retry{}, answer(307, "text/html", "", "Location", "/y"), good())
	if _, err := w.client.Session().Do(t.Context(), httpx.Request{Method: http.MethodPost, Path: "/x", Op: "write", Repeat: true}); err == nil {
		t.Error("a write followed a redirect")
	}
}

func TestAnUnreachableServerIsNamed(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(good())
	address := srv.URL
	srv.Close()
	var logs bytes.Buffer
	c := newClient(t, address, httpx.Retry{Tries: 2}, &logs)
	_, err := c.Session().Do(t.Context(), read(&reply{}))
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "refused") || !strings.Contains(fault.HintOf(err), address) {
		t.Errorf("%v; %s", err, fault.HintOf(err))
	}
}

func TestTLSFailuresHaveAHintAndAreNotRepeated(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(good())
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	defer srv.Close()
	var logs bytes.Buffer
	s := newClient(t, srv.URL, httpx.Retry{}, &logs).Session()
	_, err := s.Do(t.Context(), read(&reply{}))
	if requests, _ := s.Spent(); fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "ca_file") || requests != 1 {
		t.Errorf("%v; %s; %d requests", err, fault.HintOf(err), requests)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	roots, err := httpx.LoadRoots(file)
	if err != nil {
		t.Fatal(err)
	}
	base, err := httpx.ParseBase(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := httpx.New(httpx.Options{Name: "x", Base: base, Transport: httpx.NewTransport(roots)})
	defer c.Close()
	if _, err := c.Session().Do(t.Context(), read(&reply{})); err != nil {
		t.Errorf("with the right ca_file: %v", err)
	}
	plain := httptest.NewServer(good())
	defer plain.Close()
	c = newClient(t, strings.Replace(plain.URL, "http:", "https:", 1), httpx.Retry{}, &logs)
	if _, err := c.Session().Do(t.Context(), read(&reply{})); !strings.Contains(fault.HintOf(err), "plain HTTP") {
		t.Errorf("%v; %s", err, fault.HintOf(err))
	}
}

func TestBadRootsAreRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if _, err := httpx.LoadRoots(file); fault.KindOf(err) != fault.Invalid {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile(file, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := httpx.LoadRoots(file); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("empty file: %v", err)
	}
}

func TestAKeyThatCannotBeSentIsRefusedWithoutShowingIt(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]func() (secret.Value, error){
		"line break": func() (secret.Value, error) { return secret.New(canary + "\nnext"), nil },
		"not ASCII":  func() (secret.Value, error) { return secret.New(canary + "ü"), nil },
		"unreadable": func() (secret.Value, error) {
			return secret.Value{}, fmt.Errorf("secret file /x does not exist")
		},
	} {
		base := &url.URL{Scheme: "http", Host: "x"}
		c := httpx.New(httpx.Options{Name: "x", Base: base, Bearer: httpx.Key(key)})
		s := c.Session()
		_, err := s.Do(t.Context(), read(&reply{}))
		if requests, _ := s.Spent(); fault.KindOf(err) != fault.Auth || strings.Contains(err.Error(), "canary") || requests != 0 || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, %d requests", name, err, requests)
		}
	}
}

func TestAddressesAreChecked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://chat.example.org/": "https://chat.example.org", "http://127.0.0.1:8080": "http://127.0.0.1:8080",
		"https://x/path/": "https://x/path", "chat.example.org": "", "ftp://x": "", "http://": "", "https://user:canary@x": "",
		"https://x?y=1": "", "https://x#y": "", "http://[::1": "", "http://user:canary@x:port": "",
	} {
		u, err := httpx.ParseBase(text)
		switch {
		case want == "" && (err == nil || strings.Contains(err.Error(), "canary")):
			t.Errorf("%s: %v, %v", text, u, err)
		case want != "" && (err != nil || u.String() != want):
			t.Errorf("%s: %v, %v", text, u, err)
		}
	}
}

func TestOnlyThisMachineIsReachedWithoutTLS(t *testing.T) {
	t.Parallel()
	for text, secure := range map[string]bool{
		"https://x.example.org": true, "http://localhost:8080": true, "http://LOCALHOST": true, "http://127.0.0.1": true, "http://127.9.9.9": true,
		"http://[::1]:80": true, "http://[::ffff:127.0.0.1]": true,
		"http://x.example.org": false, "http://10.0.0.1": false, "http://localhost.example.org": false, "http://127.0.0.1.example.org": false,
		"http://[fe80::1]": false, "ftp://localhost": false, "": false,
	} {
		if _, err := httpx.ParseSecure(text); (err == nil) != secure {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAnAnswerWithSecretsIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, answer := range []struct {
		status int
		body   string
	}{{500, `{"detail":"token 4711"}`}, {400, `{"detail":"token 4711"}`}, {200, `{"n":[4711]}`}, {200, `{"n":"4711`}, {200, `4711`}} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(answer.status)
			_, _ = w.Write([]byte(answer.body))
		}))
		base, err := httpx.ParseBase(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		var logs bytes.Buffer
		c := httpx.New(httpx.Options{Name: "test", Base: base, Retry: httpx.Retry{Tries: 2, First: time.Millisecond, Max: time.Millisecond},
			Logger: slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		var into struct{ N string }
		_, err = c.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/", Op: "read", Into: &into, Repeat: true, Secret: true})
		if err == nil || strings.Contains(err.Error()+logs.String(), "4711") {
			t.Errorf("%d %s: %v, log %s", answer.status, answer.body, err, &logs)
		}
		srv.Close()
	}
}
