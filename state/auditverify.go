package state

import (
	"errors"
	"fmt"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

// VerifyAudit reads the whole audit: no record may be missing, changed or out of order;
// it begins at the first record or behind those that were dropped by their age, which a
// record of that says; and it ends where its head says. With known it proves too that the
// record of that head is among them and that the head was signed by this state. An error
// of the kind fault.Damaged names the first record that is wrong.
func (db *DB) VerifyAudit(known *run.AuditHead) (*run.AuditSummary, error) {
	key, err := db.auditKey()
	if err != nil {
		return nil, err
	}
	if known != nil && !key.signed(*known) {
		return nil, headError(known, errors.New("its signature was not made with the key of this state"),
			"Copy number, hash and signature whole. A head from before "+AuditKeyName+" was lost or replaced cannot be checked with the present key.")
	}
	s, err := db.chain(known)
	if err != nil {
		return nil, err
	}
	s.PublicKey, s.Head = key.public(), key.sign(s.Head)
	return s, proveHead(s, known)
}

// chain reads the whole audit without the key.
func (db *DB) chain(known *run.AuditHead) (*run.AuditSummary, error) {
	var s *run.AuditSummary
	err := db.view("verify audit", func(tx *bbolt.Tx) (err error) {
		s, err = verifyAudit(tx, known)
		return err
	})
	return s, err
}

func verifyAudit(tx *bbolt.Tx, known *run.AuditHead) (*run.AuditSummary, error) {
	x := find(tx, bucketAudit, partRecords)
	if x == nil {
		return nil, at(bucketAudit, partRecords).bad(nil, errors.New("the records are missing"))
	}
	head, err := readAuditHead(tx)
	if err != nil {
		return nil, err
	}
	anchor, err := readAnchor(tx)
	if err != nil {
		return nil, err
	}
	s := &run.AuditSummary{Pruned: anchor.Seq, PrunedHash: anchor.Hash, Head: run.AuditHead{Seq: head.Seq, Hash: head.Hash}}
	told, before, next := "", anchor.Hash, anchor.Seq+1
	c := x.b.Cursor()
	for key, value := c.First(); key != nil; key, value = c.Next() {
		r, err := readRecord(x, key, value, next, before)
		if err != nil {
			return nil, err
		}
		if s.First == 0 {
			s.First = r.Seq
		}
		if r.Event.Kind == run.EventPruned {
			told = r.Event.Hash
		}
		if known != nil && known.Seq == r.Seq && known.Hash != r.Hash {
			return nil, x.bad(key, errors.New("it is another record than the one that the given head is about"))
		}
		s.Last, before, next = r.Seq, r.Hash, next+1
	}
	switch {
	case next != head.Seq+1:
		return nil, x.bad(sequence(next), fmt.Errorf("it is missing: the audit should end with record %d", head.Seq))
	case before != head.Hash:
		return nil, x.bad(sequence(head.Seq), errors.New("it is not the record with which the audit should end"))
	case told != anchor.Hash:
		return nil, x.bad(sequence(anchor.Seq+1), errors.New("the records before it are gone, and no record says that they were dropped by their age"))
	}
	return s, nil
}

// proveHead looks for the place of a head that somebody kept.
func proveHead(s *run.AuditSummary, known *run.AuditHead) error {
	switch {
	case known == nil:
		return nil
	case known.Seq > s.Head.Seq:
		return headError(known, fmt.Errorf("record %d is missing: the audit ends with record %d", known.Seq, s.Head.Seq),
			"The end was cut off, or the state is an older copy; a restore writes a record of itself.")
	case known.Seq < s.Pruned:
		return fault.New(fault.NotFound, "verify audit", headText(known),
			fmt.Errorf("records up to %d were dropped by their age", s.Pruned), "Use a newer head.")
	case known.Seq == s.Pruned && known.Hash != s.PrunedHash:
		return headError(known, errors.New("it is about another record than the one that was dropped by its age"), "")
	}
	s.Proved = known
	return nil
}

func headError(known *run.AuditHead, err error, hint string) error {
	return fault.New(fault.Damaged, "verify audit", headText(known), err, hint)
}

func headText(h *run.AuditHead) string { return fmt.Sprint("head ", h.Seq) }
