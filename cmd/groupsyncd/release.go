package main

import (
	"groupsyncd/config"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) releaseCommand() *cobra.Command {
	var req run.Release
	cmd := &cobra.Command{
		Use:   "release [--source S] [--rule R] [--group G] [--hold HASH] [--reference G] --reason TEXT",
		Short: "Stop owning what a source, a rule or a hold is about; what is there stays",
		Long: `Stop owning memberships: whoever is in a group stays in it, and groupsyncd no longer takes
them out. Nothing is written to Open WebUI. Several flags narrow each other. --hold keeps
exactly what that hold lists.

--reference, with --source, is about a directory group that names a nested group which was
there and is no longer found: whoever came in only through that one stays in Open WebUI, and
groupsyncd waits for it no longer. To let those people leave, take the reference out of the
directory instead.

What the directory still names becomes ours again with the next run: to end that as well,
change the rule or take the source out of the configuration first.

Exit codes: 0 released, 1 nothing fits, 2 wrong usage, 7 the state is locked or damaged.`,
		Example: `  groupsyncd release --hold 3f9a1c0d2b7e --reason 'they keep access until the audit'
  groupsyncd release --source old-ldap --reason 'replaced by the new directory, ticket 4711'
  groupsyncd release --source corp --reference cn=staff,ou=groups,dc=example,dc=org --reason 'the branch was sold'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case req.Reference != "" && (req.Source == "" || req.Rule != "" || req.Group != "" || req.Hold != "" || req.Target != ""):
				return usage("--reference goes with --source, and with no other of these flags")
			case req.Reference == "" && req.Source == "" && req.Rule == "" && req.Group == "" && req.Hold == "":
				return usage("say what to release with --source, --rule, --group or --hold")
			case req.Reason == "":
				return needReason()
			}
			return c.with(func(b server.Backend, _ *config.Config) error {
				out, err := b.Release(c.ctx, req, whoami())
				if err != nil {
					return err
				}
				return c.print(map[string]any{"released": out}, func() { c.releasedTable(b, out) })
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Source, "source", "", "what this source gave; also one that is no longer configured")
	f.StringVar(&req.Rule, "rule", "", "what this rule gave; also one that is no longer configured")
	f.StringVar(&req.Group, "group", "", "what is ours in this Open WebUI group, by name or id")
	f.StringVar(&req.Hold, "hold", "", "what the hold with this hash lists")
	f.StringVar(&req.Reference, "reference", "", "what this directory group of the source names and does not resolve any more; by name, id, path or DN")
	f.StringVar(&req.Target, "target", "", "in this target only")
	f.StringVar(&req.Reason, "reason", "", "why; kept with the decision")
	return cmd
}

// needReason is the mistake of deciding without a reason.
func needReason() error {
	return usage("say why with --reason TEXT: it is kept with the decision")
}

func (c *command) releasedTable(b server.Backend, out []run.Released) {
	again := 0
	for _, r := range out {
		c.line("released: %s in %s on target %s; what is there stays", plural(r.Memberships, "membership"), plural(r.Groups, "group"), r.Target)
		if r.References > 0 {
			c.line("  no longer waited for: %s", plural(r.References, "nested group"))
		}
		if r.Held > 0 {
			c.line("  no longer held: %s", plural(r.Held, "change"))
		}
		if r.Links > 0 {
			c.line("  no longer tied to a rule that is gone: %s", plural(r.Links, "group"))
		}
		again += r.Again
	}
	if again > 0 {
		c.line("the directory still names %s: the next run makes them ours again", plural(again, "membership"))
	}
	c.next(b)
}

// next says how a decision is carried out where no daemon does it at once.
func (c *command) next(b server.Backend) {
	if _, daemon := b.(*server.Client); !daemon {
		c.line("carry it out with: groupsyncd sync")
	}
}
