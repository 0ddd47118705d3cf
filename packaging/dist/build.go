package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/cpuguy83/go-md2man/v2/md2man"
)

// maker makes the files of one attempt.
type maker struct {
	*source
	tree, work, out string
	env             []string
}

// build makes all files and gives their folder.
func build(ctx context.Context, src *source, a *attempt, o options) (string, error) {
	defer syscall.Umask(syscall.Umask(a.umask))
	if err := os.MkdirAll(a.work, 0o700); err != nil {
		return "", err
	}
	tree, err := a.tree(ctx, src, o.here)
	if err != nil {
		return "", err
	}
	m := &maker{source: src, tree: tree, work: a.work, out: filepath.Join(a.work, "out"), env: []string{
		"CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off", "TZ=" + a.zone,
		"SOURCE_DATE_EPOCH=" + strconv.FormatInt(src.time.Unix(), 10),
	}}
	if a.fresh {
		m.env = append(m.env, "GOCACHE="+filepath.Join(a.work, "cache"))
	}
	if err := os.Mkdir(m.out, 0o755); err != nil {
		return "", err
	}
	// One that runs here writes the pages.
	for _, arch := range slices.Compact(slices.Sorted(slices.Values(append([]string{runtime.GOARCH}, o.archs...)))) {
		if err := m.compile(ctx, arch, m.program(arch)); err != nil {
			return "", err
		}
	}
	if err := m.pages(ctx, m.program(runtime.GOARCH)); err != nil {
		return "", err
	}
	for _, arch := range o.archs {
		if err := m.arch(ctx, arch); err != nil {
			return "", fmt.Errorf("%s: %w", arch, err)
		}
	}
	if !o.here {
		if err := m.sourceTarball(ctx); err != nil {
			return "", err
		}
	}
	return m.out, m.sums()
}

// arch makes the files for one architecture.
func (m *maker) arch(ctx context.Context, arch string) error {
	folder := filepath.Join(m.work, "build-"+arch)
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(m.work, "shared"))); err != nil {
		return err
	}
	program := filepath.Join(folder, "groupsyncd")
	if err := os.Rename(m.program(arch), program); err != nil {
		return err
	}
	name := filepath.Join(m.out, "groupsyncd_"+m.version+"_linux_"+arch)
	parts, err := m.parts(program)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".cdx.json", parts, 0o644); err != nil {
		return err
	}
	if err := writeGzip(filepath.Join(folder, "groupsyncd.cdx.json.gz"), parts); err != nil {
		return err
	}
	if err := m.licenses(ctx, program, filepath.Join(folder, "doc", "licenses.gz")); err != nil {
		return err
	}
	if err := m.tarball(name+".tar.gz", folder); err != nil {
		return err
	}
	return errors.Join(m.pack("deb", arch, folder), m.pack("rpm", arch, folder))
}

// program is where the program for an architecture is built.
func (m *maker) program(arch string) string { return filepath.Join(m.work, "groupsyncd-"+arch) }

// compile builds the program. What the toolchain finds out about the commit goes into it
// too; the version does not have to be a tag. The time zones are in it, because containers and
// small machines have none.
func (m *maker) compile(ctx context.Context, arch, file string) error {
	_, err := run(ctx, m.tree, append(slices.Clone(m.env), "GOOS=linux", "GOARCH="+arch), "go", "build", "-trimpath", "-buildvcs=auto", "-tags", "timetzdata",
		"-ldflags", "-s -w -X main.release="+m.version, "-o", file, "./cmd/groupsyncd")
	return err
}

// pages lets the program write its manual pages and completions, and adds what documents
// the configuration and the package. All of it is the same for all architectures.
func (m *maker) pages(ctx context.Context, program string) error {
	shared, raw := filepath.Join(m.work, "shared"), filepath.Join(m.work, "man")
	for _, folder := range []string{raw, filepath.Join(shared, "man"), filepath.Join(shared, "completions"), filepath.Join(shared, "doc")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if _, err := run(ctx, raw, m.env, program, "man", raw); err != nil {
		return err
	}
	keys, err := m.configurationPage()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(raw, "groupsyncd.yaml.5"), keys, 0o644); err != nil {
		return err
	}
	written, err := os.ReadDir(raw)
	if err != nil {
		return err
	}
	for _, page := range written {
		text, err := os.ReadFile(filepath.Join(raw, page.Name()))
		if err != nil {
			return err
		}
		if err := writeGzip(filepath.Join(shared, "man", page.Name()+".gz"), text); err != nil {
			return err
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text, err := run(ctx, raw, m.env, program, "completion", shell)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(shared, "completions", "groupsyncd."+shell), text, 0o644); err != nil {
			return err
		}
	}
	return m.papers(ctx, filepath.Join(shared, "doc"))
}

