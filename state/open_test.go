package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	ok(t, err)
	return info.Mode().Perm()
}

func TestStateIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "state")
	db := mustOpen(t, testOptions(dir))
	if mode(t, dir) != 0o700 || mode(t, db.Path()) != 0o600 {
		t.Fatalf("folder %o, file %o", mode(t, dir), mode(t, db.Path()))
	}
	ok(t, db.Close())
	ok(t, os.Chmod(db.Path(), 0o644))
	var log bytes.Buffer
	opts := testOptions(dir)
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	mustOpen(t, opts)
	if mode(t, db.Path()) != 0o600 || !strings.Contains(log.String(), "readable by others") {
		t.Fatalf("file %o, log %s", mode(t, db.Path()), log.String())
	}
	entries, err := os.ReadDir(dir)
	ok(t, err)
	for _, e := range entries {
		if e.Name() != FileName && e.Name() != holderName {
			t.Fatalf("%s is left over", e.Name())
		}
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	t.Parallel()
	foreign := func(fill func(*bbolt.Tx) error) func(string) error {
		return func(path string) error {
			b, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			return errors.Join(b.Update(fill), b.Close())
		}
	}
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"empty store": {foreign(func(*bbolt.Tx) error { return nil }), "it holds no schema"},
		"other store": {foreign(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte("other"))
			return errors.Join(err, b.Put([]byte("key"), []byte("some value")))
		}), "it holds no schema"},
		"bucket of ours only": {foreign(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte(bucketMeta))
			return err
		}), "it holds no schema"},
		"folder":  {func(path string) error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		"symlink": {func(path string) error { return os.Symlink("/nowhere", path) }, "not a regular file"},
	} {
		dir := t.TempDir()
		ok(t, c.make(filepath.Join(dir, FileName)))
		_, err := Open(t.Context(), testOptions(dir))
		wantKind(t, err, fault.Damaged)
		if !strings.Contains(err.Error(), c.want) {
			t.Fatalf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestReadOnlyLooksAndDoesNotTouch(t *testing.T) {
	t.Parallel()
	opts := testOptions(t.TempDir())
	opts.ReadOnly = true
	_, err := Open(t.Context(), opts)
	wantKind(t, err, fault.NotFound)
	opts.Dir = filepath.Join(opts.Dir, "nowhere")
	_, err = Open(t.Context(), opts)
	wantKind(t, err, fault.NotFound)

	path, r, m := fillState(t, 20)
	before, err := os.ReadFile(path)
	ok(t, err)
	opts.Dir = filepath.Dir(path)
	one, two := mustOpen(t, opts), mustOpen(t, opts)
	got, err := one.Replica(r.Source)
	ok(t, err)
	sameReplica(t, got, r)
	memory, err := two.Memory("chat")
	ok(t, err)
	sameMemory(t, memory, m)
	ok(t, two.Check(t.Context()))
	if err := one.SaveSource(SourceIdentity{ID: "01A"}); !errors.Is(err, ErrReadOnly) || one.Err() != nil {
		t.Fatalf("writing gives %v, state %v", err, one.Err())
	}
	_, err = Open(t.Context(), testOptions(opts.Dir))
	wantKind(t, err, fault.Damaged)
	ok(t, errors.Join(one.Close(), two.Close()))
	after, err := os.ReadFile(path)
	ok(t, err)
	if !bytes.Equal(before, after) {
		t.Fatal("the file has changed")
	}
}

func TestSharedFileSystemsAreRefused(t *testing.T) {
	t.Parallel()
	opts := testOptions(t.TempDir())
	opts.fsKind = func(string) (string, error) { return "NFS", nil }
	_, err := Open(t.Context(), opts)
	wantKind(t, err, fault.Invalid)
	if !strings.Contains(err.Error(), "NFS") || !strings.Contains(err.Error(), opts.Dir) || fault.HintOf(err) == "" {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Options{})
	wantKind(t, err, fault.Invalid)
	opts = testOptions(filepath.Join(opts.Dir, "file", "state"))
	ok(t, os.WriteFile(filepath.Dir(opts.Dir), nil, 0o600))
	_, err = Open(t.Context(), opts)
	wantKind(t, err, fault.Invalid)
}

// setVersion writes a schema version into a closed state.
func setVersion(t *testing.T, path string, version int) {
	t.Helper()
	b, err := bbolt.Open(path, 0o600, nil)
	ok(t, err)
	ok(t, errors.Join(b.Update(func(tx *bbolt.Tx) error {
		return find(tx, bucketMeta).putJSON([]byte(keySchema), schema{version})
	}), b.Close()))
}

func TestNewerStateIsRefused(t *testing.T) {
	t.Parallel()
	path, _, _ := fillState(t, 20)
	setVersion(t, path, schemaVersion+6)
	b, err := bbolt.Open(path, 0o600, nil)
	ok(t, err)
	ok(t, errors.Join(b.Update(func(tx *bbolt.Tx) error {
		x, err := tx.CreateBucket([]byte("of the future"))
		return errors.Join(err, x.Put([]byte("key"), []byte("in a form that nobody knows yet")))
	}), b.Close()))
	_, err = Open(t.Context(), testOptions(filepath.Dir(path)))
	wantKind(t, err, fault.Damaged)
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), fmt.Sprint("version ", schemaVersion+6)) || !strings.Contains(err.Error(), fmt.Sprint("up to ", schemaVersion)) {
		t.Fatal(err)
	}
}

