package app

import (
	"context"
	"log/slog"
	"time"

	"groupsyncd/internal/logging"
)

// watchEvery is how often the daemon looks whether sources are still read. It is no
// schedule, because schedules that no longer fire are what it is there for.
const watchEvery = time.Minute

// watch looks from time to time, until ctx ends, and gives the function that waits for
// its end.
func (a *App) watch(ctx context.Context) func(context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := a.engine.CheckHealth(); err != nil {
					a.log.LogAttrs(ctx, slog.LevelError, "notices not kept", slog.String(logging.KeyErr, err.Error()))
				}
			}
		}
	}()
	return func(ctx context.Context) error {
		return within(ctx, "the watch for what does not run has not ended", func() { <-done })
	}
}
