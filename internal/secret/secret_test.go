package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"groupsyncd/internal/fault"
)

const canary = "hunter2-correct-horse"

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"file:/run/secrets/key", ""},
		{"file:secrets/key", ""},
		{"file:a:b", ""},
		{"env:KEY", ""},
		{"credential:key", ""},
		{"", "must be a reference"},
		{canary, "must be a reference"},
		{"hunter2:" + canary, "unknown kind"},
		{"FILE:x", "unknown kind"},
		{"https://user:" + canary + "@example.org", "unknown kind"},
		{"file:", "needs a name"},
		{"env:", "needs a name"},
		{"credential:a/b", "not a path"},
		{"credential:../key", "not a path"},
	} {
		r, err := Parse(c.text)
		switch {
		case c.want == "" && (err != nil || r.String() != c.text || r.IsZero()):
			t.Errorf("Parse(%q) gives %q, %v", c.text, r, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("Parse(%q): %v", c.text, err)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}

func TestReferencesAreKeptAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	var v struct{ Key Ref }
	if err := yaml.Unmarshal([]byte("key: file:secrets/key"), &v); err != nil {
		t.Fatal(err)
	}
	v.Key = v.Key.In("/etc/groupsyncd")
	for name, marshal := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal} {
		b, err := marshal(v)
		if err != nil || !strings.Contains(string(b), "file:secrets/key") || strings.Contains(string(b), "/etc") {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
	var zero Ref
	if !zero.IsZero() || zero.String() != "" {
		t.Errorf("the zero reference is %q", zero)
	}
}

// file writes a secret file and gives its folder.
func file(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "key"), mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mustParse(t *testing.T, text string) Ref {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFilesAreReadAsTheyAreNow(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"x": "x", "x\n": "x", "x\r\n": "x", "x\n\n": "x\n", "\u0020x\u0020": " x ", "two\nlines\n": "two\nlines", "\nx": "\nx", "\n\n": "\n",
	} {
		v, err := mustParse(t, "file:key").In(file(t, text, 0o600)).Read()
		if err != nil || v.Reveal() != want {
			t.Errorf("%q is read as %q, %v", text, v.Reveal(), err)
		}
	}
	dir := file(t, "old", 0o640)
	r := mustParse(t, "file:"+filepath.Join(dir, "key")).In("/nowhere")
	if v, err := r.Read(); err != nil || v.Reveal() != "old" {
		t.Fatalf("%q, %v", v.Reveal(), err)
	}
	// Volumes of secrets are replaced by exchanging a link.
	if err := errors.Join(os.Rename(filepath.Join(dir, "key"), filepath.Join(dir, "1")), os.WriteFile(filepath.Join(dir, "2"), []byte("new"), 0o600),
		os.Symlink("2", filepath.Join(dir, "key"))); err != nil {
		t.Fatal(err)
	}
	if v, err := r.Read(); err != nil || v.Reveal() != "new" {
		t.Errorf("after the rotation: %q, %v", v.Reveal(), err)
	}
}

func TestWhatCannotBeUsedSaysWhy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, dir, want string
	}{
		{"readable by everybody", file(t, canary, 0o604), "(mode 0604): chmod 600"},
		{"writable by everybody", file(t, canary, 0o602), "(mode 0602): chmod 600"},
		{"empty", file(t, "", 0o600), "is empty"},
		{"a line without text", file(t, "\n", 0o600), "is empty"},
		{"too large", file(t, strings.Repeat("x", maxSize+1), 0o600), "larger than 1 MiB"},
		{"missing", t.TempDir(), "does not exist"},
		{"below a file", filepath.Join(file(t, canary, 0o600), "key"), "not a directory"},
	} {
		_, err := mustParse(t, "file:key").In(c.dir).Read()
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.dir) || fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (hint %q)", c.name, err, fault.HintOf(err))
		}
		if err != nil && strings.Contains(err.Error()+fault.HintOf(err), canary) {
			t.Errorf("%s: the error repeats the secret: %v", c.name, err)
		}
	}
	dir := t.TempDir()
	if _, err := mustParse(t, "file:"+dir).Read(); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := (Ref{}).Read(); err == nil || fault.HintOf(err) == "" {
		t.Errorf("nothing: %v", err)
	}
}

// TestEnvironment changes the environment, which is why it does not run beside others.
func TestEnvironment(t *testing.T) {
	env, credential := mustParse(t, "env:GROUPSYNCD_TEST_SECRET"), mustParse(t, "credential:key")
	for _, r := range []Ref{env, credential} {
		t.Setenv("CREDENTIALS_DIRECTORY", "")
		if _, err := r.Read(); err == nil || !strings.Contains(err.Error(), r.String()) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", r, err)
		}
	}
	t.Setenv("GROUPSYNCD_TEST_SECRET", "")
	if _, err := env.Read(); err == nil {
		t.Error("an empty variable is taken for a secret")
	}
	t.Setenv("GROUPSYNCD_TEST_SECRET", canary+"\n")
	if v, err := env.Read(); err != nil || v.Reveal() != canary+"\n" {
		t.Errorf("%q, %v", v.Reveal(), err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", file(t, canary+"\n", 0o400))
	if v, err := credential.In("/nowhere").Read(); err != nil || v.Reveal() != canary {
		t.Errorf("%q, %v", v.Reveal(), err)
	}
}

// TestNoWayOfPrintingShowsTheSecret goes through verbs, encodings and logs.
func TestNoWayOfPrintingShowsTheSecret(t *testing.T) {
	t.Parallel()
	type wrapped struct {
		Open   Value
		hidden Value
		Point  *Value
		List   []Value
		Table  map[string]Value
		Any    any
	}
	v := New(canary)
	w := wrapped{v, v, &v, []Value{v}, map[string]Value{"k": v}, v}
	var out bytes.Buffer
	for _, x := range []any{v, &v, w, &w, []Value{v}, map[string]Value{"k": v}, fmt.Errorf("bad key %v", v), error(fault.Errorf(fault.Auth, "bind", "", "%v", v))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%p", "%20v", "%.3s", "%!"} {
			fmt.Fprintf(&out, verb+"\n", x)
		}
		fmt.Fprintln(&out, x)
		for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
			b, err := marshal(x)
			if err != nil {
				b = []byte(err.Error())
			}
			out.Write(b)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("m", "x", x, slog.Group("g", slog.Any("x", x)))
		}
	}
	text := strings.ToLower(out.String())
	for _, leak := range []string{canary, canary[:7], fmt.Sprintf("%x", canary), fmt.Sprintf("%x", canary[:4])} {
		if strings.Contains(text, leak) {
			t.Errorf("%q is in the output", leak)
		}
	}
	if !strings.Contains(text, "[secret]") {
		t.Error("nothing was printed at all")
	}
	if got := (Value{}).Reveal(); got != "" {
		t.Errorf("the zero value reveals %q", got)
	}
}
