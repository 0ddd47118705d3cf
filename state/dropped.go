package state

import (
	"groupsyncd/internal/fault"

	"go.etcd.io/bbolt"
)

// Replicas gives the ids of the sources of which a replica is stored, sorted.
func (db *DB) Replicas() ([]string, error) { return db.names("load replicas", bucketReplica) }

// Targets gives the names of the targets of which something is remembered, sorted: those
// that are no longer configured too.
func (db *DB) Targets() ([]string, error) { return db.names("load targets", bucketTarget) }

func (db *DB) names(op, root string) ([]string, error) {
	var names []string
	err := db.view(op, func(tx *bbolt.Tx) error {
		names = subBuckets(tx, root)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

// DropReplica forgets what a source showed, and what was pushed into it. Its identity stays, so that it is known again
// when it is configured again. Whether nothing rests on it any more is for the caller to
// know.
func (db *DB) DropReplica(source string) error {
	if source == "" {
		return fault.Errorf(fault.Invalid, "drop replica", "", "the source has no id")
	}
	db.saves.Lock()
	defer db.saves.Unlock()
	delete(db.saved, source)
	db.mu.Lock()
	db.pushes[source]++ // Whoever has it open sees that it is empty now.
	db.mu.Unlock()
	return db.update("drop replica", func(tx *bbolt.Tx) error {
		for _, root := range []string{bucketReplica, bucketPushed} {
			x := find(tx, root)
			if x == nil || x.b.Bucket([]byte(source)) == nil {
				continue
			}
			if err := x.b.DeleteBucket([]byte(source)); err != nil {
				return err
			}
		}
		return nil
	})
}
