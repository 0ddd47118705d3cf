package schedule

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bench is a runner in a bubble, whose clock can be set, and what it started.
type bench struct {
	*Runner
	t     *testing.T
	begin time.Time
	step  atomic.Int64 // By how much the wall clock was set.
	logs  lockedBuffer
	mu    sync.Mutex
	fired []string
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, begin: time.Now()}
	r, err := New(Options{Logger: slog.New(slog.NewTextHandler(&b.logs, nil)), Now: b.now, Seed: "one"})
	if err != nil {
		t.Fatal(err)
	}
	b.Runner = r
	return b
}

func (b *bench) now() time.Time { return time.Now().Add(time.Duration(b.step.Load())) }

// run starts the loop; it ends with the test.
func (b *bench) run() {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	b.t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
}

// after lets time pass.
func (b *bench) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// note gives a fire that takes so long and writes down when it started and for when.
func (b *bench) note(name string, takes time.Duration) Fire {
	return func(ctx context.Context, due time.Time) {
		b.mu.Lock()
		b.fired = append(b.fired, name+" at "+b.since(time.Now())+" for "+b.since(due))
		b.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(takes):
		}
	}
}

func (b *bench) since(t time.Time) string { return t.Round(0).Sub(b.begin.Round(0)).String() }

func (b *bench) want(lines ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(lines, b.fired); diff != "" {
		b.t.Errorf("what was started (-want +got):\n%s", diff)
	}
	b.fired = nil
}

func TestRunnerStartsOnSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Add("a", parse(t, "every 15m", nil), b.begin, 0, b.note("a", time.Second))
		b.Add("b", parse(t, "5 * * * *", nil), b.begin, 0, b.note("b", time.Second))
		b.run()
		b.after(31 * time.Minute)
		b.want("b at 5m0s for 5m0s", "a at 15m0s for 15m0s", "a at 30m0s for 30m0s")
		if next := b.Next("a"); b.since(next) != "45m0s" {
			t.Errorf("Next = %s", b.since(next))
		}
	})
}

func TestRunnerCatchesUpOnceAfterStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		last time.Duration // Before the start of the runner.
		want []string
	}{
		{"missed many", 10 * time.Hour, []string{"a at 0s for -9h0m0s", "a at 1h0m0s for 1h0m0s"}},
		{"missed one", time.Hour, []string{"a at 0s for 0s", "a at 1h0m0s for 1h0m0s"}},
		{"missed none", 10 * time.Minute, []string{"a at 50m0s for 50m0s", "a at 1h50m0s for 1h50m0s"}},
		{"noted by a clock that was ahead", -time.Hour, []string{"a at 0s for 0s", "a at 1h0m0s for 1h0m0s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.Add("a", parse(t, "every 1h", nil), b.begin.Add(-c.last), 0, b.note("a", 0))
				b.run()
				b.after(110 * time.Minute)
				b.want(c.want...)
			})
		})
	}
	t.Run("never run", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.Add("a", parse(t, "0 3 * * *", nil), time.Time{}, time.Hour, b.note("a", 0))
			b.run()
			b.want("a at 0s for 0s")
		})
	})
}

func TestRunnerNoticesSuspendWithinHalfAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Add("a", parse(t, "0 3 * * *", nil), b.begin, 0, b.note("a", 0))
		b.run()
		b.after(time.Hour)
		b.step.Store(int64(72*time.Hour + 30*time.Minute)) // Suspended: timers stood still.
		b.after(30 * time.Second)
		b.want("a at 1h0m30s for 3h0m0s")
		if got, want := b.Next("a").Sub(b.begin.Round(0)), 75*time.Hour; got != want {
			t.Errorf("next is after %s, want %s", got, want)
		}
		b.after(2 * time.Hour)
		b.want("a at 2h30m0s for 75h0m0s")
	})
}

func TestRunnerCountsAnewWhenTheClockWentBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.step.Store(int64(48 * time.Hour))
		b.Add("a", parse(t, "every 15m", nil), b.now(), 0, b.note("a", 0))
		b.run()
		b.after(10 * time.Minute)
		b.step.Store(0)
		b.after(16 * time.Minute)
		b.want("a at 25m30s for 25m30s") // Noticed half a minute after the change.
		if !strings.Contains(b.logs.String(), "the clock went back") {
			t.Errorf("the log says nothing of it: %s", &b.logs)
		}
		b.step.Store(-int64(50 * time.Second))
		b.after(16 * time.Minute)
		b.want("a at 41m20s for 40m30s")
	})
}

func TestRunnerSkipsWhatIsStillRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Add("slow", parse(t, "every 10m", nil), b.begin, 0, b.note("slow", 35*time.Minute))
		b.Add("other", parse(t, "every 30m", nil), b.begin, 0, b.note("other", 0))
		b.run()
		b.after(51 * time.Minute)
		b.want("slow at 10m0s for 10m0s", "other at 30m0s for 30m0s", "slow at 50m0s for 50m0s")
		if n := b.Skipped("slow"); n != 3 {
			t.Errorf("skipped %d, want 3", n)
		}
		if n := b.Skipped("other") + b.Skipped("nobody"); n != 0 {
			t.Errorf("skipped %d of others", n)
		}
	})
}

func TestRunnerOutlivesAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		runs := 0
		b.Add("a", parse(t, "every 10m", nil), b.begin, 0, func(context.Context, time.Time) {
			runs++
			panic("out of cheese")
		})
		b.run()
		b.after(50 * time.Minute)
		if runs != 5 || b.Skipped("a") != 0 {
			t.Errorf("%d runs, %d skipped, want 5 and 0", runs, b.Skipped("a"))
		}
		if log := b.logs.String(); strings.Count(log, "level=ERROR") != 5 || !strings.Contains(log, "out of cheese") {
			t.Errorf("log: %s", log)
		}
	})
}

func TestRunnerShiftsEachNameByItsOwnJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shifts := func(seed string) map[string]time.Duration {
			r, err := New(Options{Logger: slog.New(slog.DiscardHandler), Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			m := make(map[string]time.Duration)
			for _, name := range []string{"a", "b", "c", "d"} {
				r.Add(name, parse(t, "@hourly", nil), time.Now(), 10*time.Minute, func(context.Context, time.Time) {})
				m[name] = time.Until(r.Next(name)) - time.Hour
				if m[name] < 0 || m[name] >= 10*time.Minute {
					t.Errorf("%s is shifted by %s", name, m[name])
				}
			}
			return m
		}
		one := shifts("one")
		if diff := cmp.Diff(one, shifts("one")); diff != "" {
			t.Errorf("the jitter of one instance is not fixed: %s", diff)
		}
		if cmp.Equal(one, shifts("two")) || one["a"] == one["b"] {
			t.Errorf("the jitter does not depend on instance and name: %v", one)
		}
	})
}

func TestJitterMovesNoIntervalAndNoCatchUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Add("a", parse(t, "every 10m", nil), b.begin.Add(-time.Hour), 24*time.Hour, b.note("a", 0))
		b.run()
		b.want("a at 0s for -50m0s")
		first := b.Next("a").Sub(b.begin.Round(0))
		if first <= 0 || first > 10*time.Minute {
			t.Errorf("the next start is after %s", first)
		}
		b.after(first)
		if got := b.Next("a").Sub(b.begin.Round(0)); got != first+10*time.Minute {
			t.Errorf("then the next start is after %s, want 10m more than %s", got, first)
		}
	})
}

func TestOneOffStartsOnceAndTheEarliestWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.run()
		b.At("a", b.begin.Add(20*time.Minute), b.note("later", 0))
		b.At("a", b.begin.Add(5*time.Minute), b.note("earliest", 0))
		b.At("a", b.begin.Add(10*time.Minute), b.note("middle", 0))
		if next := b.Next("a"); b.since(next) != "5m0s" {
			t.Errorf("Next = %s", b.since(next))
		}
		b.after(time.Hour)
		b.want("earliest at 5m0s for 5m0s")
		if next := b.Next("a"); !next.IsZero() {
			t.Errorf("Next after all = %s", next)
		}
		b.At("a", b.begin, b.note("past", 0))
		synctest.Wait()
		b.want("past at 1h0m0s for 0s")
	})
}

func TestOneOffWaitsForItsNameAndIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Add("a", parse(t, "every 1h", nil), b.begin, 0, b.note("a", 20*time.Minute))
		b.run()
		b.At("a", b.begin.Add(65*time.Minute), b.note("confirm", 0))
		b.after(119 * time.Minute)
		b.want("a at 1h0m0s for 1h0m0s", "confirm at 1h20m0s for 1h5m0s")
		if n := b.Skipped("a"); n != 0 {
			t.Errorf("skipped %d", n)
		}
	})
}

func TestReplaceKeepsWhatIsTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		entry := func(name, spec string) Entry {
			return Entry{Name: name, Schedule: parse(t, spec, nil), Last: b.begin, Fire: b.note(name, 40*time.Minute)}
		}
		b.Replace([]Entry{entry("same", "every 1h"), entry("faster", "every 6h"), entry("gone", "every 50m"), entry("gone running", "every 20m")})
		b.At("gone", b.begin.Add(30*time.Minute), b.note("one-off of gone", 0))
		b.At("confirm", b.begin.Add(45*time.Minute), b.note("confirm", 0))
		b.run()
		b.after(25 * time.Minute)
		b.want("gone running at 20m0s for 20m0s")
		b.Replace([]Entry{entry("same", "every 1h"), entry("faster", "every 30m")})
		b.after(45 * time.Minute)
		b.want("faster at 30m0s for 30m0s", "confirm at 45m0s for 45m0s", "same at 1h0m0s for 1h0m0s")
		for _, name := range []string{"gone", "gone running", "confirm"} {
			if next := b.Next(name); !next.IsZero() {
				t.Errorf("%s is due at %s", name, next)
			}
			b.Runner.mu.Lock()
			if _, ok := b.items[name]; ok {
				t.Errorf("%s is not forgotten", name)
			}
			b.Runner.mu.Unlock()
		}
	})
}

func TestAChangedScheduleCountsFromTheLastStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Add("a", parse(t, "every 1h", nil), b.begin, 0, b.note("a", 0))
		b.run()
		b.after(70 * time.Minute)
		b.Add("a", parse(t, "every 20m", nil), time.Time{}, 0, b.note("a", 0))
		b.after(11 * time.Minute)
		b.want("a at 1h0m0s for 1h0m0s", "a at 1h20m0s for 1h20m0s")
		b.Add("a", Schedule{}, time.Time{}, 0, b.note("a", 0))
		b.after(5 * time.Hour)
		b.want()
	})
}

func TestRunEndsWithItsContextAndWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ended := false
		b.Add("a", parse(t, "every 10m", nil), b.begin, 0, func(ctx context.Context, _ time.Time) {
			<-ctx.Done()
			time.Sleep(time.Minute)
			ended = true
		})
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		b.Run(ctx)
		if !ended || b.since(time.Now()) != "16m0s" {
			t.Errorf("Run came back after %s, before what it had started (%t)", b.since(time.Now()), ended)
		}
	})
}

func TestNewWantsALogger(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("New without a logger gives no error")
	}
}
