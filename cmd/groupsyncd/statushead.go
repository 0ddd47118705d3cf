package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"groupsyncd/internal/httpx"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// trouble is something that is wrong, and the command that helps.
type trouble struct {
	text  string
	since time.Time
	next  string
}

// statusHead says in five lines what is going on, and what to do next: a verdict, the
// daemon, the last run, what waits, and a command.
func (c *command) statusHead(s *engine.Status) {
	found := c.troubles(s)
	verdict, next := c.verdict(s, found)
	c.line("%s", verdict)
	if s.Daemon != nil {
		c.line("daemon: running as pid %d since %s", s.Daemon.PID, c.when(s.Daemon.Since))
	} else {
		c.line("daemon: not running")
	}
	if s.Last != nil {
		ended := exitWords(s.Last.Exit)
		if s.Last.Exit == run.ExitOK && s.Last.Pending() > 0 {
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
func (c *command) verdict(s *engine.Status, found []trouble) (verdict, next string) {
	if len(found) > 0 {
		verdict = "trouble: "
		if !found[0].since.IsZero() {
			verdict = "trouble since " + c.when(found[0].since) + ": "
		}
		verdict += httpx.Shorten(found[0].text, longestVerdict)
		if more := len(found) - 1; more > 0 {
			verdict += fmt.Sprintf("; and %d more below", more)
		}
		return verdict, found[0].next
	}
	holds := fmt.Sprintf("%s waiting for a decision; see them with: groupsyncd holds", plural(len(s.Holds), "hold"))
	oldest := time.Time{}
	for i := range s.Holds {
		if oldest.IsZero() || s.Holds[i].Since.Before(oldest) {
			oldest = s.Holds[i].Since
		}
	}
	switch {
	case len(s.Holds) > 0 && s.Daemon == nil:
		return "the guard waits for a decision since " + c.when(oldest) + ", and no daemon runs", holds
	case len(s.Holds) > 0:
		return "the guard waits for a decision since " + c.when(oldest) + "; everything else goes on", holds
	case s.Last == nil && s.Daemon != nil:
		return "just started: no run has ended yet", "wait for the first run, or start one with: groupsyncd sync"
	case s.Last == nil:
		return "nothing has run yet", "see what a run would do with: groupsyncd plan"
	case s.Last.Exit == run.ExitOK && s.Last.Pending() > 0 && c.planning:
		return fmt.Sprintf("nothing is written while the configuration says mode: plan; %s planned", areOrIs(s.Last.Pending())),
			"see what with: groupsyncd history " + s.Last.Run + "; then say mode: apply"
	case s.Last.Exit == run.ExitOK && s.Last.Pending() > 0:
		return fmt.Sprintf("the last run only planned; %s not made", areOrIs(s.Last.Pending())),
			"see what with: groupsyncd history " + s.Last.Run + "; make them with: groupsyncd sync"
	case s.Daemon == nil:
		return "no daemon runs; all was well when the last run ended", "groups follow again with: groupsyncd serve, or once with: groupsyncd sync"
	case s.Last.Exit != run.ExitOK:
		return "the last run was not perfect, and nothing is left to decide", "see why with: groupsyncd history " + s.Last.Run
	}
	return "all is well: " + exitWords(s.Last.Exit) + " since the last run", "nothing to do" + c.nextRead(s)
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

// troubles lists what is wrong, the worst first.
func (c *command) troubles(s *engine.Status) []trouble {
	var list []trouble
	add := func(since time.Time, next, format string, args ...any) {
		list = append(list, trouble{fmt.Sprintf(format, args...), since, next})
	}
	if s.State != nil && s.State.Problem != "" {
		add(time.Time{}, "groupsyncd state check", "nothing is written to the state any more, so nothing is changed: %s", s.State.Problem)
	}
	if s.Daemon != nil && s.Daemon.Refused {
		add(time.Time{}, "see why with: groupsyncd reload", "the configuration file was refused, the one before stays in force")
	}
	for i := range s.Targets {
		t := &s.Targets[i]
		why, since := lastFailure(s.Last, t.Name), time.Time{}
		if t.Quarantine != nil {
			why, since = t.Quarantine.Reason, t.Quarantine.Since
		}
		if why != "" {
			add(since, "find out with: groupsyncd doctor; then try at once with: groupsyncd sync --target "+t.Name, "target %s cannot be used: %s", t.Name, firstLine(why))
		}
	}
	for i := range s.Sources {
		src := &s.Sources[i]
		next := "find out with: groupsyncd doctor; then try at once with: groupsyncd sync --source " + src.Name
		switch {
		case src.Quarantine != nil:
			add(src.Quarantine.Since, next, "source %s cannot be read: %s", src.Name, firstLine(src.Quarantine.Reason))
		case src.Stale:
			add(src.CompleteAsOf, next, "source %s is stale: it was not read completely for too long", src.Name)
		case src.Failing > 0 || lastUnread(s.Last, src.Name) != "":
			add(time.Time{}, next, "source %s was not read completely: %s", src.Name, firstLine(cmp.Or(src.Reason, lastUnread(s.Last, src.Name), "see the log")))
		}
	}
	if s.Last != nil && s.Last.Exit == run.ExitPartly {
		add(s.Last.Started, "see which with: groupsyncd history "+s.Last.Run, "calls failed in the last run")
	}
	for i := range s.Notify {
		if n := &s.Notify[i]; !n.Failing.IsZero() && n.Waiting > 0 {
			add(n.Failing, "try it with: groupsyncd notify test "+n.Name, "notices do not arrive at %s: %s", n.Name, firstLine(n.Reason))
		}
	}
	if s.State != nil {
		switch b := &s.State.Backup; {
		case b.Problem != "":
			add(b.Last, "try it with: groupsyncd state backup", "the state is not backed up: %s", firstLine(b.Problem))
		case b.Overdue && s.Daemon != nil:
			add(b.Last, "make one with: groupsyncd state backup", "the newest backup is too old")
		}
	}
	return list
}

// lastFailure gives why the last run ended for a target, if it did.
func lastFailure(r *run.Report, target string) string {
	if r == nil {
		return ""
	}
	if i := slices.IndexFunc(r.Targets, func(t run.TargetReport) bool { return t.Name == target }); i >= 0 {
		return r.Targets[i].Error
	}
	return ""
}

// lastUnread gives why the last run did not read all of a source, if it tried.
func lastUnread(r *run.Report, source string) string {
	if r == nil || r.Exit != run.ExitSource {
		return ""
	}
	if i := slices.IndexFunc(r.Sources, func(s run.SourceReport) bool { return s.Name == source }); i >= 0 && !r.Sources[i].Whole() {
		return cmp.Or(r.Sources[i].Reason, "the read was not complete")
	}
	return ""
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
