package app

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/providers"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// How sources are watched. A watch proves nothing and can be dead without a word, so the
// schedules go on beside it as if there were none.
const (
	// settle is how long changes are collected before the source is read.
	settle = 200 * time.Millisecond
	// Between two reads at least leastPause passes, twice as much after each read that led to
	// nothing, and at most mostPause.
	leastPause = time.Second
	mostPause  = 30 * time.Second
	// A watch that was lost begins anew after growing waits; one that the server refuses,
	// and one that it does not offer, is tried again rarely.
	firstRetry   = time.Second
	longestRetry = 5 * time.Minute
	refusedRetry = 15 * time.Minute
	noWatchRetry = time.Hour
	// steady is how long a watch must last to count as one.
	steady = 10 * time.Second
)

// follower has a source read soon after something changed in it.
type follower struct {
	watcher providers.Watcher
	// read reads the source; it reports whether that led to anything.
	read func() bool
	// look has single people looked at soon; nil: the source is read in place of it.
	look func([]directory.Person)
	log  *slog.Logger

	standing *standing
}

func newFollower(w providers.Watcher, log *slog.Logger, now func() time.Time, read func() bool) *follower {
	return &follower{watcher: w, read: read, log: log, standing: newStanding(now)}
}

// status gives how the watch stands.
func (f *follower) status() *engine.WatchStatus {
	s := f.standing.get()
	return &s
}

// run watches until ctx ends. A read under way is waited for.
func (f *follower) run(ctx context.Context) {
	changed := make(chan struct{}, 1)
	var reading sync.WaitGroup
	reading.Go(func() { f.follow(ctx, changed) })
	defer reading.Wait()
	f.watch(ctx, func(people ...directory.Person) {
		if len(people) > 0 && f.look != nil {
			f.look(people)
			return
		}
		select {
		case changed <- struct{}{}:
		default: // A read that has not begun will see this change too.
		}
	})
}

// follow reads after changes, one read at a time.
func (f *follower) follow(ctx context.Context, changed <-chan struct{}) {
	pause := time.Duration(0)
	for {
		rested := time.After(pause)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		if !sleep(ctx, settle) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-rested:
		}
		select {
		case <-changed:
		default:
		}
		if f.read() {
			pause = leastPause
		} else {
			pause = min(max(2*pause, leastPause), mostPause)
		}
	}
}

