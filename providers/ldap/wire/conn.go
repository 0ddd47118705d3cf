// Package wire reads the answers of bulk searches straight from the bytes of an LDAP
// connection that go-ldap uses for everything else.
//
// A Conn stands between the network and go-ldap. It looks at the number of each
// message that comes in: what answers one of its own searches it decodes in place, in
// one buffer that is used again for every message, and the rest goes on to go-ldap.
// So a million values cost no allocation, and one connection serves both sides.
//
// The package owns the decoding, the proof that a paged search is complete, and many
// look-ups under way at once. It knows nothing about users, groups or configuration.
// Every byte that a server sends passes here first: a message that is too large, or
// whose parts do not fit into each other, ends the connection for both sides.
package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	ldap "github.com/go-ldap/ldap/v3"
)

const (
	// firstID is the number of our first message. go-ldap counts from 1.
	firstID = 1 << 24
	// defaultMaxMessage bounds one message. An entry with half a million members is
	// about 50 MB.
	defaultMaxMessage = 64 << 20
	// bufferSize is the room for what the server sends; a larger message makes it grow.
	bufferSize = 128 << 10
	// lastWord is how long the last word of a server may take after a write has failed.
	lastWord = 200 * time.Millisecond
)

// Options bound a connection. The zero value sets no time limit.
type Options struct {
	// MaxMessage is the largest message in bytes that is taken; 0: 64 MiB.
	MaxMessage int
	// Timeout bounds one request from sending to the end of its answer: one page of a
	// search. 0: no limit.
	Timeout time.Duration
	// Window is how many look-ups are under way at once; 0: 256. OpenLDAP closes a
	// connection with more than 1,000 requests that wait, or 100 on an anonymous one.
	Window int
}

// Conn is a connection for go-ldap (ldap.NewConn) that serves searches of its own
// beside. One goroutine reads from it, which is go-ldap's; it also runs the functions
// that get entries, so these must not ask the server anything.
type Conn struct {
	net.Conn
	options Options

	// Of the reading goroutine: buf[at:have] came in, the first pass bytes of it are
	// the rest of a message for go-ldap.
	buf            []byte
	at, have, pass int
	answer         answer
	notice         error

	writing sync.Mutex

	mu    sync.Mutex
	next  int64
	calls map[int64]*exchange
	err   error
	over  chan struct{} // closed when err is set
}

// exchange is a search of ours that waits for its answer. Its functions run in the
// reading goroutine, while mu is held: when a call has taken its exchanges back, none
// of them runs any more.
type exchange struct {
	owner      any
	entry      func(*Entry, []byte)
	references func(int)
	done       func(*done)
}

// New takes over a connection, which must be secure already when it is to be: what
// lies above sees LDAP messages only.
func New(below net.Conn, o Options) *Conn {
	if o.MaxMessage <= 0 {
		o.MaxMessage = defaultMaxMessage
	}
	o.MaxMessage = min(o.MaxMessage, maxLength)
	if o.Window <= 0 {
		o.Window = defaultWindow
	}
	return &Conn{Conn: below, options: o, buf: make([]byte, bufferSize), next: firstID, calls: map[int64]*exchange{}, over: make(chan struct{})}
}

// NetConn gives the connection below, for its TLS state.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Write sends whole messages: both sides give them in one piece.
func (c *Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.Conn.Write(p)
}

// Close ends the connection and every search under way.
func (c *Conn) Close() error {
	c.fail(net.ErrClosed)
	return c.Conn.Close()
}

// fail notes why the connection is over; the first reason counts.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		close(c.over)
	}
}

// lost gives the error of a search whose connection is over.
func (c *Conn) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ldap.NewError(ldap.ErrorNetwork, c.err)
}

