package main

import (
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
		c.line("  let it through with: %s", h.Approve)
		if h.Release != "" {
			c.line("  keep it with:        %s", h.Release)
		}
	}
}

func (c *command) approveCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "approve HASH --reason TEXT",
		Short: "Let through what a hold lists, each change once",
		Long: `Let through what the hold with that hash lists, each change once. A running daemon
starts a run at once; otherwise the next "groupsyncd sync" does it.`,
		Example: "  groupsyncd approve 3f9a1c0d2b7e --reason 'department closed, ticket 4711'",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if reason == "" {
				return usage("say why with --reason TEXT: it is kept with the approval")
			}
			return c.with(func(b server.Backend, _ *config.Config) error {
				a, err := b.Approve(c.ctx, args[0], reason, whoami())
				if err != nil {
					return err
				}
				return c.print(a, func() {
					c.line("approved: %s on target %s, %s, until %s", a.Check, a.Target, plural(len(a.Keys), "change"), c.when(a.Until))
					if _, daemon := b.(*server.Client); !daemon {
						c.line("carry it out with: %s", carryOut(a))
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the approval")
	return cmd
}

func (c *command) targetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "target",
		Short: "Decide about a target as a whole",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
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
