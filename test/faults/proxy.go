// Package faults breaks the network between groupsyncd and its servers: a proxy for TCP
// that is slow, stops, cuts and resets, and a matrix of all of that over both directions
// and many places in the stream. Whatever happens, nobody loses a membership whom a
// complete read does not show to have left.
package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Kind is what goes wrong.
type Kind string

// The kinds of fault. Latency delays every piece of data and Bandwidth lets it through in
// drops; SlowClose keeps a connection open that its other end has closed. Reset, Cut and
// Stall act after a number of bytes: the connection is reset, closed in good order, or
// stays open and nothing comes any more.
const (
	Latency   Kind = "latency"
	Bandwidth Kind = "bandwidth"
	SlowClose Kind = "slow close"
	Reset     Kind = "reset"
	Cut       Kind = "cut"
	Stall     Kind = "stall"
)

// Direction is that of the data.
type Direction int

// The directions, as seen from us.
const (
	Up Direction = iota
	Down
)

func (d Direction) String() string { return [...]string{"up", "down"}[d] }

// Fault is what goes wrong, in which direction, and where.
type Fault struct {
	Kind      Kind
	Direction Direction
	// After is how many bytes pass before Reset, Cut or Stall, over all connections.
	After int
	// Once spares the connections that come after the one that was struck.
	Once bool
}

func (f Fault) String() string {
	how := "lasting"
	if f.Once {
		how = "once"
	}
	return fmt.Sprintf("%s %s after %d, %s", f.Kind, f.Direction, f.After, how)
}

// The measures of the faults that only slow down.
const (
	delay   = 15 * time.Millisecond
	drop    = 200
	dropGap = time.Millisecond
)

// Proxy stands before a server and lets everything through until a fault is set.
type Proxy struct {
	// Addr is where it listens.
	Addr string

	to       string
	listener net.Listener
	workers  sync.WaitGroup

	mu     sync.Mutex
	fault  *Fault
	passed [2]int
	acted  int
	links  map[*link]bool
	closed bool
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn
	// dead is closed when it has ended.
	dead chan struct{}
	end  func(reset bool)
}

// New starts a proxy before a server, until the test ends.
func New(tb testing.TB, to string) *Proxy {
	tb.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), to: to, listener: l, links: map[*link]bool{}}
	p.workers.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// Set lets a fault act from now on, and counts anew.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.passed, p.acted = &f, [2]int{}, 0
}

// Heal lets everything through again. Connections that were open are closed: what a fault
// left of them is of no use.
func (p *Proxy) Heal() (acted int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	acted = p.acted
	p.fault, p.passed = nil, [2]int{}
	for l := range p.links {
		l.end(false)
	}
	return acted
}

// Passed gives how many bytes went through since Set or Heal.
func (p *Proxy) Passed() (up, down int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[Up], p.passed[Down]
}

func (p *Proxy) close() {
	_ = p.listener.Close() // Nobody accepts any more either way.
	p.mu.Lock()
	p.closed = true
	for l := range p.links {
		l.end(false)
	}
	p.mu.Unlock()
	p.workers.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		var d net.Dialer
		server, err := d.DialContext(context.Background(), "tcp", p.to)
		if err != nil {
			_ = client.Close() // There is nothing behind us.
			continue
		}
		p.join(client, server)
	}
}

func (p *Proxy) join(client, server net.Conn) {
	l := &link{client: client, server: server, dead: make(chan struct{})}
	var once sync.Once
	l.end = func(reset bool) {
		once.Do(func() {
			for _, c := range []net.Conn{client, server} {
				if tcp, ok := c.(*net.TCPConn); ok && reset {
					_ = tcp.SetLinger(0) // Without it the reset is an ordinary end.
				}
				_ = c.Close() // The other end sees it, and that is all there is to it.
			}
			close(l.dead)
		})
	}
	p.mu.Lock()
	p.links[l] = true
	if p.closed {
		l.end(false)
	}
	p.mu.Unlock()
	var pumps sync.WaitGroup
	pumps.Go(func() { p.pump(l, Up, client, server) })
	pumps.Go(func() { p.pump(l, Down, server, client) })
	p.workers.Go(func() {
		pumps.Wait()
		l.end(false)
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
	})
}

// pump carries the data of one direction until it ends.
func (p *Proxy) pump(l *link, d Direction, from io.Reader, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		let, f := p.let(d, n)
		if !write(l, f, to, buffer[:let]) {
			l.end(false)
			return
		}
		if let < n {
			strike(l, f.Kind)
			return
		}
		if err != nil {
			if f != nil && f.Kind == SlowClose {
				rest(l, 10*delay)
			}
			if tcp, ok := to.(*net.TCPConn); !errors.Is(err, io.EOF) || !ok || tcp.CloseWrite() != nil {
				l.end(false)
			}
			return
		}
	}
}

// let says how many of n bytes may pass, and which fault acts on this direction.
func (p *Proxy) let(d Direction, n int) (int, *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fault
	if f == nil || f.Direction != d {
		p.passed[d] += n
		return n, nil
	}
	let := n
	switch f.Kind {
	case Reset, Cut, Stall:
		if f.Once && p.acted > 0 {
			break
		}
		let = max(0, min(n, f.After-p.passed[d]))
		if let < n {
			p.acted++
		}
	default:
		p.acted++
	}
	p.passed[d] += let
	return let, f
}

// write passes data on, slowly if the fault says so.
func write(l *link, f *Fault, to net.Conn, data []byte) bool {
	size := len(data)
	if f != nil && f.Kind == Latency && size > 0 {
		rest(l, delay)
	}
	if f != nil && f.Kind == Bandwidth {
		size = drop
	}
	for len(data) > 0 {
		n := min(size, len(data))
		if _, err := to.Write(data[:n]); err != nil {
			return false
		}
		if data = data[n:]; len(data) > 0 {
			rest(l, dropGap)
		}
	}
	return true
}

func strike(l *link, k Kind) {
	switch k {
	case Reset:
		l.end(true)
	case Stall:
		<-l.dead
	default:
		l.end(false)
	}
}

// rest waits, unless the connection ends meanwhile.
func rest(l *link, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.dead:
	}
}
