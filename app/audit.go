package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/forward"
	"groupsyncd/internal/logging"
	"groupsyncd/server"
	"groupsyncd/state"
	"groupsyncd/sync/run"
)

// AuditVerify proves the audit whole, and with a head that somebody kept that its record
// is there and the signature ours.
func (a *App) AuditVerify(_ context.Context, head *run.AuditHead) (*run.AuditSummary, error) {
	return a.db.VerifyAudit(head)
}

// AuditExport gives the records that were asked for, oldest first, each as a line of JSON.
func (a *App) AuditExport(ctx context.Context, q server.AuditQuery, line func([]byte) error) error {
	return a.db.Audit(0, func(r run.AuditRecord) error {
		if err := ctx.Err(); err != nil {
			return fault.New(fault.Canceled, "export audit", "", err, "")
		}
		if r.Event.At.Before(q.Since) || q.Run != "" && !strings.HasPrefix(r.Event.Run, q.Run) {
			return nil
		}
		return line(r.Line())
	})
}

const (
	// forwardStep is how many records are passed on at once.
	forwardStep = 500
	// forwardPause gathers what a run records into few writes; forwardRetry is how soon
	// records are passed on after a failure.
	forwardPause = 500 * time.Millisecond
	forwardRetry = 30 * time.Second
	// closeTimeout bounds what a process passes on at its end; the next one goes on.
	closeTimeout = 10 * time.Second
	// pruneEvery is how often a daemon drops old records.
	pruneEvery = 24 * time.Hour
)

// auditor passes the audit on, and drops what is old.
type auditor struct {
	db  *state.DB
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	to   string
	sink forward.Sink
	// failing says that the failure was told.
	failing bool
	// trouble is failing for metrics, which must not wait while records are passed on.
	trouble atomic.Bool
}

// place says where records go from now on.
func (x *auditor) place(to string) error {
	if to == x.to {
		return nil
	}
	err := x.close()
	x.to, x.failing = to, false
	x.trouble.Store(false)
	switch to {
	case "":
	case config.ForwardSyslog:
		x.sink = forward.Syslog("groupsyncd", "audit", forward.Sockets()...)
	default:
		x.sink = forward.File(to)
	}
	return err
}

func (x *auditor) close() error {
	if x.sink == nil {
		return nil
	}
	err := x.sink.Close()
	x.to, x.sink = "", nil
	return err
}

// forward passes on every record that has not arrived there. A failure is one warning;
// what is missing is made up for later. It reports whether all arrived.
func (x *auditor) forward(ctx context.Context, cfg *config.Audit) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	err := x.place(cfg.Forward)
	if x.sink == nil {
		return true
	}
	n := 0
	if err == nil {
		n, err = x.catchUp(ctx)
	}
	x.trouble.Store(err != nil && !errors.Is(err, errLater))
	switch {
	case errors.Is(err, errLater):
	case err != nil && !x.failing:
		x.failing = true
		x.log.LogAttrs(ctx, slog.LevelWarn, "audit not passed on; it is kept, and made up for later", slog.String("to", x.to),
			slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, fault.HintOf(err)))
	case err == nil && x.failing:
		x.failing = false
		x.log.LogAttrs(ctx, slog.LevelInfo, "audit passed on again", slog.String("to", x.to), slog.Int(logging.KeyCount, n))
	}
	return err == nil
}

// errLater ends passing on when there is no time left for it.
var errLater = errors.New("later")

// catchUp passes on what is missing. The cursor moves behind the lines, so that after a
// crash some may arrive twice and none is missing.
func (x *auditor) catchUp(ctx context.Context) (int, error) {
	last, err := x.db.Forwarded(x.to)
	if err != nil {
		return 0, err
	}
	total := 0
	var lines []forward.Line
	flush := func() error {
		if len(lines) == 0 {
			return nil
		}
		if err := x.sink.Send(lines); err != nil {
			return err
		}
		total += len(lines)
		lines = lines[:0]
		if err := x.db.SaveForwarded(x.to, last); err != nil || ctx.Err() == nil {
			return err
		}
		return errLater
	}
	err = x.db.Audit(last+1, func(r run.AuditRecord) error {
		if last > 0 && r.Seq != last+1 {
			x.log.LogAttrs(context.Background(), slog.LevelWarn, "audit records were dropped by their age before they could be passed on",
				slog.String("to", x.to), slog.Uint64(logging.KeyCount, r.Seq-last-1))
		}
		last = r.Seq
		lines = append(lines, forward.Line{At: r.Event.At, Text: r.Line(), Short: shortened(r)})
		if len(lines) < forwardStep {
			return nil
		}
		return flush()
	})
	if err != nil {
		return total, err
	}
	return total, flush()
}

// shortened gives a record without its lists, for where it would be too long.
func shortened(r run.AuditRecord) []byte {
	r.Event.Keys, r.Event.Fields = nil, nil
	r.Event.Detail = strings.TrimSpace("lists left out, see: groupsyncd audit export. " + r.Event.Detail)
	return r.Line()
}

// retain drops the records that are older than the configuration keeps, when the oldest
// is older by more than slack: each time leaves a record.
func (x *auditor) retain(cfg *config.Audit, slack time.Duration) error {
	before := x.now().Add(-cfg.Retention.Std())
	oldest, err := x.db.OldestAudit()
	if err != nil || oldest.IsZero() || !oldest.Before(before.Add(-slack)) {
		return err
	}
	n, err := x.db.PruneAudit(before)
	if n > 0 {
		x.log.LogAttrs(context.Background(), slog.LevelInfo, "old audit records dropped", slog.Int(logging.KeyCount, n))
	}
	return err
}

func (x *auditor) keep(ctx context.Context, cfg *config.Audit, slack time.Duration) {
	if err := x.retain(cfg, slack); err != nil {
		x.log.LogAttrs(ctx, slog.LevelError, "old audit records not dropped", slog.String(logging.KeyErr, err.Error()), slog.String(logging.KeyHint, fault.HintOf(err)))
	}
}

// startAudit takes care of the audit while the daemon runs, and until everything that is
// registered later has stopped.
func (a *App) startAudit(life *Lifecycle) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); a.audits(ctx) }()
	life.Add("audit", func(ctx context.Context) error {
		stop()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("the audit is still being passed on: %w", ctx.Err())
		}
	})
}

// audits passes records on soon after they were written, and drops old ones once a day.
func (a *App) audits(ctx context.Context) {
	daily := time.NewTicker(pruneEvery)
	defer daily.Stop()
	a.audit.keep(ctx, &a.settings().Audit, 0)
	for {
		wait, news := forwardPause, a.db.Audited()
		if !a.audit.forward(ctx, &a.settings().Audit) {
			// What is missing is no news any more.
			wait, news = forwardRetry, now()
		}
		if !pause(ctx, wait) {
			return // Close passes on the rest.
		}
		select {
		case <-ctx.Done():
			return
		case <-news:
		case <-a.changed:
		case <-daily.C:
			a.audit.keep(ctx, &a.settings().Audit, 0)
		}
	}
}

// now is a channel that has something already.
func now() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// pause waits, and reports whether ctx lasted.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// closeAudit passes on what is left, and after a run of its own drops what is old.
func (a *App) closeAudit() error {
	cfg := &a.settings().Audit
	if a.ran.Load() {
		a.audit.keep(context.Background(), cfg, pruneEvery)
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	a.audit.forward(ctx, cfg)
	a.audit.mu.Lock()
	defer a.audit.mu.Unlock()
	return a.audit.close()
}
