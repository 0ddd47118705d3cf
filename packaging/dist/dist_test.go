package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

var then = time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)

func TestRowsOfTablesAreParagraphsInTheManual(t *testing.T) {
	t.Parallel()
	in := "See [this](other.md) and [that](https://x.test/a).\n\n| key | value | default | meaning |\n|---|---|---|---|\n| `mode` | apply \\| plan | `apply` | What [it](x.md) does. |\n| `rules` | list |  | All. |\n\nText.\n"
	want := "See this and [that](https://x.test/a).\n\n**mode**: apply | plan (default `apply`)\n\tWhat it does.\n\n**rules**: list\n\tAll.\n\n\nText.\n"
	if got := untable(in); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestTheReferenceBecomesAPage: every key of the reference is in the manual page, and no
// table is.
func TestTheReferenceBecomesAPage(t *testing.T) {
	t.Parallel()
	m := &maker{source: &source{version: "1.2.3", time: then}, tree: filepath.Join("..", "..")}
	page, err := m.configurationPage()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`.TH "GROUPSYNCD.YAML" "5" "Nov 2026" "groupsyncd 1.2.3"`, `\fBmode\fP`, `\fBsafety.max_people\fP`, `\fBserver.admin.listen\fP`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if strings.Contains(string(page), ".TS") {
		t.Error("there is a table left")
	}
}

func TestPartsAreListed(t *testing.T) {
	t.Parallel()
	m := &maker{source: &source{version: "1.2.3", revision: "abc", time: then}}
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Deps: []*debug.Module{
		{Path: "example.test/a", Version: "v1.0.0", Sum: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
		{Path: "example.test/b", Version: "v2.0.0", Replace: &debug.Module{Path: "example.test/c", Version: "v3.0.0"}},
	}}
	write := func() []byte {
		var out bytes.Buffer
		if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).Encode(m.bom(info, strings.Repeat("0", 64))); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	text := write()
	if !bytes.Equal(text, write()) {
		t.Error("two lists of the same differ")
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, c := range *bom.Components {
		found = append(found, c.PackageURL)
	}
	if got, want := strings.Join(found, " "), "pkg:golang/std@1.26.8 pkg:golang/example.test/a@v1.0.0 pkg:golang/example.test/c@v3.0.0"; got != want {
		t.Errorf("components: %s, want %s", got, want)
	}
	if hash := (*(*bom.Components)[1].Hashes)[0]; hash.Value != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("the sum of a module: %+v", hash)
	}
	if !strings.HasPrefix(bom.SerialNumber, "urn:uuid:") || bom.Metadata.Timestamp != "2026-11-22T01:02:03Z" || bom.Metadata.Component.Version != "1.2.3" {
		t.Errorf("about itself: %s %+v", bom.SerialNumber, bom.Metadata)
	}
}

// TestArchivesDependOnContentAlone: neither times nor modes nor the order of files show.
func TestArchivesDependOnContentAlone(t *testing.T) {
	t.Parallel()
	write := func(at time.Time, mode os.FileMode, names ...string) []byte {
		folder := t.TempDir()
		var entries []entry
		for _, name := range names {
			file := filepath.Join(folder, name)
			if err := os.WriteFile(file, []byte(name), mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file, at, at); err != nil {
				t.Fatal(err)
			}
			entries = append(entries, entry{file, name, 0o644})
		}
		var out bytes.Buffer
		if err := writeTar(&out, "top", entries, then); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	if !bytes.Equal(write(then, 0o644, "a", "b"), write(time.Unix(1, 0), 0o600, "b", "a")) {
		t.Error("archives of the same files differ")
	}
}

func TestTwoBuildsAreComparedToTheByte(t *testing.T) {
	t.Parallel()
	folder := func(files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	first := folder(map[string]string{"a": "1", "b": "2"})
	for _, c := range []struct {
		name   string
		second map[string]string
		want   string
	}{
		{"equal", map[string]string{"a": "1", "b": "2"}, ""},
		{"a byte", map[string]string{"a": "1", "b": "3"}, "differ in: b"},
		{"one less", map[string]string{"a": "1"}, "differ in: b"},
		{"one more", map[string]string{"a": "1", "b": "2", "c": "3"}, "differ in: c"},
	} {
		err := same(first, folder(c.second))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSumsAreThoseOfSha256sum asks the program that people check them with.
func TestSumsAreThoseOfSha256sum(t *testing.T) {
	t.Parallel()
	m := &maker{out: t.TempDir()}
	if err := os.WriteFile(filepath.Join(m.out, "a b"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.sums(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", sumsName)
	cmd.Dir = m.out
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWhatTheCommandLineTakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		ok   bool
	}{{nil, true}, {[]string{"-twice"}, true}, {[]string{"-here", "-arch", "arm64"}, true}, {[]string{"-here", "-twice"}, false}, {[]string{"x"}, false}} {
		if _, err := parse(c.args); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.args, err)
		}
	}
}
