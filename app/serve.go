package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/internal/sdnotify"
	"groupsyncd/server"
	"groupsyncd/state"
	"groupsyncd/sync/run"
	"groupsyncd/sync/schedule"
)

// daemon is what only Serve has.
type daemon struct {
	ctx      context.Context
	started  time.Time
	schedule *schedule.Runner
	reload   chan chan error
	// due are the ids of runs that begin soon, by the names of their schedules; App.mu guards it.
	due map[string]string
	// closing are old sources that are closed behind runs that still use them.
	closing sync.WaitGroup
	// following are the watches of sources; App.mu guards it.
	following *following
	// doors are the watches of sign-ins; App.mu guards it.
	doors *doors
	front *front
	// people are those whose runs begin soon, public where webhooks ask for them.
	people *people
	public *publicFront
	// ping is received from by the loop as a sign of life; ran is closed when the
	// schedules have ended.
	ping, ran chan struct{}
	// loaded is when the configuration in force was loaded, and refused says that a
	// newer one was not; lastRun is what systemd was told of the last run. App.mu guards
	// all three.
	loaded  time.Time
	refused bool
	lastRun string
}

// confirmName is the schedule of confirming reads; no source can have a name with a space.
const confirmName = "confirming read"

const (
	stopTimeout = 30 * time.Second
	maxJitter   = 30 * time.Second
	// confirmPause is the least time between a run and a confirming read that it asks for.
	confirmPause = 10 * time.Second
)

// Serve runs the daemon until ctx ends: the control socket, the schedules, and reloads
// asked for by hup or through the socket. It returns when everything has stopped.
func (a *App) Serve(ctx context.Context, hup <-chan struct{}) (err error) {
	life := NewLifecycle(a.log, stopTimeout)
	defer func() { err = errors.Join(err, life.Stop()) }()
	enough := func() {}
	life.Add("time to stop", func(context.Context) error { enough(); return nil })
	runner, err := schedule.New(schedule.Options{Logger: a.log, Now: a.now, Seed: a.db.Instance()})
	if err != nil {
		return err
	}
	a.startAudit(life)
	if err := a.startNotices(life); err != nil {
		return err
	}
	d := &daemon{ctx: ctx, started: a.now().UTC(), schedule: runner, reload: make(chan chan error), due: map[string]string{}, ping: make(chan struct{}), ran: make(chan struct{})}
	d.loaded = d.started
	entries, err := a.entries(a.parts.cfg)
	if err != nil {
		return err
	}
	listener, err := server.Listen(ctx, string(a.parts.cfg.State))
	if err != nil {
		return fault.New(fault.Damaged, "open the control socket", "", err, "")
	}
	web := server.NewServer(ctx, server.Control(a, a.log, server.Caller), a.log)
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	life.Add("control socket", func(ctx context.Context) error {
		err := web.Shutdown(ctx)
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	})
	running, stopRunner := context.WithCancel(ctx)
	defer stopRunner()
	d.ctx = running
	if err := a.openFront(ctx, d); err != nil {
		return err
	}
	life.Add("admin listener", d.front.stop)
	d.people = newPeople(running, peopleOptions{run: a.seeTo, log: a.log, now: a.now, newID: newID,
		ended: func(req run.Request, took time.Duration, _ *run.Report, err error) { d.front.admin.Saw(req, took, err) }})
	life.Add("runs of single people", d.people.stop)
	door, err := a.bindPublic(ctx, d)
	if err != nil {
		return err
	}
	life.Add("address of the public listener", func(context.Context) error { return door.cancel() })
	a.setDaemon(d)
	life.Add("daemon", func(context.Context) error { a.setDaemon(nil); return nil })
	life.Add("old sources", func(context.Context) error { d.closing.Wait(); return nil })
	doormen := a.hireDoormen(d, nil) // Before any run learns more.
	changed := a.looksChanged(ctx)   // Before schedules begin.
	runner.Replace(entries)
	go func() { defer close(d.ran); runner.Run(running) }()
	life.Add("schedules", func(ctx context.Context) error {
		stopRunner()
		select {
		case <-d.ran:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("runs are still going on: %w", ctx.Err())
		}
	})
	a.startCare(d)
	if err := a.resume(ctx); err != nil {
		return err
	}
	a.carryOutPublic(ctx, d, door)
	life.Add("public listener", d.public.stop)
	life.Add("watch for what does not run", a.watch(running))
	a.startFollowing(d)
	life.Add("watches of sources", func(ctx context.Context) error { return a.endFollowing(ctx, d) })
	a.openDoors(d, doormen)
	life.Add("watches of sign-ins", func(ctx context.Context) error { return a.lockDoors(ctx, d) })
	life.Add("watchdog", a.watchdog(running))
	a.ready(ctx)
	if changed {
		a.soon(run.Request{Trigger: run.Reload, Mode: run.Apply})
	}
	a.loop(ctx, d, hup)
	enough = a.stopping(ctx)
	return nil
}

