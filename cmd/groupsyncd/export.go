package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"groupsyncd/app"
	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) exportCommand() *cobra.Command {
	var (
		req run.ExportRequest
		out outFile
	)
	cmd := &cobra.Command{
		Use:   "export [--target NAME] [--group NAME]...",
		Short: "Write groups of Open WebUI as its own JSON, to keep or to import elsewhere",
		Long: `Write groups of Open WebUI as its own JSON: a list of groups, each with every field that the
server gives, and with user_ids. Two keys are added for "groupsyncd import": access_grants
lists the models, knowledge, prompts, tools and skills that are shared with the group, users
the mail addresses of its members.

Everything is read from the server now. A group that cannot be read ends the command, so an
export is whole or there is none. Nothing is changed anywhere.

Exit codes: 0 done, 1 no such group, 2 wrong usage, 6 the target could not be reached or
refused us, 7 the state is locked or damaged, 130 interrupted.`,
		Example: "  groupsyncd export --out groups.json\n  groupsyncd export --group Sales --group Finance | jq '.[].user_ids | length'",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := out.check("write the export"); err != nil {
				return err
			}
			return c.withState(func(b server.Backend, _ *config.Config) error {
				exported, err := b.Export(c.ctx, req)
				if err != nil {
					return c.targetFailed(err)
				}
				if out.name == "" {
					return c.writeExport(exported)
				}
				if err := out.write("write the export", func(file io.Writer) error {
					to := *c
					to.Out = file
					return to.writeExport(exported)
				}); err != nil {
					return err
				}
				if !c.quiet {
					fmt.Fprintf(c.Err, "%s in %s\n", plural(len(exported), "group"), out.name)
				}
				return nil
			}, app.NothingYet)
		},
	}
	cmd.Flags().StringVar(&req.Target, "target", "", "from this target; needed where there are several")
	cmd.Flags().StringArrayVar(&req.Groups, "group", nil, "only this group, by name or id; may be repeated (default: all)")
	cmd.Flags().BoolVar(&req.Bare, "no-grants", false, "leave out what is shared with the groups: for a key that may read groups and accounts only")
	out.flags(cmd, "write to this file, which only you can read")
	return cmd
}

// targetFailed ends a command as a run ends whose target failed, when that is what went wrong.
func (c *command) targetFailed(err error) error {
	switch fault.KindOf(err) {
	case fault.Auth, fault.Throttled, fault.Unavailable, fault.Incomplete:
		c.complain(err)
		c.code = run.ExitTarget
		return nil
	}
	return err
}

// writeExport writes groups as JSON, or as YAML for people to read. Their numbers stay as the
// server wrote them.
func (c *command) writeExport(groups []json.RawMessage) error {
	if c.output != "yaml" {
		return written(server.WriteJSON(c.Out, groups))
	}
	raw, err := json.Marshal(groups)
	if err != nil {
		return written(err)
	}
	// Escapes that JSON has and YAML does not are resolved on the way.
	var plain any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&plain); err != nil {
		return written(err)
	}
	return c.printYAML(plain)
}
