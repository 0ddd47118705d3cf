package main

import (
	"groupsyncd/config"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) takeoverCommand() *cobra.Command {
	var req run.Takeover
	cmd := &cobra.Command{
		Use:   "takeover [--group NAME [--user NAME] --reason TEXT]",
		Short: "Members of managed groups whom no directory group names: list them, or make them ours",
		Long: `List the members of managed groups whom no directory group names and whom groupsyncd did not
put there. With --group they become ours: nothing is written, and the next plan takes them
out, through the guard. Protected and ignored accounts are left out.

Exit codes: 0 listed or taken over, 1 no such group or account, 2 wrong usage, 7 the state
is locked or damaged.`,
		Example: `  groupsyncd takeover
  groupsyncd takeover --group Sales --user guest@example.org --reason 'left in March'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case req.Group == "" && req.User != "":
				return usage("--user needs --group")
			case req.Group == "" && req.Reason != "":
				return usage("--reason needs --group: without it nothing is decided")
			case req.Group != "" && req.Reason == "":
				return needReason()
			}
			if req.Group == "" {
				return c.look(func(b server.Backend, _ *config.Config) error { return c.strangers(b, req.Target) })
			}
			return c.with(func(b server.Backend, _ *config.Config) error {
				out, err := b.TakeOver(c.ctx, req, whoami())
				if err != nil {
					return err
				}
				return c.print(map[string]any{"taken_over": out}, func() { c.takenTable(b, out) })
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Group, "group", "", "make them ours in this Open WebUI group, by name or id")
	f.StringVar(&req.User, "user", "", "only this account, by mail address or id")
	f.StringVar(&req.Target, "target", "", "in this target only")
	f.StringVar(&req.Reason, "reason", "", "why; kept with the decision")
	return cmd
}

func (c *command) strangers(b server.Backend, target string) error {
	all, err := b.Strangers(c.ctx, target)
	if err != nil {
		return err
	}
	return c.print(map[string]any{"groups": all}, func() {
		if len(all) == 0 {
			c.line("a directory group names every member of the managed groups, or they are ours")
			return
		}
		for i := range all {
			g := &all[i]
			note := ""
			if g.Gentle {
				note = "; its rule is add-only, so they stay"
			}
			c.line("%s on target %s (rule %s): %s whom no directory group names%s", g.Group.Name, g.Target, g.Rule, plural(len(g.Users), "member"), note)
			c.names(g.Users)
		}
		c.line("make them ours with: groupsyncd takeover --group NAME [--user NAME] --reason TEXT")
	})
}

// names writes the first of some accounts.
func (c *command) names(users []run.UserRef) {
	for i := range users {
		if i == shownLines {
			c.line("  … and %d more; see all with -o json", len(users)-i)
			return
		}
		c.line("  %s", cell(or(users[i].Email, users[i].ID)))
	}
}

func (c *command) takenTable(b server.Backend, out []run.TakenOver) {
	taken := 0
	for i := range out {
		t := &out[i]
		c.line("taken over: %s of %s on target %s", plural(len(t.Users), "member"), t.Group.Name, t.Target)
		c.names(t.Users)
		taken += len(t.Users)
	}
	if taken == 0 {
		return
	}
	if _, daemon := b.(*server.Client); !daemon {
		c.line("nothing was written; see what the next run takes out with: groupsyncd plan")
	}
}
