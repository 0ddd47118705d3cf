package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestACommandThatOnlyHoldsOthersIsNothingByItself goes through the whole tree, so that a
// new one is among them.
func TestACommandThatOnlyHoldsOthersIsNothingByItself(t *testing.T) {
	t.Parallel()
	var holders [][]string
	var find func(*cobra.Command)
	find = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if sub.HasSubCommands() {
				holders = append(holders, strings.Fields(sub.CommandPath())[1:])
			}
			find(sub)
		}
	}
	find((&command{}).root())
	for _, known := range []string{"source", "access", "completion"} {
		if !slices.ContainsFunc(holders, func(path []string) bool { return path[0] == known }) {
			t.Errorf("%s is not among %v", known, holders)
		}
	}
	for _, path := range holders {
		name := "groupsyncd " + strings.Join(path, " ")
		for _, c := range []struct {
			more     []string
			code     int
			out, err []string
		}{
			{nil, 2, nil, []string{"Usage:\n  " + name, "Available Commands:", "\ngroupsyncd: \"" + name + "\" needs a command: ", "\nhint: see: " + name + " --help\n"}},
			{[]string{"nonsense"}, 2, nil, []string{"Usage:\n  " + name, "Available Commands:", "\ngroupsyncd: unknown command \"nonsense\" for \"" + name + "\"\n"}},
			{[]string{"--help"}, 0, []string{"Usage:\n  " + name, "Available Commands:"}, nil},
		} {
			args := append(slices.Clone(path), c.more...)
			var out, err bytes.Buffer
			code := Main(t.Context(), nil, args, Streams{Out: &out, Err: &err})
			if code != c.code || !holds(out.String(), c.out) || !holds(err.String(), c.err) {
				t.Errorf("groupsyncd %s ends with %d, and writes %q, and to the errors %q", strings.Join(args, " "), code, out.String(), err.String())
			}
		}
	}
}

// holds says whether a text has all of them, or, when there are none, is empty.
func holds(text string, all []string) bool {
	return (text == "") == (len(all) == 0) && !slices.ContainsFunc(all, func(one string) bool { return !strings.Contains(text, one) })
}
