package state

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// fullEvent has a value in every field, also in those that come later.
func fullEvent() run.Event {
	e := run.Event{At: noon(), Count: 3, Keys: []string{"k1", "k2"}, Fields: []run.Field{{Name: "name", From: nil, To: "a<b>"}, {Name: "read group eng", From: false, To: true, Principal: "group:g1"}}}
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String {
			f.SetString("value of " + v.Type().Field(i).Name)
		}
	}
	return e
}

func records(t tester, db *DB) []run.AuditRecord {
	t.Helper()
	var list []run.AuditRecord
	ok(t, db.Audit(0, func(r run.AuditRecord) error { list = append(list, r); return nil }))
	return list
}

func noted(n int) run.Event {
	return run.Event{At: noon().Add(time.Duration(n) * time.Hour), Kind: run.EventChange, Op: run.AddMember, Group: "g1", User: fmt.Sprint("u", n)}
}

// auditOf gives a state with that many records.
func auditOf(t *testing.T, n int) *DB {
	t.Helper()
	db := newDB(t)
	for i := range n {
		ok(t, db.Note(noted(i)))
	}
	return db
}

func TestEveryValueOfAnEventComesBack(t *testing.T) {
	t.Parallel()
	v := reflect.ValueOf(fullEvent())
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Fatalf("the test sets no value for %s", v.Type().Field(i).Name)
		}
	}
	db := newDB(t)
	ok(t, db.Note(fullEvent()))
	same(t, "event", records(t, db)[0].Event, fullEvent())
	n := 1
	rapid.Check(t, func(rt *rapid.T) {
		want := anyEvent().Draw(rt, "event")
		ok(rt, db.Note(want))
		if want.At.IsZero() {
			want.At = noon()
		}
		n++
		ok(rt, db.Audit(uint64(n), func(r run.AuditRecord) error {
			same(rt, "event", r.Event, want)
			var line run.AuditRecord
			return json.Unmarshal(r.Line(), &line)
		}))
	})
	_, err := db.VerifyAudit(nil)
	ok(t, err)
}

// TestAuditStandsOrFallsWithTheChangeItDescribes stores events through every door, and
// shows that what is refused leaves no record.
func TestAuditStandsOrFallsWithTheChangeItDescribes(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	m := smallMemory()
	dirty := everything(m)
	dirty.Events = []run.Event{noted(1), noted(2)}
	ok(t, db.SaveMemory(m, dirty))
	one := []plan.Intent{{Run: "01A", Op: "add_member"}}
	ok(t, db.Begin(m, "01A", "", one, plan.Dirty{Events: []run.Event{noted(3)}}))
	ok(t, db.Done(m, "01A", []int{0}, plan.Dirty{Events: []run.Event{noted(4)}}))
	ok(t, db.Note(noted(5)))

	ok(t, db.Begin(m, "01B", "", []plan.Intent{{Run: "01B", Op: "add_member"}}, plan.Dirty{}))
	wantKind(t, db.Begin(m, "01B", "", []plan.Intent{{Run: "01B", Op: "add_member"}}, plan.Dirty{Events: []run.Event{noted(6)}}), fault.Conflict)
	m.Lost["g1"] = []uint32{9}
	wantKind(t, db.SaveMemory(m, plan.Dirty{Lost: []string{"g1"}, Events: []run.Event{noted(6)}}), fault.Invalid)

	list := records(t, db)
	if len(list) != 5 {
		t.Fatalf("%d records", len(list))
	}
	for i, r := range list {
		if r.Seq != uint64(i+1) || r.Event.User != fmt.Sprint("u", i+1) || i > 0 && r.Prev != list[i-1].Hash {
			t.Fatalf("record %d: %+v", i, r)
		}
	}
	select {
	case <-db.Audited():
	default:
		t.Fatal("nobody was told of new records")
	}
	// A state that cannot write records stores nothing that they are about.
	ok(t, db.update("test", func(tx *bbolt.Tx) error { return find(tx, bucketAudit).delete([]byte(keyHead)) }))
	m = smallMemory()
	m.Serial = 77
	wantKind(t, db.SaveMemory(m, plan.Dirty{Head: true, Events: []run.Event{noted(7)}}), fault.Damaged)
	got, err := db.Memory("chat")
	ok(t, err)
	if got.Serial == 77 {
		t.Fatal("a change was stored without its record")
	}
}

