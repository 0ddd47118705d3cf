package state

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

// pruneStep is how many records one transaction drops.
const pruneStep = 20_000

// PruneAudit drops the oldest records, those from before a time, and gives their number.
// The last of them stays known by its number and hash, and a record says that they went.
func (db *DB) PruneAudit(before time.Time) (int, error) {
	total := 0
	for {
		n, err := db.pruneSome(before)
		total += n
		if err != nil || n < pruneStep {
			return total, err
		}
	}
}

func (db *DB) pruneSome(before time.Time) (int, error) {
	gone, told := 0, []run.Event(nil)
	err := db.update("prune audit", func(tx *bbolt.Tx) error {
		gone = 0
		old, anchor, err := olderThan(tx, before)
		if err != nil || len(old) == 0 {
			return err
		}
		if err := find(tx, bucketAudit, partRecords).change(old); err != nil {
			return err
		}
		if err := find(tx, bucketAudit).putJSON([]byte(keyAnchor), anchor); err != nil {
			return err
		}
		gone = len(old)
		told = []run.Event{{At: db.opts.Now(), Kind: run.EventPruned, Hash: anchor.Hash, Count: gone,
			Detail: fmt.Sprintf("records up to %d, from before %s", anchor.Seq, before.UTC().Format(time.RFC3339))}}
		return db.appendEvents(tx, told)
	})
	if err != nil {
		return 0, err
	}
	db.audited(nil, told)
	return gone, nil
}

// olderThan gives the oldest records as far as all of them are from before a time, and
// what is to be known of the last of them. Only records that are in order are dropped: a
// damaged audit stays as it is.
func olderThan(tx *bbolt.Tx, before time.Time) ([]change, auditHead, error) {
	anchor, err := readAnchor(tx)
	if err != nil {
		return nil, anchor, err
	}
	x := find(tx, bucketAudit, partRecords)
	if x == nil {
		return nil, anchor, at(bucketAudit, partRecords).bad(nil, errors.New("the records are missing"))
	}
	var old []change
	c := x.b.Cursor()
	for key, value := c.First(); key != nil && len(old) < pruneStep; key, value = c.Next() {
		r, err := readRecord(x, key, value, anchor.Seq+1, anchor.Hash)
		if err != nil {
			return nil, anchor, err
		}
		if !r.Event.At.Before(before) {
			break
		}
		old = append(old, change{key: bytes.Clone(key)})
		anchor = auditHead{r.Seq, r.Hash}
	}
	return old, anchor, nil
}

// forwarded is how far the audit was passed on to somewhere.
type forwarded struct {
	To  string `json:"to"`
	Seq uint64 `json:"seq"`
}

// Forwarded gives the number of the last record that was passed on to a place; zero when
// none was, or when it went elsewhere before.
func (db *DB) Forwarded(to string) (uint64, error) {
	var f forwarded
	err := db.view("read audit", func(tx *bbolt.Tx) error {
		_, err := find(tx, bucketAudit).getJSON([]byte(keyForwarded), &f)
		return err
	})
	if err != nil || f.To != to {
		return 0, err
	}
	return f.Seq, nil
}

// SaveForwarded notes the number of the last record that was passed on.
func (db *DB) SaveForwarded(to string, seq uint64) error {
	return db.update("save audit cursor", func(tx *bbolt.Tx) error {
		x, err := makeBox(tx, bucketAudit)
		if err != nil {
			return err
		}
		return x.putJSON([]byte(keyForwarded), forwarded{to, seq})
	})
}

// OldestAudit gives the time of the oldest record that is kept; zero when there is none.
func (db *DB) OldestAudit() (time.Time, error) {
	var oldest time.Time
	err := db.view("read audit", func(tx *bbolt.Tx) error {
		x := find(tx, bucketAudit, partRecords)
		if x == nil {
			return nil
		}
		key, value := x.b.Cursor().First()
		if len(key) != 8 {
			return nil
		}
		payload, err := x.unseal(key, value)
		if err != nil {
			return err
		}
		r, err := decodeAudit(payload)
		if err != nil {
			return x.bad(key, err)
		}
		oldest = r.Event.At
		return nil
	})
	return oldest, err
}
