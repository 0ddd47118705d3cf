package state

import (
	"bytes"
	"errors"
	"fmt"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/replica"

	"go.etcd.io/bbolt"
)

// replicaHead is the head of a replica with the size of its tables.
type replicaHead struct {
	replica.Head
	Users  int `json:"users"`
	Groups int `json:"groups"`
}

// userClock and groupClock are the times that most rows share.
func (h *replicaHead) userClock() *clock  { return &clock{h.UsersAt, h.GroupsAt} }
func (h *replicaHead) groupClock() *clock { return &clock{h.GroupsAt, h.UsersAt} }

// Replica loads the replica of a source; one that was never saved is new and empty.
// Times come back in UTC.
func (db *DB) Replica(source string) (*replica.Replica, error) {
	var found *replica.Replica
	err := db.view("load replica", func(tx *bbolt.Tx) (err error) {
		found, err = loadReplica(tx, source)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func loadReplica(tx *bbolt.Tx, source string) (*replica.Replica, error) {
	x := find(tx, bucketReplica, source)
	if x == nil {
		return replica.New(source), nil
	}
	var head replicaHead
	switch ok, err := x.getJSON([]byte(keyHead), &head); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, x.bad([]byte(keyHead), errors.New("it is missing"))
	case head.Source != source || head.Users < 0 || head.Groups < 0:
		return nil, x.bad([]byte(keyHead), errors.New("it contradicts itself"))
	}
	var shared replica.Shared
	users := make([]replica.User, 0, min(head.Users, 1<<20))
	clock := head.userClock()
	for n := range chunks(head.Users) {
		payload, err := x.need(prefixed(prefixUsers, n))
		if err != nil {
			return nil, err
		}
		want := min(head.Users-n*chunkRows, chunkRows)
		if users, err = decodeUsers(payload, clock, users, &shared); err == nil && len(users) != n*chunkRows+want {
			err = fmt.Errorf("it holds %d users instead of %d", len(users)-n*chunkRows, want)
		}
		if err != nil {
			return nil, x.bad(prefixed(prefixUsers, n), err)
		}
	}
	groups, err := loadGroups(x, &head)
	if err != nil {
		return nil, err
	}
	payload, err := x.need([]byte(keyMissing))
	if err != nil {
		return nil, err
	}
	if err := decodeMissing(payload, users, groups, clock, &shared); err != nil {
		return nil, x.bad([]byte(keyMissing), err)
	}
	if payload, err = x.need([]byte(keyDeleted)); err != nil {
		return nil, err
	}
	if err := decodeDeleted(payload, users, groups, &shared); err != nil {
		return nil, x.bad([]byte(keyDeleted), err)
	}
	return replica.Restore(head.Head, users, groups), nil
}

func loadGroups(x *box, head *replicaHead) ([]replica.Group, error) {
	var groups []replica.Group
	clock := head.groupClock()
	for n := range head.Groups {
		key := prefixed(prefixGroup, n)
		payload, err := x.need(key)
		if err != nil {
			return nil, err
		}
		g, err := decodeGroup(payload, clock, head.Users, head.Groups)
		if err != nil {
			return nil, x.bad(key, err)
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// need gives the payload of a record that must be there.
func (x *box) need(key []byte) ([]byte, error) {
	payload, err := x.get(key)
	if err == nil && payload == nil {
		err = x.bad(key, errors.New("it is missing"))
	}
	return payload, err
}

// change is a record to be written, or with a nil value to be deleted.
type change struct{ key, value []byte }

// SaveReplica stores a replica. Records whose bytes are stored already are not written
// again: after a read that changed nothing only the head is. StatusKnown and GroupsKnown
// of the users belong to a read and are not kept.
func (db *DB) SaveReplica(r *replica.Replica) error {
	if r.Source == "" {
		return fault.Errorf(fault.Invalid, "save replica", "", "the source has no id")
	}
	db.saves.Lock()
	defer db.saves.Unlock()
	changes, err := db.replicaChanges(r, db.lastSaved(r))
	if err != nil {
		return err
	}
	delete(db.saved, r.Source) // After a failure nobody knows what is stored.
	err = db.update("save replica", func(tx *bbolt.Tx) error {
		x, err := makeBox(tx, bucketReplica, r.Source)
		if err != nil {
			return err
		}
		return x.change(changes)
	})
	if err == nil {
		db.saved[r.Source] = r
	}
	return err
}

// replicaChanges encodes a replica against what is stored, in a read transaction, so
// that the work does not hold up the writes of others. No other replica is saved
// meanwhile.
func (db *DB) replicaChanges(r *replica.Replica, before *kept) ([]change, error) {
	users, groups := r.Users(), r.Groups()
	head := replicaHead{Head: r.Head, Users: len(users), Groups: len(groups)}
	head.UsersAt, head.GroupsAt, head.CompleteAt = head.UsersAt.UTC(), head.GroupsAt.UTC(), head.CompleteAt.UTC()
	head.FullAt = head.FullAt.UTC()
	where := at(bucketReplica, r.Source)
	var changes []change
	err := db.view("save replica", func(tx *bbolt.Tx) error {
		stored := find(tx, bucketReplica, r.Source)
		w := &writer{}
		add := func(key []byte) {
			if !stored.holds(key, w.b) {
				changes = append(changes, change{key, where.seal(key, w.b)})
			}
			w.b = w.b[:0]
		}
		clock := head.userClock()
		for n := range chunks(len(users)) {
			from, to := n*chunkRows, min((n+1)*chunkRows, len(users))
			if before.users(from, to) {
				continue
			}
			encodeUsers(w, users[from:to], clock)
			add(prefixed(prefixUsers, n))
		}
		clock = head.groupClock()
		for n := range groups {
			if before.group(n) {
				continue
			}
			if err := encodeGroup(w, &groups[n], clock); err != nil {
				return fault.New(fault.Invalid, "save replica", r.Source, err, "")
			}
			add(prefixed(prefixGroup, n))
		}
		encodeMissing(w, users, groups, head.userClock())
		add([]byte(keyMissing))
		encodeDeleted(w, users, groups)
		add([]byte(keyDeleted))
		payload, err := toJSON(head)
		if err != nil {
			return err
		}
		w.b = append(w.b, payload...)
		add([]byte(keyHead))
		changes = append(changes, stored.beyond(prefixUsers, chunks(len(users)))...)
		changes = append(changes, stored.beyond(prefixGroup, len(groups))...)
		return nil
	})
	return changes, err
}

// holds reports whether exactly this payload is stored under the key.
func (x *box) holds(key, payload []byte) bool {
	if x == nil {
		return false
	}
	value := x.b.Get(key)
	if len(value) != len(payload)+recordOverhead || !bytes.Equal(value[1:1+len(payload)], payload) {
		return false
	}
	_, err := x.unseal(key, value)
	return err == nil
}

// beyond gives the deletion of all records of a table from number n on.
func (x *box) beyond(prefix byte, n int) []change {
	if x == nil {
		return nil
	}
	var gone []change
	c := x.b.Cursor()
	for k, _ := c.Seek(prefixed(prefix, n)); len(k) == 5 && k[0] == prefix; k, _ = c.Next() {
		gone = append(gone, change{key: bytes.Clone(k)})
	}
	return gone
}
