//go:build peers

package container

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"groupsyncd/test/peers/peer"
)

// The image is what can be checked by whoever has the sources: another folder, user mask,
// time zone and language change nothing.
func TestSameImageWhereverItIsBuilt(t *testing.T) {
	t.Parallel()
	here, there, sources := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b"), t.TempDir()
	script(t, "build", here)

	copied := exec.CommandContext(t.Context(), "bash", "-c", `set -o pipefail
		git ls-files -z --cached --others --exclude-standard | tar -c --null --files-from=- | tar -x -C "$1"
		umask 077 && TZ=Asia/Tokyo LC_ALL=C GOFLAGS=-buildvcs=true VERSION="$3" "$1/packaging/container/rootfs.sh" "$2"`, "-", sources, there, release)
	copied.Dir = peer.Root(t)
	if out, err := copied.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first, second := script(t, "hash", here), script(t, "hash", there)
	if first != second {
		t.Errorf("two builds differ: %s %s", first, second)
	}
	t.Logf("image %s, %.1f MiB", strings.TrimSpace(first), float64(size(t, here))/(1<<20))
}

// Nothing is in the image that the program does not need, and little that it could lose.
func TestImageHoldsTheProgramAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "image")
	script(t, "build", dir)
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() {
			name, _ := filepath.Rel(dir, path)
			files = append(files, "/"+name)
		} else if !d.IsDir() {
			t.Errorf("%s is neither a file nor a folder", path)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 || info.Mode().Perm()&0o002 != 0 && d.Name() != "tmp" {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		if info.ModTime().Unix() != 0 {
			t.Errorf("%s has the time %s", path, info.ModTime())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/root/etc/group", "/root/etc/passwd", "/root/etc/ssl/certs/ca-certificates.crt", "/root/usr/bin/groupsyncd"}
	slices.Sort(files)
	if !slices.Equal(files, want) {
		t.Errorf("the image holds %q", files)
	}
	if info, err := os.Stat(filepath.Join(dir, "state", "groupsyncd")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the state: %v %v", info, err)
	}
	if out, err := exec.CommandContext(t.Context(), "ldd", filepath.Join(dir, "root", "usr", "bin", "groupsyncd")).CombinedOutput(); err == nil || !strings.Contains(string(out), "not a dynamic executable") {
		t.Errorf("the program is not static: %s", out)
	}
	if mib := size(t, dir) >> 20; mib > 32 {
		t.Errorf("the image has %d MiB", mib)
	}
}

// It works as it is meant to be run: a stranger's number for a user, no capability, no way
// to one, a root that cannot be written, and public authorities from the bundle.
func TestContainerSyncsConfinedAndStopsCleanly(t *testing.T) {
	t.Parallel()
	c := newChat(t)
	f := newFolders(t, c.url, c.Key)
	r := start(t, &f, "CA_BUNDLE="+c.bundle)

	r.until(t, "a first sync", func() bool {
		groups := c.Groups()
		return len(groups) == 1 && groups[0].Name == "ai-users" && len(groups[0].Members) == 2
	})

	status := r.proc(t, "status")
	for _, line := range []string{
		`Uid:\t65532\t65532\t65532\t65532`, `Gid:\t65532\t65532\t65532\t65532`, `Groups:\t *`, `NSpid:\t\d+\t1`, `NoNewPrivs:\t1`,
		`CapInh:\t0+`, `CapPrm:\t0+`, `CapEff:\t0+`, `CapBnd:\t0+`, `CapAmb:\t0+`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(status) {
			t.Errorf("the program runs without %s:\n%s", line, status)
		}
	}
	writable := regexp.MustCompile(`(?m)^\S+ \S+ \S+ \S+ (\S+) rw`)
	var places []string
	for _, m := range writable.FindAllStringSubmatch(r.proc(t, "mountinfo"), -1) {
		places = append(places, m[1])
	}
	slices.Sort(places)
	// Devices are files of their own; what is behind them is not written to.
	places = slices.DeleteFunc(places, func(p string) bool { return strings.HasPrefix(p, "/dev/") })
	if want := []string{"/proc", "/tmp", "/var/lib/groupsyncd"}; !slices.Equal(places, want) {
		t.Errorf("these places can be written: %q", places)
	}
	if out, code := r.exec(t, "version"); code != 0 || !strings.Contains(out, "groupsyncd "+release+" ") {
		t.Errorf("the version of the image: %d %s", code, out)
	}
	if out, code := r.exec(t, "plan", "--out", "/usr/bin/plan"); code == 0 || !strings.Contains(out, "read-only file system") && !strings.Contains(out, "permission denied") {
		t.Errorf("a file was written into the root: exit %d, %s", code, out)
	}

	if out, code := r.exec(t, "healthcheck"); code != 0 {
		t.Errorf("the health check ends with %d: %s", code, out)
	}
	if out, code := r.exec(t, "status"); code != 0 || !strings.Contains(out, "chat") {
		t.Errorf("a command inside ends with %d: %s", code, out)
	}

	script(t, "stop", f.image)
	if code := r.exit(t); code != 0 {
		t.Errorf("the container ends with %d", code)
	}
	if out, code := try(t, "run", f.image, f.config, f.state, "healthcheck"); code != 1 {
		t.Errorf("without a daemon the health check ends with %d: %s", code, out)
	}
	if out, code := try(t, "run", f.image, f.config, f.state, "state", "check"); code != 0 {
		t.Errorf("the state after the stop: %d %s", code, out)
	}
}

// Kubernetes gives a volume to a group and lets root have it, writes secrets as links into a folder
// that it replaces, and lets their group read them.
func TestVolumesAsKubernetesMakesThem(t *testing.T) {
	t.Parallel()
	c := newChat(t)
	f := newFolders(t, c.url, c.Key)
	secrets := filepath.Join(f.config, "secrets")
	data := filepath.Join(secrets, "..2026_11_22_00_00_00.1")
	for _, err := range []error{
		os.Chown(f.state, 0, user), os.Chmod(f.state, 0o775|fs.ModeSetgid), os.Mkdir(filepath.Join(f.state, "lost+found"), 0o700),
		os.Mkdir(data, 0o755), os.Rename(filepath.Join(secrets, "openwebui"), filepath.Join(data, "openwebui")),
		os.Chown(filepath.Join(data, "openwebui"), 0, user), os.Chmod(filepath.Join(data, "openwebui"), 0o440),
		os.Symlink(filepath.Base(data), filepath.Join(secrets, "..data")), os.Symlink("..data/openwebui", filepath.Join(secrets, "openwebui")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // A second start finds what the first has left.
		r := start(t, &f, "CA_BUNDLE="+c.bundle)
		r.until(t, "the health check", func() bool { _, code := r.exec(t, "healthcheck"); return code == 0 })
		r.until(t, "a sync", func() bool { groups := c.Groups(); return len(groups) == 1 && len(groups[0].Members) == 2 })
		script(t, "stop", f.image)
		if code := r.exit(t); code != 0 {
			t.Errorf("the container ends with %d", code)
		}
	}
	for _, args := range [][]string{{"state", "check"}, {"audit", "verify"}, {"demo"}} {
		if out, code := try(t, append([]string{"run", f.image, f.config, f.state}, args...)...); code != 0 {
			t.Errorf("%s: %d %s", args, code, out)
		}
	}
}

// The bundle is what the trust comes from: without the authority in it, nothing is sent.
func TestUnknownAuthorityIsRefused(t *testing.T) {
	t.Parallel()
	c := newChat(t)
	f := newFolders(t, c.url, c.Key)
	out, code := try(t, "run", f.image, f.config, f.state, "sync")
	if code != 6 || !strings.Contains(out, "certificate") {
		t.Errorf("exit %d: %s", code, out)
	}
	if len(c.Groups()) != 0 {
		t.Error("a group was made over a connection that nobody could trust")
	}
}

// A secret that everybody in the container could read is refused, as it is on a server.
func TestSecretThatEverybodyReadsIsRefused(t *testing.T) {
	t.Parallel()
	c := newChat(t)
	f := newFolders(t, c.url, c.Key)
	if err := os.Chmod(filepath.Join(f.config, "secrets", "openwebui"), 0o444); err != nil {
		t.Fatal(err)
	}
	out, code := try(t, "run", f.image, f.config, f.state, "sync")
	if code == 0 || !strings.Contains(out, "can be used by everybody") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func size(t *testing.T, dir string) int64 {
	t.Helper()
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
