package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// A command that root starts must not leave files behind that the user of the daemon cannot
// open. What root makes in a state folder of somebody else is given to whoever has the
// folder.

// ownership is how files are looked at and given away; tests replace it.
type ownership struct {
	root func() bool
	of   func(fs.FileInfo) (owner, bool)
	give func(f *os.File, to owner) error
}

type owner struct {
	uid, gid int
	// links counts the names of a file.
	links int
}

func systemOwnership() ownership {
	return ownership{
		root: func() bool { return os.Geteuid() == 0 },
		of: func(info fs.FileInfo) (owner, bool) {
			st, ok := info.Sys().(*syscall.Stat_t)
			if !ok {
				return owner{}, false
			}
			return owner{int(st.Uid), int(st.Gid), int(st.Nlink)}, true
		},
		give: func(f *os.File, to owner) error { return f.Chown(to.uid, to.gid) },
	}
}

// makeFolder makes a folder with what is missing above it.
func makeFolder(dir string, o ownership) error {
	var missing []string
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		missing = append(missing, at)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, made := range slices.Backward(missing) {
		if err := o.handOver(made, filepath.Dir(made)); err != nil {
			return err
		}
	}
	return nil
}

// handOver gives what we made in the state folder to whoever has the folder. That it
// cannot be given away is no reason not to work with it.
func handOver(opts Options) {
	if err := opts.owners.handOverAll(opts.Dir); err != nil {
		opts.Logger.Warn("state not given to the owner of its folder", "path", opts.Dir, "err", err)
	}
}

func (o ownership) handOverAll(dir string) error {
	if !o.root() {
		return nil
	}
	var errs []error
	for _, folder := range []string{dir, filepath.Join(dir, BackupFolder)} {
		list, err := os.ReadDir(folder)
		if err != nil {
			continue // There is none.
		}
		for _, e := range list {
			if folder == dir && !partOfState(e.Name()) || !e.Type().IsRegular() && !e.IsDir() {
				continue
			}
			if err := o.handOver(filepath.Join(folder, e.Name()), dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func partOfState(name string) bool {
	return strings.HasPrefix(name, FileName) || name == AuditKeyName || name == holderName || name == BackupFolder
}

// handOver gives a file or folder of root to the owner of another one. It follows no link,
// and leaves alone what has a second name: that may be a file of the system to which
// somebody made a name here.
func (o ownership) handOver(path, like string) error {
	if !o.root() {
		return nil
	}
	model, err := os.Stat(like)
	if err != nil {
		return err
	}
	to, ok := o.of(model)
	if !ok || to.uid == 0 {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		is, known := o.of(info)
		whole := info.IsDir() || info.Mode().IsRegular() && is.links == 1
		if known && is.uid == 0 && whole {
			err = o.give(f, to)
		}
	}
	return errors.Join(err, f.Close())
}
