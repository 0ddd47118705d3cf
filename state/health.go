package state

import (
	"maps"
	"time"

	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

// Health loads how sources and targets fare. Nothing kept: all is well, and nobody was
// told of anything.
func (db *DB) Health() (run.Health, error) {
	var h run.Health
	err := db.view("load health", func(tx *bbolt.Tx) error {
		_, err := find(tx, bucketMeta).getJSON([]byte(keyHealth), &h)
		return err
	})
	return h, err
}

// SaveHealth stores how sources and targets fare, in place of what was kept.
func (db *DB) SaveHealth(h run.Health) error {
	h.Sources, h.Targets = troublesUTC(h.Sources), troublesUTC(h.Targets)
	h.Complete, h.Stale = timesUTC(h.Complete), timesUTC(h.Stale)
	return db.update("save health", func(tx *bbolt.Tx) error {
		return find(tx, bucketMeta).putJSON([]byte(keyHealth), h)
	})
}

func troublesUTC(m map[string]run.Trouble) map[string]run.Trouble {
	m = maps.Clone(m)
	for k, t := range m {
		t.First, t.Since, t.Next = t.First.UTC(), t.Since.UTC(), t.Next.UTC()
		m[k] = t
	}
	return m
}

func timesUTC(m map[string]time.Time) map[string]time.Time {
	m = maps.Clone(m)
	for k, t := range m {
		m[k] = t.UTC()
	}
	return m
}
