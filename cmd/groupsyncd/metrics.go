package main

import (
	"encoding/json"

	"groupsyncd/server"

	"github.com/spf13/cobra"
)

// metricsCommand lists every metric for the reference in docs/metrics.md, which is made by
// asking the program. Operators read that, so they do not see the command.
func (c *command) metricsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "__metrics",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			e := json.NewEncoder(c.Out)
			e.SetEscapeHTML(false)
			list := server.Metrics()
			for i := range list {
				m := &list[i]
				if err := e.Encode(map[string]any{"name": m.Full(), "type": m.Type, "labels": m.Labels, "unit": m.Unit(), "help": m.Help}); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
