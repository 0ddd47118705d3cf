package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

// fillState gives a closed state with something of everything, and what is in it.
func fillState(t *testing.T, users int) (path string, r *replica.Replica, m *plan.Memory) {
	t.Helper()
	db, err := Open(t.Context(), testOptions(t.TempDir()))
	ok(t, err)
	r = bigReplica(users, 12, 30, noon())
	m, dirty := bigMemory(users, 12, 30)
	share(m, &dirty)
	// Several transactions leave free pages and an old head behind.
	ok(t, db.SaveReplica(r))
	ok(t, db.SaveMemory(m, dirty))
	ok(t, db.SaveRun(&run.Report{Run: "01RUN", Targets: []run.TargetReport{{Name: "chat"}}}))
	ok(t, db.Begin(plan.NewMemory("chat", "", time.Time{}), "01RUN", "sha256:x", []plan.Intent{{Run: "01RUN", Op: "add_members", Accounts: []string{m.Mirror.Account(0).ID}}}, plan.Dirty{Events: []run.Event{fullEvent()}}))
	ok(t, db.SaveSource(SourceIdentity{ID: r.Source, Name: "corp"}))
	ok(t, db.Close())
	return db.Path(), r, m
}

// damage opens a copy of a state after its bytes were changed.
func damage(t *testing.T, path string, change func([]byte) []byte) (*DB, error) {
	t.Helper()
	dir := copyFile(t, path)
	name := filepath.Join(dir, FileName)
	data, err := os.ReadFile(name)
	ok(t, err)
	ok(t, os.WriteFile(name, change(data), 0o600))
	return Open(t.Context(), testOptions(dir))
}

func TestDamagedFileIsRefused(t *testing.T) {
	t.Parallel()
	path, _, _ := fillState(t, 2*chunkRows)
	original, err := os.ReadFile(path)
	ok(t, err)
	const page = 4096
	// leafOf finds the page with a text that is in one record only.
	leafOf := func(text string) int { return bytes.LastIndex(original, []byte(text)) / page }
	edit := func(fn func(b []byte)) func([]byte) []byte {
		return func(b []byte) []byte { fn(b); return b }
	}
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   string
	}{
		"zero bytes":        {func([]byte) []byte { return nil }, "the file is empty"},
		"cut to 100 bytes":  {func(b []byte) []byte { return b[:100] }, "the file is cut off"},
		"cut to 4 KiB":      {func(b []byte) []byte { return b[:4<<10] }, "the file is cut off"},
		"cut to 12 KiB":     {func(b []byte) []byte { return b[:12<<10] }, "it is cut off"},
		"cut in half":       {func(b []byte) []byte { return b[:usedPages(t, path)/2*page] }, "it is cut off"},
		"cut one page":      {func(b []byte) []byte { return b[:(usedPages(t, path)-1)*page] }, "it is cut off"},
		"value changed":     {edit(func(b []byte) { swap(b, "Given Family user000007", "Given Family user000008") }), "the checksum is wrong"},
		"key changed":       {edit(func(b []byte) { swap(b, "\x00\x0001KAG0000000000000000000AA", "\x00\x0001KAG0000000000000000000AB") }), "the checksum is wrong"},
		"grant changed":     {edit(func(b []byte) { swap(b, `"name":"GPT"`, `"name":"GPX"`) }), "the checksum is wrong"},
		"role moved":        {edit(func(b []byte) { swap(b, "account-of-alice", "account-of-mallo") }), "the checksum is wrong"},
		"bucket renamed":    {edit(func(b []byte) { swap(b, "target", "tarGet") }), "does not belong here"},
		"leaf page zeroed":  {edit(func(b []byte) { clear(b[leafOf("sha256:x")*page:][:page]) }), "says it is page 0"},
		"first head zeroed": {edit(func(b []byte) { clear(b[:page]) }), "first of the two head pages"},
		"other head zeroed": {edit(func(b []byte) { clear(b[page : 2*page]) }), "second of the two head pages"},
		"both heads zeroed": {edit(func(b []byte) { clear(b[:2*page]) }), "both head pages are damaged"},
		"not a store":       {func([]byte) []byte { return []byte(strings.Repeat("no database\n", 4096)) }, "both head pages are damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := damage(t, path, c.change)
			wantKind(t, err, fault.Damaged)
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), FileName) || fault.HintOf(err) == "" {
				t.Fatalf("error %q, hint %q, want %q with the path and a hint", err, fault.HintOf(err), c.want)
			}
		})
	}
}

// usedPages reads how many pages of a file are in use.
func usedPages(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	ok(t, err)
	h, err := readHeads(f)
	ok(t, errors.Join(err, f.Close()))
	return int(h.end)
}

// swap replaces every occurrence of a text by another of the same length.
func swap(b []byte, from, to string) {
	if !bytes.Contains(b, []byte(from)) || len(from) != len(to) {
		panic("the text to change is not there")
	}
	copy(b, bytes.ReplaceAll(b, []byte(from), []byte(to)))
}

// reseal makes a head page valid again after a change.
func reseal(page []byte) {
	sum := fnv.New64a()
	_, _ = sum.Write(page[pageHeader : pageHeader+metaSize-8])
	binary.NativeEndian.PutUint64(page[pageHeader+metaSize-8:], sum.Sum64())
}

