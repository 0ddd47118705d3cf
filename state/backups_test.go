package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
)

// keyPair gives a public key, and the file with the secret one.
func keyPair(t *testing.T) (recipient, file string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	ok(t, err)
	file = filepath.Join(t.TempDir(), "key.txt")
	ok(t, os.WriteFile(file, []byte("# a comment\n"+id.String()+"\n"), 0o600))
	return id.Recipient().String(), file
}

// openCopy opens a filled state in a folder of its own.
func openCopy(t *testing.T) *DB {
	t.Helper()
	path, _, _ := fillState(t, 40)
	return mustOpen(t, testOptions(copyFile(t, path)))
}

// names lists a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	ok(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestABackupIsAVerifiedCopyWithTheTimeInItsName(t *testing.T) {
	t.Parallel()
	db := openCopy(t)
	first, err := db.BackupTo(t.Context(), "", "")
	ok(t, err)
	second, err := db.BackupTo(t.Context(), "", "")
	ok(t, err)
	dir := filepath.Dir(db.Path())
	folder := filepath.Join(dir, BackupFolder)
	if first.Path != filepath.Join(folder, "state-20260301T120000Z.db") || second.Path != filepath.Join(folder, "state-20260301T120000Z-2.db") || !first.At.Equal(noon()) {
		t.Errorf("the backups are %+v and %+v", first, second)
	}
	ok(t, Verify(t.Context(), first.Path))
	info, err := os.Stat(first.Path)
	ok(t, err)
	if info.Mode().Perm() != 0o600 || info.Size() != first.Size {
		t.Errorf("mode %s, size %d", info.Mode(), info.Size())
	}
	list, err := Backups(dir)
	ok(t, err)
	if diff := cmp.Diff([]string{second.Path, first.Path}, []string{list[0].Path, list[1].Path}); diff != "" {
		t.Errorf("newest first (-want +got):\n%s", diff)
	}
	if slices.ContainsFunc(names(t, dir), func(n string) bool { return strings.HasPrefix(n, workCopy) }) {
		t.Errorf("a copy was left: %v", names(t, dir))
	}
}

func TestABackupNeverReplacesAFile(t *testing.T) {
	t.Parallel()
	db := openCopy(t)
	path := filepath.Join(t.TempDir(), "mine")
	ok(t, os.WriteFile(path, []byte("precious"), 0o600))
	for _, target := range []string{path, db.Path(), filepath.Dir(path)} {
		_, err := db.BackupTo(t.Context(), target, "")
		wantKind(t, err, fault.Conflict)
	}
	text, err := os.ReadFile(path)
	ok(t, err)
	if string(text) != "precious" {
		t.Errorf("the file holds %q", text)
	}
	_, err = db.BackupTo(t.Context(), filepath.Join(path, "copy.db"), "")
	if err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file for a folder gives %v", err)
	}
	_, err = db.BackupTo(t.Context(), filepath.Join(t.TempDir(), "none", "copy.db"), "")
	wantKind(t, err, fault.Unavailable)
	if !strings.Contains(fault.HintOf(err), "Make the folder") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = db.BackupTo(ended, "", ""); fault.KindOf(err) != fault.Canceled {
		t.Errorf("a cancelled backup gives %v", err)
	}
	if left := names(t, filepath.Join(filepath.Dir(db.Path()), BackupFolder)); len(left) != 0 {
		t.Errorf("a cancelled backup leaves %v", left)
	}
}

func TestAnEncryptedBackupShowsNothing(t *testing.T) {
	t.Parallel()
	db := openCopy(t)
	recipient, _ := keyPair(t)
	made, err := db.BackupTo(t.Context(), "", recipient)
	ok(t, err)
	text, err := os.ReadFile(made.Path)
	ok(t, err)
	if !made.Encrypted || !strings.HasSuffix(made.Path, ".db.age") || !bytes.HasPrefix(text, []byte(ageHead)) || bytes.Contains(text, []byte("Given Family")) {
		t.Errorf("%+v is not encrypted", made)
	}
	// Everything that could be read is gone from the folders.
	for _, name := range names(t, filepath.Dir(db.Path())) {
		if strings.HasPrefix(name, workCopy) {
			t.Errorf("%s is left in the clear", name)
		}
	}
	for _, wrong := range []string{"age1nonsense", "AGE-SECRET-KEY-1NOKEYOFANYBODY"} {
		_, err := db.BackupTo(t.Context(), filepath.Join(t.TempDir(), "x"), wrong)
		wantKind(t, err, fault.Invalid)
		if strings.Contains(err.Error()+fault.HintOf(err), wrong) {
			t.Errorf("%v repeats what may be a secret", err)
		}
	}
}

func TestOnlyOurOldestBackupsAreDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := filepath.Join(dir, BackupFolder)
	ok(t, os.Mkdir(folder, 0o700))
	foreign := []string{"before-restore-20200101T000000Z.db", "before-version-2-20200101T000000.000Z.db", "state-20200101T000000Z.db.part-1", "state-2020.db",
		"mine.db", "state-20209901T000000Z.db", "state-20200101T000000Z.db.bak"}
	for _, name := range foreign {
		ok(t, os.WriteFile(filepath.Join(folder, name), nil, 0o600))
	}
	ok(t, os.Mkdir(filepath.Join(folder, "state-20190101T000000Z.db"), 0o700))
	for day := 1; day <= 9; day++ {
		name := fmt.Sprintf("state-202601%02dT000000Z.db", day)
		if day%2 == 0 {
			name += ageSuffix
		}
		ok(t, os.WriteFile(filepath.Join(folder, name), []byte("x"), 0o600))
	}
	ok(t, os.WriteFile(filepath.Join(folder, "state-20270101T000000Z.db"), nil, 0o600)) // Its maker was killed.
	gone, err := Prune(dir, 7)
	ok(t, err)
	if len(gone) != 2 || gone[0].At.Day() != 2 || gone[1].At.Day() != 1 {
		t.Errorf("deleted: %+v", gone)
	}
	left := names(t, folder)
	for _, name := range append(foreign, "state-20190101T000000Z.db", "state-20260103T000000Z.db") {
		if !slices.Contains(left, name) {
			t.Errorf("%s was deleted", name)
		}
	}
	for _, keep := range []int{0, -1, 7} {
		if gone, err := Prune(dir, keep); len(gone) != 0 || err != nil {
			t.Errorf("keeping %d deletes %v, %v", keep, gone, err)
		}
	}
	if list, err := Backups(t.TempDir()); len(list) != 0 || err != nil {
		t.Errorf("a folder that is not there gives %v, %v", list, err)
	}
}

// TestASlowDiskBehindABackupHoldsUpNobody writes a backup into a pipe that nobody reads,
// as a network disk that hangs: a reader that stays open then would keep every page that
// changes meanwhile.
func TestASlowDiskBehindABackupHoldsUpNobody(t *testing.T) {
	t.Parallel()
	db := openCopy(t)
	local, err := db.localCopy(t.Context())
	ok(t, err)
	defer os.Remove(local) //nolint:errcheck // The folder goes with the test.
	entered, leave := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := pour(t.Context(), local, slowDisk{entered, leave}, "")
		done <- err
	}()
	<-entered
	s, err := db.Stats()
	ok(t, err)
	if s.Readers != 0 {
		t.Errorf("%d readers are open while the backup is written", s.Readers)
	}
	ok(t, db.SaveSource(SourceIdentity{ID: "01A", Name: "one"}))
	close(leave)
	if err := <-done; !errors.Is(err, errSlow) {
		t.Errorf("the failure of the disk arrives as %v", err)
	}
}

var errSlow = errors.New("the disk went away")

type slowDisk struct{ entered, leave chan struct{} }

func (d slowDisk) Write([]byte) (int, error) {
	close(d.entered)
	<-d.leave
	return 0, errSlow
}

func TestABackupLeavesRoomForTheNextRun(t *testing.T) {
	t.Parallel()
	path, _, _ := fillState(t, 40)
	opts := testOptions(filepath.Dir(path))
	var free int64
	opts.space = func(string) (int64, error) { return free, nil }
	db := mustOpen(t, opts)
	s, err := db.Stats()
	ok(t, err)
	free = s.Size - s.Free + copyReserve - 1
	_, err = db.BackupTo(t.Context(), "", "")
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "MiB are free") || !strings.Contains(fault.HintOf(err), "Make room") {
		t.Errorf("a disk that is nearly full gives %v", err)
	}
	free++
	_, err = db.BackupTo(t.Context(), "", "")
	ok(t, err)
	db.opts.space = func(string) (int64, error) { return 0, errors.ErrUnsupported }
	_, err = db.BackupTo(t.Context(), "", "")
	ok(t, err)
	ok(t, db.Err())
}

