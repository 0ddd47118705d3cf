package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is one file of an archive: where it lies, what it is called there, its mode.
type entry struct {
	file, name string
	mode       int64
}

// tarball makes the archive for people without a package manager: the program, what
// belongs beside it, and the documentation.
func (m *maker) tarball(file, folder string) error {
	entries := []entry{
		{filepath.Join(folder, "groupsyncd"), "groupsyncd", 0o755},
		{filepath.Join(folder, "doc", "licenses.gz"), "licenses.gz", 0o644},
	}
	for _, name := range []string{"LICENSE", "README.md", "SECURITY.md", "config.example.yaml"} {
		entries = append(entries, entry{filepath.Join(m.tree, name), name, 0o644})
	}
	for _, of := range []struct{ from, pattern, to string }{
		{folder, "man/*", "man"}, {folder, "completions/*", "completions"},
		{m.tree, "systemd/*", "systemd"}, {m.tree, "systemd/groupsyncd.service.d/*", "systemd/groupsyncd.service.d"},
		{m.tree, "docs/*.md", "docs"}, {m.tree, "docs/*.json", "docs"},
		{m.tree, "packaging/monitoring/alerts.yaml", "monitoring"}, {m.tree, "packaging/monitoring/dashboard.json", "monitoring"},
		{m.tree, "docs/providers/*.md", "docs/providers"}, {m.tree, "examples/*", "examples"},
	} {
		found, err := filepath.Glob(filepath.Join(of.from, filepath.FromSlash(of.pattern)))
		if err != nil {
			return err
		}
		for _, file := range found {
			if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
				entries = append(entries, entry{file, of.to + "/" + filepath.Base(file), 0o644})
			}
		}
	}
	top := strings.TrimSuffix(filepath.Base(file), ".tar.gz")
	return writeFile(file, func(w io.Writer) error { return writeTar(w, top, entries, m.time) })
}

// writeTar writes a compressed archive that depends on nothing but its arguments and what
// is in the files.
func writeTar(w io.Writer, top string, entries []entry, at time.Time) error {
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, e := range entries {
		text, err := os.ReadFile(e.file)
		if err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: top + "/" + e.name, Mode: e.mode, Size: int64(len(text)),
			ModTime: at, Uname: "root", Gname: "root", Format: tar.FormatPAX}); err != nil {
			return err
		}
		if _, err := t.Write(text); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

// sourceTarball packs what is in the commit, as git does by itself.
func (m *maker) sourceTarball(ctx context.Context) error {
	top := "groupsyncd-" + m.version
	text, err := run(ctx, m.tree, m.env, "git", "-c", "tar.umask=0022", "archive", "--format=tar", "--prefix="+top+"/", m.revision)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(m.out, "groupsyncd_"+m.version+"_source.tar.gz"), func(w io.Writer) error { return squeeze(w, bytes.NewReader(text)) })
}

func writeFile(file string, write func(io.Writer) error) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

const sumsName = "SHA256SUMS"

// sums writes the checksums of all files, as sha256sum --check reads them.
func (m *maker) sums() error {
	files, err := os.ReadDir(m.out)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, file := range files {
		sum, err := sumOf(filepath.Join(m.out, file.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%x  %s\n", sum, file.Name())
	}
	return os.WriteFile(filepath.Join(m.out, sumsName), out.Bytes(), 0o644)
}

func sumOf(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), errors.Join(err, f.Close())
}

// same compares two builds, byte by byte.
func same(first, second string) error {
	var differ []string
	names := map[string]bool{}
	for _, folder := range []string{first, second} {
		files, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		for _, file := range files {
			names[file.Name()] = true
		}
	}
	for name := range names {
		a, errA := os.ReadFile(filepath.Join(first, name))
		b, errB := os.ReadFile(filepath.Join(second, name))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			differ = append(differ, name)
		}
	}
	if len(differ) > 0 {
		slices.Sort(differ)
		return fmt.Errorf("two builds of the same commit differ in: %s", strings.Join(differ, ", "))
	}
	return nil
}

// list prints what there is: checksum, size and name.
func list(w io.Writer, folder string) error {
	sums, err := os.ReadFile(filepath.Join(folder, sumsName))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%.12s  %6.2f MB  %s\n", sum, float64(info.Size())/1e6, name)
	}
	return nil
}
