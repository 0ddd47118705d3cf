package httpx_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// limited is a client whose server says when each request came.
type limited struct {
	*httpx.Client
	mu   sync.Mutex
	at   []time.Duration
	most int
}

func newLimited(l *httpx.Limiter, answers func(n int, w http.ResponseWriter, r *http.Request)) *limited {
	began, now := time.Now(), 0
	s := &limited{}
	s.Client = httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Limiter: l, Transport: inMemory{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.at = append(s.at, time.Since(began))
		n := len(s.at)
		now++
		s.most = max(s.most, now)
		s.mu.Unlock()
		answers(n, w, r)
		s.mu.Lock()
		now--
		s.mu.Unlock()
	})}})
	return s
}

// all sends so many requests at once and gives their errors.
func (s *limited) all(ctx context.Context, n, cost int) []error {
	var wait sync.WaitGroup
	session, errs := s.Session(), make([]error, n)
	for i := range n {
		wait.Go(func() {
			_, errs[i] = session.Do(ctx, httpx.Request{Method: http.MethodGet, Path: "/x", Op: "read it", Cost: cost, Repeat: true})
		})
	}
	wait.Wait()
	return errs
}

func well(_ int, w http.ResponseWriter, r *http.Request) { good()(w, r) }

func TestRequestsKeepToTheLimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit    httpx.Limit
		n, cost  int
		took     time.Duration
		parallel int
	}{
		"a rate":               {httpx.Limit{PerSecond: 10, Burst: 1}, 21, 0, 2 * time.Second, 0},
		"a burst first":        {httpx.Limit{PerSecond: 10, Burst: 11}, 21, 1, time.Second, 0},
		"units":                {httpx.Limit{PerSecond: 10, Burst: 5}, 5, 5, 2 * time.Second, 0},
		"more than a burst":    {httpx.Limit{PerSecond: 10, Burst: 5}, 3, 25, 7 * time.Second, 0},
		"less than one":        {httpx.Limit{PerSecond: 0.5}, 3, 0, 4 * time.Second, 0},
		"at a time":            {httpx.Limit{Parallel: 3}, 9, 0, 3 * time.Second, 3},
		"no limit but a bound": {httpx.Limit{}, 16, 0, 2 * time.Second, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newLimited(httpx.NewLimiter(c.limit), func(n int, w http.ResponseWriter, r *http.Request) {
					if c.parallel > 0 {
						time.Sleep(time.Second)
					}
					well(n, w, r)
				})
				defer s.Close()
				began := time.Now()
				if err := errors.Join(s.all(t.Context(), c.n, c.cost)...); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began).Round(10 * time.Millisecond); took != c.took || len(s.at) != c.n || c.parallel > 0 && s.most != c.parallel {
					t.Errorf("%d requests took %s, %d at a time", len(s.at), took, s.most)
				}
			})
		})
	}
}

// One answer says when to come back, and everybody who uses the credential stays away.
func TestAfterAPauseThereIsNoStorm(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]httpx.Limit{"with a rate": {PerSecond: 20, Burst: 20}, "without": {Parallel: 50}, "slow": {PerSecond: 2, Burst: 10}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := httpx.NewLimiter(limit)
				s := newLimited(l, func(n int, w http.ResponseWriter, r *http.Request) {
					if n == 1 {
						w.Header().Set("Retry-After", "30")
						answer(429, "application/json", "{}")(w, r)
						return
					}
					well(n, w, r)
				})
				defer s.Close()
				first := make(chan []error)
				go func() { first <- s.all(t.Context(), 1, 1) }()
				synctest.Wait()
				if err := errors.Join(append(s.all(t.Context(), 40, 1), <-first...)...); err != nil {
					t.Fatal(err)
				}
				if len(s.at) != 42 || s.at[1] < 30*time.Second {
					t.Fatalf("%d requests, the second after %s", len(s.at), s.at[1])
				}
				in := func(from, to time.Duration) (n int) {
					for _, at := range s.at[1:] {
						if at >= from && at < to {
							n++
						}
					}
					return n
				}
				if n := in(30*time.Second, 31*time.Second); n == 0 || limit.PerSecond > 0 && n > int(limit.PerSecond) {
					t.Errorf("%d requests in the second after the pause: %s", n, s.at)
				}
				if n := in(30*time.Second, 30*time.Second+100*time.Millisecond); n > 2 {
					t.Errorf("%d requests at the end of the pause", n)
				}
			})
		})
	}
}

func TestManyWhoAreThrottledAtOncePauseOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newLimited(httpx.NewLimiter(httpx.Limit{PerSecond: 10, Burst: 10}), func(n int, w http.ResponseWriter, r *http.Request) {
			if n <= 8 {
				time.Sleep(time.Duration(n) * time.Millisecond)
				w.Header().Set("Retry-After", "10")
				answer(429, "application/json", "{}")(w, r)
				return
			}
			well(n, w, r)
		})
		defer s.Close()
		if err := errors.Join(s.all(t.Context(), 8, 1)...); err != nil {
			t.Fatal(err)
		}
		if last := s.at[len(s.at)-1]; len(s.at) != 16 || last > 13*time.Second {
			t.Errorf("%d requests at %s", len(s.at), s.at)
		}
	})
}

