package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"groupsyncd/config"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

// forever is longer than any run.
const forever = 365 * 24 * time.Hour

func (c *command) syncCommand() *cobra.Command {
	var (
		req  run.Request
		wait bool
	)
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Read the directories and bring Open WebUI in line, once",
		Long: `Read the directories and bring Open WebUI in line, once. While a daemon runs, it does
the work and this command waits for the report.

Exit codes: 0 done, 3 some calls failed, 4 something is held, 5 a source was not read
completely, 6 the target could not be reached or refused us, 7 state, 130 interrupted.`,
		Example: "  groupsyncd sync\n  groupsyncd sync --user ana@example.org\n  groupsyncd sync -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			req.Trigger, req.Mode = run.Manual, run.Apply
			if wait {
				c.lockTimeout = forever
			}
			return c.with(func(b server.Backend, _ *config.Config) error { return c.reconcile(b, req, nil, false, false) })
		},
	}
	scope(cmd, &req)
	cmd.Flags().BoolVar(&wait, "wait", false, "when another command holds the state, wait until it is done instead of giving up after 10 seconds")
	return cmd
}

// scope adds the flags that narrow a run.
func scope(cmd *cobra.Command, req *run.Request) {
	cmd.Flags().StringVar(&req.Source, "source", "", "read only this source; the others are taken as known")
	cmd.Flags().StringVar(&req.Target, "target", "", "only this target")
	cmd.Flags().StringVar(&req.User, "user", "", "only this person: mail address, user name or id")
	cmd.Flags().BoolVar(&req.Full, "reread", false, "read everything, also where reading only what changed would do")
}

func (c *command) planCommand() *cobra.Command {
	var (
		req         run.Request
		check, full bool
		out         planOutput
	)
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what a run would do, and write nothing to Open WebUI",
		Long: `Show what a run would do, and write nothing to Open WebUI.

While a daemon runs, it makes the plan; with --config FILE it plans with that file on a
copy of what it knows.

With --out FILE the plan is written down as well, for "groupsyncd apply FILE", which
carries out just that or nothing. The file names people: only you can read it.

Exit codes: as sync, and with --check 8 when changes are pending.`,
		Example: "  groupsyncd plan\n  groupsyncd plan --config new.yaml --full\n  groupsyncd plan --check -q\n  groupsyncd plan --out monday.plan",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			req.Trigger, req.Mode = run.Manual, run.Plan
			if err := out.check(&req); err != nil {
				return err
			}
			return c.with(func(b server.Backend, _ *config.Config) error {
				if out.name != "" {
					return c.planOut(b, req, &out, check, full)
				}
				var file *server.NewConfig
				if _, daemon := b.(*server.Client); daemon && c.config != "" {
					var err error
					if file, err = newConfig(c.config); err != nil {
						return err
					}
				}
				return c.reconcile(b, req, file, check, full)
			})
		},
	}
	scope(cmd, &req)
	cmd.Flags().BoolVar(&check, "check", false, "exit with 8 when changes are pending")
	cmd.Flags().BoolVar(&full, "full", false, "show every line")
	out.flags(cmd, "write the plan to this file as well")
	return cmd
}

func newConfig(file string) (*server.NewConfig, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return &server.NewConfig{File: file, Dir: dir, Data: data}, nil
}

// reconcile runs a request and prints its report.
func (c *command) reconcile(b server.Backend, req run.Request, file *server.NewConfig, check, full bool) error {
	req.By = whoami()
	c.unkept = file != nil
	report, err := b.Run(c.ctx, req, file)
	if err != nil {
		return err
	}
	return c.showRun(report, check, full)
}

// showRun prints the report of a run and takes its exit code.
func (c *command) showRun(report *run.Report, check, full bool) error {
	c.code = report.Exit
	if check && pending(report) {
		c.code = run.First(report.Exit, run.ExitChanges)
	}
	return c.print(report, func() { c.reportTable(report, full) })
}

// pending reports whether a plan has changes that a run would make.
func pending(r *run.Report) bool {
	for i := range r.Targets {
		for j := range r.Targets[i].Changes {
			if o := r.Targets[i].Changes[j].Outcome; o == run.Planned {
				return true
			}
		}
	}
	return false
}
