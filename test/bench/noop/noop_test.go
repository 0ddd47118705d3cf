package main

import (
	"context"
	"runtime"
	"testing"
	"time"

	"groupsyncd/state"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
	"groupsyncd/test/bench/site"
)

// mostPerPerson is what may stay in use for each person after a run, in bytes: everything
// that is kept of them and of the ten groups they are in, once in the replica and once in
// what is known of the target. Today it is 740.
const mostPerPerson = 1000

// TestWhatIsKeptOfAPersonIsSmall holds what the budget of memory rests on: how much stays
// in use between runs depends on the program alone.
func TestWhatIsKeptOfAPersonIsSmall(t *testing.T) {
	size, dir := site.Size{Users: 10_000, Groups: 500, PerUser: 10}, t.TempDir()
	if err := build(dir, size); err != nil {
		t.Fatal(err)
	}
	before := inUse()
	var db *state.DB
	if err := open(&db, dir); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	source, target := &directoryOf{size: size, now: site.Began()}, &site.Chat{}
	var e *engine.Engine
	if err := start(&e, db, source, target); err != nil {
		t.Fatal(err)
	}
	var err error
	if target.Groups, err = site.GroupsOf(db); err != nil {
		t.Fatal(err)
	}
	for moved := range 2 {
		source.now, source.moved = source.now.Add(15*time.Minute), moved
		report, err := e.Run(context.Background(), run.Request{Trigger: run.Schedule, Mode: run.Plan})
		if err != nil || len(report.Targets[0].Changes) != moved || report.Targets[0].Summary.Unchanged < 9*size.Users {
			t.Fatalf("%d changes, %d unchanged, error %v", len(report.Targets[0].Changes), report.Targets[0].Summary.Unchanged, err)
		}
	}
	each := (inUse() - before) / size.Users
	t.Logf("%d bytes are kept of each person", each)
	if each > mostPerPerson {
		t.Errorf("%d bytes are kept of each person", each)
	}
	runtime.KeepAlive(e)
}

func inUse() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
