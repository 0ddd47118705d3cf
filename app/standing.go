package app

import (
	"sync"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine"
)

// standing is how a watch stands, and since when.
type standing struct {
	now func() time.Time

	mu     sync.Mutex
	status engine.WatchStatus
}

// newStanding is that of a watch that begins.
func newStanding(now func() time.Time) *standing {
	return &standing{now: now, status: engine.WatchStatus{State: engine.WatchBegins, Since: now().UTC()}}
}

func (s *standing) get() engine.WatchStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// turn notes how the watch stands now, and gives how it stood before.
func (s *standing) turn(state engine.WatchState, err error) (before engine.WatchStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before = s.status
	if before.State != state {
		s.status.Since = s.now().UTC()
	}
	s.status.State, s.status.Reason, s.status.Hint = state, "", ""
	if err != nil {
		s.status.Reason, s.status.Hint = err.Error(), fault.HintOf(err)
	}
	return before
}
