package app

import (
	"errors"
	"sync"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"
)

// maxRecent is how many ended runs of single people are remembered.
const maxRecent = 1000

// recent remembers how the last runs ended that somebody has the id of. Those that changed
// nothing are not in the history.
type recent struct {
	mu sync.Mutex
	by map[string]ending
	// ring holds the ids in the order in which the runs ended; next is where the next one goes.
	ring []string
	next int
}

// ending is how a run ended: a report, or the reason why there is none.
type ending struct {
	report *run.Report
	err    error
}

// keep remembers how a run ended, and forgets the oldest when there are too many.
func (r *recent) keep(id string, report *run.Report, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[string]ending{}
	}
	if _, again := r.by[id]; !again {
		if len(r.ring) < maxRecent {
			r.ring = append(r.ring, id)
		} else {
			delete(r.by, r.ring[r.next])
			r.ring[r.next] = id
			r.next = (r.next + 1) % maxRecent
		}
	}
	r.by[id] = ending{report, err}
}

// find gives how a run ended; false when nothing is remembered of it.
func (r *recent) find(id string) (ending, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.by[id]
	if ok && e.err != nil {
		e.err = fault.New(fault.KindOf(e.err), "run "+id+" failed", "", e.err, fault.HintOf(e.err))
	}
	return e, ok
}

// underWay says that a run has not ended.
func underWay(id string) error {
	return fault.New(fault.NotFound, "", "", errors.New("run "+id+" has not ended"), "ask again a little later")
}
