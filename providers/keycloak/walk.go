package keycloak

import (
	"errors"
	"fmt"
)

// row is one row of a list: which it is, and the text by which the server sorts the list.
type row interface {
	place() (id, key string)
}

// errMoving is inside of the error of a list that does not stand still.
var errMoving = errors.New("the list moves faster than it can be read")

const (
	// maxBack is how often a walk may go back to where the list is known.
	maxBack = 50
	// maxStill is how many pages in a row may show nothing new.
	maxStill = 20
	// maxPages is how many pages a list may have.
	maxPages = 100_000
)

// walk reads a list of pages by offset so that a row which is in it from the beginning to
// the end, under the same key, is never missing from what it gives.
//
// Each page is one answer of a database that sorts by key, so it is whole between its first
// and last row. Pages overlap: one that shows a row that was seen already, under the same
// key, leaves no gap behind that row. One that shows none may have lost rows in front of it,
// because others were deleted before them and everything moved up; then the walk goes back
// until it finds a row that it knows. (Servers with user federation drop rows from a page
// after they were counted, so a short page is the last one only when more than half of it is
// missing.) pages says how many were needed: what fits in one cannot have moved.
func walk[T row](size int, fetch func(first, most int) ([]T, error)) (rows []T, pages int, err error) {
	at := map[string]int{}
	first, back, still := 0, 0, 0
	for {
		list, err := fetch(first, size)
		if err != nil {
			return rows, pages, err
		}
		if len(list) > size {
			return rows, pages, fmt.Errorf("%d rows came where %d were asked for", len(list), size)
		}
		if pages++; pages > maxPages {
			return rows, pages, fmt.Errorf("the server gives more than %d pages", maxPages)
		}
		known, fresh := first == 0, 0
		for _, r := range list {
			id, key := r.place()
			if id == "" {
				return rows, pages, errors.New("a row has no id")
			}
			if i, seen := at[id]; seen {
				_, before := rows[i].place()
				known = known || before == key
			}
		}
		if !known {
			if back++; back > maxBack {
				return rows, pages, errMoving
			}
			first = max(0, first-(size+1)/2)
			continue
		}
		for _, r := range list {
			id, _ := r.place()
			if i, seen := at[id]; seen {
				rows[i] = r
				continue
			}
			at[id], fresh = len(rows), fresh+1
			rows = append(rows, r)
		}
		if len(list) <= size/2 {
			return rows, pages, nil
		}
		if still++; fresh > 0 {
			still = 0
		}
		if still > maxStill {
			return rows, pages, errors.New("the server gives the same page again and again")
		}
		first += len(list) - 1
	}
}
