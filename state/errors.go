package state

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"groupsyncd/internal/fault"

	berrors "go.etcd.io/bbolt/errors"
)

// The reasons that callers tell apart. Errors that carry one have the kind
// fault.Damaged, because the state cannot be used as it is, but for ErrReadOnly.
var (
	// ErrLocked: another process holds the state.
	ErrLocked = errors.New("the state is in use")
	// ErrFull: the disk, or the largest allowed size, leaves no room for the change.
	// What was stored before stays, and smaller changes and deletions still work.
	ErrFull = errors.New("no room for the change")
	// ErrNewer: the state was written by a newer version of the program.
	ErrNewer = errors.New("the state is newer than this program")
	// ErrReadOnly: the state was opened to look at it.
	ErrReadOnly = errors.New("the state is open for reading only")
	// ErrStopped: an earlier failure left it open what the disk holds, so that
	// nothing more is written until the state was opened, and thereby checked, again.
	ErrStopped = errors.New("writing to the state was stopped by an earlier failure")
)

const (
	hintDamaged = "Put a backup in its place while the program is stopped: groupsyncd state restore FILE, which keeps the damaged file for inspection; " +
		"backups are in the folder backups beside it. Without a backup, move it away: " +
		"a new state owns nothing, so nothing is taken from anybody, and what the directory grants is adopted again."
	hintStopped = "Restart the program; it checks the file before it uses it. Look for errors of the disk in the system log."
	hintLocked  = "Stop that process, or use it: commands go through a running daemon by themselves. Only one process can have the state open."
	hintFull    = "Make room on the disk of the state folder; the next run repeats what is missing."
	hintTooBig  = "Stop the program and run: groupsyncd state compact. What is stored stays, and nothing is changed in Open WebUI until there is room."
	hintFolder  = "The user that runs the program must be able to read and write the folder."
	hintNewer   = "Use a program of the version that wrote the state, or put a backup from before the update in its place."
	hintNetwork = "Keep the state on a local disk: locks and memory maps of a shared or network file system cannot be relied on."
)

// damaged makes the error for a file that must not be used.
func damaged(op, path string, err error) error {
	return fault.New(fault.Damaged, op, path, err, hintDamaged)
}

// asDamaged gives the errors of decoding their kind; others stay as they are.
func asDamaged(op, path string, err error) error {
	if err == nil || fault.KindOf(err) != 0 {
		return err
	}
	if _, ok := errors.AsType[*recordError](err); ok {
		return damaged(op, path, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}

// full makes the error for a change that found no room.
func full(path string, err error) error {
	return fault.New(fault.Damaged, "write state", path, fmt.Errorf("%w: %w", ErrFull, err), hintFull)
}

// overLimit makes the error for a change that would make the file larger than allowed.
func overLimit(path string, limit int, err error) error {
	return fault.New(fault.Damaged, "write state", path, fmt.Errorf("%w: the file would grow beyond its limit of %d MiB: %w", ErrFull, limit>>20, err), hintTooBig)
}

// outOfRoom reports whether a commit failed because a page could not be written for
// want of room. An error of fdatasync is none of these: after one, the kernel may
// believe pages to be stored that are not.
func outOfRoom(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Op == "write" &&
		noSpace(err)
}

// tooBig reports whether the largest allowed size was reached.
func tooBig(err error) bool { return errors.Is(err, berrors.ErrMaxSizeReached) }

// noSpace reports whether a write failed because the disk, a quota or a limit on the
// size of files is used up.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
