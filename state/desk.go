package state

import (
	"encoding/binary"
	"errors"
	"fmt"

	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

// Desk loads what is remembered of the notices to services outside, with the letters that
// have not arrived yet in their order. found is false where nothing was ever kept.
func (db *DB) Desk() (d run.Desk, letters []run.Letter, found bool, err error) {
	err = db.view("load notices", func(tx *bbolt.Tx) (err error) {
		d, letters, found, err = readDesk(tx)
		return err
	})
	if err != nil {
		return run.Desk{}, nil, false, err
	}
	return d, letters, found, nil
}

func readDesk(tx *bbolt.Tx) (d run.Desk, letters []run.Letter, found bool, err error) {
	x := find(tx, bucketNotices)
	if found, err = x.getJSON([]byte(keyHead), &d); err != nil {
		return d, nil, false, err
	}
	err = x.each(func(key, payload []byte) error {
		if string(key) == keyHead {
			return nil
		}
		var l run.Letter
		if err := fromJSON(payload, &l); err != nil {
			return err
		}
		if len(key) != 8 || binary.BigEndian.Uint64(key) != l.Seq {
			return errors.New("the key is not the number of the letter")
		}
		if l.Seq > d.Last {
			return fmt.Errorf("letter %d comes after the last one, %d", l.Seq, d.Last)
		}
		letters = append(letters, l)
		return nil
	})
	return d, letters, found, err
}

// SaveDesk stores in one transaction what is remembered of notices, the letters that were
// written, and that others have arrived or were given up. One that was written before is
// replaced.
func (db *DB) SaveDesk(d run.Desk, put []run.Letter, drop []uint64) error {
	return db.update("save notices", func(tx *bbolt.Tx) error {
		x, err := makeBox(tx, bucketNotices)
		if err != nil {
			return err
		}
		for i := range put {
			l := put[i]
			l.At, l.Since = l.At.UTC(), l.Since.UTC()
			if err := x.putJSON(sequence(l.Seq), l); err != nil {
				return err
			}
		}
		for _, seq := range drop {
			if err := x.delete(sequence(seq)); err != nil {
				return err
			}
		}
		return x.putJSON([]byte(keyHead), d)
	})
}

// DropDesk forgets everything about notices, once nobody is told any more.
func (db *DB) DropDesk() error {
	return db.update("drop notices", func(tx *bbolt.Tx) error {
		if find(tx, bucketNotices) != nil {
			if err := tx.DeleteBucket([]byte(bucketNotices)); err != nil {
				return fmt.Errorf("drop notices: %w", err)
			}
		}
		_, err := makeBox(tx, bucketNotices)
		return err
	})
}

// checkDesk reads all of it.
func (db *DB) checkDesk() error {
	_, _, _, err := db.Desk()
	return err
}
