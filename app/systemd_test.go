package app

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/sync/run"
	"groupsyncd/sync/schedule"
	"groupsyncd/target/openwebui/openwebuitest"
)

// manager stands in for systemd, and keeps what it is told.
type manager struct {
	mu   sync.Mutex
	said []string
}

// manage has the process talk to a systemd that wants a sign of life every now and then.
func manage(t *testing.T, watchdog time.Duration) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_PID", "")
	t.Setenv("WATCHDOG_USEC", "")
	if watchdog > 0 {
		t.Setenv("WATCHDOG_USEC", strconv.FormatInt(watchdog.Microseconds(), 10))
	}
	m, done := &manager{}, make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.said = append(m.said, string(b[:n]))
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return m
}

// heard counts messages with a text.
func (m *manager) heard(text string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.said {
		if strings.Contains(s, text) {
			n++
		}
	}
	return n
}

// hang has Open WebUI take a read of its groups and answer it when the test says so.
func (w *town) hang() (taken <-chan struct{}, release func()) {
	begun, end := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.chat.Inject(openwebuitest.Fault{Path: "/api/v1/groups/", Do: func() {
		once.Do(func() { close(begun) })
		<-end
	}})
	return begun, sync.OnceFunc(func() { close(end) })
}

func TestSystemdHearsOfLifeWhileARunAndAReloadWaitForOpenWebUI(t *testing.T) {
	m := manage(t, 100*time.Millisecond)
	w := newTown(t)
	_, client, _ := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	sync1(w, client, run.Request{})
	taken, release := w.hang()
	defer release()
	report := make(chan error, 1)
	go func() {
		_, err := client.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}, nil)
		report <- err
	}()
	<-taken
	more := func(what string) {
		t.Helper()
		before := m.heard("WATCHDOG=1")
		w.until("signs of life during "+what, func() bool { return m.heard("WATCHDOG=1") > before+3 })
	}
	more("a run")
	reloads := m.heard("RELOADING=1")
	reloaded := make(chan error, 1)
	go func() { reloaded <- client.Reload(t.Context()) }()
	w.until("the reload begins", func() bool { return m.heard("RELOADING=1") > reloads })
	more("a reload")
	release()
	if err := <-reloaded; err != nil {
		t.Error(err)
	}
	if err := <-report; err != nil {
		t.Error(err)
	}
}

func TestSystemdIsToldFromStartToStop(t *testing.T) {
	m := manage(t, 0)
	w := newTown(t)
	a := w.open()
	ctx, stop := context.WithCancel(t.Context())
	hup, done := make(chan struct{}, 1), make(chan error, 1)
	go func() { done <- a.Serve(ctx, hup) }()
	w.until("ready", func() bool { return m.heard("READY=1") == 1 })
	w.until("the run is told", func() bool { return m.heard("STATUS=last run") > 0 })

	w.configure("list", `"*", nonsense: 1`)
	hup <- struct{}{}
	w.until("the refusal is told", func() bool { return m.heard("STATUS=configuration file refused, the old one stays in force") > 0 })
	w.until("the reload has ended", func() bool { return m.heard("READY=1") == 2 })

	w.configure("list", `"*"`)
	hup <- struct{}{}
	w.until("the second reload has ended", func() bool { return m.heard("READY=1") == 3 })
	m.mu.Lock()
	last := m.said[slices.IndexFunc(m.said, func(s string) bool { return strings.Contains(s, "refused") }):]
	m.mu.Unlock()
	if !slices.ContainsFunc(last, func(s string) bool { return strings.HasPrefix(s, "STATUS=last run") }) {
		t.Errorf("the refusal is not taken back: %q", last)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if m.heard("STOPPING=1") != 1 || m.heard("EXTEND_TIMEOUT_USEC=") != 1 || m.heard("WATCHDOG=1") != 0 {
		t.Errorf("systemd is told %q", m.said)
	}
}

// stuck is a daemon of which the test runs what it likes.
func stuck(t *testing.T) (d *daemon, stop func()) {
	t.Helper()
	runner, err := schedule.New(schedule.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	return &daemon{ctx: ctx, schedule: runner, ping: make(chan struct{}), ran: make(chan struct{})}, stop
}

func TestWhoDoesNotAnswerIsNotAlive(t *testing.T) {
	t.Parallel()
	loop := func(d *daemon) {
		for {
			select {
			case <-d.ping:
			case <-d.ctx.Done():
				return
			}
		}
	}
	schedules := func(d *daemon) { d.schedule.Run(d.ctx) }
	for want, parts := range map[string][]func(*daemon){
		"the main loop does not answer":                        {schedules},
		"the schedules do not answer":                          {loop},
		"the schedules have ended":                             {loop, func(d *daemon) { time.Sleep(time.Second); close(d.ran) }},
		"the state does not answer: context deadline exceeded": {loop, schedules},
		"": {loop, schedules},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d, stop := stuck(t)
				for _, part := range parts {
					go part(d)
				}
				ctx, end := context.WithTimeout(t.Context(), 30*time.Second)
				defer end()
				hung := make(chan struct{})
				err := d.alive(ctx, func() {
					if strings.Contains(want, "state") {
						<-hung
					}
				})
				close(hung)
				if got := ""; err != nil && err.Error() != want || err == nil && got != want {
					t.Errorf("got %v, want %q", err, want)
				}
				stop()
			})
		})
	}
}

func TestADaemonThatStopsIsAlive(t *testing.T) {
	t.Parallel()
	d, stop := stuck(t)
	stop()
	if err := (&App{daemon: d}).Alive(t.Context()); err != nil {
		t.Error(err)
	}
	if err := (&App{}).Alive(t.Context()); err != nil {
		t.Errorf("one that starts: %v", err)
	}
}
