package web_test

import (
	"testing"
	"time"

	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
	"groupsyncd/web"
)

func TestEveryConcernIsAStep(t *testing.T) {
	t.Parallel()
	const doctor, again = "Until it is read again nothing is removed on its word. See: groupsyncd doctor", "The next run tries again what is still wanted."
	s := enginetest.Wrong(time.Now())
	verdict, steps := web.Judge(s)
	s.State.Backup.Problem, s.State.Backup.Overdue = "", true
	_, overdue := web.Judge(s)
	want := []web.Step{
		{"bad", "Nothing is written any more: disk full.", "make room", "", ""},
		{"bad", "A newer configuration file was refused; the old one is in force.", "See what is wrong with: groupsyncd config validate", "", ""},
		{"bad", "chat does not do what it is asked: 401.", "It is tried less often until it works. Check the address and the key, then run: groupsyncd doctor", "", ""},
		{"bad", "staging failed in the last run: no route.", "ask the network", "/runs/01LAST", "See what failed"},
		{"bad", "corp: keeps failing, tried less often. 401.", doctor, "", ""},
		{"bad", "old: stale.", doctor, "", ""},
		{"bad", "down: cannot be read. refused.", "start it", "", ""},
		{"bad", "In the last run, some calls failed.", again, "/runs/01LAST", "See what failed"},
		{"bad", "Notices do not arrive at slack: 403.", "Try it with: groupsyncd notify test slack", "", ""},
		{"bad", "The last backup failed: no room.", "make more room", "", ""},
		{"warn", "2 holds wait for a decision.", "Nothing of it happens until somebody lets it through.", "/holds", "Look and decide"},
		{"warn", "pushed: waits for its provider. nothing came yet.", "start it there", "", ""},
		{"warn", "half: read in part. cut short.", doctor, "", ""},
		{"warn", "skipped: not read. left out.", doctor, "", ""},
		{"warn", "The newest backup is too old.", "Make one with: groupsyncd state backup", "", ""},
	}
	steps = append(steps, overdue[len(overdue)-1])
	for i := range min(len(steps), len(want)) {
		if steps[i] != want[i] {
			t.Errorf("got  %+v\nwant %+v", steps[i], want[i])
		}
	}
	if len(steps) != len(want) || verdict.Level != "bad" || verdict.Text != "Something is wrong, and 2 holds wait for you" {
		t.Errorf("%d steps, %+v", len(steps), verdict)
	}
}

func TestTheVerdictIsNoBetterThanTheLastRun(t *testing.T) {
	t.Parallel()
	for exit, want := range map[int]web.Verdict{
		run.ExitOK:          {Level: "ok", Text: "Everything is in sync"},
		run.ExitInterrupted: {Level: "wait", Text: "The last run was not perfect, and nothing is left to decide"},
		run.ExitPartly:      {Level: "bad", Text: "Something needs a look"},
	} {
		if got, _ := web.Judge(&engine.Status{Last: &run.Report{Exit: exit}}); got != want {
			t.Errorf("%d: %+v", exit, got)
		}
	}
	held := &run.Report{Mode: run.Plan, Exit: run.ExitHeld}
	if got, _ := web.Judge(&engine.Status{Last: held}); got != (web.Verdict{Level: "wait", Text: "The last run only planned; the guard would hold a part of it"}) {
		t.Errorf("a plan that the guard would hold: %+v", got)
	}
	if got, _ := web.Judge(&engine.Status{Last: held, Holds: []run.Hold{{}}}); got.Text != "One hold waits for your decision" {
		t.Errorf("a plan beside a hold: %+v", got)
	}
}
