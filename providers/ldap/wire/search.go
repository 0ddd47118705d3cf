package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	ldap "github.com/go-ldap/ldap/v3"
)

// ErrIncomplete marks a search that ended without the proof that it was complete.
var ErrIncomplete = errors.New("the answer is not complete")

// Found sums up a paged search beside its entries.
type Found struct {
	Entries int
	// References counts search references, which are never followed.
	References int
}

// maxIdlePages is how many pages without an entry may follow each other. Servers
// that filter after paging give some; one that gives nothing else is in a loop.
const maxIdlePages = 1000

// Search reads all pages of a search, of that size each, and gives every entry to
// each. It ends without an error only when every answer carried the paging control and
// the last an empty cookie (RFC 2696), because an answer that was cut off on the
// server's side looks like a complete one otherwise. Entries are given to each even
// when the search fails later: what they show is so, only the list has no proved end.
//
// each runs in the goroutine that reads the connection, but never beside the caller:
// not before Search begins nor after it ends. page runs after each page, with the
// number of entries so far; it may be nil. When ctx ends or the time limit of a page
// passes, the connection is closed, because the server would go on sending.
func (c *Conn) Search(ctx context.Context, q *ldap.SearchRequest, size int, each func(*Entry) error, page func(entries int)) (Found, error) {
	var f Found
	var cookie []byte
	loop := loopGuard{cookies: map[string]bool{}, starts: map[string]bool{}}
	for {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		control := ldap.NewControlPaging(uint32(size))
		control.SetCookie(cookie)
		request := *q
		request.Controls = append(slices.Clone(q.Controls), control)
		p, err := c.page(ctx, &request, each)
		f.Entries += p.entries
		f.References += p.references
		if err != nil {
			return f, err
		}
		if page != nil {
			page(f.Entries)
		}
		switch {
		case p.refused != nil:
			return f, p.refused
		case !p.end.paged:
			return f, fmt.Errorf("an answer without the paging control: %w", ErrIncomplete)
		case len(p.end.cookie) == 0:
			return f, nil
		}
		cookie = p.end.cookie
		if err := loop.see(cookie, p.entries, p.first); err != nil {
			return f, err
		}
	}
}

// page is one page of a search.
type page struct {
	entries, references int
	// first is the name of the first entry.
	first string
	// refused is the error with which the caller refused an entry.
	refused error
	end     done
}

// page asks for one page and waits for its end.
func (c *Conn) page(ctx context.Context, q *ldap.SearchRequest, each func(*Entry) error) (p page, err error) {
	ended := make(chan struct{})
	x := &exchange{
		owner: &p,
		entry: func(e *Entry, _ []byte) {
			if p.entries++; p.entries == 1 {
				p.first = string(e.DN)
			}
			if p.refused == nil {
				p.refused = each(e)
			}
		},
		references: func(n int) { p.references += n },
		done: func(d *done) {
			p.end = *d
			p.end.cookie = bytes.Clone(d.cookie)
			close(ended)
		},
	}
	id, err := c.begin(x)
	if err != nil {
		return p, err
	}
	message, err := encode(id, q)
	if err == nil {
		err = c.send(message)
	}
	if err == nil {
		err = c.wait(ctx, ended)
	}
	// Whatever ended this, nothing is written into p any more from here on.
	c.forget(x.owner)
	if err != nil {
		return p, err
	}
	return p, p.end.err()
}

// wait waits for the end of an answer, for at most the time of one request.
func (c *Conn) wait(ctx context.Context, ended <-chan struct{}) error {
	expired, t := c.timer()
	if t != nil {
		defer t.Stop()
	}
	select {
	case <-ended:
		return nil
	case <-c.over:
	case <-ctx.Done():
	case <-expired:
	}
	select {
	case <-ended:
		return nil
	default:
	}
	return c.giveUp(ctx)
}

// giveUp closes the connection and says why nobody waits any longer.
func (c *Conn) giveUp(ctx context.Context) error {
	select {
	case <-c.over:
		if err := ctx.Err(); err != nil {
			return err
		}
		return c.lost()
	default:
	}
	c.fail(errTimeout)
	// The error of a connection that nobody needs any more says nothing.
	_ = c.Conn.Close()
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.lost()
}

// loopGuard notices a server that gives the same page for ever. A cookie that comes
// again is no proof of that: 389 Directory Server names all pages of a search by one
// cookie. The same cookie and the same first entry are.
type loopGuard struct {
	cookies, starts map[string]bool
	idle            int
}

func (l *loopGuard) see(cookie []byte, entries int, first string) error {
	known := l.cookies[string(cookie)]
	l.cookies[string(cookie)] = true
	if entries == 0 {
		if l.idle++; l.idle > maxIdlePages {
			return fmt.Errorf("%d pages without an entry: %w", l.idle, ErrIncomplete)
		}
		return nil
	}
	l.idle = 0
	again := l.starts[first]
	l.starts[first] = true
	if known && again {
		return fmt.Errorf("the same page again: %w", ErrIncomplete)
	}
	return nil
}
