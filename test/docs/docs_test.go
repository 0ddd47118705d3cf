// Package docs checks that the documentation names what is there.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	link     = regexp.MustCompile(`\[([^\]]+)\]\(([^)#]*)(?:#([^)]*))?\)`)
	testName = regexp.MustCompile(`^(Test|Fuzz)[A-Z]\w*$`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	fence    = regexp.MustCompile("(?s)```.*?```")
)

// anchors are the places in a page to which a link can lead, named as GitHub names them.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, link.ReplaceAllString(m[1], "$1"))
		all = append(all, name)
	}
	return all
}

// TestLinksLeadSomewhere: every link to a file in our documents leads to one, and one
// that is named after a test to a file that has this test. One that leads to a place in a
// page leads to a heading that is there.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md", "docs/providers/*.md", "examples/*.md", "test/*/README.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	links := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			name, to, place := m[1], m[2], m[3]
			if strings.Contains(to, "://") {
				continue
			}
			links++
			file := filepath.Join(filepath.Dir(page), filepath.FromSlash(to))
			if to == "" {
				file = page
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: [%s] leads to %s, which is not there", page, name, to)
				continue
			}
			if place != "" {
				there, err := os.ReadFile(file)
				if err != nil || !slices.Contains(anchors(string(there)), place) {
					t.Errorf("%s: [%s] leads to #%s, which %s does not have", page, name, place, file)
				}
			}
			if !testName.MatchString(name) {
				continue
			}
			code, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(code), "\nfunc "+name+"(") {
				t.Errorf("%s: %s has no test %s", page, to, name)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links were found in %d pages", links, len(pages))
	}
}
