package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/sync/run"
)

func lifecycle(log *bytes.Buffer) *Lifecycle {
	h := slog.DiscardHandler
	if log != nil {
		h = slog.NewTextHandler(log, nil)
	}
	return NewLifecycle(slog.New(h), 30*time.Second)
}

func TestStopGoesBackwardsAndJoinsFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := lifecycle(nil)
		var order []string
		first, third := errors.New("disk full"), errors.New("still busy")
		l.Add("state", func(context.Context) error { order = append(order, "state"); return first })
		l.Add("server", func(context.Context) error { order = append(order, "server"); return nil })
		l.Add("runs", func(context.Context) error { order = append(order, "runs"); return third })
		l.Add("hooks", func(context.Context) error { order = append(order, "hooks"); panic("nil map") })
		err := l.Stop()
		if diff := cmp.Diff([]string{"hooks", "runs", "server", "state"}, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		if !errors.Is(err, first) || !errors.Is(err, third) {
			t.Errorf("a failure is lost: %v", err)
		}
		if want := "stop hooks: panic: nil map\nstop runs: still busy\nstop state: disk full"; err.Error() != want {
			t.Errorf("error:\n%v\nwant:\n%s", err, want)
		}
	})
}

func TestStopIsDoneOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := lifecycle(nil)
		var calls atomic.Int32
		failure := errors.New("no")
		l.Add("slow", func(context.Context) error {
			time.Sleep(5 * time.Second)
			calls.Add(1)
			return failure
		})
		begin := time.Now()
		var g sync.WaitGroup
		for range 3 {
			g.Go(func() {
				if err := l.Stop(); !errors.Is(err, failure) || time.Since(begin) != 5*time.Second {
					t.Errorf("Stop gives %v after %s", err, time.Since(begin))
				}
			})
		}
		g.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("stopped %d times", n)
		}
		if err := lifecycle(nil).Stop(); err != nil {
			t.Errorf("Stop of nothing: %v", err)
		}
	})
}

func TestStopDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := lifecycle(nil)
		release := make(chan struct{})
		stuck := func(context.Context) error { <-release; return nil }
		quick := false
		l.Add("quick", func(ctx context.Context) error { quick = ctx.Err() == nil; return nil })
		for _, name := range []string{"d", "c", "b", "a"} {
			l.Add(name, stuck)
		}
		begin := time.Now()
		err := l.Stop()
		if took := time.Since(begin); took > 75*time.Second {
			t.Errorf("Stop took %s", took)
		}
		want := "stop a: it did not stop within 30s\nstop b: it did not stop within 29s\nstop c: it did not stop within 3s\nstop d: it did not stop within 3s"
		if err == nil || err.Error() != want {
			t.Errorf("error:\n%v\nwant:\n%s", err, want)
		}
		if !quick {
			t.Error("what stops at once has got no time for it")
		}
		close(release)
	})
}

func TestAStopThatObeysItsContextIsNotLeftBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := lifecycle(nil)
		l.Add("obedient", func(ctx context.Context) error { <-ctx.Done(); return errors.New("cut off") })
		if err := l.Stop(); err == nil || err.Error() != "stop obedient: cut off" {
			t.Errorf("Stop gives %v", err)
		}
	})
}

func TestWhatIsAddedTooLateIsStoppedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := lifecycle(&log)
		if err := l.Stop(); err != nil {
			t.Fatal(err)
		}
		stopped := false
		l.Add("late", func(context.Context) error { stopped = true; return errors.New("no") })
		if !stopped || !strings.Contains(log.String(), "name=late err=no") {
			t.Errorf("stopped: %t, log: %s", stopped, &log)
		}
	})
}

func TestSignalsEndReloadAndExit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		signals []os.Signal
		ended   bool
		reload  bool
		exits   []int
	}{
		{"none", nil, false, false, nil},
		{"one SIGTERM", []os.Signal{syscall.SIGTERM}, true, false, nil},
		{"one SIGINT", []os.Signal{syscall.SIGINT}, true, false, nil},
		{"a second one", []os.Signal{syscall.SIGTERM, syscall.SIGINT}, true, false, []int{run.ExitInterrupted}},
		{"reloads", []os.Signal{syscall.SIGHUP, syscall.SIGHUP, syscall.SIGHUP}, false, true, nil},
		{"a reload while ending", []os.Signal{syscall.SIGTERM, syscall.SIGHUP}, true, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				in := make(chan os.Signal)
				var exits []int
				ctx, hup, stop := dispatch(t.Context(), in, func(code int) { exits = append(exits, code) })
				for _, s := range c.signals {
					in <- s
				}
				synctest.Wait()
				if ended := ctx.Err() != nil; ended != c.ended {
					t.Errorf("ended: %t", ended)
				}
				if reload := len(hup) == 1; reload != c.reload {
					t.Errorf("reload: %t", reload)
				}
				if diff := cmp.Diff(c.exits, exits); diff != "" {
					t.Errorf("exits (-want +got):\n%s", diff)
				}
				stop()
				stop()
				if ctx.Err() == nil {
					t.Error("the context outlives its signals")
				}
			})
		})
	}
}

// TestRealSignalsAreCaught sends signals to the test's own process, which is why it
// does not run beside others.
func TestRealSignalsAreCaught(t *testing.T) {
	exits := make(chan int, 1)
	ctx, hup, stop := signals(t.Context(), func(code int) { exits <- code })
	defer stop()
	send := func(s syscall.Signal) {
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
	}
	send(syscall.SIGHUP)
	<-hup
	send(syscall.SIGTERM)
	<-ctx.Done()
	send(syscall.SIGINT)
	if code := <-exits; code != 130 {
		t.Errorf("exit code %d", code)
	}
}
