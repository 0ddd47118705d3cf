package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/server"
	"groupsyncd/state"
	"groupsyncd/sync/run"
)

// desk is an auditor over a state of its own.
type desk struct {
	*testing.T
	*auditor
	dir string
	log *lockedBuffer
	at  time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, dir: t.TempDir(), log: &lockedBuffer{}, at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	d.restart()
	return d
}

// restart is another process over the same state.
func (d *desk) restart() {
	d.Helper()
	if d.auditor != nil {
		if err := d.db.Close(); err != nil {
			d.Fatal(err)
		}
	}
	db, err := state.Open(d.Context(), state.Options{Dir: d.dir, Timeout: -1, NoSync: true})
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = db.Close() }) // It may be closed already.
	d.auditor = &auditor{db: db, log: slog.New(slog.NewTextHandler(d.log, nil)), now: func() time.Time { return d.at }}
}

func (d *desk) record(n int) {
	d.Helper()
	for i := range n {
		if err := d.db.Note(run.Event{At: d.at, Kind: run.EventChange, User: fmt.Sprint("u", i)}); err != nil {
			d.Fatal(err)
		}
	}
}

// arrived gives the numbers of the records in a file.
func (d *desk) arrived(path string) []uint64 {
	d.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		d.Fatal(err)
	}
	var numbers []uint64
	for line := range bytes.Lines(text) {
		var r run.AuditRecord
		if err := json.Unmarshal(line, &r); err != nil || r.Sum() != r.Hash {
			d.Fatalf("line %s: %v", line, err)
		}
		numbers = append(numbers, r.Seq)
	}
	return numbers
}

func (d *desk) wants(path string, from, to uint64) {
	d.Helper()
	got := d.arrived(path)
	for i, n := range got {
		if n != from+uint64(i) {
			d.Fatalf("records %v arrived, want %d to %d", got, from, to)
		}
	}
	if uint64(len(got)) != to-from+1 {
		d.Fatalf("records %v arrived, want %d to %d", got, from, to)
	}
}

func TestEveryRecordIsPassedOnOnceAndInOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	cfg := &config.Audit{Forward: path}
	d.record(forwardStep + 3)
	d.forward(t.Context(), cfg)
	d.record(2)
	d.restart()
	d.record(1)
	d.forward(t.Context(), cfg)
	d.forward(t.Context(), cfg)
	d.wants(path, 1, forwardStep+6)
	// Another place gets everything.
	other := filepath.Join(t.TempDir(), "other.jsonl")
	d.forward(t.Context(), &config.Audit{Forward: other})
	d.wants(other, 1, forwardStep+6)
	d.record(1)
	d.forward(t.Context(), &config.Audit{})
	d.wants(other, 1, forwardStep+6)
}

func TestPlaceThatFailsIsToldOnceAndMadeUpFor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	dir := filepath.Join(t.TempDir(), "not-there")
	cfg := &config.Audit{Forward: filepath.Join(dir, "audit.jsonl")}
	for range 3 {
		d.record(1)
		if d.forward(t.Context(), cfg) {
			t.Fatal("nothing failed")
		}
	}
	if n := strings.Count(d.log.String(), "level=WARN msg=\"audit not passed on"); n != 1 {
		t.Fatalf("%d warnings:\n%s", n, d.log)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if !d.forward(t.Context(), cfg) || !strings.Contains(d.log.String(), `msg="audit passed on again"`) {
		t.Fatalf("log:\n%s", d.log)
	}
	d.wants(cfg.Forward, 1, 3)
}

func TestPassingOnEndsWithItsTimeAndGoesOnLater(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	cfg := &config.Audit{Forward: filepath.Join(t.TempDir(), "audit.jsonl")}
	d.record(forwardStep + 1)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if d.forward(ended, cfg) {
		t.Fatal("it did not end")
	}
	d.wants(cfg.Forward, 1, forwardStep)
	d.restart()
	d.forward(t.Context(), cfg)
	d.wants(cfg.Forward, 1, forwardStep+1)
	if strings.Contains(d.log.String(), "WARN") {
		t.Error(d.log)
	}
}

func TestRecordsDroppedBeforeTheyWerePassedOnAreTold(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	cfg := &config.Audit{Forward: filepath.Join(t.TempDir(), "audit.jsonl"), Retention: scalar.Duration(24 * time.Hour)}
	d.record(1)
	d.forward(t.Context(), cfg)
	d.record(2)
	d.at = d.at.Add(48 * time.Hour)
	d.record(1)
	if err := d.retain(cfg, 0); err != nil {
		t.Fatal(err)
	}
	d.forward(t.Context(), cfg)
	if !strings.Contains(d.log.String(), "dropped by their age before they could be passed on") || !strings.Contains(d.log.String(), "count=2") {
		t.Errorf("log:\n%s", d.log)
	}
	if got := fmt.Sprint(d.arrived(cfg.Forward)); got != "[1 4 5]" {
		t.Errorf("records %s arrived", got)
	}
}

func TestTooLongARecordForTheSyslogKeepsItsNumberAndHash(t *testing.T) {
	t.Parallel()
	r := run.AuditRecord{Seq: 7, Hash: "abc", Event: run.Event{Kind: run.EventHeld, Keys: make([]string, 1000), Detail: "why"}}
	var short run.AuditRecord
	if err := json.Unmarshal(shortened(r), &short); err != nil || short.Seq != 7 || short.Hash != "abc" || short.Event.Keys != nil || !strings.HasSuffix(short.Event.Detail, "why") {
		t.Errorf("%+v, %v", short, err)
	}
	if len(r.Event.Keys) != 1000 {
		t.Error("the record itself was changed")
	}
}

// TestOldRecordsAreDroppedAfterARun: of one-shot commands only a run does it, and of a
// daemon its start.
func TestOldRecordsAreDroppedAfterARun(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	once := func(work func(*App)) *run.AuditSummary {
		a := w.open()
		work(a)
		s, err := a.AuditVerify(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	sync := func(a *App) { sync1(w, a, run.Request{Trigger: run.Manual, Mode: run.Apply}) }
	nothing := func(*App) {}
	once(sync)
	w.later(400*24*time.Hour + time.Hour)
	once(sync)
	if s := once(nothing); s.Pruned != 0 {
		t.Fatalf("dropped although they are hardly older than that: %+v", s)
	}
	w.later(48 * time.Hour)
	once(nothing)
	if s := once(sync); s.Pruned != 0 {
		t.Fatalf("dropped by a command that only looks: %+v", s)
	}
	s := once(nothing)
	if s.Pruned == 0 || s.First != s.Pruned+1 {
		t.Fatalf("not dropped: %+v", s)
	}
	w.later(402 * 24 * time.Hour)
	_, client, _ := w.serve()
	w.until("old records are dropped", func() bool {
		now, err := client.AuditVerify(t.Context(), nil)
		return err == nil && now.Pruned > s.Pruned
	})
}

func TestExportEndsWithWhoAskedForIt(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.open()
	sync1(w, a, run.Request{Trigger: run.Manual, Mode: run.Apply})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.AuditExport(ended, server.AuditQuery{}, func([]byte) error { return nil }); fault.KindOf(err) != fault.Canceled {
		t.Errorf("error %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}
