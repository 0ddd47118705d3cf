package main

import (
	"strconv"

	"groupsyncd/app"
	"groupsyncd/config"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) notifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "How people are told: chat, mail and push services",
	}
	cmd.AddCommand(c.notifyTestCommand())
	return cmd
}

func (c *command) notifyTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test [NAME]",
		Short: "Send a test message to one service, or to all, and say what becomes of it",
		Long: `Send a test message to each service of notify in the configuration, or to the one of that
name, and say what becomes of it. A running daemon sends it, with the configuration that is in
force there; else this command does.

Exit codes: 0 every message was taken, 1 at least one was not, 2 wrong usage or configuration.`,
		Example: "  groupsyncd notify test\n  groupsyncd notify test slack-url -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return c.withState(func(b server.Backend, _ *config.Config) error {
				tests, err := b.TestNotices(c.ctx, name)
				if err != nil {
					return err
				}
				for i := range tests {
					if !tests[i].OK {
						c.code = run.ExitFailure
					}
				}
				return c.print(map[string]any{"services": tests}, func() { c.notifyTable(tests) })
			}, app.NothingYet)
		},
	}
}

func (c *command) notifyTable(tests []run.NotifyTest) {
	var rows [][]string
	for _, t := range tests {
		result := "sent"
		if !t.OK {
			result = "failed"
		}
		rows = append(rows, []string{t.Name, or(t.Kind, "-"), result, strconv.FormatInt(t.MS, 10) + " ms"})
	}
	c.table([]string{"SERVICE", "KIND", "RESULT", "TOOK"}, rows)
	for _, t := range tests {
		if t.Error != "" {
			c.line("  %s: %s", t.Name, t.Error)
			c.hint(t.Hint)
		}
	}
}
