package httpx

import (
	"crypto/tls"
	"maps"
	"sync"
	"time"

	"groupsyncd/internal/fault"
)

// Meter counts what goes on with one server, over all the clients that it had: they come
// and go with the configuration, and a count that begins anew is no count. The zero value
// is ready for use by several goroutines; a nil one counts nothing.
type Meter struct {
	mu     sync.Mutex
	counts Counts
	ends   map[string]end
}

// end is when the certificate of a host ends, and when it was shown last.
type end struct{ at, seen time.Time }

// Counts are what a Meter knows.
type Counts struct {
	// HTTP says that requests are counted; other protocols tell of certificates alone.
	HTTP bool
	// Answered counts attempts that succeeded, Failed the others.
	Answered uint64
	Failed   map[fault.Kind]uint64
	// Retries counts attempts that repeated one, Exhausted those that were not made because
	// a session had none left.
	Retries, Exhausted uint64
	// Spared says that the last attempts in a row failed, so that next to nothing is sent.
	Spared bool
	// Certificate is when the first of the server's certificates ends; zero: none was seen.
	Certificate time.Time
}

const (
	// maxEnds bounds the hosts whose certificates are remembered.
	maxEnds = 32
	// endsFor is how long one is remembered while only others are spoken to: a server that
	// was left behind would otherwise be said to end soon, or to have ended, forever.
	endsFor = 24 * time.Hour
)

// Counts gives what was counted so far.
func (m *Meter) Counts() Counts {
	if m == nil {
		return Counts{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts
	c.Failed = maps.Clone(c.Failed)
	for _, e := range m.ends {
		if c.Certificate.IsZero() || e.at.Before(c.Certificate) {
			c.Certificate = e.at
		}
	}
	return c
}

func (m *Meter) change(how func(*Counts)) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	how(&m.counts)
}

// attempt counts one that was sent.
func (m *Meter) attempt(err error) {
	m.change(func(c *Counts) {
		if err == nil {
			c.Answered++
			return
		}
		if c.Failed == nil {
			c.Failed = map[fault.Kind]uint64{}
		}
		kind := fault.KindOf(err)
		if kind == 0 {
			kind = fault.Unavailable
		}
		c.Failed[kind]++
	})
}

// Secured is told how a connection to a host is secured; state may be nil.
func (m *Meter) Secured(host string, state *tls.ConnectionState) {
	if m == nil || state == nil || len(state.PeerCertificates) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(m.ends, func(_ string, e end) bool { return now.Sub(e.seen) > endsFor })
	if _, known := m.ends[host]; !known && len(m.ends) >= maxEnds {
		return
	}
	if m.ends == nil {
		m.ends = map[string]end{}
	}
	m.ends[host] = end{at: state.PeerCertificates[0].NotAfter, seen: now}
}

// Meters keeps a Meter for each name, for as long as the program runs. The zero value is
// ready for use by several goroutines; a nil one gives nil.
type Meters struct {
	mu     sync.Mutex
	byName map[string]*Meter
}

// For gives the meter of a name.
func (m *Meters) For(name string) *Meter {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byName == nil {
		m.byName = map[string]*Meter{}
	}
	if m.byName[name] == nil {
		m.byName[name] = &Meter{}
	}
	return m.byName[name]
}
