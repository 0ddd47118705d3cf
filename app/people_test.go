package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/sync/run"
)

// lobby is a queue of people with runs that take a second each.
type lobby struct {
	*people
	*testing.T

	mu    sync.Mutex
	began []string
	// inside are those whose run is under way; most is how many they were at a time.
	inside map[string]int
	most   int
	takes  time.Duration
	fails  error
	panics bool
	took   []time.Duration
}

func newLobby(t *testing.T) *lobby {
	l := &lobby{T: t, inside: map[string]int{}, takes: time.Second}
	n := 0
	l.people = newPeople(t.Context(), peopleOptions{run: l.visit, log: slog.New(slog.DiscardHandler), now: time.Now,
		newID: func() string { n++; return "run-" + strconv.Itoa(n) },
		ended: func(_ run.Request, took time.Duration, _ *run.Report, _ error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.took = append(l.took, took)
		}})
	return l
}

func (l *lobby) visit(ctx context.Context, req run.Request) (*run.Report, error) {
	who := req.User + req.Account
	if who == "" {
		who = "all of " + req.Source
	}
	l.mu.Lock()
	l.began = append(l.began, who)
	l.inside[who]++
	if l.inside[who] > 1 {
		l.Errorf("two runs of %s at a time", who)
	}
	l.most = max(l.most, len(l.inside))
	takes, fails, panics := l.takes, l.fails, l.panics
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.inside, who)
	}()
	if panics {
		panic("a bug")
	}
	if !sleep(ctx, takes) {
		return nil, ctx.Err()
	}
	return &run.Report{Run: req.ID, User: who}, fails
}

// take says how long runs take from now on, set how they end.
func (l *lobby) take(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takes = d
}

func (l *lobby) set(panics bool, fails error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.panics, l.fails = panics, fails
}

// wants asks for a run of somebody of the source corp.
func (l *lobby) wants(who string) asked {
	l.Helper()
	a, err := l.ask(run.Request{Trigger: run.Webhook, Mode: run.Apply, Source: "corp", User: who})
	if err != nil {
		l.Fatal(err)
	}
	return a
}

func (l *lobby) runs() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.began)
}

func (l *lobby) end() {
	l.Helper()
	if err := l.stop(l.Context()); err != nil {
		l.Error(err)
	}
}

func TestWhoWaitsDoesNotWaitTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLobby(t)
		first := l.wants("ana")
		synctest.Wait()
		// Her run has begun, and what happens from now on may be later than what it read.
		second, third := l.wants("ana"), l.wants("ana")
		if second.Run == first.Run || third.Run != second.Run {
			t.Fatalf("runs %s, %s, %s: want one more run for both who asked later", first.Run, second.Run, third.Run)
		}
		if other, err := l.ask(run.Request{Trigger: run.Watch, Mode: run.Apply, Source: "corp", User: "ana"}); err != nil || other.Run != second.Run {
			t.Errorf("another trigger has run %q, %v; want %s", other.Run, err, second.Run)
		}
		for _, a := range []asked{first, second, third} {
			report, err := a.Wait(t.Context())
			if err != nil || report.Run != a.Run {
				t.Errorf("run %s: report %+v, %v", a.Run, report, err)
			}
		}
		if got := l.runs(); !slices.Equal(got, []string{"ana", "ana"}) {
			t.Errorf("runs of %q, want two of ana", got)
		}
		if want := []time.Duration{time.Second, 2 * time.Second}; !slices.Equal(l.took, want) {
			t.Errorf("runs were asked for %v before their end, want %v", l.took, want)
		}
		l.end()
	})
}

func TestAFewAreSeenToAtATimeInTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLobby(t)
		var want []string
		for i := range 3 * maxVisits {
			want = append(want, fmt.Sprintf("p%02d", i))
			l.wants(want[i])
		}
		if got := l.load(); got.AtWork != maxVisits || got.Waiting != 2*maxVisits || !got.Oldest.Equal(time.Now()) {
			t.Errorf("load %+v", got)
		}
		time.Sleep(3*time.Second + time.Millisecond)
		got := l.runs()
		for i := 0; i < len(got); i += maxVisits {
			slices.Sort(got[i : i+maxVisits])
		}
		if !slices.Equal(got, want) || l.most != maxVisits {
			t.Errorf("runs of %q, %d at a time; want %q, %d at a time", got, l.most, want, maxVisits)
		}
		if got := l.load(); got != (load{}) {
			t.Errorf("load %+v when all is done", got)
		}
		l.end()
	})
}

func TestSomebodyElsesRunDoesNotWaitForOneThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLobby(t)
		l.take(time.Hour)
		slow, again := l.wants("ana"), l.wants("ana")
		synctest.Wait()
		l.take(time.Second)
		other := l.wants("bo")
		if _, err := other.Wait(t.Context()); err != nil || !l.pending(slow.Run) || !l.pending(again.Run) || l.pending(other.Run) {
			t.Errorf("bo: %v; pending: %v %v %v", err, l.pending(slow.Run), l.pending(again.Run), l.pending(other.Run))
		}
		bounded, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := again.Wait(bounded); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for a run that hangs gave %v", err)
		}
		time.Sleep(2 * time.Hour)
		l.end()
	})
}

func TestAFullQueueTakesNobodyElseAndKeepsWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLobby(t)
		for i := range maxVisits + maxWaiting {
			l.wants(strconv.Itoa(i))
		}
		_, err := l.ask(run.Request{Trigger: run.Webhook, Mode: run.Apply, Source: "corp", User: "late"})
		if !errors.Is(err, errBusy) || fault.KindOf(err) != fault.Throttled {
			t.Fatalf("a full queue answered %v", err)
		}
		last := strconv.Itoa(maxVisits + maxWaiting - 1)
		if again := l.wants(last); again.Run == "" {
			t.Error("whoever waits already may ask again")
		}
		time.Sleep(time.Duration(maxWaiting) * time.Second)
		if got := l.runs(); len(got) != maxVisits+maxWaiting || slices.Contains(got, "late") {
			t.Errorf("%d runs, want %d", len(got), maxVisits+maxWaiting)
		}
		l.end()
	})
}

func TestTheEndLetsGoWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := newLobby(t)
		l.ctx = ctx
		l.take(time.Hour)
		inside, waits := l.wants("ana"), l.wants("ana")
		all, err := l.askAll(run.Request{Trigger: run.Webhook, Mode: run.Apply, Source: "corp"})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		l.end()
		for _, a := range []asked{inside, waits, all} {
			if _, err := a.Wait(t.Context()); fault.KindOf(err) != fault.Canceled {
				t.Errorf("run %s ended with %v", a.Run, err)
			}
		}
		if _, err := l.ask(run.Request{User: "bo"}); fault.KindOf(err) != fault.Canceled {
			t.Errorf("after the end somebody was told %v", err)
		}
		time.Sleep(time.Hour) // What was to begin later does not.
		if got := l.runs(); !slices.Equal(got, []string{"ana"}) {
			t.Errorf("runs of %q", got)
		}
	})
}

func TestAFailureAndAPanicEndTheirRunAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLobby(t)
		l.set(true, nil)
		if _, err := l.wants("ana").Wait(t.Context()); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("a panic ended with %v", err)
		}
		l.set(false, fault.Errorf(fault.NotFound, "", "", "nobody"))
		if _, err := l.wants("ana").Wait(t.Context()); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a failure ended with %v", err)
		}
		l.set(false, nil)
		if _, err := l.wants("ana").Wait(t.Context()); err != nil {
			t.Errorf("the next one ended with %v", err)
		}
		l.end()
	})
}

