package openwebuitest

import (
	"context"
	"net/http"
	"path"
	"time"
)

// Drop says when a connection is cut.
type Drop int

// The moments at which a connection is cut: before the server did anything, or
// after it did everything but answer.
const (
	DropBefore Drop = iota + 1
	DropAfter
)

// Fault spoils the answers to matching requests. Several faults may match one
// request; each acts.
type Fault struct {
	// Method is empty for any. Path is a pattern in which * stands for one segment:
	// /api/v1/groups/id/*/export; empty for any.
	Method, Path string
	// Skip lets that many matching requests pass first. Times limits how many are
	// spoilt after that; zero: all.
	Skip, Times int

	// Do runs before the request is handled, without a lock: somebody else's hand.
	Do func()
	// Latency delays the answer, as long as the client waits for it.
	Latency time.Duration
	// Drop cuts the connection.
	Drop Drop
	// Status answers with an error instead of doing what was asked; RetryAfter is
	// its header of that name, Detail its text.
	Status     int
	RetryAfter string
	Detail     string
	// Echo repeats in that answer what was sent, as some servers and proxies do.
	Echo bool
	// Text makes that answer plain text instead of JSON.
	Text bool
	// HTML answers 200 (or Status) with a web page.
	HTML bool
	// Location redirects there.
	Location string
	// Cut does what was asked and cuts the body of the answer in the middle.
	Cut bool
	// Truncate does the same, but hides the cut behind a matching Content-Length.
	Truncate bool
	// Body answers 200 with this JSON instead of doing what was asked.
	Body string
	// NoDate leaves the Date header out.
	NoDate bool
	// Lose is asked for each id that shall become a member; those for which it says
	// true are left out without a word.
	Lose func(id string) bool
}

type armed struct {
	Fault
	seen, done int
}

// Inject arms faults until they have acted their number of times or Heal is called.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		s.faults = append(s.faults, &armed{Fault: f})
	}
}

// Heal disarms every fault.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// matching gives the faults that act on a request, each counted as having acted.
func (s *Server) matching(r *http.Request) []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var acting []Fault
	for _, f := range s.faults {
		if f.Method != "" && f.Method != r.Method {
			continue
		}
		if ok, err := path.Match(f.Path, r.URL.Path); f.Path != "" && (err != nil || !ok) {
			continue
		}
		f.seen++
		if f.seen <= f.Skip || f.Times > 0 && f.done >= f.Times {
			continue
		}
		f.done++
		acting = append(acting, f.Fault)
	}
	return acting
}

// spoil lets the faults act on one request around the real work.
func (s *Server) spoil(r *http.Request, body []byte, faults []Fault, work func(lose func(string) bool) *answer) *answer {
	var lose func(string) bool
	for _, f := range faults {
		if f.Do != nil {
			f.Do()
		}
		if f.Latency > 0 && !wait(r.Context(), f.Latency) {
			return &answer{abort: true}
		}
		if f.Lose != nil {
			lose = f.Lose
		}
		if f.Drop == DropBefore {
			return &answer{abort: true}
		}
		if f.Echo {
			f.Detail = string(body)
		}
		if a := f.instead(); a != nil {
			return a
		}
	}
	a := work(lose)
	for _, f := range faults {
		if f.Drop == DropAfter {
			a.abort = true
		}
		a.cut = a.cut || f.Cut
		a.noDate = a.noDate || f.NoDate
		if f.Truncate {
			a.body = a.body[:len(a.body)/2]
		}
	}
	return a
}

// instead gives the answer that a fault gives in place of the real one.
func (f *Fault) instead() *answer {
	switch {
	case f.Location != "":
		a := page(http.StatusTemporaryRedirect)
		a.header.Set("Location", f.Location)
		return a
	case f.HTML:
		status := f.Status
		if status == 0 {
			status = http.StatusOK
		}
		return page(status)
	case f.Status != 0:
		a := refuse(f.Status, f.Detail)
		if f.Text {
			a.header.Set("Content-Type", "text/plain; charset=utf-8")
			a.body = []byte("Internal Server Error")
		}
		if f.RetryAfter != "" {
			a.header.Set("Retry-After", f.RetryAfter)
		}
		return a
	case f.Body != "":
		return raw([]byte(f.Body))
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
