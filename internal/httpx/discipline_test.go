package httpx_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
)

// TestEveryStatusIsRetriedOrNot asks for a read, which may always be repeated, and a plain
// write, which never may: whoever changes what a status means sees it here.
func TestEveryStatusIsRetriedOrNot(t *testing.T) {
	t.Parallel()
	kinds := map[fault.Kind][]int{
		fault.Auth:        {401, 403, 407},
		fault.NotFound:    {404, 410},
		fault.Conflict:    {409},
		fault.Throttled:   {429},
		fault.Unavailable: {408, 425},
	}
	want := map[int]fault.Kind{}
	for status := 200; status < 600; status++ {
		switch {
		case status < 300:
			want[status] = 0
		case status >= 500 && status != 501:
			want[status] = fault.Unavailable
		default:
			want[status] = fault.Invalid
		}
	}
	for kind, statuses := range kinds {
		for _, status := range statuses {
			want[status] = kind
		}
	}
	for status := 200; status < 600; status++ {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			h := &script{handlers: []http.HandlerFunc{answer(status, "application/json", `{"ok":true}`)}}
			client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: inMemory{h},
				Retry: httpx.Retry{Tries: 3, First: time.Nanosecond, Max: time.Nanosecond}})
			_, err := client.Session().Do(t.Context(), httpx.Request{Method: method, Path: "/x", Op: "call", Repeat: method == http.MethodGet})
			sent := int64(1)
			if method == http.MethodGet && want[status].Retryable() {
				sent = 3
			}
			if fault.KindOf(err) != want[status] || h.served.Load() != sent {
				t.Errorf("%s %d: %s after %d requests, want %s after %d", method, status, fault.KindOf(err), h.served.Load(), want[status], sent)
			}
		}
	}
	for _, never := range []int{400, 403, 404, 409, 422} {
		if want[never].Retryable() {
			t.Errorf("%d counts as worth another try", never)
		}
	}
}

func TestARefusedCredentialIsReadAgainOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keys []string // as they are read, the last for ever
		good string
		sent int
		kind fault.Kind
	}{
		"exchanged meanwhile":            {[]string{"old", "new"}, "new", 2, 0},
		"the same":                       {[]string{"old"}, "new", 1, fault.Auth},
		"another that is refused too":    {[]string{"old", "older"}, "new", 2, fault.Auth},
		"exchanged again and again":      {[]string{"a", "b", "c", "new"}, "new", 2, fault.Auth},
		"cannot be read the second time": {[]string{"old", ""}, "new", 1, fault.Auth},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			read, sent := 0, 0
			server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sent++
				if r.Header.Get("Authorization") == "Bearer "+c.good {
					good()(w, r)
					return
				}
				answer(401, "application/json", `{"detail":"no"}`)(w, r)
			})
			client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: inMemory{server},
				Bearer: httpx.Key(func() (secret.Value, error) {
					key := c.keys[min(read, len(c.keys)-1)]
					read++
					if key == "" {
						return secret.Value{}, errors.New("gone")
					}
					return secret.New(key), nil
				})})
			_, err := client.Session().Do(t.Context(), httpx.Request{Method: method, Path: "/x", Op: "call", Body: map[string]int{"a": 1}})
			if fault.KindOf(err) != c.kind || sent != c.sent {
				t.Errorf("%s, %s: %v after %d requests, want %s after %d", name, method, err, sent, c.kind, c.sent)
			}
		}
	}
}

// bubble is a client in a synctest bubble over a handler.
func bubble(h http.Handler, retry httpx.Retry) *httpx.Client {
	return httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: inMemory{h}, Retry: retry})
}

