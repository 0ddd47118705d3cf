package main

import (
	"groupsyncd/config"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) linkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "link",
		Short: "People and their accounts; conflicts are settled here",
	}
	cmd.AddCommand(c.linkListCommand(), c.linkSetCommand(), c.linkRemoveCommand())
	return cmd
}

func (c *command) linkListCommand() *cobra.Command {
	var source string
	var conflicts, full bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Who is which account, and who is none and why",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.look(func(b server.Backend, _ *config.Config) error {
				links, err := b.Links(c.ctx, source, conflicts)
				if err != nil {
					return err
				}
				return c.print(map[string]any{"links": links}, func() { c.linksTable(links, conflicts, full) })
			})
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "people of this source only")
	cmd.Flags().BoolVar(&conflicts, "conflicts", false, "only conflicts, and people who can never be matched")
	cmd.Flags().BoolVar(&full, "full", false, "show everybody")
	return cmd
}

func (c *command) linksTable(links []run.Link, conflicts, full bool) {
	if len(links) == 0 {
		if conflicts {
			c.line("there is no conflict, and everybody can be matched")
			return
		}
		c.line("nobody was read yet")
		return
	}
	shown := links
	if len(shown) > shownLines && !full {
		shown = shown[:shownLines]
	}
	rows := make([][]string, len(shown))
	for i := range shown {
		rows[i] = linkRow(&shown[i])
	}
	c.table([]string{"PERSON", "SOURCE", "TARGET", "STATE", "ACCOUNT", "BY", "WHY"}, rows)
	c.rest(len(links)-len(shown), "--full")
	for i := range links {
		if links[i].State == "conflict" {
			c.line("settle a conflict with: groupsyncd link set SOURCE USER ACCOUNT --reason TEXT")
			break
		}
	}
}

// rest says how much a table left out, and how to see it.
func (c *command) rest(n int, flag string) {
	if n > 0 {
		c.line("… and %d more; see all with %s or -o json", n, flag)
	}
}

func linkRow(l *run.Link) []string {
	account := "-"
	if l.Account != nil {
		account = or(l.Account.Email, l.Account.ID)
	}
	name := l.Name
	if l.State == "conflict" && l.User != l.Name {
		name += " (" + l.User + ")" // People in conflict often share their mail address.
	}
	return []string{name, l.Source, l.Target, l.State, account, or(l.By, "-"), l.Why}
}

func (c *command) linkSetCommand() *cobra.Command {
	var target, reason string
	cmd := &cobra.Command{
		Use:   "set SOURCE USER ACCOUNT --reason TEXT",
		Short: "This person of a source is that account",
		Long: `Tie a person of a source to an account of Open WebUI by hand. Such a link is never guessed
again. USER is a mail address, user name or id in the source, ACCOUNT a mail address or id
in Open WebUI. Nothing is taken away by it: what the account was given as somebody else's
stays there, and is no longer ours.

Exit codes: 0 linked, 1 unknown person or account, or somebody else has it, 2 wrong usage,
7 the state is locked or damaged.`,
		Example: "  groupsyncd link set corp ana ana@example.org --reason 'married, ticket 4711'",
		Args:    cobra.ExactArgs(3),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.setLink(run.SetLink{Source: args[0], User: args[1], Account: args[2], Target: target, Reason: reason})
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "the target of the account; needed where there are several")
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the decision")
	return cmd
}

func (c *command) linkRemoveCommand() *cobra.Command {
	var target, reason string
	cmd := &cobra.Command{
		Use:   "remove SOURCE USER --reason TEXT",
		Short: "This person of a source is not that account",
		Long: `Untie a person of a source from their account. Matching may find it again by what the
directory shows: to prevent that, link the person, or whoever has the account, by hand.
Memberships of the account stay.

Exit codes: 0 untied, 1 unknown person, or linked to nothing, 2 wrong usage, 7 the state is
locked or damaged.`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.setLink(run.SetLink{Source: args[0], User: args[1], Target: target, Reason: reason})
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "the target of the account; needed where there are several")
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the decision")
	return cmd
}

func (c *command) setLink(req run.SetLink) error {
	if req.Reason == "" {
		return needReason()
	}
	if req.Source == "" || req.User == "" {
		return usage("SOURCE and USER must not be empty")
	}
	return c.with(func(b server.Backend, _ *config.Config) error {
		l, err := b.SetLink(c.ctx, req, whoami())
		if err != nil {
			return err
		}
		return c.print(l, func() {
			switch {
			case req.Account != "":
				c.line("linked: %s (%s) is %s on target %s", l.Name, l.Source, or(l.Account.Email, l.Account.ID), l.Target)
			case l.State == "linked":
				c.line("untied: %s (%s) on target %s; the next run links them to %s again, by %s", l.Name, l.Source, l.Target, or(l.Account.Email, l.Account.ID), l.By)
			default:
				c.line("untied: %s (%s) on target %s; now %s: %s", l.Name, l.Source, l.Target, l.State, l.Why)
			}
			if l.Kept > 0 {
				c.line("  %s of the account stay and are no longer ours", plural(l.Kept, "membership"))
			}
			c.next(b)
		})
	})
}
