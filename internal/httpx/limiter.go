package httpx

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limit is how much a server lets one credential ask.
type Limit struct {
	// PerSecond is how many requests, or units of a vendor's own, a second; zero: any number.
	PerSecond float64
	// Burst is how many may be sent at once after a rest; zero: one second's worth.
	Burst int
	// Parallel is how many requests may be under way at a time; zero: 8.
	Parallel int
}

// Limiter spaces the requests of everybody who uses the same credential. Safe for use by
// several goroutines.
type Limiter struct {
	tokens *rate.Limiter
	slots  chan struct{}

	mu    sync.Mutex
	until time.Time
}

// NewLimiter makes a limiter.
func NewLimiter(l Limit) *Limiter {
	setDefault(&l.Parallel, 8)
	every := rate.Limit(l.PerSecond)
	if l.PerSecond <= 0 {
		every = rate.Inf
	}
	setDefault(&l.Burst, max(1, int(l.PerSecond)))
	return &Limiter{tokens: rate.NewLimiter(every, l.Burst), slots: make(chan struct{}, l.Parallel)}
}

// enter waits for the turn of a request; leave has to be called behind it.
func (l *Limiter) enter(ctx context.Context, cost int) (leave func(), err error) {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	leave = func() { <-l.slots }
	if err := l.rest(ctx); err != nil {
		leave()
		return nil, err
	}
	if err := l.tokens.WaitN(ctx, min(max(1, cost), l.tokens.Burst())); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// rest waits for the end of a pause, which may be prolonged meanwhile.
func (l *Limiter) rest(ctx context.Context) error {
	for {
		l.mu.Lock()
		wait := time.Until(l.until)
		l.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Pause sends nothing for a while.
func (l *Limiter) Pause(wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(wait); until.After(l.until) {
		l.until = until
	}
}

// Limiters gives everybody with the same credential the same limiter, over reloads of the
// configuration too. The zero value is ready; a nil one gives each caller a limiter of its own.
type Limiters struct {
	mu sync.Mutex
	by map[string]*Limiter
}

// For gives the limiter of a credential. The key names server and credential, never a secret.
func (l *Limiters) For(key string, limit Limit) *Limiter {
	if l == nil {
		return NewLimiter(limit)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[string]*Limiter{}
	}
	if l.by[key] == nil {
		l.by[key] = NewLimiter(limit)
	}
	return l.by[key]
}
