package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/internal/secret"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

// porch is a doorman at work before a server.
type porch struct {
	*doorman
	server *openwebuitest.Server
	log    *bytes.Buffer
	start  time.Time

	mu      sync.Mutex
	asked   []string
	busy    bool
	resting error
}

// becomes says whether there is no place for anybody, and why nobody should look.
func (p *porch) becomes(busy bool, resting error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy, p.resting = busy, resting
}

func (p *porch) all() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

func before(ctx context.Context, t *testing.T) (*porch, func()) {
	t.Helper()
	p := &porch{server: openwebuitest.New(openwebuitest.Options{}), log: &bytes.Buffer{}, start: time.Now()}
	log := slog.New(slog.NewTextHandler(p.log, nil))
	client, err := openwebui.New(openwebui.Options{Name: "chat", URL: "http://chat.example.org", Transport: p.server.Transport(),
		APIKey: func() (secret.Value, error) { return secret.New(p.server.Key), nil }})
	if err != nil {
		t.Fatal(err)
	}
	p.doorman = &doorman{target: "chat", every: 5 * time.Second, log: log, standing: newStanding(time.Now), watch: client.SignIns(openwebui.SignInOptions{
		Every: 5 * time.Second, Self: p.server.Admin, Known: map[string]bool{p.server.Admin: true}, Sessions: true})}
	p.alone = func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.resting
	}
	p.ask = func(req run.Request) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.busy {
			return fmt.Errorf("no: %w", errBusy)
		}
		if req.Trigger != run.Watch || req.Mode != run.Apply || req.Target != "chat" {
			t.Errorf("asked for %+v", req)
		}
		p.asked = append(p.asked, fmt.Sprintf("%s %d", req.Account, time.Since(p.start)/time.Second))
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.run(ctx)
	}()
	synctest.Wait()
	return p, func() { stop(); <-done }
}

func (p *porch) signIn(t *testing.T, mail string) string {
	t.Helper()
	id, err := p.server.SignIn(openwebuitest.SignIn{Email: mail, Provider: "oidc", Subject: "sub-" + mail})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (p *porch) wants(t *testing.T, want ...string) {
	t.Helper()
	if got := p.all(); !slices.Equal(got, want) {
		t.Errorf("asked for %v, want %v", got, want)
	}
}

func TestWhoSignsInIsSeenToWithinTheInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, stop := before(t.Context(), t)
		defer stop()
		time.Sleep(7 * time.Second)
		id := p.signIn(t, "ada@example.org")
		time.Sleep(4 * time.Second)
		p.wants(t, id+" 10")
		if s := p.status(); s.State != engine.WatchWorks || s.Reason != "" {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
		p.wants(t, id+" 10")
	})
}

func TestWhoFindsNoPlaceWaitsForTheNextRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, stop := before(t.Context(), t)
		defer stop()
		p.becomes(true, nil)
		time.Sleep(time.Second)
		ada, bob := p.signIn(t, "ada@example.org"), p.signIn(t, "bob@example.org")
		time.Sleep(20 * time.Second)
		p.wants(t)
		p.becomes(false, nil)
		time.Sleep(5 * time.Second)
		got, want := p.all(), []string{ada + " 25", bob + " 25"}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("asked for %v, want %v", got, want)
		}
	})
}

func TestATargetThatFailsIsAskedLessOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, stop := before(t.Context(), t)
		defer stop()
		p.server.Inject(openwebuitest.Fault{Path: "/api/v1/users/", Status: 503})
		p.server.ResetLog()
		time.Sleep(31 * time.Minute)
		synctest.Wait()
		if s := p.status(); s.State != engine.WatchLost || !strings.Contains(s.Reason, "503") || s.Hint == "" {
			t.Errorf("%+v", s)
		}
		if reads, _ := p.server.Count(); reads < 8 || reads > 13 {
			t.Errorf("asked %d times in half an hour", reads)
		}
		p.server.Heal()
		id := p.signIn(t, "ada@example.org")
		time.Sleep(longestRetry + time.Second)
		synctest.Wait()
		if asked := p.all(); len(asked) != 1 || !strings.HasPrefix(asked[0], id) || p.status().State != engine.WatchWorks {
			t.Errorf("after it came back: %v, %+v", asked, p.status())
		}
		if got := strings.Count(p.log.String(), "\n"); got != 3 {
			t.Errorf("three changes are told in %d lines:\n%s", got, p.log)
		}
	})
}

func TestATargetInQuarantineIsNotAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, stop := before(t.Context(), t)
		defer stop()
		p.becomes(false, errors.New("it keeps failing"))
		p.server.ResetLog()
		time.Sleep(time.Hour)
		synctest.Wait()
		if reads, _ := p.server.Count(); reads != 0 || p.status().State != engine.WatchLost || !strings.Contains(p.status().Reason, "it keeps failing") {
			t.Errorf("asked %d times, %+v", reads, p.status())
		}
		p.becomes(false, nil)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if reads, _ := p.server.Count(); reads == 0 || p.status().State != engine.WatchWorks {
			t.Errorf("afterwards asked %d times, %+v", reads, p.status())
		}
	})
}

func TestSessionsThatCannotBeReadStopNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, stop := before(t.Context(), t)
		defer stop()
		p.server.Inject(openwebuitest.Fault{Path: "/api/v1/users/*/oauth/sessions", Status: 500})
		time.Sleep(time.Second)
		ada := p.signIn(t, "ada@example.org")
		time.Sleep(5 * time.Second)
		bob := p.signIn(t, "bob@example.org")
		time.Sleep(5 * time.Second)
		p.wants(t, ada+" 5", bob+" 10")
		if s := p.status(); s.State != engine.WatchWorks || !strings.Contains(s.Reason, "500") {
			t.Errorf("%+v", s)
		}
		if got := p.log.String(); strings.Count(got, "level=WARN") != 1 {
			t.Errorf("told:\n%s", got)
		}
	})
}

func TestALookThatPanicsIsAFailedOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, stop := before(t.Context(), t)
		stop()
		p.watch = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p.run(ctx)
		if s := p.status(); s.State != engine.WatchLost || !strings.Contains(s.Reason, "failed unexpectedly") {
			t.Errorf("%+v", s)
		}
	})
}

func TestAFirstSignInIsInTheGroupsSoon(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	text, err := os.ReadFile(filepath.Join(w.dir, "groupsyncd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("groupsyncd.yaml", strings.Replace(string(text), "api_key: file:key", "api_key: file:key, watch: 1s", 1))
	w.people("[ana, bo, chloe, dmitri, emre, fay, gus]", "[bo, chloe, dmitri, emre, ana, fay, gus]")
	_, client, hup := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	watched := func() bool {
		s, err := client.Status(t.Context())
		return err == nil && s.Targets[0].Watch != nil && s.Targets[0].Watch.State == engine.WatchWorks
	}
	w.until("sign-ins are noticed", watched)
	if _, err := w.chat.SignIn(openwebuitest.SignIn{Email: "fay@example.org", Provider: "oidc", Subject: "fay"}); err != nil {
		t.Fatal(err)
	}
	w.until("she is in her group", func() bool { return w.size("Sales") == 6 })
	w.until("the run is in the history", func() bool {
		runs, err := client.History(t.Context(), 1)
		return err == nil && len(runs) == 1 && runs[0].Trigger == run.Watch && runs[0].Targets[0].Summary.MembersAdded == 1
	})
	// A reload changes nothing about that.
	hup <- struct{}{}
	w.until("the configuration is loaded", func() bool { return strings.Contains(w.log.String(), "configuration loaded") })
	if _, err := w.chat.SignIn(openwebuitest.SignIn{Email: "gus@example.org", Provider: "oidc", Subject: "gus"}); err != nil {
		t.Fatal(err)
	}
	w.until("he is in his group", func() bool { return w.size("Sales") == 7 })
}

func TestNobodyLooksWhereNothingCouldFollow(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"switched off": {"api_key: file:key", "api_key: file:key, watch: off"},
		"only planned": {"api_key: file:key", "api_key: file:key, mode: plan"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			text, err := os.ReadFile(filepath.Join(w.dir, "groupsyncd.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			w.write("groupsyncd.yaml", strings.Replace(string(text), change[0], change[1], 1))
			a, client, _ := w.serve()
			sync1(w, client, run.Request{})
			a.mu.Lock()
			defer a.mu.Unlock()
			if n := len(a.daemon.doors.by); n != 0 {
				t.Errorf("%d watches", n)
			}
		})
	}
}
