package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEveryEntryOfOurChangelogCanBeRead holds the files that the next release is made of.
func TestEveryEntryOfOurChangelogCanBeRead(t *testing.T) {
	t.Parallel()
	folders, err := os.ReadDir(filepath.Join("..", "..", "changelog"))
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		entries, err := readEntries(filepath.Join("..", "..", "changelog", folder.Name()))
		if err != nil {
			t.Error(err)
		}
		read += len(entries)
	}
	if read == 0 {
		t.Error("there is no entry at all")
	}
}

func TestWhatAnEntryMayBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"as it should be", "[BUGFIX] It works\n\nIt did not.\n", ""},
		{"no kind", "It works\n\nIt did not.\n", "begins with one of"},
		{"another kind", "[FIX] It works\n\nIt did not.\n", "begins with one of"},
		{"no space", "[BUGFIX]It works\n\nIt did not.\n", "begins with one of"},
		{"no sentence", "[BUGFIX] \n\nIt did not.\n", "no sentence"},
		{"a full stop", "[BUGFIX] It works.\n\nIt did not.\n", "no full stop"},
		{"no empty line", "[BUGFIX] It works\nIt did not.\n", "second line is empty"},
		{"nothing below", "[BUGFIX] It works\n", "is not there"},
		{"no end", "[BUGFIX] It works\n\nIt did not.", "last line does not end"},
	} {
		_, err := parseEntry("x.md", c.text)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.md: ")) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	bug, feature := entry{kind: "BUGFIX"}, entry{kind: "FEATURE"}
	for _, c := range []struct {
		last    string
		entries []entry
		want    string
	}{
		{"", []entry{feature}, "0.1.0"},
		{"v0.1.0", []entry{bug}, "0.1.1"},
		{"v0.1.9", []entry{feature, bug}, "0.2.0"},
		{"v1.2.3", []entry{{kind: "CHANGE"}}, "1.3.0"},
	} {
		got, err := nextVersion(c.last, c.entries)
		if err != nil || got.String() != c.want {
			t.Errorf("after %q: %s, %v; want %s", c.last, got, err, c.want)
		}
	}
	for _, text := range []string{"", "1.2", "v1.2.3", "1.2.3-rc1", "01.2.3", "1.2.3 "} {
		if n, err := parseVersion(text); err == nil {
			t.Errorf("%q is %s", text, n)
		}
	}
	if !(number{1, 10, 0}).after(number{1, 9, 9}) || (number{1, 2, 3}).after(number{1, 2, 3}) {
		t.Error("the order of versions")
	}
}

// repository is a clone with a changelog and one commit.
type repository struct {
	tool
	text *bytes.Buffer
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{text: &bytes.Buffer{}}
	r.tool = tool{out: r.text, dir: t.TempDir(), now: func() time.Time { return time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC) }}
	r.must(t, "init", "--quiet")
	for name, value := range map[string]string{"user.name": "Ana", "user.email": "ana@example.test", "commit.gpgsign": "false", "tag.gpgsign": "false"} {
		r.must(t, "config", name, value)
	}
	r.write(t, "changelog/TEMPLATE", "x\n")
	r.write(t, "changelog/unreleased/b.md", "[BUGFIX] It works\n\nIt did not.\n")
	r.write(t, "changelog/unreleased/f.md", "[FEATURE] It flies\n\nAll the way.\n")
	r.commit(t, "first")
	return r
}

func (r *repository) must(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_DATE=2026-11-21T12:00:00Z", "GIT_COMMITTER_DATE=2026-11-21T12:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (r *repository) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r *repository) commit(t *testing.T, subject string) {
	t.Helper()
	r.must(t, "add", "--all")
	r.must(t, "commit", "--quiet", "-m", subject)
}

// run is one call of the program, with what it prints.
func (r *repository) run(ctx context.Context, args ...string) (string, error) {
	r.text.Reset()
	err := r.main(ctx, args)
	return r.text.String(), err
}

func TestADryRunSaysWhatItWouldDoAndDoesNothing(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	before := r.must(t, "rev-parse", "HEAD")
	out, err := r.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"release 0.1.0 of ", ".ci/run ", "make dist ", "changelog/0.1.0/   (2 entries)", "git tag -a v0.1.0", "git push origin HEAD v0.1.0",
		"## 0.1.0, 2026-11-22\n\n### [FEATURE] It flies\n\nAll the way.\n\n### [BUGFIX] It works\n", "nothing was changed"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if after := r.must(t, "rev-parse", "HEAD"); after != before || r.must(t, "status", "--porcelain") != "" || r.must(t, "tag") != "" {
		t.Error("something was changed")
	}
}

