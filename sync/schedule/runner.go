package schedule

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"groupsyncd/internal/fault"
)

const (
	// longestSleep bounds how late a suspended machine or a clock that was set is
	// noticed: timers stand still in suspend and do not see the clock change.
	longestSleep = 30 * time.Second
	// clockStep is how far the clock must have gone back to count as set; less is
	// the ordinary work of time synchronisation.
	clockStep = time.Minute
)

// Fire does what is due. due is the time at which it should have started, before
// jitter; ctx ends when the runner is stopped. It runs on a goroutine of its own,
// and never twice at once for one name.
type Fire func(ctx context.Context, due time.Time)

// Entry is one thing to be started again and again.
type Entry struct {
	Name     string
	Schedule Schedule
	// Last is when it was started last, by any cause; zero: never, so it is due now.
	// A time in the future comes from a wrong clock and counts as zero.
	Last time.Time
	// Jitter is the most by which its times are shifted, so that not all instances
	// come at the full hour. The shift of a name is always the same.
	Jitter time.Duration
	Fire   Fire
}

// Options are what a Runner needs.
type Options struct {
	Logger *slog.Logger
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
	// Seed is a text that differs between instances, for the jitter.
	Seed string
}

// Runner starts what is due. All methods may be called at any time by several
// goroutines; nothing is started outside Run.
type Runner struct {
	logger *slog.Logger
	clock  func() time.Time
	seed   string
	wake   chan struct{}
	// ping is received from by the loop as a sign of life.
	ping  chan struct{}
	fires sync.WaitGroup

	mu     sync.Mutex
	items  map[string]*item
	looked time.Time // When the loop looked at the clock last.
}

// item is what the runner knows of one name. Either half may be missing: names with
// a schedule need no one-off, and one-offs need no schedule.
type item struct {
	entry Entry
	// due is the nominal time of the next start and at the time with the shift; both
	// are zero when there is none.
	due, at time.Time
	once    *oneOff
	running bool
	skipped int
}

// oneOff is a single start beside the schedule.
type oneOff struct {
	at   time.Time
	fire Fire
}

// New makes a runner without entries.
func New(o Options) (*Runner, error) {
	if o.Logger == nil {
		return nil, fault.Errorf(fault.Invalid, "make a schedule runner", "", "the logger is missing")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Runner{logger: o.Logger, clock: o.Now, seed: o.Seed, wake: make(chan struct{}, 1), ping: make(chan struct{}), items: make(map[string]*item)}, nil
}

// now gives the wall clock alone: without the monotonic reading, which stands still
// while the machine is suspended, comparisons see the time that really passed.
func (r *Runner) now() time.Time { return r.clock().Round(0) }

// Add puts one entry in, or replaces the one of that name as Replace does.
func (r *Runner) Add(name string, s Schedule, last time.Time, jitter time.Duration, fire Fire) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(Entry{Name: name, Schedule: s, Last: last, Jitter: jitter, Fire: fire})
	r.nudge()
}

// Replace makes the entries the whole set. An entry whose schedule is the same keeps
// its next time, so that a reload neither delays nor repeats anything; a new schedule
// counts from the last start. A removed name loses its one-off start too; what is
// running goes on.
func (r *Runner) Replace(set []Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	keep := make(map[string]bool, len(set))
	for _, e := range set {
		keep[e.Name] = true
		r.put(e)
	}
	for name, it := range r.items {
		if keep[name] || it.entry.Fire == nil {
			continue
		}
		if it.running {
			it.entry, it.due, it.at, it.once = Entry{Name: name}, time.Time{}, time.Time{}, nil
			continue
		}
		delete(r.items, name)
	}
	r.nudge()
}

// At asks for one start at t beside the schedule of that name, if it has one. Of
// several requests the earliest wins. It waits for a start of the same name that is
// running, and is forgotten when the process ends.
func (r *Runner) At(name string, t time.Time, fire Fire) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t = t.Round(0)
	it := r.item(name)
	if it.once == nil || t.Before(it.once.at) {
		it.once = &oneOff{at: t, fire: fire}
		r.nudge()
	}
}

// Next gives the time of the next start of that name, or zero when there is none.
func (r *Runner) Next(name string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	it, ok := r.items[name]
	switch {
	case !ok:
		return time.Time{}
	case it.once != nil && (it.at.IsZero() || it.once.at.Before(it.at)):
		return it.once.at
	}
	return it.at
}

// Skipped counts the times of that name that passed while it was still running.
func (r *Runner) Skipped(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if it, ok := r.items[name]; ok {
		return it.skipped
	}
	return 0
}

// Answer waits for a sign of life of the loop in Run, at most until ctx ends. What it
// has started may take as long as it likes.
func (r *Runner) Answer(ctx context.Context) error {
	select {
	case r.ping <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run starts what is due until ctx ends, and then waits for what it started. It is
// called once.
func (r *Runner) Run(ctx context.Context) {
	defer r.fires.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.wake:
		case <-r.ping:
			continue
		}
		timer.Reset(r.look(ctx))
	}
}

// item gives what is known of a name, new where it is nothing.
func (r *Runner) item(name string) *item {
	it, ok := r.items[name]
	if !ok {
		it = &item{entry: Entry{Name: name}}
		r.items[name] = it
	}
	return it
}

// put takes over one entry.
func (r *Runner) put(e Entry) {
	now := r.now()
	e.Last = e.Last.Round(0)
	it := r.item(e.Name)
	old := it.entry
	if old.Last.After(e.Last) {
		e.Last = old.Last
	}
	if e.Last.After(now) {
		e.Last = time.Time{}
	}
	it.entry = e
	if old.Fire != nil && old.Schedule.Equal(e.Schedule) && old.Jitter == e.Jitter {
		return
	}
	switch due := e.Schedule.Next(e.Last); {
	case e.Schedule.IsZero():
		it.due, it.at = time.Time{}, time.Time{}
	case e.Last.IsZero():
		it.due, it.at = now, now
	case !due.After(now):
		it.due, it.at = due, now
	default:
		r.set(it, due)
	}
}

// nudge makes the loop look again. One waiting nudge is enough.
func (r *Runner) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
