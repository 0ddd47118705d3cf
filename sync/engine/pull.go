package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/providers"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// defaultTimeout bounds a pull whose source sets no bound.
const defaultTimeout = 15 * time.Minute

// pulled says which sources a run read, and how that went.
type pulled struct {
	reports []run.SourceReport
	// complete are the ids of the sources that this run read to the end, or as far as they
	// have one.
	complete map[string]bool
	// idle says that changes were read, and that there were none.
	idle bool
	// confirmAt is when fresh references behind a lagging server can be settled.
	confirmAt time.Time
}

// pull reads all the sources of a run at once. A source that fails changes nothing in
// its replica beyond what it proved.
func (e *Engine) pull(ctx context.Context, s *Setup, req run.Request) (*pulled, error) {
	out := &pulled{complete: map[string]bool{}, idle: req.Trigger.Watched()}
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed error
	)
	var sources []*Source
	for i := range s.Sources {
		if req.Source == "" && !(req.Quick && s.Sources[i].Single) || s.Sources[i].Name == req.Source {
			sources = append(sources, &s.Sources[i])
		}
	}
	out.reports = make([]run.SourceReport, len(sources))
	for i, src := range sources {
		wg.Go(func() {
			report, learned, idle, err := e.pullOne(ctx, src, req)
			mu.Lock()
			defer mu.Unlock()
			out.reports[i] = report
			out.idle = out.idle && idle
			out.complete[src.ID] = report.Whole()
			out.confirmAt = soonest(out.confirmAt, learned.ConfirmAt)
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	return out, failed
}

func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// pullOne reads one source and merges what it proved. The third result says that somebody
// who watches the source had it read for nothing. The error is about our own state.
func (e *Engine) pullOne(ctx context.Context, src *Source, req run.Request) (run.SourceReport, replica.Learned, bool, error) {
	watching := req.Trigger.Watched()
	if t, rests := e.rests(src.party(), req.Trigger); rests {
		return e.left(ctx, src, &t), replica.Learned{}, watching, nil
	}
	started := e.now()
	timeout := src.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	log := e.log.With(slog.String(logging.KeySource, src.Name))
	got, err := e.read(bounded, src, req, func(what string, done int) {
		log.LogAttrs(ctx, slog.LevelDebug, "reading", slog.String("what", what), slog.Int(logging.KeyCount, done))
		e.progress(src.Name, what, done, 0)
	}, log)
	var learned replica.Learned
	var stored error
	readFor := e.now().Sub(started)
	idle := watching && err == nil && e.nothing(src, got)
	if !idle {
		moved, failed := e.askAfter(bounded, src, got.snapshot, log)
		err = errors.Join(err, failed)
		learned, stored = e.merge(src, append([]*directory.Snapshot{got.snapshot}, moved...)...)
	}
	report := late(ctx, sourceReport(src, got.snapshot, err))
	report.Read = got.kind
	waiting := errors.Is(err, providers.ErrWaiting)
	if waiting {
		report.Fault = "" // Nothing is wrong with it.
	} else {
		stored = errors.Join(stored, e.fared(src.party(), err, started, true))
	}
	e.note(src, report)
	switch {
	case waiting:
		log.LogAttrs(ctx, slog.LevelInfo, "source has not everything yet", slog.String("coverage", report.Coverage),
			slog.String(logging.KeyReason, report.Reason), slog.String(logging.KeyHint, report.Hint))
	case err != nil:
		log.LogAttrs(ctx, slog.LevelError, "source not read completely", slog.String("coverage", report.Coverage),
			slog.String(logging.KeyErr, report.Reason), slog.String(logging.KeyHint, report.Hint))
	default:
		log.LogAttrs(ctx, slog.LevelInfo, "source read", slog.String("read", string(got.kind)), slog.Int("users", report.Users), slog.Int("groups", report.Groups),
			slog.Int("memberships", report.Memberships), slog.Int("requests", report.Requests), slog.Int64("ms", readFor.Milliseconds()),
			slog.Int64("merge_ms", (e.now().Sub(started)-readFor).Milliseconds()))
	}
	return report, learned, idle, stored
}

// merge takes snapshots into the replica of their source, in their order, durably.
func (e *Engine) merge(src *Source, list ...*directory.Snapshot) (replica.Learned, error) {
	e.merging.Lock()
	defer e.merging.Unlock()
	e.mu.Lock()
	doubted := e.doubted[src.ID]
	e.mu.Unlock()
	var learned replica.Learned
	from := e.replica(src.ID)
	next := from
	for _, s := range list {
		if s.Coverage() == directory.None && len(s.DeletedUsers)+len(s.DeletedGroups) == 0 {
			continue
		}
		if s.AsOf.Before(doubted) {
			continue // It shows what counts no longer.
		}
		s.Cursor = src.sealed(s.Cursor)
		lag := src.Lag
		if s.Replicated {
			lag = max(lag, src.LagReplicated)
		}
		var more replica.Learned
		next, more = next.Merge(s, lag)
		learned.ConfirmAt = soonest(learned.ConfirmAt, more.ConfirmAt)
		learned.Kept += more.Kept
	}
	if next == from {
		return learned, nil
	}
	if err := e.ledger.SaveReplica(next); err != nil {
		return learned, fmt.Errorf("keep what source %s showed: %w", src.Name, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.replicas[src.ID] == from { // Else nobody has this source any more.
		e.replicas[src.ID] = next
	}
	return learned, nil
}

func sourceReport(src *Source, s *directory.Snapshot, err error) run.SourceReport {
	r := run.SourceReport{Name: src.Name, Single: src.Single, Coverage: string(s.Coverage()), Reason: s.Reason, AsOf: s.AsOf,
		Users: len(s.Users), Memberships: s.Memberships(), Requests: s.Requests}
	for i := range s.Groups {
		if s.Groups[i].Counts() {
			r.Groups++
		}
	}
	if err != nil {
		r.Reason, r.Hint, r.Fault = err.Error(), fault.HintOf(err), faultWord(err)
		if r.Hint == "" {
			r.Hint = "see what is wrong with: groupsyncd doctor"
		}
	}
	return r
}

// faultWord gives the kind of a failure in a word that metrics count under.
func faultWord(err error) string {
	if kind := fault.KindOf(err); kind != 0 {
		return kind.String()
	}
	return run.FaultOther
}

// note keeps the last pull of a source for status.
func (e *Engine) note(src *Source, report run.SourceReport) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pulls[src.ID] = report
}

// left reports a source that is left alone because it keeps failing.
func (e *Engine) left(ctx context.Context, src *Source, t *run.Trouble) run.SourceReport {
	e.log.LogAttrs(ctx, slog.LevelInfo, "source left alone", slog.String(logging.KeySource, src.Name), slog.String(logging.KeyReason, resting(t)))
	return run.SourceReport{Name: src.Name, Coverage: string(directory.None), Reason: resting(t), Hint: src.party().now(t.Hint)}
}

// late says in a report that the run's time was up.
func late(ctx context.Context, r run.SourceReport) run.SourceReport {
	if why := overdue(ctx); why != "" && r.Coverage != string(directory.Full) {
		r.Reason, r.Hint = why+": "+r.Reason, deadlineHint
	}
	return r
}
