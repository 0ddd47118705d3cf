package wire

import (
	"bytes"
	"context"
	"fmt"

	ldap "github.com/go-ldap/ldap/v3"
)

// window is how many look-ups are under way at once. A server answers them one after
// the other, but the way there and back is waited for only once.
const window = 256

// Looks reads n entries, each by a request of its own with the scope of one entry, many
// of them at once. answer gets each of them once, in the order in which the server
// answers: the entry, nil where there is none, or the error of that request alone. It
// runs where entries of a Search do. An error of Looks means that not all were answered.
func (c *Conn) Looks(ctx context.Context, n int, request func(i int) *ldap.SearchRequest, answer func(i int, e *Entry, err error)) error {
	l := &looks{conn: c, free: make(chan struct{}, window), answer: answer}
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
	var held []byte
	entries := 0
	id, err := l.conn.begin(&exchange{
		owner: l,
		entry: func(_ *Entry, message []byte) {
			if entries++; entries == 1 {
				held = bytes.Clone(message)
			}
		},
		references: func(int) {},
		done: func(d *done) {
			l.done(i, d, entries, held)
			l.free <- struct{}{}
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

// done gives one answer on.
func (l *looks) done(i int, d *done, entries int, held []byte) {
	switch err := d.err(); {
	case err != nil:
		l.answer(i, nil, err)
	case entries > 1:
		l.answer(i, nil, fmt.Errorf("%d entries with one name: %w", entries, ErrIncomplete))
	case entries == 0:
		l.answer(i, nil, nil)
	default:
		var a answer
		if err := a.decode(held); err != nil {
			l.answer(i, nil, err)
			return
		}
		l.answer(i, &a.entry, nil)
	}
}
