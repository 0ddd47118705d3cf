package web

import (
	"cmp"
	"slices"
	"strings"

	"groupsyncd/sync/engine"
)

// Verdict says in one sentence how everything stands.
type Verdict struct {
	// Level is ok, warn, bad or wait.
	Level, Text string
}

// Step is something that a person should do, or know.
type Step struct {
	Level, Text, Hint string
	// Link leads to where it is done, under the words Way.
	Link, Way string
}

// Judge says how everything stands and what to do about it. A status that is not known is nil.
func Judge(s *engine.Status, refused bool) (Verdict, []Step) {
	if s == nil {
		return Verdict{"wait", "Nothing is known yet"}, []Step{{Level: "wait", Text: "The daemon has just started, or a first look takes long.",
			Hint: "Look again in a moment. If it stays like this, read the daemon's log."}}
	}
	var steps []Step
	if n := len(s.Holds); n > 0 {
		verb := "wait"
		if n == 1 {
			verb = "waits"
		}
		steps = append(steps, Step{Level: "warn", Text: plural(n, "hold") + " " + verb + " for a decision.", Hint: "Nothing of it happens until somebody lets it through.", Link: "/holds", Way: "Look and decide"})
	}
	for i := range s.Sources {
		if st := sourceStep(&s.Sources[i]); st != nil {
			steps = append(steps, *st)
		}
	}
	for i := range s.Targets {
		t := &s.Targets[i]
		if t.Quarantine != nil {
			steps = append(steps, Step{Level: "bad", Text: t.Name + " does not do what it is asked: " + strings.TrimSuffix(Plain(t.Quarantine.Reason, 300), ".") + ".",
				Hint: "It is tried less often until it works. Check the address and the key, then run: groupsyncd doctor"})
		}
	}
	steps = append(steps, stateSteps(s.State)...)
	if refused {
		steps = append(steps, Step{Level: "bad", Text: "A newer configuration file was refused; the old one is in force.", Hint: "See what is wrong with: groupsyncd config validate"})
	}
	if r := s.Last; r != nil && (r.Exit == 3 || r.Exit == 6) {
		steps = append(steps, Step{Level: "bad", Text: "In the last run, " + exitWords(r.Exit) + ".", Hint: "The next run tries again what is still wanted.", Link: RunPath(r.Run), Way: "See what failed"})
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(weight(a.Level), weight(b.Level)) })
	return judge(s, steps), steps
}

// weight puts what is worst first.
func weight(level string) int { return slices.Index([]string{"bad", "warn", "wait", "ok"}, level) }

func judge(s *engine.Status, steps []Step) Verdict {
	bad, held := 0, len(s.Holds)
	for i := range steps {
		if steps[i].Level == "bad" {
			bad++
		}
	}
	switch {
	case bad > 0 && held > 0:
		return Verdict{"bad", "Something is wrong, and " + plural(held, "hold") + map[bool]string{true: " waits", false: " wait"}[held == 1] + " for you"}
	case bad > 0:
		return Verdict{"bad", "Something needs a look"}
	case held == 1:
		return Verdict{"warn", "One hold waits for your decision"}
	case held > 0:
		return Verdict{"warn", number(held) + " holds wait for your decision"}
	case len(steps) > 0:
		return Verdict{"warn", "Something needs a look"}
	case s.Last == nil:
		return Verdict{"wait", "The first run has not ended yet"}
	case s.Last.Pending() > 0:
		return Verdict{"wait", "The last run only planned, and wrote nothing"}
	}
	return Verdict{"ok", "Everything is in sync"}
}

// sourceStep says what to do about a source; nil: nothing.
func sourceStep(src *engine.SourceStatus) *Step {
	level, state := SourceState(src)
	if level != "bad" && level != "warn" {
		return nil
	}
	reason, hint := src.Reason, src.Hint
	if src.Quarantine != nil {
		reason = cmp.Or(src.Quarantine.Reason, reason)
	}
	if src.Provisioned != nil && !src.Provisioned.Complete {
		reason, hint = src.Provisioned.Waiting, src.Provisioned.Hint
	}
	text := src.Name + ": " + state + "."
	if reason != "" {
		text = src.Name + ": " + state + ". " + strings.TrimSuffix(Plain(reason, 300), ".") + "."
	}
	return &Step{Level: level, Text: text, Hint: cmp.Or(hint, "Until it is read again nothing is removed on its word. See: groupsyncd doctor")}
}

// SourceState says in words how a source stands.
func SourceState(src *engine.SourceStatus) (level, text string) {
	switch {
	case src.Quarantine != nil:
		return "bad", "keeps failing, tried less often"
	case src.Provisioned != nil && !src.Provisioned.Complete:
		return "warn", "waits for its provider"
	case src.Stale:
		return "bad", "stale"
	case src.Failing > 0 && src.Coverage == "partial":
		return "warn", "read in part"
	case src.Failing > 0:
		return "bad", "cannot be read"
	case src.Coverage == "partial":
		return "warn", "read in part"
	case src.CompleteAsOf.IsZero() && src.Coverage == "":
		return "wait", "not read yet"
	case src.Single:
		return "ok", "single people"
	case src.Coverage == "none":
		return "warn", "not read"
	}
	return "ok", "read completely"
}

// stateSteps says what is wrong with the state and its copies.
func stateSteps(s *engine.StateStatus) []Step {
	var steps []Step
	if s == nil {
		return nil
	}
	if s.Problem != "" {
		steps = append(steps, Step{Level: "bad", Text: "Nothing is written any more: " + strings.TrimSuffix(Plain(s.Problem, 300), ".") + ".", Hint: s.Hint})
	}
	switch b := &s.Backup; {
	case b.Problem != "":
		steps = append(steps, Step{Level: "bad", Text: "The last backup failed: " + strings.TrimSuffix(Plain(b.Problem, 300), ".") + ".", Hint: b.Hint})
	case b.Overdue:
		steps = append(steps, Step{Level: "warn", Text: "The newest backup is too old.", Hint: "Make one with: groupsyncd state backup"})
	}
	return steps
}
