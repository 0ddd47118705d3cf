package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// listed is what `go list -json` says of one package.
type listed struct {
	ImportPath   string
	Standard     bool
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// watch looks at every folder of the module. The go command sees by that on which
// files this test depends; without it, a result from before a change would count.
func watch(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != "../.." {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// list asks the go command for every package of the module and all they need, with
// the files of ordinary builds and of the peers tests.
func list(t *testing.T) []listed {
	t.Helper()
	watch(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-test=false", "-tags", "peers", "-deps",
		"-json=ImportPath,Standard,Imports,TestImports,XTestImports", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportsPointDownOnly(t *testing.T) {
	t.Parallel()
	all := list(t)
	standard := map[string]bool{}
	for _, p := range all {
		standard[p.ImportPath] = p.Standard
	}
	ours := 0
	for _, p := range all {
		if !strings.HasPrefix(p.ImportPath, module) {
			continue
		}
		ours++
		from, ok := find(p.ImportPath)
		if !ok {
			t.Errorf("%s stands in no layer: give it a place in test/layers/rules.go and in .golangci.yml", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			if !strings.HasPrefix(path, module) {
				report(t, judgeForeign(from, path, standard[path]))
			}
		}
		check(t, from, p.Imports, false)
		check(t, from, p.TestImports, true)
		check(t, from, p.XTestImports, true)
	}
	if ours < 5 {
		t.Errorf("go list shows %d packages of this module: the test looks at the wrong place", ours)
	}
}

// check judges the imports of one package that belong to the module.
func check(t *testing.T, from place, imports []string, inTest bool) {
	t.Helper()
	for _, path := range imports {
		if to, ok := find(path); ok && strings.HasPrefix(path, module) {
			report(t, judge(from, to, inTest))
		}
	}
}

func report(t *testing.T, sentence string) {
	t.Helper()
	if sentence != "" {
		t.Error(sentence)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		inTest   bool
		ok       bool
	}{
		{"app", "providers/ldap", false, true},
		{"app", "state", false, true},
		{"cmd/groupsyncd", "app", false, true},
		{"cmd/groupsyncd", "providers/ldap/ldaptest", false, true},
		{"cmd/groupsyncd", "target/openwebui/openwebuitest", false, true},
		{"cmd/groupsyncd", "state", false, false},
		{"app", "target/openwebui/openwebuitest/suite", false, false},
		{"config", "providers", false, true},
		{"config", "providers/ldap", false, false},
		{"config", "sync/mapping", false, true},
		{"directory", "internal/fault", false, false},
		{"permission", "directory", false, true},
		{"permission", "internal/scalar", false, true},
		{"directory", "sync/run", false, false},
		{"internal/fault", "directory", false, false},
		{"internal/fault", "internal/secret", false, true},
		{"providers", "directory", false, true},
		{"providers", "sync/replica", false, false},
		{"providers/all", "providers/ldap", false, true},
		{"providers/all", "target/openwebui", false, false},
		{"providers/okta/oktatest", "providers/providertest/apitest", false, true},
		{"providers/okta", "providers/providertest/apitest", false, false},
		{"providers/okta/oktatest", "providers/google/googletest", false, false},
		{"providers/ldap", "config", false, false},
		{"providers/ldap", "internal/testkit", false, false},
		{"providers/ldap", "internal/testkit", true, true},
		{"providers/ldap", "providers", false, true},
		{"providers/ldap", "providers/file", false, false},
		{"providers/ldap", "providers/ldap/ldaptest", false, false},
		{"providers/ldap", "providers/ldap/ldaptest", true, true},
		{"providers/ldap", "providers/providertest", true, true},
		{"providers/ldap", "sync/engine", true, false},
		{"providers/ldap", "test/peers/peer", false, false},
		{"providers/ldap", "test/peers/peer", true, true},
		{"providers/providertest", "providers", false, true},
		{"server/hooks", "server", false, true},
		{"server", "state", false, false},
		{"state", "sync/engine", false, false},
		{"state", "sync/plan", false, true},
		{"sync/engine", "app", true, false},
		{"sync/engine", "providers/ldap", false, false},
		{"sync/engine", "state", true, true},
		{"sync/engine", "sync/mapping", false, true},
		{"sync/engine", "sync/schedule", false, false},
		{"sync/mapping", "config", false, false},
		{"sync/mapping", "sync/plan", false, true},
		{"sync/plan", "sync/replica", false, true},
		{"sync/engine", "sync/engine/enginetest", true, true},
		{"sync/engine", "sync/engine/enginetest", false, false},
		{"sync/plan", "sync/mapping", false, false},
		{"sync/plan", "sync/mapping", true, true},
		{"sync/plan", "sync/engine", true, false},
		{"sync/replica", "sync/plan", false, false},
		{"sync/run", "permission", false, true},
		{"target/openwebui", "permission", false, true},
		{"target/openwebui", "state", false, false},
		{"test/peers", "cmd/groupsyncd", false, true},
	} {
		from, ok1 := find(module + c.from)
		to, ok2 := find(module + c.to)
		if !ok1 || !ok2 {
			t.Errorf("%s or %s has no place", c.from, c.to)
			continue
		}
		if sentence := judge(from, to, c.inTest); (sentence == "") != c.ok {
			t.Errorf("%s imports %s (in a test: %t): allowed %t, want %t (%s)", c.from, c.to, c.inTest, !c.ok, c.ok, sentence)
		}
	}
	if _, ok := find(module + "util"); ok {
		t.Error("a package that the table does not name has a place")
	}
}

func TestPurePackagesHaveNoInputsOfTheirOwn(t *testing.T) {
	t.Parallel()
	plan, _ := find(module + "sync/plan")
	engine, _ := find(module + "sync/engine")
	for path, ok := range map[string]bool{"slices": true, "os": false, "net/http": false, "log/slog": false, "math/rand/v2": false} {
		if sentence := judgeForeign(plan, path, true); (sentence == "") != ok {
			t.Errorf("sync/plan imports %s: allowed %t, want %t", path, !ok, ok)
		}
		if sentence := judgeForeign(engine, path, true); sentence != "" {
			t.Error(sentence)
		}
	}
	if judgeForeign(plan, "example.org/library", false) == "" {
		t.Error("sync/plan may import a library")
	}
}
