package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/similar"

	"github.com/spf13/cobra"
)

// misused gives cobra's own complaints about commands and arguments, which have no
// kind, theirs, words that name what is missing, and a hint.
func misused(cmd *cobra.Command, err error) error {
	text := err.Error()
	unknown := strings.HasPrefix(text, "unknown command")
	if fault.KindOf(err) != 0 || !unknown && !strings.Contains(text, "arg(s)") && !strings.Contains(text, "required flag") {
		return err
	}
	hint := "see: " + cmd.CommandPath() + " --help"
	word := ""
	if parts := strings.Split(text, `"`); unknown && len(parts) > 1 {
		word = parts[1]
	}
	switch {
	case unknown && !cmd.HasSubCommands():
		err = fmt.Errorf("%s takes no arguments, and got %q", short(cmd), word)
	case unknown:
		if near := nearest(cmd, word); near != "" {
			hint = "did you mean " + near + "? Otherwise " + hint
		}
	case strings.Contains(text, "arg(s)"):
		err = miscounted(cmd, text)
	}
	return fault.New(fault.Invalid, "", "", err, hint)
}

// nearest gives the command that was most likely meant by a word that is none.
func nearest(cmd *cobra.Command, word string) string {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if i := slices.IndexFunc(names, func(name string) bool { return len(word) > 1 && strings.HasPrefix(name, word) }); i >= 0 {
		return names[i]
	}
	return similar.Nearest(word, names)
}

// miscounted says which arguments a command takes, from its line of usage, and how many
// there were.
func miscounted(cmd *cobra.Command, text string) error {
	var names []string
	for _, name := range strings.Fields(cmd.Use)[1:] {
		if strings.Contains(name, "-") {
			break
		}
		names = append(names, name)
	}
	_, received, _ := strings.Cut(text, "received ")
	got := received + " arguments"
	switch received {
	case "0":
		got = "nothing"
	case "1":
		got = "1 argument"
	}
	if len(names) == 0 || received == "" {
		return errors.New(text)
	}
	return fmt.Errorf("%s takes %s, and got %s", short(cmd), strings.Join(names, " "), got)
}

// short is a command without the name of the program, which every message begins with.
func short(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}
