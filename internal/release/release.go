package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// release makes a release, or says what it would do.
func (t *tool) release(ctx context.Context, wanted string, write bool) error {
	entries, entriesErr := readEntries(filepath.Join(t.dir, "changelog", "unreleased"))
	last, err := t.lastTag(ctx)
	if err != nil {
		return err
	}
	next, err := nextVersion(last, entries)
	if err != nil {
		return err
	}
	if wanted != "" {
		if next, err = parseVersion(wanted); err != nil {
			return err
		}
	}
	problems, err := t.obstacles(ctx, last, next, entries)
	if err != nil {
		return err
	}
	problems = append(problems, entriesErr)
	head, err := t.git(ctx, "show", "-s", "--format=%h %s", "HEAD")
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "release %s of %s\n", next, head)
	if last != "" {
		fmt.Fprintf(t.out, "  after %s\n", last)
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("there can be no release %s:\n%w", next, err)
	}
	if !write {
		t.propose(next, entries)
		return nil
	}
	return t.carryOut(ctx, next)
}

// nextVersion proposes a version: another third number when only faults were mended, else
// another second one. What breaks with the past is a decision for people.
func nextVersion(last string, entries []entry) (number, error) {
	if last == "" {
		return number{minor: 1}, nil
	}
	n, err := parseVersion(strings.TrimPrefix(last, "v"))
	if err != nil {
		return n, err
	}
	for _, e := range entries {
		if e.kind != "BUGFIX" {
			return number{major: n.major, minor: n.minor + 1}, nil
		}
	}
	n.patch++
	return n, nil
}

// obstacles looks at everything that must hold before a release, and names all that does
// not.
func (t *tool) obstacles(ctx context.Context, last string, next number, entries []entry) ([]error, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf("- "+format, args...)) }
	changed, err := t.git(ctx, "status", "--porcelain")
	if err != nil {
		return nil, err
	}
	if changed != "" {
		problem("the work tree is not clean; commit or remove:\n%s", changed)
	}
	tag := "v" + next.String()
	if has, err := t.git(ctx, "tag", "--list", tag); err != nil {
		return nil, err
	} else if has != "" {
		problem("the tag %s is there already", tag)
	}
	if last != "" {
		before, err := parseVersion(strings.TrimPrefix(last, "v"))
		if err != nil {
			return nil, err
		}
		if !next.after(before) {
			problem("%s does not come after %s", next, last)
		}
	}
	if _, err := os.Stat(filepath.Join(t.dir, "changelog", next.String())); err == nil {
		problem("the folder changelog/%s is there already", next)
	}
	if len(entries) == 0 {
		problem("changelog/unreleased has nothing to tell people")
	}
	return problems, nil
}

// beforePublishing are the commands that must have passed on this very commit.
var beforePublishing = []string{
	".ci/run          tests, format, vet, lint, generated files, races, histories, kills, real servers",
	"make dist        packages, tarballs, lists of parts and checksums, built twice and equal",
}

// afterTagging are what is left for people, who have the keys.
var afterTagging = []string{
	"make dist                        the same files again, now with the version of the tag",
	"sign dist/SHA256SUMS, and the deb and rpm where your repository wants it",
	"git push origin HEAD %s",
	"publish dist/ with the section of CHANGELOG.md as its notes",
}

func (t *tool) propose(next number, entries []entry) {
	fmt.Fprintln(t.out, "  ok: the work tree is clean, the tag is free, every entry of the changelog can be read")
	fmt.Fprintf(t.out, "\nhave to have passed on this commit:\n  %s\n", strings.Join(beforePublishing, "\n  "))
	fmt.Fprintf(t.out, "\nwould be done by -write, here alone:\n  git mv changelog/unreleased/*.md changelog/%s/   (%d entries)\n"+
		"  CHANGELOG.md: made from all folders of changelog/\n  git commit -m 'release %s'\n  git tag -a v%s\n", next, len(entries), next, next)
	fmt.Fprintf(t.out, "\nthen, by hand:\n  %s\n", strings.Replace(strings.Join(afterTagging, "\n  "), "%s", "v"+next.String(), 1))
	fmt.Fprintf(t.out, "\nthe section of CHANGELOG.md:\n\n%s", section(&past{number: next, at: t.now(), entries: entries}))
	fmt.Fprintln(t.out, "\nnothing was changed; nothing is ever pushed")
}

// carryOut makes the commit and the tag.
func (t *tool) carryOut(ctx context.Context, next number) error {
	from, to := filepath.Join(t.dir, "changelog", "unreleased"), filepath.Join(t.dir, "changelog", next.String())
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if err := os.Mkdir(from, 0o755); err != nil { //nolint:gosec // a folder of the source
		return err
	}
	// git keeps no empty folder; the next entry needs one.
	if err := os.WriteFile(filepath.Join(from, ".gitkeep"), nil, 0o644); err != nil { //nolint:gosec // a file of the source
		return err
	}
	all, err := t.pasts(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(t.dir, "CHANGELOG.md"), []byte(changelog(all)), 0o644); err != nil { //nolint:gosec // documentation
		return err
	}
	tag := "v" + next.String()
	for _, args := range [][]string{
		{"add", "--all", "changelog", "CHANGELOG.md"},
		{"commit", "--quiet", "-m", "release " + next.String()},
		{"tag", "-a", "-m", "groupsyncd " + next.String() + ", " + t.now().UTC().Format(time.DateOnly), tag},
	} {
		if _, err := t.git(ctx, args...); err != nil {
			return err
		}
	}
	fmt.Fprintf(t.out, "made the commit and the tag %s\nthen, by hand:\n  %s\n", tag, strings.Replace(strings.Join(afterTagging, "\n  "), "%s", tag, 1))
	return nil
}
