package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"groupsyncd/internal/logging"
	"groupsyncd/sync/engine"
)

// toldEvery is how often the log hears of one cause at one webhook.
const toldEvery = time.Minute

// told keeps whoever knocks often from filling the log.
type told struct {
	log *slog.Logger
	now func() time.Time

	mu sync.Mutex
	// last is what was said of each cause at each webhook: few, because both are words of
	// ours.
	last map[cause]*saying
}

type cause struct {
	// kind is webhook or source, name that of one of them.
	kind, name string
	result     Result
}

type saying struct {
	at time.Time
	// unsaid counts what was kept back since.
	unsaid int
}

// say logs why a request was not accepted, at most once a minute for each cause; else it
// counts.
func (t *told) say(ctx context.Context, h *hook, result Result, why string, from sender) {
	t.tell(ctx, cause{"webhook", h.Config.Name, result}, why, from)
}

// tell is say for any kind of sender.
func (t *told) tell(ctx context.Context, key cause, why string, from sender) {
	now := t.now()
	t.mu.Lock()
	if t.last == nil {
		t.last = map[cause]*saying{}
	}
	s := t.last[key]
	if s != nil && now.Sub(s.at) < toldEvery {
		s.unsaid++
		t.mu.Unlock()
		return
	}
	unsaid := 0
	if s != nil {
		unsaid = s.unsaid
	}
	t.last[key] = &saying{at: now}
	t.mu.Unlock()
	level := slog.LevelWarn
	if key.result == Failed {
		level = slog.LevelError // It is ours to mend.
	}
	attrs := []slog.Attr{slog.String(key.kind, key.name), slog.String("result", string(key.result)),
		slog.String(logging.KeyReason, why), slog.String("peer", from.String()), slog.Int("not_logged", unsaid)}
	if key.kind == logging.KeySource {
		t.log.LogAttrs(ctx, level, "request of a provider not accepted", attrs...)
		return
	}
	t.log.LogAttrs(ctx, level, "webhook request not accepted", attrs...)
}

// seen is what is known of a webhook.
type seen struct {
	mu               sync.Mutex
	taken, turned    time.Time
	takings, turning int
	why              string
}

func (s *seen) accepted(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = at
	s.takings++
}

func (s *seen) refused(at time.Time, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turned, s.why = at, why
	s.turning++
}

// Status says how the webhooks fare, in the order of the configuration.
func (p *Public) Status() []engine.WebhookStatus {
	var out []engine.WebhookStatus
	for _, h := range p.table.Load().order {
		h.seen.mu.Lock()
		out = append(out, engine.WebhookStatus{Name: h.Config.Name, Type: h.Config.Type, Accepted: h.seen.takings, LastAccepted: h.seen.taken.UTC(),
			Refused: h.seen.turning, LastRefused: h.seen.turned.UTC(), Reason: h.seen.why})
		h.seen.mu.Unlock()
	}
	return out
}
