package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	"groupsyncd/directory"
	"groupsyncd/internal/logging"
	"groupsyncd/providers"
	"groupsyncd/sync/replica"
)

const (
	// maxLeavers is how many people are asked after. When more leave at once, that is no
	// somebody who moves, and the guard counts them.
	maxLeavers = 100
	// askers is how many are asked after at a time.
	askers = 4
)

// askAfter looks up those who left a group of a source that reads one group after the other:
// whoever moved from one to another meanwhile may be in neither, and would lose what both give.
// What a look-up shows is newer than the read, so it counts. A group of which somebody cannot
// be looked up is not covered; the error says why.
func (e *Engine) askAfter(ctx context.Context, src *Source, s *directory.Snapshot, log *slog.Logger) ([]*directory.Snapshot, error) {
	able, can := src.Provider.(providers.LookUp)
	if !can || !src.Walks {
		return nil, nil
	}
	leavers := e.replica(src.ID).Leavers(s)
	if len(leavers) == 0 {
		return nil, nil
	}
	if len(leavers) > maxLeavers {
		log.LogAttrs(ctx, slog.LevelInfo, "too many people left a group to look all of them up", slog.Int(logging.KeyCount, len(leavers)))
		return nil, nil
	}
	var (
		mu     sync.Mutex
		found  []*directory.Snapshot
		failed error
		g      errgroup.Group
	)
	g.SetLimit(askers)
	for _, l := range leavers {
		g.Go(func() error {
			one, err := safely(func() (*directory.Snapshot, error) { return able.LookUp(ctx, directory.Person{ID: l.ID}) })
			mu.Lock()
			defer mu.Unlock()
			s.Requests += one.Requests
			switch {
			case err == nil && !one.AsOf.Before(s.AsOf):
				found = append(found, one)
			case err != nil: // Nobody would be no error: a 404 is about a group, a client or a proxy.
				failed = doubt(s, &l, errors.Join(failed, err))
			}
			return nil
		})
	}
	_ = g.Wait() // Whatever failed is in failed.
	return found, failed
}

// doubt takes back what a read claims of the groups that somebody left, as far as it shows.
func doubt(s *directory.Snapshot, l *replica.Leaver, err error) error {
	for _, at := range l.Groups {
		s.Groups[at].MembersKnown = false
	}
	if s.Reason == "" {
		s.Reason = "whether somebody left a group could not be confirmed: " + err.Error()
	}
	return err
}
