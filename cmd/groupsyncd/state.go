package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"groupsyncd/app"
	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/server"
	"groupsyncd/sync/engine"

	"github.com/spf13/cobra"
)

func (c *command) stateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Check, copy, restore or shrink the file in which everything is kept",
	}
	cmd.AddCommand(c.stateCheckCommand(), c.stateBackupCommand(), c.stateRestoreCommand(), c.stateCompactCommand())
	return cmd
}

func (c *command) stateOptions(cfg *config.Config) app.StateOptions {
	return app.StateOptions{Config: cfg, Logger: c.logger(cfg, false), LockTimeout: c.lockTimeout, Now: c.now}
}

// stateWork asks the daemon, or does the work itself when none holds the state. Whoever
// holds it may be a daemon that has just started, so one is looked for again.
func stateWork[T any](c *command, cfg *config.Config, ask func(*server.Client) (T, error), own func() (T, error)) (T, error) {
	var none T
	daemon, err := server.Dial(c.ctx, string(cfg.State))
	if err != nil {
		return none, err
	}
	if daemon != nil {
		return ask(daemon)
	}
	v, err := own()
	if fault.KindOf(err) == fault.Damaged {
		if daemon, dialed := server.Dial(c.ctx, string(cfg.State)); daemon != nil && dialed == nil {
			return ask(daemon)
		}
	}
	return v, err
}

func (c *command) checkState(cfg *config.Config) (*engine.StateStatus, error) {
	return stateWork(c, cfg,
		func(d *server.Client) (*engine.StateStatus, error) { return d.CheckState(c.ctx) },
		func() (*engine.StateStatus, error) { return app.CheckState(c.ctx, c.stateOptions(cfg)) })
}

// stateFindings is what doctor finds about the state.
func (c *command) stateFindings(cfg *config.Config) app.Checked {
	s, err := c.checkState(cfg)
	return app.StateFindings(cfg, s, err, c.now())
}

// stateChecked is what a check prints for scripts.
type stateChecked struct {
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
	Hint    string `json:"hint,omitempty"`
	*engine.StateStatus
}

func (c *command) stateCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Read the whole state and say whether it is right",
		Long: `Read the whole state and say whether it is right: every page, the list of free pages, and
every record with its checksum. A running daemon checks its own; what is found damaged is
not written to any more. Writes nothing.

Exit codes: 0 it is right, 1 there is none, 7 it is damaged, locked or of a newer version.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, cfg, err := c.load()
			if err != nil {
				return err
			}
			s, err := c.checkState(cfg)
			if err != nil {
				if c.output == "table" {
					return err
				}
				report := stateChecked{Problem: err.Error(), Hint: fault.HintOf(err)}
				return errors.Join(err, c.print(report, func() {}))
			}
			return c.print(stateChecked{OK: true, StateStatus: s}, func() {
				c.line("%s is right: every page, record and checksum was read", s.Path)
				c.stateLines(s)
			})
		},
	}
}

// stateLines say how large the state is and how old its backup.
func (c *command) stateLines(s *engine.StateStatus) {
	c.line("state: %s of at most %s, %s of it unused; %s free on its disk", app.Bytes(s.Size), app.Bytes(s.MaxSize), app.Bytes(s.Unused), app.Bytes(s.FreeSpace))
	switch b := &s.Backup; {
	case b.Last.IsZero() && b.Every == "off":
		c.line("last backup: none, and none are made by themselves")
	case b.Last.IsZero():
		c.line("last backup: none yet; every %s", b.Every)
	case b.Overdue:
		c.line("last backup: %s, which is too long ago: one is to be made every %s", c.when(b.Last), b.Every)
	default:
		c.line("last backup: %s", c.when(b.Last))
	}
	if s.Backup.Problem != "" {
		c.line("backup failed: %s", s.Backup.Problem)
		c.hint(s.Backup.Hint)
	}
}

// stateStatus is the part of status about the state; older daemons say nothing of it.
func (c *command) stateStatus(s *engine.StateStatus) {
	if s == nil {
		return
	}
	if s.Problem != "" {
		c.line("state: %s", s.Problem)
		c.hint(s.Hint)
	}
	c.stateLines(s)
}

func (c *command) stateBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup [PATH]",
		Short: "Write a verified copy of the state",
		Long: `Write a verified copy of the state, encrypted with age if backup.recipient is configured.
Without PATH it goes into the folder backups beside the state, where it counts among those
that backup.keep leaves. It never replaces a file. While a daemon runs, the daemon writes
it, as its own user.

