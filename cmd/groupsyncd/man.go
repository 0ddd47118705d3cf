package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"groupsyncd/internal/fault"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (c *command) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man [FOLDER]",
		Short: "Write the manual pages: one for each command",
		Long: `Write the manual page of groupsyncd to standard output, or those of all commands into a
folder that is there already. Packages install them; by hand:

    groupsyncd man | man -l -
    groupsyncd man /usr/local/share/man/man1

The pages bear the date of the commit from which the program was built, or the one that
SOURCE_DATE_EPOCH names. Equal programs write equal pages.

Exit codes: 0 written, 1 the folder cannot be written, 2 wrong usage.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			plainTree(root)
			header := &doc.GenManHeader{Section: "1", Source: "groupsyncd " + version().Version, Manual: "groupsyncd", Date: manDate()}
			if len(args) == 0 {
				return written(doc.GenMan(root, header, c.Out))
			}
			return c.manPages(root, header, args[0])
		},
	}
}

// manDate is the date of the pages: that of the commit. Without one the library takes
// SOURCE_DATE_EPOCH, or today.
func manDate() *time.Time {
	at := version().Date.UTC()
	if at.IsZero() || os.Getenv("SOURCE_DATE_EPOCH") != "" {
		return nil
	}
	return &at
}

// manPages writes the page of a command and of those below it.
func (c *command) manPages(cmd *cobra.Command, header *doc.GenManHeader, folder string) error {
	file := filepath.Join(folder, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1")
	f, err := os.Create(file)
	if err != nil {
		return fault.New(fault.Unavailable, "write the manual pages", "", err, "name a folder that is there and can be written")
	}
	own := *header // The library fills in the title of this one.
	if err := errors.Join(doc.GenMan(cmd, &own, f), f.Close()); err != nil {
		return fault.New(fault.Unavailable, "write the manual pages", file, err, "")
	}
	for _, below := range cmd.Commands() {
		if !below.IsAvailableCommand() || below.Name() == "help" {
			continue
		}
		if err := c.manPages(below, header, folder); err != nil {
			return err
		}
	}
	return nil
}

// plainTree makes the texts of all commands such that the library, which takes them for
// Markdown, shows them as the help does.
func plainTree(cmd *cobra.Command) {
	cmd.DisableAutoGenTag = true
	cmd.Long = plainText(cmd.Long)
	cmd.Short = special.ReplaceAllString(cmd.Short, `\$0`)
	for _, below := range cmd.Commands() {
		plainTree(below)
	}
}

// special are the characters that Markdown takes for markup.
var special = regexp.MustCompile("[*_<>`\\[\\]\\\\|]")

// aligned is a line whose columns must stay where they are.
var aligned = regexp.MustCompile(`\S {2,}\S|^ {2,}\S`)

// plainText is plain text as Markdown: what is set in columns stays so, the rest flows.
func plainText(text string) string {
	blocks := strings.Split(text, "\n\n")
	for i, block := range blocks {
		lines := strings.Split(strings.Trim(block, "\n"), "\n")
		if slices.ContainsFunc(lines, aligned.MatchString) {
			for j := range lines {
				lines[j] = "    " + lines[j]
			}
			blocks[i] = strings.Join(lines, "\n")
			continue
		}
		blocks[i] = special.ReplaceAllString(strings.Join(lines, "\n"), `\$0`)
	}
	return strings.Join(blocks, "\n\n")
}