func TestANameIsGivenToACopyOnlyWhenItIsFree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	part, to := filepath.Join(dir, "part"), filepath.Join(dir, "to")
	ok(t, os.WriteFile(part, []byte("new"), 0o600))
	ok(t, os.WriteFile(to, []byte("old"), 0o600))
	wantKind(t, settle(part, to), fault.Conflict)
	// A copy that cannot be had leaves no empty file under its name.
	if err := settle(filepath.Join(dir, "none"), filepath.Join(dir, "free")); err == nil {
		t.Error("a copy that is not there got a name")
	}
	text, err := os.ReadFile(to)
	ok(t, err)
	if string(text) != "old" || absent(filepath.Join(dir, "free")) != nil {
		t.Errorf("%q, %v", text, names(t, dir))
	}
}

func TestWhatACrashLeftIsSweptAndNothingElse(t *testing.T) {
	t.Parallel()
	db := openCopy(t)
	dir := filepath.Dir(db.Path())
	for _, name := range []string{workCopy + "1", workRestore + "2", workCompact + "3", "state.db.mine"} {
		ok(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	_, err := db.BackupTo(t.Context(), "", "")
	ok(t, err)
	want := []string{BackupFolder, FileName, "state.db.mine"}
	got := slices.DeleteFunc(names(t, dir), func(n string) bool { return n == holderName || n == AuditKeyName })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestAStateIsLookedAtAsItIs(t *testing.T) {
	t.Parallel()
	_, err := Look(t.Context(), testOptions(t.TempDir()))
	wantKind(t, err, fault.NotFound)
	path, _, _ := fillState(t, 40)
	before, err := os.ReadFile(path)
	ok(t, err)
	db, err := Look(t.Context(), testOptions(filepath.Dir(path)))
	ok(t, err)
	ok(t, db.Check(t.Context()))
	made, err := db.BackupTo(t.Context(), filepath.Join(t.TempDir(), "copy.db"), "")
	ok(t, err)
	if db.Instance() == "" || db.Version() != schemaVersion {
		t.Errorf("instance %q, version %d", db.Instance(), db.Version())
	}
	ok(t, db.Close())
	ok(t, Verify(t.Context(), made.Path))
	after, err := os.ReadFile(path)
	ok(t, err)
	if !bytes.Equal(before, after) {
		t.Error("looking has changed the file")
	}
	// One of an older version is neither refused nor changed.
	old := testOptions(filepath.Dir(path))
	old.target, old.steps = schemaVersion+1, append(migrations(), nil)
	db, err = Look(t.Context(), old)
	ok(t, err)
	ok(t, db.Check(t.Context()))
	_, err = db.BackupTo(t.Context(), filepath.Join(t.TempDir(), "copy.db"), "")
	ok(t, err)
	ok(t, db.Close())
}

func TestAFailedCheckStopsEveryWrite(t *testing.T) {
	t.Parallel()
	db := openCopy(t)
	text, err := os.ReadFile(db.Path())
	ok(t, err)
	at := bytes.LastIndex(text, []byte("Given Family user000007"))
	f, err := os.OpenFile(db.Path(), os.O_WRONLY, 0)
	ok(t, err)
	_, err = f.WriteAt([]byte("Given Family user000008"), int64(at))
	ok(t, errors.Join(err, f.Close()))
	wantKind(t, db.Check(t.Context()), fault.Damaged)
	err = db.SaveSource(SourceIdentity{ID: "01A", Name: "one"})
	wantKind(t, err, fault.Damaged)
	if !errors.Is(err, ErrStopped) {
		t.Errorf("a write after the check gives %v", err)
	}
	wantKind(t, db.Begin(plan.NewMemory("chat", "", noon()), "01RUN", "sha256:x", []plan.Intent{{Run: "01RUN"}}, plan.Dirty{}), fault.Damaged)
}

func TestAReplicaIsDroppedWhole(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	for _, id := range []string{"a", "b"} {
		r := bigReplica(40, 3, 3, noon())
		r.Source = id
		ok(t, db.SaveReplica(r))
		ok(t, db.SaveSource(SourceIdentity{ID: id, Name: id}))
	}
	ok(t, db.DropReplica("a"))
	ok(t, db.DropReplica("a"))
	ok(t, db.DropReplica("never"))
	wantKind(t, db.DropReplica(""), fault.Invalid)
	stored, err := db.Replicas()
	ok(t, err)
	if diff := cmp.Diff([]string{"b"}, stored); diff != "" {
		t.Errorf("replicas (-want +got):\n%s", diff)
	}
	r, err := db.Replica("a")
	ok(t, err)
	if users, groups := r.Size(); users != 0 || groups != 0 {
		t.Errorf("%d users and %d groups are left", users, groups)
	}
	if known, err := db.Sources(); len(known) != 2 || err != nil {
		t.Errorf("the identity went too: %v, %v", known, err)
	}
	m, dirty := bigMemory(3, 1, 1)
	ok(t, db.SaveMemory(m, dirty))
	if targets, err := db.Targets(); !slices.Equal(targets, []string{"chat"}) || err != nil {
		t.Errorf("targets %v, %v", targets, err)
	}
	ok(t, db.Check(t.Context()))
}

func TestCompactingGivesBackWhatHoldsNothing(t *testing.T) {
	t.Parallel()
	path, r, m := fillState(t, 4*chunkRows)
	opts := testOptions(filepath.Dir(path))
	db := mustOpen(t, opts)
	_, err := Compact(t.Context(), opts)
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("compacting an open state gives %v", err)
	}
	other := bigReplica(20*chunkRows, 12, 30, noon())
	other.Source = "other"
	ok(t, db.SaveReplica(other))
	ok(t, db.DropReplica("other"))
	ok(t, db.Close())
	before, err := os.Stat(path)
	ok(t, err)
	c, err := Compact(t.Context(), opts)
	ok(t, err)
	after, err := os.Stat(path)
	ok(t, err)
	if c.Before != before.Size() || c.After != after.Size() || c.After >= c.Before/2 || after.Mode().Perm() != 0o600 {
		t.Errorf("%+v, mode %s", c, after.Mode())
	}
	db = mustOpen(t, opts)
	got, err := db.Replica(r.Source)
	ok(t, err)
	sameReplica(t, got, r)
	memory, err := db.Memory("chat")
	ok(t, err)
	sameMemory(t, memory, m)
	ok(t, db.Check(t.Context()))
}

func TestCompactingRefusesWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	_, err := Compact(t.Context(), testOptions(t.TempDir()))
	wantKind(t, err, fault.NotFound)
	path, _, _ := fillState(t, 40)
	text, err := os.ReadFile(path)
	ok(t, err)
	swap(text, "Given Family user000007", "Given Family user000008")
	dir := t.TempDir()
	broken := filepath.Join(dir, FileName)
	ok(t, os.WriteFile(broken, text, 0o600))
	_, err = Compact(t.Context(), testOptions(dir))
	wantKind(t, err, fault.Damaged)
	now, err := os.ReadFile(broken)
	ok(t, err)
	if !bytes.Equal(now, text) || len(names(t, dir)) != 1 {
		t.Errorf("the damaged file was touched: %v", names(t, dir))
	}
	// What is not the same is not put in its place.
	one, two := openCopy(t), newDB(t)
	ok(t, two.Close())
	wantKind(t, one.sameAs(t.Context(), two.Path()), fault.Damaged)
}

func TestNobodyWritesIntoAFileThatWasReplaced(t *testing.T) {
	t.Parallel()
	path, _, _ := fillState(t, 40)
	opts := testOptions(filepath.Dir(path))
	alone, err := openAlone(t.Context(), opts.withDefaults())
	ok(t, err)
	waiting := opts
	waiting.Timeout = 20 * time.Second
	type result struct {
		db  *DB
		err error
	}
	opened := make(chan result, 1)
	go func() {
		db, err := Open(t.Context(), waiting)
		opened <- result{db, err}
	}()
	fresh, err := workName(opts.Dir, workCompact)
	ok(t, err)
	ok(t, alone.writeCompact(t.Context(), fresh))
	ok(t, replaceFile(fresh, path))
	ok(t, alone.Close())
	r := <-opened
	ok(t, r.err)
	defer r.db.Close() //nolint:errcheck // The test is over.
	ok(t, r.db.SaveSource(SourceIdentity{ID: "01NEW", Name: "new"}))
	mine, err := r.db.file.Stat()
	ok(t, err)
	named, err := os.Stat(path)
	ok(t, err)
	if !os.SameFile(mine, named) {
		t.Error("whoever waited has the file that was replaced")
	}
}
