package app

import (
	"context"
	"log/slog"

	"groupsyncd/internal/logging"
	"groupsyncd/internal/sdnotify"
)

// told notes that systemd could not be told something, which stops nothing.
func (a *App) told(ctx context.Context, err error) {
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "systemd not told", slog.String(logging.KeyErr, err.Error()))
	}
}

// tell gives the line that `systemctl status` shows: how the last run ended, when there is
// news of one, and that the file was refused, as long as that is so.
func (a *App) tell(ctx context.Context, lastRun string) {
	a.mu.Lock()
	defer a.mu.Unlock() // Two that speak at the same time do so in order.
	d := a.daemon
	if d == nil {
		return
	}
	if lastRun != "" {
		d.lastRun = lastRun
	}
	text := d.lastRun
	if text == "" {
		text = "ready, no run yet"
	}
	if d.refused {
		text = "configuration file refused, the old one stays in force (the log says why); " + text
	}
	a.told(ctx, sdnotify.Status(text))
}

// watchdog gives systemd signs of life until ctx ends, as long as there are any, and gives
// the function that waits for its end.
func (a *App) watchdog(ctx context.Context) func(context.Context) error {
	ctx, end := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.told(ctx, sdnotify.Watchdog(ctx, a.Alive, func(err error) {
			a.log.LogAttrs(ctx, slog.LevelError, "no sign of life for systemd, which will restart us if this lasts", slog.String(logging.KeyErr, err.Error()))
		}))
	}()
	return func(ctx context.Context) error {
		end()
		return within(ctx, "the watchdog has not ended", func() { <-done })
	}
}

// stopping says that the daemon stops, and asks for the time that this may take.
func (a *App) stopping(ctx context.Context) (enough func()) {
	a.told(ctx, sdnotify.Stopping())
	enough, err := sdnotify.TakeTime(2 * stopTimeout)
	a.told(ctx, err)
	a.log.LogAttrs(ctx, slog.LevelInfo, "stopping")
	return enough
}
