package sdnotify

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Watchdog tells systemd that we are alive, twice in the time that it allows, as long as
// alive says so; an error of alive is given to silent, and nothing is sent. It returns when
// ctx ends, and at once where nobody watches.
//
// alive has half of the allowed time: systemd acts at the end of all of it, so whatever
// answers later than that comes too late anyway.
func Watchdog(ctx context.Context, alive func(context.Context) error, silent func(error)) error {
	allowed, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read how long the watchdog waits: %w", err)
	}
	if allowed == 0 {
		return nil
	}
	tick := time.NewTicker(allowed / 2)
	defer tick.Stop()
	for {
		if err := sign(ctx, allowed/2, alive); err != nil && ctx.Err() == nil {
			silent(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sign sends one sign of life, if there is life.
func sign(ctx context.Context, limit time.Duration, alive func(context.Context) error) error {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	if err := alive(ctx); err != nil {
		return err
	}
	return send("tell systemd that we are alive", daemon.SdNotifyWatchdog)
}

const (
	// extendBy is how much more time is asked for at once, and extendEvery how often.
	extendBy    = 30 * time.Second
	extendEvery = 10 * time.Second
)

// TakeTime asks systemd for more time to start or to stop, again and again until the
// function given back is called, and at most for as long as most. Who hangs is so given up
// in the end.
func TakeTime(most time.Duration) (enough func(), err error) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return func() {}, nil
	}
	ctx, stop := context.WithTimeout(context.Background(), most)
	done := make(chan struct{})
	ask := func() error {
		return send("ask systemd for more time", fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extendBy.Microseconds()))
	}
	if err := ask(); err != nil {
		stop()
		return func() {}, err
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(extendEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if ask() != nil {
					return // The first one was sent, so systemd has gone.
				}
			}
		}
	}()
	return func() { stop(); <-done }, nil
}
