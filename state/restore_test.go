package state

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

// events lists the audit of a state.
func events(t *testing.T, db *DB) []run.Event {
	t.Helper()
	var out []run.Event
	ok(t, db.Audit(1, func(r run.AuditRecord) error {
		out = append(out, r.Event)
		return nil
	}))
	return out
}

func TestARestoreBringsBackWhatTheBackupHolds(t *testing.T) {
	t.Parallel()
	recipient, key := keyPair(t)
	for name, to := range map[string]string{"plain": "", "encrypted": recipient} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, r, m := fillState(t, 40)
			dir := filepath.Dir(path)
			opts := testOptions(dir)
			db := mustOpen(t, opts)
			m.Approvals = []run.Approval{{Hash: "abc", Check: run.Emptied, Target: "chat", Keys: []string{"k"}, Until: noon().Add(48 * time.Hour)}}
			ok(t, db.SaveMemory(m, plan.Dirty{Approvals: true}))
			made, err := db.BackupTo(t.Context(), "", to)
			ok(t, err)
			ok(t, db.SaveSource(SourceIdentity{ID: "later", Name: "later"}))
			_, err = Restore(t.Context(), opts, RestoreOptions{From: made.Path, Identity: key, By: "ana"})
			if !errors.Is(err, ErrLocked) {
				t.Fatalf("restoring over an open state gives %v", err)
			}
			ok(t, db.Close())

			opts.Now = func() time.Time { return noon().Add(26 * time.Hour) }
			res, err := Restore(t.Context(), opts, RestoreOptions{From: made.Path, Identity: key, By: "ana"})
			ok(t, err)
			if res.Kept != filepath.Join(dir, BackupFolder, "before-restore-20260302T140000Z.db") || res.Damage != "" || !res.At.Equal(noon()) || res.Instance != db.Instance() {
				t.Errorf("restored: %+v", res)
			}
			ok(t, Verify(t.Context(), res.Kept))
			back := mustOpen(t, opts)
			known, err := back.Sources()
			ok(t, err)
			if len(known) != 1 || known[0].ID == "later" {
				t.Errorf("sources: %+v", known)
			}
			got, err := back.Replica(r.Source)
			ok(t, err)
			sameReplica(t, got, r)
			memory, err := back.Memory("chat")
			ok(t, err)
			if len(memory.Approvals) != 0 || res.Dropped != 1 {
				t.Errorf("%d approvals are left, %d dropped", len(memory.Approvals), res.Dropped)
			}
			m.Approvals = nil
			sameMemory(t, memory, m)
			all := events(t, back)
			if last := all[len(all)-1]; last.Kind != run.EventRestored || last.By != "ana" || !strings.Contains(last.Detail, made.Path) || !strings.Contains(last.Detail, "26h0m0s") {
				t.Errorf("the audit ends with %+v", last)
			}
			ok(t, back.Check(t.Context()))
			info, err := os.Stat(path)
			ok(t, err)
			if info.Mode().Perm() != 0o600 {
				t.Errorf("mode %s", info.Mode())
			}
		})
	}
}

func TestARestoreKeepsADamagedStateAndFillsAnEmptyFolder(t *testing.T) {
	t.Parallel()
	source := openCopy(t)
	made, err := source.BackupTo(t.Context(), filepath.Join(t.TempDir(), "copy.db"), "")
	ok(t, err)
	for name, there := range map[string][]byte{"empty": {}, "foreign": bytes.Repeat([]byte("no database\n"), 999), "cut": []byte("\x00\x01")} {
		dir := t.TempDir()
		path := filepath.Join(dir, FileName)
		ok(t, os.WriteFile(path, there, 0o600))
		res, err := Restore(t.Context(), testOptions(dir), RestoreOptions{From: made.Path})
		ok(t, err)
		kept, err := os.ReadFile(res.Kept)
		ok(t, err)
		if res.Damage == "" || !bytes.Equal(kept, there) {
			t.Errorf("%s: damage %q, kept as %s", name, res.Damage, res.Kept)
		}
		ok(t, Verify(t.Context(), path))
		again, err := Restore(t.Context(), testOptions(dir), RestoreOptions{From: made.Path})
		ok(t, err)
		if again.Kept == res.Kept || again.Damage != "" {
			t.Errorf("%s, a second time: %+v", name, again)
		}
	}
	dir := filepath.Join(t.TempDir(), "new")
	res, err := Restore(t.Context(), testOptions(dir), RestoreOptions{From: made.Path})
	ok(t, err)
	if res.Kept != "" {
		t.Errorf("something was kept: %+v", res)
	}
	ok(t, Verify(t.Context(), filepath.Join(dir, FileName)))
}

