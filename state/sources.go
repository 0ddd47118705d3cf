package state

import (
	"errors"
	"time"

	"groupsyncd/internal/fault"

	"go.etcd.io/bbolt"
)

// SourceIdentity is what is remembered of a source besides its replica: its place and
// scope tell a renamed source from another one, and its last start a missed schedule.
type SourceIdentity struct {
	// ID is the identity of the source in this state, Name its name when last seen.
	ID    string `json:"id"`
	Name  string `json:"name"`
	Place string `json:"place,omitempty"`
	Scope string `json:"scope,omitempty"`
	// Since is when it was configured first.
	Since time.Time `json:"since,omitzero"`
	// LastStart is when the last read began, LastComplete when the last one that
	// covered everything did.
	LastStart    time.Time `json:"last_start,omitzero"`
	LastComplete time.Time `json:"last_complete,omitzero"`
}

// Sources gives every source that was ever saved, ordered by id.
func (db *DB) Sources() ([]SourceIdentity, error) {
	var list []SourceIdentity
	err := db.view("load sources", func(tx *bbolt.Tx) error {
		return find(tx, bucketSources).each(func(key, payload []byte) error {
			var s SourceIdentity
			if err := fromJSON(payload, &s); err != nil {
				return err
			}
			if s.ID != string(key) {
				return errors.New("it contradicts itself")
			}
			list = append(list, s)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// SaveSource stores what is known of a source, in place of what was under its id.
func (db *DB) SaveSource(s SourceIdentity) error {
	if s.ID == "" {
		return fault.Errorf(fault.Invalid, "save source", s.Name, "the source has no id")
	}
	s.Since, s.LastStart, s.LastComplete = s.Since.UTC(), s.LastStart.UTC(), s.LastComplete.UTC()
	return db.update("save source", func(tx *bbolt.Tx) error {
		x, err := makeBox(tx, bucketSources)
		if err != nil {
			return err
		}
		return x.putJSON([]byte(s.ID), s)
	})
}