// resume starts a run where the last one was cut off by a crash: what became of its calls
// need not stay unknown until the next schedule.
func (a *App) resume(ctx context.Context) error {
	for _, t := range a.parts.cfg.Targets {
		open, err := a.db.Open(t.Name)
		if err != nil {
			return err
		}
		if len(open) > 0 {
			a.log.LogAttrs(ctx, slog.LevelInfo, "calls of an interrupted run are open", slog.String(logging.KeyTarget, t.Name), slog.Int(logging.KeyCount, len(open)))
			a.soon(run.Request{Trigger: run.Schedule, Mode: run.Apply, Target: t.Name})
		}
	}
	return nil
}

func (a *App) ready(ctx context.Context) {
	a.tell(ctx, "")
	a.told(ctx, sdnotify.Ready())
	a.log.LogAttrs(ctx, slog.LevelInfo, "ready", slog.Int("sources", len(a.parts.setup.Sources)), slog.Int("targets", len(a.parts.setup.Targets)),
		slog.Int("rules", len(a.parts.setup.Rules)))
}

// loop waits for the end and for reloads.
func (a *App) loop(ctx context.Context, d *daemon, hup <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			if err := d.meanwhile(func() error { return a.reload(ctx, d) }); err != nil {
				a.log.LogAttrs(ctx, slog.LevelError, "configuration not loaded; the old one stays in force", slog.String(logging.KeyErr, err.Error()))
			}
		case <-d.ping:
		case answer := <-d.reload:
			answer <- d.meanwhile(func() error { return a.reload(ctx, d) })
		}
	}
}

// meanwhile does something for the loop, which goes on giving signs of life: a reload waits
// for a look at Open WebUI that is under way, and for files.
func (d *daemon) meanwhile(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	for {
		select {
		case err := <-done:
			return err
		case <-d.ping:
		}
	}
}

func (a *App) setDaemon(d *daemon) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.daemon = d
}

// entries are the schedules of a configuration, each from its last start on.
func (a *App) entries(cfg *config.Config) ([]schedule.Entry, error) {
	loc, err := zone(cfg)
	if err != nil {
		return nil, err
	}
	known, err := a.db.Sources()
	if err != nil {
		return nil, err
	}
	var out []schedule.Entry
	for _, src := range cfg.Sources {
		s, err := schedule.Parse(src.Schedule, loc)
		if err != nil {
			return nil, fault.New(fault.Invalid, "schedule", "source "+src.Name, err, "")
		}
		var last time.Time
		if i := slices.IndexFunc(known, func(k state.SourceIdentity) bool { return k.Name == src.Name }); i >= 0 {
			last = known[i].LastStart
		}
		out = append(out, schedule.Entry{Name: src.Name, Schedule: s, Last: last, Jitter: min(s.Interval()/20, maxJitter),
			Fire: func(ctx context.Context, due time.Time) { a.scheduled(ctx, src.Name, due) }})
	}
	return out, nil
}

// scheduled is one scheduled run of a source.
func (a *App) scheduled(ctx context.Context, source string, _ time.Time) {
	if err := a.noteStart(source); err != nil {
		a.log.LogAttrs(ctx, slog.LevelError, "start of a scheduled run not kept", slog.String(logging.KeySource, source), slog.String(logging.KeyErr, err.Error()))
	}
	a.quiet(ctx, run.Request{Trigger: run.Schedule, Mode: run.Apply, Source: source})
}

func (a *App) noteStart(source string) error {
	known, err := a.db.Sources()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(known, func(k state.SourceIdentity) bool { return k.Name == source })
	if i < 0 {
		return nil
	}
	known[i].LastStart = a.now()
	return a.db.SaveSource(known[i])
}

// quiet carries out a run whose report nobody waits for; nil, when there is none.
func (a *App) quiet(ctx context.Context, req run.Request) *run.Report {
	report, err := a.perform(ctx, req)
	if err != nil && req.ID != "" {
		a.recent.keep(req.ID, report, err) // Whoever was told the id asks for it.
	}
	if err == nil && req.Trigger.Watched() && len(report.Targets) == 0 {
		return report // Nothing had changed.
	}
	// Minutes of idling follow a read that may have needed much more than what is kept.
	debug.FreeOSMemory()
	a.restSoon()
	switch {
	case err != nil && ctx.Err() == nil:
		a.log.LogAttrs(ctx, slog.LevelError, "run failed", slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, fault.HintOf(err)))
	case err == nil:
		a.afterRun(ctx, req)
		a.tell(ctx, fmt.Sprintf("last run %s ended with %d", report.Started.Format(time.TimeOnly), report.Exit))
	}
	return report
}

