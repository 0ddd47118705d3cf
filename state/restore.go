package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// RestoreOptions say what is put in the place of the state, and who does it.
type RestoreOptions struct {
	// From is the backup; Identity the file with the secret key of an encrypted one.
	From, Identity string
	By             string
}

// Restored says what a restore came to.
type Restored struct {
	Path, From string
	// At is when the backup was made, as far as its name or its file says.
	At       time.Time
	Instance string
	// Kept is where the state is now that was there before; empty when there was none.
	// Damage says what was wrong with it.
	Kept, Damage string
	// Dropped counts the approvals of the backup that do not hold any more.
	Dropped int
}

const (
	hintBackup    = "Nothing was changed. Take another backup; those that the program made are in the folder backups beside the state."
	hintNewBackup = "Nothing was changed. Use a program of the version that wrote the backup, or take an older backup."
)

// Restore puts a backup in the place of the state. The backup is copied beside the state
// and checked completely before anything is touched; what was there is kept in the folder
// of backups, whole or damaged as it is. The lock is ours all the time.
func Restore(ctx context.Context, opts Options, r RestoreOptions) (res *Restored, err error) {
	opts = opts.withDefaults()
	if err := prepareFolder(opts); err != nil {
		return nil, err
	}
	path := filepath.Join(opts.Dir, FileName)
	defer handOver(opts)
	res = &Restored{Path: path, From: r.From}
	if res.At, err = backupTime(r.From, path); err != nil {
		return nil, err
	}
	held, err := holdPlace(ctx, path, opts)
	if err != nil {
		return nil, err
	}
	if held != nil {
		defer release(held)
	}
	sweep(opts.Dir)
	fresh, err := workName(opts.Dir, workRestore)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(fresh) }() // The file goes on under its own name.
	if err := fetch(ctx, r, fresh); err != nil {
		return nil, err
	}
	if err := res.prepare(ctx, fresh, opts, r.By); err != nil {
		return nil, refused(r.From, err)
	}
	if held != nil {
		if _, err := checkPages(ctx, held, opts.target); err != nil {
			res.Damage = err.Error()
		}
		if res.Kept, err = setAside(path, opts); err != nil {
			return nil, err
		}
		return res, replaceFile(fresh, path)
	}
	// A link never replaces a file that somebody made meanwhile.
	if err := os.Link(fresh, path); err != nil {
		return nil, fault.New(fault.Damaged, "restore state", path, err, "Is a daemon starting? Stop it and repeat the command.")
	}
	return res, syncFolder(opts.Dir)
}

// backupTime looks at the file that is to be restored, and gives its age.
func backupTime(from, path string) (time.Time, error) {
	info, err := os.Stat(from)
	switch {
	case err != nil:
		return time.Time{}, fault.New(fault.Invalid, "read backup", from, pathCause(err), hintBackup)
	case !info.Mode().IsRegular():
		return time.Time{}, fault.New(fault.Invalid, "read backup", from, errors.New("it is not a regular file"), hintBackup)
	}
	if now, err := os.Stat(path); err == nil && os.SameFile(info, now) {
		return time.Time{}, fault.New(fault.Invalid, "read backup", from, errors.New("this is the state itself"), "Name a backup of it.")
	}
	if c, ok := named(filepath.Base(from)); ok {
		return c.At, nil
	}
	return info.ModTime().UTC().Truncate(time.Second), nil
}

// pathCause takes the name out of an error that will be shown beside it.
func pathCause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// holdPlace locks the state that is there, whatever is in it; nil when there is none.
func holdPlace(ctx context.Context, path string, opts Options) (*os.File, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // No state is no failure.
	case err != nil:
		return nil, invalidFolder(opts.Dir, err, "")
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Damaged, "restore state", path, errors.New("what is there is not a regular file"), "Move it away first.")
	}
	return lockFile(ctx, path, opts)
}

// prepare brings the copy of the backup to our version, writes into it that it was
// restored, and checks it then as a whole, with every record as it is read in use.
func (res *Restored) prepare(ctx context.Context, fresh string, opts Options, by string) (err error) {
	f, err := lockFile(ctx, fresh, opts)
	if err != nil {
		return err
	}
	db, err := openLocked(ctx, f, fresh, opts)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, db.Close()); err == nil {
			err = verify(ctx, fresh, opts.target, opts)
		}
	}()
	if err := db.start(ctx); err != nil {
		return err
	}
	res.Instance = db.Instance()
	if res.Dropped, err = db.dropApprovals(); err != nil {
		return err
	}
	now := opts.Now()
	if err := db.doubtPushed(res.At, now); err != nil {
		return err
	}
	return db.Note(run.Event{At: now.UTC(), Kind: run.EventRestored, By: by, Count: res.Dropped,
		Detail: "from " + res.From + ", made " + res.At.Format(time.RFC3339) + ", " + now.Sub(res.At).Round(time.Second).String() + " before"})
}

// dropApprovals ends every approval: some of the changes that they let through may have
// been made since the backup, and each was to be made once.
func (db *DB) dropApprovals() (int, error) {
	targets, err := db.Targets()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, t := range targets {
		m, err := db.Memory(t)
		if err != nil {
			return 0, err
		}
		if len(m.Approvals) == 0 {
			continue
		}
		n += len(m.Approvals)
		m.Approvals = nil
		if err := db.SaveMemory(m, plan.Dirty{Approvals: true}); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// refused names the backup in place of the copy that was looked at.
func refused(from string, err error) error {
	if fault.KindOf(err) == fault.Canceled || errors.Is(err, ErrFull) {
		return err
	}
	hint, cause := hintBackup, err
	if errors.Is(err, ErrNewer) {
		hint = hintNewBackup
	}
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Err != nil {
		cause = e.Err
	}
	return fault.New(fault.Damaged, "check backup", from, cause, hint)
}

// setAside keeps the file that is there under another name as well, so that at every
// moment there is a state.
func setAside(path string, opts Options) (string, error) {
	folder := filepath.Join(opts.Dir, BackupFolder)
	fail := func(err error) (string, error) {
		return "", fault.New(fault.Damaged, "keep the state that is there", folder, err, hintFolder)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fail(err)
	}
	begin := filepath.Join(folder, "before-restore-"+opts.Now().UTC().Format(stamp))
	kept := begin + ".db"
	for n := 2; absent(kept) != nil; n++ {
		kept = begin + "-" + strconv.Itoa(n) + ".db"
	}
	if err := os.Link(path, kept); err != nil {
		// The folder is on another disk, or the file system has no links.
		if err := copyRaw(path, kept); err != nil {
			return fail(err)
		}
	}
	if err := syncFolder(folder); err != nil {
		return fail(err)
	}
	return kept, nil
}

func copyRaw(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("copy: %w", errors.Join(err, os.Remove(to)))
	}
	return nil
}
