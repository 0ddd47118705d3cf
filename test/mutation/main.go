// Command mutation switches guards off, one at a time, and shows that a test notices.
//
//	go run ./test/mutation [-run PATTERN] [-all] [-histories N [-drawn]] [-list]
//
// A mutation replaces a text that occurs exactly once in one file; the compiler is given
// the changed file by -overlay, so that the work tree stays as it is. A guard counts as
// tested when the test that the table names fails. A change that does not compile shows
// nothing, and is an error; so is a test that fails without any change.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	pattern := flag.String("run", "", "only mutations whose rule or name matches this regular expression")
	all := flag.Bool("all", false, "run all tests of the package, and tell which of them fail")
	histories := flag.Int("histories", 0, "let the traces and this many histories judge, instead of the named tests")
	drawn := flag.Bool("drawn", false, "with -histories: leave the traces out")
	list := flag.Bool("list", false, "print the table without running anything")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := play(ctx, *pattern, *histories, *all, *drawn, *list)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

func play(ctx context.Context, pattern string, histories int, all, drawn, list bool) error {
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(table(), func(m mutation) bool { return !wanted.MatchString(m.rule + ": " + m.name) })
	if len(chosen) == 0 {
		return fmt.Errorf("no mutation matches %q", pattern)
	}
	if list {
		write(chosen, nil)
		return nil
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l := &lab{root: root, dir: dir, all: all, drawn: drawn}
	results := make([]result, len(chosen))
	bad := 0
	for i := range chosen {
		if histories > 0 {
			results[i] = l.live(ctx, &chosen[i], histories)
		} else {
			results[i] = l.try(ctx, &chosen[i])
		}
		fmt.Fprintf(os.Stderr, "%3d/%d %-8s %s: %s\n", i+1, len(chosen), results[i].word, chosen[i].rule, chosen[i].name)
		switch results[i].word {
		case killed:
			fmt.Fprintln(os.Stderr, indent(strings.Join(results[i].failed, "\n")))
		case beyond:
			fmt.Fprintln(os.Stderr, indent(results[i].detail))
		default:
			bad++
			fmt.Fprintln(os.Stderr, indent(results[i].detail))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if histories > 0 {
		lived(chosen, results)
	} else {
		write(chosen, results)
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d mutations were not noticed", bad, len(chosen))
	}
	return nil
}

// moduleRoot finds the folder of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", errors.New("run it inside the module")
	}
	return filepath.Dir(mod), nil
}

// write prints the table in Markdown, with the tests that failed where they were run.
func write(mutations []mutation, results []result) {
	fmt.Println("| rule | guard switched off | file | test that notices | result |\n|---|---|---|---|---|")
	for i := range mutations {
		m := &mutations[i]
		word, tests := "not run", []string{m.run}
		if results != nil {
			word = results[i].word
			if len(results[i].failed) > 0 {
				tests = results[i].failed
			}
		}
		fmt.Printf("| %s | %s | `%s` | %s: %s | %s |\n", m.rule, m.name, m.file, m.pkg, strings.ReplaceAll(strings.Join(tests, ", "), "|", `\|`), word)
	}
}

// lived prints what the histories notice, in Markdown.
func lived(mutations []mutation, results []result) {
	const most = 3
	fmt.Println("| rule | guard switched off | noticed by |\n|---|---|---|")
	for i := range mutations {
		m, r := &mutations[i], &results[i]
		by := r.word
		switch {
		case r.word == beyond:
			by = fmt.Sprintf("no history (%s); %s: %s", r.detail, m.pkg, strings.Trim(m.run, "^()$"))
		case len(r.failed) > most:
			by = fmt.Sprintf("%s and %d more", strings.Join(r.failed[:most], ", "), len(r.failed)-most)
		case r.word == killed:
			by = strings.Join(r.failed, ", ")
		}
		fmt.Printf("| %s | %s | %s |\n", m.rule, m.name, strings.ReplaceAll(by, "|", `\|`))
	}
}

func indent(text string) string {
	return "        " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n        ")
}
