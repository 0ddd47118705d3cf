package state

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWhatRootMakesBelongsToTheOwnerOfTheFolder: the user of the daemon can open what a
// command of root made before the daemon ever ran.
func TestWhatRootMakesBelongsToTheOwnerOfTheFolder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		root  bool
		owner int
		made  bool
		want  string
	}{
		"a folder of somebody else":                  {root: true, owner: 4711, want: "audit.key lock state.db"},
		"a folder that is made, in one of their own": {root: true, owner: 4711, made: true, want: "audit.key lock made made/deep state.db"},
		"a folder of root":                           {root: true, owner: 0},
		"somebody who is not root":                   {owner: 4711},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			dir := home
			if c.made {
				dir = filepath.Join(home, "made", "deep")
			}
			own := fakeOwners{home: home, root: c.root, owner: c.owner, given: map[string]bool{}}
			stranger := filepath.Join(home, "notes.txt")
			if err := os.WriteFile(stranger, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := Open(t.Context(), Options{Dir: dir, NoSync: true, owners: own.ownership()})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Head(); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if got := own.names(); got != c.want {
				t.Errorf("given away: %q, want %q", got, c.want)
			}
		})
	}
}

// TestBackupsOfRootBelongToTheOwnerOfTheFolder, and what has a second name is left alone.
func TestBackupsOfRootBelongToTheOwnerOfTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own := fakeOwners{home: dir, root: true, owner: 4711, given: map[string]bool{}}
	opts := Options{Dir: dir, NoSync: true, owners: own.ownership()}
	db, err := Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	made, err := db.BackupTo(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "system-file")
	if err := os.WriteFile(elsewhere, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(elsewhere, filepath.Join(dir, BackupFolder, "trap")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, BackupFolder, "link")); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := own.names(); !strings.Contains(got, BackupFolder+"/"+filepath.Base(made.Path)) || strings.Contains(got, "trap") || strings.Contains(got, "link") {
		t.Errorf("given away: %q", got)
	}
	own.given = map[string]bool{}
	if _, err := Restore(t.Context(), Options{Dir: dir, owners: own.ownership()}, RestoreOptions{From: made.Path}); err != nil {
		t.Fatal(err)
	}
	if got := own.names(); !strings.Contains(got, FileName) {
		t.Errorf("given away after a restore: %q", got)
	}
}

// fakeOwners has a user to whom a folder belongs, and root to whom everything in it does.
type fakeOwners struct {
	home  string
	root  bool
	owner int
	given map[string]bool
}

func (f *fakeOwners) ownership() ownership {
	system := systemOwnership()
	return ownership{
		root: func() bool { return f.root },
		of: func(info fs.FileInfo) (owner, bool) {
			o, ok := system.of(info)
			home, err := os.Stat(f.home)
			o.uid = 0
			if name := info.Name(); err == nil && os.SameFile(home, info) || f.given[name] {
				o.uid = f.owner
			}
			return o, ok
		},
		give: func(file *os.File, _ owner) error {
			f.given[filepath.Base(file.Name())] = true
			rel, err := filepath.Rel(f.home, file.Name())
			f.given["/"+rel] = true
			return err
		},
	}
}

// names gives what was given away.
func (f *fakeOwners) names() string {
	var names []string
	for n := range f.given {
		if rel, found := strings.CutPrefix(n, "/"); found {
			names = append(names, strings.TrimPrefix(rel, "made/deep/"))
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
