package ldap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/providers/ldap/ldaptest"
)

// far is a network on which everything takes its time to arrive and any amount fits in
// between. Its time is that of synctest, so that it measures round trips and nothing
// else.
type far struct {
	delay time.Duration
	conns chan net.Conn
	once  sync.Once
	over  chan struct{}
}

func newFar(delay time.Duration) *far {
	return &far{delay: delay, conns: make(chan net.Conn), over: make(chan struct{})}
}

func (f *far) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	up, down := newLane(f.delay), newLane(f.delay)
	select {
	case f.conns <- &end{in: up, out: down}:
		return &end{in: down, out: up}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *far) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.over:
		return nil, net.ErrClosed
	}
}

func (f *far) Close() error {
	f.once.Do(func() { close(f.over) })
	return nil
}

func (f *far) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 389} }

// lane is one direction of a connection.
type lane struct {
	delay time.Duration
	once  sync.Once
	over  chan struct{}
	parts chan part
}

type part struct {
	data    []byte
	arrives time.Time
}

func newLane(delay time.Duration) *lane {
	return &lane{delay: delay, over: make(chan struct{}), parts: make(chan part, 1<<16)}
}

func (l *lane) close() { l.once.Do(func() { close(l.over) }) }

// end is one end of a connection.
type end struct {
	in, out *lane
	rest    []byte
}

func (e *end) Read(p []byte) (int, error) {
	for len(e.rest) == 0 {
		select {
		case next := <-e.in.parts:
			time.Sleep(time.Until(next.arrives))
			e.rest = next.data
		case <-e.in.over:
			return 0, io.EOF
		}
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func (e *end) Write(p []byte) (int, error) {
	select {
	case <-e.out.over:
		return 0, io.ErrClosedPipe
	case e.out.parts <- part{append([]byte(nil), p...), time.Now().Add(e.out.delay)}:
		return len(p), nil
	}
}

func (e *end) Close() error {
	e.in.close()
	e.out.close()
	return nil
}

func (e *end) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (e *end) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (e *end) SetWriteDeadline(time.Time) error { return nil }

// deep is a company whose groups refer to groups outside the bases, three levels deep
// and in a circle, and to hundreds of names that are nobody's.
func deep() []ldaptest.Entry {
	entries := tree()
	for n := range 10_000 {
		entries = append(entries, person(n))
	}
	outside := func(level, n int) string { return fmt.Sprintf("cn=outside-%d-%d,%s", level, n, suffix) }
	for n := range 500 {
		members := []string{outside(1, n%200), fmt.Sprintf("cn=nobody-%d,%s", n, suffix), fmt.Sprintf("uid=left-%d,%s", n%150, people)}
		for k := range 20 {
			members = append(members, userDN((n*37+k*k)%10_000))
		}
		entries = append(entries, group(fmt.Sprintf("cn=g%d,%s", n, groups), members...))
	}
	for n := range 200 {
		entries = append(entries, group(outside(1, n), userDN(n), outside(2, n%100)))
	}
	for n := range 100 {
		entries = append(entries, group(outside(2, n), userDN(n+300), outside(3, n%50)))
	}
	for n := range 50 {
		entries = append(entries, group(outside(3, n), userDN(n+600), outside(1, n)))
	}
	return entries
}

// TestNestingOverALongWayCostsAFewRoundTrips reads the same company with and without
// nesting, 20 ms from the server and back.
func TestNestingOverALongWayCostsAFewRoundTrips(t *testing.T) {
	const roundTrip = 20 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		server := ldaptest.New(options())
		if err := server.Add(deep()...); err != nil {
			t.Fatal(err)
		}
		network := newFar(roundTrip / 2)
		url, err := server.StartOn(network)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = server.Close() }()
		took := map[bool]time.Duration{}
		for _, nested := range []bool{false, true} {
			c := configure(t, RFC2307bis, url)
			c.Nested = nested
			s := open(t, c)
			s.reach = network.dial
			started := time.Now()
			snapshot, found := pulled(t, s)
			took[nested] = time.Since(started)
			if g := found["g0"]; nested && (len(g.Children) != 1 || len(snapshot.Groups) != 850 || len(g.Members) <= len(g.Direct)) {
				t.Errorf("%d groups, the first with %d members, %d of its own", len(snapshot.Groups), len(g.Members), len(g.Direct))
			}
		}
		// Bind, 20 pages of people, one of who is disabled, one of groups.
		if trips := took[false] / roundTrip; trips < 22 || trips > 26 {
			t.Errorf("the read without nesting takes %d round trips", trips)
		}
		if more := (took[true] - took[false]) / roundTrip; more < 1 || more > 10 {
			t.Errorf("nesting costs %d round trips more (%v instead of %v)", more, took[true], took[false])
		}
	})
}
