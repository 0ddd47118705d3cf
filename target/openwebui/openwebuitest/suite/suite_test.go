package suite_test

import (
	"sync/atomic"
	"testing"
	"time"

	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/target/openwebui/openwebuitest/suite"
)

// clock is the simulator's time; waiting moves it.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Now().Unix())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(c.at.Load(), 0) }
func (c *clock) wait(d time.Duration) { c.at.Add(int64((d + time.Second - 1) / time.Second)) }

func TestSimulatorOfEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.8.0", "0.8.12", "0.9.0", "0.9.6", "0.10.2", "0.11.4", "0.12.0", "0.12.4"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			s := openwebuitest.NewTest(t, openwebuitest.Options{Version: version, Now: c.now})
			s.AllowLocalFetch(true)
			for range 70 {
				c.wait(time.Second)
				s.AddAccount(openwebuitest.Account{Email: string(rune('a'+c.now().Unix()%26)) + c.now().Format("150405") + "@example.test"})
			}
			suite.Run(t, &suite.World{URL: s.URL, Key: s.Key, Wait: c.wait, Now: c.now, Prefix: "suite-"})
		})
	}
}
