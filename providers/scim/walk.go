package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// pager is how a list of this server is walked, as far as it was seen.
type pager struct {
	// cursor walks with cursors, plain by index without looking at one entry twice.
	cursor, plain bool
	// count is how many entries to ask for; zero: the server's own number.
	count int
	// bare leaves startIndex out of the first request.
	bare bool
}

// walked is what one walk saw.
type walked struct {
	order []string
	items map[string]json.RawMessage
}

func (w *walked) add(id string, raw json.RawMessage) bool {
	_, known := w.items[id]
	if !known {
		w.order = append(w.order, id)
	}
	w.items[id] = raw
	return !known
}

func newWalked() *walked { return &walked{items: map[string]json.RawMessage{}} }

// walk is a walk over one list.
type walk struct {
	*reader
	op, what string
	endpoint string
	query    url.Values
	progress providers.Progress
	// most bounds the pages; zero: by what httpx allows.
	most int
}

// The ways in which a walk proves nothing. One over a list that moved may be made again.
var (
	errMoved   = errors.New("the list moved while it was read")
	errNoPages = errors.New("the server gives the same page for every startIndex")
	errShort   = errors.New("the server shows fewer entries than it counts")
	errMixed   = errors.New("pages overlap in a way that proves nothing")
)

// walks is how often a list that moves is walked.
const walks = 5

// all walks until one walk proves its end. It gives what was seen in any case: with an error
// the entries are some, not all. p is what was learnt, for the next time.
func (w walk) all(ctx context.Context, p pager) (*walked, pager, error) {
	seen := newWalked()
	var before *walked
	var err error
	learnt := p
	for try := range walks {
		var now *walked
		learnt, now, err = w.start(ctx, p)
		plain := learnt.plain && !learnt.cursor
		learnt.plain = false // A list that moves looks like a server that cannot overlap.
		p.cursor = learnt.cursor
		if now != nil {
			for _, id := range now.order {
				seen.add(id, now.items[id])
			}
		}
		switch {
		case err == nil && !plain:
			return now, learnt, nil
		case err == nil && before != nil && same(before, now):
			return now, learnt, nil
		case err == nil:
			before, err = now, errMoved // Without an overlap, only two walks alike prove anything.
			continue
		case !again(err):
			return seen, learnt, w.failed(err)
		}
		before = nil
		w.logger.Info("a list has to be walked again", "server", w.where(), "list", w.what, "err", err)
		switch {
		case p.cursor && w.config.Paging == Auto && errors.Is(err, errShort):
			p.cursor = false // It may not know cursors at all.
		case try > 0 && !p.cursor:
			p.plain = true
		}
	}
	return seen, learnt, fault.New(fault.Incomplete, w.op, w.where(), fmt.Errorf("%w, %d times", err, walks), "it is read again at the next time; if it stays so, see docs/providers/scim.md")
}

// again reports whether another walk may go better.
func again(err error) bool {
	return errors.Is(err, errMoved) || errors.Is(err, errShort) || errors.Is(err, errMixed) || code(err) == "invalidCursor" || code(err) == "expiredCursor"
}

func same(a, b *walked) bool {
	if len(a.order) != len(b.order) {
		return false
	}
	for _, id := range a.order {
		if _, both := b.items[id]; !both {
			return false
		}
	}
	return true
}

// start walks once, in the first of the ways that the server accepts.
func (w walk) start(ctx context.Context, p pager) (pager, *walked, error) {
	tries := []pager{p}
	if w.query.Get("filter") == "" {
		tries = w.ways(p)
	}
	var now *walked
	var failed error
	for _, try := range tries {
		err := error(nil)
		if try.cursor {
			now, err = w.byCursor(ctx, try)
		} else {
			now, try, err = w.byIndex(ctx, try)
		}
		if code(err) == "invalidCursor" || code(err) == "expiredCursor" || !refused(err) && !errors.Is(err, errNoPages) {
			return try, now, err
		}
		if failed == nil {
			failed = err
		}
	}
	return p, now, failed
}

// ways gives how a list may be walked, what was asked for first: with smaller pages, down to
// those of the server's own size, and each with cursors too where nothing is configured.
func (w walk) ways(p pager) []pager {
	counts := []int{p.count}
	for _, count := range []int{100, 50, 20, 10, 0} {
		if count < p.count {
			counts = append(counts, count)
		}
	}
	var tries []pager
	for _, count := range counts {
		tries = append(tries, pager{cursor: p.cursor, plain: p.plain, bare: p.bare, count: count})
		if w.config.Paging == Auto && !p.cursor {
			tries = append(tries, pager{cursor: true, count: count})
		}
	}
	return append(tries, pager{plain: p.plain, bare: true})
}

// page reads one page.
func (w walk) page(ctx context.Context, set map[string]string, count int) (*list, []string, error) {
	query := url.Values{}
	maps.Copy(query, w.query)
	for key, value := range set {
		query.Set(key, value)
	}
	if count > 0 {
		query.Set("count", strconv.Itoa(count))
	}
	var l list
	if _, err := w.get(ctx, w.op, w.endpoint, "", query, nil, &l); err != nil {
		return nil, nil, err
	}
	ids := make([]string, len(l.items))
	for i, raw := range l.items {
		id, err := identify(raw)
		if err != nil {
			return nil, nil, fault.New(fault.Incomplete, w.op, w.where(), err, "")
		}
		ids[i] = id
	}
	return &l, ids, nil
}
