package main

import (
	"cmp"
	"strconv"
	"strings"

	"groupsyncd/config"
	"groupsyncd/server"
	"groupsyncd/sync/engine"

	"github.com/spf13/cobra"
)

func (c *command) explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say why somebody is, or is not, in a group",
	}
	cmd.AddCommand(&cobra.Command{
		Use:     "user NAME",
		Short:   "One person: what each source shows, which account is theirs, and why each group",
		Example: "  groupsyncd explain user ana@example.org",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.look(func(b server.Backend, _ *config.Config) error {
				e, err := b.ExplainUser(c.ctx, args[0])
				if err != nil {
					return err
				}
				return c.print(e, func() { c.userTable(e) })
			})
		},
	}, &cobra.Command{
		Use:     "group NAME",
		Short:   "One Open WebUI group: which rules and directory groups fill it",
		Example: "  groupsyncd explain group Sales",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.look(func(b server.Backend, _ *config.Config) error {
				e, err := b.ExplainGroup(c.ctx, args[0])
				if err != nil {
					return err
				}
				return c.print(e, func() { c.groupTable(e) })
			})
		},
	})
	return cmd
}

func (c *command) userTable(e *engine.UserExplanation) {
	for _, s := range e.Sources {
		c.line("source %s: %s, %s (id %s)", s.Source, cmp.Or(s.Email, s.Username, s.DN, s.ID), s.Status, s.ID)
		if s.Single {
			c.line("  it knows single people only; this one's groups as of %s", c.when(s.GroupsAsOf))
		}
		if s.Waiting != "" {
			c.line("  nothing is certain there: %s", s.Waiting)
			c.hint(s.Hint)
		}
		if !s.FullAsOf.IsZero() {
			c.line("  everything there was read %s; what changed since, %s", c.when(s.FullAsOf), c.when(s.CompleteAsOf))
		}
	}
	for _, t := range e.Targets {
		switch t.State {
		case "linked":
			by := "not matched to anybody in a source"
			if t.By != "" {
				by = "matched by " + strings.ReplaceAll(t.By, "_", "-")
			}
			c.line("target %s: account %s, role %s, %s", t.Target, t.Email, t.Role, by)
		default:
			c.line("target %s: no account yet; what follows applies once there is one", t.Target)
		}
		if t.RoleWhy != nil {
			c.roleWhy(t.RoleWhy)
		}
		for _, g := range t.Groups {
			c.groupWhy(&g)
		}
		if len(t.Groups) == 0 {
			c.line("  in no group, and no rule gives one")
		}
	}
}

// standing says in words how a person stands in a group.
func standing(state string) string {
	switch state {
	case "member":
		return "member, through groupsyncd"
	case "manual":
		return "member, put there by hand"
	case "wanted":
		return "will be added by the next run"
	case "held":
		return "held by the guard"
	case "unknown":
		return "stays: not proved to have ended"
	case "leaving":
		return "will be taken out by the next run"
	case "pending":
		return "waits for an account"
	}
	return "not a member"
}

// roleWhy says in words why an account has its role.
func (c *command) roleWhy(r *engine.RoleWhy) {
	text := map[string]string{"ours": "through groupsyncd", "manual": "not through groupsyncd", "suspended": "suspended because of the directory",
		"by_hand": "suspended by somebody in Open WebUI, and left so", "held": "held by the guard", "unknown": "stays: not proved to have ended"}[r.State]
	if r.State == "changing" {
		text = "the next run makes it " + r.Next
	}
	c.line("  role: %s", text)
	c.whys(r.Why)
	if r.Hold != "" {
		c.line("    %s", r.Hold)
	}
}

func (c *command) groupWhy(g *engine.GroupWhy) {
	text := standing(g.State)
	if g.Run != "" {
		text += ", since run " + g.Run
	}
	c.line("  %s: %s", g.Group, text)
	c.whys(g.Why)
	if g.Hold != "" {
		c.line("    %s", g.Hold)
	}
}

func (c *command) whys(all []engine.Why) {
	for _, w := range all {
		parts := []string{}
		if w.Rule != "" {
			parts = append(parts, "rule "+w.Rule)
		}
		if len(w.Path) > 0 {
			parts = append(parts, strings.Join(w.Path, " > ")+" ("+w.Source+")")
		}
		if w.Note != "" {
			parts = append(parts, w.Note)
		}
		c.line("    %s", strings.Join(parts, ": "))
	}
}

func (c *command) groupTable(e *engine.GroupExplanation) {
	for _, t := range e.Targets {
		c.line("target %s: group %s", t.Target, cmp.Or(t.ID, "does not exist yet"))
		c.line("  %s, %d of them through groupsyncd", plural(t.Members, "member"), t.Owned)
		if t.Mode != "" {
			c.line("  members: %s", t.Mode)
		}
		var rows [][]string
		for _, f := range t.Feeds {
			rows = append(rows, []string{"  " + f.Rule, f.Source, f.Group, strconv.Itoa(f.Members)})
		}
		c.table([]string{"  RULE", "SOURCE", "DIRECTORY GROUP", "MEMBERS"}, rows)
		rows = nil
		for i := range t.Changes {
			if i == shownLines {
				break
			}
			rows = append(rows, changeRow(&t.Changes[i]))
		}
		if len(rows) > 0 {
			c.line("  the next run would:")
			c.table([]string{"  CHANGE", "GROUP", "WHO OR WHAT", "OUTCOME", "WHY"}, rows)
		}
	}
}
