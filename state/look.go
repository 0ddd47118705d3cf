package state

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// Look opens an existing state to check or copy it as it is, while nobody writes. Unlike
// Open it neither makes nor changes anything, so that it takes one of an older version
// too. Errors are those of Open, and fault.NotFound when there is no state.
func Look(ctx context.Context, opts Options) (*DB, error) {
	opts.ReadOnly = true
	opts = opts.withDefaults()
	db, err := acquire(ctx, opts)
	if err != nil {
		return nil, err
	}
	if err := db.identify(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Missing reports whether a folder holds no state at all.
func Missing(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, FileName))
	return errors.Is(err, fs.ErrNotExist)
}

// identify runs bbolt's own check and reads who a state is.
func (db *DB) identify(ctx context.Context) error {
	if err := db.checkTree(ctx); err != nil {
		return err
	}
	return db.view("open state", func(tx *bbolt.Tx) (err error) {
		db.instance, err = readInstance(tx)
		return err
	})
}

// Version gives the version of the schema that the file has.
func (db *DB) Version() int { return db.version }

// ours reports whether the file has the version of this program. The records of an older
// one are checked by their sums, and not loaded.
func (db *DB) ours() bool { return db.version == db.opts.target }
