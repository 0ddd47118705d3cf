package state

import (
	"bytes"
	"errors"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

// memoryHead is what a memory and its mirror hold besides their tables.
type memoryHead struct {
	Instance   string    `json:"instance"`
	Began      time.Time `json:"began"`
	Serial     uint64    `json:"serial"`
	Version    string    `json:"version,omitempty"`
	Deployment string    `json:"deployment,omitempty"`
	Self       string    `json:"self,omitempty"`
	ReadAllAt  time.Time `json:"read_all_at,omitzero"`
	At         time.Time `json:"at,omitzero"`
	// Peers are other states whose marks were seen.
	Peers map[string]plan.Peer `json:"peers,omitempty"`
	// People is how many there were when the head was written: a hint.
	People int `json:"people,omitempty"`
	sharingHead
}

// How many entries of a list go into one record. Lists that only grow at their end are
// rewritten there only.
const (
	manyEntries = 256
	oneEntry    = 1
)

// Memory loads the memory of a target; one that was never saved is new, and began when
// this state was made. Of a mirrored group the numbers of its members come back, not
// their ids; JSON texts inside links and rules come back without white space.
func (db *DB) Memory(target string) (*plan.Memory, error) {
	var found *plan.Memory
	err := db.view("load memory of target", func(tx *bbolt.Tx) (err error) {
		found, err = db.loadMemory(tx, target)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (db *DB) loadMemory(tx *bbolt.Tx, target string) (*plan.Memory, error) {
	root := find(tx, bucketTarget, target)
	var head memoryHead
	ok, err := root.getJSON([]byte(keyHead), &head)
	if err != nil {
		return nil, err
	}
	if !ok {
		for _, part := range targetParts() {
			if part != partIntents && find(tx, bucketTarget, target, part) != nil {
				return nil, root.bad([]byte(keyHead), errors.New("it is missing"))
			}
		}
		return plan.NewMemory(target, db.instance.ID, db.instance.Created), nil
	}
	m := plan.NewMemory(target, head.Instance, head.Began)
	m.Serial = head.Serial
	if head.Peers != nil {
		m.Peers = head.Peers
	}
	m.People = plan.NewPersonLinks(max(0, min(head.People, 1<<20)))
	part := func(name string) *box { return find(tx, bucketTarget, target, name) }
	accounts, err := loadAccounts(part(partAccounts))
	if err != nil {
		return nil, err
	}
	var groups []*plan.MirrorGroup
	err = part(partMirror).each(func(key, payload []byte) error {
		g, err := decodeMirrorGroup(string(key), payload, len(accounts))
		groups = append(groups, g)
		return err
	})
	if err != nil {
		return nil, err
	}
	resources, err := loadResources(part(partResources))
	if err != nil {
		return nil, err
	}
	m.Mirror = plan.RestoreMirror(plan.Mirror{Version: head.Version, Deployment: head.Deployment, Self: head.Self,
		ReadAllAt: head.ReadAllAt, At: head.At, Defaults: head.MirrorDefaults, Parents: head.Parents, ResourcesAt: head.ResourcesAt}, accounts, groups, resources...)
	m.Defaults = head.Defaults
	if err := loadKeyed(m, part, len(accounts)); err != nil {
		return nil, err
	}
	if err := loadSharing(m, part); err != nil {
		return nil, err
	}
	if err := loadLists(m, part); err != nil {
		return nil, err
	}
	return m, nil
}

func loadAccounts(x *box) ([]plan.Account, error) {
	if x == nil {
		return nil, nil
	}
	accounts := make([]plan.Account, 0, (min(x.lastNumber(), 1<<12)+1)*chunkRows)
	n := 0
	err := x.each(func(key, payload []byte) (err error) {
		if !bytes.Equal(key, number(n)) || len(accounts) != n*chunkRows {
			return errors.New("the table of accounts has a gap before it")
		}
		accounts, err = decodeAccounts(payload, accounts)
		n++
		return err
	})
	return accounts, err
}

// loadKeyed loads the parts that have a record for each of their entries.
func loadKeyed(m *plan.Memory, part func(string) *box, accounts int) error {
	source := ""
	people := func(key, payload []byte) error {
		from, id, ok := bytes.Cut(key, []byte{0})
		if !ok {
			return errors.New("the key names no source")
		}
		if string(from) != source {
			source = string(from)
		}
		p, err := decodePerson(payload, m.Mirror)
		m.People.Set(directory.UserKey{Source: source, ID: string(id)}, p)
		return err
	}
	links := func(key, payload []byte) error {
		k, err := splitKey(key, 4)
		if err != nil {
			return err
		}
		var l plan.GroupLink
		err = fromJSON(payload, &l)
		m.Links[plan.LinkKey{Rule: k[0], To: k[1], Group: directory.GroupKey{Source: k[2], ID: k[3]}}] = l
		return err
	}
	owned := func(key, payload []byte) error {
		o, err := decodeOwned(string(key), payload, accounts, m.Mirror.Group(string(key)))
		m.Owned[string(key)] = o
		return err
	}
	lost := func(key, payload []byte) error {
		r := newReader(payload)
		m.Lost[string(key)] = r.rows(accounts)
		return r.end()
	}
	scopes := func(key, payload []byte) error {
		var s run.AcceptedSource
		err := fromJSON(payload, &s)
		m.Scopes[string(key)] = s
		return err
	}
	for _, p := range []struct {
		name string
		load func(key, payload []byte) error
	}{{partPeople, people}, {partLinks, links}, {partOwned, owned}, {partLost, lost}, {partScopes, scopes}} {
		if err := part(p.name).each(p.load); err != nil {
			return err
		}
	}
	return nil
}

func loadLists(m *plan.Memory, part func(string) *box) (err error) {
	load := func(name string, list func(*box) error) {
		if err == nil {
			err = list(part(name))
		}
	}
	load(partLosses, func(x *box) (err error) { m.Losses, err = loadList[plan.Loss](x); return })
	load(partHolds, func(x *box) (err error) { m.Holds, err = loadList[run.Hold](x); return })
	load(partApprovals, func(x *box) (err error) { m.Approvals, err = loadList[run.Approval](x); return })
	load(partAccepted, func(x *box) (err error) { m.Accepted, err = loadList[plan.AcceptedRule](x); return })
	load(partTombstones, func(x *box) (err error) { m.Tombstones, err = loadList[plan.Tombstone](x); return })
	return err
}

// loadList reads a list whose records each hold some entries.
func loadList[T any](x *box) ([]T, error) {
	var list []T
	n := 0
	err := x.each(func(key, payload []byte) error {
		if !bytes.Equal(key, number(n)) {
			return errors.New("the list has a gap before it")
		}
		var some []T
		if err := fromJSON(payload, &some); err != nil {
			return err
		}
		list = append(list, some...)
		n++
		return nil
	})
	return list, err
}
