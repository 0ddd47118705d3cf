package scim

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// byIndex walks with startIndex. Each page but the first begins with the last entry of the page
// before, so that a list that moved in between shows it, and the page behind the last one has
// to be empty but for that entry. A plain walk does without, for servers that turn startIndex
// into the number of a page.
func (w walk) byIndex(ctx context.Context, p pager) (*walked, pager, error) {
	all, totals := newWalked(), counted{}
	bound := httpx.Walk{Max: w.most}
	start, last, count, overlaps := 1, "", p.count, false
	var first []string
	for {
		if err := bound.Next(strconv.Itoa(start)); err != nil {
			return all, p, fault.New(fault.Incomplete, w.op, w.where(), err, "")
		}
		set := map[string]string{"startIndex": strconv.Itoa(start)}
		if start == 1 && p.bare {
			set = nil
		}
		l, ids, err := w.page(ctx, set, count)
		if err != nil {
			return all, p, err
		}
		totals.take(l, len(all.order) == 0)
		if l.next != "" && l.total == nil && w.config.Paging == Auto && start == 1 {
			p.cursor = true
			now, err := w.byCursor(ctx, p)
			return now, p, err
		}
		if start > 1 && slices.Equal(ids, first) && len(ids) > 0 {
			// The page of every startIndex is the whole list only if all of it fits.
			if n := len(ids); totals.says(n) && (p.count == 0 || n != p.count) || l.bare && p.count > 0 && n > p.count {
				return all, p, nil
			}
			if overlaps {
				return all, p, errMoved // Perhaps startIndex is the number of a page there.
			}
			return all, p, errNoPages
		}
		if start == 1 {
			first = ids
			if n := len(ids); n > 0 && n < count && (l.total == nil || *l.total > n) {
				count = n // So many are what this server gives at most.
			}
			if len(ids) == 1 && !totals.says(1) {
				p.plain = true // One entry at a time leaves no room to look at it twice.
			}
		}
		if len(ids) == 0 {
			return all, p, totals.judge(len(all.order))
		}
		items := l.items
		if overlaps {
			if ids[0] != last {
				return all, p, errMoved
			}
			ids, items = ids[1:], items[1:]
			if len(ids) == 0 {
				return all, p, totals.judge(len(all.order))
			}
		}
		fresh := 0
		for i, id := range ids {
			if all.add(id, items[i]) {
				fresh++
			}
		}
		w.progress.Report(w.what, len(all.order))
		if fresh < len(ids) {
			if !p.plain {
				return all, p, errMoved
			}
			if fresh == 0 {
				if totals.says(len(all.order)) {
					return all, p, nil // The last page once more, behind the end.
				}
				return all, p, errMixed
			}
		}
		last = ids[len(ids)-1]
		start += len(l.items)
		if overlaps = !p.plain && start > 2; overlaps {
			start-- // The last one again.
		}
	}
}

// counted is what the pages of one walk say about the number of entries.
type counted struct {
	first, last *int
	pages       int
	// own says that every page counted itself.
	own bool
}

func (c *counted) take(l *list, first bool) {
	if c.pages == 0 || first {
		c.first, c.own = l.total, true
	}
	c.pages++
	c.last = l.total
	c.own = c.own && l.total != nil && *l.total == len(l.items)
}

// says reports whether the server counts so many entries.
func (c *counted) says(n int) bool { return c.last != nil && *c.last == n }

// judge says whether so many entries are all that there are, by what the server counts. A
// smaller number than what was shown is nonsense and means nothing, as does one that every
// page gives of itself.
func (c *counted) judge(n int) error {
	switch {
	case c.last == nil || c.own && c.pages > 1 && n > 0:
		return nil
	case c.first != nil && *c.first != *c.last:
		return fmt.Errorf("%w: it had %d entries at first and %d at last", errMoved, *c.first, *c.last)
	case *c.last > n:
		return fmt.Errorf("%w: %d of %d", errShort, n, *c.last)
	}
	return nil
}

// byCursor walks with cursors (RFC 9865).
func (w walk) byCursor(ctx context.Context, p pager) (*walked, error) {
	all, totals := newWalked(), counted{}
	bound := httpx.Walk{Max: w.most}
	cursor, led := "", false
	for {
		if err := bound.Next(cursor); err != nil {
			return all, fault.New(fault.Incomplete, w.op, w.where(), err, "")
		}
		l, ids, err := w.page(ctx, map[string]string{"cursor": cursor}, p.count)
		if err != nil {
			return all, err
		}
		totals.take(l, cursor == "")
		for i, id := range ids {
			all.add(id, l.items[i])
		}
		w.progress.Report(w.what, len(all.order))
		led = led || l.next != ""
		if l.next != "" {
			cursor = l.next
			continue
		}
		if !led && l.total == nil && p.count > 0 && len(ids) >= p.count {
			return all, fmt.Errorf("%w: a full page leads nowhere", errShort)
		}
		return all, totals.judge(len(all.order))
	}
}
