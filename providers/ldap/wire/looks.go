package wire

import (
	"bytes"
	"context"
	"fmt"

	ldap "github.com/go-ldap/ldap/v3"
)

// defaultWindow is how many look-ups are under way at once. A server answers them one
// after the other, but the way there and back is waited for only once.
const defaultWindow = 256

// Looks reads n entries, each by a request of its own with the scope of one entry, many
// of them at once. answer gets each of them once, in their order, whatever the order in
// which the server answers: the entry, nil where there is none, or the error of that
// request alone. It runs where entries of a Search do. An error of Looks means that only
// the first so many were answered.
func (c *Conn) Looks(ctx context.Context, n int, request func(i int) *ldap.SearchRequest, answer func(i int, e *Entry, err error)) error {
	window := c.options.Window
	l := &looks{conn: c, free: make(chan struct{}, window), answer: answer, early: map[int]result{}}
	for range window {
		l.free <- struct{}{}
	}
	defer c.forget(l)
	for i := range n {
		if err := l.slot(ctx); err != nil {
			return err
		}
		if err := l.ask(i, request(i)); err != nil {
			return err
		}
	}
	for range window {
		if err := l.slot(ctx); err != nil {
			return err
		}
	}
	return nil
}

// looks is one call of Looks.
type looks struct {
	conn   *Conn
	free   chan struct{} // one for each look-up that may begin
	answer func(int, *Entry, error)
	// out are requests that wait to be sent together.
	out []byte

	// given is how many answers were given on; early are those that came before their
	// turn. Both belong to the reading goroutine.
	given int
	early map[int]result
}

// result is the answer to one look-up.
type result struct {
	end     done
	entries int
	// held is the message with the entry.
	held []byte
}

// slot waits until another look-up may begin. The time limit counts from answer to
// answer. What waits to be sent goes out before anything is waited for.
func (l *looks) slot(ctx context.Context) error {
	select {
	case <-l.free:
		return ctx.Err()
	default:
	}
	if err := l.flush(); err != nil {
		return err
	}
	expired, t := l.conn.timer()
	if t != nil {
		defer t.Stop()
	}
	select {
	case <-l.free:
		return nil
	case <-l.conn.over:
	case <-ctx.Done():
	case <-expired:
	}
	return l.conn.giveUp(ctx)
}

func (l *looks) flush() error {
	if len(l.out) == 0 {
		return nil
	}
	err := l.conn.send(l.out)
	l.out = l.out[:0]
	return err
}

// ask notes one request. Its entry is kept until its end has come, because only the
// result code says that it counts.
func (l *looks) ask(i int, q *ldap.SearchRequest) error {
	var got result
	id, err := l.conn.begin(&exchange{
		owner: l,
		entry: func(_ *Entry, message []byte) {
			if got.entries++; got.entries == 1 {
				got.held = bytes.Clone(message)
			}
		},
		references: func(int) {},
		done: func(d *done) {
			got.end = *d
			got.end.cookie = nil
			l.early[i] = got
			l.give()
		},
	})
	if err != nil {
		return err
	}
	message, err := encode(id, q)
	if err != nil {
		return err
	}
	l.out = append(l.out, message...)
	return nil
}

// give gives on every answer whose turn has come, and lets as many look-ups begin. So
// no more than a window of answers is ever kept.
func (l *looks) give() {
	for {
		got, ok := l.early[l.given]
		if !ok {
			return
		}
		delete(l.early, l.given)
		l.one(l.given, &got)
		l.given++
		l.free <- struct{}{}
	}
}

func (l *looks) one(i int, got *result) {
	var a answer
	switch err := got.end.err(); {
	case err != nil:
		l.answer(i, nil, err)
	case got.entries > 1:
		l.answer(i, nil, fmt.Errorf("%d entries with one name: %w", got.entries, ErrIncomplete))
	case got.entries == 0:
		l.answer(i, nil, nil)
	default:
		err := a.decode(got.held)
		if err != nil {
			l.answer(i, nil, err)
			return
		}
		l.answer(i, &a.entry, nil)
	}
}
