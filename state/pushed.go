package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/sync/replica"

	"go.etcd.io/bbolt"
)

// maxPushedKey bounds the keys of what a provider put into a source.
const maxPushedKey = 256

// Pushed is the store of one source that its provider fills.
type Pushed struct {
	db     *DB
	source string
}

var _ providers.Pushed = (*Pushed)(nil)

// Pushed gives the store of a source by its id; there need not be anything in it.
func (db *DB) Pushed(source string) *Pushed { return &Pushed{db, source} }

// Revision counts the writes to it through this handle.
func (p *Pushed) Revision() uint64 {
	p.db.mu.Lock()
	defer p.db.mu.Unlock()
	return p.db.pushes[p.source]
}

// Load calls each for every record in order. Writes wait meanwhile, so that the records and
// the revision belong together.
func (p *Pushed) Load(each func(key string, value []byte) error) (uint64, error) {
	p.db.writes.Lock()
	defer p.db.writes.Unlock()
	err := p.db.view("load what was pushed", func(tx *bbolt.Tx) error {
		return find(tx, bucketPushed, p.source).each(func(key, payload []byte) error { return each(string(key), payload) })
	})
	return p.Revision(), err
}

// Get gives one record, nil when there is none.
func (p *Pushed) Get(key string) ([]byte, error) {
	var out []byte
	err := p.db.view("load what was pushed", func(tx *bbolt.Tx) error {
		payload, err := find(tx, bucketPushed, p.source).get([]byte(key))
		out = bytes.Clone(payload)
		return err
	})
	return out, err
}

// Save writes records in one transaction, unless somebody has written since that revision.
func (p *Pushed) Save(revision uint64, records []providers.PushedRecord) (uint64, error) {
	if p.source == "" {
		return 0, fault.Errorf(fault.Invalid, "save what was pushed", "", "the source has no id")
	}
	for _, r := range records {
		if r.Key == "" || len(r.Key) > maxPushedKey {
			return 0, fault.Errorf(fault.Invalid, "save what was pushed", "", "a key is missing or too long")
		}
	}
	next := revision + 1
	err := p.db.update("save what was pushed", func(tx *bbolt.Tx) error {
		if p.Revision() != revision {
			return providers.ErrMoved
		}
		x, err := makeBox(tx, bucketPushed, p.source)
		if err != nil {
			return err
		}
		for _, r := range records {
			if r.Value == nil {
				err = x.delete([]byte(r.Key))
			} else {
				err = x.put([]byte(r.Key), r.Value)
			}
			if err != nil {
				return err
			}
		}
		// Still under the lock of writes: nobody can save between this and the commit.
		p.db.mu.Lock()
		defer p.db.mu.Unlock()
		p.db.pushes[p.source] = next
		return nil
	})
	if err != nil && !errors.Is(err, providers.ErrMoved) {
		// Nothing was written, and nobody can know what others made of the number meanwhile.
		p.db.mu.Lock()
		p.db.pushes[p.source] = next + 1
		p.db.mu.Unlock()
	}
	return next, err
}

// PushedSources gives the ids of the sources into which anything was pushed, sorted.
func (db *DB) PushedSources() ([]string, error) {
	return db.names("load what was pushed", bucketPushed)
}

// restored is the record that says that a store comes from a backup.
type restored struct {
	At   time.Time `json:"at"`
	From time.Time `json:"from"`
}

// doubtPushed marks what was pushed as restored from a backup of some time, and takes from the
// replicas of those sources what they count as proved: nothing brings it up to date as a read does.
func (db *DB) doubtPushed(from, now time.Time) error {
	sources, err := db.PushedSources()
	if err != nil {
		return err
	}
	mark, err := json.Marshal(restored{At: now.UTC(), From: from.UTC()})
	if err != nil {
		return fmt.Errorf("mark what was pushed: %w", err)
	}
	for _, source := range sources {
		p := db.Pushed(source)
		if _, err := p.Save(p.Revision(), []providers.PushedRecord{{Key: providers.RestoredKey, Value: mark}}); err != nil {
			return err
		}
		var r *replica.Replica
		if r, err = db.Replica(source); err != nil {
			return err
		}
		if err := db.SaveReplica(r.Doubted()); err != nil {
			return err
		}
	}
	return nil
}

// checkPushed reads them all.
func (db *DB) checkPushed(source string) error {
	_, err := db.Pushed(source).Load(func(string, []byte) error { return nil })
	return err
}
