package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) applyCommand() *cobra.Command {
	var (
		reason string
		full   bool
	)
	cmd := &cobra.Command{
		Use:   "apply PLANFILE",
		Short: "Carry out a written plan as it is, or nothing",
		Long: `Carry out a plan that "groupsyncd plan --out FILE" has written. The directories and Open
WebUI are read anew. When anything would be done in another way now, for any target,
nothing is done anywhere, and what differs is named. The guard has its say as in every run.

Exit codes: 0 done, 2 the file is no plan, 3 some calls failed, 4 something is held, 5 a
source was not read completely, 6 the target could not be reached or refused us, 7 state, 9
the world changed since the plan, 130 interrupted.`,
		Example: "  groupsyncd plan --out monday.plan\n  groupsyncd apply monday.plan --reason 'change 4711'",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := readPlan(args[0])
			if err != nil {
				return err
			}
			return c.with(func(b server.Backend, _ *config.Config) error {
				report, err := b.ApplyPlan(c.ctx, file, reason, whoami())
				if err != nil {
					return err
				}
				return c.showRun(report, false, full)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the audit")
	cmd.Flags().BoolVar(&full, "full", false, "show every line")
	return cmd
}

// readPlan reads a written plan. What is wrong with it is a mistake of who hands it in.
func readPlan(name string) (*run.PlanFile, error) {
	const again = "make a new plan with: groupsyncd plan --out FILE"
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the plan", "", err, "the file is one that was written with: groupsyncd plan --out FILE")
	}
	var f run.PlanFile
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&f); err != nil {
		return nil, fault.New(fault.Invalid, "read the plan", name, fmt.Errorf("this is no plan, or not all of one: %w", err), again)
	}
	if dec.More() {
		return nil, fault.New(fault.Invalid, "read the plan", name, errors.New("something follows the plan"), again)
	}
	return &f, nil
}

// planOutput is the file that a plan is written to.
type planOutput struct{ outFile }

// check finds out before anything is read whether the file can be written.
func (w *planOutput) check(req *run.Request) error {
	if w.name != "" && req.User != "" {
		return usage("a plan for one person cannot be written down; leave out --user or --out")
	}
	return w.outFile.check("write the plan")
}

// write puts a plan into the file.
func (w *planOutput) write(f *run.PlanFile) error {
	return w.outFile.write("write the plan", func(file io.Writer) error {
		enc := json.NewEncoder(file)
		enc.SetIndent("", " ")
		return enc.Encode(f)
	})
}

// planOut makes a plan, writes it down and shows it.
func (c *command) planOut(b server.Backend, req run.Request, out *planOutput, check, full bool) error {
	if _, daemon := b.(*server.Client); daemon && c.config != "" {
		return usage("the daemon carries out plans with its own configuration only; leave out --config or --out")
	}
	req.By = whoami()
	planned, err := b.PlanFile(c.ctx, req)
	if err != nil {
		return err
	}
	if planned.File != nil {
		if err := out.write(planned.File); err != nil {
			return err
		}
	}
	if err := c.showRun(planned.Report, check, full); err != nil {
		return err
	}
	switch {
	case planned.File == nil:
		fmt.Fprintln(c.Err, "groupsyncd: no plan was written: not every target could be planned")
	case !c.quiet:
		fmt.Fprintf(c.Err, "the plan is in %s; carry it out with: groupsyncd apply %s\n", out.name, out.name)
	}
	return nil
}
