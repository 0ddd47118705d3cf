package peer

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Debian is a small Debian on this machine, with processes, mounts and control groups of
// its own and the network of the machine. Root is where its files are from outside.
type Debian struct {
	Dir, Root string
	script    string
}

// NewDebian makes its files; it ends with the test.
func NewDebian(tb testing.TB) *Debian {
	tb.Helper()
	dir, err := os.MkdirTemp("", "debian") //nolint:usetesting // for the length of paths, as for other peers
	if err != nil {
		tb.Fatal(err)
	}
	d := &Debian{Dir: dir, Root: filepath.Join(dir, "root"), script: filepath.Join(Root(tb), "test", "peers", "debian.sh")}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() { d.Stop(tb) })
	d.call(tb, "root", dir)
	return d
}

// Start boots it: systemd is its process 1 then.
func (d *Debian) Start(tb testing.TB) {
	tb.Helper()
	d.call(tb, "start", d.Dir)
}

// Stop ends everything in it at once, as a power cut would.
func (d *Debian) Stop(tb testing.TB) {
	tb.Helper()
	d.call(tb, "stop", d.Dir)
}

func (d *Debian) call(tb testing.TB, args ...string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, d.script, args...).CombinedOutput(); err != nil {
		tb.Fatalf("debian.sh %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Run runs a command in it and gives all that it prints, and its exit code.
func (d *Debian) Run(tb testing.TB, args ...string) (string, int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, d.script, append([]string{"run", d.Dir}, args...)...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() >= 0 {
		return string(out), exit.ExitCode()
	} else if err != nil {
		tb.Fatalf("run %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), 0
}

// Must runs a command that ends with 0, and gives what it prints.
func (d *Debian) Must(tb testing.TB, args ...string) string {
	tb.Helper()
	out, code := d.Run(tb, args...)
	if code != 0 {
		tb.Fatalf("%s ended with %d:\n%.4000s", strings.Join(args, " "), code, out)
	}
	return out
}

// Write writes a file into it, with the folders above it.
func (d *Debian) Write(tb testing.TB, name, text string, mode os.FileMode) {
	tb.Helper()
	file := filepath.Join(d.Root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		tb.Fatal(err)
	}
	// In the place of what is there at once, as editors do.
	if err := os.WriteFile(file+".new", []byte(text), mode); err != nil {
		tb.Fatal(err)
	}
	if err := errors.Join(os.Chmod(file+".new", mode), os.Rename(file+".new", file)); err != nil {
		tb.Fatal(err)
	}
}

// Copy copies a file of this machine into it.
func (d *Debian) Copy(tb testing.TB, from, to string, mode os.FileMode) {
	tb.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		tb.Fatal(err)
	}
	d.Write(tb, to, string(text), mode)
}
