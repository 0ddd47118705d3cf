package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"groupsyncd/app"
	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) initCommand() *cobra.Command {
	var out outFile
	var from, key, ca string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Print a small configuration to begin with",
		Long: `Print a small configuration to begin with. With --from-open-webui it is made from what that
Open WebUI says about its own sign-in by LDAP and OAuth, only plans, and names the secrets
that are still to be put into files. No secret is in it, and nothing is written there.

The key is that of an administrator, by reference: file:PATH, env:NAME or credential:NAME.
Where keys are restricted, it may use /api/v1/users, /api/v1/groups and, to read these
settings, /api/v1/auths/admin/config.

Exit codes: 0 printed or written, 2 wrong usage, or no Open WebUI at that address, 6 it could
not be reached or refused us.`,
		Example: "  groupsyncd config init > groupsyncd.yaml\n" +
			"  groupsyncd config init --from-open-webui https://chat.example.org --api-key file:secrets/openwebui --out groupsyncd.yaml",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			const op = "begin a configuration"
			if err := out.check(op); err != nil {
				return err
			}
			text := config.Init()
			if from != "" || key != "" || ca != "" {
				var err error
				if text, err = c.begin(from, key, ca, out.name); err != nil || text == nil {
					return err
				}
			}
			if out.name == "" {
				_, err := c.Out.Write(text)
				return written(err)
			}
			out.open = true // No secret is in it, and the daemon may be another user.
			if err := out.write(op, func(w io.Writer) error {
				_, err := w.Write(text)
				return err
			}); err != nil {
				return err
			}
			fmt.Fprintf(c.Err, "written: %s; next: groupsyncd config validate --config %s\n", harmless(out.name), harmless(out.name))
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from-open-webui", "", "address of the Open WebUI whose settings are read")
	cmd.Flags().StringVar(&key, "api-key", "", "where the key of an administrator is kept: file:PATH, env:NAME or credential:NAME")
	cmd.Flags().StringVar(&ca, "ca-file", "", "certificates to trust for it beside those of the system")
	out.flags(cmd, "write it to this file, which everybody may read")
	return cmd
}

// begin makes the configuration; nil without an error when Open WebUI failed, which has
// been said then.
func (c *command) begin(from, key, ca, out string) ([]byte, error) {
	switch {
	case from == "":
		return nil, usage("--api-key and --ca-file are for --from-open-webui URL")
	case key == "":
		return nil, fault.New(fault.Invalid, "", "", errors.New("--from-open-webui needs --api-key"),
			"put the key of an administrator into a file, chmod 600 it, and name it: --api-key file:secrets/openwebui")
	}
	ref, err := secret.Parse(key)
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "", fmt.Errorf("--api-key: %w", err), "put the key into a file, chmod 600 it, and name it: --api-key file:secrets/openwebui")
	}
	dir, err := filepath.Abs(filepath.Dir(out)) // Relative names belong to the folder of the file, which is this one else.
	if err != nil {
		return nil, err
	}
	text, err := app.Begin(c.ctx, &app.Beginning{URL: from, Key: ref, CAFile: ca, Dir: dir, Logger: c.logger(nil, false)})
	if kind := fault.KindOf(err); err != nil && kind != fault.Invalid && kind != fault.Canceled {
		c.complain(err)
		c.code = run.ExitTarget
		return nil, nil
	}
	return text, err
}