func TestWhoThrottlesWithoutAWordIsLeftAloneToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := httpx.NewLimiter(httpx.Limit{})
		s := newLimited(l, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				answer(429, "application/json", "{}")(w, r)
				return
			}
			well(n, w, r)
		})
		defer s.Close()
		if err := errors.Join(s.all(t.Context(), 1, 1)...); err != nil || s.at[1] < time.Second {
			t.Errorf("%s, %v", s.at, err)
		}
	})
}

func TestAVendorsHeadersHoldBackEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		c := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Limiter: httpx.NewLimiter(httpx.Limit{}),
			Pace: func(_ int, h http.Header, _ time.Time) (time.Duration, bool) {
				wait, err := time.ParseDuration(h.Get("Rest"))
				return wait, err == nil
			},
			Transport: inMemory{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				at = append(at, time.Since(began))
				// The first answer is a success, and the last that the vendor gives for a while.
				w.Header().Set("Rest", []string{"20s", "-5s", "1000h", "0s"}[len(at)-1])
				good()(w, r)
			})}})
		defer c.Close()
		for range 4 {
			if _, err := c.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "read it"}); err != nil {
				t.Fatal(err)
			}
		}
		// A mistaken one holds us back for the longest wait that is obeyed.
		if at[1] != 20*time.Second || at[2] != 20*time.Second || at[3] != 140*time.Second {
			t.Errorf("%s", at)
		}
	})
}

func TestWaitingForATurnEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit httpx.Limit
		pause time.Duration
		busy  bool
	}{
		"for a slot":      {limit: httpx.Limit{Parallel: 1}, busy: true},
		"for the rate":    {limit: httpx.Limit{PerSecond: 0.01, Burst: 1}, busy: true},
		"through a pause": {pause: time.Hour},
	} {
		for _, timeout := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					l := httpx.NewLimiter(c.limit)
					l.Pause(c.pause)
					s := newLimited(l, func(n int, w http.ResponseWriter, r *http.Request) {
						time.Sleep(10 * time.Second)
						well(n, w, r)
					})
					defer s.Close()
					var others sync.WaitGroup
					if c.busy {
						others.Go(func() { s.all(t.Context(), 1, 1) })
						synctest.Wait()
					}
					ctx, stop := context.WithCancel(t.Context())
					want := fault.Canceled
					if timeout {
						ctx, stop = context.WithTimeout(t.Context(), time.Second)
						want = fault.Unavailable
					} else {
						time.AfterFunc(time.Second, stop)
					}
					err := s.all(ctx, 1, 1)[0]
					if fault.KindOf(err) != want {
						t.Errorf("timeout %v: %v (%s)", timeout, err, fault.KindOf(err))
					}
					stop()
					others.Wait()
					if c.pause == 0 {
						// Nothing is held by who gave up.
						time.Sleep(200 * time.Second)
						if err := s.all(t.Context(), 1, 1)[0]; err != nil {
							t.Error(err)
						}
					}
				})
			})
		}
	}
}

func TestOneCredentialHasOneLimiter(t *testing.T) {
	t.Parallel()
	var all httpx.Limiters
	a := all.For("okta example.org id", httpx.Limit{PerSecond: 1})
	if all.For("okta example.org id", httpx.Limit{PerSecond: 1}) != a || all.For("okta example.org other", httpx.Limit{PerSecond: 1}) == a {
		t.Error("limiters are shared by the wrong clients")
	}
	var none *httpx.Limiters
	if one, two := none.For("x", httpx.Limit{}), none.For("x", httpx.Limit{}); one == two {
		t.Error("without a registry two clients share a limiter")
	}
	synctest.Test(t, func(t *testing.T) {
		var all httpx.Limiters
		slow := newLimited(all.For("x", httpx.Limit{PerSecond: 1, Burst: 1}), well)
		defer slow.Close()
		all.For("x", httpx.Limit{PerSecond: 10, Burst: 1}) // After a reload of the configuration.
		began := time.Now()
		slow.all(t.Context(), 11, 1)
		if took := time.Since(began); took != time.Second {
			t.Errorf("%s at the new rate", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var all httpx.Limiters
		s := newLimited(all.For("x", httpx.Limit{Parallel: 1}), func(n int, w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			well(n, w, r)
		})
		defer s.Close()
		began := time.Now()
		time.AfterFunc(2500*time.Millisecond, func() { all.For("x", httpx.Limit{Parallel: 4}) })
		time.AfterFunc(4750*time.Millisecond, func() { all.For("x", httpx.Limit{Parallel: 2}) })
		if err := errors.Join(s.all(t.Context(), 15, 1)...); err != nil {
			t.Fatal(err)
		}
		// One after the other at 0, 1 and 2, and three more at 2.5. The last one does not begin at 5,
		// when one of four has ended, but when fewer than two are left.
		if took := time.Since(began); s.most != 4 || took != 6500*time.Millisecond {
			t.Errorf("%d at a time, %s: %s", s.most, took, s.at)
		}
	})
}
