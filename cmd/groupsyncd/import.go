package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/server"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) importCommand() *cobra.Command {
	var (
		req       run.ImportRequest
		members   string
		dry, full bool
	)
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Carry the groups of an export into an Open WebUI, through plan and guard",
		Long: `Carry groups into an Open WebUI: a list as "groupsyncd export" writes it, or as Open WebUI
itself does. FILE may be - for standard input.

A group is found by its id, else by its name when exactly one group has it, else it is made
just as it is in the file. In a group that is found, the keys that the file names are set, and
all others stay. Members are found by the id of their account, else by the mail address in
users; those who are not there are listed. Nobody is taken out unless --members exact says so,
and nothing that is shared is taken away.

What is written is as if made by hand: it does not become ours, and memberships that are ours
stay ours. The guard counts what is taken away as in every run, "groupsyncd history" has the
run, and "groupsyncd revert" undoes it. What no call can write (ids, owners, meta, times) is
printed as a map at the end.

Exit codes: 0 done, 2 wrong usage or the file is not right, 3 some changes failed, 4 something
is held, 6 the target could not be reached or refused us, 7 state, 130 interrupted.`,
		Example: "  groupsyncd import groups.json --dry-run\n  groupsyncd import groups.json --target new --reason 'move to the new server'",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch members {
			case "add":
			case "exact":
				req.Exact = true
			default:
				return usage("--members takes add or exact, not %q", members)
			}
			if req.Mode = run.Apply; dry {
				req.Mode = run.Plan
			}
			if err := c.readImport(args[0], &req); err != nil {
				return err
			}
			req.By = whoami()
			return c.with(func(b server.Backend, _ *config.Config) error {
				report, err := b.Import(c.ctx, &req)
				if err != nil {
					return err
				}
				c.code = report.Exit
				return c.print(report, func() { c.reportTable(report, full) })
			})
		},
	}
	cmd.Flags().StringVar(&req.Target, "target", "", "into this target; needed where there are several")
	cmd.Flags().StringVar(&members, "members", "add", "add, or exact: members whom the file does not name are taken out, through the guard")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why; kept in the audit")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would be done, and write nothing")
	cmd.Flags().BoolVar(&full, "full", false, "show every line")
	return cmd
}

// readImport reads the file and finds out what is wrong with it before anything else is done.
func (c *command) readImport(name string, req *run.ImportRequest) error {
	const op = "read the groups"
	from := os.Stdin
	req.Name = "standard input"
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return fault.New(fault.Invalid, op, "", err, "name a file, or - for standard input")
		}
		defer file.Close() //nolint:errcheck // it was only read
		from, req.Name = file, filepath.Base(name)
	}
	var err error
	if req.File, err = io.ReadAll(io.LimitReader(from, plan.MaxImport+1)); err != nil {
		return fault.New(fault.Invalid, op, name, err, "")
	}
	_, err = plan.ReadImport(req.File)
	mistakes, ok := errors.AsType[plan.Mistakes](err)
	if !ok {
		return err
	}
	lines := make([]string, len(mistakes))
	for i := range mistakes {
		lines[i] = name + ":" + mistakes[i].String()
	}
	return fault.New(fault.Invalid, op, "", errors.New(strings.Join(lines, "\n")), `it takes a list of groups as JSON, as "groupsyncd export" writes it`)
}

// importTable writes the map of what no call can write, and what is not here.
func (c *command) importTable(id string, groups []run.ImportedGroup, full bool) {
	var rows [][]string
	var missing []string
	for i := range groups {
		g := &groups[i]
		rows = append(rows, []string{"  " + g.Name, string(g.By), or(g.ID, "-"), or(g.NewID, "-"), or(g.Owner, "-"), or(g.CreatedAt.String(), "-"), or(string(g.Meta), "-"),
			or(strings.Join(g.LeftOut, " "), "-")})
		for _, u := range g.Missing {
			missing = append(missing, fmt.Sprintf("  not here: %s, a member of %s", cell(or(u.Email, u.ID)), cell(g.Name)))
		}
		for _, s := range g.Unshared {
			missing = append(missing, fmt.Sprintf("  not here: %s %s, shared with %s", s.Type, cell(or(s.Name, s.ID)), cell(g.Name)))
		}
	}
	more := func(n int) {
		if n > shownLines && !full {
			c.line("  … and %d more; see all with: groupsyncd history %s --full", n-shownLines, id)
		}
	}
	shown := func(n int) int {
		if full {
			return n
		}
		return min(n, shownLines)
	}
	c.table([]string{"  IMPORTED", "FOUND BY", "OLD ID", "NEW ID", "OLD OWNER", "OLD CREATED_AT", "OLD META", "LEFT OUT"}, rows[:shown(len(rows))])
	more(len(rows))
	for _, line := range missing[:shown(len(missing))] {
		c.line("%s", line)
	}
	more(len(missing))
}

// carryOutImports says what carries out an approval of imports.
func carryOutImports(files []string) string {
	return fmt.Sprintf("groupsyncd import FILE, with the same file as before (SHA-256 %s…)", strings.Join(files, "…, "))
}
