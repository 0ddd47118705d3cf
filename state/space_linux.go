package state

import (
	"os"

	"golang.org/x/sys/unix"
)

// Space gives how many bytes a user without privileges may still write to the disk that
// a folder is on.
func Space(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // Both are narrower on some processors.
}