func TestHashCanBeCheckedFromTheLineAlone(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	ok(t, db.Note(noted(1), fullEvent()))
	for _, r := range records(t, db) {
		line := string(r.Line())
		cut := strings.Replace(line, `,"hash":"`+r.Hash+`"}`, "}", 1)
		sum := sha256.Sum256([]byte(cut))
		if hex.EncodeToString(sum[:]) != r.Hash || cut == line {
			t.Fatal(line)
		}
		var back run.AuditRecord
		ok(t, json.Unmarshal([]byte(line), &back))
		same(t, "record", back, r)
	}
}

// TestFormOfARecordNeverChanges: hashes that were given away must stay right.
func TestFormOfARecordNeverChanges(t *testing.T) {
	t.Parallel()
	r := run.AuditRecord{Seq: 7, Prev: "ab", Event: fullEvent()}
	r.Event.Resource = "" // younger than the others
	r.Event.Fields = r.Event.Fields[:1]
	const want = "4f54ac37698bc48d36eb58d954208adfd5f7a59a3caf7f0c23c7231dffba4b27"
	if got := r.Sum(); got != want {
		t.Fatalf("hash %s of %s", got, r.Line())
	}
}

// tampering changes the records of an audit as somebody could who can write the file and
// knows how to make checksums, but keeps from making every later hash anew.
type tampering struct {
	name string
	do   func(x, top *box, at uint64, last uint64) error
}

//nolint:funlen // a list
func tamperings() []tampering {
	move := func(x *box, from, to uint64) error {
		payload, err := x.get(sequence(from))
		return errors.Join(err, x.put(sequence(to), bytes.Clone(payload)))
	}
	return []tampering{
		{"deleted", func(x, _ *box, at, _ uint64) error { return x.delete(sequence(at)) }},
		{"deleted and the rest moved up", func(x, top *box, at, last uint64) error {
			var errs []error
			for n := at; n < last; n++ {
				errs = append(errs, move(x, n+1, n))
			}
			r, err := decodeAudit(mustGet(x, last))
			errs = append(errs, err, x.delete(sequence(last)), top.putJSON([]byte(keyHead), auditHead{last - 1, r.Hash}))
			return errors.Join(errs...)
		}},
		{"changed", func(x, _ *box, at, _ uint64) error {
			r, err := decodeAudit(mustGet(x, at))
			r.Event.User += "x"
			hash := r.Hash
			w := &writer{}
			err = errors.Join(err, encodeAudit(w, &r))
			raw, bad := hex.DecodeString(hash)
			copy(w.b, raw)
			return errors.Join(err, bad, x.put(sequence(at), w.b))
		}},
		{"swapped", func(x, _ *box, at, last uint64) error {
			other := at%last + 1
			one, two := bytes.Clone(mustGet(x, at)), bytes.Clone(mustGet(x, other))
			return errors.Join(x.put(sequence(at), two), x.put(sequence(other), one))
		}},
		{"cut at the end", func(x, _ *box, at, last uint64) error {
			for n := at; n <= last; n++ {
				if err := x.delete(sequence(n)); err != nil {
					return err
				}
			}
			return nil
		}},
		{"cut at the front", func(x, _ *box, at, _ uint64) error {
			for n := uint64(1); n <= at; n++ {
				if err := x.delete(sequence(n)); err != nil {
					return err
				}
			}
			return nil
		}},
		{"cut at the front with an anchor", func(x, top *box, at, _ uint64) error {
			r, err := decodeAudit(mustGet(x, at))
			for n := uint64(1); n <= at; n++ {
				err = errors.Join(err, x.delete(sequence(n)))
			}
			return errors.Join(err, top.putJSON([]byte(keyAnchor), auditHead{at, r.Hash}))
		}},
		{"added", func(x, _ *box, _, last uint64) error { return move(x, last, last+1) }},
	}
}

