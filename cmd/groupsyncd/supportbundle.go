package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"

	"groupsyncd/internal/fault"

	"github.com/spf13/cobra"
)

func (c *command) supportBundleCommand() *cobra.Command {
	var out outFile
	cmd := &cobra.Command{
		Use:   "support-bundle",
		Short: "Gather what a helper needs to know, without secrets and names",
		Long: `Gather what somebody needs to know who helps: version, configuration, the findings of
doctor, status, last runs, metrics, health, the state's own check and the limits of this
machine, in one compressed archive that only its owner can read.

No secret is in it. Names of people, groups, hosts, sources, and all other words that are
not the program's own are replaced by marks such as ~3f2a91bc07: equal names have equal
marks inside one bundle, and the key that made them is thrown away. Look into it before you
give it away; what is inside is printed.

Exit codes: 0 written, 1 not, 2 wrong usage. What could not be gathered is said inside.`,
		Example: "  groupsyncd support-bundle\n  groupsyncd support-bundle --out - | ssh host 'cat > bundle.tar.gz'",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			const op = "write the support bundle"
			at := c.now().UTC()
			if out.name == "" {
				out.name = "groupsyncd-support-" + at.Format("20060102T150405Z") + ".tar.gz"
			}
			if out.name == "-" && terminal(c.Out) {
				return fault.New(fault.Invalid, op, "", errors.New("a terminal cannot show it"), "send it into a program or a file, or name a file with --out FILE")
			}
			if out.name != "-" {
				if err := out.check(op); err != nil {
					return err
				}
			}
			files := c.gather()
			write := func(w io.Writer) error { return pack(w, files, at) }
			if out.name == "-" {
				return written(write(c.Out))
			}
			if err := out.write(op, write); err != nil {
				return err
			}
			return c.print(map[string]any{"file": out.name, "contents": contents(files)}, func() {
				c.line("written: %s, with", out.name)
				for _, f := range files {
					c.line("  %-16s %s", f.name, f.what)
				}
				c.line("Names and secrets are taken out; look into it before you give it away: tar -xzf %s", out.name)
			})
		},
	}
	out.flags(cmd, "write it to this file; - is standard output")
	return cmd
}

// bundled is one file of a support bundle.
type bundled struct {
	name, what string
	data       []byte
}

func contents(files []bundled) map[string]string {
	out := map[string]string{}
	for _, f := range files {
		out[f.name] = f.what
	}
	return out
}

// pack writes the archive. Owners are left out: they are names too.
func pack(w io.Writer, files []bundled, at time.Time) error {
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	for _, f := range files {
		h := &tar.Header{Name: "groupsyncd-support/" + f.name, Mode: 0o600, Size: int64(len(f.data)), ModTime: at, Format: tar.FormatPAX}
		if err := archive.WriteHeader(h); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
		if _, err := archive.Write(f.data); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	return errors.Join(archive.Close(), zip.Close())
}
