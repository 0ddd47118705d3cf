package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/providers"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui"
)

// overlap is how much of the time before the last run that came by itself counts as not seen
// to: what was waiting then was lost.
const overlap = 5 * time.Minute

// doorman has a run of one person begin soon after that person signed in to a target.
type doorman struct {
	target, url string
	every       time.Duration
	watch       *openwebui.SignIns
	ask         func(run.Request) error
	// alone gives why the target is not to be asked at present, or nothing.
	alone func() error
	log   *slog.Logger

	// waiting are accounts for which there was no place in the queue; only run uses it.
	waiting []string

	standing *standing
}

// run looks until ctx ends. A target that fails is asked less and less often.
func (w *doorman) run(ctx context.Context) {
	wait, retry := time.Duration(0), w.every
	for sleep(ctx, wait) {
		if w.alone() != nil {
			wait = w.every
			continue
		}
		err := w.round(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			wait, retry = w.every, w.every
			continue
		default:
			wait = max(retry, fault.AfterOf(err))
			retry = max(min(2*retry, longestRetry), w.every)
		}
		w.became(ctx, engine.WatchLost, err)
	}
}

// round looks once. The error is about the look; that sessions could not be read is only
// noted, because activity tells the most.
func (w *doorman) round(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fault.Errorf(fault.Unavailable, "look for sign-ins", "target "+w.target, "the look failed unexpectedly: %v\n%s", r, debug.Stack())
		}
	}()
	found, err := w.watch.Look(ctx)
	if err != nil {
		return err
	}
	again, unread := w.watch.Check(ctx)
	if ctx.Err() == nil {
		w.became(ctx, engine.WatchWorks, unread)
	}
	for _, n := range append(found, again...) {
		w.log.LogAttrs(ctx, slog.LevelDebug, "sign-in noticed", slog.String("account", n.Account), slog.String(logging.KeyReason, string(n.Why)))
		if !slices.Contains(w.waiting, n.Account) {
			w.waiting = append(w.waiting, n.Account)
		}
	}
	w.pass()
	return nil
}

// pass hands on who was noticed. Those for whom there is no place stay for the next round.
func (w *doorman) pass() {
	for len(w.waiting) > 0 {
		err := w.ask(run.Request{Trigger: run.Watch, Mode: run.Apply, Target: w.target, Account: w.waiting[0]})
		if errors.Is(err, errBusy) {
			return
		}
		w.waiting = w.waiting[1:] // Any other refusal would be the same in the next round.
	}
	w.waiting = nil
}

// status gives how the watch stands.
func (w *doorman) status() *engine.WatchStatus {
	s := w.standing.get()
	if err := w.alone(); err != nil {
		s.State, s.Reason, s.Hint = engine.WatchLost, err.Error(), fault.HintOf(err)
	}
	return &s
}

// became notes how the watch stands and says so when that is new.
func (w *doorman) became(ctx context.Context, state engine.WatchState, err error) {
	before := w.standing.turn(state, err)
	if before.State == state && (before.Reason == "") == (err == nil) {
		return
	}
	switch {
	case state == engine.WatchWorks && err == nil:
		w.log.LogAttrs(ctx, slog.LevelInfo, "sign-ins are noticed", slog.Duration("every", w.every))
	case state == engine.WatchWorks:
		w.log.LogAttrs(ctx, slog.LevelWarn, "stored sessions cannot be read; who signs in anew while being active is not noticed until they can",
			slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, fault.HintOf(err)))
	default:
		w.log.LogAttrs(ctx, slog.LevelWarn, "sign-ins are not noticed until the target can be asked again; schedules go on",
			slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, fault.HintOf(err)))
	}
}

// doors are the watches of sign-ins of one configuration.
type doors struct {
	stop context.CancelFunc
	ends sync.WaitGroup
	// by is the watch of each target, by its name.
	by map[string]*doorman
}

// watchesDoor reports whether sign-ins to a target are to be noticed, and anything could follow.
func watchesDoor(cfg *config.Config, t *config.Target) bool {
	return t.Watch != 0 && cmp.Or(t.Mode, cfg.Mode) != "plan" && len(cfg.Specs(t.Name)) > 0
}

// hireDoormen makes the watches of the configuration in force. A target that was looked at
// before goes on from there; of the others it takes down now which accounts are known.
func (a *App) hireDoormen(d *daemon, before map[string]*doorman) map[string]*doorman {
	a.mu.Lock()
	p := a.parts
	a.mu.Unlock()
	since := a.lastAtWork()
	by := map[string]*doorman{}
	for _, t := range p.cfg.Targets {
		if !watchesDoor(p.cfg, t) {
			continue
		}
		w := &doorman{target: t.Name, url: t.URL, every: t.Watch.Std(), log: a.log.With(slog.String(logging.KeyTarget, t.Name)), standing: newStanding(a.now)}
		w.alone = func() error { return a.engine.LeftAlone(t.Name) }
		w.ask = func(req run.Request) error {
			_, err := d.people.ask(req)
			return err
		}
		o := openwebui.SignInOptions{Every: w.every, Self: a.engine.Self(t.Name), Ignore: t.Ignore, Sessions: readBySource(p.cfg, t.Name), Since: since}
		if was := before[t.Name]; was != nil && was.url == t.URL {
			o.Before, w.waiting = was.watch, was.waiting
		} else {
			o.Known = a.engine.Known(t.Name)
		}
		w.watch = p.clients[t.Name].SignIns(o)
		by[t.Name] = w
	}
	return by
}

// openDoors looks for sign-ins until the daemon ends or closeDoors is called.
func (a *App) openDoors(d *daemon, by map[string]*doorman) {
	ctx, stop := context.WithCancel(d.ctx)
	next := &doors{stop: stop, by: by}
	for _, w := range by {
		next.ends.Go(func() { w.run(ctx) })
	}
	a.mu.Lock()
	d.doors = next
	a.mu.Unlock()
}

// readBySource reports whether a source reads what a target keeps of sign-ins.
func readBySource(cfg *config.Config, target string) bool {
	return slices.ContainsFunc(cfg.Sources, func(s *config.Source) bool {
		reader, ok := s.Config.(providers.TargetReader)
		return ok && reader.ReadsTarget() == target
	})
}

// lastAtWork gives a time up to which sign-ins were seen to: a while before the newest run
// that a daemon made by itself. Zero: there is none.
func (a *App) lastAtWork() time.Time {
	history, err := a.engine.History(100)
	if err != nil {
		return time.Time{} // The same error ends the next run, which says so.
	}
	for i := range history {
		if history[i].Trigger != run.Manual {
			return history[i].Started.Add(-overlap)
		}
	}
	return time.Time{}
}

// closeDoors ends the watches, and gives them. It waits for a look under way, which ends
// with its context.
func (a *App) closeDoors(d *daemon) map[string]*doorman {
	a.mu.Lock()
	was := d.doors
	d.doors = nil
	a.mu.Unlock()
	if was == nil {
		return nil
	}
	was.stop()
	was.ends.Wait()
	return was.by
}

// lockDoors ends the watches when the daemon stops.
func (a *App) lockDoors(ctx context.Context, d *daemon) error {
	return within(ctx, "a look for sign-ins has not ended", func() { a.closeDoors(d) })
}