func TestValueInAnotherPlaceIsFound(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	ok(t, db.SaveSource(SourceIdentity{ID: "01A", Name: "one"}))
	ok(t, db.SaveSource(SourceIdentity{ID: "01B", Name: "two"}))
	ok(t, db.update("test", func(tx *bbolt.Tx) error {
		b := find(tx, bucketSources).b
		one, two := bytes.Clone(b.Get([]byte("01A"))), bytes.Clone(b.Get([]byte("01B")))
		return errors.Join(b.Put([]byte("01A"), two), b.Put([]byte("01B"), one))
	}))
	_, err := db.Sources()
	wantKind(t, err, fault.Damaged)
	if !strings.Contains(err.Error(), `"01A" in bucket sources`) {
		t.Fatalf("%q does not name the record", err)
	}
	wantKind(t, db.Check(t.Context()), fault.Damaged)
	_, err = Open(t.Context(), testOptions(copyFile(t, db.Path())))
	wantKind(t, err, fault.Damaged)
}

func TestMissingRecordIsFound(t *testing.T) {
	t.Parallel()
	for _, key := range []string{string(prefixed(prefixUsers, 0)), string(prefixed(prefixGroup, 3)), keyMissing, keyDeleted, keyHead} {
		db := newDB(t)
		r := bigReplica(chunkRows+1, 5, 3, noon())
		ok(t, db.SaveReplica(r))
		ok(t, db.update("test", func(tx *bbolt.Tx) error { return find(tx, bucketReplica, r.Source).delete([]byte(key)) }))
		_, err := db.Replica(r.Source)
		wantKind(t, err, fault.Damaged)
		wantKind(t, db.Check(t.Context()), fault.Damaged)
	}
	for _, part := range []string{keyHead, partAccounts} {
		db := newDB(t)
		m, dirty := bigMemory(chunkRows+1, 2, 3)
		ok(t, db.SaveMemory(m, dirty))
		ok(t, db.update("test", func(tx *bbolt.Tx) error {
			if part == keyHead {
				return find(tx, bucketTarget, "chat").delete([]byte(keyHead))
			}
			return find(tx, bucketTarget, "chat", part).delete(number(0))
		}))
		_, err := db.Memory("chat")
		wantKind(t, err, fault.Damaged)
		wantKind(t, db.Check(t.Context()), fault.Damaged)
	}
}

// TestAnyChangedByteIsFoundOrHarmless changes bytes all over the file, and in the head
// pages with a sum that fits again: whatever opens must hold exactly what was saved.
func TestAnyChangedByteIsFoundOrHarmless(t *testing.T) {
	t.Parallel()
	path, r, m := fillState(t, 40)
	original, err := os.ReadFile(path)
	ok(t, err)
	used := usedPages(t, path) * 4096
	original = original[:used]
	random := rand.New(rand.NewPCG(11, 7))
	dir := t.TempDir()
	name := filepath.Join(dir, FileName)
	refused := 0
	const rounds = 200
	for i := range rounds {
		b := bytes.Clone(original)
		where := random.IntN(used)
		switch i % 4 {
		case 0: // The beginnings of pages hold what leads to other pages.
			where = random.IntN(used/4096)*4096 + random.IntN(96)
		case 1:
			where = pageHeader + random.IntN(metaSize-8)
		}
		b[where] ^= byte(1 << random.IntN(8))
		if i%4 == 1 {
			copy(b[4096+pageHeader:], b[pageHeader:pageHeader+metaSize])
			reseal(b[:4096])
			reseal(b[4096:])
		}
		ok(t, os.WriteFile(name, b, 0o600))
		db, err := Open(t.Context(), testOptions(dir))
		if err != nil {
			wantKind(t, err, fault.Damaged)
			refused++
			continue
		}
		got, err := db.Replica(r.Source)
		ok(t, err)
		sameReplica(t, got, r)
		memory, err := db.Memory("chat")
		ok(t, err)
		sameMemory(t, memory, m)
		ok(t, db.Check(t.Context()))
		ok(t, db.Close())
	}
	if refused < rounds/4 {
		t.Fatalf("%d of %d changes were refused: the test does not reach what it should", refused, rounds)
	}
}

func TestDamageWhileOpenIsAnError(t *testing.T) {
	t.Parallel()
	path, r, _ := fillState(t, 2*chunkRows)
	db, err := Open(t.Context(), testOptions(copyFile(t, path)))
	ok(t, err)
	ok(t, os.Truncate(db.Path(), 8192))
	_, err = db.Replica(r.Source)
	wantKind(t, err, fault.Damaged)
	_, err = db.Memory("chat")
	wantKind(t, err, fault.Damaged)
	err = db.SaveSource(SourceIdentity{ID: "01A"})
	wantKind(t, err, fault.Damaged)
	if !errors.Is(err, ErrStopped) || !errors.Is(db.Err(), ErrStopped) {
		t.Fatalf("writing goes on after damage: %v", err)
	}
	wantKind(t, db.Check(t.Context()), fault.Damaged)
	ok(t, db.Close())
	// The lock is gone although the damage may have left a memory map behind.
	f, err := lockFile(t.Context(), db.Path(), testOptions(filepath.Dir(db.Path())))
	ok(t, err)
	ok(t, f.Close())
}

func TestCheckOfAWholeStatePasses(t *testing.T) {
	t.Parallel()
	path, _, _ := fillState(t, 2*chunkRows)
	db := mustOpen(t, testOptions(copyFile(t, path)))
	ok(t, db.Check(t.Context()))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	wantKind(t, db.Check(ended), fault.Canceled)
	ok(t, db.Err())
}
