// Command dist builds everything that is handed out: for each architecture the program
// in a deb, an rpm and a tarball, and the list of its parts (SBOM); the source; and the
// checksums of them all.
//
//	go run . [-out FOLDER] [-version V] [-arch amd64,arm64] [-twice] [-here]
//
// It builds a commit, from a clone of it, so that nothing that lies about in the work
// tree gets in; -here takes the work tree as it is, to try something. With -twice it
// builds again in another folder, with empty caches, another umask, time zone and times
// of files, and fails where a byte differs.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dist(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "dist: %s\n", err)
		os.Exit(1)
	}
}

// options are what the command line asks for.
type options struct {
	out, version string
	archs        []string
	twice, here  bool
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("dist", flag.ContinueOnError)
	flags.StringVar(&o.out, "out", "dist", "where the files go; relative to the root of the source")
	flags.StringVar(&o.version, "version", "", "version without a v; empty: what git says")
	archs := flags.String("arch", "amd64,arm64", "architectures")
	flags.BoolVar(&o.twice, "twice", false, "build twice and compare")
	flags.BoolVar(&o.here, "here", false, "build the work tree, not the commit")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.archs = strings.Split(*archs, ",")
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected %q", flags.Args())
	case o.twice && o.here:
		return o, errors.New("-twice compares builds of a commit; leave -here out")
	}
	return o, nil
}

func dist(ctx context.Context, args []string, log io.Writer) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	src, err := findSource(ctx, o)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "groupsyncd-dist-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeAll(work)) }()
	if !filepath.IsAbs(o.out) {
		o.out = filepath.Join(src.root, o.out)
	}
	fmt.Fprintf(log, "groupsyncd %s, revision %.12s of %s\n", src.version, src.revision, src.time.Format(time.RFC3339))
	first, err := build(ctx, src, &attempt{work: filepath.Join(work, "1"), umask: 0o022, zone: "UTC"}, o)
	if err != nil {
		return err
	}
	if o.twice {
		other := &attempt{work: filepath.Join(work, "elsewhere", "with", "a", "longer", "name"), umask: 0o077, zone: "Pacific/Auckland", fresh: true}
		second, err := build(ctx, src, other, o)
		if err != nil {
			return err
		}
		if err := same(first, second); err != nil {
			return err
		}
		fmt.Fprintln(log, "built twice, equal to the byte")
	}
	if err := replace(first, o.out); err != nil {
		return err
	}
	return list(log, o.out)
}

// removeAll removes a folder, with the module caches in it, which are read-only.
func removeAll(folder string) error {
	_ = filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return err
	})
	return os.RemoveAll(folder)
}

// replace puts the files in place of what an earlier build left.
func replace(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(from))
}

// run runs a command and gives its output.
func run(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, complaint.String())
	}
	return out, nil
}
