package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/oauth"
	"groupsyncd/internal/secret"
)

// carry is a transport that answers by itself, so that time can be virtual.
type carry func(*http.Request) (*http.Response, error)

func (c carry) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

func reply(status int, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func given(token string, seconds int) *http.Response {
	return reply(200, fmt.Sprintf(`{"access_token": %q, "token_type": "Bearer", "expires_in": %d}`, token, seconds))
}

// bubbled makes a client in a bubble of synctest. answer is told the number of the request, from 1.
func bubbled(t *testing.T, answer func(ctx context.Context, n int32) (*http.Response, error)) (*oauth.Client, *atomic.Int32) {
	t.Helper()
	var n atomic.Int32
	return client(t, oauth.Options{TokenURL: "https://id.example/token", Secret: ref(t, canary), Transport: carry(func(r *http.Request) (*http.Response, error) {
		return answer(r.Context(), n.Add(1))
	})}), &n
}

func TestTokenIsExchangedShortlyBeforeItsEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		seconds  int
		kept, at time.Duration
	}{
		{3600, 3539 * time.Second, 3540 * time.Second},
		{300, 269 * time.Second, 270 * time.Second},
		{10, 8 * time.Second, 9 * time.Second},
		{0, 269 * time.Second, 270 * time.Second}, // One without expires_in is used for five minutes.
		{-5, 269 * time.Second, 270 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			k, n := bubbled(t, func(_ context.Context, n int32) (*http.Response, error) {
				return given(fmt.Sprint("t", n), c.seconds), nil
			})
			first := bearer(t, k, "")
			time.Sleep(c.kept)
			if got := bearer(t, k, ""); got != first || n.Load() != 1 {
				t.Errorf("%d s: after %s %q by %d requests", c.seconds, c.kept, got, n.Load())
			}
			time.Sleep(c.at - c.kept)
			if got := bearer(t, k, ""); got != "t2" || n.Load() != 2 {
				t.Errorf("%d s: after %s %q by %d requests", c.seconds, c.at, got, n.Load())
			}
		})
	}
}

func TestOneRequestServesAllWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, n := bubbled(t, func(context.Context, int32) (*http.Response, error) {
			time.Sleep(time.Second)
			return given("t", 3600), nil
		})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if got := bearer(t, k, ""); got != "t" {
					t.Errorf("%q", got)
				}
			})
		}
		all.Wait()
		if n.Load() != 1 {
			t.Errorf("%d requests", n.Load())
		}
	})
}

func TestWhoGivesUpTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, n := bubbled(t, func(ctx context.Context, _ int32) (*http.Response, error) {
			select {
			case <-time.After(10 * time.Second):
				return given("t", 3600), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		var all sync.WaitGroup
		leader, stop := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := k.Bearer(leader, secret.Value{}); fault.KindOf(err) != fault.Canceled || !errors.Is(err, context.Canceled) {
				t.Errorf("who asked: %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if got := bearer(t, k, ""); got != "t" {
				t.Errorf("who waited: %q", got)
			}
		})
		impatient, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		if _, err := k.Bearer(impatient, secret.Value{}); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("who waited too long: %v", err)
		}
		stop()
		all.Wait()
		if n.Load() != 2 {
			t.Errorf("%d requests", n.Load())
		}
	})
}

func TestRefusedTokenIsNeverGivenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, n := bubbled(t, func(_ context.Context, n int32) (*http.Response, error) {
			return given([]string{"a", "b", "a", "b"}[n-1], 3600), nil
		})
		bearer(t, k, "")
		time.Sleep(time.Minute)
		// Eight workers had it in use when it was refused; the first brings another for all.
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if got := bearer(t, k, "a"); got != "b" {
					t.Errorf("%q", got)
				}
			})
		}
		all.Wait()
		time.Sleep(time.Minute)
		_, err := k.Bearer(t.Context(), secret.New("b"))
		if fault.KindOf(err) != fault.Auth || !contains(err.Error(), "gives the token again") || n.Load() != 3 {
			t.Errorf("%v after %d requests", err, n.Load())
		}
	})
}

