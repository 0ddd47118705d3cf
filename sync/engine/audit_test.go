package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

// told gives the events of some kinds, or all, oldest first.
func told(w *world, kinds ...run.EventKind) []run.Event {
	return slices.DeleteFunc(w.store.Events(), func(e run.Event) bool { return len(kinds) > 0 && !slices.Contains(kinds, e.Kind) })
}

// membership is what happened to one member.
type membership struct {
	op             run.Op
	group, account string
}

// silent names the first thing that was done to Open WebUI, from one effect and one event
// on, and that no record mentions, be it as a failure.
func silent(w *world, effects, events int) string {
	said := map[membership]bool{}
	for _, e := range w.store.Events()[events:] {
		if e.Kind == run.EventChange {
			said[membership{e.Op, e.Group, e.User}] = true
			for _, user := range e.Keys {
				said[membership{e.Op, e.Group, user}] = true
			}
		}
	}
	for _, e := range w.web.Effects[effects:] {
		if e.Account != "" && !said[membership{e.Op, e.Group, e.Account}] {
			return fmt.Sprintf("%s %s %s", e.Op, e.Group, e.Account)
		}
	}
	return ""
}

// accounted compares what was done to Open WebUI with what the audit says was done.
func accounted(t *testing.T, w *world, when string, args ...any) {
	t.Helper()
	done, said := map[membership]int{}, map[membership]int{}
	for _, e := range w.web.Effects {
		// The mark is no change of the plan, so a crash behind its call leaves no intent.
		if e.Op != run.UpdateGroup && e.Had == (e.Op == run.RemoveMember) {
			done[membership{e.Op, e.Group, e.Account}]++
		}
	}
	for _, e := range told(w, run.EventChange) {
		if e.Outcome == run.Applied && e.Op != run.UpdateGroup && e.Op != run.AdoptMember && e.Op != run.ReleaseMember {
			said[membership{e.Op, e.Group, e.User}]++
		}
	}
	if d := cmp.Diff(done, said, cmp.AllowUnexported(membership{})); d != "" {
		t.Errorf(when+": what was done and what is recorded differ (-done +recorded):\n%s", append(args, d)...)
	}
}

func TestEveryChangeIsAnnouncedAndRecordedByIDs(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nleave corp h0 ops\nrun\nrun")
	accounted(t, w, "after runs")
	kinds := ""
	for _, e := range told(w) {
		kinds += string(e.Kind) + " "
		if e.Run == "" || e.At.IsZero() || e.GroupName != "" || e.UserName != "" {
			t.Errorf("record %+v", e)
		}
	}
	want := "calls " + strings.Repeat("change ", 5) + "run calls change change run run "
	if kinds != want {
		t.Errorf("records %q, want %q", kinds, want)
	}
	calls := told(w, run.EventCalls)[0]
	if calls.Count != 4 || calls.Hash == "" || calls.By != "schedule" {
		t.Errorf("announced: %+v", calls)
	}
	removed, mark := told(w, run.EventChange)[5], told(w, run.EventChange)[6]
	if mark.Op != run.UpdateGroup || mark.Group == "" || mark.Detail != "our mark" {
		t.Errorf("mark: %+v", mark)
	}
	if removed.Op != run.RemoveMember || removed.Absence != "left" || removed.Rule == "" || removed.Outcome != run.Applied {
		t.Errorf("removal: %+v", removed)
	}
	if end := told(w, run.EventRun)[1]; end.Count != 1 || !strings.Contains(end.Detail, "exit=0") || !strings.Contains(end.Detail, "removed=1") || !strings.Contains(end.Detail, "trigger=schedule") {
		t.Errorf("end: %+v", end)
	}
}

func TestNamesAreRecordedWhereTheAuditIsToldTo(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	s := w.setup()
	s.AuditNames = true
	if err := w.engine.Replace(s); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply, By: "alice"}); err != nil {
		t.Fatal(err)
	}
	for _, e := range told(w, run.EventChange) {
		if e.GroupName == "" || (e.UserName == "") != (e.User == "") {
			t.Errorf("record %+v", e)
		}
	}
	if by := told(w, run.EventRun)[0].By; by != "alice" {
		t.Errorf("the run was asked for by %q", by)
	}
}

