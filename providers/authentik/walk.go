package authentik

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// page is one page of a list.
type page[T any] struct {
	Pagination *struct {
		Next  *float64 `json:"next"`
		Count *float64 `json:"count"`
	} `json:"pagination"`
	Results *[]T `json:"results"`
}

// row is a user or a group.
type row[T any] interface {
	id() string
	// before says whether the row stands before another in a list that is sorted by its key.
	before(next T) bool
	check() error
}

// passes is how often a list that moves is walked before we give up.
const passes = 6

// errMoved is inside of the error of a list that did not stand still.
var errMoved = errors.New("the list changed each time while it was read")

// walked is a list as one walk over its pages saw it.
type walked[T row[T]] struct {
	rows []T
	at   map[string]int
	// single says that it came in one page, as it was at one time.
	single bool
	// sound says that no row came twice, and as many as the server counts.
	sound bool
	// sorted says that the rows came in the order of their keys, which never change.
	sorted bool
}

// list reads a list to its proved end.
//
// Pages are numbered, so whoever is deleted while they are read moves everybody behind by one
// place, and the first of the next page is seen by nobody. A row that we have seen and that is
// still there afterwards has moved nobody. So: where one walk saw no row twice, in the order of
// keys that never change, and the next walk shows everybody whom that one saw, nobody who was
// there all the time can be missing. (To miss somebody, one fewer than all those we have seen
// must stand before them; so one of those must be gone, and cannot be in the next walk.) New
// rows only move others backwards, to a place where we come past again.
//
// A server that sorts otherwise has to give the same rows in the same order twice.
func list[T row[T]](ctx context.Context, r *reading, what, path string, query url.Values, progress providers.Progress) ([]T, error) {
	var last *walked[T]
	for range passes {
		now, err := pass[T](ctx, r, what, path, query, progress)
		if err != nil {
			return nil, err
		}
		if now.single || last != nil && last.sound && last.kept(now) {
			return now.rows, nil
		}
		last = now
	}
	return nil, r.fail(fault.Incomplete, "read "+what, "it is read again at the next run; is something deleting and creating "+what+" all the time?", "%w, %d times", errMoved, passes)
}

// kept reports whether a later walk shows everybody whom this one saw.
func (w *walked[T]) kept(later *walked[T]) bool {
	if !w.sorted || !later.sorted {
		return slices.EqualFunc(w.rows, later.rows, func(a, b T) bool { return a.id() == b.id() })
	}
	for id := range maps.Keys(w.at) {
		if _, there := later.at[id]; !there {
			return false
		}
	}
	return true
}

// pass walks over all pages once, one after the other.
func pass[T row[T]](ctx context.Context, r *reading, what, path string, query url.Values, progress providers.Progress) (*walked[T], error) {
	w := &walked[T]{at: map[string]int{}, sound: true, sorted: true}
	var bound httpx.Walk
	query = maps.Clone(query)
	query.Set("ordering", "pk")
	query.Set("page_size", number(r.config.PageSize))
	for n := 1; ; {
		if err := bound.Next(number(n)); err != nil {
			return nil, r.fail(fault.Invalid, "read "+what, "", "%w", err)
		}
		query.Set("page", number(n))
		var p page[T]
		err := r.get(ctx, "read "+what, path, query, &p)
		if n > 1 && fault.KindOf(err) == fault.NotFound {
			// The list has become shorter than the pages that we have read of it.
			w.sound = false
			return w, nil
		}
		if err != nil {
			return nil, err
		}
		if p.Pagination == nil || p.Pagination.Next == nil || p.Pagination.Count == nil || p.Results == nil {
			return nil, r.fail(fault.Invalid, "read "+what, "is url the address of authentik?", "the answer is no page of a list")
		}
		if err := w.add(*p.Results); err != nil {
			return nil, r.fail(fault.Invalid, "read "+what, "", "%w", err)
		}
		progress.Report(what, len(w.rows))
		if err := ctx.Err(); err != nil {
			return nil, r.begin(ctx, "read "+what)
		}
		next := int(*p.Pagination.Next)
		if next <= 0 {
			w.sound = w.sound && len(w.rows) == int(*p.Pagination.Count)
			w.single = n == 1 && w.sound
			return w, nil
		}
		n = next
	}
}

// add takes in the rows of a page.
func (w *walked[T]) add(rows []T) error {
	for _, row := range rows {
		if err := row.check(); err != nil {
			return err
		}
		if i, twice := w.at[row.id()]; twice {
			w.sound, w.rows[i] = false, row
			continue
		}
		w.sorted = w.sorted && (len(w.rows) == 0 || w.rows[len(w.rows)-1].before(row))
		w.at[row.id()] = len(w.rows)
		w.rows = append(w.rows, row)
	}
	return nil
}

// one reads one row by its path; false: there is none that we may see.
func one[T row[T]](ctx context.Context, r *reading, what, path string, query url.Values) (T, bool, error) {
	var got T
	err := r.get(ctx, "read "+what, path, query, &got)
	if hidden(err) {
		return got, false, nil
	}
	if err == nil {
		if wrong := got.check(); wrong != nil {
			err = r.fail(fault.Invalid, "read "+what, "", "%w", wrong)
		}
	}
	return got, err == nil, err
}

// hidden reports whether authentik says that something does not exist, or not for us.
func hidden(err error) bool {
	status, ok := errors.AsType[*httpx.StatusError](err)
	return ok && status.JSON && (status.Status == http.StatusNotFound || status.Status == http.StatusForbidden)
}
