package state

import (
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

func TestHealthIsKept(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	none, err := db.Health()
	ok(t, err)
	same(t, "the health of a new state", none, run.Health{})
	here := time.FixedZone("here", 3600)
	want := run.Health{
		Sources: map[string]run.Trouble{"corp": {Kind: "auth", Reason: "refused", Hint: "check it", Failures: 3, Reads: 2, Step: 1,
			First: noon(), Since: noon(), Next: noon().Add(time.Hour)}},
		Targets:  map[string]run.Trouble{"chat": {Kind: "unavailable", Reason: "down", First: noon(), Failures: 1}},
		Complete: map[string]time.Time{"corp": noon()},
		Stale:    map[string]time.Time{"corp": noon()},
		Holds:    []run.ToldHold{{Check: run.MaxPeople, Target: "chat", Scope: "s", Reason: "r"}},
	}
	given := want
	trouble := want.Sources["corp"]
	trouble.First = trouble.First.In(here)
	given.Sources = map[string]run.Trouble{"corp": trouble}
	ok(t, db.SaveHealth(given))
	if given.Sources["corp"].First.Location() != here {
		t.Error("what was handed over was changed")
	}
	db = again(t, db)
	got, err := db.Health()
	ok(t, err)
	same(t, "health", got, want)
	ok(t, db.Check(t.Context()))
	ok(t, db.SaveHealth(run.Health{}))
	got, err = db.Health()
	ok(t, err)
	same(t, "health without anything", got, run.Health{})
}

func TestDamagedHealthIsAnError(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	ok(t, db.SaveHealth(run.Health{Stale: map[string]time.Time{"corp": noon()}}))
	ok(t, db.update("test", func(tx *bbolt.Tx) error {
		b := find(tx, bucketMeta).b
		value := append([]byte(nil), b.Get([]byte(keyHealth))...)
		swap(value, "corp", "cork")
		return b.Put([]byte(keyHealth), value)
	}))
	_, err := db.Health()
	wantKind(t, err, fault.Damaged)
	wantKind(t, db.Check(t.Context()), fault.Damaged)
}