func mustGet(x *box, n uint64) []byte {
	payload, err := x.get(sequence(n))
	if err != nil {
		panic(err)
	}
	return payload
}

// errUndo undoes what a test did, so that each example begins with the same audit.
var errUndo = errors.New("undo")

func TestAnyTamperingIsFound(t *testing.T) {
	t.Parallel()
	const count = 12
	db := auditOf(t, count)
	all := tamperings()
	rapid.Check(t, func(rt *rapid.T) {
		how := rapid.SampledFrom(all).Draw(rt, "tampering")
		where := rapid.Uint64Range(1, count).Draw(rt, "record")
		err := db.update("test", func(tx *bbolt.Tx) error {
			if _, err := verifyAudit(tx, nil); err != nil {
				return err
			}
			if err := how.do(find(tx, bucketAudit, partRecords), find(tx, bucketAudit), where, count); err != nil {
				return err
			}
			if _, err := verifyAudit(tx, nil); err == nil {
				return fmt.Errorf("record %d %s, and nobody sees it", where, how.name)
			} else if _, named := errors.AsType[*recordError](err); !named {
				return fmt.Errorf("%w names no record", err)
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			rt.Fatal(err)
		}
	})
}

// TestHeadKeptElsewhereShowsAWholeNewAudit rewrites everything, hashes included, which
// only somebody who kept a head can see.
func TestHeadKeptElsewhereShowsAWholeNewAudit(t *testing.T) {
	t.Parallel()
	db := auditOf(t, 5)
	kept, err := db.Head()
	ok(t, err)
	ok(t, db.Note(noted(6)))
	s, err := db.VerifyAudit(&kept)
	ok(t, err)
	if s.Proved == nil || s.First != 1 || s.Last != 6 || s.Head.Seq != 6 || s.PublicKey == "" {
		t.Fatalf("%+v", s)
	}
	rewrite := func(n int, forge string) {
		ok(t, db.update("test", func(tx *bbolt.Tx) error {
			if err := tx.DeleteBucket([]byte(bucketAudit)); err != nil {
				return err
			}
			if err := makeAudit(tx); err != nil {
				return err
			}
			for i := range n {
				e := noted(i)
				e.User += forge
				if err := db.appendEvents(tx, []run.Event{e}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for name, c := range map[string]struct {
		n     int
		forge string
		want  string
	}{
		"every record made anew": {6, "x", "record 5 in bucket audit/records: it is another record"},
		"shorter than the head":  {4, "", "record 5 is missing: the audit ends with record 4"},
	} {
		rewrite(c.n, c.forge)
		_, err = db.VerifyAudit(nil)
		ok(t, err)
		_, err = db.VerifyAudit(&kept)
		wantKind(t, err, fault.Damaged)
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, spoil := range map[string]func(*run.AuditHead){
		"number":    func(h *run.AuditHead) { h.Seq-- },
		"hash":      func(h *run.AuditHead) { h.Hash = strings.Repeat("0", 64) },
		"signature": func(h *run.AuditHead) { h.Signature = base64.StdEncoding.EncodeToString(make([]byte, 64)) },
		"no base64": func(h *run.AuditHead) { h.Signature = "%" },
	} {
		rewrite(6, "")
		wrong, err := db.Head()
		ok(t, err)
		spoil(&wrong)
		_, err = db.VerifyAudit(&wrong)
		wantKind(t, err, fault.Damaged)
		if !strings.Contains(err.Error(), "signature") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOldRecordsGoAndTheRestStaysProved(t *testing.T) {
	t.Parallel()
	db := auditOf(t, 10)
	early, err := db.Head()
	ok(t, err)
	n, err := db.PruneAudit(noon().Add(4 * time.Hour))
	ok(t, err)
	if n != 4 {
		t.Fatalf("%d records went", n)
	}
	ok(t, db.Note(noted(20)))
	s, err := db.VerifyAudit(&early)
	ok(t, err)
	list := records(t, db)
	if s.First != 5 || s.Pruned != 4 || len(list) != 8 || list[0].Seq != 5 || list[0].Prev != s.PrunedHash || list[6].Event.Kind != run.EventPruned || list[6].Event.Count != 4 {
		t.Fatalf("%+v, %d records", s, len(list))
	}
	if n, err = db.PruneAudit(noon()); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	// More than is recorded as dropped must not be gone, nor another end of it claimed.
	for name, tamper := range map[string]func(x, top *box) error{
		"one more": func(x, _ *box) error { return x.delete(sequence(5)) },
		"anchor moved": func(x, top *box) error {
			return errors.Join(x.delete(sequence(5)), top.putJSON([]byte(keyAnchor), auditHead{5, list[0].Hash}))
		},
		"no anchor": func(_, top *box) error { return top.delete([]byte(keyAnchor)) },
	} {
		err := db.update("test", func(tx *bbolt.Tx) error {
			if err := tamper(find(tx, bucketAudit, partRecords), find(tx, bucketAudit)); err != nil {
				return err
			}
			_, err := verifyAudit(tx, nil)
			if err == nil {
				return fmt.Errorf("%s: nobody sees it", name)
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			t.Fatal(err)
		}
	}
	// A head of a record that is gone cannot be proved, and is not called false.
	old, err := db.auditKey()
	ok(t, err)
	gone := old.sign(run.AuditHead{Seq: 2, Hash: "x"})
	_, err = db.VerifyAudit(&gone)
	wantKind(t, err, fault.NotFound)
	last := old.sign(run.AuditHead{Seq: 4, Hash: s.PrunedHash})
	_, err = db.VerifyAudit(&last)
	ok(t, err)
	oldest, err := db.OldestAudit()
	ok(t, err)
	same(t, "oldest", oldest, noon().Add(4*time.Hour))
}

func TestDamagedAuditIsNotPruned(t *testing.T) {
	t.Parallel()
	db := auditOf(t, 5)
	ok(t, db.update("test", func(tx *bbolt.Tx) error { return find(tx, bucketAudit, partRecords).delete(sequence(2)) }))
	_, err := db.PruneAudit(noon().Add(time.Hour * 100))
	wantKind(t, err, fault.Damaged)
	wantKind(t, db.Check(t.Context()), fault.Damaged)
	wantKind(t, db.Audit(1, func(run.AuditRecord) error { return nil }), fault.Damaged)
}

func TestLongAuditIsReadInSteps(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	events := make([]run.Event, 2*auditStep+3)
	for i := range events {
		events[i] = noted(i)
	}
	ok(t, db.Note(events...))
	if n := len(records(t, db)); n != len(events) {
		t.Fatalf("%d records", n)
	}
	stop, n := errors.New("stop"), 0
	err := db.Audit(auditStep+7, func(run.AuditRecord) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 3 {
		t.Fatal(err, n)
	}
	ok(t, db.Audit(uint64(len(events))+5, func(run.AuditRecord) error { return errors.New("there is nothing") }))
}

func TestKeyOfTheAuditIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	db := auditOf(t, 1)
	path := filepath.Join(filepath.Dir(db.Path()), AuditKeyName)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("the key is there before it is used", err)
	}
	head, err := db.Head()
	ok(t, err)
	if got := mode(t, path); got != 0o600 {
		t.Fatalf("mode %s", got)
	}
	s, err := again(t, db).VerifyAudit(&head)
	ok(t, err)
	public, err := base64.StdEncoding.DecodeString(s.PublicKey)
	ok(t, err)
	signature, err := base64.StdEncoding.DecodeString(head.Signature)
	ok(t, err)
	if !ed25519.Verify(public, []byte(fmt.Sprintf("groupsyncd audit %d %s", head.Seq, head.Hash)), signature) {
		t.Fatal("the signature cannot be checked with the public key")
	}
	for name, spoil := range map[string]func() error{
		"wide":    func() error { return os.Chmod(path, 0o640) },
		"garbage": func() error { return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("x"), 0o600)) },
		"empty":   func() error { return os.WriteFile(path, nil, 0o600) },
	} {
		ok(t, os.Chmod(path, 0o600))
		ok(t, spoil())
		fresh := &DB{opts: db.opts}
		_, err := fresh.auditKey()
		wantKind(t, err, fault.Damaged)
		if !strings.Contains(err.Error(), AuditKeyName) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Only looking makes no key.
	opts := testOptions(t.TempDir())
	ok(t, mustOpen(t, opts).Close())
	opts.ReadOnly = true
	_, err = mustOpen(t, opts).Head()
	wantKind(t, err, fault.Damaged)
}

func TestCursorIsThatOfOnePlace(t *testing.T) {
	t.Parallel()
	db := auditOf(t, 3)
	for _, want := range []uint64{0, 2} {
		got, err := db.Forwarded("syslog")
		ok(t, err)
		if got != want {
			t.Fatalf("cursor %d, want %d", got, want)
		}
		ok(t, db.SaveForwarded("syslog", 2))
	}
	got, err := again(t, db).Forwarded("/var/log/audit.json")
	ok(t, err)
	if got != 0 {
		t.Fatal("another place begins with the first record")
	}
}

// TestStateOfVersionOneGetsAnAudit opens a file that the version before wrote.
func TestStateOfVersionOneGetsAnAudit(t *testing.T) {
	t.Parallel()
	packed, err := os.ReadFile("testdata/version-1.db.gz")
	ok(t, err)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	ok(t, err)
	old, err := io.ReadAll(z)
	ok(t, err)
	dir := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(dir, FileName), old, 0o600))
	db := mustOpen(t, testOptions(dir))
	ok(t, db.Check(t.Context()))

	want := smallMemory()
	clear(want.Lost)
	withoutSharing(want)
	got, err := db.Memory("chat")
	ok(t, err)
	sameMemory(t, got, want)
	open, err := db.Open("chat")
	ok(t, err)
	r, err := db.Replica("01S")
	ok(t, err)
	report, err := db.Run("01RUN")
	ok(t, err)
	if len(open) != 1 || len(r.Users()) != 1 || len(report.Targets[0].Changes) != 1 {
		t.Fatalf("%d open calls, %d users, %+v", len(open), len(r.Users()), report)
	}
	ok(t, db.Done(got, "02RUN", []int{0}, plan.Dirty{Events: []run.Event{noted(1)}}))
	s, err := db.VerifyAudit(nil)
	ok(t, err)
	if s.Last != 1 {
		t.Fatalf("%+v", s)
	}
	copies, err := filepath.Glob(filepath.Join(dir, BackupFolder, fmt.Sprintf("before-version-%d-*.db", schemaVersion)))
	ok(t, err)
	if len(copies) != 1 {
		t.Fatalf("%d copies of the state before", len(copies))
	}
	// The copy can be brought forward as well.
	mustOpen(t, testOptions(copyFile(t, copies[0])))
}

// TestAuditStaysModest says what records cost; a change is the usual one.
func TestAuditStaysModest(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	const count = 10_000
	uuid := func(n int) string { return fmt.Sprintf("%08x-1111-4222-8333-%012x", n*2654435761%(1<<32), n) }
	for at := 0; at < count; at += 500 {
		events := make([]run.Event, 500)
		for i := range events {
			events[i] = run.Event{At: noon(), Kind: run.EventChange, Run: "01KAG0000000000000000000AA", Target: "chat", By: "schedule", Op: run.RemoveMember,
				Group: uuid((at + i) % 300), User: uuid(at + i), Rule: "all", Absence: "left", Outcome: run.Applied}
		}
		ok(t, db.Note(events...))
	}
	var used, live int
	ok(t, db.view("test", func(tx *bbolt.Tx) error {
		s := find(tx, bucketAudit, partRecords).b.Stats()
		used, live = s.LeafAlloc+s.BranchAlloc, s.LeafInuse
		return nil
	}))
	t.Logf("%d records: %d bytes in pages, %d in use, %d each", count, used, live, used/count)
	if used/count > 300 {
		t.Fatalf("a record takes %d bytes", used/count)
	}
}
