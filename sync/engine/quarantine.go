package engine

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"
)

// How a source or target that keeps failing is slowed down.
const (
	// patience is how many failures in a row begin a quarantine; one is enough for a
	// refused credential, because each further try may lock the account behind it.
	patience = 3
	// The interval between tries doubles from firstWait up to longestWait, so that an
	// outage of an hour costs at most another one; with refused credentials, which only
	// a person heals, up to longestAuthWait.
	firstWait       = 15 * time.Minute
	longestWait     = time.Hour
	longestAuthWait = 6 * time.Hour
	// longestAsked bounds how long a server may ask us to stay away.
	longestAsked = 24 * time.Hour
	// early is how much before its time a try may come: schedules have the same period
	// as the intervals here, and a run that is a moment early must not wait for the next.
	early = time.Minute
	// reasonLength bounds what is kept and told of an error.
	reasonLength = 500
)

// condition is how sources and targets fare, and what people are still to hear of it.
type condition struct {
	// comparing lets one comparison of what is open with what was told go on at a time:
	// with an older look a second one would forget what the first has just told. It is
	// taken before every other lock.
	comparing sync.Mutex

	mu   sync.Mutex
	kept run.Health
	// news are the notices that no report has yet.
	news []run.Notice
}

// party is a source or a target that may fare badly.
type party struct {
	kind string // as people say: source or target
	key  string // the id of a source, the name of a target
	name string
}

func (s *Source) party() party      { return party{"source", s.ID, s.Name} }
func (t *TargetSetup) party() party { return party{"target", t.Name, t.Name} }
func (p party) String() string      { return p.kind + " " + p.name }
func (p party) notice() string      { return "quarantine/" + p.kind + "/" + p.name }

// now says how to try at once.
func (p party) now(hint string) string {
	if hint != "" {
		hint += "; "
	}
	return hint + "try at once with: groupsyncd sync --" + p.kind + " " + p.name
}

// troubles gives the place where the troubles of this kind of party are kept.
func (c *condition) troubles(p party) map[string]run.Trouble {
	at := &c.kept.Sources
	if p.kind == "target" {
		at = &c.kept.Targets
	}
	if *at == nil {
		*at = map[string]run.Trouble{}
	}
	return *at
}

// trouble gives the trouble of a party, if it has one.
func (e *Engine) trouble(p party) (run.Trouble, bool) {
	e.condition.mu.Lock()
	defer e.condition.mu.Unlock()
	t, has := e.condition.troubles(p)[p.key]
	return t, has
}

// rests reports whether a run leaves a party alone because it is in quarantine. Whoever
// asks for a run themselves, with a command, a reload or an approval, is served at once.
func (e *Engine) rests(p party, by run.Trigger) (run.Trouble, bool) {
	if by == run.Manual || by == run.Reload || by == "" {
		return run.Trouble{}, false
	}
	t, has := e.trouble(p)
	return t, has && t.Quarantined() && e.now().Add(early).Before(t.Next)
}

// resting says in a report why nothing was tried.
func resting(t *run.Trouble) string {
	return fmt.Sprintf("not tried: in quarantine since %s, next try after %s, because of: %s", clock(t.Since), clock(t.Next), t.Reason)
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// fared takes in how a try went. read: it was about everything, not about one person; a
// look-up that works proves nothing about reads that do not. The error is about our own
// state.
func (e *Engine) fared(p party, err error, began time.Time, read bool) error {
	kind := fault.KindOf(err)
	if e.health == nil || kind == fault.Canceled || kind == fault.Damaged || err != nil && !read && kind == fault.NotFound {
		return nil
	}
	c := &e.condition
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.troubles(p)
	was, had := all[p.key]
	now := e.now()
	if err == nil {
		complete := read && p.kind == "source"
		switch {
		case had && (read || was.Reads == 0):
			delete(all, p.key)
		case !complete:
			return nil
		}
		if complete {
			set(&c.kept.Complete, p.key, now)
		}
		if had && was.Quarantined() && (read || was.Reads == 0) {
			e.tell(run.Notice{At: now, Kind: run.NoticeRecovered, Key: p.notice(), Message: fmt.Sprintf("%s works again; it failed since %s", p, clock(was.First))})
		}
		return e.health.SaveHealth(c.kept)
	}
	t := worse(was, err, began, now, read)
	all[p.key] = t
	if t.Quarantined() && (!was.Quarantined() || was.Kind != t.Kind) {
		e.tell(quarantined(p, &t, was.Quarantined(), now))
	}
	return e.health.SaveHealth(c.kept)
}

// set puts a value into a map that may not exist yet.
func set[V any](m *map[string]V, key string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = v
}

// worse gives a trouble after one more failure, of a try that began then.
func worse(t run.Trouble, err error, began, now time.Time, read bool) run.Trouble {
	kind := fault.KindOf(err)
	if t.Failures == 0 {
		t.First = now
	}
	t.Failures++
	if read {
		t.Reads++
	}
	t.Kind, t.Reason, t.Hint = kind.String(), brief(err.Error()), brief(fault.HintOf(err))
	asked := now.Add(min(fault.AfterOf(err), longestAsked))
	switch {
	case !t.Quarantined() && kind != fault.Auth && t.Failures < patience:
		return t
	case !t.Quarantined():
		t.Since = now
	case began.Add(early).Before(t.Next):
		// Somebody tried before it was due: that makes nothing longer.
		if asked.After(t.Next) {
			t.Next = asked
		}
		return t
	default:
		t.Step++
	}
	t.Next = began.Add(interval(t.Step, kind))
	if asked.After(t.Next) {
		t.Next = asked
	}
	return t
}

// interval gives the time between two tries.
func interval(step int, kind fault.Kind) time.Duration {
	longest := longestWait
	if kind == fault.Auth {
		longest = longestAuthWait
	}
	return min(firstWait<<min(step, 10), longest)
}

// brief cuts a text to its first line, and that to a bearable length.
func brief(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if len(text) > reasonLength {
		text = strings.ToValidUTF8(text[:reasonLength], "") + "…"
	}
	return text
}

// quarantined is the notice that a party is slowed down.
func quarantined(p party, t *run.Trouble, changed bool, at time.Time) run.Notice {
	text := "%s keeps failing and is tried less often: %s; next try after %s"
	if changed {
		text = "%s, in quarantine, fails for another reason now: %s; next try after %s"
	}
	return run.Notice{At: at, Kind: run.NoticeQuarantined, Key: p.notice(),
		Message: fmt.Sprintf(text, p, t.Reason, clock(t.Next)), Hint: p.now(t.Hint)}
}

// quarantine gives what status shows of a trouble.
func quarantine(t *run.Trouble) *run.Quarantine {
	if !t.Quarantined() {
		return nil
	}
	return &run.Quarantine{Reason: t.Reason, Since: t.Since, NextTry: t.Next}
}
