package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"groupsyncd/internal/httpx"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// statusHead says in five lines what is going on, and what to do next: a verdict, the
// daemon, the last run, what waits, and a command.
func (c *command) statusHead(s *engine.Status) {
	verdict, next := c.verdict(s)
	c.line("%s", verdict)
	if s.Daemon != nil {
		c.line("daemon: running as pid %d since %s", s.Daemon.PID, c.when(s.Daemon.Since))
	} else {
		c.line("daemon: not running")
	}
	if s.Last != nil {
		ended := exitWords(s.Last.Exit)
		switch {
		case s.Last.WouldHold():
			ended = "planned, something would be held (4)"
		case s.Last.Exit == run.ExitOK && s.Last.Pending() > 0:
			ended = "planned, nothing written"
		}
		c.line("last run: %s, %s, %s, %s", s.Last.Run, s.Last.Trigger, c.when(s.Last.Started), ended)
	} else {
		c.line("last run: none yet")
	}
	c.line("waiting: %s", c.waiting(s))
	c.line("next: %s", next)
}

// verdict says in words how it stands, the worst first, and what to do next.
func (c *command) verdict(s *engine.Status) (verdict, next string) {
	found := s.Concerns()
	others := len(found) - 1
	held := slices.IndexFunc(found, func(x engine.Concern) bool { return x.Kind == engine.HoldsWait })
	if held > 0 {
		others-- // What waits has a line of its own.
	}
	more := ""
	if others > 0 {
		more = fmt.Sprintf("; and %d more below", others)
	}
	switch {
	case held == 0:
		verdict, next = "the guard waits for a decision since "+c.when(found[0].Since), plural(len(s.Holds), "hold")+" waiting for a decision; see them with: groupsyncd holds"
		switch {
		case s.Daemon == nil:
			verdict += ", and no daemon runs"
		case more == "":
			verdict += "; everything else goes on"
		}
		return verdict + more, next
	case len(found) > 0:
		text, next := worded(&found[0], s.Last)
		verdict = "trouble: "
		if !found[0].Since.IsZero() {
			verdict = "trouble since " + c.when(found[0].Since) + ": "
		}
		return verdict + httpx.Shorten(text, longestVerdict) + more, next
	case s.Last == nil && s.Daemon != nil:
		return "just started: no run has ended yet", "wait for the first run, or start one with: groupsyncd sync"
	case s.Last == nil:
		return "nothing has run yet", "see what a run would do with: groupsyncd plan"
	case s.Last.WouldHold() && c.planning:
		return "nothing is written while the configuration says mode: plan; the guard would hold " + c.wouldHold(s),
			"see what with: groupsyncd history " + s.Last.Run + "; with mode: apply it waits for a decision"
	case s.Last.WouldHold():
		return "the last run only planned; the guard would hold " + c.wouldHold(s),
			"see what with: groupsyncd history " + s.Last.Run + "; let it wait for a decision with: groupsyncd sync"
	case s.Last.Exit == run.ExitOK && s.Last.Pending() > 0 && c.planning:
		return fmt.Sprintf("nothing is written while the configuration says mode: plan; %s planned", areOrIs(s.Last.Pending())),
			"see what with: groupsyncd history " + s.Last.Run + "; then say mode: apply"
	case s.Last.Exit == run.ExitOK && s.Last.Pending() > 0:
		return fmt.Sprintf("the last run only planned; %s not made", areOrIs(s.Last.Pending())),
			"see what with: groupsyncd history " + s.Last.Run + "; make them with: groupsyncd sync"
	case s.Last.Exit != run.ExitOK:
		return "the last run was not perfect, and nothing is left to decide", "see why with: groupsyncd history " + s.Last.Run
	case s.Daemon == nil:
		return "no daemon runs; all was well when the last run ended", "groups follow again with: groupsyncd serve, or once with: groupsyncd sync"
	}
	return "all is well: " + exitWords(s.Last.Exit) + " since the last run", "nothing to do" + c.nextRead(s)
}

// wouldHold counts what a plan found to be held, and what it would have done beside that.
func (c *command) wouldHold(s *engine.Status) string {
	text := "something" // Where a source is held as a whole, no changes are listed.
	if n := s.Last.Total().Held; n > 0 {
		text = plural(n, "change")
	}
	if n := s.Last.Pending(); n > 0 {
		text += fmt.Sprintf(" and make %d", n)
	}
	return text
}

func areOrIs(changes int) string {
	if changes == 1 {
		return "1 change is"
	}
	return plural(changes, "change") + " are"
}

