package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"

	"go.etcd.io/bbolt"
)

// SaveMemory stores the named parts of a memory in one transaction and deletes those
// that are no longer in it.
func (db *DB) SaveMemory(m *plan.Memory, dirty plan.Dirty) error {
	w, err := encodeMemory(m, dirty)
	if err != nil {
		return err
	}
	if w.empty() {
		return nil
	}
	err = db.update("save memory of target", func(tx *bbolt.Tx) error { return db.applyMemory(tx, w) })
	db.audited(err, dirty.Events)
	return err
}

// applyMemory writes what was encoded, and what the audit says about it.
func (db *DB) applyMemory(tx *bbolt.Tx, w *memoryWrite) error {
	if w.empty() {
		return nil
	}
	if err := w.apply(tx); err != nil {
		return err
	}
	return db.appendEvents(tx, w.dirty.Events)
}

// memoryWrite is a change of a memory, encoded before the transaction begins.
type memoryWrite struct {
	m       *plan.Memory
	dirty   plan.Dirty
	head    memoryHead
	changes map[string][]change
	lists   map[string][][]byte
}

func (w *memoryWrite) empty() bool { return w.dirty.Empty() }

func encodeMemory(m *plan.Memory, dirty plan.Dirty) (*memoryWrite, error) {
	if m.Target == "" {
		return nil, fault.Errorf(fault.Invalid, "save memory of target", "", "the target has no name")
	}
	w := &memoryWrite{m: m, dirty: dirty, changes: map[string][]change{}, lists: map[string][][]byte{},
		head: memoryHead{Instance: m.Instance, Began: m.Began.UTC(), Serial: m.Serial, Version: m.Mirror.Version, Deployment: m.Mirror.Deployment,
			Self: m.Mirror.Self, ReadAllAt: m.Mirror.ReadAllAt.UTC(), At: m.Mirror.At.UTC(), Peers: m.Peers, People: m.People.Len(), sharingHead: sharingOf(m)}}
	for _, step := range []func() error{w.encodeMirror, w.encodePeople, w.encodeLinks, w.encodeOwned, w.encodeSharing, w.encodeLost, w.encodeLists} {
		if err := step(); err != nil {
			return nil, fault.New(fault.Invalid, "save memory of target", m.Target, err, "")
		}
	}
	for _, list := range w.changes {
		slices.SortFunc(list, func(a, b change) int { return bytes.Compare(a.key, b.key) })
	}
	return w, nil
}

func (w *memoryWrite) spot(part string) spot { return at(bucketTarget, w.m.Target, part) }

func (w *memoryWrite) add(part string, s spot, key, payload []byte) {
	w.changes[part] = append(w.changes[part], change{key, s.seal(key, payload)})
}

func (w *memoryWrite) remove(part string, key []byte) {
	w.changes[part] = append(w.changes[part], change{key: key})
}

// inTable refuses numbers of accounts that do not exist: a state with one could not be
// loaded again.
func (w *memoryWrite) inTable(numbers []uint32) error {
	if n := len(numbers); n > 0 && int(numbers[n-1]) >= len(w.m.Mirror.Accounts()) {
		return fmt.Errorf("account number %d does not exist", numbers[n-1])
	}
	return nil
}

func (w *memoryWrite) encodeMirror() error {
	s, buf := w.spot(partMirror), &writer{}
	for _, id := range w.dirty.MirrorGroups {
		g := w.m.Mirror.Group(id)
		if g == nil {
			w.remove(partMirror, []byte(id))
			continue
		}
		buf.b = buf.b[:0]
		if err := errors.Join(w.inTable(g.Numbers), encodeMirrorGroup(buf, g)); err != nil {
			return err
		}
		w.add(partMirror, s, []byte(id), buf.b)
	}
	return nil
}

func (w *memoryWrite) encodePeople() error {
	s, buf := w.spot(partPeople), &writer{}
	for _, k := range w.dirty.People {
		key, err := personKey(k)
		if err != nil {
			return err
		}
		p, ok := w.m.People.Get(k)
		if !ok {
			w.remove(partPeople, key)
			continue
		}
		buf.b = buf.b[:0]
		encodePerson(buf, p)
		w.add(partPeople, s, key, buf.b)
	}
	return nil
}

func (w *memoryWrite) encodeLinks() error {
	s := w.spot(partLinks)
	for _, k := range w.dirty.Links {
		key, err := linkKey(k)
		if err != nil {
			return err
		}
		l, ok := w.m.Links[k]
		if !ok {
			w.remove(partLinks, key)
			continue
		}
		payload, err := toJSON(l)
		if err != nil {
			return err
		}
		w.add(partLinks, s, key, payload)
	}
	return nil
}

func (w *memoryWrite) encodeOwned() error {
	s, buf := w.spot(partOwned), &writer{}
	for _, id := range w.dirty.Owned {
		o := w.m.Owned[id]
		if o == nil {
			w.remove(partOwned, []byte(id))
			continue
		}
		buf.b = buf.b[:0]
		for i := range o.Feeds {
			if err := w.inTable(o.Feeds[i].Accounts); err != nil {
				return err
			}
		}
		for _, c := range o.Clocks {
			if err := w.inTable([]uint32{c.Account}); err != nil {
				return err
			}
		}
		if err := encodeOwned(buf, o); err != nil {
			return err
		}
		w.add(partOwned, s, []byte(id), buf.b)
	}
	return nil
}

