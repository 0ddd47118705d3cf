package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// A sender may send senderRate requests a second, and all together allRate; each may
	// be behind for a moment.
	senderRate  = 100
	senderBurst = 200
	allRate     = 400
	allBurst    = 800
	// blame is what a refused request costs beside itself: whoever sends garbage leaves
	// room for others.
	blame = 9
	// maxSenders bounds how many senders are told apart; those seen last are kept.
	maxSenders = 2048
	// maxHeld bounds the bodies that are in memory at a time, maxHeldEach those of a sender.
	maxHeld     = 8 << 20
	maxHeldEach = 2 << 20
	// maxOpen and maxOpenEach bound the open connections.
	maxOpen     = 256
	maxOpenEach = 64
	// maxLinger bounds how many connections stay open behind their answer, lingers is for
	// how long: half a second in net/http, and a little.
	maxLinger = 32
	lingers   = 600 * time.Millisecond
	// maxWaits bounds how many senders wait for their runs.
	maxWaits = 64
)

// sender is whom a request counts for: an address, for IPv6 the network of a host.
type sender struct{ addr netip.Addr }

// String names a sender in the log.
func (s sender) String() string { return s.addr.String() }

// senderOf says who sent a request. What a proxy on this machine says about who that was
// is believed; what others say is not.
func senderOf(r *http.Request) sender {
	addr := peer(r.RemoteAddr)
	if !addr.IsLoopback() {
		return sender{addr}
	}
	all := r.Header.Values("X-Forwarded-For")
	if len(all) == 0 {
		return sender{addr}
	}
	last := all[len(all)-1]
	last = strings.Trim(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]), "[]")
	if hop, err := netip.ParseAddr(last); err == nil {
		return sender{network(hop)}
	}
	return sender{addr}
}

func peer(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.IPv6Unspecified()
	}
	return network(at.Addr())
}

// network leaves of an IPv6 address what one host may change at will.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() || a.IsLoopback() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// limits bounds what senders may do.
type limits struct {
	now func() time.Time
	all *rate.Limiter

	mu sync.Mutex
	// senders are those seen since the last change of generations, before those seen
	// before it, so that neither grows without end.
	senders, before map[sender]*account
	held            int64
	// provided is how much of the requests of providers is in memory, providing how many are
	// under way.
	provided  int64
	providing int
	open      int
	openBy    map[netip.Addr]int
	waits     int
	// lingering is when the last of those connections were answered.
	lingering []time.Time
}

// account is what a sender has used up.
type account struct {
	rate *rate.Limiter
	held int64
}

func newLimits(now func() time.Time) *limits {
	return &limits{now: now, all: rate.NewLimiter(allRate, allBurst), senders: map[sender]*account{}, openBy: map[netip.Addr]int{}}
}

// account finds that of a sender. The caller holds mu.
func (l *limits) account(s sender) *account {
	a := l.senders[s]
	if a != nil {
		return a
	}
	if a = l.before[s]; a == nil {
		a = &account{rate: rate.NewLimiter(senderRate, senderBurst)}
	}
	if len(l.senders) >= maxSenders {
		l.before, l.senders = l.senders, map[sender]*account{}
	}
	l.senders[s] = a
	return a
}

// enter counts a request, and denies one that is too many.
func (l *limits) enter(s sender) *denial {
	l.mu.Lock()
	a := l.account(s)
	l.mu.Unlock()
	now := l.now()
	why := ""
	switch {
	case !a.rate.AllowN(now, 1):
		why = "the sender sends too much"
	case !l.all.AllowN(now, 1):
		why = "all senders together send too much"
	default:
		return nil
	}
	return &denial{result: TooMany, status: http.StatusTooManyRequests, text: "too many requests", why: why, after: time.Second, hang: true}
}

// blame lets a sender pay for what was refused.
func (l *limits) blame(s sender) {
	l.mu.Lock()
	a := l.account(s)
	l.mu.Unlock()
	a.rate.ReserveN(l.now(), blame)
}

// hold takes room for a body. The function gives it back.
func (l *limits) hold(s sender, size int64) (func(), bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(s)
	if l.held+size > maxHeld || a.held+size > maxHeldEach {
		return nil, false
	}
	l.held += size
	a.held += size
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.held -= size
		a.held -= size
	}), true
}

// wait takes one of the places of those who wait. The function gives it back.
func (l *limits) wait() (func(), bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waits >= maxWaits {
		return nil, false
	}
	l.waits++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waits--
	}, true
}

// linger takes one of the places of connections that stay open behind their answer.
func (l *limits) linger() bool {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lingering = slices.DeleteFunc(l.lingering, func(t time.Time) bool { return now.Sub(t) >= lingers })
	if len(l.lingering) >= maxLinger {
		return false
	}
	l.lingering = append(l.lingering, now)
	return true
}

// connection closes connections that are too many, of all and of each address. Proxies
// on this machine bring those of many.
func (l *limits) connection() func(net.Conn, http.ConnState) {
	return func(c net.Conn, s http.ConnState) {
		from := peer(c.RemoteAddr().String())
		l.mu.Lock()
		defer l.mu.Unlock()
		switch s {
		case http.StateNew:
			l.open++
			l.openBy[from]++
			if l.open > maxOpen || l.openBy[from] > maxOpenEach && !from.IsLoopback() {
				_ = c.Close() // Whoever opened it is told by that.
			}
		case http.StateClosed, http.StateHijacked:
			l.open--
			if l.openBy[from]--; l.openBy[from] <= 0 {
				delete(l.openBy, from)
			}
		}
	}
}
