package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/scalar"
	"groupsyncd/server"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

// healthBound is how long a check of the daemon may take in all.
const healthBound = 5 * time.Second

// health is what healthcheck prints for scripts.
type health struct {
	Healthy bool   `json:"healthy"`
	Asked   string `json:"asked"`
	Answer  string `json:"answer"`
}

func (c *command) healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running daemon whether it is alive, for containers and scripts",
		Long: `Ask the running daemon whether it is alive: its /livez at server.admin.listen, or the
control socket in the state folder where there is no admin listener. Prints one line and
takes at most five seconds. An outage of a directory or of Open WebUI makes no daemon
unhealthy; "groupsyncd status" and /readyz?verbose tell more.

Exit codes: 0 alive, 1 not, 2 configuration.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := context.WithTimeout(c.ctx, healthBound)
			defer stop()
			file, cfg, err := c.load()
			if err != nil {
				if cfg = c.unchanged(ctx, file); cfg == nil {
					return err
				}
				c.complain(err)
			}
			asked, err := askHealth(ctx, cfg)
			h := health{Healthy: err == nil, Asked: asked, Answer: "ok"}
			if err != nil {
				h.Answer = firstLine(err.Error())
				c.code = run.ExitFailure
			}
			return c.print(h, func() {
				if h.Healthy {
					c.line("alive: %s says ok", h.Asked)
					return
				}
				c.line("not alive: %s: %s", h.Asked, h.Answer)
			})
		},
	}
}

// unchanged gives what is needed to ask a daemon that goes on although its file has mistakes
// now: whoever ended it for them would end the last one that works. Nil: there is none.
func (c *command) unchanged(ctx context.Context, file string) *config.Config {
	if file == "" {
		return nil
	}
	cfg := &config.Config{State: scalar.Path(config.StateFolder(file))}
	if _, err := askSocket(ctx, cfg); err != nil {
		return nil
	}
	return cfg
}

// askHealth asks the daemon of a configuration for a sign of life, and says where it asked.
// A daemon goes on without an admin listener when somebody else has the default address,
// so whoever answers there may be another one: then the socket is asked first.
func askHealth(ctx context.Context, cfg *config.Config) (asked string, err error) {
	host, port, err := net.SplitHostPort(string(cfg.Server.Admin.Listen))
	if err != nil || port == "0" {
		return askSocket(ctx, cfg)
	}
	if !cfg.AdminChosen() {
		if asked, err := askSocket(ctx, cfg); !errors.Is(err, errClosedToUs) {
			return asked, err
		}
	}
	return server.AskLivez(ctx, host, port)
}

// errClosedToUs says that only the user of the daemon may use its socket.
var errClosedToUs = errors.New("the control socket is not open to this user")

func askSocket(ctx context.Context, cfg *config.Config) (string, error) {
	asked := "the control socket in " + string(cfg.State)
	daemon, err := server.Dial(ctx, string(cfg.State))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return asked, fmt.Errorf("%w: %w", errClosedToUs, err)
	case err != nil:
		return asked, err
	case daemon == nil:
		return asked, errors.New("no daemon is running with this state")
	}
	return asked, daemon.Alive(ctx)
}

// firstLine gives the first line of a text that may have several.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
