package sdnotify

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// received gives what has come since the last call.
func received(t *testing.T, conn *net.UnixConn) []string {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	if err := raw.Read(func(fd uintptr) bool {
		for {
			b := make([]byte, 4096)
			n, _, err := syscall.Recvfrom(int(fd), b, syscall.MSG_DONTWAIT)
			if err != nil {
				return true
			}
			all = append(all, string(b[:n]))
		}
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSystemdHearsOfLifeAsLongAsThereIsAny(t *testing.T) {
	conn := listen(t)
	t.Setenv("WATCHDOG_USEC", "60000000")
	t.Setenv("WATCHDOG_PID", "")
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		begun := time.Now()
		alive := func(ctx context.Context) error {
			if hangs.Load() {
				<-ctx.Done()
				return errors.New("the loop does not answer")
			}
			return nil
		}
		var silences []string
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- Watchdog(ctx, alive, func(err error) {
				silences = append(silences, time.Since(begun).String()+" "+err.Error())
			})
		}()
		at := func(when time.Duration, want int) {
			t.Helper()
			time.Sleep(when - time.Since(begun))
			synctest.Wait()
			if got := received(t, conn); len(got) != want || strings.Trim(strings.Join(got, ""), "WATCHDOG=1") != "" {
				t.Errorf("until %s systemd receives %q, want %d signs of life", when, got, want)
			}
		}
		at(0, 1)
		at(59*time.Second, 1)
		at(151*time.Second, 4)
		hangs.Store(true)
		at(299*time.Second, 0)
		hangs.Store(false)
		at(301*time.Second, 1)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := []string{"3m30s the loop does not answer", "4m0s the loop does not answer", "4m30s the loop does not answer", "5m0s the loop does not answer"}
		if !slices.Equal(silences, want) {
			t.Errorf("silences: %q", silences)
		}
	})
}

func TestNobodyWatchesNobodyIsTold(t *testing.T) {
	conn := listen(t)
	for name, env := range map[string][2]string{"no time": {"", ""}, "another process": {"60000000", "1"}} {
		t.Setenv("WATCHDOG_USEC", env[0])
		t.Setenv("WATCHDOG_PID", env[1])
		asked := func(context.Context) error { t.Errorf("%s: the loops are asked", name); return nil }
		if err := Watchdog(t.Context(), asked, func(error) {}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := received(t, conn); len(got) > 0 {
		t.Errorf("systemd receives %q", got)
	}
	t.Setenv("WATCHDOG_USEC", "soon")
	t.Setenv("WATCHDOG_PID", "")
	if err := Watchdog(t.Context(), nil, nil); err == nil {
		t.Error("a time that is no number is no error")
	}
}

func TestMoreTimeIsAskedForUntilItIsEnough(t *testing.T) {
	conn := listen(t)
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			what        string
			most, takes time.Duration
			asks        int
		}{
			{"at once", time.Minute, 0, 1},
			{"a while", time.Minute, 25 * time.Second, 3},
			{"for ever", 65 * time.Second, time.Hour, 7},
		} {
			enough, err := TakeTime(c.most)
			if err != nil {
				t.Fatal(err)
			}
			// Just before the next question, so that none is on the edge.
			time.Sleep(c.takes - time.Millisecond)
			enough()
			got := received(t, conn)
			if slices.IndexFunc(got, func(m string) bool { return m != "EXTEND_TIMEOUT_USEC=30000000" }) >= 0 || len(got) != c.asks {
				t.Errorf("%s: systemd receives %q, want %d questions", c.what, got, c.asks)
			}
		}
	})
}

func TestWithoutSystemdNobodyIsAskedForTime(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	enough, err := TakeTime(time.Hour)
	if err != nil {
		t.Error(err)
	}
	enough()
}
