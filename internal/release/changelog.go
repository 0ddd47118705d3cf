package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// kinds are the first words of entries, in the order in which people want to read them.
var kinds = []string{"CHANGE", "FEATURE", "ENHANCEMENT", "BUGFIX"}

// entry is one file of the changelog.
type entry struct {
	name, kind, title, text string
}

// parseEntry reads one entry: a typed line, an empty one, and what people should know.
func parseEntry(name, text string) (entry, error) {
	e := entry{name: name}
	bad := func(format string, args ...any) (entry, error) {
		return e, fmt.Errorf("%s: %s (see changelog/TEMPLATE)", name, fmt.Sprintf(format, args...))
	}
	first, rest, _ := strings.Cut(text, "\n")
	kind, title, found := strings.Cut(strings.TrimPrefix(first, "["), "] ")
	switch {
	case !strings.HasPrefix(first, "[") || !found || !slices.Contains(kinds, kind):
		return bad("the first line begins with one of [%s]", strings.Join(kinds, "], ["))
	case strings.TrimSpace(title) != title || title == "":
		return bad("the first line has no sentence")
	case strings.HasSuffix(title, "."):
		return bad("the first line is a heading: no full stop")
	case rest != "" && !strings.HasPrefix(rest, "\n"):
		return bad("the second line is empty")
	case !strings.HasSuffix(text, "\n"):
		return bad("the last line does not end")
	}
	e.kind, e.title, e.text = kind, title, strings.TrimSpace(rest)
	if e.text == "" {
		return bad("what was missing or wrong, and what people have to do, is not there")
	}
	return e, nil
}

// readEntries reads a folder of the changelog, in the order of reading. All that is wrong
// is told at once.
func readEntries(folder string) ([]entry, error) {
	files, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []entry
	var wrong []error
	for _, file := range files {
		if file.Name() == ".gitkeep" {
			continue
		}
		if file.IsDir() || filepath.Ext(file.Name()) != ".md" {
			wrong = append(wrong, fmt.Errorf("%s: a folder of the changelog holds files that end in .md", filepath.Join(folder, file.Name())))
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return nil, err
		}
		e, err := parseEntry(file.Name(), string(text))
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b entry) int { return slices.Index(kinds, a.kind) - slices.Index(kinds, b.kind) })
	return all, errors.Join(wrong...)
}

// past is a version that was released, by the folder of its entries and the tag's date.
type past struct {
	number
	at      time.Time
	entries []entry
}

// pasts gives the versions in changelog/, newest first.
func (t *tool) pasts(ctx context.Context) ([]past, error) {
	folders, err := os.ReadDir(filepath.Join(t.dir, "changelog"))
	if err != nil {
		return nil, err
	}
	var all []past
	for _, folder := range folders {
		n, err := parseVersion(folder.Name())
		if err != nil {
			continue // TEMPLATE and unreleased.
		}
		p := past{number: n}
		if p.entries, err = readEntries(filepath.Join(t.dir, "changelog", folder.Name())); err != nil {
			return nil, err
		}
		// The folder came with the commit of the release.
		at, err := t.git(ctx, "log", "-1", "--diff-filter=A", "--format=%cI", "--", "changelog/"+folder.Name())
		if err != nil {
			return nil, err
		}
		p.at = t.now().UTC() // Not committed yet: it is being made.
		if at != "" {
			if p.at, err = time.Parse(time.RFC3339, at); err != nil {
				return nil, err
			}
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b past) int {
		if a.after(b.number) {
			return -1
		}
		return 1
	})
	return all, nil
}

// section is the part of CHANGELOG.md about one version.
func section(p *past) string {
	var out strings.Builder
	fmt.Fprintf(&out, "## %s, %s\n", p.number, p.at.UTC().Format(time.DateOnly))
	for _, e := range p.entries {
		fmt.Fprintf(&out, "\n### [%s] %s\n\n%s\n", e.kind, e.title, e.text)
	}
	return out.String()
}

const changelogHead = `# Changelog

What changed for people who run groupsyncd, newest version first. [CHANGE] works differently and may need you,
[FEATURE] is new, [ENHANCEMENT] better, [BUGFIX] right again. Made from the folders of [changelog](changelog).
`

// changelog is CHANGELOG.md.
func changelog(all []past) string {
	var out strings.Builder
	out.WriteString(changelogHead)
	for i := range all {
		out.WriteString("\n" + section(&all[i]))
	}
	return out.String()
}

// debian prints the changelog in the form that Debian's packages have, with what is not
// released yet as the newest version.
func (t *tool) debian(ctx context.Context, version string) error {
	all, err := t.pasts(ctx)
	if err != nil {
		return err
	}
	head, err := t.git(ctx, "show", "-s", "--format=%cI", "HEAD")
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, head)
	if err != nil {
		return err
	}
	if len(all) == 0 || all[0].String() != version {
		entries, err := readEntries(filepath.Join(t.dir, "changelog", "unreleased"))
		if err != nil {
			return err
		}
		t.debianSection(debianVersion(version), at, entries)
	}
	for i := range all {
		t.debianSection(all[i].String(), all[i].at, all[i].entries)
	}
	return nil
}

// debianVersion writes what comes before a release so that dpkg sorts it before.
func debianVersion(version string) string { return strings.Replace(version, "-", "~", 1) }

func (t *tool) debianSection(version string, at time.Time, entries []entry) {
	fmt.Fprintf(t.out, "groupsyncd (%s) stable; urgency=medium\n\n", version)
	if len(entries) == 0 {
		entries = []entry{{kind: "CHANGE", title: "Built again"}}
	}
	for _, e := range entries {
		fmt.Fprintf(t.out, "  * %s\n", fold(fmt.Sprintf("[%s] %s", e.kind, e.title), 74, "\n    "))
	}
	fmt.Fprintf(t.out, "\n -- The groupsyncd authors <groupsyncd@localhost>  %s\n\n", at.UTC().Format(time.RFC1123Z))
}

// fold breaks a text into lines.
func fold(text string, width int, between string) string {
	var out strings.Builder
	length := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case length+1+len(word) > width:
			out.WriteString(between)
			length = 0
		default:
			out.WriteString(" ")
			length++
		}
		out.WriteString(word)
		length += len(word)
	}
	return out.String()
}