func TestASourceIsReadAtMostOnceAMinuteHoweverOftenWebhooksAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLobby(t)
		l.take(10 * time.Second)
		start := time.Now()
		var times []time.Duration
		run0 := l.run
		l.run = func(ctx context.Context, req run.Request) (*run.Report, error) {
			times = append(times, time.Since(start))
			return run0(ctx, req)
		}
		ids := map[string]bool{}
		for time.Since(start) < 3*time.Minute {
			a, err := l.askAll(run.Request{Trigger: run.Webhook, Mode: run.Apply, Source: "corp"})
			if err != nil {
				t.Fatal(err)
			}
			ids[a.Run] = true
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Minute)
		l.end()
		want := []time.Duration{settle, settle + wideEvery, settle + 2*wideEvery, settle + 3*wideEvery}
		if !slices.Equal(times, want) || len(ids) != len(want) {
			t.Errorf("reads at %v with %d ids, want %v", times, len(ids), want)
		}
	})
}

func TestReadsOfSourcesLeaveRoomForPeople(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLobby(t)
		l.take(time.Hour)
		for i := range 2 * maxVisits {
			if _, err := l.askAll(run.Request{Trigger: run.Webhook, Mode: run.Apply, Source: strconv.Itoa(i)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		l.take(time.Second)
		if _, err := l.wants("ana").Wait(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Hour)
		l.end()
	})
}

// mint is a source that takes tokens: each names its person.
type mint struct{ providers.Tokens }

func (mint) TakeToken(_ context.Context, raw string) (directory.Person, error) {
	switch raw {
	case "forged":
		return directory.Person{}, fault.Errorf(fault.Auth, "verify a token", "", "the signature is wrong")
	case "empty":
		return directory.Person{}, nil
	}
	return directory.Person{ID: raw[:3]}, nil
}

func TestATokenIsTakenInItsTurnAndLeadsToItsPerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLobby(t)
		token := func(raw string) asked {
			a, err := l.askToken(run.Request{Trigger: run.Webhook, Mode: run.Apply, Source: "corp"}, mint{}, secret.New(raw))
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		first, second := token("ana-1"), token("ana-2")
		for _, a := range []asked{first, second} {
			if report, err := a.Wait(t.Context()); err != nil || report.User != "ana" || report.Run != a.Run {
				t.Errorf("run %s: %+v, %v", a.Run, report, err)
			}
		}
		if _, err := token("forged").Wait(t.Context()); fault.KindOf(err) != fault.Auth {
			t.Errorf("a forged token ended with %v", err)
		}
		if _, err := token("empty").Wait(t.Context()); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a token about nobody ended with %v", err)
		}
		if got := l.runs(); !slices.Equal(got, []string{"ana", "ana"}) {
			t.Errorf("runs of %q", got)
		}
		l.end()
	})
}

func TestEndsAreRememberedUntilThereAreTooMany(t *testing.T) {
	t.Parallel()
	var r recent
	for i := range maxRecent + 10 {
		r.keep(strconv.Itoa(i), &run.Report{Run: strconv.Itoa(i)}, nil)
	}
	r.keep("failed", nil, fault.New(fault.NotFound, "sync", "", errors.New("nobody"), "look"))
	for i, want := range map[int]bool{0: false, 10: false, 11: true, maxRecent + 9: true} {
		if e, ok := r.find(strconv.Itoa(i)); ok != want || e.err != nil || want && e.report.Run != strconv.Itoa(i) {
			t.Errorf("run %d: %+v, %v", i, e, ok)
		}
	}
	if e, ok := r.find("failed"); !ok || fault.KindOf(e.err) != fault.NotFound || fault.HintOf(e.err) != "look" {
		t.Errorf("a failed run is remembered as %+v, %v", e, ok)
	}
	if len(r.by) != maxRecent || len(r.ring) != maxRecent {
		t.Errorf("%d ends are kept in %d places", len(r.by), len(r.ring))
	}
}
