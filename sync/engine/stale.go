package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"groupsyncd/sync/run"
)

// stale says what makes a source count as stale, if it is: no complete read for as many
// intervals as its configuration allows, or evidence too old to decide on. A source that
// was never read completely counts from when it was configured.
func (e *Engine) stale(src *Source) (string, bool) {
	r, now := e.replica(src.ID), e.now()
	last := e.completed(src)
	if last.IsZero() {
		last = r.CompleteAt
	}
	from, limit := last, src.StaleAfter
	if last.IsZero() {
		from = src.Since
	}
	if limit > 0 && !from.IsZero() && now.Sub(from) > limit {
		if last.IsZero() {
			return "was never read completely, and is configured since " + clock(from), true
		}
		return "was last read completely at " + clock(last), true
	}
	if src.Single {
		return "", false // What it showed of each person has an age of its own.
	}
	if why, fresh := r.Fresh(nil, now, src.MaxAge); !fresh && !r.CompleteAt.IsZero() {
		return why, true
	}
	return "", false
}

// completed gives when a read of everything in a source last ended well, zero when that is
// not known.
func (e *Engine) completed(src *Source) time.Time {
	e.condition.mu.Lock()
	defer e.condition.mu.Unlock()
	return e.condition.kept.Complete[src.ID]
}

// CheckHealth looks for what people should hear of although no run says so: sources whose
// runs do not even begin any more. What it finds is in the report of the next run.
func (e *Engine) CheckHealth() error { return e.tellAll() }

// tellStale tells of sources that have become stale, and of those that no longer are. It
// reports whether something changed. condition.mu is held.
func (e *Engine) tellStale(sources []Source, why map[string]string) bool {
	c, now, changed := &e.condition, e.now(), false
	for i := range sources {
		src := &sources[i]
		_, told := c.kept.Stale[src.ID]
		text, is := why[src.ID]
		switch {
		case is && !told:
			set(&c.kept.Stale, src.ID, now)
			e.tell(staleNotice(src, text, now))
		case !is && told:
			delete(c.kept.Stale, src.ID)
			e.tell(run.Notice{At: now, Kind: run.NoticeRecovered, Key: staleKey(src), Message: "source " + src.Name + " is read completely again"})
		default:
			continue
		}
		changed = true
	}
	return changed
}

func staleKey(src *Source) string { return "stale/" + src.Name }

func staleNotice(src *Source, why string, at time.Time) run.Notice {
	return run.Notice{At: at, Kind: run.NoticeStale, Key: staleKey(src),
		Message: fmt.Sprintf("source %s is stale: it %s", src.Name, why), Hint: staleHint}
}

const staleHint = "see why it cannot be read: groupsyncd doctor"

// whyStale gives the stale sources of a setup, by id, with what makes them so.
func (e *Engine) whyStale(s *Setup) map[string]string {
	out := map[string]string{}
	for i := range s.Sources {
		if why, is := e.stale(&s.Sources[i]); is {
			out[s.Sources[i].ID] = why
		}
	}
	return out
}

// reportStale puts stale sources among the problems of every target, unless the plan has
// said so for a reason of its own.
func (e *Engine) reportStale(s *Setup, r *run.Report) {
	why := e.whyStale(s)
	for i := range s.Sources {
		src := &s.Sources[i]
		text, is := why[src.ID]
		for t := range r.Targets {
			tr := &r.Targets[t]
			if is && !hasStale(tr.Problems, src.Name) {
				tr.Problems = append(tr.Problems, run.Problem{Kind: run.KindStale, Message: "source " + src.Name + " " + text, Hint: staleHint})
			}
		}
	}
}

func hasStale(problems []run.Problem, source string) bool {
	return slices.ContainsFunc(problems, func(p run.Problem) bool {
		return p.Kind == run.KindStale && strings.HasPrefix(p.Message, "source "+source+" ")
	})
}
