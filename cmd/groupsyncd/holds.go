package main

import (
	"slices"
	"strings"

	"groupsyncd/config"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) holdsCommand() *cobra.Command {
	var full bool
	cmd := &cobra.Command{
		Use:   "holds",
		Short: "What the guard holds back, why, and the command that lets it through",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.look(func(b server.Backend, _ *config.Config) error {
				holds, err := b.Holds(c.ctx)
				if err != nil {
					return err
				}
				return c.print(server.ListHolds(holds), func() { c.holdsTable(holds, full) })
			})
		},
	}
	cmd.Flags().BoolVar(&full, "full", false, "show every held change")
	return cmd
}

func (c *command) holdsTable(holds []run.Hold, full bool) {
	if len(holds) == 0 {
		c.line("nothing is held")
	}
	for i := range holds {
		h := &holds[i]
		c.line("%s  %s on target %s, since %s", h.Hash, h.Check, h.Target, c.when(h.Since))
		c.line("  %s", h.Detail)
		var rows [][]string
		for j := range h.Changes {
			if j == shownLines && !full {
				break
			}
			if h.Changes[j].Op == "" {
				continue // all that is left of it is its key
			}
			rows = append(rows, changeRow(&h.Changes[j]))
		}
		c.table(changeHead(h.Changes), rows)
		if len(h.Changes) > shownLines && !full {
			c.line("  … and %d more; see all with: groupsyncd holds --full", len(h.Changes)-shownLines)
		}
		if a := h.Accepts; a != nil {
			c.line("  letting it through takes the source as it is, with %s and %s: who is missing there goes when the grace is over", plural(a.Users, "person"), plural(a.Groups, "group"))
		}
		if h.Check == run.Reverted {
			c.line("  what that run did stays undone until then; letting it through does it again")
		}
		if h.Approve != "" {
			c.line("  let it through with: %s", h.Approve)
		}
		if h.Release != "" {
			c.line("  keep it with:        %s", h.Release)
		}
	}
	for _, u := range undoings(holds) {
		c.line("let all that is held of undoing run %s through with: %s", u.run, u.approve)
	}
}

func (c *command) approveCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "approve HASH… --reason TEXT",
		Short: "Let through what a hold lists, each change once",
		Long: `Let through what the hold with that hash lists, each change once. A running daemon
starts a run at once; otherwise the next "groupsyncd sync" does it. A hold about a source
that shrank or whose filter changed also takes the source as it was when it was shown.

Several hashes are one decision: all of it is recorded, or nothing where no hold has one of
them, and one run carries it out. "groupsyncd holds" shows such a command for a run whose
undoing is held in parts.`,
		Example: `  groupsyncd approve 3f9a1c0d2b7e --reason 'department closed, ticket 4711'
  groupsyncd approve 3f9a1c0d2b7e a11e1287b0c3 --reason 'undo it whole, ticket 4711'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if reason == "" {
				return usage("say why with --reason TEXT: it is kept with the approval")
			}
			return c.with(func(b server.Backend, _ *config.Config) error {
				if len(args) > 1 {
					all, err := b.ApproveAll(c.ctx, args, reason, whoami())
					if err != nil {
						return err
					}
					return c.print(map[string]any{"approvals": all}, func() { c.approvedTable(b, all) })
				}
				a, err := b.Approve(c.ctx, args[0], reason, whoami())
				if err != nil {
					return err
				}
				return c.print(a, func() { c.approvedTable(b, []run.Approval{*a}) })
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the approval")
	return cmd
}

func (c *command) approvedTable(b server.Backend, all []run.Approval) {
	var out []string
	for i := range all {
		a := &all[i]
		c.line("approved: %s on target %s, %s, until %s", a.Check, a.Target, plural(len(a.Keys), "change"), c.when(a.Until))
		if how := carryOut(a); !slices.Contains(out, how) {
			out = append(out, how)
		}
	}
	if _, daemon := b.(*server.Client); !daemon {
		c.line("carry it out with: %s", strings.Join(out, "; "))
	}
}

func (c *command) sourceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "source",
		Short: "Decide about a source that its provider fills",
	}
	cmd.AddCommand(
		c.decideSource("accept NAME", "What the provider has brought is everything",
			`What the provider has brought into a source of type scim-push is everything: from now on
people and groups that are not there count as missing. Without this it counts so when the
provider was quiet for settled_after, and, after a restored state, when nine tenths of
what there was before are there again.`, "accepted",
			func(b server.Backend, name string) error { return b.AcceptSource(c.ctx, name, whoami()) },
			"accepted: what the provider of %s has brought counts as everything"),
		c.decideSource("restart NAME", "The provider has to bring everything again",
			`The provider has to bring everything into a source of type scim-push again: until it has,
the source says nothing, and nothing is added or removed on its word. Users and groups
keep their ids. At Entra restart provisioning, at Okta push users and groups again.`, "restarted",
			func(b server.Backend, name string) error { return b.RestartSource(c.ctx, name, whoami()) },
			"restarted: %s says nothing until its provider has brought everything again"))
	return cmd
}

func (c *command) decideSource(use, short, long, word string, decide func(server.Backend, string) error, text string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.with(func(b server.Backend, _ *config.Config) error {
				if err := decide(b, args[0]); err != nil {
					return err
				}
				return c.print(map[string]any{word: args[0]}, func() { c.line(text, args[0]) })
			})
		},
	}
}

func (c *command) targetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "target",
		Short: "Decide about a target as a whole",
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "accept NAME",
		Short: "This Open WebUI is the right one although it changed",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.with(func(b server.Backend, _ *config.Config) error {
				if err := b.AcceptTarget(c.ctx, args[0], whoami()); err != nil {
					return err
				}
				return c.print(map[string]any{"accepted": args[0]}, func() {
					c.line("accepted: the next run takes %s as it is", args[0])
					if _, daemon := b.(*server.Client); !daemon {
						c.line("carry it out with: groupsyncd sync")
					}
				})
			})
		},
	})
	return cmd
}
