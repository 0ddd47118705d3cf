package main

import (
	"strconv"

	"groupsyncd/config"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) historyCommand() *cobra.Command {
	var (
		limit int
		full  bool
	)
	cmd := &cobra.Command{
		Use:   "history [RUN]",
		Short: "Past runs, newest first; or one run with every change",
		Long: `Past runs, newest first; or one run, by its id or the beginning of it, with every change.

With -o json the list has no "changes" in its targets: they are not loaded. One run always
has them, an empty list when nothing changed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if limit < 1 {
				return usage("--limit takes a number from 1 on")
			}
			return c.look(func(b server.Backend, _ *config.Config) error {
				if len(args) == 1 {
					r, err := b.Report(c.ctx, args[0])
					if err != nil {
						return err
					}
					return c.print(r, func() { c.reportTable(r, full) })
				}
				runs, err := b.History(c.ctx, limit)
				if err != nil {
					return err
				}
				return c.print(server.ListRuns(runs), func() { c.historyTable(runs) })
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", shownLines, "how many runs are listed")
	cmd.Flags().BoolVar(&full, "full", false, "show every change of the run")
	return cmd
}

func (c *command) historyTable(runs []run.Report) {
	var rows [][]string
	for i := range runs {
		r := &runs[i]
		about := subject(r)
		for j := range r.Targets {
			t := &r.Targets[j]
			what := summaryLine(&t.Summary)
			if t.Error != "" && t.Summary == (run.Summary{}) {
				what = "nothing was done"
			}
			rows = append(rows, []string{r.Run, c.when(r.Started), string(r.Mode), string(r.Trigger), t.Name, strconv.Itoa(r.Exit), what + about})
		}
		if len(r.Targets) == 0 {
			rows = append(rows, []string{r.Run, c.when(r.Started), string(r.Mode), string(r.Trigger), "-", strconv.Itoa(r.Exit), exitWords(r.Exit) + about})
		}
	}
	if len(rows) == 0 {
		c.line("no runs yet")
		return
	}
	c.table([]string{"RUN", "STARTED", "MODE", "TRIGGER", "TARGET", "EXIT", "WHAT"}, rows)
}
