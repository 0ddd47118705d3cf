package kill

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
)

// phase says where in a request the child is killed.
type phase int

// The phases: the server has not done anything and never will, it goes on alone, it has
// done everything but answer, the answer is on its way.
const (
	before phase = iota
	alone
	unanswered
	answered
)

func (p phase) String() string { return [...]string{"before", "alone", "unanswered", "answered"}[p] }

// write is a request that the server carried out and that may have changed something.
type write struct {
	chapter       int
	group, action string
	accounts      []string
}

// front stands before Open WebUI. It counts the requests of the child, notes what was
// written, and kills the child at the request that it is armed for.
type front struct {
	server http.Handler

	mu      sync.Mutex
	chapter int
	writes  []write
	// n counts requests since it was armed; at zero it is not.
	n, at int
	phase phase
	kill  func()
	// busy counts requests that are being carried out.
	busy int
	idle *sync.Cond
	// struck says that a request that makes a group or changes members was struck before
	// its answer. The number in our mark is written without an intent.
	struck bool
}

func newFront(server http.Handler) *front {
	f := &front{server: server}
	f.idle = sync.NewCond(&f.mu)
	return f
}

// wait waits until nothing is being carried out any more.
func (f *front) wait() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.busy > 0 {
		f.idle.Wait()
	}
}

func (f *front) enter(by int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy += by; f.busy == 0 {
		f.idle.Broadcast()
	}
}

func (f *front) arm(at int, p phase, kill func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n, f.at, f.phase, f.kill, f.struck = 0, at, p, kill, false
}

func (f *front) disarm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = 0
}

func (f *front) turn(chapter int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.chapter = chapter
}

// written gives what was written so far.
func (f *front) written() []write {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]write(nil), f.writes...)
}

// interrupted reports whether the last strike hit a request that writes, before its answer.
func (f *front) interrupted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.struck
}

// due says what happens to the request that came just now.
func (f *front) due(r *http.Request) (p phase, kill func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == 0 {
		return answered, nil
	}
	if f.n++; f.n != f.at {
		return answered, nil
	}
	f.struck = r.Method != http.MethodGet && f.phase != answered && !strings.HasSuffix(r.URL.Path, "/update")
	return f.phase, f.kill
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.enter(1)
	defer f.enter(-1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	p, kill := f.due(r)
	if kill != nil && p <= alone {
		kill()
	}
	if kill != nil && p == before {
		panic(http.ErrAbortHandler)
	}
	// What has begun is carried out, also when nobody waits for it any more.
	again := r.Clone(context.WithoutCancel(r.Context()))
	again.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	f.note(r, body)
	f.server.ServeHTTP(answer, again)
	if kill != nil && p == unanswered {
		kill()
	}
	if kill != nil && p <= unanswered {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // The child may be gone.
	if kill != nil {
		_ = http.NewResponseController(w).Flush() // So it may here.
		kill()
	}
}

// note keeps what a request writes.
func (f *front) note(r *http.Request, body []byte) {
	if r.Method == http.MethodGet {
		return
	}
	group, action, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/v1/groups/id/"), "/")
	var ids struct {
		Accounts []string `json:"user_ids"`
	}
	_ = json.Unmarshal(body, &ids) // Not every request has accounts.
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes = append(f.writes, write{f.chapter, group, action, ids.Accounts})
}

// forward hands requests to a server elsewhere.
type forward struct{ to *url.URL }

func (f forward) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.Host, out.RequestURI = f.to.Scheme, f.to.Host, "", ""
	answer, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // The recorder takes everything; a cut answer shows as such.
	_ = answer.Body.Close()
}
