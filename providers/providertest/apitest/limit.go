package apitest

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limit is how much a vendor lets a client ask. The clock is time.Now, which is virtual in a
// bubble of testing/synctest.
type Limit struct {
	// Match says which requests count; nil: all of them.
	Match func(*http.Request) bool
	// Cost is what a request costs; nil: 1.
	Cost func(*http.Request) int
	// Units may be spent in each Per; zero: any number.
	Units int
	// Per is the length of a window, which begins with the first request after the last one.
	Per time.Duration
	// Bucket refills steadily in place of all at once at the end of a window.
	Bucket bool
	// Parallel is how many requests may be under way at a time; zero: any number.
	Parallel int
	// Header writes the vendor's headers about a limit into every answer; nil: Retry-After, in
	// those that are refused.
	Header func(h http.Header, q Quota)
	// Refuse writes the answer to a request that is too much; nil: 429 with JSON.
	Refuse func(w http.ResponseWriter, r *http.Request, q Quota)
}

// Quota is what is left of a limit.
type Quota struct {
	Units, Left int
	// Reset is when there is more, Wait how long that is.
	Reset time.Time
	Wait  time.Duration
	// Refused says that this request was too much.
	Refused bool
}

// Throttle holds requests to limits and counts. Safe for use by several goroutines.
type Throttle struct {
	limits []*limited
	// Latency is how long every answer takes, refused ones excepted.
	Latency time.Duration

	mu              sync.Mutex
	served, refused int
}

// limited is a limit and what was spent of it.
type limited struct {
	Limit
	mu       sync.Mutex
	spent    float64
	since    time.Time
	underWay int
}

// NewThrottle makes a throttle of limits, each of which a request has to pass.
func NewThrottle(limits ...Limit) *Throttle {
	t := &Throttle{}
	for _, l := range limits {
		t.limits = append(t.limits, &limited{Limit: l})
	}
	return t
}

// Served counts the requests that were passed on.
func (t *Throttle) Served() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.served
}

// Refused counts the requests that were too much.
func (t *Throttle) Refused() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused
}

// Wrap puts the throttle in front of a server.
func (t *Throttle) Wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var taken []*limited
		defer func() {
			for _, l := range taken {
				l.leave()
			}
		}()
		for _, l := range t.limits {
			if l.Match != nil && !l.Match(r) {
				continue
			}
			q := l.take(r)
			if l.Header != nil {
				l.Header(w.Header(), q)
			} else if q.Refused {
				w.Header().Set("Retry-After", strconv.Itoa(seconds(q.Wait)))
			}
			if q.Refused {
				t.count(false)
				l.refuse(w, r, q)
				return
			}
			taken = append(taken, l)
		}
		t.count(true)
		if t.Latency > 0 {
			time.Sleep(t.Latency)
		}
		h.ServeHTTP(w, r)
	})
}

// seconds rounds a wait up, as Retry-After has no fractions.
func seconds(wait time.Duration) int { return max(1, int((wait+time.Second-1)/time.Second)) }

func (t *Throttle) count(served bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if served {
		t.served++
	} else {
		t.refused++
	}
}

func (l *limited) refuse(w http.ResponseWriter, r *http.Request, q Quota) {
	if l.Refuse != nil {
		l.Refuse(w, r, q)
		return
	}
	answer(w, http.StatusTooManyRequests, "application/json", `{"detail": "too many requests"}`)
}

// take spends what a request costs, if there is as much.
func (l *limited) take(r *http.Request) Quota {
	cost := 1.0
	if l.Cost != nil {
		cost = float64(l.Cost(r))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.Units > 0 {
		l.refill(now)
	}
	q := Quota{Units: l.Units}
	fits := l.Units == 0 || l.spent+cost <= float64(l.Units)
	if fits && (l.Parallel == 0 || l.underWay < l.Parallel) {
		l.spent += cost
		l.underWay++
	} else {
		q.Refused = true
	}
	q.Left = max(0, l.Units-int(l.spent))
	q.Reset = now.Add(time.Second)
	switch {
	case l.Units == 0 || fits && q.Refused:
	case l.Bucket:
		q.Reset = now.Add(time.Duration(max(0, l.spent+cost-float64(l.Units)) / float64(l.Units) * float64(l.Per)))
	default:
		q.Reset = l.since.Add(l.Per)
	}
	q.Wait = q.Reset.Sub(now)
	return q
}

// refill gives back what time has.
func (l *limited) refill(now time.Time) {
	passed := now.Sub(l.since)
	switch {
	case l.Bucket:
		l.spent = max(0, l.spent-float64(l.Units)*float64(passed)/float64(l.Per))
		l.since = now
	case passed >= l.Per:
		l.spent, l.since = 0, now
	}
}

func (l *limited) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.underWay--
}