func TestTheAuditIsRightAfterACrashAtAnyStep(t *testing.T) {
	t.Parallel()
	const change = "run\nleave corp h0 eng\nleave corp h0 ops\njoin corp h1 ops"
	for name, before := range map[string]string{"adding": two, "removing": two + change} {
		for cut := range 30 {
			w := begin(t, before)
			w.store.Power.CutAfter(cut)
			w.play(t, "run")
			w.store.Power.On()
			w.play(t, "run")
			accounted(t, w, "%s, dead after %d steps", name, cut)
		}
	}
}

func TestALostAnswerIsAFailureUntilALookShowsWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\njoin corp h1 ops\nwrite 1 after\nrun")
	last := told(w, run.EventChange)
	failed := last[len(last)-1]
	if failed.Outcome != run.Failed || failed.Error == "" || failed.User == "" {
		t.Fatalf("record %+v", failed)
	}
	w.play(t, "run")
	accounted(t, w, "after the look")
	last = told(w, run.EventChange)
	if found := last[len(last)-1]; found.Run != failed.Run || found.User != failed.User || !strings.Contains(found.Detail, "found done") {
		t.Errorf("record %+v", found)
	}
}

func TestWhatTheServerDidNotDoIsCorrected(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\njoin corp h1 ops\nwrite 1 ignored\nrun")
	list := slices.DeleteFunc(told(w, run.EventChange), func(e run.Event) bool { return e.Op == run.UpdateGroup })
	first, second := list[len(list)-2], list[len(list)-1]
	if first.Outcome != run.Applied || second.Outcome != run.Failed || first.User != second.User || !strings.Contains(second.Error, "did not add") {
		t.Errorf("records %+v and %+v", first, second)
	}
}

func TestMembersForWhomOneCallFailedAreOneRecord(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"write 2 before\nrun")
	var failed []run.Event
	for _, e := range told(w, run.EventChange) {
		if e.Outcome == run.Failed {
			failed = append(failed, e)
		}
	}
	if len(failed) == 0 {
		t.Fatal("nothing failed")
	}
	w = begin(t, two+"write 3 before\nrun")
	for _, e := range told(w, run.EventChange) {
		if e.Outcome == run.Failed && e.Op == run.AddMember && (e.Count != 2 || len(e.Keys) != 2 || e.User != "") {
			t.Errorf("record %+v", e)
		}
	}
}

func TestHoldsBeginAndEndInTheAudit(t *testing.T) {
	t.Parallel()
	w := begin(t, two+`
		user corp h2
		signup h2
		join corp h2 eng
		run
		leave corp h0 eng
		leave corp h1 eng
		leave corp h2 eng
		run
		run
		approve 0
		run
	`)
	w.wants(t, "eng")
	held := told(w, run.EventHeld)
	outcomes := map[run.Outcome]int{}
	for _, e := range held {
		outcomes[e.Outcome]++
		if e.Outcome == run.Held && (len(e.Keys) != 3 || e.Count != 3 || e.Hash == "" || e.Check == "") {
			t.Errorf("record %+v", e)
		}
	}
	if outcomes[run.Held] == 0 || outcomes[run.Held] != outcomes[run.HoldEnded] {
		t.Errorf("holds in the audit: %v", outcomes)
	}
	if a := told(w, run.EventApproved); len(a) != 1 || len(a[0].Keys) != 3 || a[0].Reason == "" || a[0].By == "" || a[0].Hash == "" {
		t.Errorf("approvals: %+v", a)
	}
}

// refusing lets the store fail for changes that come with a record of a kind.
func refusing(w *world, kind run.EventKind) {
	w.store.Refuse = func(events []run.Event) error {
		if slices.ContainsFunc(events, func(e run.Event) bool { return e.Kind == kind }) {
			return errors.New("the disk is on fire")
		}
		return nil
	}
}

