package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"groupsyncd/app"

	"github.com/spf13/cobra"
)

// pages are the documents for people, but for the one that is made from the commands.
func pages(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..")
	texts := map[string]string{}
	for _, pattern := range []string{"README.md", "SECURITY.md", "docs/*.md", "docs/providers/*.md", "examples/README.md", "packaging/compose/README.md"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: no files: %v", pattern, err)
		}
		for _, file := range found {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(file) == "commands.md" {
				continue
			}
			texts[strings.TrimPrefix(filepath.ToSlash(file), "../../")] = string(text)
		}
	}
	return texts
}

var (
	// inText is code within a sentence, which may go on in the next line.
	inText = regexp.MustCompile("`groupsyncd ([^`]+)`")
	// inBlock is a line of a block: a prompt, variables and a wrapper may come before.
	inBlock = regexp.MustCompile(`(?m)^ *(?:\S*[$#] )?(?:\w+=\S+ |.* -- |.*docker exec \S+ |sudo )?(?:/usr/bin/)?groupsyncd ([a-z-].*)$`)
	blocks  = regexp.MustCompile("(?ms)^( *)```(\\w*)\n(.*?\n) *```")
	// shell is where a command ends for the shell.
	shell  = regexp.MustCompile(`(\s#|[|>;]|&&).*`)
	quoted = regexp.MustCompile(`"[^"]*"|'[^']*'`)
	// prose is a sentence in a block that is about us.
	prose = regexp.MustCompile(`^(is|keeps|waits) `)
)

// block is what stands between two fences, without the indentation of both.
type block struct{ language, text string }

func blocksOf(page string) []block {
	var all []block
	for _, m := range blocks.FindAllStringSubmatch(page, -1) {
		all = append(all, block{language: m[2], text: strings.TrimPrefix(strings.ReplaceAll("\n"+m[3], "\n"+m[1], "\n"), "\n")})
	}
	return all
}

// TestEveryCommandLineOfTheDocumentsIsOne: what the pages tell people to type names commands
// and flags that exist, with as many arguments as they take.
func TestEveryCommandLineOfTheDocumentsIsOne(t *testing.T) {
	t.Parallel()
	lines := 0
	for page, text := range pages(t) {
		var typed []string
		for _, b := range blocksOf(text) {
			for _, m := range inBlock.FindAllStringSubmatch(strings.ReplaceAll(b.text, "\\\n", " "), -1) {
				if !prose.MatchString(m[1]) {
					typed = append(typed, m[1])
				}
			}
		}
		for _, m := range inText.FindAllStringSubmatch(blocks.ReplaceAllString(text, ""), -1) {
			typed = append(typed, m[1])
		}
		for _, line := range typed {
			lines++
			if wrong := notACommand(strings.Fields(shell.ReplaceAllString(quoted.ReplaceAllString(line, "TEXT"), ""))); wrong != "" {
				t.Errorf("%s: groupsyncd %s: %s", page, line, wrong)
			}
		}
	}
	if lines < 200 {
		t.Errorf("only %d command lines were found", lines)
	}
}

// notACommand says what is wrong with a command line, if something is.
func notACommand(args []string) string {
	root := (&command{}).root()
	root.InitDefaultCompletionCmd()
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err.Error()
	}
	cmd.InitDefaultHelpFlag()
	var plain []string
	for i := 0; i < len(rest); i++ {
		arg := rest[i]
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			plain = append(plain, arg)
			continue
		}
		name, _, with := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		flag := cmd.Flag(name)
		if !strings.HasPrefix(arg, "--") {
			flag = cmd.Flags().ShorthandLookup(name)
			if flag == nil {
				flag = cmd.InheritedFlags().ShorthandLookup(name)
			}
		}
		if flag == nil {
			return "there is no flag " + arg
		}
		if !with && flag.NoOptDefVal == "" {
			i++ // Its value.
		}
	}
	switch {
	case slices.Equal(plain, []string{"…"}):
		return ""
	case cmd.HasSubCommands() && len(plain) > 0:
		return "there is no command " + plain[0]
	case cmd.Args == nil:
		return ""
	}
	if err := cmd.Args(cmd, plain); err != nil && (len(plain) > 0 || cobra.MaximumNArgs(0)(cmd, plain) != nil) {
		return err.Error()
	}
	return ""
}

// TestEveryWholeConfigurationOfTheDocumentsLoads: a block that has sources and targets is
// copied as it is, so it has to be right as it is.
func TestEveryWholeConfigurationOfTheDocumentsLoads(t *testing.T) {
	t.Parallel()
	files := 0
	for page, text := range pages(t) {
		for _, b := range blocksOf(text) {
			whole := "\n" + b.text
			if b.language != "yaml" || !strings.Contains(whole, "\nsources:") || !strings.Contains(whole, "\ntargets:") {
				continue
			}
			files++
			file := filepath.Join(t.TempDir(), "groupsyncd.yaml")
			if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := app.Load(file)
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			for _, w := range cfg.Warnings() {
				t.Errorf("%s: warning: %v", page, w)
			}
		}
	}
	if files < 5 {
		t.Errorf("only %d configurations were found", files)
	}
}