func TestABackupThatCannotBeUsedChangesNothing(t *testing.T) {
	t.Parallel()
	recipient, key := keyPair(t)
	_, wrong := keyPair(t)
	source := openCopy(t)
	folder := t.TempDir()
	plain, err := source.BackupTo(t.Context(), filepath.Join(folder, "plain.db"), "")
	ok(t, err)
	sealed, err := source.BackupTo(t.Context(), filepath.Join(folder, "sealed"), recipient)
	ok(t, err)
	write := func(name string, data []byte) string {
		path := filepath.Join(folder, name)
		ok(t, os.WriteFile(path, data, 0o600))
		return path
	}
	whole, err := os.ReadFile(plain.Path)
	ok(t, err)
	encrypted, err := os.ReadFile(sealed.Path)
	ok(t, err)
	changed := bytes.Clone(whole)
	swap(changed, "Given Family user000007", "Given Family user000008")
	flipped := bytes.Clone(encrypted)
	flipped[len(flipped)-40] ^= 1
	newer := newerState(t, folder)
	lacking := lackingState(t, plain.Path)
	noKey := write("nokey", []byte("hello"))

	dir := t.TempDir()
	before := newStateIn(t, dir)
	for name, c := range map[string]struct {
		from, identity string
		kind           fault.Kind
		want, hint     string
	}{
		"no such file":       {filepath.Join(folder, "none"), "", fault.Invalid, "no such file", "Nothing was changed"},
		"a folder":           {folder, "", fault.Invalid, "not a regular file", "Nothing was changed"},
		"the state itself":   {filepath.Join(dir, FileName), "", fault.Invalid, "this is the state itself", "Name a backup"},
		"empty":              {write("empty", nil), "", fault.Damaged, "the file is empty", "Nothing was changed"},
		"foreign":            {write("foreign", bytes.Repeat([]byte("no database\n"), 4096)), "", fault.Damaged, "both head pages", "Nothing was changed"},
		"cut":                {write("cut", whole[:len(whole)/2]), "", fault.Damaged, "cut off", "Nothing was changed"},
		"changed":            {write("changed", changed), "", fault.Damaged, "the checksum is wrong", "Nothing was changed"},
		"a record missing":   {lacking, "", fault.Damaged, "it is missing", "Nothing was changed"},
		"newer":              {newer, "", fault.Damaged, "newer than this program", "version that wrote the backup"},
		"encrypted, no key":  {sealed.Path, "", fault.Invalid, "it is encrypted", "--identity"},
		"wrong key":          {sealed.Path, wrong, fault.Invalid, "no key in", "--identity"},
		"no key in the file": {sealed.Path, noKey, fault.Invalid, "holds no secret key", "--identity"},
		"no file of keys":    {sealed.Path, filepath.Join(folder, "none"), fault.Invalid, "no such file", "--identity"},
		"encrypted, cut":     {write("cut.age", encrypted[:len(encrypted)-100]), key, fault.Damaged, "cut off or was changed", "Nothing was changed"},
		"encrypted, changed": {write("flip.age", flipped), key, fault.Damaged, "cut off or was changed", "Nothing was changed"},
		"encrypted, no head": {write("head.age", encrypted[:60]), key, fault.Damaged, "cut off or was changed", "Nothing was changed"},
	} {
		_, err := Restore(t.Context(), testOptions(dir), RestoreOptions{From: c.from, Identity: c.identity})
		if fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), c.hint) || strings.Contains(err.Error(), workRestore) {
			t.Errorf("%s: %v (hint %q), want %q and %q", name, err, fault.HintOf(err), c.want, c.hint)
		}
		now, err := os.ReadFile(filepath.Join(dir, FileName))
		ok(t, err)
		if left := slices.DeleteFunc(names(t, dir), func(n string) bool { return n == AuditKeyName }); !bytes.Equal(now, before) || len(left) != 1 {
			t.Errorf("%s: the state was touched: %v", name, left)
		}
	}
}

// newStateIn makes a state and gives its bytes.
func newStateIn(t *testing.T, dir string) []byte {
	t.Helper()
	db, err := Open(t.Context(), testOptions(dir))
	ok(t, err)
	ok(t, db.Close())
	b, err := os.ReadFile(db.Path())
	ok(t, err)
	return b
}

// lackingState gives a copy in which every sum is right and a record is not there.
func lackingState(t *testing.T, path string) string {
	t.Helper()
	db, err := Open(t.Context(), testOptions(copyFile(t, path)))
	ok(t, err)
	known, err := db.Replicas()
	ok(t, err)
	ok(t, db.update("test", func(tx *bbolt.Tx) error { return find(tx, bucketReplica, known[0]).delete([]byte(keyMissing)) }))
	ok(t, db.Close())
	return db.Path()
}

// newerState gives the file of a state of the next version.
func newerState(t *testing.T, folder string) string {
	t.Helper()
	opts := testOptions(filepath.Join(folder, "newer"))
	opts.target, opts.steps = schemaVersion+1, append(migrations(), nil)
	db, err := Open(t.Context(), opts)
	ok(t, err)
	ok(t, db.Close())
	return db.Path()
}

func TestABackupOfAnOlderVersionIsMigrated(t *testing.T) {
	t.Parallel()
	old := filepath.Join(t.TempDir(), "old.db")
	ok(t, os.WriteFile(old, versionOne(t), 0o600))
	dir := t.TempDir()
	_, err := Restore(t.Context(), testOptions(dir), RestoreOptions{From: old, By: "ana"})
	ok(t, err)
	db := mustOpen(t, testOptions(dir))
	if all := events(t, db); db.Version() != schemaVersion || len(all) != 1 || all[0].Kind != run.EventRestored {
		t.Errorf("version %d, audit %+v", db.Version(), all)
	}
	ok(t, db.Check(t.Context()))
}

func TestARestoreIntoASharedFileSystemIsRefused(t *testing.T) {
	t.Parallel()
	opts := testOptions(t.TempDir())
	opts.fsKind = func(string) (string, error) { return "NFS", nil }
	_, err := Restore(t.Context(), opts, RestoreOptions{From: "copy.db"})
	wantKind(t, err, fault.Invalid)
	_, err = Compact(t.Context(), opts)
	wantKind(t, err, fault.Invalid)
	_, err = Look(t.Context(), opts)
	wantKind(t, err, fault.Invalid)
}

// versionOne gives the file of a state of the first version.
func versionOne(t *testing.T) []byte {
	t.Helper()
	packed, err := os.Open("testdata/version-1.db.gz")
	ok(t, err)
	defer packed.Close() //nolint:errcheck // It is only read.
	z, err := gzip.NewReader(packed)
	ok(t, err)
	b, err := io.ReadAll(z)
	ok(t, err)
	return b
}
