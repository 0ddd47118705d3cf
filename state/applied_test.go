package state

import (
	"testing"

	"groupsyncd/internal/fault"

	"go.etcd.io/bbolt"
)

func TestWhatWasAppliedIsKept(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	none, err := db.Applied()
	ok(t, err)
	same(t, "what a new state says", none, "")
	ok(t, db.SaveApplied("corn"))
	db = again(t, db)
	got, err := db.Applied()
	ok(t, err)
	same(t, "what was applied", got, "corn")
	ok(t, db.Check(t.Context()))

	ok(t, db.update("test", func(tx *bbolt.Tx) error {
		b := find(tx, bucketMeta).b
		value := append([]byte(nil), b.Get([]byte(keyApplied))...)
		swap(value, "corn", "cork")
		return b.Put([]byte(keyApplied), value)
	}))
	_, err = db.Applied()
	wantKind(t, err, fault.Damaged)
	wantKind(t, db.Check(t.Context()), fault.Damaged)
}