// nextRead says when something is read next.
func (c *command) nextRead(s *engine.Status) string {
	var first *engine.SourceStatus
	for i := range s.Sources {
		if src := &s.Sources[i]; !src.Next.IsZero() && (first == nil || src.Next.Before(first.Next)) {
			first = src
		}
	}
	if first == nil {
		return ""
	}
	return "; " + first.Name + " is read " + c.when(first.Next)
}

// worded says what is wrong, and which command helps.
func worded(x *engine.Concern, last *run.Report) (text, next string) {
	why := firstLine(cmp.Or(x.Reason, "see the log"))
	tryAgain := func(kind string) string {
		return "find out with: groupsyncd doctor; then try at once with: groupsyncd sync --" + kind + " " + x.Name
	}
	switch x.Kind {
	case engine.StateStopped:
		return "nothing is written to the state any more, so nothing is changed: " + x.Reason, "groupsyncd state check"
	case engine.FileRefused:
		return "the configuration file was refused, the one before stays in force", "see why with: groupsyncd reload"
	case engine.TargetQuarantined, engine.TargetFailed:
		return "target " + x.Name + " cannot be used: " + why, tryAgain("target")
	case engine.SourceQuarantined:
		return "source " + x.Name + " cannot be read: " + why, tryAgain("source")
	case engine.SourceStale:
		return "source " + x.Name + " is stale: it was not read completely for too long", tryAgain("source")
	case engine.SourceWaits:
		return "source " + x.Name + " waits for its provider: " + why, cmp.Or(firstLine(x.Hint), "find out with: groupsyncd doctor")
	case engine.CallsFailed:
		return "calls failed in the last run", "see which with: groupsyncd history " + last.Run
	case engine.NoticesStuck:
		return "notices do not arrive at " + x.Name + ": " + why, "try it with: groupsyncd notify test " + x.Name
	case engine.BackupFailed:
		return "the state is not backed up: " + why, "try it with: groupsyncd state backup"
	case engine.BackupOverdue:
		return "the newest backup is too old", "make one with: groupsyncd state backup"
	default: // A source was not read, or in part.
		return "source " + x.Name + " was not read completely: " + why, tryAgain("source")
	}
}

// waiting says what waits, and for what.
func (c *command) waiting(s *engine.Status) string {
	var parts []string
	changes := 0
	for i := range s.Holds {
		changes += len(s.Holds[i].Keys)
	}
	if len(s.Holds) > 0 {
		parts = append(parts, fmt.Sprintf("%s in %s for a decision", plural(changes, "change"), plural(len(s.Holds), "hold")))
	}
	members := 0
	for i := range s.Targets {
		for _, n := range s.Targets[i].Waiting {
			members += n
		}
	}
	if members > 0 {
		parts = append(parts, plural(members, "membership")+" for a source")
	}
	if s.People != nil && s.People.Waiting > 0 {
		parts = append(parts, plural(s.People.Waiting, "person")+" for a run of their own")
	}
	for i := range s.Notify {
		if n := &s.Notify[i]; n.Waiting > 0 {
			parts = append(parts, plural(n.Waiting, "notice")+" for "+n.Name)
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// longestVerdict is how long the reason of a trouble may be in the first line; all of it is
// below.
const longestVerdict = 140

// notify says how the services for notices fare.
func (c *command) notify(s *engine.Status) {
	if len(s.Notify) == 0 {
		return
	}
	var rows [][]string
	for i := range s.Notify {
		n := &s.Notify[i]
		state := "works"
		switch {
		case !n.Failing.IsZero():
			state = "fails"
		case n.Sent.IsZero():
			state = "not used yet"
		}
		rows = append(rows, []string{n.Name, or(n.Kind, "-"), state, fmt.Sprint(n.Waiting), c.when(n.Oldest), c.when(n.Sent)})
	}
	c.table([]string{"NOTICES TO", "KIND", "STATE", "WAITING", "SINCE", "LAST SENT"}, rows)
	for i := range s.Notify {
		n := &s.Notify[i]
		if n.Reason != "" {
			c.line("  %s: fails since %s, next try %s: %s", n.Name, c.when(n.Failing), c.when(n.Next), n.Reason)
			c.hint(n.Hint)
		}
		if n.Lost > 0 {
			c.line("  %s: %s never arrived, the last given up %s", n.Name, plural(n.Lost, "notice"), c.when(n.LostAt))
		}
	}
}
