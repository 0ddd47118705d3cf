package apitest

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers/providertest"
)

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// get asks a server once, over connections that stay open.
func get(t *testing.T, s *Server, path string) (reply, error) {
	t.Helper()
	base, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	transport := httpx.Reach{Base: base, Dial: s.Dial()}.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}, err
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, "application/json", `{"hello":"world"}`)
})

func TestAServerIsTheSameOverLoopbackAndInMemory(t *testing.T) {
	t.Parallel()
	judge := func(t *testing.T, s *Server) {
		got, err := get(t, s, "/a?b=c")
		if err != nil || got.status != http.StatusOK || got.body != `{"hello":"world"}` {
			t.Errorf("%v %q", err, got.body)
		}
		seen := s.Requests()
		if len(seen) != 1 || seen[0].Method != http.MethodGet || seen[0].Path != "/a" || seen[0].Query.Get("b") != "c" || seen[0].Status != http.StatusOK || s.Count("/a") != 1 || seen[0].At.After(time.Now()) {
			t.Errorf("seen %+v", seen)
		}
	}
	t.Run("loopback", func(t *testing.T) { t.Parallel(); judge(t, Serve(t, hello)) })
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { judge(t, InMemory(t, hello)) })
	})
}

// TestInMemoryWaitsCostNothing: a minute passes without one, and the connection that stays
// open, and the request that is never answered, do not keep the bubble from ending.
func TestInMemoryWaitsCostNothing(t *testing.T) {
	t.Parallel()
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		s := InMemory(t, hello)
		s.Break(Breakage{After: 1, Do: Slow})
		if _, err := get(t, s, "/"); err != nil {
			t.Error(err)
		}
		before := time.Now()
		if _, err := get(t, s, "/"); err == nil || time.Since(before) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(before))
		}
		if seen := s.Requests(); seen[1].Status != 0 || !seen[1].At.Equal(before) {
			t.Errorf("seen %+v", seen)
		}
	})
	if time.Since(began) > 30*time.Second {
		t.Error("it took real time")
	}
}

func TestBreakagesMeetTheRequestsTheyAreFor(t *testing.T) {
	t.Parallel()
	s := Serve(t, hello)
	s.Break(Breakage{Match: func(r *http.Request) bool { return r.URL.Path == "/a" }, After: 1, Times: 2, Do: Status(http.StatusTeapot, "{}")})
	var statuses []int
	for _, path := range []string{"/a", "/b", "/a", "/b", "/a", "/a"} {
		got, err := get(t, s, path)
		if err != nil {
			t.Fatal(err)
		}
		statuses = append(statuses, got.status)
	}
	for i, want := range []int{200, 200, 418, 200, 418, 200} {
		if statuses[i] != want {
			t.Errorf("request %d: %d, want %d", i, statuses[i], want)
		}
	}
	s.Break(Breakage{Do: Hang})
	if _, err := get(t, s, "/"); err == nil {
		t.Error("a broken server answers")
	}
	s.Mend()
	if _, err := get(t, s, "/"); err != nil {
		t.Error(err)
	}
}

func TestAnswersAreBrokenAsTheySay(t *testing.T) {
	t.Parallel()
	s := Serve(t, hello)
	ask := func(do Do) (reply, error) {
		s.Mend()
		s.Break(Breakage{Do: do})
		return get(t, s, "/path?q=1")
	}
	if got, err := ask(Cut); err == nil || got.body != `{"hello"` {
		t.Errorf("cut: %q, %v", got.body, err)
	}
	if got, err := ask(Half); err != nil || got.body != `{"hello"` {
		t.Errorf("half: %q, %v", got.body, err)
	}
	if got, err := ask(Elsewhere); err != nil || got.status != http.StatusFound || got.header.Get("Location") != "https://elsewhere.invalid/path?q=1" {
		t.Errorf("elsewhere: %+v, %v", got, err)
	}
	if got, err := ask(Busy(7, false, "{}")); err != nil || got.header.Get("Retry-After") != "7" || got.status != 429 {
		t.Errorf("busy: %+v, %v", got, err)
	}
	if got, err := ask(Busy(7, true, "{}")); err != nil {
		t.Error(err)
	} else if _, err := http.ParseTime(got.header.Get("Retry-After")); err != nil {
		t.Errorf("busy with a date: %v", err)
	}
	if got, err := ask(Busy(0, true, "{}")); err != nil || len(got.header["Retry-After"]) > 0 {
		t.Errorf("busy without a time: %+v, %v", got, err)
	}
	if got, err := ask(Text("text/html", "<html>")); err != nil || got.body != "<html>" || got.header.Get("Content-Type") != "text/html" {
		t.Errorf("text: %q, %v", got.body, err)
	}
}

func TestThrottlesHoldRequestsToLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		limit Limit
		waits []time.Duration
		want  []int
	}{
		{"a window", Limit{Units: 2, Per: time.Minute}, []time.Duration{0, 0, 0, 59 * time.Second, time.Second, 0, 0}, []int{200, 200, 429, 429, 200, 200, 429}},
		{"a bucket", Limit{Units: 2, Per: time.Minute, Bucket: true}, []time.Duration{0, 0, 0, 29 * time.Second, time.Second, 0, 30 * time.Second}, []int{200, 200, 429, 429, 200, 429, 200}},
		{"costs", Limit{Units: 5, Per: time.Second, Cost: func(*http.Request) int { return 2 }}, []time.Duration{0, 0, 0, time.Second}, []int{200, 200, 429, 200}},
		{"nothing of it", Limit{}, []time.Duration{0, 0, 0}, []int{200, 200, 200}},
		{"others", Limit{Units: 1, Per: time.Hour, Match: func(r *http.Request) bool { return r.URL.Path == "/x" }}, []time.Duration{0, 0}, []int{200, 200}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				throttle := NewThrottle(c.limit)
				s := InMemory(t, throttle.Wrap(hello))
				refused := 0
				for i, wait := range c.waits {
					time.Sleep(wait)
					got, err := get(t, s, "/")
					if err != nil {
						t.Fatal(err)
					}
					if got.status != c.want[i] {
						t.Errorf("request %d: %d, want %d", i, got.status, c.want[i])
					}
					if got.status == http.StatusTooManyRequests {
						refused++
						if got.header.Get("Retry-After") == "" {
							t.Error("no Retry-After")
						}
					}
				}
				if throttle.Refused() != refused || throttle.Served() != len(c.want)-refused {
					t.Errorf("counted %d and %d", throttle.Served(), throttle.Refused())
				}
			})
		})
	}
}

func TestThrottlesCountWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []Quota
		throttle := NewThrottle(Limit{Parallel: 1, Header: func(h http.Header, q Quota) {
			told = append(told, q)
			h.Set("X-Busy", "yes")
		}, Refuse: func(w http.ResponseWriter, _ *http.Request, _ Quota) {
			answer(w, http.StatusForbidden, "application/json", "{}")
		}})
		throttle.Latency = time.Second
		s := InMemory(t, throttle.Wrap(hello))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if got, err := get(t, s, "/"); err != nil || got.status != http.StatusOK {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if got, err := get(t, s, "/"); err != nil || got.status != http.StatusForbidden || got.header.Get("X-Busy") != "yes" {
			t.Errorf("%+v, %v", got, err)
		}
		<-ended
		if got, err := get(t, s, "/"); err != nil || got.status != http.StatusOK {
			t.Errorf("%+v, %v", got, err)
		}
		if len(told) != 3 || told[0].Refused || !told[1].Refused || told[1].Wait <= 0 {
			t.Errorf("told %+v", told)
		}
	})
}

func TestTheLargeDirectoryIsAsLargeAsItSays(t *testing.T) {
	t.Parallel()
	w := Large()
	members, nested := 0, 0
	for _, g := range w.Groups {
		members += len(g.Members)
		nested += len(g.Groups)
	}
	if len(w.Users) != LargeUsers || len(w.Groups) != LargeGroups || members != 200_000 || nested < 300 {
		t.Errorf("%d users, %d groups, %d members, %d nested groups", len(w.Users), len(w.Groups), members, nested)
	}
	s := &directory.Snapshot{}
	for range w.Groups {
		s.Groups = append(s.Groups, directory.Group{})
	}
	if len((providertest.Harness{}).Claims(s, w)) > 0 {
		t.Error("a snapshot that claims nothing is said to claim something")
	}
}
