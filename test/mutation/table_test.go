package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the folder of go.mod, seen from here.
const root = "../.."

// TestEveryMutationStillApplies keeps the table from rotting: each text is there once, the
// changed file is Go, and a test of the given name exists.
func TestEveryMutationStillApplies(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{}
	names := map[string]bool{}
	for _, m := range table() {
		name := m.rule + ": " + m.name
		if names[name] {
			t.Errorf("two mutations are called %q", name)
		}
		names[name] = true
		text, err := m.apply(root)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.old == m.new {
			t.Errorf("%s changes nothing", name)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), m.file, text, parser.SkipObjectResolution); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if tests[m.pkg] == nil {
			tests[m.pkg] = testsOf(t, m.pkg)
		}
		pattern, err := regexp.Compile(m.run)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		found := false
		for _, test := range tests[m.pkg] {
			found = found || pattern.MatchString(test)
		}
		if !found {
			t.Errorf("%s: %s has no test that matches %s", name, m.pkg, m.run)
		}
	}
}

// TestEveryIncidentHasAMutation: the tests of incidents are those of the list, each with a
// guard that is switched off.
func TestEveryIncidentHasAMutation(t *testing.T) {
	t.Parallel()
	written := strings.Join(testsOf(t, "test/incident"), "\n")
	rules := map[string]bool{}
	for _, m := range incidents() {
		rules[m.rule] = true
	}
	for n := 1; n <= 34; n++ {
		if c := strings.Count(written, fmt.Sprintf("TestIncident%02d", n)); c != 1 {
			t.Errorf("incident %d has %d tests", n, c)
		}
		if !rules[fmt.Sprintf("incident %d", n)] {
			t.Errorf("no guard of incident %d is switched off", n)
		}
	}
}

// TestATextThatIsNotThereOnceIsRefused: neither a text that is gone nor one that is there
// twice can be replaced.
func TestATextThatIsNotThereOnceIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\n\nvar a, b = 1, 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for old, ok := range map[string]bool{"a, b": true, "1": false, "z": false} {
		text, err := (&mutation{file: "a.go", old: old, new: "x"}).apply(dir)
		if (err == nil) != ok {
			t.Errorf("%q: %s, %v", old, text, err)
		}
	}
}

// testsOf gives the names of the tests of a package.
func testsOf(t *testing.T, pkg string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			names = append(names, found[1])
		}
	}
	return names
}
