package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
)

const commandsHead = `# Commands

Made by ` + "`go generate ./...`" + ` from the program's own help. Data goes to standard output,
messages to standard error; no command ever asks. While a daemon holds the state, the
commands talk to it through the socket in the state folder and behave the same.
` + "`groupsyncd completion SHELL`" + ` prints completions for a shell.
`

// runner is a program that can be asked.
type runner interface {
	run(ctx context.Context, args ...string) ([]byte, error)
}

// commandReference writes down the help of every command, in the order of the help.
func commandReference(ctx context.Context, p runner) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(commandsHead)
	if err := describe(ctx, p, nil, &out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func describe(ctx context.Context, p runner, path []string, out *bytes.Buffer) error {
	help, err := p.run(ctx, append(slices.Clone(path), "--help")...)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s %s\n\n```text\n%s\n```\n", strings.Repeat("#", min(len(path), 2)+2),
		strings.Join(append([]string{"groupsyncd"}, path...), " "), body(string(help), len(path) > 0))
	below, err := p.run(ctx, append(append([]string{"__complete"}, path...), "")...)
	if err != nil {
		return err
	}
	for _, name := range subcommands(string(below)) {
		if err := describe(ctx, p, append(slices.Clone(path), name), out); err != nil {
			return err
		}
	}
	return nil
}

// body takes off a help what every command repeats: the global flags, and where to ask
// for more.
func body(help string, global bool) string {
	if at := strings.Index(help, "\nGlobal Flags:"); global && at >= 0 {
		help = help[:at]
	}
	if at := strings.Index(help, "\nUse \"groupsyncd"); at >= 0 {
		help = help[:at]
	}
	lines := strings.Split(strings.TrimSpace(help), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// subcommands reads the names of commands from what a shell would be told: lines of a
// name, a tab and a description. Those of the command library itself are left out.
func subcommands(completions string) []string {
	var names []string
	for line := range strings.Lines(completions) {
		name, _, found := strings.Cut(line, "\t")
		if !found || strings.HasPrefix(name, "-") || name == "help" || name == "completion" {
			continue
		}
		names = append(names, name)
	}
	return names
}
