package state

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

// delivery is one of the webhook login, remembered for some time.
func delivery(n int, d time.Duration) run.Delivery {
	return run.Delivery{Webhook: "login", ID: fmt.Sprintf("%032d", n), Run: fmt.Sprintf("run-%d", n), Until: noon().Add(d)}
}

// wantDelivered checks whether the delivery counts as known.
func wantDelivered(t *testing.T, db *DB, d run.Delivery, now time.Time, want bool) {
	t.Helper()
	led, before, err := db.Delivered(d.Webhook, d.ID, now)
	ok(t, err)
	if before != want || want && led != d.Run {
		t.Errorf("delivery %s of %s: known %t with run %q, want %t", d.ID, d.Webhook, before, led, want)
	}
}

func countDeliveries(t *testing.T, db *DB) (counted, there int) {
	t.Helper()
	ok(t, db.view("test", func(tx *bbolt.Tx) error {
		x := find(tx, bucketDeliveries)
		counted = int(x.b.Sequence())
		return x.each(func(_, _ []byte) error { there++; return nil })
	}))
	return counted, there
}

func TestADeliveryIsKnownForItsTimeAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	one, other := delivery(1, time.Minute), delivery(2, time.Hour)
	wantDelivered(t, db, one, noon(), false)
	ok(t, db.SaveDeliveries([]run.Delivery{one, other, one}, noon()))
	for range 2 {
		wantDelivered(t, db, one, noon().Add(59*time.Second), true)
		wantDelivered(t, db, one, noon().Add(time.Minute), false)
		wantDelivered(t, db, other, noon().Add(time.Minute), true)
		another := one
		another.Webhook = "logi"
		another.ID = "n" + one.ID
		wantDelivered(t, db, another, noon(), false)
		db = again(t, db)
	}
	// Once it is forgotten it may come again.
	later := delivery(1, 2*time.Hour)
	later.Run = "run-later"
	ok(t, db.SaveDeliveries([]run.Delivery{later}, noon().Add(time.Hour)))
	wantDelivered(t, db, later, noon().Add(time.Hour), true)
	if counted, there := countDeliveries(t, db); counted != 2 || there != 2 {
		t.Errorf("%d are there, %d counted", there, counted)
	}
	ok(t, db.Check(t.Context()))
}

func TestOldDeliveriesAreForgottenAsNewOnesCome(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	last, total := noon(), 0
	for batch := range 40 {
		var list []run.Delivery
		last = noon().Add(time.Duration(batch) * time.Minute)
		for range 100 {
			d := delivery(total, time.Duration(batch+10)*time.Minute)
			list = append(list, d)
			total++
		}
		ok(t, db.SaveDeliveries(list, last))
	}
	// A thousand are in force at a time.
	counted, there := countDeliveries(t, db)
	if counted != there || there > 2*firstPrune {
		t.Errorf("%d are there, %d counted, of %d", there, counted, total)
	}
	for n := total - 900; n < total; n++ {
		wantDelivered(t, db, delivery(n, 0), last, true)
	}
	ok(t, db.Check(t.Context()))
}

func TestTooManyDeliveriesLeaveOutThoseThatEndFirst(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	list := make([]run.Delivery, maxDeliveries+100)
	for i := range list {
		list[i] = delivery(i, time.Hour+time.Duration(i)*time.Second)
	}
	ok(t, db.SaveDeliveries(list[:maxDeliveries-1], noon()))
	ok(t, db.SaveDeliveries(list[maxDeliveries-1:], noon()))
	counted, there := countDeliveries(t, db)
	if counted != there || there != maxDeliveries*9/10 {
		t.Fatalf("%d are there, %d counted, want %d", there, counted, maxDeliveries*9/10)
	}
	wantDelivered(t, db, list[0], noon(), false)
	wantDelivered(t, db, list[len(list)-there-1], noon(), false)
	wantDelivered(t, db, list[len(list)-there], noon(), true)
	wantDelivered(t, db, list[len(list)-1], noon(), true)
}

func TestDeliveriesWithoutAnIDAreRefused(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	for _, d := range []run.Delivery{{Webhook: "login"}, {Webhook: "a\x00b", ID: "1"}, {Webhook: "login", ID: strings.Repeat("x", maxDeliveryKey+1)}, {Webhook: strings.Repeat("x", maxDeliveryKey+1), ID: "1"}} {
		wantKind(t, db.SaveDeliveries([]run.Delivery{delivery(1, time.Hour), d}, noon()), fault.Invalid)
	}
	if _, there := countDeliveries(t, db); there != 0 {
		t.Errorf("%d were kept", there)
	}
}

func TestDamagedDeliveriesAreAnError(t *testing.T) {
	t.Parallel()
	damages := map[string]func(*box) error{
		"changed": func(x *box) error {
			k, v := x.b.Cursor().First()
			v = append([]byte(nil), v...)
			v[3]++
			return x.b.Put(k, v)
		},
		"short":     func(x *box) error { return x.put([]byte("login\x00x"), []byte("1234567")) },
		"no id":     func(x *box) error { return x.put([]byte("login"), make([]byte, 12)) },
		"miscounts": func(x *box) error { return x.b.SetSequence(7) },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			ok(t, db.SaveDeliveries([]run.Delivery{delivery(1, time.Hour)}, noon()))
			ok(t, db.update("test", func(tx *bbolt.Tx) error { return damage(find(tx, bucketDeliveries)) }))
			wantKind(t, db.Check(t.Context()), fault.Damaged)
		})
	}
}

func TestAStateFromBeforeWebhooksRemembersThemToo(t *testing.T) {
	t.Parallel()
	path, r, _ := fillState(t, 20)
	b, err := bbolt.Open(path, 0o600, nil)
	ok(t, err)
	ok(t, errors.Join(b.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketDeliveries)) }), b.Close()))
	setVersion(t, path, 3)
	db := mustOpen(t, testOptions(filepath.Dir(path)))
	if db.Version() != schemaVersion {
		t.Errorf("version %d", db.Version())
	}
	got, err := db.Replica(r.Source)
	ok(t, err)
	sameReplica(t, got, r)
	ok(t, db.SaveDeliveries([]run.Delivery{delivery(1, time.Hour)}, noon()))
	wantDelivered(t, db, delivery(1, 0), noon(), true)
	ok(t, db.Check(t.Context()))
}
