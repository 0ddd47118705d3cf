package main

import (
	"context"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/server"
	"groupsyncd/sync/access"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

// takesCSV marks a command that -o csv is good for.
const takesCSV = "csv"

func (c *command) accessCommand() *cobra.Command {
	var target string
	var full bool
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Who may do what in Open WebUI, and which group or grant gives it",
		Long: `Who may do what in Open WebUI, and which group, grant or default gives it: computed as
Open WebUI itself does, from a fresh look that changes nothing there. Where it cannot be
reached the answer is of the last look, says so, and the command ends with 6.`,
	}
	cmd.AddCommand(c.accessUserCommand(&target, &full), c.accessGroupCommand(&target, &full), c.accessWhoCommand(&target, &full), c.accessReportCommand(&target, &full))
	for _, sub := range cmd.Commands() {
		sub.Flags().StringVar(&target, "target", "", "of this target; needed when there are several")
		sub.Flags().BoolVar(&full, "full", false, "show every line")
	}
	return cmd
}

func (c *command) accessUserCommand(target *string, full *bool) *cobra.Command {
	var q access.UserQuery
	cmd := &cobra.Command{
		Use:   "user NAME [--with GROUP] [--without GROUP]",
		Short: "What one person may do, by what, and what other groups would change",
		Long: `What one person may do: every permission with who gives it, every model, knowledge,
prompt, tool and skill, and what they own, which leaving a group does not end. --with and
--without say what would change if they joined or left a group; nothing is changed.

NAME is a mail address, user name, id, or the name of the account.

Exit codes: 0 answered; 1 nobody is called that, or no group; 2 wrong usage; 6 Open WebUI
could not be looked at, and the answer is of the last look.`,
		Example: "  groupsyncd access user ana@example.org\n  groupsyncd access user ana@example.org --without Finance -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			q.User, q.Target = args[0], *target
			return rights(c, func(ctx context.Context, b server.Backend) (*access.User, error) { return b.AccessUser(ctx, q) },
				func(u *access.User) (access.Picture, func()) { return u.Picture, func() { c.accessUser(u, *full) } })
		},
	}
	cmd.Flags().StringArrayVar(&q.With, "with", nil, "as if they joined this group too, by name or id; may be repeated")
	cmd.Flags().StringArrayVar(&q.Without, "without", nil, "as if they left this group, by name or id; may be repeated")
	return cmd
}

func (c *command) accessGroupCommand(target *string, full *bool) *cobra.Command {
	return &cobra.Command{
		Use:   "group NAME",
		Short: "What a group gives its members, its own and from the groups above it",
		Long: `What a member of a group may do: with the defaults, what groups above it give, and its own.

Exit codes: 0 answered; 1 no group is called that; 2 wrong usage; 6 Open WebUI could not be
looked at, and the answer is of the last look.`,
		Example: "  groupsyncd access group Finance",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return rights(c, func(ctx context.Context, b server.Backend) (*access.Group, error) {
				return b.AccessGroup(ctx, *target, args[0])
			},
				func(g *access.Group) (access.Picture, func()) { return g.Picture, func() { c.accessGroup(g, *full) } })
		},
	}
}

func (c *command) accessWhoCommand(target *string, full *bool) *cobra.Command {
	return &cobra.Command{
		Use:   "who PERMISSION|RESOURCE|role:ROLE",
		Short: "Everybody who has a permission, a resource or a role, by what, and since when",
		Long: `Everybody who has a permission (workspace.models), may use a resource (models/gpt-4, or an
id or a name that only one has), or is in a role (role:admin). SINCE is the run that gave
them what gives it, where the history still has that.

Exit codes: 0 answered, also when it is nobody; 1 nothing is called that; 2 wrong usage;
6 Open WebUI could not be looked at, and the answer is of the last look.`,
		Example: "  groupsyncd access who workspace.tools\n  groupsyncd access who models/gpt-4\n  groupsyncd access who role:admin -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return rights(c, func(ctx context.Context, b server.Backend) (*access.Holders, error) {
				return b.AccessWho(ctx, *target, args[0])
			},
				func(h *access.Holders) (access.Picture, func()) { return h.Picture, func() { c.accessWho(h, *full) } })
		},
	}
}

func (c *command) accessReportCommand(target *string, full *bool) *cobra.Command {
	return &cobra.Command{
		Use:   "report",
		Short: "Everything that everybody has, for a review",
		Long: `A line for each role, group, property, permission and resource of each account. What the
defaults and public grants give to everybody comes first and is not repeated. With -o csv
a cell that a spreadsheet would take for a formula begins with an apostrophe.

Exit codes: 0 complete; 2 wrong usage; 6 Open WebUI could not be looked at, and the lines
are of the last look.`,
		Example:     "  groupsyncd access report -o csv > review.csv",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{takesCSV: "yes"},
		RunE: func(*cobra.Command, []string) error {
			return c.look(func(b server.Backend, _ *config.Config) error {
				r, err := b.AccessReport(c.ctx, *target)
				if err != nil {
					return c.unreached(err)
				}
				c.asOf(&r.Picture)
				return c.accessReport(r, *full)
			})
		},
	}
}

// rights answers one question, in the form that was asked for.
func rights[T any](c *command, ask func(context.Context, server.Backend) (*T, error), show func(*T) (access.Picture, func())) error {
	return c.look(func(b server.Backend, _ *config.Config) error {
		answer, err := ask(c.ctx, b)
		if err != nil {
			return c.unreached(err)
		}
		p, table := show(answer)
		c.asOf(&p)
		return c.print(answer, table)
	})
}

// unreached gives a failure of the only server that is asked its exit code.
func (c *command) unreached(err error) error {
	switch fault.KindOf(err) {
	case fault.Auth, fault.Throttled, fault.Unavailable, fault.Incomplete, fault.Conflict:
		c.complain(err)
		c.code = run.ExitTarget
		return nil
	}
	return err
}

// asOf says beside the data that it is not of now.
func (c *command) asOf(p *access.Picture) {
	if p.Stale == "" {
		return
	}
	c.code = run.ExitTarget
	c.complain(fault.Errorf(fault.Unavailable, "", "", "Open WebUI could not be looked at: %s\nwhat follows is as of %s", p.Stale, c.when(p.AsOf)))
}
