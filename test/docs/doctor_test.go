package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryFindingOfDoctorHasAPlaceInItsPage: what the program can say is in docs/doctor.md.
func TestEveryFindingOfDoctorHasAPlaceInItsPage(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(?:\b[fc]\.(?:OK|Warn|Fail|Err)\(|\.(?:fail|failed|bad|ends)\(|Check: *|(?:add|failed)\((?:providers\.\w+, )?|check = |(?:checkEnd|expiry)\(f, )"([a-z_. ]+)"`)
	var names []string
	for _, pattern := range []string{"providers/*.go", "providers/*/check*.go", "providers/file/source.go", "providers/scimpush/*.go", "target/openwebui/*.go", "app/*doctor*.go", "app/upstream.go", "app/notices.go", "cmd/groupsyncd/doctor.go"} {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files: %v", pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range said.FindAllStringSubmatch(string(text), -1) {
				names = append(names, m[1])
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) < 60 {
		t.Errorf("only %d findings were found: %v", len(names), names)
	}
	for _, name := range names {
		if strings.HasSuffix(name, " ") {
			name += "…" // followed by what it is about
		}
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("%s is not in docs/doctor.md", name)
		}
	}
}
