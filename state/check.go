package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"groupsyncd/internal/fault"

	"go.etcd.io/bbolt"
)

// Check reads the whole state: every page, every checksum, bbolt's own check, and every
// record as it is read in use. It holds up writes while bbolt's check runs. What is found
// damaged is not written to any more.
func (db *DB) Check(ctx context.Context) error {
	err := db.checkAll(ctx)
	if fault.KindOf(err) == fault.Damaged {
		db.stop(err)
	}
	return err
}

func (db *DB) checkAll(ctx context.Context) error {
	if !db.ours() {
		return db.checkTree(ctx) // Its pages were walked when it was opened.
	}
	if err := db.checkReachable(ctx); err != nil {
		return err
	}
	if err := db.checkTree(ctx); err != nil {
		return err
	}
	return db.checkRecords(ctx)
}

// checkReachable walks the pages that belong to one read transaction, as checkPages
// does before the file is opened.
func (db *DB) checkReachable(ctx context.Context) error {
	return db.view("check state", func(tx *bbolt.Tx) error {
		size := db.bolt.Info().PageSize
		w := newWalker(ctx, db.file, size, uint64(tx.Size())/uint64(size))
		err := w.page(uint64(tx.Cursor().Bucket().RootPage()), nil, 0)
		switch err = errors.Join(err, w.bad, w.foreign); {
		case ctx.Err() != nil:
			return fmt.Errorf("check state: %w", ctx.Err())
		case err != nil:
			return damaged("check state", db.path, err)
		}
		return nil
	})
}

// checkTree runs bbolt's own check. It runs in a goroutine of bbolt, where a fault could
// not be caught, so it comes after a walk that has proved all pages to be there.
func (db *DB) checkTree(ctx context.Context) error {
	db.writes.Lock()
	defer db.writes.Unlock()
	var found []error
	err := db.view("check state", func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			if len(found) < 5 {
				found = append(found, err)
			}
		}
		return ctx.Err()
	})
	if err == nil && len(found) > 0 {
		return damaged("check state", db.path, errors.Join(found...))
	}
	return err
}

// checkRecords loads everything as it is loaded in use.
func (db *DB) checkRecords(ctx context.Context) error {
	var sources, targets, pushed, runs []string
	err := db.view("check state", func(tx *bbolt.Tx) error {
		sources, targets, pushed = subBuckets(tx, bucketReplica), subBuckets(tx, bucketTarget), subBuckets(tx, bucketPushed)
		return find(tx, bucketRuns).each(func(key, _ []byte) error {
			runs = append(runs, string(key))
			return nil
		})
	})
	if err != nil {
		return err
	}
	each := func(names []string, load func(string) error) error {
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("check state: %w", err)
			}
			if err := load(name); err != nil {
				return err
			}
		}
		return nil
	}
	_, err = db.Sources()
	_, bad := db.chain(nil)
	_, sick := db.Health()
	_, old := db.Applied()
	return errors.Join(err, bad, sick, old, db.checkDeliveries(), db.checkDesk(),
		each(sources, func(s string) error { _, err := db.Replica(s); return err }),
		each(pushed, db.checkPushed),
		each(targets, func(t string) error { _, err := db.Memory(t); return err }),
		each(targets, func(t string) error { _, err := db.Open(t); return err }),
		each(runs, func(r string) error {
			_, err := db.Run(r)
			if fault.KindOf(err) == fault.NotFound {
				return nil // It was dropped as the oldest in the meantime.
			}
			return err
		}))
}

// subBuckets names the buckets in one of the root buckets.
func subBuckets(tx *bbolt.Tx, root string) []string {
	var names []string
	if x := find(tx, root); x != nil {
		_ = x.b.ForEachBucket(func(name []byte) error { // The function never fails.
			names = append(names, string(name))
			return nil
		})
	}
	return names
}

// Backup writes a copy of the state as it is now to a new file, which is there only
// when the copy was read back and checked whole. Writes go on meanwhile.
func (db *DB) Backup(ctx context.Context, path string) error {
	return db.copyTo(ctx, path, db.opts.target)
}

// copyTo writes a checked copy of a state of that version.
func (db *DB) copyTo(ctx context.Context, path string, version int) error {
	fail := func(err error) error {
		if err == nil || fault.KindOf(err) != 0 {
			return err
		}
		if noSpace(err) {
			return full(path, err)
		}
		return fault.New(fault.Unavailable, "back up state", path, err, "")
	}
	if _, err := os.Lstat(path); err == nil {
		return fault.New(fault.Conflict, "back up state", path, errors.New("the file exists already"), "Name a file that does not exist yet.")
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if err != nil {
		return fail(err)
	}
	part := f.Name()
	defer func() { _ = os.Remove(part) }() // The copy goes on under its own name.
	err = db.view("back up state", func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fail(err)
	}
	if err := verify(ctx, part, version, db.opts); err != nil {
		return fail(err)
	}
	if err := os.Link(part, path); err != nil {
		return fail(err)
	}
	return fail(syncFolder(filepath.Dir(path)))
}

// Verify opens a copy of a state read-only and checks it whole.
func Verify(ctx context.Context, path string) error {
	return verify(ctx, path, schemaVersion, Options{}.withDefaults())
}

// verify checks a copy; the records of an older version are checked by their sums only.
func verify(ctx context.Context, path string, version int, opts Options) error {
	opts.ReadOnly = true
	opts.Dir = filepath.Dir(path)
	f, err := lockFile(ctx, path, opts)
	if err != nil {
		return err
	}
	db, err := openLocked(ctx, f, path, opts)
	if err != nil {
		return err
	}
	if db.version != version {
		err = damaged("check copy of state", path, fmt.Errorf("it has schema version %d instead of %d", db.version, version))
	}
	if err == nil {
		err = db.checkTree(ctx)
	}
	if err == nil && version == opts.target {
		err = db.checkRecords(ctx)
	}
	return errors.Join(err, db.Close())
}
