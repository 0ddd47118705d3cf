package keycloak

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// reading is one read of everything.
type reading struct {
	s        *source
	session  *httpx.Session
	asOf     time.Time
	progress providers.Progress

	users  map[string]userRow
	groups map[string]groupRow
	// above are the groups that a group was directly below during the read.
	above map[string]map[string]bool
	roles *roleReading
	// suspects are people whom a walk may have missed: they were renamed, came or went.
	suspects map[string]bool
	// missing are why the sub-groups of a group could not be read.
	missing                   map[string]error
	usersListed, groupsListed bool

	mu sync.Mutex // of what follows
	// lists are the members of groups and of roles, by group id and roleID.
	lists map[string]*list
	// nobody are members who are no people, or none any more.
	nobody map[string]bool
	counts map[string]int
	errs   []error
}

// list is who is directly in a group or in a role.
type list struct {
	people map[string]userRow
	// pages is how many requests the longest walk of it took.
	pages int
	err   error
}

// parallel calls each for every item, several at a time, and waits.
func parallel[T any](ctx context.Context, limit int, items []T, each func(context.Context, T)) {
	var g errgroup.Group
	g.SetLimit(limit)
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { each(ctx, item); return nil })
	}
	_ = g.Wait() // Whatever failed is where it belongs.
}

// report tells how far the read is.
func (r *reading) report(what string, more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what] += more
	r.progress.Report(what, r.counts[what])
}

func (r *reading) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// get reads one answer.
func (r *reading) get(ctx context.Context, op, path string, query url.Values, into any) error {
	return r.s.get(ctx, r.session, op, path, query, into)
}

// rows walks a list of the server.
func rows[T row](ctx context.Context, r *reading, op, what, path string, brief bool) ([]T, int, error) {
	return rowsAt[T](ctx, r, op, what, func(first, most int, into any) error {
		return r.get(ctx, op, path, page(first, most, brief), into)
	})
}

func rowsAt[T row](ctx context.Context, r *reading, op, what string, read func(first, most int, into any) error) ([]T, int, error) {
	list, pages, err := walk(r.s.config.PageSize, func(first, most int) ([]T, error) {
		var part []T
		if err := read(first, most, &part); err != nil {
			return nil, err
		}
		if part == nil {
			return nil, r.s.fail(fault.Incomplete, op, "", "%w", errNull)
		}
		if what != "" {
			r.report(what, len(part))
		}
		return part, ctx.Err()
	})
	if err != nil && fault.KindOf(err) == 0 {
		err = r.s.fail(fault.Incomplete, op, "", "%w", err)
	}
	return list, pages, err
}

// rounds is how often a list is read again that changed while it was read.
const rounds = 4

// errNull is inside of the error of an answer that is null where a value was asked for.
var errNull = errors.New("the answer is null")

// errCounts is inside of the error of a list that is not as long as the server counts.
var errCounts = errors.New("the list and the server's own count do not agree")

// settle goes through what only one of two looks at a list showed: missing asks for one
// that the second did not show, and says whether it is there nevertheless.
func settle[T row](known map[string]T, now []T, missing func(T) (T, bool, error), came func(T)) error {
	shown := make(map[string]bool, len(now))
	for _, t := range now {
		id, key := t.place()
		shown[id] = true
		before, there := known[id]
		known[id] = t
		if _, was := before.place(); !there || was != key {
			came(t)
		}
	}
	var gone []string
	for id := range known {
		if !shown[id] {
			gone = append(gone, id)
		}
	}
	slices.Sort(gone)
	for _, id := range gone {
		t, there, err := missing(known[id])
		switch {
		case err != nil:
			return err
		case there:
			known[id] = t
			came(t)
		default:
			delete(known, id)
		}
	}
	return nil
}