// migrating gives options of a program that is two versions further.
func migrating(dir string, steps ...migration) Options {
	opts := testOptions(dir)
	opts.steps, opts.target = steps, schemaVersion+len(steps)
	return opts
}

func rename(name string) migration {
	return func(tx *bbolt.Tx) error {
		return find(tx, bucketSources).putJSON([]byte("01A"), SourceIdentity{ID: "01A", Name: name})
	}
}

func TestOlderStateIsBroughtForwardAfterACopy(t *testing.T) {
	t.Parallel()
	path, r, _ := fillState(t, 20)
	dir := filepath.Dir(path)
	failing := func(*bbolt.Tx) error { return errors.New("the step fails") }

	opts := migrating(dir, rename("one"), failing)
	opts.ReadOnly = true
	_, err := Open(t.Context(), opts)
	wantKind(t, err, fault.Damaged)

	_, err = Open(t.Context(), migrating(dir, rename("one"), failing))
	wantKind(t, err, fault.Damaged)
	if !strings.Contains(err.Error(), fmt.Sprintf("from version %d to %d: the step fails", schemaVersion+1, schemaVersion+2)) || !strings.Contains(fault.HintOf(err), BackupFolder) {
		t.Fatalf("%v, hint %s", err, fault.HintOf(err))
	}
	// The first step is done for good, the second is not; then it works.
	opts = migrating(dir, func(*bbolt.Tx) error { return errors.New("done twice") }, rename("two"))
	opts.Now = func() time.Time { return noon().AddDate(0, 0, 1) }
	db, err := Open(t.Context(), opts)
	ok(t, err)
	list, err := db.Sources()
	ok(t, err)
	if len(list) != 2 || list[0].Name != "two" {
		t.Fatalf("sources after the steps: %+v", list)
	}
	ok(t, db.Check(t.Context()))
	ok(t, db.Close())
	_, err = Open(t.Context(), testOptions(dir))
	if !errors.Is(err, ErrNewer) {
		t.Fatal(err)
	}

	copies, err := os.ReadDir(filepath.Join(dir, BackupFolder))
	ok(t, err)
	if len(copies) != 2 || mode(t, filepath.Join(dir, BackupFolder)) != 0o700 {
		t.Fatalf("%d copies", len(copies))
	}
	// The first copy is the state as it was before everything.
	first := filepath.Join(dir, BackupFolder, copies[0].Name())
	ok(t, Verify(t.Context(), first))
	old := mustOpen(t, testOptions(copyFile(t, first)))
	got, err := old.Replica(r.Source)
	ok(t, err)
	sameReplica(t, got, r)
}

func TestStateOlderThanEveryStepIsRefused(t *testing.T) {
	t.Parallel()
	path, _, _ := fillState(t, 20)
	setVersion(t, path, -1)
	_, err := Open(t.Context(), testOptions(filepath.Dir(path)))
	wantKind(t, err, fault.Damaged)
}

