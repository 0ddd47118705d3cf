package state

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"groupsyncd/internal/fault"

	"go.etcd.io/bbolt"
)

// guard runs fn so that a page that cannot be what it claims, or cannot be read at
// all, ends as an error and not the process: bbolt panics on the first, and a fault in
// its memory map is a signal. It covers the calling goroutine only.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p}
		}
	}()
	return fn()
}

// panicError is what guard caught.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("the file cannot be read: %v", e.value) }

// view runs fn in a read transaction. What fn keeps it must copy, and it makes no slow
// calls: an old reader keeps pages from being used again and can hold up the writer.
func (db *DB) view(op string, fn func(*bbolt.Tx) error) error {
	id, err := db.beginReader(op)
	if err != nil {
		return err
	}
	defer db.endReader(id)
	err = guard(func() error { return db.bolt.View(fn) })
	if p, ok := errors.AsType[*panicError](err); ok {
		db.stop(p)
		return damaged(op, db.path, p)
	}
	return asDamaged(op, db.path, err)
}

// update runs fn in the write transaction; when it returns without an error the change
// is on the disk. An error of fn changes nothing.
func (db *DB) update(op string, fn func(*bbolt.Tx) error) error {
	db.writes.Lock()
	defer db.writes.Unlock()
	if db.opts.ReadOnly {
		return fmt.Errorf("%s: %w", op, ErrReadOnly)
	}
	if err := db.Err(); err != nil {
		return err
	}
	var refused error
	err := guard(func() error {
		return db.bolt.Update(func(tx *bbolt.Tx) error {
			if refused = fn(tx); refused == nil {
				db.opts.Step("before " + op)
			}
			return refused
		})
	})
	if err == nil {
		db.opts.Step("after " + op)
	}
	if _, ok := errors.AsType[*panicError](err); err == nil || refused != nil && !ok {
		return asDamaged(op, db.path, err)
	}
	return db.commitFailed(op, err)
}

// commitFailed sorts the errors of a commit. For want of room nothing was changed, and
// the two head pages prove it; after anything else nobody knows what the disk holds.
func (db *DB) commitFailed(op string, err error) error {
	if p, ok := errors.AsType[*panicError](err); ok {
		db.stop(p)
		return damaged(op, db.path, p)
	}
	if tooBig(err) {
		return overLimit(db.path, db.opts.MaxSize, err)
	}
	if outOfRoom(err) && db.unchanged() {
		return full(db.path, err)
	}
	db.stop(err)
	return fault.New(fault.Damaged, op, db.path, err, hintStopped)
}

// unchanged reports whether the file's head is still the one that bbolt goes on with.
func (db *DB) unchanged() bool {
	pages, err := readHeads(db.file)
	if err != nil {
		return false
	}
	same := false
	err = guard(func() error {
		return db.bolt.View(func(tx *bbolt.Tx) error {
			same = uint64(tx.ID()) == pages.txid
			return nil
		})
	})
	return err == nil && same
}

// stop refuses all writes from now on.
func (db *DB) stop(cause error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.stopped == nil {
		db.stopped = cause
	}
	if _, ok := errors.AsType[*panicError](cause); ok {
		db.broken = true
	}
}

// Err gives the failure after which nothing is written any more, nil while all is well.
func (db *DB) Err() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	switch {
	case db.closed:
		return fmt.Errorf("write state: %w", os.ErrClosed)
	case db.stopped == nil:
		return nil
	}
	return fault.New(fault.Damaged, "write state", db.path, fmt.Errorf("%w: %w", ErrStopped, db.stopped), hintStopped)
}

// beginReader refuses a state that is closed or broken.
func (db *DB) beginReader(op string) (uint64, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	switch {
	case db.closed:
		return 0, fmt.Errorf("%s: %w", op, os.ErrClosed)
	case db.broken:
		return 0, fault.New(fault.Damaged, op, db.path, db.stopped, hintStopped)
	}
	db.lastReader++
	db.readers[db.lastReader] = time.Now()
	return db.lastReader, nil
}

func (db *DB) endReader(id uint64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.readers, id)
}
