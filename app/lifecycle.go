package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"groupsyncd/internal/logging"
	"groupsyncd/sync/run"
)

// Lifecycle remembers how to stop what was started. Whoever starts something registers
// its stop at once; Stop calls them in reverse order, bounded in time. All methods may
// be called by several goroutines.
type Lifecycle struct {
	log   *slog.Logger
	bound time.Duration

	mu      sync.Mutex
	stops   []stop
	stopped bool

	done chan struct{} // Closed when the first Stop has ended.
	err  error         // What it gave.
}

type stop struct {
	name string
	f    func(context.Context) error
}

// least is the part of the bound that is left to a stop when earlier ones have used up
// the time of all: what stops at once still does so in order.
const least = 10

// NewLifecycle makes an empty one. bound limits each stop, and twice as much all of
// them together.
func NewLifecycle(log *slog.Logger, bound time.Duration) *Lifecycle {
	return &Lifecycle{log: log, bound: bound, done: make(chan struct{})}
}

// Add registers how to stop something. f must return soon after its context ends; one
// that does not is left behind. What is added after Stop has begun is stopped at once,
// and the failure of that is only logged.
func (l *Lifecycle) Add(name string, f func(context.Context) error) {
	l.mu.Lock()
	late := l.stopped
	if !late {
		l.stops = append(l.stops, stop{name, f})
	}
	l.mu.Unlock()
	if late {
		if err := l.stop(stop{name, f}, l.bound); err != nil {
			l.log.LogAttrs(context.Background(), slog.LevelError, "stop failed", slog.String(logging.KeyName, name), slog.String(logging.KeyErr, err.Error()))
		}
	}
}

// Stop stops everything, the last started first, and joins the failures. Every further
// call waits for the first and gives the same.
func (l *Lifecycle) Stop() error {
	l.mu.Lock()
	stops, again := l.stops, l.stopped
	l.stops, l.stopped = nil, true
	l.mu.Unlock()
	if again {
		<-l.done
		return l.err
	}
	defer close(l.done)
	end := time.Now().Add(2 * l.bound)
	var errs []error
	for _, s := range slices.Backward(stops) {
		limit := max(l.bound/least, min(l.bound, time.Until(end)))
		if err := l.stop(s, limit); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
		}
	}
	l.err = errors.Join(errs...)
	return l.err
}

// stop calls one stop; one that does not return in time is left behind, and a panic in
// it is a failure like any other.
func (l *Lifecycle) stop(s stop, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	l.log.LogAttrs(ctx, slog.LevelDebug, "stopping", slog.String(logging.KeyName, s.name))
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("panic: %v", r)
			}
		}()
		done <- s.f(ctx)
	}()
	// A stop that obeys its context returns just after the context has ended; it gets
	// as much again to say how that went.
	grace := time.NewTimer(limit + min(limit, time.Second))
	defer grace.Stop()
	select {
	case err := <-done:
		return err
	case <-grace.C:
		return fmt.Errorf("it did not stop within %s", limit)
	}
}

// Signals gives a context that ends at the first SIGINT or SIGTERM, and a channel that
// asks for a reload after SIGHUP; several that nobody has handled yet are one. A second
// SIGINT or SIGTERM ends the process at once with run.ExitInterrupted. The function
// given back ends all that.
func Signals(ctx context.Context) (context.Context, <-chan struct{}, func()) {
	return signals(ctx, os.Exit)
}

func signals(ctx context.Context, exit func(int)) (context.Context, <-chan struct{}, func()) {
	in := make(chan os.Signal, 4)
	signal.Notify(in, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	ctx, hup, stop := dispatch(ctx, in, exit)
	return ctx, hup, func() {
		signal.Stop(in)
		stop()
	}
}

// dispatch turns signals into an ending context, reloads, and at the second request to
// end into an exit.
func dispatch(ctx context.Context, in <-chan os.Signal, exit func(int)) (context.Context, <-chan struct{}, func()) {
	ctx, cancel := context.WithCancel(ctx)
	hup := make(chan struct{}, 1)
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		asked := false
		for {
			select {
			case <-end:
				return
			case s := <-in:
				switch {
				case s == syscall.SIGHUP:
					select {
					case hup <- struct{}{}:
					default: // One reload is waiting already.
					}
				case asked:
					exit(run.ExitInterrupted)
					return
				default:
					asked = true
					cancel()
				}
			}
		}
	})
	return ctx, hup, sync.OnceFunc(func() {
		close(end)
		wg.Wait()
		cancel()
	})
}
