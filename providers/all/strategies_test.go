package all_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"groupsyncd/config"
)

// TestReadyStrategiesLoad: each is a whole configuration without a warning, says how to begin,
// and stands in the list beside it.
func TestReadyStrategiesLoad(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	list, err := os.ReadFile("../../examples/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := config.Load(data, options())
			if err != nil {
				t.Fatal(err)
			}
			if w := c.Warnings(); len(w) > 0 {
				t.Error(w)
			}
			if !strings.HasPrefix(string(data), "# ") || !strings.Contains(string(data), "groupsyncd plan") || !strings.Contains(string(data), "CHANGE") {
				t.Error("it does not tell people what it is and how to begin")
			}
			if !strings.Contains(string(list), "("+filepath.Base(file)+")") {
				t.Error("it is not in examples/README.md")
			}
		})
	}
}
