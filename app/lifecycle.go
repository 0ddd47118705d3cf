package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"groupsyncd/sync/run"
)

// Lifecycle remembers how to stop what was started. Whoever starts something registers
// its stop at once; Stop calls them in reverse order, each bounded in time.
type Lifecycle struct {
	log   *slog.Logger
	bound time.Duration

	mu    sync.Mutex
	stops []stop
}

type stop struct {
	name string
	f    func(context.Context) error
}

// NewLifecycle makes an empty one; bound limits each stop.
func NewLifecycle(log *slog.Logger, bound time.Duration) *Lifecycle {
	return &Lifecycle{log: log, bound: bound}
}

// Add registers how to stop something. f must return soon after its context ends.
func (l *Lifecycle) Add(name string, f func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stops = append(l.stops, stop{name, f})
}

// Stop stops everything, the last started first, and joins the failures. A second call
// does nothing.
func (l *Lifecycle) Stop() error {
	l.mu.Lock()
	stops := l.stops
	l.stops = nil
	l.mu.Unlock()
	var errs []error
	for i := len(stops) - 1; i >= 0; i-- {
		if err := l.stop(stops[i]); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", stops[i].name, err))
		}
	}
	return errors.Join(errs...)
}

// stop calls one stop; one that does not return in time is left behind, and a panic in
// it is a failure like any other.
func (l *Lifecycle) stop(s stop) error {
	ctx, cancel := context.WithTimeout(context.Background(), l.bound)
	defer cancel()
	l.log.LogAttrs(ctx, slog.LevelDebug, "stopping", slog.String("what", s.name))
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("it failed unexpectedly: %v", r)
			}
		}()
		done <- s.f(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		// It may have ended at the same moment.
		select {
		case err := <-done:
			return err
		default:
			return errors.New("it did not stop in time")
		}
	}
}

// Signals gives a context that ends at the first SIGINT or SIGTERM, and a channel that
// gets one value for each SIGHUP. A second SIGINT or SIGTERM ends the process at once.
func Signals(ctx context.Context) (context.Context, <-chan struct{}, func()) {
	return signals(ctx, os.Exit)
}

func signals(ctx context.Context, exit func(int)) (context.Context, <-chan struct{}, func()) {
	ctx, cancel := context.WithCancel(ctx)
	in := make(chan os.Signal, 4)
	signal.Notify(in, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	hup := make(chan struct{}, 1)
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-end:
				return
			case s := <-in:
				switch {
				case s == syscall.SIGHUP:
					select {
					case hup <- struct{}{}:
					default: // one reload is waiting already
					}
				case ctx.Err() != nil:
					exit(run.ExitInterrupted)
					return
				default:
					cancel()
				}
			}
		}
	})
	return ctx, hup, sync.OnceFunc(func() {
		signal.Stop(in)
		close(end)
		wg.Wait()
		cancel()
	})
}