// A server that refuses every token must not make us ask for one per request.
func TestTokenRefusedAtOnceIsNotExchangedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, n := bubbled(t, func(_ context.Context, n int32) (*http.Response, error) { return given(fmt.Sprint("t", n), 3600), nil })
		for range 20 {
			if v, err := k.Bearer(t.Context(), secret.Value{}); err == nil {
				_, err = k.Bearer(t.Context(), v)
				if fault.KindOf(err) != fault.Auth {
					t.Fatalf("%v", err)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n.Load() != 1 {
			t.Errorf("%d requests in 2 s", n.Load())
		}
		time.Sleep(5 * time.Second)
		if got := bearer(t, k, ""); got != "t2" {
			t.Errorf("%q", got)
		}
	})
}

func TestFailureStandsForAFewSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, n := bubbled(t, func(_ context.Context, n int32) (*http.Response, error) {
			if n == 1 {
				return reply(503, "{}"), nil
			}
			return given("t", 3600), nil
		})
		for range 8 {
			_, err := k.Bearer(t.Context(), secret.Value{})
			if fault.KindOf(err) != fault.Unavailable || fault.AfterOf(err) != 5*time.Second {
				t.Errorf("%v, after %s", err, fault.AfterOf(err))
			}
		}
		time.Sleep(4 * time.Second)
		_, err := k.Bearer(t.Context(), secret.Value{})
		if n.Load() != 1 || fault.AfterOf(err) != time.Second {
			t.Errorf("%d requests, again after %s", n.Load(), fault.AfterOf(err))
		}
		time.Sleep(time.Second)
		if got := bearer(t, k, ""); got != "t" || n.Load() != 2 {
			t.Errorf("%q after %d requests", got, n.Load())
		}
	})
}

func TestRetryAfterIsObeyedWithinBounds(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{"60": time.Minute, "864000": 10 * time.Minute, "": 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			k, n := bubbled(t, func(context.Context, int32) (*http.Response, error) {
				return reply(429, "{}", "Retry-After", header), nil
			})
			if _, err := k.Bearer(t.Context(), secret.Value{}); fault.KindOf(err) != fault.Throttled {
				t.Error(err)
			}
			time.Sleep(want - time.Second)
			if _, err := k.Bearer(t.Context(), secret.Value{}); fault.KindOf(err) != fault.Throttled || n.Load() != 1 {
				t.Errorf("%q: %v after %d requests", header, err, n.Load())
			}
			time.Sleep(time.Second)
			if _, err := k.Bearer(t.Context(), secret.Value{}); fault.KindOf(err) != fault.Throttled || n.Load() != 2 {
				t.Errorf("%q: %v after %d requests", header, err, n.Load())
			}
		})
	}
}

func TestTokenThatHasNotEndedOutlivesAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, n := bubbled(t, func(_ context.Context, n int32) (*http.Response, error) {
			if n > 1 {
				return nil, errors.New("no network")
			}
			return given("t", 3600), nil
		})
		bearer(t, k, "")
		time.Sleep(3545 * time.Second)
		for range 3 {
			if got := bearer(t, k, ""); got != "t" {
				t.Errorf("%q", got)
			}
		}
		if n.Load() != 2 {
			t.Errorf("%d requests", n.Load())
		}
		time.Sleep(55 * time.Second)
		if _, err := k.Bearer(t.Context(), secret.Value{}); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestNobodyWaitsWhileAGoodTokenIsExchanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, _ := bubbled(t, func(_ context.Context, n int32) (*http.Response, error) {
			time.Sleep(5 * time.Second)
			return given(fmt.Sprint("t", n), 3600), nil
		})
		bearer(t, k, "")
		time.Sleep(3550 * time.Second)
		done := make(chan string)
		go func() { done <- bearer(t, k, "") }()
		synctest.Wait()
		began := time.Now()
		if got := bearer(t, k, ""); got != "t1" || time.Since(began) != 0 {
			t.Errorf("%q after %s", got, time.Since(began))
		}
		if got := <-done; got != "t2" {
			t.Errorf("%q", got)
		}
	})
}

func TestTokenEndpointThatIsSilentIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, _ := bubbled(t, func(ctx context.Context, _ int32) (*http.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		began := time.Now()
		_, err := k.Bearer(t.Context(), secret.Value{})
		if fault.KindOf(err) != fault.Unavailable || time.Since(began) != 30*time.Second || !contains(err.Error(), "no answer within 30s") {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}
