package app

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/server"
	"groupsyncd/state"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// backups lists the backups of a town, newest first.
func (w *town) backups() []state.Copy {
	w.Helper()
	list, err := state.Backups(filepath.Join(w.dir, "state"))
	if err != nil {
		w.Fatal(err)
	}
	return list
}

// append adds a line to the configuration.
func (w *town) append(line string) {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "groupsyncd.yaml"))
	if err != nil {
		w.Fatal(err)
	}
	w.write("groupsyncd.yaml", string(text)+line+"\n")
}

// noticed makes the schedules of a daemon look at a clock that has jumped.
func noticed(w *town, a *App) {
	a.daemon.schedule.At("a look at the clock", w.now(), func(context.Context, time.Time) {})
}

func TestADaemonMakesBackupsAndKeepsTheNewest(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.append("backup: {every: 24h, keep: 2}")
	a, client, _ := w.serve()
	w.until("the first backup, after the first run", func() bool { return len(w.backups()) == 1 })
	foreign := filepath.Join(w.dir, "state", "backups", "mine.db")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A wrong clock has left one from the future; it puts off nothing.
	future := filepath.Join(w.dir, "state", "backups", "state-20990101T000000Z.db")
	if err := os.WriteFile(future, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	sync1(w, client, run.Request{})
	if n := len(w.backups()); n != 2 {
		t.Fatalf("%d backups within a day", n)
	}
	if due := a.backupDue(); due.After(w.now().Add(25 * time.Hour)) {
		t.Errorf("the next backup is due at %s", due)
	}
	if err := os.Remove(future); err != nil {
		t.Fatal(err)
	}
	var last state.Copy
	for i := range 3 {
		last = w.backups()[0]
		w.later(25 * time.Hour)
		noticed(w, a)
		w.until("the next backup", func() bool { list := w.backups(); return list[0] != last && len(list) == min(i+2, 2) })
		if err := state.Verify(t.Context(), w.backups()[0].Path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a file of somebody else: %v", err)
	}
	s, err := client.Status(t.Context())
	if err != nil || !s.State.Backup.Last.Equal(w.backups()[0].At) || s.State.Backup.Overdue || s.State.Size == 0 || s.State.MaxSize == 0 || s.State.FreeSpace == 0 {
		t.Errorf("status: %+v, %v", s.State, err)
	}
	if log := w.log.String(); strings.Contains(log, "state not backed up") || !strings.Contains(log, "old backup deleted") {
		t.Errorf("the log:\n%s", log)
	}
}

func TestAFailingBackupIsToldOnceAndTriedAgain(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, client, _ := w.serve()
	w.until("the first backup", func() bool { return len(w.backups()) == 1 })
	// A backup is not over before it has looked for old ones.
	w.until("the end of it", func() bool {
		free := a.care.busy.TryLock()
		if free {
			a.care.busy.Unlock()
		}
		return free
	})
	folder := filepath.Join(w.dir, "state", "backups")
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	failed := func() (s *engine.StateStatus) {
		status, err := client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.State
	}
	w.later(25 * time.Hour)
	noticed(w, a)
	w.until("the failure is shown", func() bool { return failed().Backup.Problem != "" })
	if !a.backupDue().After(w.now()) {
		t.Error("the next attempt follows at once")
	}
	for range 3 {
		w.later(2 * time.Hour)
		noticed(w, a)
		retry := w.now()
		w.until("another attempt", func() bool { a.care.mu.Lock(); defer a.care.mu.Unlock(); return a.care.retry.After(retry) })
	}
	if n := strings.Count(w.log.String(), "state not backed up"); n != 1 {
		t.Errorf("told %d times:\n%s", n, w.log)
	}
	if b := failed().Backup; !strings.Contains(b.Problem, "backups") || b.Hint == "" {
		t.Errorf("status: %+v", b)
	}
	if err := errors.Join(os.Remove(folder), os.Rename(folder+".away", folder)); err != nil {
		t.Fatal(err)
	}
	w.later(2 * time.Hour)
	noticed(w, a)
	w.until("a backup again", func() bool { return len(w.backups()) == 2 && failed().Backup.Problem == "" })
}

func TestACommandMakesABackupWhenItIsDue(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := w.open()
	sync1(w, a, run.Request{Mode: run.Plan})
	if n := len(w.backups()); n != 0 {
		t.Fatalf("a plan makes %d backups", n)
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {time.Hour, 1}, {24 * time.Hour, 2}} {
		w.later(c.after)
		sync1(w, a, run.Request{})
		if n := len(w.backups()); n != c.want {
			t.Errorf("%s later there are %d backups, want %d", c.after, n, c.want)
		}
	}
	w.append("backup: {every: off}")
	cfg, err := Load(filepath.Join(w.dir, "groupsyncd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a.parts.cfg = cfg
	w.later(48 * time.Hour)
	sync1(w, a, run.Request{})
	if n := len(w.backups()); n != 2 {
		t.Errorf("switched off there are %d backups", n)
	}
}

func TestADailyCheckThatFailsStopsEveryWrite(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, client, _ := w.serve()
	w.until("the first backup", func() bool { return len(w.backups()) == 1 })
	w.later(24 * time.Hour)
	noticed(w, a)
	w.until("the first check", func() bool { return strings.Contains(w.log.String(), "state checked") })
	w.until("the second backup", func() bool { return len(w.backups()) == 2 })
	if s, err := client.Status(t.Context()); err != nil || s.State.CheckedAt.IsZero() {
		t.Errorf("status: %+v, %v", s, err)
	}

	spoil(t, a.db.Path(), "dmitri@example.org", "dmitry@example.org")
	w.people(members, "[bo, chloe, dmitri, emre]")
	w.chat.ResetLog()
	w.later(24 * time.Hour)
	noticed(w, a)
	w.until("the check fails", func() bool { return strings.Contains(w.log.String(), "state damaged; nothing is written any more") })
	w.until("status shows it", func() bool {
		s, err := client.Status(t.Context())
		return err == nil && strings.Contains(s.State.Problem, "checksum") && s.State.Hint != ""
	})
	_, err := client.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}, nil)
	if fault.KindOf(err) != fault.Damaged {
		t.Errorf("a run on it gives %v", err)
	}
	if _, err := client.CheckState(t.Context()); fault.KindOf(err) != fault.Damaged || fault.HintOf(err) == "" {
		t.Errorf("a check of it gives %v", err)
	}
	if _, err := client.BackupState(t.Context(), filepath.Join(t.TempDir(), "copy.db"), ""); fault.KindOf(err) != fault.Damaged {
		t.Errorf("a backup of it gives %v", err)
	}
	if _, writes := w.chat.Count(); writes != 0 || w.size("Sales") != 5 {
		t.Errorf("%d writes, %d members", writes, w.size("Sales"))
	}
	if due := a.backupDue(); !due.IsZero() {
		t.Errorf("a damaged state is to be backed up at %s", due)
	}
	if n := len(w.backups()); n != 2 {
		t.Errorf("a damaged state makes backups: %d", n)
	}
}

// spoil changes every occurrence of a text in a file that somebody has open.
func spoil(t *testing.T, path, from, to string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(text, []byte(from)) {
		t.Fatal("the text is not there", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(bytes.ReplaceAll(text, []byte(from), []byte(to)), 0)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestTheSocketWritesBackupsToFullPathsOnly(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, client, _ := w.serve()
	w.until("the first run", func() bool { return w.size("Sales") == 5 })
	var b server.Backend = a
	if _, err := b.BackupState(t.Context(), "copy.db", "ana"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a path of somewhere gives %v", err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	made, err := client.BackupState(t.Context(), path, "")
	if err != nil || made.Path != path {
		t.Fatalf("%+v, %v", made, err)
	}
	if err := state.Verify(t.Context(), path); err != nil {
		t.Error(err)
	}
}

func TestDoctorJudgesTheState(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const mib = 1 << 20
	good := engine.StateStatus{Size: 4 * mib, MaxSize: 1024 * mib, FreeSpace: 4096 * mib, Backup: engine.BackupStatus{Every: "1d", Last: now.Add(-2 * time.Hour)}}
	with := func(change func(*engine.StateStatus)) *engine.StateStatus {
		s := good
		change(&s)
		return &s
	}
	for name, c := range map[string]struct {
		s           *engine.StateStatus
		err         error
		check       string
		level       providers.Level
		message, do string
	}{
		"whole":           {&good, nil, "check", providers.OK, "every page", ""},
		"none":            {nil, fault.New(fault.NotFound, "open state", "x", errors.New("there is no state yet"), ""), "check", providers.OK, "the first run makes it", ""},
		"damaged":         {nil, fault.New(fault.Damaged, "open state", "x", errors.New("page 7"), "restore"), "check", providers.Failed, "page 7", "restore"},
		"stopped":         {with(func(s *engine.StateStatus) { s.Problem, s.Hint = "stopped", "restart" }), nil, "check", providers.Failed, "stopped", "restart"},
		"size":            {&good, nil, "size", providers.OK, "4.0 MiB of at most 1.0 GiB", ""},
		"near its limit":  {with(func(s *engine.StateStatus) { s.Size = 900 * mib }), nil, "size", providers.Warning, "900 MiB", "limit"},
		"large and empty": {with(func(s *engine.StateStatus) { s.Size, s.Unused = 900*mib, 800*mib }), nil, "size", providers.OK, "800 MiB of it unused", ""},
		"space":           {&good, nil, "space", providers.OK, "4.0 GiB free", ""},
		"little space":    {with(func(s *engine.StateStatus) { s.FreeSpace = 100 * mib }), nil, "space", providers.Warning, "only 100 MiB", "Make room"},
		"no room to copy": {with(func(s *engine.StateStatus) { s.Size, s.FreeSpace = 400*mib, 700*mib }), nil, "space", providers.Warning, "only 700 MiB", "Make room"},
		"no space":        {with(func(s *engine.StateStatus) { s.FreeSpace = 9 * mib }), nil, "space", providers.Failed, "only 9.0 MiB", "Make room"},
		"backup":          {&good, nil, "backup", providers.OK, "2h old", ""},
		"no backup yet":   {with(func(s *engine.StateStatus) { s.Backup.Last = time.Time{} }), nil, "backup", providers.OK, "none yet", ""},
		"overdue":         {with(func(s *engine.StateStatus) { s.Backup.Overdue = true }), nil, "backup", providers.Warning, "every 1d", "state backup"},
		"failed":          {with(func(s *engine.StateStatus) { s.Backup.Problem, s.Backup.Hint = "disk", "room" }), nil, "backup", providers.Warning, "disk", "room"},
		"off":             {with(func(s *engine.StateStatus) { s.Backup = engine.BackupStatus{Every: "off"} }), nil, "backup", providers.Warning, "no backups are made", "backup.every"},
		"off, by hand":    {with(func(s *engine.StateStatus) { s.Backup.Every = "off" }), nil, "backup", providers.OK, "2h old", ""},
	} {
		found := StateFindings(&config.Config{State: "/var/lib/groupsyncd"}, c.s, c.err, now)
		for _, f := range found.Findings {
			if f.Check == c.check && (f.Level != c.level || !strings.Contains(f.Message, c.message) || !strings.Contains(f.Remedy, c.do) || (f.Level == providers.OK) != (f.Remedy == "")) {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if c.err == nil && len(found.Findings) != 4 || found.Kind != "state" {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestADaemonRestsAfterEachRun(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, client, _ := w.serve()
	w.until("the first scheduled run", func() bool { return w.size("Sales") == 5 })
	for range 2 {
		sync1(w, client, run.Request{})
		if a.daemon.schedule.Next(restName).IsZero() {
			t.Fatal("nothing gives the memory of a run back")
		}
		w.later(time.Minute)
		a.daemon.schedule.At("a look at the clock", w.now(), func(context.Context, time.Time) {})
		w.until("the rest", func() bool { return a.daemon.schedule.Next(restName).IsZero() })
	}
}
