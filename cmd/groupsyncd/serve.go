package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"groupsyncd/app"
	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/internal/sdnotify"
	"groupsyncd/server"

	"github.com/spf13/cobra"
)

// longestStart is how long systemd is asked to wait while the state is checked, page by page,
// and brought to our version: the largest one on a slow disk takes some minutes.
const longestStart = 15 * time.Minute

func (c *command) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run until stopped: schedules, control socket, health, metrics and API",
		Long: `Run until stopped. Sources are read on their schedules, other commands reach the daemon
through the control socket in the state folder, SIGHUP or "groupsyncd reload" reads the
configuration again, and SIGTERM or SIGINT stops after the call under way; a second
signal ends at once. Health, metrics and the API are at 127.0.0.1:8421, or where
server.admin.listen in the configuration says.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) (err error) {
			file, cfg, err := c.load()
			if err != nil {
				return err
			}
			log := c.logger(cfg, true)
			for _, w := range cfg.Warnings() {
				log.Warn("configuration", slog.String("problem", w.Error()), slog.String(logging.KeyHint, w.Hint))
			}
			log.Info("starting", slog.String("version", version().Version), slog.String("config", file), slog.String("state", string(cfg.State)))
			enough, err := sdnotify.TakeTime(longestStart)
			if err != nil {
				log.Warn("systemd not told", slog.String(logging.KeyErr, err.Error()))
			}
			a, err := app.New(c.ctx, app.Options{File: file, Config: cfg, Logger: log, LockTimeout: c.lockTimeout, Now: c.now,
				Version: version().Version, Revision: version().Revision})
			enough()
			if err != nil {
				return err
			}
			return errors.Join(a.Serve(c.ctx, c.hup), a.Close())
		},
	}
}

func (c *command) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Make the running daemon read its configuration again",
		Long:  "Make the running daemon read its configuration again. A file with mistakes leaves the\nold configuration in force; the mistakes are shown.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			file, cfg, err := c.load()
			if err != nil {
				return c.reloadUnread(file, err)
			}
			daemon, err := server.Dial(c.ctx, string(cfg.State))
			if err != nil {
				return err
			}
			if daemon == nil {
				return fault.New(fault.Unavailable, "reload", "", fmt.Errorf("no daemon is running with the state %s", cfg.State), "start one with: groupsyncd serve")
			}
			if err := daemon.Reload(c.ctx); err != nil {
				return err
			}
			return c.print(map[string]any{"reloaded": true}, func() { c.line("reloaded") })
		},
	}
}

// reloadUnread asks for a reload with a file that we cannot read ourselves. It fails, and the
// log, the metrics and the status of the daemon say so as well. Where that is, systemd tells,
// whose ExecReload we may be, or what can be read of the file.
func (c *command) reloadUnread(file string, mistakes error) error {
	dir := os.Getenv("STATE_DIRECTORY")
	if dir == "" {
		if file == "" {
			return mistakes
		}
		dir = config.StateFolder(file)
	}
	if daemon, err := server.Dial(c.ctx, dir); err == nil && daemon != nil {
		err := daemon.Reload(c.ctx)
		if _, seen := asProblems(mistakes); err != nil && !seen {
			return err
		}
	}
	return mistakes
}
