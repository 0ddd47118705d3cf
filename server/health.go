package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"groupsyncd/internal/logging"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// Daemon is what health and metrics ask beside a Backend.
type Daemon interface {
	// Alive asks the loops of the daemon for a sign of life. It depends on nothing else.
	Alive(ctx context.Context) error
	// Ready checks what must be there before anything can be asked of the daemon.
	Ready(ctx context.Context) []Check
	Vitals() (Vitals, error)
	PageBackend
}

// Check is one condition of being ready. The note goes to whoever asks, so it holds
// no secret and names nobody.
type Check struct {
	Name string
	Err  error
	Note string
}

// aliveBound is how long the loops may take for a sign of life; reading a large
// configuration again may take seconds.
const aliveBound = 10 * time.Second

func (a *Admin) livez(w http.ResponseWriter, r *http.Request, _ visitor) {
	ctx, stop := context.WithTimeout(r.Context(), aliveBound)
	defer stop()
	a.health(w, r, "livez", []Check{{Name: "loops", Err: a.Daemon.Alive(ctx)}}, nil)
}

func (a *Admin) readyz(w http.ResponseWriter, r *http.Request, _ visitor) {
	ctx, stop := context.WithTimeout(r.Context(), aliveBound)
	defer stop()
	checks := a.Daemon.Ready(ctx)
	var notes []string
	if r.URL.Query().Has("verbose") {
		notes = a.notes(r.Context())
	}
	a.health(w, r, "readyz", checks, notes)
}

// health answers as the endpoints of Kubernetes do: ok, or what is wrong; with
// ?verbose one line for each check.
func (a *Admin) health(w http.ResponseWriter, r *http.Request, name string, checks []Check, notes []string) {
	code, verdict := http.StatusOK, "passed"
	var lines, bad []string
	for _, c := range checks {
		line := "[+]" + c.Name + " ok"
		if c.Err != nil {
			code, verdict = http.StatusServiceUnavailable, "failed"
			line = "[-]" + c.Name + " failed: " + c.Err.Error()
			bad = append(bad, c.Name+": "+c.Err.Error())
		}
		if c.Note != "" {
			line += ", " + c.Note
		}
		lines = append(lines, line)
	}
	text := "ok"
	switch {
	case r.URL.Query().Has("verbose"):
		lines = append(append(lines, notes...), name+" check "+verdict)
		text = strings.Join(lines, "\n")
	case len(bad) > 0:
		text = strings.Join(bad, "\n")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	if _, err := io.WriteString(w, text+"\n"); err != nil {
		a.Logger.LogAttrs(a.ctx, slog.LevelDebug, "answer not sent", slog.String(logging.KeyErr, err.Error()))
	}
}

// notes say how old what is known is. Nothing of it makes the daemon unready: a
// directory that is down must not restart us.
func (a *Admin) notes(ctx context.Context) []string {
	s := a.look.status(ctx, a)
	if s == nil {
		return []string{"[ ]sources and targets are not known yet"}
	}
	var out []string
	for i := range s.Sources {
		src := &s.Sources[i]
		line := fmt.Sprintf("[ ]source %s: last complete read %s", src.Name, a.ago(src.CompleteAsOf))
		if src.Failing > 0 {
			line += ", failed " + times(src.Failing) + " since"
		}
		if src.Stale {
			line += ", stale"
		}
		line += a.quarantined(src.Quarantine)
		if !src.Next.IsZero() {
			line += ", next read in " + src.Next.Sub(a.Now()).Round(time.Second).String()
		}
		out = append(out, line)
	}
	for i := range s.Targets {
		t := &s.Targets[i]
		line := fmt.Sprintf("[ ]target %s: last seen %s", t.Name, a.ago(t.ObservedAt))
		if t.Held > 0 {
			line += fmt.Sprintf(", %d changes held", t.Held)
		}
		line += a.quarantined(t.Quarantine)
		out = append(out, line)
	}
	return out
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprint(n, " times")
}

// quarantined leaves the reason out: it may name an account.
func (a *Admin) quarantined(q *run.Quarantine) string {
	if q == nil {
		return ""
	}
	return fmt.Sprintf(", in quarantine for %s, next try in %s", a.Now().Sub(q.Since).Round(time.Second), q.NextTry.Sub(a.Now()).Round(time.Second))
}

func (a *Admin) ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return a.Now().Sub(t).Round(time.Second).String() + " ago"
}

// look asks for the status once for everybody who wants it at the same time, and gives
// the one before while a look at Open WebUI holds the next up: a scrape must not wait
// for a server that hangs.
type look struct {
	mu      sync.Mutex
	waiting chan struct{}
	last    *engine.Status
	at      time.Time
}

// lookBound is how long a scrape waits for the status.
const lookBound = 2 * time.Second

// status gives the newest status that can be had soon, or nil.
func (l *look) status(ctx context.Context, a *Admin) *engine.Status {
	l.mu.Lock()
	done := l.waiting
	if done == nil {
		done = make(chan struct{})
		l.waiting = done
		a.work.Go(func() { l.ask(a, done) })
	}
	l.mu.Unlock()
	bound := time.NewTimer(lookBound)
	defer bound.Stop()
	select {
	case <-done:
	case <-bound.C:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *look) ask(a *Admin, done chan struct{}) {
	o := survive(a, a.Backend.Status)
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.err != nil {
		a.Logger.LogAttrs(a.ctx, slog.LevelWarn, "status not read", slog.String(logging.KeyErr, o.err.Error()))
	} else {
		l.last, l.at = o.value, a.Now()
	}
	l.waiting = nil
	close(done)
}

// when says when the status was read that is given at present.
func (l *look) when() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}
