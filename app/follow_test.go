package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/sync/engine"
)

// watched is a source whose watch ends as it is told.
type watched struct {
	mu sync.Mutex
	// begun is when each watch began.
	begun   []time.Time
	changed providers.Changed
	end     chan error
	// refuses ends every watch at once.
	refuses error
	panics  bool
}

func (w *watched) Watch(ctx context.Context, changed providers.Changed) error {
	w.mu.Lock()
	w.begun = append(w.begun, time.Now())
	w.changed = changed
	refuses, panics := w.refuses, w.panics
	w.mu.Unlock()
	if panics {
		panic("a bug")
	}
	if refuses != nil {
		return refuses
	}
	select {
	case err := <-w.end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// happens tells that something changed, or that these people did.
func (w *watched) happens(people ...directory.Person) {
	w.mu.Lock()
	changed := w.changed
	w.mu.Unlock()
	changed(people...)
}

func (w *watched) becomes(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuses = err
}

// stand is a follower at work, with the times of its reads.
type stand struct {
	*follower
	source *watched
	log    *bytes.Buffer
	start  time.Time

	mu    sync.Mutex
	reads []time.Time
	// looked are the ids of those who were looked at.
	looked []string
	// takes is how long a read takes, finds whether it leads to anything.
	takes time.Duration
	finds bool
}

func follow(ctx context.Context, source *watched) (*stand, func()) {
	if source.end == nil {
		source.end = make(chan error)
	}
	s := &stand{source: source, log: &bytes.Buffer{}, start: time.Now(), finds: true}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	s.follower = newFollower(source, log, time.Now, func() bool {
		s.mu.Lock()
		s.reads = append(s.reads, time.Now())
		takes, finds := s.takes, s.finds
		s.mu.Unlock()
		time.Sleep(takes)
		return finds
	})
	s.look = func(people []directory.Person) {
		for _, who := range people {
			s.looked = append(s.looked, who.ID)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run(ctx)
	}()
	synctest.Wait()
	return s, func() { stop(); <-done }
}

// after gives the times of reads, in milliseconds since the start.
func (s *stand) after() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ms []int64
	for _, at := range s.reads {
		ms = append(ms, at.Sub(s.start).Milliseconds())
	}
	return ms
}

func (s *stand) wants(t *testing.T, what string, want ...int64) {
	t.Helper()
	synctest.Wait()
	if got := s.after(); !slices.Equal(got, want) {
		t.Errorf("%s: read after %v ms, want %v", what, got, want)
	}
}

func TestAChangeIsReadAfterAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stop := follow(t.Context(), &watched{})
		defer stop()
		s.source.happens()
		time.Sleep(time.Minute)
		s.wants(t, "one change", 200)
	})
}

func TestPeopleWhoChangedAreLookedAtAndNothingElseIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stop := follow(t.Context(), &watched{})
		defer stop()
		s.source.happens(directory.Person{ID: "u1"}, directory.Person{ID: "u2"})
		time.Sleep(time.Minute)
		s.wants(t, "people are looked at")
		if !slices.Equal(s.looked, []string{"u1", "u2"}) {
			t.Errorf("looked at %v", s.looked)
		}
		s.source.happens()
		time.Sleep(time.Minute)
		s.wants(t, "somebody changed", 60_200)
	})
}

func TestManyChangesAreOneRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stop := follow(t.Context(), &watched{})
		defer stop()
		s.takes = 3 * time.Second
		for range 100 {
			s.source.happens()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(400 * time.Millisecond)
		for range 100 {
			s.source.happens() // while it is being read
		}
		time.Sleep(time.Minute)
		s.wants(t, "changes before and during a read", 200, 4200)
	})
}

func TestReadsThatLeadToNothingBecomeRare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stop := follow(t.Context(), &watched{})
		defer stop()
		s.finds = false
		ends := time.Now().Add(100 * time.Second)
		for time.Now().Before(ends) {
			s.source.happens()
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		got := s.after()
		if len(got) != 8 || got[7] < 60_000 {
			t.Errorf("read after %v ms", got)
		}
		s.mu.Lock()
		s.finds = true
		s.mu.Unlock()
		ends = time.Now().Add(40 * time.Second)
		for time.Now().Before(ends) {
			s.source.happens()
			time.Sleep(100 * time.Millisecond)
		}
		got = s.after()
		if last := got[len(got)-1] - got[len(got)-2]; last > 1500 {
			t.Errorf("reads that lead to something are %d ms apart", last)
		}
	})
}

func TestAWatchThatIsLostBeginsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := fault.New(fault.Unavailable, "watch", "ldaps://ldap.example.org", errors.New("connection reset"), "is it running?")
		s, stop := follow(t.Context(), &watched{})
		defer stop()
		time.Sleep(steady)
		synctest.Wait()
		if st := s.status(); st.State != engine.WatchWorks || st.Reason != "" {
			t.Errorf("a watch that lasts is %+v", st)
		}
		s.source.becomes(broken)
		s.source.end <- broken
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if st := s.status(); st.State != engine.WatchLost || !strings.Contains(st.Reason, "connection reset") || st.Hint != "is it running?" || !st.Since.Equal(s.start.Add(steady)) {
			t.Errorf("a watch that was lost is %+v", st)
		}
		var waits []int64
		for i, at := range s.source.begun[2:] {
			waits = append(waits, int64(at.Sub(s.source.begun[i+1]).Seconds()))
		}
		if want := []int64{2, 4, 8, 16, 32, 64, 128, 256, 300, 300}; !slices.Equal(waits, want) {
			t.Errorf("it was tried again after %v seconds, want %v", waits, want)
		}
		s.wants(t, "nothing is known to have changed")
		s.source.becomes(nil)
		time.Sleep(longestRetry + steady + time.Second)
		synctest.Wait()
		if st := s.status(); st.State != engine.WatchWorks {
			t.Errorf("a watch that works again is %+v", st)
		}
		if len(s.after()) != 1 {
			t.Error("what happened meanwhile is not caught up with")
		}
		if got := strings.Count(s.log.String(), "\n"); got != 3 {
			t.Errorf("three changes are told in %d lines:\n%s", got, s.log)
		}
	})
}

func TestAServerWithoutAWatchIsAskedRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stop := follow(t.Context(), &watched{refuses: fmt.Errorf("no syncprov: %w", providers.ErrNoWatch)})
		defer stop()
		time.Sleep(5*time.Hour + time.Minute)
		synctest.Wait()
		if st := s.status(); st.State != engine.WatchNone || len(s.source.begun) != 6 {
			t.Errorf("%+v, asked %d times", st, len(s.source.begun))
		}
		if got := s.log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=INFO") {
			t.Errorf("told:\n%s", got)
		}
	})
}

func TestARefusedLoginIsNotRepeatedSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stop := follow(t.Context(), &watched{refuses: fault.Errorf(fault.Auth, "watch", "", "wrong password")})
		defer stop()
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		if len(s.source.begun) != 5 {
			t.Errorf("tried %d times in an hour", len(s.source.begun))
		}
	})
}

func TestAWatchThatPanicsOrEndsIsALostOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stop := follow(t.Context(), &watched{panics: true})
		defer stop()
		if st := s.status(); st.State != engine.WatchLost || !strings.Contains(st.Reason, "failed unexpectedly: a bug") {
			t.Errorf("%+v", st)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, stop := follow(t.Context(), &watched{})
		defer stop()
		s.source.end <- nil
		synctest.Wait()
		if st := s.status(); st.State != engine.WatchLost || st.Reason != "the server ended the watch" {
			t.Errorf("%+v", st)
		}
	})
}

func TestAFirstChangeSaysThatTheWatchWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stop := follow(t.Context(), &watched{})
		defer stop()
		if st := s.status(); st.State != engine.WatchBegins {
			t.Errorf("%+v", st)
		}
		s.source.happens()
		if st := s.status(); st.State != engine.WatchWorks {
			t.Errorf("%+v", st)
		}
	})
}

func TestAStoppedWatchWaitsForItsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, stop := follow(t.Context(), &watched{})
		s.takes = time.Minute
		s.source.happens()
		time.Sleep(time.Second)
		stop()
		if took := time.Since(s.start); took < time.Minute {
			t.Errorf("stopped after %v", took)
		}
		s.wants(t, "before it was stopped", 200)
	})
}
