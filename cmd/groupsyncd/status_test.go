package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

// TestTheFirstLineIsTheWorst is about what a script cannot bring about at will.
func TestTheFirstLineIsTheWorst(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	daemon := &engine.DaemonStatus{PID: 7, Since: now.Add(-time.Minute)}
	fine := &run.Report{Run: "01A", Trigger: run.Schedule, Started: now.Add(-time.Minute)}
	partly := &run.Report{Run: "01B", Exit: run.ExitPartly, Started: now.Add(-time.Minute)}
	cut := &run.Report{Run: "01C", Exit: run.ExitInterrupted, Started: now.Add(-time.Minute)}
	would := &run.Report{Run: "01D", Mode: run.Plan, Exit: run.ExitHeld, Started: now.Add(-time.Minute), Targets: []run.TargetReport{{Summary: run.Summary{Held: 1, MembersAdded: 2}}}}
	held := []run.Hold{{Since: now.Add(-time.Hour), Keys: []string{"a"}}}
	old := &engine.StateStatus{Backup: engine.BackupStatus{Overdue: true}}
	silent := []run.NotifyStatus{{Name: "slack", Waiting: 2, Failing: now.Add(-time.Hour), Reason: "401"}}
	for name, c := range map[string]struct {
		s           engine.Status
		first, last string
		waits       string
	}{
		"just started":  {engine.Status{Daemon: daemon}, "just started: no run has ended yet", "next: wait for the first run, or start one with: groupsyncd sync", "waiting: nothing"},
		"well":          {engine.Status{Daemon: daemon, Last: fine, Sources: []engine.SourceStatus{{Name: "hr"}, {Name: "corp", Next: now.Add(time.Minute)}}}, "all is well: in sync since the last run", "next: nothing to do; corp is read 2026-03-01 03:01:00 (in 1m0s)", "waiting: nothing"},
		"file refused":  {engine.Status{Daemon: &engine.DaemonStatus{PID: 7, Since: now, Refused: true}, Last: fine}, "trouble: the configuration file was refused, the one before stays in force", "next: see why with: groupsyncd reload", "waiting: nothing"},
		"notices":       {engine.Status{Daemon: daemon, Last: fine, Notify: silent}, "trouble since 2026-03-01 02:00:00 (1h0m0s ago): notices do not arrive at slack: 401", "next: try it with: groupsyncd notify test slack", "waiting: 2 notices for slack"},
		"state":         {engine.Status{Daemon: daemon, Last: partly, Notify: silent, State: &engine.StateStatus{Problem: "disk full"}}, "trouble: nothing is written to the state any more, so nothing is changed: disk full; and 2 more below", "next: groupsyncd state check", "waiting: 2 notices for slack"},
		"calls":         {engine.Status{Daemon: daemon, Last: partly}, "trouble since 2026-03-01 02:59:00 (1m0s ago): calls failed in the last run", "next: see which with: groupsyncd history 01B", "waiting: nothing"},
		"backup":        {engine.Status{Daemon: daemon, Last: fine, State: &engine.StateStatus{Backup: engine.BackupStatus{Problem: "no room"}}}, "trouble: the state is not backed up: no room", "next: try it with: groupsyncd state backup", "waiting: nothing"},
		"stale":         {engine.Status{Daemon: daemon, Last: fine, Sources: []engine.SourceStatus{{Name: "corp", Stale: true, CompleteAsOf: now.Add(-49 * time.Hour)}}}, "trouble since 2026-02-27 02:00:00 (49h0m0s ago): source corp is stale: it was not read completely for too long", "next: find out with: groupsyncd doctor; then try at once with: groupsyncd sync --source corp", "waiting: nothing"},
		"hold, stopped": {engine.Status{Last: fine, Holds: held}, "the guard waits for a decision since 2026-03-01 02:00:00 (1h0m0s ago), and no daemon runs", "next: 1 hold waiting for a decision; see them with: groupsyncd holds", "waiting: 1 change in 1 hold for a decision"},
		"hold, backup":  {engine.Status{Daemon: daemon, Last: fine, Holds: held, State: old}, "the guard waits for a decision since 2026-03-01 02:00:00 (1h0m0s ago); and 1 more below", "next: 1 hold waiting for a decision; see them with: groupsyncd holds", "waiting: 1 change in 1 hold for a decision"},
		"would be held": {engine.Status{Daemon: daemon, Last: would}, "the last run only planned; the guard would hold 1 change and make 2", "next: see what with: groupsyncd history 01D; let it wait for a decision with: groupsyncd sync", "waiting: nothing"},
		"interrupted":   {engine.Status{Last: cut}, "the last run was not perfect, and nothing is left to decide", "next: see why with: groupsyncd history 01C", "waiting: nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			cmd := &command{Streams: Streams{Out: &out, Err: &out}, world: world{now: func() time.Time { return now }}}
			cmd.statusTable(&c.s)
			lines := strings.Split(out.String(), "\n")
			local := func(text string) string { return text }
			if time.Local != time.UTC {
				local = func(text string) string {
					before, _, _ := strings.Cut(text, " 20")
					return before
				}
			}
			if len(lines) < 5 || !strings.HasPrefix(lines[0], local(c.first)) || lines[3] != c.waits || !strings.HasPrefix(lines[4], local(c.last)) {
				t.Errorf("%s", strings.Join(lines[:min(5, len(lines))], "\n"))
			}
		})
	}
}

func TestEveryConcernHasWordsAndACommand(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	s := enginetest.Wrong(now)
	list := s.Concerns()
	s.State.Backup.Problem, s.State.Backup.Overdue = "", true
	old := s.Concerns()
	list = append(list, old[len(old)-1])
	const doctor = "find out with: groupsyncd doctor; then try at once with: groupsyncd sync "
	want := [][2]string{
		{"nothing is written to the state any more, so nothing is changed: disk full", "groupsyncd state check"},
		{"the configuration file was refused, the one before stays in force", "see why with: groupsyncd reload"},
		{"target chat cannot be used: 401", doctor + "--target chat"},
		{"target staging cannot be used: no route", doctor + "--target staging"},
		{"source corp cannot be read: 401", doctor + "--source corp"},
		{"source old is stale: it was not read completely for too long", doctor + "--source old"},
		{"source down was not read completely: refused", doctor + "--source down"},
		{"calls failed in the last run", "see which with: groupsyncd history 01LAST"},
		{"notices do not arrive at slack: 403", "try it with: groupsyncd notify test slack"},
		{"the state is not backed up: no room", "try it with: groupsyncd state backup"},
		{"source pushed waits for its provider: nothing came yet", "start it there"},
		{"source half was not read completely: cut short", doctor + "--source half"},
		{"source skipped was not read completely: left out", doctor + "--source skipped"},
		{"the newest backup is too old", "make one with: groupsyncd state backup"},
	}
	list = slices.DeleteFunc(list, func(x engine.Concern) bool { return x.Kind == engine.HoldsWait }) // Its words depend on the rest.
	if len(list) != len(want) {
		t.Fatalf("%d concerns: %+v", len(list), list)
	}
	for i := range list {
		if text, next := worded(&list[i], s.Last); [2]string{text, next} != want[i] {
			t.Errorf("got  %q, %q\nwant %q", text, next, want[i])
		}
	}
}
