package main

import (
	"context"
	"time"

	"groupsyncd/config"
	"groupsyncd/server"

	"github.com/spf13/cobra"
)

// completionPatience is how long a shell waits for the daemon when somebody presses Tab.
const completionPatience = 500 * time.Millisecond

// candidates gives the words that may stand in a place, each perhaps with a tab and what
// it is.
type candidates func(*config.Config) []string

// completions tells the shell which words fit: names from the configuration, and ids and
// hashes from a running daemon. It reads one file and asks one socket; without them it
// offers nothing and says nothing.
func (c *command) completions(root *cobra.Command) {
	first := map[string]candidates{
		"groupsyncd approve":        c.holdHashes,
		"groupsyncd history":        c.runIDs,
		"groupsyncd revert":         c.runIDs,
		"groupsyncd source accept":  sourceNames,
		"groupsyncd source restart": sourceNames,
		"groupsyncd target accept":  targetNames,
		"groupsyncd webhook setup":  targetNames,
		"groupsyncd link set":       sourceNames,
		"groupsyncd link remove":    sourceNames,
		"groupsyncd teams":          teamNames,
		"groupsyncd notify test":    serviceNames,
	}
	flags := map[string]candidates{"source": sourceNames, "target": targetNames, "rule": ruleNames, "hold": c.holdHashes, "run": c.runIDs}
	c.complete(root, first, flags)
}

// complete gives a command and those below it what the tables say about their first
// argument and their flags.
func (c *command) complete(cmd *cobra.Command, first, flags map[string]candidates) {
	if find, ok := first[cmd.CommandPath()]; ok {
		cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return c.candidates(find)
		}
	}
	for name, find := range flags {
		if cmd.Flags().Lookup(name) != nil {
			// The only failure is a flag that is not there, or that has completions already.
			_ = cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) { return c.candidates(find) })
		}
	}
	for _, below := range cmd.Commands() {
		c.complete(below, first, flags)
	}
}

// candidates asks with the configuration in force; a shell that completes a word has no
// place for what is wrong with it.
func (c *command) candidates(find candidates) ([]string, cobra.ShellCompDirective) {
	_, cfg, err := c.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return find(cfg), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func serviceNames(cfg *config.Config) []string {
	return named(cfg.Notify, func(n *config.Notify) string { return n.Name })
}

func sourceNames(cfg *config.Config) []string {
	return named(cfg.Sources, func(s *config.Source) string { return s.Name })
}

func targetNames(cfg *config.Config) []string {
	return named(cfg.Targets, func(t *config.Target) string { return t.Name })
}

func ruleNames(cfg *config.Config) []string {
	return named(cfg.Rules, func(r *config.Rule) string { return r.Name })
}

func teamNames(cfg *config.Config) []string {
	return named(cfg.Teams, func(t *config.Team) string { return t.Name })
}

// named gives the names of what has one, in the order of the file.
func named[T any](all []T, name func(T) string) []string {
	var names []string
	for _, one := range all {
		if text := name(one); text != "" {
			names = append(names, text)
		}
	}
	return names
}

// daemon asks the daemon, if one is there and answers at once.
func (c *command) daemon(cfg *config.Config, ask func(context.Context, *server.Client) ([]string, error)) []string {
	ctx, stop := context.WithTimeout(c.ctx, completionPatience)
	defer stop()
	client, err := server.Dial(ctx, string(cfg.State))
	if client == nil || err != nil {
		return nil
	}
	words, err := ask(ctx, client)
	if err != nil {
		return nil
	}
	return words
}

func (c *command) holdHashes(cfg *config.Config) []string {
	return c.daemon(cfg, func(ctx context.Context, daemon *server.Client) ([]string, error) {
		holds, err := daemon.Holds(ctx)
		var words []string
		for i := range holds {
			words = append(words, described(holds[i].Hash, string(holds[i].Check)+": "+holds[i].Detail))
		}
		return words, err
	})
}

func (c *command) runIDs(cfg *config.Config) []string {
	return c.daemon(cfg, func(ctx context.Context, daemon *server.Client) ([]string, error) {
		runs, err := daemon.History(ctx, shownLines)
		var words []string
		for i := range runs {
			words = append(words, described(runs[i].Run, runs[i].Started.Local().Format(time.DateTime)+", "+exitWords(runs[i].Exit)))
		}
		return words, err
	})
}

// described is a word with what it is, on one line and without what a terminal obeys:
// details of holds name groups, and a shell prints them as they are.
func described(word, what string) string { return word + "\t" + cell(what) }
