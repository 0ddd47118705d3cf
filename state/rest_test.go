package state

import (
	"sync"
	"testing"
	"time"
)

func TestRestLosesNothing(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	want := bigReplica(3*chunkRows, 20, 50, noon())
	ok(t, db.SaveReplica(want))
	ok(t, db.Rest())
	got, err := db.Replica(want.Source)
	ok(t, err)
	sameReplica(t, got, want)

	// Beside readers and a writer.
	source := want.Source
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for range 20 {
				if _, err := db.Replica(source); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 20 {
		want = later(want, noon().Add(time.Duration(n+1)*time.Hour))
		ok(t, db.SaveReplica(want))
		ok(t, db.Rest())
	}
	others.Wait()
	got, err = db.Replica(want.Source)
	ok(t, err)
	sameReplica(t, got, want)
	ok(t, db.Check(t.Context()))
	ok(t, db.Close())
	if err := db.Rest(); err == nil {
		t.Error("a closed state can rest")
	}
}
