package engine

import (
	"context"
	"errors"
	"sync"

	"groupsyncd/directory"
	"groupsyncd/sync/run"
)

// queue lets one full run go on at a time, and beside it some runs of one person, never two
// of the same. Equal requests that still wait become one.
//
// That several go on at once is safe because nothing that matters depends on who comes
// first: replicas change under one lock, by evidence and not by order; each look, plan and
// call is made under the lock of its target, and judged once more by what is there then;
// and a plan that is older than the last look at somebody leaves that person alone.
type queue struct {
	mu      sync.Mutex
	waiting map[run.Request]*ticket
	// busy are the people whom runs are about that go on, or are next in their lane.
	busy   map[string]chan struct{}
	full   lane
	person lane
}

// people is how many runs of one person go on at once: waiting for servers is most of what
// they do, and some of it is waiting for directories that are slow.
const people = 4

// lane is a lock with one or several places that can be waited for with a context.
type lane struct {
	once   sync.Once
	ch     chan struct{}
	places int
}

type ticket struct {
	done   chan struct{}
	report *run.Report
	err    error
}

func (l *lane) enter(ctx context.Context) error {
	l.once.Do(func() { l.ch = make(chan struct{}, max(l.places, 1)) })
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
	leave, err := q.enter(ctx, req)
	q.mu.Lock()
	delete(q.waiting, req)
	q.mu.Unlock()
	if err != nil {
		return nil, err
	}
	defer leave()
	return work(ctx)
}

// enter waits for the turn of a request.
func (q *queue) enter(ctx context.Context, req run.Request) (leave func(), err error) {
	if !req.Single() {
		return q.full.leave, q.full.enter(ctx)
	}
	whom := "account " + req.Target + " " + req.Account
	if req.Account == "" {
		whom = "person " + directory.FoldEmail(req.User)
	}
	if err := q.reserve(ctx, whom); err != nil {
		return nil, err
	}
	if err := q.person.enter(ctx); err != nil {
		q.release(whom)
		return nil, err
	}
	return func() {
		q.person.leave()
		q.release(whom)
	}, nil
}

// reserve waits until no run is about a person, and begins to be one.
func (q *queue) reserve(ctx context.Context, whom string) error {
	for {
		q.mu.Lock()
		if q.busy == nil {
			q.busy = map[string]chan struct{}{}
		}
		before, taken := q.busy[whom]
		if !taken {
			q.busy[whom] = make(chan struct{})
		}
		q.mu.Unlock()
		if !taken {
			return nil
		}
		select {
		case <-before:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (q *queue) release(whom string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.busy[whom])
	delete(q.busy, whom)
}

// alone begins a run of everything that no other request can join. What cannot be vouched for
// in the audit is not begun.
func (e *Engine) alone(ctx context.Context) (end func(), err error) {
	if _, err := e.audit.Head(); err != nil {
		return nil, err
	}
	if err := e.queue.full.enter(ctx); err != nil {
		return nil, err
	}
	return e.queue.full.leave, nil
}

// Quiet calls f while no run is going on.
func (e *Engine) Quiet(ctx context.Context, f func() error) error {
	if err := e.queue.full.enter(ctx); err != nil {
		return err
	}
	defer e.queue.full.leave()
	taken := 0
	defer func() {
		for range taken {
			e.queue.person.leave()
		}
	}()
	// Nobody else takes several places, so that no two wait for each other.
	for taken < people {
		if err := e.queue.person.enter(ctx); err != nil {
			return err
		}
		taken++
	}
	return f()
}
