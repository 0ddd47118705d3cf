// Command gen writes the references in docs/ that are made from the program itself:
// every key of the configuration, the JSON Schema, every command, and every metric.
//
// It builds the program and asks it, as a user would, so it needs to know none of the
// packages: what the references say is what the program shows. Equal programs give
// equal files.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if err := generate(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "gen: %s\n", err)
		os.Exit(1)
	}
}

// generate builds the program in the module of the working folder and writes the
// references of it.
func generate(ctx context.Context) (err error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "groupsyncd-gen-")
	if err != nil {
		return fmt.Errorf("make a folder for the program: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	p := program{file: filepath.Join(folder, "groupsyncd"), dir: folder}
	build := exec.CommandContext(ctx, "go", "build", "-o", p.file, "./cmd/groupsyncd") //nolint:gosec // our own folder
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, out)
	}
	schema, err := p.run(ctx, "config", "schema")
	if err != nil {
		return err
	}
	example, err := os.ReadFile(filepath.Join(root, "config.example.yaml"))
	if err != nil {
		return fmt.Errorf("read the example: %w", err)
	}
	keys, err := configuration(schema, example)
	if err != nil {
		return err
	}
	commands, err := commandReference(ctx, p)
	if err != nil {
		return err
	}
	list, err := p.run(ctx, "__metrics")
	if err != nil {
		return err
	}
	metrics, err := metricsReference(list)
	if err != nil {
		return err
	}
	docs := filepath.Join(root, "docs")
	return errors.Join(
		write(filepath.Join(docs, "config.schema.json"), schema),
		write(filepath.Join(docs, "configuration.md"), keys),
		write(filepath.Join(docs, "commands.md"), commands),
		write(filepath.Join(docs, "metrics.md"), metrics))
}

// moduleRoot finds the folder of the module.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if filepath.Base(file) != "go.mod" {
		return "", errors.New("find the module: not inside one")
	}
	return filepath.Dir(file), nil
}

// write replaces a file unless it says the same already.
func write(file string, data []byte) error {
	if have, err := os.ReadFile(file); err == nil && bytes.Equal(have, data) {
		return nil
	}
	if err := os.WriteFile(file, data, 0o644); err != nil { //nolint:gosec // documentation
		return fmt.Errorf("write a reference: %w", err)
	}
	return nil
}

// program is the built program.
type program struct {
	file string
	// dir is an empty folder, in which no configuration is found by chance.
	dir string
}

// run gives what the program writes to standard output.
func (p program) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.file, args...) //nolint:gosec // the program that was just built
	cmd.Dir = p.dir
	// No configuration of this machine adds its names to what a shell would be told.
	cmd.Env = append(os.Environ(), "GROUPSYNCD_CONFIG="+filepath.Join(p.dir, "none.yaml"))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("groupsyncd %s: %w\n%s", strings.Join(args, " "), err, complaint.String())
	}
	return out, nil
}
