package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"groupsyncd/config"
)

func TestTheStateFolderIsFoundInAFileWithMistakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	usual := "/var/lib/groupsyncd"
	for name, c := range map[string]struct{ text, want string }{
		"relative":          {"state: state\nnonsense: 1\n", filepath.Join(dir, "state")},
		"absolute":          {"mode: aply\nstate: /srv/groupsyncd   # ours\n", "/srv/groupsyncd"},
		"quoted":            {"state: \"my state\"\n", filepath.Join(dir, "my state")},
		"no YAML elsewhere": {"state: s\nsources: {\n\tx", filepath.Join(dir, "s")},
		"of something else": {"sources:\n  state: x\n", usual},
		"not there":         {"mode: plan\n", usual},
		"empty":             {"", usual},
		"of a wrong type":   {"state: [a, b]\n", usual},
	} {
		file := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := config.StateFolder(file); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := config.StateFolder(filepath.Join(dir, "missing.yaml")); got != usual {
		t.Errorf("a file that is not there names %s", got)
	}
}
