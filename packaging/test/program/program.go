// Package program runs groupsyncd itself for the tests of what it is packaged with. It owns
// the building of it; what a configuration must say is left to the program.
package program

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Root is the root of the repository, as a package of this module sees it.
const Root = "../../.."

// Validate writes the files of a folder of configuration and has the program check it
// without its secrets. It gives what it printed and the exit code.
func Validate(tb testing.TB, files map[string]string) (string, int) {
	tb.Helper()
	dir := tb.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(tb), "config", "validate", "--no-secrets", "--config", filepath.Join(dir, "groupsyncd.yaml"))
	out, err := cmd.CombinedOutput()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), ended.ExitCode()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return string(out), 0
}

// built is the program of this process.
var built = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("GROUPSYNCD_TEST_BINARY"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "groupsyncd-packaging-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "groupsyncd")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/groupsyncd")
	cmd.Dir = Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

func binary(tb testing.TB) string {
	tb.Helper()
	path, err := built()
	if err != nil {
		tb.Fatalf("groupsyncd does not build: %v", err)
	}
	return path
}
