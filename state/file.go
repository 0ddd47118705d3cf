package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"groupsyncd/internal/fault"

	"go.etcd.io/bbolt"
)

// holderName is the file in the state folder that names the process holding it.
const holderName = "lock"

// lockRetry is the pause between two attempts to get the lock.
const lockRetry = 50 * time.Millisecond

// prepareFolder makes the state folder and refuses one on a file system whose locks
// and memory maps cannot be relied on.
func prepareFolder(opts Options) error {
	if opts.Dir == "" {
		return invalidFolder("", errors.New("no folder is named"), "")
	}
	if !opts.ReadOnly {
		if err := makeFolder(opts.Dir, opts.owners); err != nil {
			return invalidFolder(opts.Dir, err, "Make the folder, or let the user that runs the program make it.")
		}
	}
	switch kind, err := opts.fsKind(opts.Dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "open state", opts.Dir, errors.New("there is no state yet"), "")
	case err != nil:
		return invalidFolder(opts.Dir, err, "")
	case kind != "":
		return invalidFolder(opts.Dir, fmt.Errorf("it is on a file system of the kind %s", kind), hintNetwork)
	}
	return nil
}

// ensureFile makes a new state where no file is. It is written under another name,
// checked, and only then given its own, so that a crash leaves a whole file or none.
func ensureFile(ctx context.Context, path string, opts Options) error {
	info, err := os.Lstat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return damaged("open state", path, errors.New("it is not a regular file"))
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return invalidFolder(opts.Dir, err, "")
	case opts.ReadOnly:
		return fault.New(fault.NotFound, "open state", path, errors.New("there is no state yet"), "")
	}
	if err := create(ctx, path, opts); err != nil {
		if noSpace(err) {
			return full(path, err)
		}
		return fault.New(fault.Damaged, "create state", path, err, "")
	}
	opts.Logger.Info("state created", "path", path)
	return nil
}

func create(ctx context.Context, path string, opts Options) error {
	f, err := os.CreateTemp(filepath.Dir(path), FileName+".new-*")
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	fresh := f.Name()
	defer func() { _ = os.Remove(fresh) }() // The file goes on under its own name.
	if err := f.Close(); err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	b, err := bbolt.Open(fresh, 0o600, &bbolt.Options{Timeout: time.Second, NoSync: opts.NoSync, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	b.AllocSize = growStep
	err = b.Update(func(tx *bbolt.Tx) error { return writeSchema(tx, opts.target, opts.Now()) })
	if err = errors.Join(err, b.Close()); err != nil {
		return fmt.Errorf("write schema: %w", err)
	}
	if err := checkFresh(ctx, fresh, opts.target); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	// A link never replaces a file, so of two processes that start together one wins
	// and the other goes on with its file.
	if err := os.Link(fresh, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("give the file its name: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

func checkFresh(ctx context.Context, path string, version int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = checkPages(ctx, f, version)
	return errors.Join(err, f.Close())
}

// syncFolder makes a new name in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// lockFile opens the file and waits until it has the lock and the file is still the one
// with that name: a restore may have put another in its place meanwhile.
func lockFile(ctx context.Context, path string, opts Options) (*os.File, error) {
	flag, how := os.O_RDWR, syscall.LOCK_EX
	if opts.ReadOnly {
		flag, how = os.O_RDONLY, syscall.LOCK_SH
	}
	deadline := time.Now().Add(opts.Timeout)
	for {
		f, err := os.OpenFile(path, flag, 0)
		if err != nil {
			return nil, fault.New(fault.Damaged, "open state", path, err, "The user that runs the program must be able to read and write the file.")
		}
		err = waitLock(ctx, f, how|syscall.LOCK_NB, deadline)
		if err != nil {
			if errors.Is(err, syscall.EWOULDBLOCK) {
				err = locked(f, path, opts)
			} else {
				err = fmt.Errorf("lock state: %w", err)
			}
			release(f)
			return nil, err
		}
		mine, err := f.Stat()
		if err == nil {
			var named fs.FileInfo
			if named, err = os.Stat(path); err == nil && os.SameFile(mine, named) {
				return f, tighten(f, mine, opts)
			}
		}
		release(f)
		if err != nil {
			return nil, damaged("open state", path, err)
		}
	}
}

// tighten takes the file away from everybody else, as after a restore by hand.
func tighten(f *os.File, info fs.FileInfo, opts Options) error {
	if opts.ReadOnly || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := f.Chmod(0o600); err != nil {
		release(f)
		return invalidFolder(f.Name(), err, "The file holds personal data and must belong to the user that runs the program.")
	}
	opts.Logger.Warn("state was readable by others", "path", f.Name(), "mode", info.Mode().Perm().String())
	return nil
}

// waitLock tries to get the lock until the deadline; EWOULDBLOCK means somebody has it.
func waitLock(ctx context.Context, f *os.File, how int, deadline time.Time) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		if !time.Now().Before(deadline) {
			return syscall.EWOULDBLOCK
		}
		pause := time.NewTimer(lockRetry)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

// locked says who holds the file, as far as that can be found out.
func locked(f *os.File, path string, opts Options) error {
	who := "another process"
	pid := lockHolder(f)
	if pid == 0 {
		pid = notedHolder(opts)
	}
	if pid > 0 {
		who = "process " + strconv.Itoa(pid)
		if name := processName(pid); name != "" {
			who += " (" + name + ")"
		}
	}
	cause := fmt.Errorf("%w by %s", ErrLocked, who)
	if opts.Timeout > 0 {
		cause = fmt.Errorf("%w, still after %s", cause, opts.Timeout)
	}
	return fault.New(fault.Damaged, "open state", path, cause, hintLocked)
}

// noteHolder writes our number beside the state for messages of other processes. The
// lock itself is on the state; without the note they only know less.
func noteHolder(opts Options) {
	path := filepath.Join(opts.Dir, holderName)
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		opts.Logger.Debug("note of the process holding the state not written", "path", path, "err", err)
	}
}

func forgetHolder(opts Options) {
	if notedHolder(opts) == os.Getpid() {
		_ = os.Remove(filepath.Join(opts.Dir, holderName)) // A note that stays is only of no use.
	}
}

func notedHolder(opts Options) int {
	text, err := os.ReadFile(filepath.Join(opts.Dir, holderName))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}
