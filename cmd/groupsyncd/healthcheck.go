package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"groupsyncd/config"
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
			_, cfg, err := c.load()
			if err != nil {
				return err
			}
			ctx, stop := context.WithTimeout(c.ctx, healthBound)
			defer stop()
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
	return askListener(ctx, host, port)
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

// maxHealth bounds the answer that is read.
const maxHealth = 4 << 10

// askListener asks the admin listener. Whoever else listens there may answer with a page
// of their own, so the answer must be ours.
func askListener(ctx context.Context, host, port string) (string, error) {
	hosts := nearHosts(host)
	asked := "http://" + net.JoinHostPort(hosts[0], port) + "/livez"
	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			var conn net.Conn
			var err error
			for _, h := range hosts {
				if conn, err = d.DialContext(ctx, network, net.JoinHostPort(h, port)); err == nil {
					break
				}
			}
			return conn, err
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, asked, http.NoBody)
	if err != nil {
		return asked, err
	}
	resp, err := client.Do(req)
	if ctx.Err() != nil {
		return asked, fmt.Errorf("no answer within %s", healthBound)
	}
	if err != nil {
		if e, ok := errors.AsType[*net.OpError](err); ok {
			err = e.Err
		}
		return asked, err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is left to do with it
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealth))
	text := strings.TrimSpace(string(body))
	switch {
	case err != nil:
		return asked, err
	case resp.StatusCode == http.StatusOK && text == "ok":
		return asked, nil
	case resp.StatusCode == http.StatusServiceUnavailable && text != "":
		return asked, errors.New(firstLine(text))
	}
	return asked, fmt.Errorf("%s, and not as groupsyncd answers: somebody else listens there", resp.Status)
}

// nearHosts gives the addresses of this machine at which a listener is found: one on every
// address is asked on loopback.
func nearHosts(host string) []string {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && addr.IsUnspecified() && addr.Is4():
		return []string{"127.0.0.1", "::1"}
	case err == nil && addr.IsUnspecified():
		return []string{"::1", "127.0.0.1"}
	}
	return []string{host}
}

// firstLine gives the first line of a text that may have several.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
