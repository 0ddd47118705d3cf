package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"groupsyncd/internal/fault"

	"github.com/oklog/ulid/v2"
	"go.etcd.io/bbolt"
)

// schema is the record with the version. Its form never changes, so that every version
// of the program can read the version of any state.
type schema struct {
	Version int `json:"version"`
}

// instance is who a state is.
type instance struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
}

// migration brings a state from the version before to the next, in one transaction.
type migration func(*bbolt.Tx) error

// migrations are the steps in order: the first leads from version 1 to version 2.
func migrations() []migration {
	return []migration{addAudit, addDeleted, addDeliveries, addSharing, addPushed, addNotices}
}

// addAudit leads to version 2, which has an audit. Members found after a lost state
// (lost/) came with it; a target without that bucket has none.
func addAudit(tx *bbolt.Tx) error { return makeAudit(tx) }

// addDeleted leads to version 3, whose replicas know what was deleted, and whom a group
// keeps although it was read without them: nobody yet.
func addDeleted(tx *bbolt.Tx) error {
	var w writer
	encodeDeleted(&w, nil, nil)
	var sources []string
	err := tx.Bucket([]byte(bucketReplica)).ForEachBucket(func(source []byte) error {
		sources = append(sources, string(source))
		return nil
	})
	for _, source := range sources {
		if err == nil {
			err = find(tx, bucketReplica, source).put([]byte(keyDeleted), w.b)
		}
	}
	return err
}

// addDeliveries leads to version 4, which remembers what webhooks brought.
func addDeliveries(tx *bbolt.Tx) error {
	_, err := makeBox(tx, bucketDeliveries)
	return err
}

// addSharing leads to version 5, which knows roles, resources and grants. A target without
// their buckets has none, so nothing has to be made: the version keeps programs away that
// would lose them.
func addSharing(*bbolt.Tx) error { return nil }

// addPushed leads to version 6, which keeps what providers put into sources.
func addPushed(tx *bbolt.Tx) error {
	_, err := makeBox(tx, bucketPushed)
	return err
}

// addNotices leads to version 7, which remembers what services outside were told of.
func addNotices(tx *bbolt.Tx) error {
	_, err := makeBox(tx, bucketNotices)
	return err
}

// writeSchema fills a new file.
func writeSchema(tx *bbolt.Tx, version int, now time.Time) error {
	for _, name := range rootBuckets() {
		if _, err := makeBox(tx, name); err != nil {
			return err
		}
	}
	if err := makeAudit(tx); err != nil {
		return err
	}
	id, err := ulid.New(ulid.Timestamp(now), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the id of the state: %w", err)
	}
	meta := find(tx, bucketMeta)
	if err := meta.putJSON([]byte(keyInstance), instance{ID: id.String(), Created: now.UTC()}); err != nil {
		return err
	}
	return meta.putJSON([]byte(keySchema), schema{version})
}

// checkVersion refuses a state that is newer than the program, or older than its oldest
// migration.
func (db *DB) checkVersion() error {
	switch {
	case db.version > db.opts.target:
		return fault.New(fault.Damaged, "open state", db.path,
			fmt.Errorf("%w: it has schema version %d, this program knows up to %d", ErrNewer, db.version, db.opts.target), hintNewer)
	case db.version < db.opts.target-len(db.opts.steps):
		return damaged("open state", db.path, fmt.Errorf("its schema version %d is unknown", db.version))
	}
	return nil
}

func readInstance(tx *bbolt.Tx) (instance, error) {
	var i instance
	found, err := find(tx, bucketMeta).getJSON([]byte(keyInstance), &i)
	if err == nil && !found {
		err = at(bucketMeta).bad([]byte(keyInstance), errors.New("it is missing"))
	}
	return i, err
}

// migrate applies the steps that are missing, after a copy of the file as it was.
func (db *DB) migrate(ctx context.Context) error {
	version := db.version
	if version == db.opts.target {
		return nil
	}
	if db.opts.ReadOnly {
		return fault.New(fault.Damaged, "open state", db.path,
			fmt.Errorf("it has schema version %d and must first be brought to %d", version, db.opts.target),
			"Start the daemon once, or run any command that writes.")
	}
	folder := filepath.Join(db.opts.Dir, BackupFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return invalidFolder(folder, err, "")
	}
	copied := filepath.Join(folder, fmt.Sprintf("before-version-%d-%s.db", db.opts.target, db.opts.Now().UTC().Format("20060102T150405.000Z")))
	if err := db.copyTo(ctx, copied, version); err != nil {
		return err
	}
	for ; version < db.opts.target; version++ {
		step := db.opts.steps[len(db.opts.steps)-(db.opts.target-version)]
		err := db.update("migrate state", func(tx *bbolt.Tx) error {
			if err := step(tx); err != nil {
				return fmt.Errorf("from version %d to %d: %w", version, version+1, err)
			}
			return find(tx, bucketMeta).putJSON([]byte(keySchema), schema{version + 1})
		})
		if err != nil {
			return fault.New(fault.Damaged, "migrate state", db.path, err, "The file is as it was before that step; a copy of the one before all steps is "+copied+".")
		}
		db.version = version + 1
		db.opts.Logger.Info("state migrated", "from", version, "to", version+1, "backup", copied)
	}
	return nil
}
