package state

import "go.etcd.io/bbolt"

// applied is which configuration the runs of everything carry out.
type applied struct {
	// Sum is that of what decides about accounts and groups.
	Sum string `json:"sum"`
}

// Applied gives the sum of the configuration that the last run of everything was for; empty:
// none was noted.
func (db *DB) Applied() (string, error) {
	var a applied
	err := db.view("load what was applied", func(tx *bbolt.Tx) error {
		_, err := find(tx, bucketMeta).getJSON([]byte(keyApplied), &a)
		return err
	})
	return a.Sum, err
}

// SaveApplied stores the sum of a configuration, in place of the one before.
func (db *DB) SaveApplied(sum string) error {
	return db.update("save what is applied", func(tx *bbolt.Tx) error {
		return find(tx, bucketMeta).putJSON([]byte(keyApplied), applied{sum})
	})
}
