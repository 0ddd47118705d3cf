package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/target/openwebui/openwebuitest"

	"github.com/spf13/cobra"
)

func (c *command) demoCommand() *cobra.Command {
	var stay bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: a small company in one process, nothing installed",
		Long: `See it work: a directory server with a small company, an Open WebUI, and groupsyncd
between them, all in this process, on loopback and in a temporary folder. The story takes
a few seconds. Its clock is made to jump, so that nobody has to wait.`,
		Example: "  groupsyncd demo\n  groupsyncd demo --serve",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) (err error) {
			d, err := c.newDemo()
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			if err := d.story(); err != nil || !stay {
				return err
			}
			return d.stay()
		},
	}
	cmd.Flags().BoolVar(&stay, "serve", false, "stay up afterwards as a daemon, until interrupted")
	return cmd
}

// demo is the little world of the story.
type demo struct {
	c       *command
	dir     string
	ldap    *ldaptest.Server
	chat    *openwebuitest.Server
	ldapURL string

	mu     sync.Mutex
	offset time.Duration
}

const demoPassword = "demo"

func (c *command) newDemo() (d *demo, err error) {
	d = &demo{c: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.dir, err = os.MkdirTemp("", "groupsyncd-demo-"); err != nil {
		return d, fmt.Errorf("make a folder for the demonstration: %w", err)
	}
	d.ldap = ldaptest.New(ldaptest.Options{BindDN: "cn=sync,dc=example,dc=org", Password: demoPassword})
	if err := d.ldap.Add(company()...); err != nil {
		return d, fmt.Errorf("fill the directory: %w", err)
	}
	if d.ldapURL, err = d.ldap.Start("127.0.0.1:0"); err != nil {
		return d, fmt.Errorf("start the directory: %w", err)
	}
	d.chat = openwebuitest.New(openwebuitest.Options{Now: d.now})
	for _, p := range staff() {
		if p.account {
			d.chat.AddAccount(openwebuitest.Account{Email: p.uid + "@example.org", Name: p.name})
		}
	}
	if err := d.chat.Start(); err != nil {
		return d, fmt.Errorf("start Open WebUI: %w", err)
	}
	secrets := map[string]string{"ldap-password": demoPassword, "api-key": d.chat.Key}
	for name, value := range secrets {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(value), 0o600); err != nil {
			return d, fmt.Errorf("write a secret: %w", err)
		}
	}
	err = d.configure("(objectClass=inetOrgPerson)")
	return d, err
}

func (d *demo) close() error {
	var errs []error
	if d.chat != nil {
		d.chat.Close()
	}
	if d.ldap != nil && d.ldapURL != "" {
		errs = append(errs, d.ldap.Close())
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}

// now is the clock of everything in the demonstration.
func (d *demo) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Add(d.offset)
}

func (d *demo) wait(t time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offset += t
}

func (d *demo) file() string { return filepath.Join(d.dir, "groupsyncd.yaml") }

// configure writes the configuration file with a filter for people.
func (d *demo) configure(filter string) error {
	text := fmt.Sprintf(`state: state
backup: {every: off}
sources:
  corp:
    type: ldap
    url: %s
    bind: {dn: "cn=sync,dc=example,dc=org", password: file:ldap-password}
    users: {base: "ou=people,dc=example,dc=org", filter: "%s"}
    groups: {base: "ou=groups,dc=example,dc=org"}
    schedule: every 10s
targets:
  chat:
    type: openwebui
    url: %s
    api_key: file:api-key
rules:
  - name: departments
    match: "dep-*"
    to: '{{ .Name | trimPrefix "dep-" | title }}'
`, d.ldapURL, filter, d.chat.URL)
	if err := os.WriteFile(d.file(), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// run executes a command line as a person would, after showing it.
func (d *demo) run(args ...string) int {
	d.c.line("")
	d.c.line("$ groupsyncd %s", strings.Join(args, " "))
	return d.exec(d.c.ctx, args...)
}

// silently executes a command line and shows nothing.
func (d *demo) silently(args ...string) {
	mainAt(d.c.ctx, d.c.hup, append(args, "--config", d.file()), Streams{Out: io.Discard, Err: io.Discard}, world{now: d.now})
}

func (d *demo) exec(ctx context.Context, args ...string) int {
	return mainAt(ctx, d.c.hup, append(args, "--quiet", "--config", d.file()), d.c.Streams, world{now: d.now})
}

// stay goes on as a daemon.
func (d *demo) stay() error {
	d.c.line("")
	d.c.line("Staying up until interrupted. The directory is at %s (bind cn=sync,dc=example,dc=org, password %q),", d.ldapURL, demoPassword)
	d.c.line("Open WebUI at %s. In another terminal: groupsyncd status --config %s", d.chat.URL, d.file())
	d.c.code = d.exec(d.c.ctx, "serve")
	return nil
}
