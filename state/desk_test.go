package state

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

func letter(seq uint64) run.Letter {
	return run.Letter{Seq: seq, Service: "chat", At: noon(), Kind: run.NoticeHeld, Event: run.LetterNew, Key: "held/x", Message: "<text> & more", Since: noon(), Lines: []string{"a"}, More: 3}
}

func TestNoticesAreKept(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	none, letters, found, err := db.Desk()
	ok(t, err)
	same(t, "the desk of a new state", none, run.Desk{})
	if found || letters != nil {
		t.Errorf("a new state has letters: %v", letters)
	}
	want := run.Desk{Audit: 7, Last: 3, Told: map[string]map[string]run.Told{"chat": {"held/x": {Kind: run.NoticeHeld, Reason: "r", Message: "m", Since: noon(), Last: noon()}}},
		Partly: 2, PartlySince: noon(), PartlyRun: "01A", Lost: map[string]run.LostLetters{"chat": {Count: 2, At: noon()}}}
	here := letter(2)
	here.At = here.At.In(time.FixedZone("here", 3600))
	ok(t, db.SaveDesk(want, []run.Letter{letter(1), here, letter(3)}, nil))
	want.Partly = 0
	ok(t, db.SaveDesk(want, nil, []uint64{1, 99}))
	db = again(t, db)
	got, letters, found, err := db.Desk()
	ok(t, err)
	same(t, "desk", got, want)
	same(t, "letters", letters, []run.Letter{letter(2), letter(3)})
	if !found {
		t.Error("nothing was found")
	}
	ok(t, db.Check(t.Context()))
	ok(t, db.DropDesk())
	_, letters, found, err = db.Desk()
	if err != nil || found || letters != nil {
		t.Errorf("after it was dropped: %v, %v, %v", letters, found, err)
	}
	ok(t, db.SaveDesk(want, nil, nil))
	ok(t, db.Check(t.Context()))
}

func TestDamagedNoticesAreAnError(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*box) error{
		"a changed letter": func(x *box) error {
			value := append([]byte(nil), x.b.Get(sequence(1))...)
			swap(value, "chat", "chot")
			return x.b.Put(sequence(1), value)
		},
		"another number":      func(x *box) error { return x.putJSON(sequence(2), letter(1)) },
		"a short key":         func(x *box) error { return x.putJSON([]byte("1"), letter(1)) },
		"after the last":      func(x *box) error { return x.putJSON(sequence(9), letter(9)) },
		"no letter":           func(x *box) error { return x.put(sequence(1), []byte("[")) },
		"a head that is none": func(x *box) error { return x.put([]byte(keyHead), []byte("[]")) },
	} {
		db := newDB(t)
		ok(t, db.SaveDesk(run.Desk{Last: 3}, []run.Letter{letter(1)}, nil))
		ok(t, db.update("test", func(tx *bbolt.Tx) error { return damage(find(tx, bucketNotices)) }))
		_, _, _, err := db.Desk()
		if fault.KindOf(err) != fault.Damaged || fault.KindOf(db.Check(t.Context())) != fault.Damaged {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDamagedNoticesCanBeDropped, so that a daemon can begin with new ones.
func TestDamagedNoticesCanBeDropped(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	ok(t, db.SaveDesk(run.Desk{Last: 3}, []run.Letter{letter(1)}, nil))
	ok(t, db.update("test", func(tx *bbolt.Tx) error { return find(tx, bucketNotices).put(sequence(1), []byte("[")) }))
	if _, _, _, err := db.Desk(); fault.KindOf(err) != fault.Damaged {
		t.Fatal(err)
	}
	ok(t, db.DropDesk())
	ok(t, db.SaveDesk(run.Desk{Last: 1}, []run.Letter{letter(1)}, nil))
	ok(t, db.Check(t.Context()))
}

func TestAStateWithoutNoticesGetsThem(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	path := db.Path()
	ok(t, db.Close())
	b, err := bbolt.Open(path, 0o600, nil)
	ok(t, err)
	ok(t, errors.Join(b.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketNotices)) }), b.Close()))
	setVersion(t, path, 6)
	db = mustOpen(t, testOptions(filepath.Dir(path)))

	ok(t, db.SaveDesk(run.Desk{Last: 1}, []run.Letter{letter(1)}, nil))
	ok(t, db.Check(t.Context()))
	copies, err := filepath.Glob(filepath.Join(filepath.Dir(path), BackupFolder, fmt.Sprintf("before-version-%d-*.db", schemaVersion)))
	if err != nil || len(copies) != 1 {
		t.Errorf("%v, %v", copies, err)
	}
}
