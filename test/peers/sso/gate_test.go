//go:build peers

package sso

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// gate passes every request on, changes nothing, and remembers what passed.
type gate struct {
	url string

	mu    sync.Mutex
	calls []passed
}

// passed is one request.
type passed struct {
	method, path, query, body string
	began, ended              time.Time
	status                    int
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	proxy.Transport = transport
	g := &gate{}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		began := time.Now()
		body, err := io.ReadAll(q.Body)
		if err != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		q.Body = io.NopCloser(bytes.NewReader(body))
		answer := &answer{ResponseWriter: rw}
		proxy.ServeHTTP(answer, q)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.calls = append(g.calls, passed{method: q.Method, path: q.URL.Path, query: q.URL.RawQuery, body: string(body), began: began, ended: time.Now(), status: answer.status})
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// answer remembers the status of an answer.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// since gives what began at that time or later, in the order of its beginning.
func (g *gate) since(when time.Time) []passed {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []passed
	for _, c := range g.calls {
		if !c.began.Before(when) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b passed) int { return a.began.Compare(b.began) })
	return out
}

// about gives what began at that time or later and has a word in its body.
func (g *gate) about(when time.Time, word string) []passed {
	return slices.DeleteFunc(g.since(when), func(c passed) bool { return !strings.Contains(c.body, word) })
}

// write says whether a request changes something.
func (c *passed) write() bool { return c.method != http.MethodGet }

// joins says whether a request makes somebody a member of a group.
func (c *passed) joins() bool { return strings.HasSuffix(c.path, "/users/add") }

// waited gives for how long of a span at least one of the calls was on its way.
func waited(calls []passed, from, to time.Time) time.Duration {
	var sum time.Duration
	for _, c := range calls { // ordered by their beginning
		began, ended := c.began, c.ended
		if began.Before(from) {
			began = from
		}
		if ended.After(to) {
			ended = to
		}
		if ended.After(began) {
			sum += ended.Sub(began)
			from = ended
		}
	}
	return sum
}

// share is the one value of a sorted list below or at which that part of all lie.
func share(sorted []time.Duration, part float64) time.Duration {
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}