// Reason gives why the other side ended the connection, nil where it did not. go-ldap says no more than that
// it is closed, or that a write failed, which can be a moment before what the server said about
// it has been read; Reason waits that long.
func (c *Conn) Reason() error {
	select {
	case <-c.over:
	case <-time.After(lastWord):
		return nil
	}
	if err := c.lost(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Read gives go-ldap its messages and takes ours out.
func (c *Conn) Read(p []byte) (int, error) {
	for c.pass == 0 {
		if err := c.receive(); err != nil {
			if c.notice != nil {
				err = fmt.Errorf("%w: %w", c.notice, err)
			}
			err = fmt.Errorf("the connection is over: %w", err)
			c.fail(err)
			// Nothing can be read any more, whatever the error; the other side is to
			// know at once.
			_ = c.Conn.Close()
			return 0, err
		}
	}
	n := copy(p, c.buf[c.at:c.at+c.pass])
	c.at += n
	c.pass -= n
	return n, nil
}

// receive handles the next message: ours is delivered, any other left to be passed on.
func (c *Conn) receive() error {
	size, err := c.message()
	if err != nil {
		return err
	}
	message := c.buf[c.at : c.at+size]
	id, rest, err := messageID(message)
	switch {
	case err != nil:
		return err
	case id >= firstID:
		c.at += size
		return c.deliver(id, message)
	case id == 0:
		c.at += size
		return c.note(rest)
	}
	if err := wellFormed(message); err != nil {
		return err
	}
	c.pass = size
	return nil
}

// message waits until the whole next message is in the buffer and gives its size.
func (c *Conn) message() (int, error) {
	for {
		size, err := c.size()
		if err != nil {
			return 0, err
		}
		if size > 0 && c.have-c.at >= size {
			return size, nil
		}
		if err := c.fill(max(size, 1)); err != nil {
			return 0, err
		}
	}
}

// size reads the size of the next message from its header, 0 when that is not there yet.
func (c *Conn) size() (int, error) {
	head := c.buf[c.at:c.have]
	if len(head) > 0 && head[0] != tagSequence {
		return 0, fmt.Errorf("%w: it begins with %#02x", errMalformed, head[0])
	}
	if len(head) < 2 || head[1] > 0x80 && len(head) < 2+int(head[1]&0x7f) && len(head) < 10 {
		return 0, nil
	}
	// A header that reaches to the largest possible end gives the size it claims.
	_, _, to, why := header(head[:min(len(head), 10)], 0, c.options.MaxMessage)
	switch {
	case why == whyBeyond:
		return 0, fmt.Errorf("%w: it is larger than %d bytes", errTooLarge, c.options.MaxMessage)
	case why != "":
		return 0, fmt.Errorf("%w: the length of a message: %s", errMalformed, why)
	}
	return to, nil
}

var errTooLarge = errors.New("a message is too large")

// fill reads more from the network into a buffer that has room for it. It grows with
// what has come, not with what was announced.
func (c *Conn) fill(size int) error {
	switch {
	case c.at == c.have:
		c.at, c.have = 0, 0
	case c.have < len(c.buf) && c.at+size <= len(c.buf):
	case c.at > 0:
		c.have = copy(c.buf, c.buf[c.at:c.have])
		c.at = 0
	}
	if c.have == len(c.buf) {
		grown := make([]byte, max(min(2*len(c.buf), size), len(c.buf)+1))
		copy(grown, c.buf)
		c.buf = grown
	}
	n, err := c.Conn.Read(c.buf[c.have:])
	c.have += n
	switch {
	case n > 0:
		return nil
	case errors.Is(err, io.EOF) && c.have > c.at:
		return io.ErrUnexpectedEOF
	}
	return err
}

// deliver gives a message to the search that waits for it. Nobody waits for the answers
// of one that was given up.
func (c *Conn) deliver(id int64, message []byte) error {
	a := &c.answer
	if err := a.decode(message); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.calls[id]
	if x == nil {
		return nil
	}
	switch a.op {
	case tagEntry:
		x.entry(&a.entry, message)
	case tagReference:
		x.references(a.references)
	case tagDone:
		delete(c.calls, id)
		x.done(&a.done)
	}
	return nil
}

// note keeps what a server says on its own account before it ends the connection
// (RFC 4511, 4.4.1): that is the reason of the error to come.
func (c *Conn) note(rest cursor) error {
	op, err := rest.take(tagExtended, "a notice of the server")
	if err != nil {
		return err
	}
	d, err := decodeResult(&op)
	if err != nil {
		return err
	}
	c.notice = fmt.Errorf("the server says %q (code %d)", d.diagnostic, d.code)
	return nil
}

// begin makes room for the answer of a search and gives its number.
func (c *Conn) begin(x *exchange) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, ldap.NewError(ldap.ErrorNetwork, c.err)
	}
	id := c.next
	c.next++
	c.calls[id] = x
	return id, nil
}

// forget takes back all exchanges of a call: from now on none of their functions runs.
func (c *Conn) forget(owner any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, x := range c.calls {
		if x.owner == owner {
			delete(c.calls, id)
		}
	}
}

// send writes requests. A server that takes nothing more must not hold us for ever.
func (c *Conn) send(b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.options.Timeout > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(c.options.Timeout)); err != nil {
			return ldap.NewError(ldap.ErrorNetwork, err)
		}
	}
	if _, err := c.Conn.Write(b); err != nil {
		return ldap.NewError(ldap.ErrorNetwork, err)
	}
	if c.options.Timeout > 0 {
		if err := c.SetWriteDeadline(time.Time{}); err != nil {
			return ldap.NewError(ldap.ErrorNetwork, err)
		}
	}
	return nil
}

// timer gives the channel of the time limit, which never fires without one.
func (c *Conn) timer() (<-chan time.Time, *time.Timer) {
	if c.options.Timeout <= 0 {
		return nil, nil
	}
	t := time.NewTimer(c.options.Timeout)
	return t.C, t
}

var errTimeout = errors.New("ldap: connection timed out")