// confirm plans the read that would settle what is in doubt. A source that cannot be read
// keeps asking for it, so one that is due already waits a little.
func (a *App) confirm(at time.Time) {
	a.mu.Lock()
	d := a.daemon
	a.mu.Unlock()
	if d == nil {
		return
	}
	if soonest := a.now().Add(confirmPause); at.Before(soonest) {
		at = soonest
	}
	d.schedule.At(confirmName, at, func(ctx context.Context, _ time.Time) {
		a.quiet(ctx, run.Request{Trigger: run.Confirm, Mode: run.Apply, Quick: true})
	})
}

// soon starts a quick run in a daemon, and gives its id; a one-shot command has its own.
func (a *App) soon(req run.Request) string {
	req.Quick = true
	name := confirmName + " for " + req.Target + " " + req.Revert
	a.mu.Lock()
	d := a.daemon
	if d == nil {
		a.mu.Unlock()
		return ""
	}
	// Whatever else is decided before it begins is a part of the same run.
	id := d.due[name]
	if id == "" {
		id = newID()
		d.due[name] = id
	}
	a.mu.Unlock()
	d.schedule.At(name, a.now(), func(ctx context.Context, _ time.Time) {
		a.mu.Lock()
		req.ID = d.due[name]
		delete(d.due, name)
		a.mu.Unlock()
		a.quiet(ctx, req)
	})
	return id
}

// Reload reads the configuration file again and puts it in force, or leaves the old one.
func (a *App) Reload(ctx context.Context) error {
	a.mu.Lock()
	d := a.daemon
	a.mu.Unlock()
	if d == nil {
		return fault.New(fault.Invalid, "reload", "", errors.New("no daemon is running"), "start one with: groupsyncd serve")
	}
	answer := make(chan error, 1)
	select {
	case d.reload <- answer:
		return <-answer
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reload does everything that can fail before anything changes.
func (a *App) reload(ctx context.Context, d *daemon) error {
	a.told(ctx, sdnotify.Reloading())
	err := a.exchange(ctx, d)
	a.mu.Lock()
	if d.refused = err != nil; err == nil {
		d.loaded = a.now().UTC()
	}
	a.mu.Unlock()
	a.tell(ctx, "")
	a.told(ctx, sdnotify.Ready())
	return err
}

func (a *App) exchange(ctx context.Context, d *daemon) error {
	cfg, err := Load(a.file)
	if err != nil {
		return err
	}
	if cfg.State != a.parts.cfg.State {
		return fault.New(fault.Invalid, "reload", a.file, errors.New("the state folder cannot be changed while the daemon runs"), "restart it")
	}
	entries, err := a.entries(cfg)
	if err != nil {
		return err
	}
	known, err := a.db.Sources()
	if err != nil {
		return err
	}
	next, err := build(cfg, known, a.log, a.now, a.network, a.pushed)
	if err != nil {
		return err
	}
	told, err := services(cfg)
	if err != nil {
		return errors.Join(err, next.close())
	}
	move, err := a.prepareMove(ctx, d, cfg)
	if err != nil {
		return errors.Join(err, next.close())
	}
	publicMove, err := a.preparePublic(ctx, d, next)
	if err != nil {
		return errors.Join(err, next.close(), move.cancel())
	}
	if err := errors.Join(next.remember(a.db, known), a.engine.Replace(next.setup)); err != nil {
		return errors.Join(err, next.close(), move.cancel(), publicMove.cancel())
	}
	a.mu.Lock()
	old := a.parts
	a.parts = next
	a.mu.Unlock()
	a.stopFollowing(d)
	a.startFollowing(d)
	a.openDoors(d, a.hireDoormen(d, a.closeDoors(d)))
	a.carryOut(ctx, d, move)
	a.carryOutPublic(ctx, d, publicMove)
	d.schedule.Replace(entries)
	a.desk.Use(told)
	a.planBackup(d)
	// Runs that began before still use the old sources; they are closed behind them.
	d.closing.Go(func() {
		if err := a.engine.Quiet(context.WithoutCancel(ctx), old.close); err != nil {
			a.log.LogAttrs(ctx, slog.LevelWarn, "old sources not closed", slog.String(logging.KeyErr, err.Error()))
		}
	})
	select {
	case a.changed <- struct{}{}:
	default: // The audit has not looked since the last one.
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "configuration loaded", slog.String("file", a.file))
	a.soon(run.Request{Trigger: run.Reload, Mode: run.Apply})
	return nil
}
