package main

import (
	"fmt"
	"strings"

	"groupsyncd/internal/fault"

	"github.com/spf13/cobra"
)

// branches lets every command that only holds others end as a mistake when none of them is
// named: a script with a word missing must not look like one that worked. The program
// itself, called with nothing, shows its help.
func (c *command) branches(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		c.branches(sub)
		if sub.HasSubCommands() && !sub.Runnable() {
			sub.RunE, sub.Args, sub.ValidArgsFunction = c.astray, cobra.ArbitraryArgs, cobra.NoFileCompletions
		}
	}
}

// help lets "help" end as a mistake when there is no such command.
func (c *command) help(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		return
	}
	help.Run = nil
	help.RunE = func(_ *cobra.Command, args []string) error {
		cmd, rest, err := root.Find(args)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("unknown command %q for %q", rest[0], cmd.CommandPath())
		}
		if err != nil {
			return fault.New(fault.Invalid, "", "", err, "see: "+root.Name()+" --help")
		}
		cmd.InitDefaultHelpFlag()
		return cmd.Help()
	}
}

// astray shows what a command holds. What is wrong comes last, next to the prompt.
func (c *command) astray(cmd *cobra.Command, args []string) error {
	fmt.Fprintln(c.Err, cmd.UsageString())
	if len(args) > 0 {
		return cobra.NoArgs(cmd, args)
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return fault.New(fault.Invalid, "", "", fmt.Errorf("%q needs a command: %s", cmd.CommandPath(), strings.Join(names, ", ")), "see: "+cmd.CommandPath()+" --help")
}