// watch keeps a watch going.
func (f *follower) watch(ctx context.Context, changed providers.Changed) {
	retry := firstRetry
	for ctx.Err() == nil {
		lasted, err := f.hold(ctx, changed)
		if ctx.Err() != nil {
			return
		}
		if lasted {
			retry = firstRetry
		}
		wait := retry
		switch {
		case errors.Is(err, providers.ErrNoWatch):
			wait = noWatchRetry
			f.became(ctx, engine.WatchNone, err)
		case fault.KindOf(err) == fault.Auth:
			// Each further try may lock the account.
			wait = refusedRetry
			f.became(ctx, engine.WatchLost, err)
		default:
			retry = min(2*retry, longestRetry)
			f.became(ctx, engine.WatchLost, err)
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// hold watches once, and reports whether that lasted. One that does counts as a watch, and
// what happened since the last one is caught up with.
func (f *follower) hold(ctx context.Context, changed providers.Changed) (lasted bool, err error) {
	var once sync.Once
	works := func() {
		once.Do(func() {
			if f.became(ctx, engine.WatchWorks, nil) {
				changed()
			}
		})
	}
	timer := time.AfterFunc(steady, works)
	began := time.Now()
	defer func() {
		timer.Stop()
		once.Do(func() {}) // The timer may be at it just now.
		if r := recover(); r != nil {
			err = fault.Errorf(fault.Unavailable, "watch the source", "", "the watch failed unexpectedly: %v\n%s", r, debug.Stack())
		}
		if err == nil {
			err = errors.New("the server ended the watch")
		}
		lasted = time.Since(began) >= steady
	}()
	return false, f.watcher.Watch(ctx, func(people ...directory.Person) {
		works()
		changed(people...)
	})
}

// became notes how the watch stands and says so when that is new. It reports whether a watch
// works again that did not.
func (f *follower) became(ctx context.Context, state engine.WatchState, err error) bool {
	before := f.standing.turn(state, err).State
	if before == state {
		return false
	}
	switch state {
	case engine.WatchWorks:
		f.log.LogAttrs(ctx, slog.LevelInfo, "source is watched for changes")
	case engine.WatchNone:
		f.log.LogAttrs(ctx, slog.LevelInfo, "source is not watched, it is read by its schedule", slog.String(logging.KeyReason, err.Error()))
	default:
		f.log.LogAttrs(ctx, slog.LevelWarn, "source is not watched for changes until the server can be reached again; it is read by its schedule",
			slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, fault.HintOf(err)))
	}
	return state == engine.WatchWorks && before != engine.WatchBegins
}

// sleep waits, and reports whether ctx lasted as long.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// following are the watches of one configuration.
type following struct {
	stop context.CancelFunc
	ends sync.WaitGroup
	// by is the follower of each source that is watched, by its name.
	by map[string]*follower
}

// startFollowing watches every source of the configuration in force that can be watched and
// may be, until the daemon or the configuration ends. Runs that it starts end with the
// daemon only.
func (a *App) startFollowing(d *daemon) {
	ctx, stop := context.WithCancel(d.ctx)
	f := &following{stop: stop, by: map[string]*follower{}}
	a.mu.Lock()
	sources := a.parts.setup.Sources
	a.mu.Unlock()
	for i := range sources {
		src := &sources[i]
		w, able := src.Provider.(providers.Watcher)
		if !able || !src.Changes && !src.Push {
			continue
		}
		trigger := run.Watch
		if src.Push {
			trigger = run.Push
		}
		log := a.log.With(slog.String(logging.KeySource, src.Name))
		one := newFollower(w, log, a.now, func() bool {
			return ctx.Err() == nil && led(a.quiet(d.ctx, run.Request{Trigger: trigger, Mode: run.Apply, Source: src.Name}))
		})
		one.look = func(list []directory.Person) { a.lookAt(ctx, d, src.Name, trigger, list) }
		f.by[src.Name] = one
		f.ends.Go(func() { one.run(ctx) })
	}
	a.mu.Lock()
	d.following = f
	a.mu.Unlock()
}

// lookAt has people of a source looked at soon; too many, and it is read in place of that.
func (a *App) lookAt(ctx context.Context, d *daemon, source string, trigger run.Trigger, list []directory.Person) {
	req := run.Request{Trigger: trigger, Mode: run.Apply, Source: source}
	if len(list) > maxHints {
		list = nil
		if _, err := d.people.askAll(req); err != nil {
			a.log.LogAttrs(ctx, slog.LevelInfo, "a read is left to the schedule", slog.String(logging.KeySource, source), slog.String(logging.KeyReason, err.Error()))
		}
	}
	for _, who := range list {
		req.User = nameOf(who)
		if _, err := d.people.ask(req); err != nil {
			a.log.LogAttrs(ctx, slog.LevelInfo, "people who changed are left to the schedule", slog.String(logging.KeySource, source), slog.String(logging.KeyReason, err.Error()))
			return
		}
	}
}

// led reports whether a run led to anything.
func led(r *run.Report) bool {
	if r == nil {
		return false
	}
	for i := range r.Targets {
		if len(r.Targets[i].Changes) > 0 {
			return true
		}
	}
	return false
}

// stopFollowing ends the watches; a run that one of them started goes on, and is waited for
// with the old sources.
func (a *App) stopFollowing(d *daemon) {
	a.mu.Lock()
	f := d.following
	d.following = nil
	a.mu.Unlock()
	if f != nil {
		f.stop()
		d.closing.Go(f.ends.Wait)
	}
}

// endFollowing ends the watches when the daemon stops.
func (a *App) endFollowing(ctx context.Context, d *daemon) error {
	a.stopFollowing(d)
	return within(ctx, "a watch has not ended", d.closing.Wait)
}