func TestNothingIsCalledThatCannotBeAnnounced(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	refusing(w, run.EventCalls)
	if _, err := w.engine.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}); err == nil {
		t.Error("the run is not told")
	}
	if len(w.web.Effects) != 0 {
		t.Errorf("called without a record: %v", w.web.Effects)
	}
}

func TestARunStopsWhenWhatItDidCannotBeRecorded(t *testing.T) {
	t.Parallel()
	for _, fails := range []enginetest.Fault{enginetest.Works, enginetest.FailsAfter} {
		w := begin(t, two+"run\njoin corp h1 ops\nleave corp h0 eng")
		effects := len(w.web.Effects)
		w.web.Fault = func(run.Op, string, []string) enginetest.Fault { return fails }
		refusing(w, run.EventChange)
		_, err := w.engine.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply})
		if fault.KindOf(err) != fault.Damaged || !strings.Contains(err.Error(), "on fire") {
			t.Errorf("error %v", err)
		}
		if n := len(w.web.Effects) - effects; n != 1 {
			t.Errorf("%d calls were made", n)
		}
		// What was done is found out, and recorded, once that is possible.
		w.store.Refuse, w.web.Fault = nil, nil
		w.boot()
		w.play(t, "run")
		w.wants(t, "ops", "h0", "h1")
		w.wants(t, "eng", "h1")
		accounted(t, w, "after all")
	}
}

func TestADecisionThatCannotBeRecordedDoesNotHappen(t *testing.T) {
	t.Parallel()
	w := begin(t, two+`
		user corp h2
		signup h2
		join corp h2 eng
		run
		leave corp h0 eng
		leave corp h1 eng
		leave corp h2 eng
		run
	`)
	refusing(w, run.EventApproved)
	hash := w.engine.Holds()[0].Hash
	if _, err := w.engine.Approve(t.Context(), hash, "why", "me"); err == nil {
		t.Fatal("approved")
	}
	w.play(t, "run")
	w.wants(t, "eng", "h0", "h1", "h2")
	w.store.Refuse = nil
	w.play(t, "run")
	w.wants(t, "eng", "h0", "h1", "h2")

	w = begin(t, two+"run")
	w.web.Restore(enginetest.NewOpenWebUI(w.clock, w.store.Power))
	w.play(t, "run")
	refusing(w, run.EventAccepted)
	if err := w.engine.AcceptTarget(t.Context(), target, "me"); err == nil {
		t.Fatal("accepted")
	}
	effects := len(w.web.Effects)
	w.play(t, "run")
	if len(w.web.Effects) != effects {
		t.Errorf("written: %v", w.web.Effects[effects:])
	}
}

func TestARunWhoseEndCannotBeRecordedIsAFailure(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	refusing(w, run.EventRun)
	if _, err := w.engine.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}); err == nil {
		t.Error("the run ended as if all were well")
	}
}

// blind cannot vouch for its audit.
type blind struct{ *enginetest.Store }

func (blind) Head() (run.AuditHead, error) { return run.AuditHead{}, errors.New("the key is gone") }

func TestNothingBeginsWithoutTheKeyOfTheAudit(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	e, err := engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler), Now: w.clock.Now, Ledger: w.store, Journal: w.store, Runs: w.store,
		Audit: blind{w.store}, NewID: func() string { return "run" }, Setup: w.setup()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}); err == nil || len(w.web.Effects) != 0 {
		t.Errorf("error %v, effects %v", err, w.web.Effects)
	}
}

func TestTheHeadOfTheAuditIsLoggedAfterEveryRun(t *testing.T) {
	t.Parallel()
	w := begin(t, two)
	var log bytes.Buffer
	e, err := engine.New(engine.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: w.clock.Now, Ledger: w.store, Journal: w.store, Runs: w.store,
		Audit: w.store, NewID: func() string { return "run" }, Setup: w.setup()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), `msg="audit head" run=run seq=7 hash=`); n != 1 {
		t.Errorf("%d heads in the log:\n%s", n, log.String())
	}
}
