package engine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"groupsyncd/internal/logging"
	"groupsyncd/sync/run"
)

// tell writes a notice into the log and keeps it for the report of the run that ends
// next. condition.mu is held.
func (e *Engine) tell(n run.Notice) {
	level := slog.LevelWarn
	if n.Kind == run.NoticeRecovered {
		level = slog.LevelInfo
	}
	attrs := []slog.Attr{slog.String(logging.KeyKind, string(n.Kind)), slog.String("key", n.Key), slog.String(logging.KeyReason, n.Message)}
	if n.Hint != "" {
		attrs = append(attrs, slog.String(logging.KeyHint, n.Hint))
	}
	e.log.LogAttrs(context.Background(), level, "notice", attrs...)
	e.condition.news = append(e.condition.news, n)
}

// announce tells of something that nobody has to remember having told.
func (e *Engine) announce(n run.Notice) {
	e.condition.mu.Lock()
	defer e.condition.mu.Unlock()
	e.tell(n)
}

// news gives the notices that no report has yet.
func (e *Engine) news() []run.Notice {
	e.condition.mu.Lock()
	defer e.condition.mu.Unlock()
	out := e.condition.news
	e.condition.news = nil
	return out
}

// tellAll compares what is held and stale with what people were told of, and tells them
// the difference. What was told is kept before anybody could ask again, so that nothing
// is told twice, and nothing is lost when the process ends in between.
func (e *Engine) tellAll() error {
	if e.health == nil {
		return nil
	}
	c := &e.condition
	c.comparing.Lock()
	defer c.comparing.Unlock()
	s := e.current()
	holds, why := e.Holds(), e.whyStale(&s)
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := e.tellHolds(holds)
	changed = e.tellStale(s.Sources, why) || changed
	changed = e.forget(&s) || changed
	if !changed {
		return nil
	}
	return e.health.SaveHealth(c.kept)
}

// forget drops what is kept of sources and targets that are no longer configured.
func (e *Engine) forget(s *Setup) bool {
	source := func(id string) bool {
		return slices.ContainsFunc(s.Sources, func(x Source) bool { return x.ID == id })
	}
	target := func(name string) bool {
		return slices.ContainsFunc(s.Targets, func(x TargetSetup) bool { return x.Name == name })
	}
	k := &e.condition.kept
	changed := keep(k.Sources, source)
	changed = keep(k.Targets, target) || changed
	changed = keep(k.Complete, source) || changed
	return keep(k.Stale, source) || changed
}

func keep[V any](m map[string]V, wanted func(string) bool) bool {
	before := len(m)
	for k := range m {
		if !wanted(k) {
			delete(m, k)
		}
	}
	return len(m) != before
}

// tellHolds tells of the holds that nobody was told of: once when they begin and once
// when the kind of their reason changes, and not because their lists grow. It reports
// whether something changed. condition.mu is held.
func (e *Engine) tellHolds(holds []run.Hold) bool {
	c := &e.condition
	var fresh []run.Hold
	var now []run.ToldHold
	for i := range holds {
		h := &holds[i]
		t := run.ToldHold{Check: h.Check, Target: h.Target, Scope: h.Scope, Reason: reasonKind(h)}
		now = append(now, t)
		if !slices.Contains(c.kept.Holds, t) {
			fresh = append(fresh, *h)
		}
	}
	if len(fresh) == 0 && len(now) == len(c.kept.Holds) {
		return false
	}
	for _, n := range holdNotices(fresh) {
		n.At = e.now()
		e.tell(n)
	}
	c.kept.Holds = now
	return true
}

// figures are the parts of a reason that may change without making it another one.
var figures = regexp.MustCompile(`"[^"]*"|\S*[0-9@]\S*`)

// reasonKind gives the kind of a hold's reason. Only one check knows several kinds; the
// others are their reason.
func reasonKind(h *run.Hold) string {
	if h.Check != run.TargetChanged {
		return ""
	}
	return strings.Join(strings.Fields(figures.ReplaceAllString(h.Detail, "")), " ")
}

// holdNotices makes one notice for each cause: the same check and scope in several
// targets are one.
func holdNotices(holds []run.Hold) []run.Notice {
	type cause struct {
		check  run.Check
		scope  string
		reason string
	}
	var order []cause
	by := map[cause][]*run.Hold{}
	for i := range holds {
		k := cause{holds[i].Check, holds[i].Scope, reasonKind(&holds[i])}
		if by[k] == nil {
			order = append(order, k)
		}
		by[k] = append(by[k], &holds[i])
	}
	slices.SortFunc(order, func(a, b cause) int {
		return cmp.Or(cmp.Compare(a.check, b.check), cmp.Compare(a.scope, b.scope), cmp.Compare(a.reason, b.reason))
	})
	out := make([]run.Notice, 0, len(order))
	for _, k := range order {
		n := run.Notice{At: by[k][0].Since, Kind: run.NoticeHeld, Key: "held/" + string(k.check)}
		if k.scope != "" {
			n.Key += "/" + k.scope
		}
		var texts, hints []string
		for _, h := range by[k] {
			n.Targets = append(n.Targets, h.Target)
			texts = append(texts, fmt.Sprintf("target %s: %s", h.Target, h.Detail))
			hints = append(hints, h.Approve)
			if h.Since.Before(n.At) {
				n.At = h.Since
			}
		}
		n.Message = fmt.Sprintf("changes are held (%s): %s", k.check, strings.Join(texts, "; "))
		n.Hint = "see them with: groupsyncd holds; let them through with: " + strings.Join(hints, "; ")
		out = append(out, n)
	}
	return out
}

// Notices gives what is open: what was told and has not been settled or healed since.
func (e *Engine) Notices() []run.Notice {
	s := e.current()
	out := holdNotices(e.Holds())
	parties := make([]party, 0, len(s.Sources)+len(s.Targets))
	for i := range s.Sources {
		parties = append(parties, s.Sources[i].party())
	}
	for i := range s.Targets {
		parties = append(parties, s.Targets[i].party())
	}
	for _, p := range parties {
		if t, has := e.trouble(p); has && t.Quarantined() {
			out = append(out, quarantined(p, &t, false, t.Since))
		}
	}
	for i := range s.Sources {
		src := &s.Sources[i]
		e.condition.mu.Lock()
		since, told := e.condition.kept.Stale[src.ID]
		e.condition.mu.Unlock()
		if why, is := e.stale(src); is {
			if !told {
				since = e.now()
			}
			out = append(out, staleNotice(src, why, since))
		}
	}
	return out
}
