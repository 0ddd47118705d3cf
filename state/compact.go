package state

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"time"

	"groupsyncd/internal/fault"

	"go.etcd.io/bbolt"
)

// Compacted says what compacting came to.
type Compacted struct {
	Path          string
	Before, After int64
}

// compactBatch is how many bytes go into one transaction of the new file.
const compactBatch = 64 << 10

// Compact writes a state anew without its unused pages, checks the new file against the
// old one, and puts it in its place. The lock is ours from before the first read until the
// new file has its name, because whoever had the old file open would write into nothing.
func Compact(ctx context.Context, opts Options) (c *Compacted, err error) {
	opts = opts.withDefaults()
	db, err := openAlone(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.identify(ctx); err != nil {
		return nil, err
	}
	sweep(opts.Dir)
	stats, err := db.Stats()
	if err != nil {
		return nil, err
	}
	fresh, err := workName(opts.Dir, workCompact)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(fresh) }() // The file goes on under its own name.
	if err := db.writeCompact(ctx, fresh); err != nil {
		if noSpace(err) {
			return nil, full(db.path, err)
		}
		return nil, asDamaged("compact state", db.path, err)
	}
	info, err := os.Stat(fresh)
	if err != nil {
		return nil, fmt.Errorf("compact state: %w", err)
	}
	if err := replaceFile(fresh, db.path); err != nil {
		return nil, err
	}
	return &Compacted{Path: db.path, Before: stats.Size, After: info.Size()}, nil
}

// openAlone opens an existing state for writing, of whatever version up to ours, and does
// not change it.
func openAlone(ctx context.Context, opts Options) (*DB, error) {
	look := opts
	look.ReadOnly = true // Nothing is made.
	if err := prepareFolder(look); err != nil {
		return nil, err
	}
	path := filepath.Join(opts.Dir, FileName)
	if err := ensureFile(ctx, path, look); err != nil {
		return nil, err
	}
	f, err := lockFile(ctx, path, opts)
	if err != nil {
		return nil, err
	}
	return openLocked(ctx, f, path, opts)
}

// replaceFile puts a file in the place of another, durably. The caller has the lock.
func replaceFile(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fault.New(fault.Damaged, "put the new file in the place of the old one", to, err, hintFolder)
	}
	return syncFolder(filepath.Dir(to))
}

// writeCompact writes the new file and proves that it holds the same.
func (db *DB) writeCompact(ctx context.Context, fresh string) error {
	b, err := bbolt.Open(fresh, 0o600, &bbolt.Options{Timeout: time.Second, NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	b.AllocSize = growStep
	err = guard(func() error { return bbolt.Compact(b, db.bolt, compactBatch) })
	if err = errors.Join(err, b.Sync(), b.Close(), ctx.Err()); err != nil {
		return fmt.Errorf("write the new file: %w", err)
	}
	if err := verify(ctx, fresh, db.version, db.opts); err != nil {
		return err
	}
	return db.sameAs(ctx, fresh)
}

// sameAs compares every bucket, key and value with those of another file.
func (db *DB) sameAs(ctx context.Context, path string) error {
	opts := db.opts
	opts.ReadOnly = true
	f, err := lockFile(ctx, path, opts)
	if err != nil {
		return err
	}
	other, err := openLocked(ctx, f, path, opts)
	if err != nil {
		return err
	}
	mine, err := db.digest()
	theirs, otherErr := other.digest()
	if err := errors.Join(err, otherErr, other.Close()); err != nil {
		return err
	}
	if !bytes.Equal(mine, theirs) {
		return fault.New(fault.Damaged, "compact state", db.path, errors.New("the new file does not hold the same records"), "The old file is as it was.")
	}
	return nil
}

// digest is over everything that is stored, in order.
func (db *DB) digest() ([]byte, error) {
	sum := sha256.New()
	err := db.view("read state", func(tx *bbolt.Tx) error { return digestBucket(sum, tx.Cursor().Bucket()) })
	return sum.Sum(nil), err
}

func digestBucket(sum hash.Hash, b *bbolt.Bucket) error {
	part := func(kind byte, text []byte) {
		// A hash never fails.
		_, _ = sum.Write(binary.BigEndian.AppendUint64([]byte{kind}, uint64(len(text))))
		_, _ = sum.Write(text)
	}
	part('b', binary.BigEndian.AppendUint64(nil, b.Sequence()))
	err := b.ForEach(func(k, v []byte) error {
		part('k', k)
		if v == nil {
			return digestBucket(sum, b.Bucket(k))
		}
		part('v', v)
		return nil
	})
	part('e', nil)
	return err
}
