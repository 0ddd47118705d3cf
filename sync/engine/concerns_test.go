package engine_test

import (
	"slices"
	"testing"
	"time"

	"groupsyncd/providers"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

var night = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

func TestEveryConcernIsListedTheWorstFirst(t *testing.T) {
	t.Parallel()
	since, unknown := night.Add(-time.Hour), time.Time{}
	want := []engine.Concern{
		{engine.StateStopped, "", unknown, "disk full", "make room"},
		{engine.FileRefused, "", unknown, "", ""},
		{engine.TargetQuarantined, "chat", since, "401", ""},
		{engine.TargetFailed, "staging", unknown, "no route", "ask the network"},
		{engine.SourceQuarantined, "corp", since, "401", ""},
		{engine.SourceStale, "old", since, "", ""},
		{engine.SourceUnread, "down", unknown, "refused", "start it"},
		{engine.CallsFailed, "", since, "", ""},
		{engine.NoticesStuck, "slack", since, "403", ""},
		{engine.BackupFailed, "", since, "no room", "make more room"},
		{engine.HoldsWait, "", since, "", ""},
		{engine.SourceWaits, "pushed", unknown, "nothing came yet", "start it there"},
		{engine.SourceInPart, "half", unknown, "cut short", ""},
		{engine.SourceNotRead, "skipped", unknown, "left out", ""},
	}
	s := enginetest.Wrong(night)
	if got := s.Concerns(); !slices.Equal(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	s.State.Backup.Problem, s.State.Backup.Overdue = "", true
	want = append(slices.Delete(want, 9, 10), engine.Concern{Kind: engine.BackupOverdue, Since: since})
	if got := s.Concerns(); !slices.Equal(got, want) {
		t.Errorf("with an old backup: got\n%+v\nwant\n%+v", got, want)
	}
	for i := range want[:len(want)-1] {
		if want[i].Kind >= want[i+1].Kind {
			t.Errorf("%+v is no worse than %+v", want[i], want[i+1])
		}
	}
}

func TestWhatIsNoConcern(t *testing.T) {
	t.Parallel()
	failed := func(exit int, user string) *run.Report {
		return &run.Report{Exit: exit, User: user, Started: night, Targets: []run.TargetReport{{Name: "chat", Error: "context canceled"}, {Name: "former", Error: "refused"}},
			Sources: []run.SourceReport{{Name: "corp", Coverage: "none", Reason: "refused", Hint: "start it"}, {Name: "hr", Coverage: "none", Reason: "nobody to look for"}}}
	}
	unread := engine.Concern{Kind: engine.SourceUnread, Name: "corp", Reason: "refused", Hint: "start it"}
	other := engine.Concern{Kind: engine.SourceUnread, Name: "hr", Reason: "nobody to look for"}
	at := engine.Concern{Kind: engine.TargetFailed, Name: "chat", Reason: "context canceled"}
	stale := engine.SourceStatus{Name: "pushed", Stale: true, CompleteAsOf: night, Provisioned: &providers.Standing{Waiting: "nothing came yet", Hint: "start it there"}}
	both := []engine.SourceStatus{{Name: "corp"}, {Name: "hr"}}
	chat := []engine.TargetStatus{{Name: "chat"}}
	for name, c := range map[string]struct {
		s    engine.Status
		want []engine.Concern
	}{
		"nothing is known":                 {engine.Status{}, nil},
		"nothing is wrong":                 {engine.Status{State: &engine.StateStatus{}, Daemon: &engine.DaemonStatus{}, Last: &run.Report{}, Targets: chat, Sources: []engine.SourceStatus{{Name: "corp", Coverage: "full"}}}, nil},
		"a run of everything failed":       {engine.Status{Last: failed(run.ExitTarget, ""), Sources: both, Targets: chat}, []engine.Concern{at, unread, other}},
		"a run was interrupted":            {engine.Status{Last: failed(run.ExitInterrupted, ""), Sources: both, Targets: chat}, nil},
		"of others a run asks nothing":     {engine.Status{Last: failed(run.ExitSource, "ana"), Sources: both}, []engine.Concern{unread}},
		"it was read completely after it":  {engine.Status{Last: failed(run.ExitSource, ""), Sources: []engine.SourceStatus{{Name: "corp", Coverage: "full", CompleteAsOf: night.Add(time.Minute)}}}, nil},
		"who failed is no longer there":    {engine.Status{Last: failed(run.ExitTarget, "")}, nil},
		"nobody makes backups by a clock":  {engine.Status{State: &engine.StateStatus{Backup: engine.BackupStatus{Overdue: true}}}, nil},
		"single people have no whole":      {engine.Status{Sources: []engine.SourceStatus{{Name: "tokens", Single: true, Coverage: "none"}}}, nil},
		"the last word is why it is stale": {engine.Status{Sources: []engine.SourceStatus{stale}}, []engine.Concern{{engine.SourceStale, "pushed", night, "nothing came yet", "start it there"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.s.Concerns(); !slices.Equal(got, c.want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, c.want)
			}
		})
	}
}