func (w *memoryWrite) encodeLost() error {
	s, buf := w.spot(partLost), &writer{}
	for _, id := range w.dirty.Lost {
		accounts := w.m.Lost[id]
		if len(accounts) == 0 {
			w.remove(partLost, []byte(id))
			continue
		}
		buf.b = buf.b[:0]
		if err := errors.Join(w.inTable(accounts), buf.rows(accounts)); err != nil {
			return fmt.Errorf("members of Open WebUI group %s of a lost state: %w", id, err)
		}
		w.add(partLost, s, []byte(id), buf.b)
	}
	return nil
}

func (w *memoryWrite) encodeLists() error {
	d := &w.dirty
	var err error
	list := func(named bool, part string, encode func() ([][]byte, error)) {
		if !named || err != nil {
			return
		}
		w.lists[part], err = encode()
	}
	list(d.Losses, partLosses, func() ([][]byte, error) { return encodeList(w.m.Losses, manyEntries) })
	list(d.Holds, partHolds, func() ([][]byte, error) { return encodeList(w.m.Holds, oneEntry) })
	list(d.Approvals, partApprovals, func() ([][]byte, error) { return encodeList(w.m.Approvals, oneEntry) })
	list(d.Accepted, partAccepted, func() ([][]byte, error) { return encodeList(w.m.Accepted, oneEntry) })
	list(d.Tombstones, partTombstones, func() ([][]byte, error) { return encodeList(w.m.Tombstones, manyEntries) })
	if err != nil || !d.Scopes {
		return err
	}
	s := w.spot(partScopes)
	for source, scope := range w.m.Scopes {
		payload, err := toJSON(scope)
		if err != nil {
			return err
		}
		w.add(partScopes, s, []byte(source), payload)
	}
	return nil
}

// encodeList gives the payloads of a list with that many entries in each.
func encodeList[T any](list []T, size int) ([][]byte, error) {
	var payloads [][]byte
	for some := range slices.Chunk(list, size) {
		payload, err := toJSON(some)
		if err != nil {
			return nil, err
		}
		payloads = append(payloads, payload)
	}
	return payloads, nil
}

// apply writes what was encoded. A target without a head gets one.
func (w *memoryWrite) apply(tx *bbolt.Tx) error {
	root, err := makeBox(tx, bucketTarget, w.m.Target)
	if err != nil {
		return err
	}
	if w.dirty.Head || root.b.Get([]byte(keyHead)) == nil {
		if err := root.putJSON([]byte(keyHead), w.head); err != nil {
			return err
		}
	}
	for _, part := range targetParts() {
		accounts := part == partAccounts && len(w.dirty.Accounts)+len(w.dirty.MirrorGroups)+len(w.dirty.Owned)+len(w.dirty.Lost) > 0
		scopes := part == partScopes && w.dirty.Scopes
		payloads, isList := w.lists[part]
		if w.changes[part] == nil && !isList && !accounts && !scopes {
			continue
		}
		x, err := makeBox(tx, bucketTarget, w.m.Target, part)
		if err != nil {
			return err
		}
		switch {
		case accounts:
			err = w.saveAccounts(x)
		case isList:
			err = x.setList(payloads)
		case scopes:
			err = errors.Join(x.keepOnly(w.changes[part]), x.change(w.changes[part]))
		default:
			err = x.change(w.changes[part])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// saveAccounts writes the chunks of the named accounts, and all from the last stored
// one on: members of groups are numbers into this table, so it never has a gap.
func (w *memoryWrite) saveAccounts(x *box) error {
	accounts := w.m.Mirror.Accounts()
	named := map[int]bool{}
	for _, n := range w.dirty.Accounts {
		named[int(n)/chunkRows] = true
	}
	last := x.lastNumber()
	buf := &writer{}
	for n := range chunks(len(accounts)) {
		if !named[n] && n < last {
			continue
		}
		buf.b = buf.b[:0]
		encodeAccounts(buf, accounts[n*chunkRows:min((n+1)*chunkRows, len(accounts))])
		if err := x.put(number(n), buf.b); err != nil {
			return err
		}
	}
	return x.cutAfter(chunks(len(accounts)))
}

// lastNumber gives the number of the last record of a table, zero when it is empty.
func (x *box) lastNumber() int {
	key, _ := x.b.Cursor().Last()
	if len(key) != 4 {
		return 0
	}
	return int(binary.BigEndian.Uint32(key))
}

// change writes and deletes records.
func (x *box) change(changes []change) error {
	for _, c := range changes {
		var err error
		if c.value == nil {
			err = x.delete(c.key)
		} else {
			err = x.set(c.key, c.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keepOnly deletes the records that are not among the changes.
func (x *box) keepOnly(changes []change) error {
	var gone []change
	err := x.b.ForEach(func(key, _ []byte) error {
		if !slices.ContainsFunc(changes, func(c change) bool { return bytes.Equal(c.key, key) }) {
			gone = append(gone, change{key: bytes.Clone(key)})
		}
		return nil
	})
	return errors.Join(err, x.change(gone))
}

// setList writes the records of a list and deletes those behind its end.
func (x *box) setList(payloads [][]byte) error {
	for n, payload := range payloads {
		if err := x.put(number(n), payload); err != nil {
			return err
		}
	}
	return x.cutAfter(len(payloads))
}

// cutAfter deletes the numbered records from n on.
func (x *box) cutAfter(n int) error {
	var gone []change
	c := x.b.Cursor()
	for key, _ := c.Seek(number(n)); key != nil; key, _ = c.Next() {
		gone = append(gone, change{key: bytes.Clone(key)})
	}
	return x.change(gone)
}