Exit codes: 0 done, 1 it could not be written there, 7 the state is damaged or locked.`,
		Example: "  groupsyncd state backup\n  groupsyncd state backup /mnt/safe/groupsyncd.db",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, cfg, err := c.load()
			if err != nil {
				return err
			}
			path := ""
			if len(args) == 1 {
				if args[0] == "" {
					return usage("the path is empty")
				}
				// The daemon has another working directory.
				if path, err = filepath.Abs(args[0]); err != nil {
					return fmt.Errorf("find the path: %w", err)
				}
			}
			made, err := stateWork(c, cfg,
				func(d *server.Client) (*engine.BackupMade, error) { return d.BackupState(c.ctx, path, whoami()) },
				func() (*engine.BackupMade, error) { return app.BackupState(c.ctx, c.stateOptions(cfg), path) })
			if err != nil {
				return err
			}
			return c.print(made, func() {
				how := "verified"
				if made.Encrypted {
					how += " and encrypted"
				}
				c.line("%s: %s, %s", made.Path, app.Bytes(made.Size), how)
			})
		},
	}
}

func (c *command) stateRestoreCommand() *cobra.Command {
	var identity string
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the state",
		Long: `Put a backup in the place of the state, while no daemon runs. The backup is checked
completely before anything is touched, and what is there now, whole or damaged, is kept as
backups/before-restore-TIME.db. Approvals in the backup do not hold any more, and the audit
gets a record of the restore.

What happened since the backup is not in it: the next run compares it with the marks in Open
WebUI, adopts what the directory wants, and holds what it cannot know (state_lost).

Exit codes: 0 done, 2 no such file or not the key to it, 7 the backup is damaged, foreign or
of a newer version, or somebody holds the state.`,
		Example: "  groupsyncd state restore /var/lib/groupsyncd/backups/state-20260301T120000Z.db\n  groupsyncd state restore --identity key.txt copy.db.age",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, cfg, err := c.load()
			if err != nil {
				return err
			}
			if err := c.noDaemon(cfg, "restore state"); err != nil {
				return err
			}
			r, err := app.RestoreState(c.ctx, c.stateOptions(cfg), args[0], identity, whoami())
			if err != nil {
				return err
			}
			return c.print(r, func() { c.restoredLines(r) })
		},
	}
	cmd.Flags().StringVar(&identity, "identity", "", "file with the secret key of age that opens an encrypted backup")
	return cmd
}

func (c *command) restoredLines(r *app.Restored) {
	c.line("restored: %s from %s, made %s", r.Path, r.From, c.when(r.At))
	switch {
	case r.Damage != "":
		c.line("the damaged state is kept as %s: %s", r.Kept, r.Damage)
	case r.Kept != "":
		c.line("what was there is kept as %s", r.Kept)
	}
	if r.Dropped > 0 {
		c.line("%s of that time do not hold any more", plural(r.Dropped, "approval"))
	}
	c.line("next: see what a run would do with: groupsyncd plan; then start the daemon, or: groupsyncd sync")
	c.line("The first run compares the number of this state with the marks in Open WebUI. What was given or")
	c.line("taken since the backup it cannot know: it holds that (state_lost) until you approve or release it.")
}

func (c *command) stateCompactCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "compact",
		Short: "Write the state anew without what holds nothing",
		Long: `Write the state anew without what holds nothing, while no daemon runs. The new file is
compared with the old one before it takes its place.

Exit codes: 0 done, 1 there is no state, 7 it is damaged, or somebody holds it.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, cfg, err := c.load()
			if err != nil {
				return err
			}
			if err := c.noDaemon(cfg, "compact state"); err != nil {
				return err
			}
			r, err := app.CompactState(c.ctx, c.stateOptions(cfg))
			if err != nil {
				return err
			}
			return c.print(r, func() { c.line("%s: %s before, %s after", r.Path, app.Bytes(r.Before), app.Bytes(r.After)) })
		},
	}
}

// noDaemon refuses work that needs the state alone while a daemon has it.
func (c *command) noDaemon(cfg *config.Config, op string) error {
	daemon, err := server.Dial(c.ctx, string(cfg.State))
	if daemon == nil || err != nil {
		return err
	}
	who, stop := "a daemon holds the state", "systemctl stop groupsyncd"
	if s, err := daemon.Status(c.ctx); err == nil && s.Daemon != nil {
		pid := strconv.Itoa(s.Daemon.PID)
		who += " (process " + pid + ")"
		stop += ", or kill " + pid
	}
	return fault.New(fault.Damaged, op, string(cfg.State), errors.New(who), "stop it first, with "+stop+"; then repeat this command, and start it again")
}
