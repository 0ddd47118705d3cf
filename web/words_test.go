package web

import (
	"testing"

	"groupsyncd/sync/run"
)

func TestARunThatCouldNotWorkDoesNotSayThatThereWasNothingToDo(t *testing.T) {
	t.Parallel()
	for want, targets := range map[string][]run.TargetReport{
		"nothing to do":    {{Name: "chat"}, {Name: "staging"}},
		"nothing was done": {{Name: "chat"}, {Name: "staging", Error: "no route"}},
		"2 members added":  {{Name: "chat", Summary: run.Summary{MembersAdded: 2}}, {Name: "staging", Error: "no route"}},
	} {
		if got := summary(run.Report{Targets: targets}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
