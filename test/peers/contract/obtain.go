package contract

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// source is where a description comes from: a file of a package, of one version, with the
// checksum that it had when it was last looked at.
type source struct {
	// module is a Go module, npm a package of npm; one of them, with its version.
	module, npm string
	file        string
	sha256      string
}

// obtainTime bounds getting one package.
const obtainTime = 3 * time.Minute

// obtain gives a description. One that cannot be had is a failure, never a skip: without it
// nothing is checked.
func obtain(t testing.TB, s source) []byte {
	t.Helper()
	data, err := s.read(t)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// read gives the description that was looked at, or an error.
func (s source) read(t testing.TB) ([]byte, error) {
	data, err := s.fetch(t)
	if err != nil {
		return nil, fmt.Errorf("the description %s of %s%s cannot be had: %w", s.file, s.module, s.npm, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != s.sha256 {
		return nil, fmt.Errorf("%s of %s%s has the checksum %s, not %s", s.file, s.module, s.npm, hex.EncodeToString(sum[:]), s.sha256)
	}
	return data, nil
}

func (s source) fetch(t testing.TB) ([]byte, error) {
	folder, err := cache()
	if err != nil {
		return nil, err
	}
	if s.module != "" {
		out, err := run(t, folder, "go", "mod", "download", "-json", s.module)
		if err != nil {
			return nil, err
		}
		var got struct{ Dir string }
		if err := json.Unmarshal(out, &got); err != nil || got.Dir == "" {
			return nil, fmt.Errorf("go mod download says no folder: %w", errors.Join(err, errors.New(string(out))))
		}
		return os.ReadFile(filepath.Join(got.Dir, filepath.FromSlash(s.file)))
	}
	name, version, _ := strings.Cut(strings.TrimPrefix(s.npm, "@"), "@")
	archive := filepath.Join(folder, strings.ReplaceAll(name, "/", "-")+"-"+version+".tgz")
	if _, err := os.Stat(archive); err != nil {
		if _, err := run(t, folder, "npm", "pack", "--silent", s.npm); err != nil {
			return nil, err
		}
	}
	return unpacked(archive, s.file)
}

// cache is the folder where all peers keep what they fetch.
func cache() (string, error) {
	folder := os.Getenv("GROUPSYNCD_PEERS_CACHE")
	if folder == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		folder = filepath.Join(home, ".cache", "groupsyncd-peers")
	}
	folder = filepath.Join(folder, "contract")
	return folder, os.MkdirAll(folder, 0o750)
}

func run(t testing.TB, folder, name string, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.WaitDelay = obtainTime
	cmd.Dir = folder
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s%s", name, strings.Join(args, " "), err, out, said.String())
	}
	return out, nil
}

// unpacked gives one file of a package of npm.
func unpacked(archive, file string) ([]byte, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", file, err)
		}
		// The first folder has whatever name the package's author likes.
		if _, name, _ := strings.Cut(h.Name, "/"); name == file {
			return io.ReadAll(io.LimitReader(r, 64<<20))
		}
	}
}
