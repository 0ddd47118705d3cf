package main

import (
	"maps"
	"slices"
	"strings"

	"groupsyncd/config"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) revertCommand() *cobra.Command {
	var (
		req       run.Request
		dry, full bool
	)
	cmd := &cobra.Command{
		Use:   "revert RUN",
		Short: "Undo what a run did, and hold it from then on",
		Long: `Undo what a run really did: who got in goes out, who was taken out comes back, and
values get what they were before. Groups are not deleted. What somebody has changed since
is left as it is, and named. The guard counts what is taken away as in every run.

What was undone is held from then on, so that the next run does not do it again. It ends
when the directory says otherwise, or with "groupsyncd approve". A revert can be reverted.

RUN is an id, or a unique beginning of one: see "groupsyncd history". Of what was taken
away 90 days ago or more nobody knows any more how to give it back.

Exit codes: 0 done, 2 there is nothing to undo, 3 some changes could not be undone, 4
something is held, 6 the target could not be reached or refused us, 7 state, 130 interrupted.`,
		Example: "  groupsyncd revert 01KAG3 --dry-run\n  groupsyncd revert 01KAG3 --reason 'wrong rule, ticket 4711'",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			req.Trigger, req.Mode, req.Revert, req.By = run.Manual, run.Apply, strings.TrimSpace(args[0]), whoami()
			if req.Revert == "" {
				return usage("revert takes the id of a run; see them with: groupsyncd history")
			}
			if dry {
				req.Mode = run.Plan
			}
			return c.with(func(b server.Backend, _ *config.Config) error {
				report, err := b.Revert(c.ctx, req)
				if err != nil {
					return err
				}
				if err := c.showRun(report, false, full); err != nil {
					return err
				}
				return c.showUndoing(b, report)
			})
		},
	}
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why; kept in the audit")
	cmd.Flags().StringVar(&req.Target, "target", "", "only what was done to this target")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would be undone, and write nothing")
	cmd.Flags().BoolVar(&full, "full", false, "show every line")
	return cmd
}

// showUndoing says with which one command the undoing that is held in parts goes through.
func (c *command) showUndoing(b server.Backend, r *run.Report) error {
	held := slices.ContainsFunc(r.Targets, func(t run.TargetReport) bool { return len(t.Holds) > 0 })
	if !held || r.Mode != run.Apply || c.output != "" && c.output != "table" {
		return nil
	}
	holds, err := b.Holds(c.ctx)
	for _, u := range undoings(holds) {
		if u.run == r.Reverts {
			c.hint("or let all of it through with: " + u.approve)
		}
	}
	return err
}

// undoing is a run whose undoing several holds keep back, and the command that lets it through.
type undoing struct{ run, approve string }

// undoings finds the runs whose undoing is held in parts. A command is given only where it
// lets through that and nothing else.
func undoings(holds []run.Hold) []undoing {
	parts, mixed, barred := map[string][]*run.Hold{}, map[string][]string{}, map[string]bool{}
	for i := range holds {
		h := &holds[i]
		only := onlyUndoes(h)
		if only != "" && h.Approve != "" {
			parts[only] = append(parts[only], h)
			continue
		}
		for j := range h.Changes {
			if id := h.Changes[j].Reverts; id != "" && h.Approve == "" {
				barred[id] = true // Nobody can let that through, whatever else lists it.
			} else if id != "" && j < len(h.Keys) {
				mixed[id] = append(mixed[id], h.Target+" "+h.Keys[j])
			}
		}
	}
	var out []undoing
	for _, id := range slices.Sorted(maps.Keys(parts)) {
		listed, hashes := map[string]bool{}, []string{}
		for _, h := range parts[id] {
			before := len(listed)
			for _, k := range h.Keys {
				listed[h.Target+" "+k] = true
			}
			if len(listed) > before {
				hashes = append(hashes, h.Hash)
			}
		}
		left := slices.ContainsFunc(mixed[id], func(k string) bool { return !listed[k] })
		if len(parts[id]) > 1 && !left && !barred[id] {
			out = append(out, undoing{id, "groupsyncd approve " + strings.Join(hashes, " ") + " --reason TEXT"})
		}
	}
	return out
}

// onlyUndoes gives the run whose undoing is everything that a hold lists, or nothing.
func onlyUndoes(h *run.Hold) string {
	if len(h.Changes) == 0 || len(h.Changes) != len(h.Keys) {
		return ""
	}
	id := h.Changes[0].Reverts
	if slices.ContainsFunc(h.Changes, func(c run.Change) bool { return c.Reverts != id }) {
		return ""
	}
	return id
}

// carryOut gives the command that does what an approval lets through.
func carryOut(a *run.Approval) string {
	if len(a.Imports) > 0 {
		return carryOutImports(a.Imports)
	}
	if len(a.Reverts) > 0 {
		return "groupsyncd revert " + strings.Join(a.Reverts, "; groupsyncd revert ")
	}
	return "groupsyncd sync"
}
