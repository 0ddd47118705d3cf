package state

import (
	"encoding/binary"
	"errors"
	"fmt"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"

	"go.etcd.io/bbolt"
)

// maxSeq keeps the numbers of intents below the key of the plan.
const maxSeq = 1 << 30

// Begin stores the named parts of the memory and the intents of a plan, in one transaction
// before the first write of that plan. It refuses with
// fault.Conflict while calls of an earlier process are open for that target: what became
// of those has to be found out first. Runs of this process may be under way together,
// because one of a single person goes in between the calls of a full one; a run that
// began already is refused.
func (db *DB) Begin(m *plan.Memory, run, planHash string, intents []plan.Intent, dirty plan.Dirty) error {
	target := m.Target
	if target == "" || run == "" {
		return fault.Errorf(fault.Invalid, "begin journal", target, "target or run has no name")
	}
	records, err := encodeIntents(target, run, planHash, intents)
	if err != nil {
		return fault.New(fault.Invalid, "begin journal", target, err, "")
	}
	w, err := encodeMemory(m, dirty)
	if err != nil {
		return err
	}
	err = db.update("begin journal", func(tx *bbolt.Tx) error {
		if other := db.inTheWay(tx, target, run); other != "" {
			return fault.Errorf(fault.Conflict, "begin journal", target, "calls of run %s are still open", other)
		}
		if err := db.applyMemory(tx, w); err != nil {
			return err
		}
		if len(intents) == 0 {
			return nil
		}
		x, err := makeBox(tx, bucketTarget, target, partIntents, run)
		if err != nil {
			return err
		}
		db.begun[place(target, run)] = true
		return x.change(records)
	})
	db.audited(err, dirty.Events)
	return err
}

// inTheWay names a run with open calls beside which the given one may not begin, or
// nothing.
func (db *DB) inTheWay(tx *bbolt.Tx, target, run string) string {
	x := find(tx, bucketTarget, target, partIntents)
	if x == nil {
		return ""
	}
	c := x.b.Cursor()
	for key, _ := c.First(); key != nil; key, _ = c.Next() {
		if other := string(key); other == run || !db.begun[place(target, other)] {
			return other
		}
	}
	return ""
}

func encodeIntents(target, run, planHash string, intents []plan.Intent) ([]change, error) {
	p := begun{Plan: planHash, Intents: len(intents)}
	position := map[string]int{}
	for i := range intents {
		for _, id := range intents[i].Accounts {
			if _, ok := position[id]; !ok {
				position[id] = len(p.Accounts)
				p.Accounts = append(p.Accounts, id)
			}
		}
	}
	where, w := at(bucketTarget, target, partIntents, run), &writer{}
	records := make([]change, 0, len(intents)+1)
	add := func(key []byte) {
		records = append(records, change{key, where.seal(key, w.b)})
		w.b = w.b[:0]
	}
	seen := map[int]bool{}
	for i := range intents {
		in := &intents[i]
		if in.Run != run || in.Seq < 0 || in.Seq >= maxSeq || seen[in.Seq] {
			return nil, fmt.Errorf("intent %d of run %s does not fit into run %s", in.Seq, in.Run, run)
		}
		seen[in.Seq] = true
		if err := encodeIntent(w, in, position); err != nil {
			return nil, err
		}
		add(number(in.Seq))
	}
	encodeBegun(w, &p)
	add([]byte(keyPlan))
	return records, nil
}

// Done closes intents by their Seq and stores the named parts of the memory in the same
// transaction. Closing an intent twice is no error.
func (db *DB) Done(m *plan.Memory, run string, seqs []int, dirty plan.Dirty) error {
	w, err := encodeMemory(m, dirty)
	if err != nil {
		return err
	}
	if w.empty() && len(seqs) == 0 {
		return nil
	}
	err = db.update("close journal", func(tx *bbolt.Tx) error {
		if err := db.applyMemory(tx, w); err != nil {
			return err
		}
		return db.closeIntents(tx, m.Target, run, seqs)
	})
	db.audited(err, dirty.Events)
	return err
}

// closeIntents deletes intents, and with the last of a run what is known of its plan.
func (db *DB) closeIntents(tx *bbolt.Tx, target, run string, seqs []int) error {
	x := find(tx, bucketTarget, target, partIntents, run)
	if x == nil {
		return nil
	}
	for _, seq := range seqs {
		if seq < 0 || seq >= maxSeq {
			continue
		}
		if err := x.delete(number(seq)); err != nil {
			return err
		}
	}
	if key, _ := x.b.Cursor().First(); key != nil && string(key) != keyPlan {
		return nil
	}
	if err := find(tx, bucketTarget, target, partIntents).b.DeleteBucket([]byte(run)); err != nil {
		return fmt.Errorf("close journal of run %s: %w", run, err)
	}
	delete(db.begun, place(target, run))
	return nil
}

// Open gives the intents of a target that were never closed, oldest first.
func (db *DB) Open(target string) ([]plan.Intent, error) {
	var open []plan.Intent
	err := db.view("read journal", func(tx *bbolt.Tx) error {
		intents := find(tx, bucketTarget, target, partIntents)
		if intents == nil {
			return nil
		}
		return intents.b.ForEachBucket(func(name []byte) error {
			some, err := openIntents(find(tx, bucketTarget, target, partIntents, string(name)), string(name))
			open = append(open, some...)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return open, nil
}

func openIntents(x *box, run string) ([]plan.Intent, error) {
	payload, err := x.need([]byte(keyPlan))
	if err != nil {
		return nil, err
	}
	p, err := decodeBegun(payload)
	if err != nil {
		return nil, x.bad([]byte(keyPlan), err)
	}
	var open []plan.Intent
	err = x.each(func(key, payload []byte) error {
		switch {
		case string(key) == keyPlan:
			return nil
		case len(key) != 4:
			return errors.New("the key is no number")
		}
		in, err := decodeIntent(run, int(binary.BigEndian.Uint32(key)), payload, p)
		open = append(open, in)
		return err
	})
	return open, err
}
