package google

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

const (
	firstPause = time.Second
	// longestPause is half of the minute for which Google counts.
	longestPause = 30 * time.Second
)

// brake lets everybody who shares a limiter wait when Google says that it is too much. Google
// does not say for how long, so each pause is twice as long as the one before, until something
// is answered again.
type brake struct {
	limiter *httpx.Limiter

	mu    sync.Mutex
	step  time.Duration
	until time.Time
}

// press begins a pause, unless one is on: what is refused during it was sent before.
func (b *brake) press() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if now.Before(b.until) {
		return
	}
	b.step = min(longestPause, max(firstPause, 2*b.step))
	wait := b.step + rand.N(b.step/2) //nolint:gosec // It spreads programs that were refused together; nobody gains by guessing it.
	b.until = now.Add(wait)
	b.limiter.Pause(wait)
}

// answered takes in that Google answers again. It is asked of every answer by httpx, and
// itself asks for no wait.
func (b *brake) answered(status int, _ http.Header, _ time.Time) (time.Duration, bool) {
	if status < 300 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.step = 0
	}
	return 0, false
}

// kind says what an answer means that is no success. Google says most of it by a word beside
// 403: too much at once, too much for today, or a right that is missing.
func (b *brake) kind(e *httpx.StatusError) fault.Kind {
	tooMuch := e.Status == http.StatusForbidden && slices.Contains([]string{"userRateLimitExceeded", "rateLimitExceeded", "quotaExceeded"}, e.Code)
	if tooMuch || e.Status == http.StatusTooManyRequests {
		b.press()
		return fault.Throttled
	}
	return 0
}
