package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
		return nil, fault.New(fault.Invalid, "read the plan", "", err, "")
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
type planOutput struct {
	file  string
	force bool
}

// check finds out before anything is read whether the file can be written.
func (w *planOutput) check(req *run.Request) error {
	switch {
	case w.file == "" && w.force:
		return usage("--force is for --out FILE")
	case w.file == "":
		return nil
	case req.User != "":
		return usage("a plan for one person cannot be written down; leave out --user or --out")
	}
	if _, err := os.Lstat(w.file); err == nil && !w.force {
		return w.exists()
	}
	return nil
}

func (w *planOutput) exists() error {
	return fault.New(fault.Invalid, "write the plan", w.file, fs.ErrExist, "name another file, or replace it with --force")
}

// write puts a plan into a file that only its owner can read. One that is there is
// replaced as a whole.
func (w *planOutput) write(f *run.PlanFile) error {
	fail := func(err error) error {
		if errors.Is(err, fs.ErrExist) {
			return w.exists()
		}
		return fault.New(fault.Invalid, "write the plan", w.file, err, "name a file that you may write")
	}
	var file *os.File
	var err error
	if w.force {
		file, err = os.CreateTemp(filepath.Dir(w.file), ".groupsyncd-plan-*")
	} else {
		file, err = os.OpenFile(w.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return fail(err)
	}
	enc := json.NewEncoder(file)
	enc.SetIndent("", " ")
	err = errors.Join(enc.Encode(f), file.Sync(), file.Close())
	if err == nil && w.force {
		err = os.Rename(file.Name(), w.file)
	}
	if err != nil {
		return fail(errors.Join(err, os.Remove(file.Name())))
	}
	return nil
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
		fmt.Fprintf(c.Err, "the plan is in %s; carry it out with: groupsyncd apply %s\n", out.file, out.file)
	}
	return nil
}
