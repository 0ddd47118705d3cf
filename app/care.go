package app

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/state"
	"groupsyncd/sync/run"
)

// The names of the schedules of what is done for the state; no source can have a name
// with a space.
const (
	backupName = "backup of the state"
	checkName  = "check of the state"
)

const (
	// checkEvery is how often a daemon reads its whole state.
	checkEvery = 24 * time.Hour
	// backupRetry is the longest pause after a backup that failed.
	backupRetry = time.Hour
	// clockSlack is how far in the future a backup may be: one that is further was made by
	// a wrong clock, and must not put off the next for that long.
	clockSlack = 5 * time.Minute
)

// care is what is known of the state as a file: when it was checked, and how the backups go.
type care struct {
	// busy lets one backup be made by itself at a time.
	busy sync.Mutex

	mu      sync.Mutex
	checked time.Time
	// failed is the last failure of a backup; retry is when to try again.
	failed error
	retry  time.Time
}

// startCare plans the first check and the first backup of a daemon. Opening the state has
// checked it.
func (a *App) startCare(d *daemon) {
	d.schedule.At(checkName, a.now().Add(checkEvery), func(ctx context.Context, _ time.Time) { a.dailyCheck(ctx, d) })
	a.planBackup(d)
}

func (a *App) dailyCheck(ctx context.Context, d *daemon) {
	a.verifyState(ctx)
	d.schedule.At(checkName, a.now().Add(checkEvery), func(ctx context.Context, _ time.Time) { a.dailyCheck(ctx, d) })
}

// verifyState reads the whole state. What is found damaged is not written to any more, so
// that nothing is changed in a target either: no call is made that was not noted first.
func (a *App) verifyState(ctx context.Context) {
	switch err := a.db.Check(ctx); {
	case err == nil:
		a.care.mu.Lock()
		a.care.checked = a.now().UTC()
		a.care.mu.Unlock()
		a.log.LogAttrs(ctx, slog.LevelInfo, "state checked")
	case ctx.Err() == nil:
		a.log.LogAttrs(ctx, slog.LevelError, "state damaged; nothing is written any more",
			slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, fault.HintOf(err)))
	}
}

// settings gives the configuration in force.
func (a *App) settings() *config.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.parts.cfg
}

// backupDue gives when the next backup is due; zero: never, or not before the first run.
func (a *App) backupDue() time.Time {
	cfg := a.settings()
	if cfg.Backup.Every == 0 || a.db.Err() != nil {
		return time.Time{}
	}
	a.care.mu.Lock()
	retry := a.care.retry
	a.care.mu.Unlock()
	due := a.now()
	// A folder that cannot be read is found out by the attempt, which says so.
	if last := newest(string(cfg.State), a.now()); last != nil {
		due = last.At.Add(cfg.Backup.Every.Std())
	} else if runs, err := a.db.Runs(1); err != nil || len(runs) == 0 {
		return time.Time{}
	}
	if due.Before(retry) {
		return retry
	}
	return due
}

// newest gives the newest backup that a right clock can have made, nil when there is none.
func newest(dir string, now time.Time) *state.Copy {
	list, err := state.Backups(dir)
	if err != nil {
		return nil
	}
	for i := range list {
		if !list[i].At.After(now.Add(clockSlack)) {
			return &list[i]
		}
	}
	return nil
}

// planBackup makes a daemon start the next backup when it is due.
func (a *App) planBackup(d *daemon) {
	due := a.backupDue()
	if due.IsZero() {
		return
	}
	d.schedule.At(backupName, due, func(ctx context.Context, _ time.Time) {
		a.backUpWhenDue(ctx)
		// A copy is read back and checked, which needs memory that idling does not.
		debug.FreeOSMemory()
		a.planBackup(d)
	})
}

// afterRun does what has to be done for the state when a run has ended: a daemon plans it,
// a command does it.
func (a *App) afterRun(ctx context.Context, req run.Request) {
	if ctx.Err() != nil {
		return
	}
	if req.Mode == run.Apply && !req.Single() {
		a.dropReplicas(ctx)
	}
	a.mu.Lock()
	d := a.daemon
	a.mu.Unlock()
	switch {
	case d != nil:
		a.planBackup(d)
	case req.Mode == run.Apply:
		a.backUpWhenDue(ctx)
		a.tellOnce(ctx)
	}
}

// backUpWhenDue makes a backup if the newest is old enough, and deletes those that are too
// many. A failure is told once for each reason.
func (a *App) backUpWhenDue(ctx context.Context) {
	a.care.busy.Lock()
	defer a.care.busy.Unlock()
	if due := a.backupDue(); due.IsZero() || due.After(a.now()) {
		return
	}
	cfg := a.settings()
	made, err := a.db.BackupTo(ctx, "", cfg.Backup.Recipient)
	if err == nil {
		a.log.LogAttrs(ctx, slog.LevelInfo, "state backed up", slog.String("path", made.Path), slog.Int64("bytes", made.Size))
		err = a.prune(ctx, cfg)
	}
	if ctx.Err() != nil {
		return // The program is told to stop; the next start tries again.
	}
	a.noteBackup(ctx, cfg, err)
	if fault.KindOf(err) == fault.Damaged && !errors.Is(err, state.ErrFull) {
		a.verifyState(ctx) // Is it the copy that is damaged, or what it was made of?
	}
}

func (a *App) prune(ctx context.Context, cfg *config.Config) error {
	gone, err := state.Prune(string(cfg.State), cfg.Backup.Keep)
	for _, c := range gone {
		a.log.LogAttrs(ctx, slog.LevelInfo, "old backup deleted", slog.String("path", c.Path))
	}
	return err
}

// noteBackup remembers how the last backup went, and tells a failure once.
func (a *App) noteBackup(ctx context.Context, cfg *config.Config, err error) {
	a.care.mu.Lock()
	before := a.care.failed
	a.care.failed, a.care.retry = err, time.Time{}
	if err != nil {
		a.care.retry = a.now().Add(min(cfg.Backup.Every.Std(), backupRetry))
	}
	a.care.mu.Unlock()
	if err != nil && (before == nil || before.Error() != err.Error()) {
		a.log.LogAttrs(ctx, slog.LevelWarn, "state not backed up",
			slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, backupHint(err)))
	}
}

func backupHint(err error) string {
	if hint := fault.HintOf(err); hint != "" {
		return hint
	}
	return "The folder backups beside the state must be writable and have room for a copy; try it with: groupsyncd state backup"
}

// restAfter is how long after some work the memory is given back that idling does not need.
const (
	restName  = "rest after a run"
	restAfter = 2 * time.Second
)

// restSoon has a daemon give memory back, once for all that is done meanwhile.
func (a *App) restSoon() {
	d := a.serving()
	if d == nil {
		return
	}
	d.schedule.At(restName, a.now().Add(restAfter), func(ctx context.Context, _ time.Time) {
		debug.FreeOSMemory()
		if err := a.db.Rest(); err != nil {
			a.log.LogAttrs(ctx, slog.LevelDebug, "pages of the state not given back", slog.String(logging.KeyErr, err.Error()))
		}
	})
}
