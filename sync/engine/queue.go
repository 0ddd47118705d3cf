package engine

import (
	"context"
	"errors"
	"sync"

	"groupsyncd/sync/run"
)

// queue lets one full run, and beside it one run of a person, go on at a time. Equal
// requests that still wait become one.
type queue struct {
	mu      sync.Mutex
	waiting map[run.Request]*ticket
	full    lane
	person  lane
}

// lane is a lock that can be waited for with a context.
type lane struct {
	once sync.Once
	ch   chan struct{}
}

type ticket struct {
	done   chan struct{}
	report *run.Report
	err    error
}

func (l *lane) enter(ctx context.Context) error {
	l.once.Do(func() { l.ch = make(chan struct{}, 1) })
	select {
	case l.ch <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *lane) leave() { <-l.ch }

// do runs work for a request, or joins an equal request that has not begun.
func (q *queue) do(ctx context.Context, req run.Request, work func(context.Context) (*run.Report, error)) (*run.Report, error) {
	for {
		q.mu.Lock()
		if q.waiting == nil {
			q.waiting = map[run.Request]*ticket{}
		}
		if t := q.waiting[req]; t != nil {
			q.mu.Unlock()
			select {
			case <-t.done:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			// The one that was joined gave up; this one still wants the run.
			if errors.Is(t.err, context.Canceled) && ctx.Err() == nil {
				continue
			}
			return t.report, t.err
		}
		t := &ticket{done: make(chan struct{})}
		q.waiting[req] = t
		q.mu.Unlock()
		t.report, t.err = q.turn(ctx, req, work)
		close(t.done)
		return t.report, t.err
	}
}

func (q *queue) turn(ctx context.Context, req run.Request, work func(context.Context) (*run.Report, error)) (*run.Report, error) {
	l := &q.full
	if req.User != "" {
		l = &q.person
	}
	err := l.enter(ctx)
	q.mu.Lock()
	delete(q.waiting, req)
	q.mu.Unlock()
	if err != nil {
		return nil, err
	}
	defer l.leave()
	return work(ctx)
}

// Quiet calls f while no run is going on.
func (e *Engine) Quiet(ctx context.Context, f func() error) error {
	if err := e.queue.full.enter(ctx); err != nil {
		return err
	}
	defer e.queue.full.leave()
	if err := e.queue.person.enter(ctx); err != nil {
		return err
	}
	defer e.queue.person.leave()
	return f()
}