func TestLargestSizeLeavesTheStateUsable(t *testing.T) {
	t.Parallel()
	opts := testOptions(t.TempDir())
	opts.MaxSize = 4 << 20
	db := mustOpen(t, opts)
	m, dirty := bigMemory(5000, 10, 100)
	ok(t, db.SaveMemory(m, dirty))
	err := db.SaveSource(SourceIdentity{ID: "01A", Place: strings.Repeat("x", 6<<20)})
	wantKind(t, err, fault.Damaged)
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "limit of 4 MiB") || !strings.Contains(fault.HintOf(err), "state compact") {
		t.Fatal(err)
	}
	ok(t, db.Err())
	m.People = &plan.PersonLinks{}
	ok(t, db.SaveMemory(m, plan.Dirty{People: dirty.People}))
	ok(t, db.SaveSource(SourceIdentity{ID: "01A"}))
	got, err := db.Memory("chat")
	ok(t, err)
	sameMemory(t, got, m)
	ok(t, db.Check(t.Context()))
	s, err := db.Stats()
	ok(t, err)
	if s.Size > s.MaxSize || s.Free == 0 || s.Readers != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestFailedCommitStopsWriting(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	ok(t, db.SaveSource(SourceIdentity{ID: "01A", Name: "before"}))
	err := db.commitFailed("save source", syscall.EIO)
	wantKind(t, err, fault.Damaged)
	for name, write := range map[string]func() error{
		"source":  func() error { return db.SaveSource(SourceIdentity{ID: "01B"}) },
		"replica": func() error { return db.SaveReplica(bigReplica(1, 1, 1, noon())) },
		"memory":  func() error { return db.SaveMemory(smallMemory(), plan.Dirty{Head: true}) },
		"journal": func() error { return db.Begin(plan.NewMemory("chat", "", time.Time{}), "01A", "", nil, plan.Dirty{}) },
		"run":     func() error { return db.SaveRun(&run.Report{Run: "01A"}) },
	} {
		if err := write(); !errors.Is(err, ErrStopped) || !errors.Is(err, syscall.EIO) || fault.KindOf(err) != fault.Damaged {
			t.Fatalf("%s: %v", name, err)
		}
	}
	list, err := db.Sources()
	ok(t, err)
	if len(list) != 1 {
		t.Fatal("what was stored before cannot be read")
	}
}

func TestOnlyRefusedPagesCountAsAFullDisk(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		&fs.PathError{Op: "write", Err: syscall.ENOSPC}: true,
		&fs.PathError{Op: "write", Err: syscall.EDQUOT}: true,
		&fs.PathError{Op: "write", Err: syscall.EIO}:    false,
		&fs.PathError{Op: "sync", Err: syscall.ENOSPC}:  false,
		syscall.ENOSPC: false,
	} {
		if outOfRoom(err) != want {
			t.Errorf("%v: %t", err, !want)
		}
	}
}

func TestBackupIsAWholeState(t *testing.T) {
	t.Parallel()
	path, r, m := fillState(t, 20)
	db := mustOpen(t, testOptions(filepath.Dir(path)))
	copied := filepath.Join(t.TempDir(), "copy.db")
	ok(t, db.Backup(t.Context(), copied))
	ok(t, Verify(t.Context(), copied))
	if mode(t, copied) != 0o600 {
		t.Fatalf("mode %o", mode(t, copied))
	}
	wantKind(t, db.Backup(t.Context(), copied), fault.Conflict)
	wantKind(t, db.Backup(t.Context(), filepath.Join(copied, "below")), fault.Unavailable)
	other := mustOpen(t, testOptions(copyFile(t, copied)))
	got, err := other.Replica(r.Source)
	ok(t, err)
	sameReplica(t, got, r)
	memory, err := other.Memory("chat")
	ok(t, err)
	sameMemory(t, memory, m)
	if other.Instance() != db.Instance() {
		t.Fatal("the copy has another identity")
	}
	entries, err := os.ReadDir(filepath.Dir(copied))
	ok(t, err)
	if len(entries) != 1 {
		t.Fatalf("%d files beside the copy", len(entries))
	}

	data, err := os.ReadFile(copied)
	ok(t, err)
	swap(data, "user000007", "user000008")
	ok(t, os.WriteFile(copied, data, 0o600))
	wantKind(t, Verify(t.Context(), copied), fault.Damaged)
}

func TestClosedStateRefusesEverything(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	ok(t, db.Close())
	ok(t, db.Close())
	_, err := db.Memory("chat")
	if !errors.Is(err, fs.ErrClosed) || !errors.Is(db.SaveSource(SourceIdentity{ID: "01A"}), fs.ErrClosed) {
		t.Fatal(err)
	}
}

func TestStateReplacedWhileWaitingIsOpenedAnew(t *testing.T) {
	t.Parallel()
	path, _, _ := fillState(t, 20)
	opts := testOptions(filepath.Dir(path))
	opts.Timeout = 1 << 40
	held, err := lockFile(t.Context(), path, opts)
	ok(t, err)
	opened := make(chan *DB)
	go func() {
		db, err := Open(context.Background(), opts)
		if err != nil {
			t.Error(err)
		}
		opened <- db
	}()
	other, err := Open(t.Context(), testOptions(t.TempDir()))
	ok(t, err)
	ok(t, other.Close())
	ok(t, os.Rename(other.Path(), path))
	release(held)
	db := <-opened
	if db.Instance() != other.Instance() {
		t.Fatal("the file that is no longer there was opened")
	}
	ok(t, db.Close())
}

func TestJSONTextsKeepTheirBytes(t *testing.T) {
	t.Parallel()
	text, err := toJSON(map[string]any{"spec": json.RawMessage(`{"match":"<a> & b"}`)})
	ok(t, err)
	if string(text) != `{"spec":{"match":"<a> & b"}}` {
		t.Fatal(string(text))
	}
}
