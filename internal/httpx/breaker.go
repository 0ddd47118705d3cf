package httpx

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"groupsyncd/internal/fault"
)

// breaker spares a server that fails: after some failed attempts in a row, over all
// sessions, requests fail without being sent. After a while one is let through; when it
// is answered the breaker closes, else the next one waits as long again.
type breaker struct {
	now   func() time.Time
	after int
	pause time.Duration

	mu     sync.Mutex
	failed int
	// why is the latest of these failures.
	why error
	// until is when the next probe is due; zero: the breaker is closed.
	until time.Time
	// probing says that the one request is on its way.
	probing bool
}

// errOpen is inside of every error of a request that was not sent.
var errOpen = errors.New("not asked")

// enter lets an attempt through, or says how long until the next probe.
func (b *breaker) enter() (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return 0, true
	}
	wait = max(0, b.until.Sub(b.now()))
	if wait > 0 || b.probing {
		return wait, false
	}
	b.probing = true
	return 0, true
}

// leave takes in how an attempt went. A server that answers is alive, whatever it
// answers; one that nobody waited for has shown nothing. It reports whether the server is
// spared from now on.
func (b *breaker) leave(err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch kind := fault.KindOf(err); {
	case kind == fault.Canceled:
		b.probing = false
	case !kind.Retryable():
		b.failed, b.why, b.until, b.probing = 0, nil, time.Time{}, false
	default:
		b.probing, b.why = false, err
		if b.failed++; b.failed >= b.after {
			wait, _ := retryAfter(err)
			b.until = b.now().Add(max(b.pause, min(wait, longestPause)))
		}
	}
	return !b.until.IsZero()
}

// longestPause bounds what a Retry-After makes of a pause, so that a mistaken one does
// not keep a sound server unasked for a day.
const longestPause = 10 * time.Minute

// last gives the latest failure.
func (b *breaker) last() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.why
}

// spared is the error of a request that was not sent because the server fails. It says how
// the server failed, because nobody finds the attempt that did.
func (s *Session) spared(q *Request, wait time.Duration) error {
	due, why, hint := s.c.o.Now().Add(wait), "", ""
	if last := s.c.breaker.last(); last != nil {
		why, hint = ": "+cause(last).Error(), fault.HintOf(last)
	}
	f := s.fail(fault.Unavailable, q, fmt.Errorf("%w: the last %d attempts in a row failed, the next is made after %s%s",
		errOpen, s.c.o.Retry.Break, due.UTC().Format(time.RFC3339), why), hint)
	f.After = wait
	return f
}