func TestAServerThatFailsIsSparedUntilAProbeIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := true
		sent := 0
		client := bubble(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent++
			if down {
				answer(503, "text/plain", "")(w, r)
				return
			}
			answer(404, "application/json", "{}")(w, r)
		}), httpx.Retry{Tries: 4, Break: 6, Pause: 15 * time.Second})
		call := func() error {
			_, err := client.Session().Do(t.Context(), read(&reply{})) // a session of its own each time
			return err
		}
		for range 2 {
			if err := call(); fault.KindOf(err) != fault.Unavailable {
				t.Fatal(err)
			}
		}
		if sent != 6 {
			t.Fatalf("%d attempts before the breaker opened", sent)
		}
		began := time.Now()
		err := call()
		if fault.KindOf(err) != fault.Unavailable || sent != 6 || time.Since(began) != 0 ||
			fault.AfterOf(err) > 15*time.Second || fault.AfterOf(err) < 14*time.Second ||
			!strings.Contains(err.Error(), began.Add(fault.AfterOf(err)).UTC().Format(time.RFC3339)) ||
			!strings.Contains(err.Error(), "503 Service Unavailable") {
			t.Errorf("open: %v, wait %s, %d attempts", err, fault.AfterOf(err), sent)
		}
		time.Sleep(15 * time.Second)
		if err := call(); fault.KindOf(err) != fault.Unavailable || sent != 7 {
			t.Errorf("a probe that fails: %v after %d attempts", err, sent)
		}
		if err := call(); err == nil || sent != 7 {
			t.Errorf("after the probe: %v after %d attempts", err, sent)
		}
		time.Sleep(15 * time.Second)
		down = false
		for range 3 {
			// An answer that is no success proves as well that somebody is there.
			if err := call(); fault.KindOf(err) != fault.NotFound {
				t.Errorf("closed: %v", err)
			}
		}
		if sent != 10 {
			t.Errorf("%d attempts in all", sent)
		}
	})
}

func TestOnlyOneProbeIsOnItsWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		free := make(chan struct{})
		slow := roundTrip(func(r *http.Request) (*http.Response, error) {
			if sent++; sent <= 2 || sent == 4 {
				return nil, errors.New("reset")
			}
			select {
			case <-free:
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
			return inMemory{good()}.RoundTrip(r)
		})
		client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: slow,
			Retry: httpx.Retry{Tries: 1, Break: 2, Pause: time.Second}})
		call := func(ctx context.Context) error {
			_, err := client.Session().Do(ctx, read(&reply{}))
			return err
		}
		for range 2 {
			if err := call(t.Context()); err == nil {
				t.Fatal("the first calls worked")
			}
		}
		time.Sleep(time.Second)
		impatient, giveUp := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { gone <- call(impatient) }()
		synctest.Wait()
		if err := call(t.Context()); fault.KindOf(err) != fault.Unavailable || sent != 3 {
			t.Errorf("beside a probe: %v after %d attempts", err, sent)
		}
		giveUp()
		if err := <-gone; fault.KindOf(err) != fault.Canceled {
			t.Error(err)
		}
		// A probe that nobody waited for has shown nothing: the next call is one, and when
		// it fails, nothing more is sent.
		for range 3 {
			if err := call(t.Context()); err == nil || sent != 4 {
				t.Errorf("a further probe: %v after %d attempts", err, sent)
			}
		}
		close(free)
		time.Sleep(time.Second)
		if err := call(t.Context()); err != nil || sent != 5 {
			t.Errorf("after a probe that was given up: %v after %d attempts", err, sent)
		}
	})
}

func TestACreationThatWasNotSentIsNotLookedFor(t *testing.T) {
	t.Parallel()
	client := bubble(answer(503, "text/plain", ""), httpx.Retry{Tries: 1, Break: 1})
	if _, err := client.Session().Do(t.Context(), read(&reply{})); err == nil {
		t.Fatal("the first call worked")
	}
	_, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodPost, Path: "/x", Op: "create",
		Happened: func(context.Context) (bool, error) { t.Error("looked for"); return false, nil }})
	if fault.KindOf(err) != fault.Unavailable {
		t.Error(err)
	}
}

func TestWhatAServerAskedForIsInTheError(t *testing.T) {
	t.Parallel()
	w := start(t, httpx.Retry{}, answer(429, "application/json", "{}", "Retry-After", "7200"))
	_, err := w.client.Session().Do(t.Context(), read(&reply{}))
	if fault.AfterOf(err) != 2*time.Hour || w.server.served.Load() != 1 {
		t.Errorf("%v asks for %s", err, fault.AfterOf(err))
	}
}

// A token that has ended and cannot be exchanged for the moment is no lost right.
func TestACredentialThatIsExchangedLaterIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"},
			Bearer: func(context.Context, secret.Value) (secret.Value, error) {
				switch asked++; asked {
				case 1:
					return secret.New("old"), nil
				case 2, 3:
					f := fault.Errorf(fault.Unavailable, "get a token", "y", "not now")
					f.After = 5 * time.Second
					return secret.Value{}, f
				}
				return secret.New("new"), nil
			},
			Transport: inMemory{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer new" {
					answer(401, "application/json", "{}")(w, r)
					return
				}
				good()(w, r)
			})}})
		began := time.Now()
		_, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "read it", Repeat: true})
		if took := time.Since(began); err != nil || asked != 4 || took < 10*time.Second {
			t.Errorf("%v after asking %d times in %s", err, asked, took)
		}
	})
}
