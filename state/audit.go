package state

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

// auditHead is where the audit ends, or, as the anchor, up to where it was dropped.
type auditHead struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// sequence gives the key of an audit record.
func sequence(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// makeAudit makes the empty audit. Its head is there from the beginning, so that an
// audit that was taken away as a whole is missed.
func makeAudit(tx *bbolt.Tx) error {
	if _, err := makeBox(tx, bucketAudit, partRecords); err != nil {
		return err
	}
	return find(tx, bucketAudit).putJSON([]byte(keyHead), auditHead{})
}

// appendEvents adds records to the audit, in the transaction of what they describe.
func (db *DB) appendEvents(tx *bbolt.Tx, events []run.Event) error {
	if len(events) == 0 {
		return nil
	}
	head, err := readAuditHead(tx)
	if err != nil {
		return err
	}
	x, err := makeBox(tx, bucketAudit, partRecords)
	if err != nil {
		return err
	}
	w := &writer{}
	for i := range events {
		r := run.AuditRecord{Seq: head.Seq + 1, Prev: head.Hash, Event: events[i]}
		if r.Event.At.IsZero() {
			r.Event.At = db.opts.Now()
		}
		w.b = w.b[:0]
		if err := encodeAudit(w, &r); err != nil {
			return err
		}
		if err := x.put(sequence(r.Seq), w.b); err != nil {
			return err
		}
		head = auditHead{r.Seq, r.Hash}
	}
	return find(tx, bucketAudit).putJSON([]byte(keyHead), head)
}

func readAuditHead(tx *bbolt.Tx) (auditHead, error) {
	var head auditHead
	x := find(tx, bucketAudit)
	found, err := x.getJSON([]byte(keyHead), &head)
	if err == nil && !found {
		err = at(bucketAudit).bad([]byte(keyHead), errors.New("it is missing"))
	}
	return head, err
}

// readAnchor gives the last record that was dropped by its age; none: zero.
func readAnchor(tx *bbolt.Tx) (auditHead, error) {
	var anchor auditHead
	_, err := find(tx, bucketAudit).getJSON([]byte(keyAnchor), &anchor)
	return anchor, err
}

// Note adds records about something that is not stored with the memory of a target.
func (db *DB) Note(events ...run.Event) error {
	if len(events) == 0 {
		return nil
	}
	err := db.update("write audit", func(tx *bbolt.Tx) error { return db.appendEvents(tx, events) })
	db.audited(err, events)
	return err
}

// audited tells who waits for new records that there are some.
func (db *DB) audited(err error, events []run.Event) {
	if err == nil && len(events) > 0 {
		select {
		case db.news <- struct{}{}:
		default: // It was told already and has not looked yet.
		}
	}
}

// Audited is sent to after records were added; it never holds more than one word.
func (db *DB) Audited() <-chan struct{} { return db.news }

// auditStep is how many records are read in one transaction when somebody slow may be
// at the other end.
const auditStep = 500

// Audit calls fn for every record from a number on, in order. A record is checked on its
// own and against the one before.
func (db *DB) Audit(from uint64, fn func(run.AuditRecord) error) error {
	for from = max(from, 1); ; {
		var some []run.AuditRecord
		err := db.view("read audit", func(tx *bbolt.Tx) (err error) {
			some, err = readAudit(tx, from, auditStep)
			return err
		})
		if err != nil {
			return err
		}
		for i := range some {
			if err := fn(some[i]); err != nil {
				return err
			}
			from = some[i].Seq + 1
		}
		if len(some) < auditStep {
			return nil
		}
	}
}

func readAudit(tx *bbolt.Tx, from uint64, most int) ([]run.AuditRecord, error) {
	x := find(tx, bucketAudit, partRecords)
	if x == nil {
		return nil, at(bucketAudit, partRecords).bad(nil, errors.New("the records are missing"))
	}
	anchor, err := readAnchor(tx)
	if err != nil {
		return nil, err
	}
	from = max(from, anchor.Seq+1)
	before := anchor.Hash
	if from > anchor.Seq+1 {
		payload, err := x.get(sequence(from - 1))
		if payload == nil || err != nil {
			return nil, err // Behind the end there is nothing.
		}
		if before, err = auditHash(payload); err != nil {
			return nil, x.bad(sequence(from-1), err)
		}
	}
	var list []run.AuditRecord
	c := x.b.Cursor()
	for key, value := c.Seek(sequence(from)); key != nil && len(list) < most; key, value = c.Next() {
		r, err := readRecord(x, key, value, from+uint64(len(list)), before)
		if err != nil {
			return nil, err
		}
		before = r.Hash
		list = append(list, r)
	}
	return list, nil
}

// readRecord reads a record that should have this number and follow a hash.
func readRecord(x *box, key, value []byte, seq uint64, before string) (run.AuditRecord, error) {
	if len(key) != 8 {
		return run.AuditRecord{}, x.bad(key, errors.New("the key is no number of an audit record"))
	}
	if n := binary.BigEndian.Uint64(key); n != seq {
		return run.AuditRecord{}, x.bad(sequence(seq), fmt.Errorf("it is missing: record %d comes next", n))
	}
	payload, err := x.unseal(key, value)
	if err != nil {
		return run.AuditRecord{}, err
	}
	r, err := decodeAudit(payload)
	if err != nil {
		return r, x.bad(key, err)
	}
	r.Seq, r.Prev = seq, before
	if r.Sum() != r.Hash {
		return r, x.bad(key, errors.New("its hash does not fit: it, or the record before it, was changed"))
	}
	return r, nil
}

// auditHash gives the hash of a stored record.
func auditHash(payload []byte) (string, error) {
	if len(payload) < auditHashSize {
		return "", errShort
	}
	return hex.EncodeToString(payload[:auditHashSize]), nil
}
