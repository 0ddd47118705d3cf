// Package docs checks that the documentation names what is there.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\[([^\]]+)\]\(([^)#]+)[^)]*\)`)

// TestLinksLeadSomewhere: every link to a file in our documents leads to one, and one
// that is named after a test to a file that has this test.
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
			name, to := m[1], m[2]
			if strings.Contains(to, "://") {
				continue
			}
			links++
			file := filepath.Join(filepath.Dir(page), filepath.FromSlash(to))
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: [%s] leads to %s, which is not there", page, name, to)
				continue
			}
			if !strings.HasPrefix(name, "Test") {
				continue
			}
			code, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(code), "\nfunc "+name+"(t *testing.T)") {
				t.Errorf("%s: %s has no test %s", page, to, name)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links were found in %d pages", links, len(pages))
	}
}
