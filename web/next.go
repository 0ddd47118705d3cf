package web

import (
	"cmp"
	"strings"

	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
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
func Judge(s *engine.Status) (Verdict, []Step) {
	if s == nil {
		return Verdict{"wait", "Nothing is known yet"}, []Step{{Level: "wait", Text: "The daemon has just started, or a first look takes long.",
			Hint: "Look again in a moment. If it stays like this, read the daemon's log."}}
	}
	var steps []Step
	for _, c := range s.Concerns() {
		steps = append(steps, step(&c, s))
	}
	return judge(s, steps), steps
}

// step says in words what somebody should look at.
func step(c *engine.Concern, s *engine.Status) Step {
	out := Step{Level: level(c.Kind), Hint: c.Hint}
	why := strings.TrimSuffix(Plain(c.Reason, 300), ".") + "."
	if last := s.Last; last != nil && (c.Kind == engine.TargetFailed || c.Kind == engine.CallsFailed || c.Kind == engine.TargetQuarantined && last.Exit == run.ExitTarget) {
		out.Hint, out.Link, out.Way = cmp.Or(c.Hint, "The next run tries again what is still wanted."), RunPath(last.Run), "See what failed"
	}
	switch c.Kind {
	case engine.StateStopped:
		out.Text = "Nothing is written any more: " + why
	case engine.FileRefused:
		out.Text, out.Hint = "A newer configuration file was refused; the old one is in force.", "See what is wrong with: groupsyncd config validate"
	case engine.TargetQuarantined:
		out.Text, out.Hint = c.Name+" does not do what it is asked: "+why, "It is tried less often until it works. Check the address and the key, then run: groupsyncd doctor"
	case engine.TargetFailed:
		out.Text = c.Name + " failed in the last run: " + why
	case engine.CallsFailed:
		out.Text = "In the last run, some calls failed."
	case engine.NoticesStuck:
		out.Text, out.Hint = "Notices do not arrive at "+c.Name+": "+why, cmp.Or(c.Hint, "Try it with: groupsyncd notify test "+c.Name)
	case engine.BackupFailed:
		out.Text = "The last backup failed: " + why
	case engine.BackupOverdue:
		out.Text, out.Hint = "The newest backup is too old.", "Make one with: groupsyncd state backup"
	case engine.HoldsWait:
		out.Text, out.Hint = holdsWait(len(s.Holds))+" for a decision.", "Nothing of it happens until somebody lets it through."
		out.Link, out.Way = "/holds", "Look and decide"
	default: // A source.
		out.Text, out.Hint = c.Name+": "+sourceWords(c.Kind)+".", cmp.Or(c.Hint, "Until it is read again nothing is removed on its word. See: groupsyncd doctor")
		if c.Reason != "" {
			out.Text += " " + why
		}
	}
	return out
}

// level says how bad a kind of concern is.
func level(k engine.ConcernKind) string {
	if k < engine.HoldsWait {
		return "bad"
	}
	return "warn"
}

func judge(s *engine.Status, steps []Step) Verdict {
	held := len(s.Holds)
	bad := len(steps) > 0 && steps[0].Level == "bad"
	switch {
	case bad && held > 0:
		return Verdict{"bad", "Something is wrong, and " + holdsWait(held) + " for you"}
	case bad:
		return Verdict{"bad", "Something needs a look"}
	case held == 1:
		return Verdict{"warn", "One hold waits for your decision"}
	case held > 0:
		return Verdict{"warn", number(held) + " holds wait for your decision"}
	case len(steps) > 0:
		return Verdict{"warn", "Something needs a look"}
	case s.Last == nil:
		return Verdict{"wait", "The first run has not ended yet"}
	case s.Last.WouldHold():
		return Verdict{"wait", "The last run only planned; the guard would hold a part of it"}
	case s.Last.Exit != run.ExitOK:
		return Verdict{"wait", "The last run was not perfect, and nothing is left to decide"}
	case s.Last.Pending() > 0:
		return Verdict{"wait", "The last run only planned, and wrote nothing"}
	}
	return Verdict{"ok", "Everything is in sync"}
}

func holdsWait(n int) string {
	if n == 1 {
		return "1 hold waits"
	}
	return plural(n, "hold") + " wait"
}

// SourceState says in words how a source stands.
func SourceState(src *engine.SourceStatus) (mark, text string) {
	kind := src.Concern()
	switch {
	case kind != 0:
		return level(kind), sourceWords(kind)
	case src.CompleteAsOf.IsZero() && src.Coverage == "":
		return "wait", "not read yet"
	case src.Single:
		return "ok", "single people"
	}
	return "ok", "read completely"
}

// sourceWords says in words what is wrong with a source.
func sourceWords(k engine.ConcernKind) string {
	return map[engine.ConcernKind]string{engine.SourceQuarantined: "keeps failing, tried less often", engine.SourceStale: "stale", engine.SourceUnread: "cannot be read",
		engine.SourceWaits: "waits for its provider", engine.SourceInPart: "read in part", engine.SourceNotRead: "not read"}[k]
}
