package state

import (
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Rest lets go of the pages of the file that were looked at. They count as memory of the
// process until somebody else needs the room; whoever looks at them again gets them from the
// system's memory meanwhile, and not from the disk.
func (db *DB) Rest() error {
	// The map of the file stays where it is while somebody reads.
	return db.view("rest", func(tx *bbolt.Tx) error {
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, db.bolt.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
		if errno != 0 {
			return errno
		}
		return nil
	})
}
