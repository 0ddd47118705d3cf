package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// unruled is a world in which the rule of everybody in eng is gone, so that they are held.
const unruled = two + "run\nrules r2a\nrun"

func (w *world) release(t *testing.T, req run.Release) []run.Released {
	t.Helper()
	req.Reason = "because"
	out, err := w.engine.Release(t.Context(), req, "tester")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAReleaseIsStoredWithItsRecordAndWritesNothing(t *testing.T) {
	t.Parallel()
	w := begin(t, unruled)
	holds := w.engine.Holds()
	if len(holds) != 1 || holds[0].Check != run.Unruled || len(holds[0].Keys) != 3 {
		t.Fatalf("held: %+v", holds)
	}
	effects := len(w.web.Effects)
	out := w.release(t, run.Release{Hold: holds[0].Hash})
	if len(out) != 1 || out[0] != (run.Released{Target: target, Memberships: 3, Groups: 2, Links: 2, Held: 3}) {
		t.Errorf("released %+v", out)
	}
	events := told(w, run.EventReleased, run.EventHeld)
	last := events[len(events)-2:]
	if last[0].Kind != run.EventReleased || last[0].By != "tester" || last[0].Reason != "because" || last[0].Count != 3 || last[0].Hash != holds[0].Hash ||
		!slices.Equal(last[0].Keys, holds[0].Keys) || last[1].Kind != run.EventHeld || last[1].Outcome != run.HoldEnded {
		t.Errorf("recorded %+v", last)
	}
	if what := w.store.Unsaved(target); what != "" {
		t.Errorf("%s are not stored", what)
	}
	w.boot() // What was decided is there after a restart.
	if len(w.engine.Holds()) != 0 || w.ours("eng", "h0") {
		t.Errorf("held %v", w.engine.Holds())
	}
	run0 := w.engine
	for range 2 {
		if _, err := run0.Run(t.Context(), run.Request{Trigger: run.Schedule, Mode: run.Apply}); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.web.Effects) != effects {
		t.Errorf("written %v", w.web.Effects[effects:])
	}
	w.wants(t, "eng", "h0", "h1")
}

// TestWhatCannotBeRecordedIsNotDecided: a decision without its record does not count.
func TestWhatCannotBeRecordedIsNotDecided(t *testing.T) {
	t.Parallel()
	w := begin(t, unruled+"\nput h1 ops\nrules r1a\nrun")
	before := w.store.Kept(target)
	w.store.Refuse = func([]run.Event) error { return errors.New("the disk is full") }
	ctx := t.Context()
	decisions := map[string]func() error{
		"release": func() error { _, err := w.engine.Release(ctx, run.Release{Group: "eng", Reason: "r"}, "t"); return err },
		"takeover": func() error {
			_, err := w.engine.TakeOver(ctx, run.Takeover{Group: "ops", Reason: "r"}, "t")
			return err
		},
		"set": func() error {
			_, err := w.engine.SetLink(ctx, run.SetLink{Source: "corp", User: "h0", Account: w.account["h0"], Reason: "r"}, "t")
			return err
		},
		"remove": func() error {
			_, err := w.engine.SetLink(ctx, run.SetLink{Source: "corp", User: "h0", Reason: "r"}, "t")
			return err
		},
	}
	for name, decide := range decisions {
		if err := decide(); err == nil || !strings.Contains(err.Error(), "full") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if what := w.store.Unsaved(target); what != "" || w.store.Kept(target).People.Link(userOf("corp", "h0")) != before.People.Link(userOf("corp", "h0")) {
		t.Errorf("%s differ", what)
	}
	w.store.Refuse = nil
	for name, decide := range decisions {
		if err := decide(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func userOf(source, human string) directory.UserKey {
	return directory.UserKey{Source: source, ID: personID(source, human)}
}

// between lets something happen between two batches of the next run.
type between struct {
	context.Context
	n    int
	do   func()
	when int
}

func (b *between) Err() error {
	if b.n++; b.n == b.when {
		b.do()
	}
	return nil
}

// TestADecisionBetweenTwoBatchesIsHeeded: a run that planned a removal drops it when
// somebody keeps the member meanwhile.
func TestADecisionBetweenTwoBatchesIsHeeded(t *testing.T) {
	t.Parallel()
	dropped := 0
	for when := 1; when < 12; when++ {
		w := begin(t, two+"run\nleave corp h0 eng\nleave corp h0 ops\njoin corp h1 ops")
		ctx := &between{Context: t.Context(), when: when}
		ctx.do = func() {
			if _, err := w.engine.Release(t.Context(), run.Release{Group: "ops", Reason: "kept"}, "tester"); err != nil {
				t.Error(err)
			}
		}
		report, err := w.engine.Run(ctx, run.Request{Trigger: run.Schedule, Mode: run.Apply})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range report.Targets[0].Changes {
			if c.Op == run.RemoveMember && c.Outcome == run.Skipped {
				dropped++
				w.wants(t, "ops", "h0", "h1")
			}
		}
		if what := w.store.Unsaved(target); what != "" {
			t.Errorf("%s are not stored", what)
		}
	}
	if dropped == 0 {
		t.Error("no release came between the plan and its call")
	}
}

func TestATakeoverLeadsToARemovalThroughTheGuard(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nuser corp h2\nsignup h2\nput h2 ops\nput h1 ops\nrun")
	all, err := w.engine.Strangers("")
	if err != nil || len(all) != 1 || all[0].Group.Name != "ops" || len(all[0].Users) != 2 {
		t.Fatalf("strangers %+v, %v", all, err)
	}
	effects := len(w.web.Effects)
	out, err := w.engine.TakeOver(t.Context(), run.Takeover{Group: "ops", User: "h2@x.org", Reason: "because"}, "tester")
	if err != nil || len(out) != 1 || len(out[0].Users) != 1 {
		t.Fatalf("taken over %+v, %v", out, err)
	}
	if len(w.web.Effects) != effects || !w.ours("ops", "h2") {
		t.Error("a takeover wrote, or took nothing over")
	}
	if e := told(w, run.EventTakenOver); len(e) != 1 || e[0].By != "tester" || e[0].Count != 1 || len(e[0].Keys) != 1 || e[0].Rule != "r1" {
		t.Errorf("recorded %+v", e)
	}
	report, err := w.engine.Run(t.Context(), run.Request{Trigger: run.Schedule, Mode: run.Apply})
	if err != nil || report.Targets[0].Summary.MembersRemoved != 1 {
		t.Errorf("report %+v, %v", report, err)
	}
	w.wants(t, "ops", "h0", "h1")
}

func TestLinksByHandAreCheckedAndRecorded(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"user corp h2\nsignup h2\nrun\nuser corp h3\nrun")
	set := func(user, account string) (*run.Link, error) {
		return w.engine.SetLink(t.Context(), run.SetLink{Source: "corp", User: user, Account: account, Reason: "because"}, "tester")
	}
	for _, c := range []struct {
		user, account string
		kind          fault.Kind
		says          string
	}{
		{"h3", "h0@x.org", fault.Conflict, "h0@x.org of source corp has the account"},
		{"h3", "nobody@x.org", fault.NotFound, "Open WebUI has no account nobody@x.org"},
		{"nobody", "h0@x.org", fault.NotFound, "source corp knows nobody called nobody"},
		{"h3", "", fault.NotFound, "is linked to no account"},
	} {
		if _, err := set(c.user, c.account); fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || fault.HintOf(err) == "" {
			t.Errorf("%s to %q: %v", c.user, c.account, err)
		}
	}
	if n := len(told(w, run.EventLinked, run.EventUnlinked)); n != 0 {
		t.Errorf("%d records of what was refused", n)
	}
	if l, err := set("h2", ""); err != nil || l.State != plan.StateLinked || l.By != "email" {
		t.Errorf("unlinked: %+v, %v", l, err)
	}
	l, err := set("h3", "H2@x.org")
	if err != nil || l.By != "manual" || l.Account == nil || l.Account.ID != w.account["h2"] {
		t.Errorf("linked: %+v, %v", l, err)
	}
	if l, err := set("h3", w.account["h2"]); err != nil || l.By != "manual" {
		t.Errorf("linked again: %+v, %v", l, err)
	}
	events := told(w, run.EventLinked, run.EventUnlinked)
	if len(events) != 2 || events[1].User != w.account["h2"] || events[1].By != "tester" || events[1].Reason != "because" || !strings.Contains(events[1].Detail, personID("corp", "h3")) {
		t.Errorf("recorded %+v", events)
	}
	links, err := w.engine.Links("corp", true)
	if err != nil || len(links) != 1 || links[0].Name != "h2@x.org" || links[0].State != plan.StateConflict {
		t.Errorf("conflicts %+v, %v", links, err)
	}
}

func TestDecisionsWithoutAReasonOrAnAimAreRefused(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	ctx := t.Context()
	for name, err := range map[string]error{
		"release of nothing":  second(w.engine.Release(ctx, run.Release{Reason: "r"}, "t")),
		"release, no reason":  second(w.engine.Release(ctx, run.Release{Group: "eng"}, "t")),
		"takeover of nothing": second(w.engine.TakeOver(ctx, run.Takeover{Reason: "r"}, "t")),
		"takeover, no reason": second(w.engine.TakeOver(ctx, run.Takeover{Group: "eng"}, "t")),
		"link, no reason":     second(w.engine.SetLink(ctx, run.SetLink{Source: "corp", User: "h0", Account: "h0@x.org"}, "t")),
		"link, no source":     second(w.engine.SetLink(ctx, run.SetLink{Source: "x", User: "h0", Account: "h0@x.org", Reason: "r"}, "t")),
		"list, no source":     second(w.engine.ListGroups("x", false)),
		"list, no such user":  second(w.engine.ListUsers("x", false)),
	} {
		if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestListsSayWhichRuleTakesWhatAndWhoHasNoAccount(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"group corp other\nuser corp h9\nrun")
	groups, err := w.engine.ListGroups("corp", false)
	if err != nil || len(groups) != 3 {
		t.Fatalf("groups %+v, %v", groups, err)
	}
	if g := groups[0]; g.Name != "eng" || g.Members != 2 || len(g.Rules) != 1 || g.Rules[0].Rule != "r1" || g.Rules[0].Group.ID == "" {
		t.Errorf("eng: %+v", g)
	}
	groups, err = w.engine.ListGroups("", true)
	if err != nil || len(groups) != 1 || groups[0].Name != "other" || groups[0].Rules == nil {
		t.Errorf("groups that no rule takes: %+v, %v", groups, err)
	}
	users, err := w.engine.ListUsers("", true)
	if err != nil || len(users) != 1 || users[0].Username != "h9" || users[0].Accounts[0].State != plan.StatePending {
		t.Errorf("people without account: %+v, %v", users, err)
	}
	users, err = w.engine.ListUsers("corp", false)
	if err != nil || len(users) != 3 || users[0].Groups != 2 || users[0].Accounts[0].Account.ID != w.account["h0"] {
		t.Errorf("people: %+v, %v", users, err)
	}
}
