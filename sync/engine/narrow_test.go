package engine_test

import (
	"slices"
	"testing"

	"groupsyncd/sync/run"
)

// looks counts how often Open WebUI is asked for all that it has.
func (w *world) looks(t *testing.T, text string) int {
	t.Helper()
	n := 0
	w.web.Looks = func() { n++ }
	defer func() { w.web.Looks = nil }()
	w.play(t, text)
	return n
}

// TestAWatchedChangeLooksOnlyAtWhatItTouches: a list of all groups for each change would keep
// a large Open WebUI busy with nothing else.
func TestAWatchedChangeLooksOnlyAtWhatItTouches(t *testing.T) {
	t.Parallel()
	w := begin(t, telling+"user corp h2\nsignup h2\nrun\n")
	if n := w.looks(t, "leave corp h1 eng\nwatched corp\njoin corp h2 eng\nwatched corp"); n != 0 {
		t.Errorf("all was looked at %d times", n)
	}
	w.wants(t, "eng", "h0", "h2")
	if r := w.report(t); r.Requests != 5 || r.Writes != 2 || r.Version == "" || r.Plan == "" {
		// The group and the account before; the call, and the mark; the group after.
		t.Errorf("%d requests, %d writes, %+v", r.Requests, r.Writes, r)
	}
	// Another run looks at everything, and finds everything as it should be.
	if n := w.looks(t, "run"); n != 1 || len(w.report(t).Changes) != 0 {
		t.Errorf("looked %d times, %+v", n, w.report(t).Changes)
	}
}

// TestWhateverIsOutOfTheOrdinaryIsLookedAtAsAWhole, in the same run.
func TestWhateverIsOutOfTheOrdinaryIsLookedAtAsAWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, steps string
		want        []string
	}{
		{"a new process", "leave corp h1 eng\nrestart\nwatched corp", []string{"h0", "h2"}},
		{"a look long ago", "wait 16m\nleave corp h1 eng\nwatched corp", []string{"h0", "h2"}},
		{"somebody new, with an account", "user corp h3\nsignup h3\njoin corp h3 eng\nwatched corp", []string{"h0", "h1", "h2", "h3"}},
		{"a group that there was not", "group corp ops\njoin corp h0 ops\nleave corp h1 eng\nwatched corp", []string{"h0", "h2"}},
		{"another name of a group", "rename corp eng eng2\nwatched corp", nil},
		{"rules that were changed", "rules r1b\nleave corp h1 eng\nwatched corp", []string{"h0", "h2"}},
		{"one who was put there by hand", "put h3 eng\nuser corp h3\njoin corp h3 eng\nwatched corp", []string{"h0", "h1", "h2", "h3"}},
		{"one who was taken out by hand", "take h0 eng\nleave corp h1 eng\nwatched corp", []string{"h0", "h2"}},
		{"an account that is gone", "leave corp h1 eng\ndelacct h1\nwatched corp", []string{"h0", "h2"}},
		{"a group that is gone", "delgrp eng\nleave corp h1 eng\nwatched corp", []string{"h0", "h2"}},
		{"Open WebUI from a backup", "webbackup\nleave corp h2 eng\nrun\nwebrestore\nleave corp h1 eng\nwatched corp", []string{"h0", "h1", "h2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, telling+"user corp h2\nsignup h2\nsignup h3\njoin corp h2 eng\nrun\nrun\n")
			if n := w.looks(t, c.steps); n == 0 {
				t.Error("not all was looked at")
			}
			if c.want != nil {
				w.wants(t, "eng", c.want...)
			}
			if w.failed != "" {
				t.Error(w.failed)
			}
		})
	}
}

// TestWhatTheHandDidMeanwhileIsNotOverwritten: nobody looked since, and the plan follows what
// it finds.
func TestWhatTheHandDidMeanwhileIsNotOverwritten(t *testing.T) {
	t.Parallel()
	w := begin(t, telling+"run\n")
	// h1 was taken out by hand already: there is nothing to take away any more.
	w.play(t, "leave corp h1 eng\ntake h1 eng\nwatched corp")
	w.wants(t, "eng", "h0")
	if slices.ContainsFunc(w.report(t).Changes, func(c run.Change) bool { return c.Op == run.RemoveMember }) {
		t.Errorf("%+v", w.report(t).Changes)
	}
}

// TestManyChangesAreLookedAtAsAWhole: one by one is dearer then.
func TestManyChangesAreLookedAtAsAWhole(t *testing.T) {
	t.Parallel()
	w := begin(t, telling+"run\n")
	text := ""
	for i := range 21 {
		h := "h" + string(rune('a'+i))
		text += "user corp " + h + "\nsignup " + h + "\n"
	}
	w.play(t, text+"run\nrun")
	text = ""
	for i := range 21 {
		text += "join corp h" + string(rune('a'+i)) + " eng\n"
	}
	if n := w.looks(t, text+"watched corp"); n != 1 {
		t.Errorf("looked %d times", n)
	}
}
