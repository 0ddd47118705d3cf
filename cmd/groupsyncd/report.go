package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/sync/run"
)

// reportTable shows a report to people: what was read, what changed, what is held and
// what to do next.
func (c *command) reportTable(r *run.Report, full bool) {
	head := fmt.Sprintf("run %s: %s, %s, %s", r.Run, r.Mode, r.Trigger, (time.Duration(r.DurationMS) * time.Millisecond).Round(10*time.Millisecond))
	c.line("%s", head+subject(r))
	var rows [][]string
	for i := range r.Sources {
		s := &r.Sources[i]
		rows = append(rows, []string{s.Name, s.Coverage, strconv.Itoa(s.Users), strconv.Itoa(s.Groups), strconv.Itoa(s.Memberships)})
	}
	c.table([]string{"SOURCE", "COVERAGE", "USERS", "GROUPS", "MEMBERSHIPS"}, rows)
	for i := range r.Sources {
		if s := &r.Sources[i]; s.Reason != "" {
			c.line("  %s: %s", s.Name, s.Reason)
			c.hint(s.Hint)
		}
	}
	for i := range r.Targets {
		c.targetTable(r, &r.Targets[i], full)
	}
}

// subject says what a run was about, where it was not about everything.
func subject(r *run.Report) string {
	about := ""
	if r.User != "" {
		about += ", only " + r.User
	}
	if r.Reverts != "" {
		about += ", undoes " + r.Reverts
	}
	if r.Imports != "" {
		about += ", imports " + r.Imports
	}
	return about
}

func (c *command) hint(hint string) {
	if hint != "" {
		c.line("    hint: %s", hint)
	}
}

func (c *command) targetTable(r *run.Report, t *run.TargetReport, full bool) {
	c.line("")
	version := ""
	if t.Version != "" {
		version = " (Open WebUI " + t.Version + ")"
	}
	c.line("target %s%s: %s, %s", t.Name, version, plural(t.Requests, "request"), plural(t.Writes, "write"))
	if t.Error != "" {
		c.line("  %s", t.Error)
		c.hint(t.Hint)
	}
	var rows [][]string
	limit := shownLines
	if full {
		limit = len(t.Changes)
	}
	for i := range t.Changes {
		if i == limit {
			break
		}
		rows = append(rows, changeRow(&t.Changes[i]))
	}
	c.table(changeHead(t.Changes), rows)
	if len(t.Changes) > limit {
		all := "groupsyncd history " + r.Run + " --full"
		if c.unkept {
			all = "groupsyncd plan --config " + c.config + " --full"
		}
		c.line("  … and %d more; see all with: %s", len(t.Changes)-limit, all)
	}
	c.problems(t.Problems, full)
	if t.Error == "" || t.Summary != (run.Summary{}) {
		c.line("  %s", summaryLine(&t.Summary))
	}
	if t.Error == "" && r.User == "" && len(t.Holds) == 0 && t.Summary == (run.Summary{}) && slices.ContainsFunc(r.Sources, func(s run.SourceReport) bool { return s.Groups > 0 }) {
		c.hint("groups were read, and no rule makes anything of them; which rule takes which: groupsyncd list groups")
	}
	for _, h := range t.Holds {
		text := plural(h.Changes, "change")
		if h.Changes == 0 {
			text = "whatever it would take away"
		}
		c.line("  held: %s (%s: %s)", text, h.Check, h.Detail)
	}
	if len(t.Holds) > 0 {
		c.line("    hint: decide with: groupsyncd holds")
	}
	c.importTable(r.Run, t.Imported, full)
}

// changeHead is the head of a table of changes, some of which may be about no group.
func changeHead(changes []run.Change) []string {
	where := "GROUP"
	if slices.ContainsFunc(changes, func(ch run.Change) bool { return ch.Op != "" && ch.Group == nil }) {
		where = "WHERE"
	}
	return []string{"  CHANGE", where, "WHO OR WHAT", "OUTCOME", "WHY"}
}

func changeRow(ch *run.Change) []string {
	what, values := ch.Who(), ch.Values()
	if what != "" && values != "" {
		what += ": "
	}
	what += values
	why := ch.Reason
	if ch.Hold != nil {
		why = string(ch.Hold.Check) + ": " + ch.Hold.Detail
		if ch.Reason != "" {
			why += "; " + ch.Reason
		}
	}
	if ch.Error != "" {
		why = ch.Error
	}
	return []string{"  " + strings.ReplaceAll(string(ch.Op), "_", " "), ch.Where(), what, string(ch.Outcome), why}
}

func (c *command) problems(problems []run.Problem, full bool) {
	for i, p := range problems {
		if i == shownLines && !full {
			c.line("  … and %d more problems", len(problems)-shownLines)
			return
		}
		c.line("  %s: %s", p.Kind, p.Message)
		c.hint(p.Hint)
	}
}

// summaryLine says in one line what happened, leaving out what did not.
func summaryLine(s *run.Summary) string {
	parts := []string{s.Words()}
	add := func(n int, noun, text string) {
		if n > 0 {
			parts = append(parts, strings.TrimSpace(plural(n, noun)+" "+text))
		}
	}
	add(s.Unchanged, "membership", "unchanged")
	add(s.Pending, "person without an account", "")
	add(s.Foreign, "member by hand", "left alone")
	return strings.Join(parts, ", ")
}
