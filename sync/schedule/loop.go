package schedule

import (
	"context"
	"hash/fnv"
	"runtime/debug"
	"time"

	"groupsyncd/internal/logging"
)

// look starts what is due and says how long nothing will be. A ctx that has ended
// starts nothing.
func (r *Runner) look(ctx context.Context) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if now.Add(clockStep).Before(r.looked) {
		r.logger.Warn("the clock went back, schedules are counted anew", "by", r.looked.Sub(now))
		for _, it := range r.items {
			r.recount(it, now)
		}
	}
	r.looked = now
	sleep := longestSleep
	for _, it := range r.items {
		if ctx.Err() != nil {
			break
		}
		r.start(ctx, it, now)
		for _, t := range it.times() {
			sleep = min(sleep, max(0, t.Sub(now)))
		}
	}
	return sleep
}

// times lists the future starts that the loop has to wake up for. A one-off that
// waits for its own name is woken by the end of that.
func (it *item) times() []time.Time {
	var list []time.Time
	if !it.at.IsZero() {
		list = append(list, it.at)
	}
	if it.once != nil && !it.running {
		list = append(list, it.once.at)
	}
	return list
}

// start starts one name if it is due. The times of its schedule that have passed
// count as one.
func (r *Runner) start(ctx context.Context, it *item, now time.Time) {
	if !it.at.IsZero() && !it.at.After(now) {
		due, fire := it.due, it.entry.Fire
		r.advance(it, now)
		if it.running {
			it.skipped++
			r.logger.Warn("a scheduled run is skipped, because the one before has not ended", "schedule", it.entry.Name, logging.KeyCount, it.skipped)
		} else {
			it.entry.Last = now
			r.launch(ctx, it, due, fire)
		}
	}
	if it.once != nil && !it.running && !it.once.at.After(now) {
		once := *it.once
		it.once = nil
		r.launch(ctx, it, once.at, once.fire)
	}
}

// launch runs fire on its own goroutine, where a panic ends that run and nothing else.
func (r *Runner) launch(ctx context.Context, it *item, due time.Time, fire Fire) {
	name := it.entry.Name
	it.running = true
	r.fires.Go(func() {
		defer r.finished(it)
		defer func() {
			if p := recover(); p != nil {
				r.logger.Error("a scheduled run panicked", "schedule", name, logging.KeyErr, p, "stack", string(debug.Stack()))
			}
		}()
		fire(ctx, due)
	})
}

func (r *Runner) finished(it *item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	it.running = false
	if it.entry.Fire == nil && it.once == nil {
		delete(r.items, it.entry.Name)
	}
	r.nudge()
}

// advance gives a name its next time. What was missed on the way stays missed.
func (r *Runner) advance(it *item, now time.Time) {
	r.set(it, it.entry.Schedule.Next(it.due))
	if !it.at.IsZero() && !it.at.After(now) {
		r.recount(it, now)
	}
}

// recount plans from now on, as if the last time had just been.
func (r *Runner) recount(it *item, now time.Time) {
	if !it.entry.Schedule.IsZero() {
		r.set(it, it.entry.Schedule.Next(now.Add(-r.shift(it.entry))))
	}
}

func (r *Runner) set(it *item, due time.Time) {
	it.due, it.at = due, time.Time{}
	if !due.IsZero() {
		it.at = due.Add(r.shift(it.entry))
	}
}

// shift is the jitter of a name: the same after every start, and at most half an
// interval, so that times never change their order.
func (r *Runner) shift(e Entry) time.Duration {
	most := min(e.Jitter, e.Schedule.Interval()/2)
	if most <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(r.seed + "\x00" + e.Name))
	return time.Duration(h.Sum64() % uint64(most)).Truncate(time.Second)
}