func TestAReleaseIsMadeHereAndNowhereElse(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	origin := t.TempDir()
	r.must(t, "init", "--quiet", "--bare", origin)
	r.must(t, "remote", "add", "origin", origin)
	if out, err := r.run(t.Context(), "-write"); err != nil || !strings.Contains(out, "made the commit and the tag v0.1.0") {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := r.must(t, "log", "-1", "--format=%s"); got != "release 0.1.0\n" {
		t.Errorf("the commit is %q", got)
	}
	if out, err := r.run(t.Context(), "version"); err != nil || out != "0.1.0\n" {
		t.Errorf("the version is %q, %v", out, err)
	}
	if r.must(t, "status", "--porcelain") != "" {
		t.Error("the work tree is not clean")
	}
	if refs := r.must(t, "ls-remote", "origin"); refs != "" {
		t.Errorf("it was pushed: %s", refs)
	}
	r.write(t, "changelog/unreleased/c.md", "[BUGFIX] It lands\n\nSoftly.\n")
	r.commit(t, "second")
	if out, err := r.run(t.Context(), "version"); err != nil || !strings.HasPrefix(out, "0.1.1-dev.1+g") {
		t.Errorf("the version is %q, %v", out, err)
	}
	if out, err := r.run(t.Context(), "debian", "0.1.1-dev.1+g1"); err != nil || !strings.HasPrefix(out, "groupsyncd (0.1.1~dev.1+g1) stable; urgency=medium\n\n  * [BUGFIX] It lands\n\n -- ") ||
		!strings.Contains(out, "groupsyncd (0.1.0) stable; urgency=medium\n\n  * [FEATURE] It flies\n") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := r.run(t.Context(), "-write"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	if newest, older := strings.Index(string(text), "## 0.1.1, "), strings.Index(string(text), "## 0.1.0, "); newest < 0 || older < newest {
		t.Errorf("CHANGELOG.md:\n%s", text)
	}
}

// TestNoReleaseWhileSomethingStandsAgainstIt: everything that does is named at once.
func TestNoReleaseWhileSomethingStandsAgainstIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*repository)
		args   []string
		want   []string
	}{
		{"a work tree that is not clean", func(r *repository) { r.write(t, "x", "y") }, nil, []string{"not clean", "?? x"}},
		{"a tag that is taken", func(r *repository) { r.must(t, "tag", "v0.2.0") }, []string{"-version", "0.2.0"}, []string{"v0.2.0 is there already", "does not come after"}},
		{"an older version", func(r *repository) { r.must(t, "tag", "v0.2.0") }, []string{"-version", "0.1.9"}, []string{"0.1.9 does not come after v0.2.0"}},
		{"a folder that is there", func(r *repository) {
			r.write(t, "changelog/0.1.0/a.md", "[BUGFIX] It works\n\nIt did not.\n")
			r.commit(t, "x")
		}, nil, []string{"changelog/0.1.0 is there"}},
		{"nothing to tell", func(r *repository) {
			r.must(t, "rm", "-rq", "changelog/unreleased")
			r.commit(t, "x")
		}, nil, []string{"nothing to tell"}},
		{"entries that cannot be read", func(r *repository) {
			r.write(t, "changelog/unreleased/bad.md", "Bad\n")
			r.write(t, "changelog/unreleased/notes.txt", "x\n")
			r.commit(t, "x")
		}, nil, []string{"bad.md: the first line", "notes.txt: a folder"}},
		{"no version", func(*repository) {}, []string{"-version", "v1"}, []string{"three numbers"}},
		{"words that mean nothing", func(*repository) {}, []string{"publish"}, []string{"unexpected"}},
	} {
		r := newRepository(t)
		c.change(r)
		for _, write := range [][]string{nil, {"-write"}} {
			_, err := r.run(t.Context(), append(write, c.args...)...)
			if err == nil {
				t.Errorf("%s: nothing stood against it", c.name)
				continue
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: it does not say %q: %v", c.name, want, err)
				}
			}
		}
	}
}
