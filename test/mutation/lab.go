package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What can become of a mutation.
const (
	killed    = "killed"   // the test failed, as it must
	survived  = "SURVIVED" // the test passed: nothing notices
	unusable  = "UNUSABLE" // the text is not there once, or the change does not compile
	unhealthy = "BROKEN"   // the test fails without any change, or does not exist
	beyond    = "beyond"   // no history can show it, and the table says why
)

// limit bounds one run of a test; one that hangs without its guard has noticed.
const limit = 4 * time.Minute

// result is what became of one mutation.
type result struct {
	word   string
	detail string
	failed []string // names of the tests that failed
}

// lab tries mutations.
type lab struct {
	root, dir string
	all       bool
	// drawn leaves the traces out where histories judge.
	drawn bool
	// healthy notes tests that pass without any change.
	healthy map[string]error
}

// try builds the tests with a guard switched off and runs them.
func (l *lab) try(ctx context.Context, m *mutation) result {
	if err := l.health(ctx, m); err != nil {
		return result{word: unhealthy, detail: err.Error()}
	}
	binary, err := l.mutant(ctx, m)
	if err != nil {
		return result{word: unusable, detail: err.Error()}
	}
	run := m.run
	if l.all {
		run = ""
	}
	out, failed := l.test(ctx, m, binary, run)
	r := result{word: survived, detail: "the test passes: " + m.pkg + " " + m.run}
	if failed {
		r.word, r.failed = killed, names(out)
	}
	return r
}

// live has the engine live through the traces, and then through histories until one of them
// fails, with a guard switched off.
func (l *lab) live(ctx context.Context, m *mutation, histories int) result {
	whole := mutation{rule: m.rule, name: m.name, file: m.file, old: m.old, new: m.new, pkg: "sync/engine", histories: histories}
	binary, err := l.mutant(ctx, &whole)
	if err != nil {
		return result{word: unusable, detail: err.Error()}
	}
	if !l.drawn {
		if out, failed := l.test(ctx, &whole, binary, "^TestTraces$", "-test.parallel=1"); failed {
			return result{word: killed, failed: shown(out)}
		}
	}
	if histories > 1 {
		if out, failed := l.test(ctx, &whole, binary, "^TestHistories$", "-history.first"); failed {
			return result{word: killed, failed: shown(out)}
		}
	}
	if m.beyond != "" {
		return result{word: beyond, detail: m.beyond}
	}
	return result{word: survived, detail: fmt.Sprintf("the traces and %d histories pass", histories)}
}

// mutant builds the tests of a package with a guard switched off.
func (l *lab) mutant(ctx context.Context, m *mutation) (string, error) {
	changed, err := m.apply(l.root)
	if err != nil {
		return "", err
	}
	copied := filepath.Join(l.dir, "changed.go")
	overlay := filepath.Join(l.dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(l.root, m.file): copied}})
	if err == nil {
		err = errors.Join(os.WriteFile(copied, changed, 0o600), os.WriteFile(overlay, replace, 0o600))
	}
	if err != nil {
		return "", err
	}
	binary := filepath.Join(l.dir, "mutant.test")
	return binary, l.build(ctx, m.pkg, binary, "-overlay="+overlay)
}

// health makes sure that the test exists and passes as things are.
func (l *lab) health(ctx context.Context, m *mutation) error {
	if l.healthy == nil {
		l.healthy = map[string]error{}
	}
	key := fmt.Sprintf("%s %s %d", m.pkg, m.run, m.histories)
	if err, known := l.healthy[key]; known || l.all {
		return err
	}
	binary := filepath.Join(l.dir, strings.ReplaceAll(m.pkg, "/", "_")+".test")
	if _, err := os.Stat(binary); err != nil {
		if err := l.build(ctx, m.pkg, binary); err != nil {
			return err
		}
	}
	out, failed := l.test(ctx, m, binary, m.run)
	var err error
	switch {
	case failed:
		err = fmt.Errorf("%s fails without any change:\n%s", m.run, out)
	case !strings.Contains(out, "--- PASS"):
		err = fmt.Errorf("no test of %s is called %s", m.pkg, m.run)
	}
	l.healthy[key] = err
	return err
}

func (l *lab) build(ctx context.Context, pkg, binary string, flags ...string) error {
	args := append([]string{"test", "-c", "-o", binary}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+pkg)...)
	cmd.Dir = l.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("it does not compile: %w\n%s", err, out)
	}
	return nil
}

// test runs a test in the folder of its package, as go test does.
func (l *lab) test(ctx context.Context, m *mutation, binary, run string, flags ...string) (out string, failed bool) {
	if len(flags) == 0 {
		flags = []string{"-test.failfast"}
	}
	cmd := exec.CommandContext(ctx, binary, append(flags, "-test.v", "-test.run="+run, "-test.timeout="+limit.String())...)
	cmd.Dir = filepath.Join(l.root, m.pkg)
	cmd.Env = append(os.Environ(), "GROUPSYNCD_HISTORIES="+fmt.Sprint(max(m.histories, 1)))
	text, err := cmd.CombinedOutput()
	return string(text), err != nil && ctx.Err() == nil
}

// names gives the tests at the top that failed.
func names(out string) []string {
	var list []string
	for _, found := range regexp.MustCompile(`(?m)^--- FAIL: (\S+)`).FindAllStringSubmatch(out, -1) {
		list = append(list, found[1])
	}
	slices.Sort(list)
	return list
}

// shown gives the traces, or else the histories, that failed.
func shown(out string) []string {
	var list []string
	for _, found := range regexp.MustCompile(`(?m)^\s+--- FAIL: TestTraces/(\S+)`).FindAllStringSubmatch(out, -1) {
		list = append(list, "trace "+found[1])
	}
	slices.Sort(list)
	if found := regexp.MustCompile(`history (\d+) fails: ([\w ]+)`).FindStringSubmatch(out); found != nil {
		list = append(list, "history "+found[1]+" ("+found[2]+")")
	}
	if len(list) == 0 && strings.Contains(out, "panic: test timed out") {
		list = []string{"a run that does not end"}
	} else if len(list) == 0 {
		list = []string{"a crash of the process"}
	}
	return list
}
