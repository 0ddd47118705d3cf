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
// several goroutines; who comes first goes first.
type Limiter struct {
	tokens *rate.Limiter
	slots  slots
	// after spaces those whom a pause held up, so that its end is no storm.
	after *rate.Limiter

	mu    sync.Mutex
	until time.Time
}

// afterPause is how many of those who waited go on a second.
const afterPause = 10

// NewLimiter makes a limiter.
func NewLimiter(l Limit) *Limiter {
	return &Limiter{tokens: rate.NewLimiter(l.rate()), slots: slots{most: l.parallel()}, after: rate.NewLimiter(afterPause, 1)}
}

func (l Limit) rate() (rate.Limit, int) {
	burst := l.Burst
	setDefault(&burst, max(1, int(l.PerSecond)))
	if l.PerSecond <= 0 {
		return rate.Inf, burst
	}
	return rate.Limit(l.PerSecond), burst
}

func (l Limit) parallel() int {
	setDefault(&l.Parallel, 8)
	return max(1, l.Parallel)
}

func (l *Limiter) set(to Limit) {
	every, burst := to.rate()
	l.tokens.SetLimit(every)
	l.tokens.SetBurst(burst)
	l.slots.set(to.parallel())
}

// enter waits for the turn of a request; leave has to be called behind it.
func (l *Limiter) enter(ctx context.Context, cost int) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.slots.take(ctx); err != nil {
		return nil, err
	}
	if err := l.pay(ctx, max(1, cost)); err != nil {
		l.slots.give()
		return nil, err
	}
	return l.slots.give, nil
}

// pay waits until no pause stands and the whole cost is there, in parts where it is more than
// can be saved up.
func (l *Limiter) pay(ctx context.Context, cost int) error {
	for cost > 0 {
		if err := l.rest(ctx); err != nil {
			return err
		}
		part := min(cost, l.tokens.Burst())
		if err := l.tokens.WaitN(ctx, part); err != nil {
			return err
		}
		cost -= part
	}
	return l.rest(ctx) // A pause may have begun meanwhile.
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
		if err := l.after.Wait(ctx); err != nil {
			return err
		}
	}
}

// Pause sends nothing for a while. What could be saved up until its end is lost, as the server
// does not save it up either.
func (l *Limiter) Pause(wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := time.Now().Add(wait)
	if wait <= 0 || !until.After(l.until) {
		return
	}
	l.until = until
	if saved := int(l.tokens.TokensAt(until)); saved > 0 && l.tokens.Limit() != rate.Inf {
		l.tokens.ReserveN(until, saved)
	}
}

// Limiters gives everybody with the same credential the same limiter, over reloads of the
// configuration too. The zero value is ready; a nil one gives each caller a limiter of its own.
// The latest limit counts for all.
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
	} else {
		l.by[key].set(limit)
	}
	return l.by[key]
}
