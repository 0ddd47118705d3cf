package okta

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"groupsyncd/internal/httpx"
)

// bucket is what Okta counts apart from everything else, with a limit of its own. What is not
// sure to share a limit is counted apart here too: what Okta says it has left counts for both.
type bucket string

const (
	users   bucket = "users"   // the list of users
	groups  bucket = "groups"  // the list of groups
	members bucket = "members" // what belongs to one group
	apps    bucket = "apps"    // what is assigned to an app
	// people is for single people: who signs in does not wait behind a read of everything.
	people bucket = "people"
)

func buckets() []bucket { return []bucket{users, groups, members, apps, people} }

const (
	// parallel is how many requests of a bucket are under way at a time. Okta allows 75 in all,
	// and 35 in its smallest organisations, of which a new service app gets half.
	parallel = 4
	// reserve is the part of a limit in percent, and parallel at least, that is left to others
	// and to what is under way.
	reserve = 15
	// crowded is the longest wait after too many requests at a time: the time that Okta names
	// then is a guess.
	crowded = 10 * time.Second
	// usual is how many requests a minute are made of a limit at least: below 300, which is half
	// of the 600 that most organisations have, and what Okta gives a new service app.
	usual = 270
	// share is the part in percent of what Okta says a limit is that is used: below half, because
	// what it says may be that of the organisation, and not that of the app.
	share = 45
	// window is the longest wait for a limit to begin anew; they are limits per minute.
	window = 90 * time.Second
)

// allowance is how fast a bucket is used. Safe for use by several goroutines.
type allowance struct {
	limiters *httpx.Limiters
	key      string
	// fixed is the rate of the configuration; zero: what Okta says decides.
	fixed int

	mu  sync.Mutex
	now int // requests a minute
}

// limiter gives that of a rate.
func (a *allowance) limiter(rate int) *httpx.Limiter {
	a.now = rate
	return a.limiters.For(a.key, httpx.Limit{PerSecond: float64(rate) / 60, Burst: parallel, Parallel: parallel})
}

// pace takes in what Okta says of a limit.
func (a *allowance) pace(status int, h http.Header, now time.Time) (time.Duration, bool) {
	limit, err := strconv.Atoi(h.Get("X-Rate-Limit-Limit"))
	a.mu.Lock()
	if rate := max(usual, min(limit, maxRate)*share/100); err == nil && a.fixed == 0 && limit > 0 && rate != a.now {
		a.limiter(rate)
	}
	a.mu.Unlock()
	return pace(status, h, now)
}

// pace says how long a limit must rest, by what Okta says with every answer. Times are by its
// own clock, to the second.
func pace(status int, h http.Header, now time.Time) (time.Duration, bool) {
	limit, err := strconv.Atoi(h.Get("X-Rate-Limit-Limit"))
	if err != nil {
		return 0, false
	}
	remaining, err := strconv.Atoi(h.Get("X-Rate-Limit-Remaining"))
	if err != nil {
		return 0, false
	}
	reset, err := strconv.ParseInt(h.Get("X-Rate-Limit-Reset"), 10, 64)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	wait := time.Unix(reset, 0).Sub(now) + time.Second
	switch {
	case status == http.StatusTooManyRequests && limit == 0:
		return min(max(wait, time.Second), crowded), true
	case status == http.StatusTooManyRequests:
		return min(max(wait, time.Second), window), true
	case limit <= 0 || remaining > max(parallel, limit*reserve/100):
		return 0, false
	}
	return min(max(wait, 0), window), true
}
