package enginetest

import (
	"time"

	"groupsyncd/providers"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
)

// Wrong is a status in which everything is wrong that can be at the same time: each kind of
// concern once, since an hour before now where the time is known.
func Wrong(now time.Time) *engine.Status {
	since := now.Add(-time.Hour)
	rest := &run.Quarantine{Reason: "401", Since: since, NextTry: now.Add(time.Hour)}
	return &engine.Status{
		Daemon: &engine.DaemonStatus{PID: 7, Since: since, Refused: true},
		State:  &engine.StateStatus{Problem: "disk full", Hint: "make room", Backup: engine.BackupStatus{Last: since, Problem: "no room", Hint: "make more room"}},
		Last: &run.Report{Run: "01LAST", Exit: run.ExitPartly, Started: since,
			Targets: []run.TargetReport{{Name: "staging", Error: "no route", Hint: "ask the network"}}},
		Targets: []engine.TargetStatus{{Name: "fine"}, {Name: "staging"}, {Name: "chat", Quarantine: rest}},
		Sources: []engine.SourceStatus{
			{Name: "fine", Coverage: "full"},
			{Name: "skipped", Coverage: "none", Reason: "left out"},
			{Name: "half", Coverage: "partial", Failing: 1, Reason: "cut short"},
			{Name: "pushed", Provisioned: &providers.Standing{Waiting: "nothing came yet", Hint: "start it there"}},
			{Name: "down", Coverage: "none", Failing: 1, Reason: "refused", Hint: "start it"},
			{Name: "old", Stale: true, CompleteAsOf: since},
			{Name: "corp", Failing: 3, Quarantine: rest},
		},
		Notify: []run.NotifyStatus{{Name: "fine"}, {Name: "healed", Failing: since}, {Name: "slack", Failing: since, Waiting: 2, Reason: "403"}},
		Holds:  []run.Hold{{Hash: "h1", Since: now, Keys: []string{"a"}}, {Hash: "h2", Since: since, Keys: []string{"b"}}},
	}
}
