package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/config"
	"groupsyncd/providers"
	"groupsyncd/server"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say what is going on and what to do next: sources, targets, last run, holds",
		Long: `Say what is going on: sources, targets, last run, holds. The first five lines are a verdict
with the worst trouble, whether a daemon runs, how the last run ended, what waits, and what to
do next. Tables follow: sources, targets, webhooks, services for notices, and the state.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.look(func(b server.Backend, cfg *config.Config) error {
				c.planning = slices.ContainsFunc(cfg.Targets, func(t *config.Target) bool { return cmp.Or(t.Mode, cfg.Mode) == "plan" })
				s, err := b.Status(c.ctx)
				if err != nil {
					return err
				}
				return c.print(s, func() { c.statusTable(s) })
			})
		},
	}
}

func (c *command) statusTable(s *engine.Status) {
	c.statusHead(s)
	c.line("")
	var rows [][]string
	for _, src := range s.Sources {
		state := src.Coverage
		switch {
		case src.Quarantine != nil:
			state = "quarantine"
		case src.Stale:
			state = "stale"
		case src.Provisioned != nil && !src.Provisioned.Complete:
			state = "waiting"
		case src.Single && state != "" && src.Hint == "":
			state = "single people"
		case state == "" && !src.CompleteAsOf.IsZero():
			state = "known"
		}
		rows = append(rows, []string{src.Name, or(state, "not read yet"), c.when(src.CompleteAsOf), strconv.Itoa(src.Users), strconv.Itoa(src.Groups), c.when(src.Next)})
	}
	c.table([]string{"SOURCE", "STATE", "LAST COMPLETE READ", "USERS", "GROUPS", "NEXT"}, rows)
	for _, src := range s.Sources {
		if src.Provisioned != nil {
			c.provisioned(src.Name, src.Provisioned)
		} else if src.Reason != "" && src.Quarantine == nil {
			c.line("  %s: %s", src.Name, src.Reason)
			c.hint(src.Hint)
		}
		c.quarantine(src.Name, src.Quarantine)
		c.changes(&src)
		if src.Single {
			c.line("  %s: knows single people only; what it showed of %d of %d still counts", src.Name, src.Current, src.Users)
		}
	}
	rows = nil
	for _, t := range s.Targets {
		rows = append(rows, []string{t.Name, or(t.Version, "not seen yet"), c.when(t.ObservedAt), strconv.Itoa(t.Accounts),
			fmt.Sprintf("%d of %d", t.Managed, t.Groups), strconv.Itoa(t.Memberships), strconv.Itoa(t.Held)})
	}
	c.table([]string{"TARGET", "VERSION", "SEEN", "ACCOUNTS", "GROUPS MANAGED", "MEMBERSHIPS", "HELD"}, rows)
	for _, t := range s.Targets {
		c.quarantine(t.Name, t.Quarantine)
		c.signIns(t.Name, t.Watch)
		if given := given(&t); given != "" {
			c.line("  %s: %s given beside memberships", t.Name, given)
		}
		for _, name := range slices.Sorted(maps.Keys(t.Waiting)) {
			c.line("  %s: %s of ours wait for source %s", t.Name, plural(t.Waiting[name], "membership"), name)
		}
	}
	c.webhooks(s)
	c.notify(s)
	c.stateStatus(s.State)
	if len(s.Notices) > 0 {
		c.line("notices:")
		for _, n := range s.Notices {
			c.line("  %s since %s: %s", n.Kind, c.when(n.At), n.Message)
			c.hint(n.Hint)
		}
	}
}

// given lists what groupsyncd gave beside memberships.
func given(t *engine.TargetStatus) string {
	var parts []string
	for _, p := range []struct {
		n    int
		noun string
	}{{t.Roles, "role"}, {t.Grants, "grant"}, {t.Defaults, "default permission"}} {
		if p.n > 0 {
			parts = append(parts, plural(p.n, p.noun))
		}
	}
	return strings.Join(parts, ", ")
}

// changes says in words how a source is read between full reads.
func (c *command) changes(src *engine.SourceStatus) {
	if !src.FullAsOf.IsZero() && !src.FullAsOf.Equal(src.CompleteAsOf) {
		c.line("  %s: everything was read %s, since then what changed", src.Name, c.when(src.FullAsOf))
	}
	w := src.Watch
	switch {
	case w == nil || w.State == engine.WatchBegins:
	case w.State == engine.WatchWorks:
		c.line("  %s: watched for changes since %s", src.Name, c.when(w.Since))
	case w.State == engine.WatchNone:
		c.line("  %s: not watched for changes: %s", src.Name, w.Reason)
	default:
		c.line("  %s: not watched for changes since %s: %s", src.Name, c.when(w.Since), w.Reason)
		c.hint(w.Hint)
	}
}

// signIns says in words whether sign-ins to a target are noticed.
func (c *command) signIns(name string, w *engine.WatchStatus) {
	switch {
	case w == nil || w.State == engine.WatchBegins:
		return
	case w.State != engine.WatchWorks:
		c.line("  %s: sign-ins are not noticed since %s: %s", name, c.when(w.Since), w.Reason)
	case w.Reason != "":
		c.line("  %s: sign-ins are noticed since %s, but not of people who are active: %s", name, c.when(w.Since), w.Reason)
	default:
		c.line("  %s: sign-ins are noticed since %s", name, c.when(w.Since))
	}
	c.hint(w.Hint)
}

// quarantine says in words that a source or target is tried less often.
func (c *command) quarantine(name string, q *run.Quarantine) {
	if q != nil {
		c.line("  %s: in quarantine since %s, next try %s", name, c.when(q.Since), c.when(q.NextTry))
	}
}

// exitWords says in words how a run ended.
func exitWords(code int) string {
	switch code {
	case run.ExitOK:
		return "in sync"
	case run.ExitPartly:
		return "some calls failed (3)"
	case run.ExitHeld:
		return "something is held (4)"
	case run.ExitSource:
		return "a source was not read completely (5)"
	case run.ExitTarget:
		return "the target failed (6)"
	case run.ExitInterrupted:
		return "interrupted (130)"
	}
	return "ended with " + strconv.Itoa(code)
}

// when writes a time with how long ago, or until, it is.
func (c *command) when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := c.now().Sub(t).Round(time.Second)
	text := t.Local().Format("2006-01-02 15:04:05")
	if d >= 0 {
		return text + " (" + d.String() + " ago)"
	}
	return text + " (in " + (-d).String() + ")"
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// provisioned says how a source stands that its provider fills.
func (c *command) provisioned(name string, p *providers.Standing) {
	if p.Complete {
		c.line("  %s: %s, %s and %s brought, complete (%s)", name, plural(p.Users, "user"), plural(p.Groups, "group"), plural(p.Members, "membership"), p.By)
	} else {
		c.line("  %s: %s", name, p.Waiting)
		c.hint(p.Hint)
	}
	if !p.Settles.IsZero() {
		c.line("  %s: complete %s, unless the provider writes before", name, c.when(p.Settles))
	}
	if !p.LastRequest.IsZero() {
		c.line("  %s: last request %s, from %s", name, c.when(p.LastRequest), or(p.Product, "somebody without a name"))
	}
}
