package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheDocumentationHasEverySettingOfOpenWebUI: docs/from-open-webui.md and the hints
// about unknown keys know the same names.
func TestTheDocumentationHasEverySettingOfOpenWebUI(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/from-open-webui.md")
	if err != nil {
		t.Fatal(err)
	}
	known := foreignNames()
	documented := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range regexp.MustCompile("`([A-Z]+_[A-Z_]+)`").FindAllStringSubmatch(cells[1], -1) {
			documented[m[1]] = true
			if known[m[1]] == "" {
				t.Errorf("%s is documented, and no hint names it", m[1])
			}
		}
	}
	for name := range known {
		if !documented[name] {
			t.Errorf("%s has a hint and is not in docs/from-open-webui.md", name)
		}
	}
	if len(documented) < 45 {
		t.Errorf("only %d settings were found", len(documented))
	}
}