// configurationPage makes groupsyncd.yaml(5) of the reference of the configuration.
func (m *maker) configurationPage() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(m.tree, "docs", "configuration.md"))
	if err != nil {
		return nil, err
	}
	_, body, found := strings.Cut(string(text), "\n\n") // Its own title.
	if !found {
		return nil, errors.New("docs/configuration.md has no title")
	}
	head := fmt.Sprintf("%% \"GROUPSYNCD.YAML\" \"5\" %q %q \"groupsyncd\"\n# NAME\ngroupsyncd.yaml - the configuration of groupsyncd\n\n# DESCRIPTION\n", m.time.Format("Jan 2006"), "groupsyncd "+m.version)
	return md2man.Render([]byte(head + untable(body))), nil
}

// untable writes the rows of tables as paragraphs: four columns are too wide for a
// terminal. The columns are key, value, default and meaning.
func untable(text string) string {
	var out strings.Builder
	rows := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			rows = 0
			out.WriteString(relative.ReplaceAllString(line, "$1"))
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(strings.TrimSpace(strings.ReplaceAll(line, `\|`, "\x00")), "|"), "|")
		for i := range cells {
			cells[i] = relative.ReplaceAllString(strings.ReplaceAll(strings.TrimSpace(cells[i]), "\x00", "|"), "$1")
		}
		if rows <= 2 {
			continue // The head, and the line below it.
		}
		if len(cells) != 4 {
			fmt.Fprintf(&out, "%s\n\n", strings.Join(cells, ", "))
			continue
		}
		key := "**" + strings.Trim(cells[0], "`") + "**"
		if cells[1] != "" {
			key += ": " + cells[1]
		}
		if cells[2] != "" {
			key += " (default " + cells[2] + ")"
		}
		fmt.Fprintf(&out, "%s\n\t%s\n\n", key, cells[3])
	}
	return out.String()
}

// relative is a link to another page, which a terminal cannot follow.
var relative = regexp.MustCompile(`\[([^\]]+)\]\([^):]+\)`)

// papers writes the changelog and the copyright as Debian wants to have them.
func (m *maker) papers(ctx context.Context, folder string) error {
	changes, err := run(ctx, m.tree, m.env, "go", "run", "./internal/release", "debian", m.version)
	if err != nil {
		return err
	}
	license, err := os.ReadFile(filepath.Join(m.tree, "LICENSE"))
	if err != nil {
		return err
	}
	_, terms, _ := strings.Cut(string(license), "\n\n")
	owner, terms, _ := strings.Cut(terms, "\n\n")
	var text bytes.Buffer
	fmt.Fprintf(&text, "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: groupsyncd\n"+
		"Comment: The program has the libraries in it that groupsyncd.cdx.json.gz lists; their licenses are in licenses.gz.\n\nFiles: *\n%s\nLicense: Expat\n",
		strings.Replace(owner, "Copyright (c)", "Copyright:", 1))
	for line := range strings.Lines(terms) {
		if strings.TrimSpace(line) == "" {
			line = ".\n"
		}
		text.WriteString(" " + line)
	}
	return errors.Join(writeGzip(filepath.Join(folder, "changelog.gz"), changes), os.WriteFile(filepath.Join(folder, "copyright"), text.Bytes(), 0o644))
}

// writeGzip compresses without a name and a time.
func writeGzip(file string, text []byte) error {
	var out bytes.Buffer
	if err := squeeze(&out, bytes.NewReader(text)); err != nil {
		return err
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}

func squeeze(w io.Writer, r io.Reader) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	_, err = io.Copy(z, r)
	return errors.Join(err, z.Close())
}
