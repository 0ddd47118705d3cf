package all_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"groupsyncd/config"
	"groupsyncd/providers/all"
)

var block = regexp.MustCompile("(?s)\n```yaml\n(.*?)```")

// rest completes a block that shows a source alone.
const rest = `
targets: {chat: {url: "http://127.0.0.1:8080", api_key: "file:secrets/openwebui"}}
rules: [{match: "*"}]
`

// TestEverySourceHasItsPage: each kind of source has a page, its grade is the one in the
// list, and what can be copied from it loads.
func TestEverySourceHasItsPage(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("../../docs/providers/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all.Registry().Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join("..", "..", "docs", "providers", name+".md"))
			if err != nil {
				t.Fatal(err)
			}
			page := string(data)
			grade := regexp.MustCompile("(?m)^\\| \\[?`" + name + "`.*\\| (stable|beta) \\|$").FindStringSubmatch(string(list))
			if len(grade) != 2 || !strings.Contains(page, "Grade: "+grade[1]) {
				t.Errorf("the list says %v, and the page something else", grade)
			}
			blocks := block.FindAllStringSubmatch(page, -1)
			if len(blocks) == 0 {
				t.Error("there is nothing to copy")
			}
			for _, b := range blocks {
				text := b[1]
				if !strings.Contains(text, "sources:") {
					continue
				}
				if !strings.Contains(text, "targets:") {
					text += rest
				}
				if _, err := config.Load([]byte(text), options()); err != nil {
					t.Errorf("%v in\n%s", err, text)
				}
			}
		})
	}
}
