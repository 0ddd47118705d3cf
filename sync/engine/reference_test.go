package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"
)

// outOfSight is a world in which h2 and h3 are in eng through lib alone, and lib was moved to
// where nobody may look; h1 is in both.
const outOfSight = two + `
	user corp h2
	user corp h3
	signup h2
	signup h3
	group corp lib
	join corp h1 lib
	join corp h2 lib
	join corp h3 lib
	nest corp eng lib
	run
	place corp lib away
	run
	wait 20m
	run`

// TestAReferenceThatIsReleasedKeepsItsPeople: they stay, they are not ours, nothing is
// waited for, and the next runs change nothing.
func TestAReferenceThatIsReleasedKeepsItsPeople(t *testing.T) {
	t.Parallel()
	w := begin(t, outOfSight)
	w.wants(t, "eng", "h0", "h1", "h2", "h3")
	if !unresolved(w) || !w.ours("eng", "h2") {
		t.Fatalf("problems %+v", w.last.Targets[0].Problems)
	}
	effects := len(w.web.Effects)
	out := w.release(t, run.Release{Source: "corp", Reference: "eng"})
	if len(out) != 1 || out[0] != (run.Released{Target: target, Memberships: 2, Groups: 1, References: 1}) {
		t.Errorf("released %+v", out)
	}
	events := told(w, run.EventReleased)
	if last := events[len(events)-1]; last.By != "tester" || last.Reason != "because" || last.Count != 2 || !strings.Contains(last.Detail, "source corp") {
		t.Errorf("recorded %+v", last)
	}
	w.boot()
	for range 3 {
		w.sync(run.Request{Trigger: run.Schedule, Mode: run.Apply})
	}
	w.wants(t, "eng", "h0", "h1", "h2", "h3")
	if unresolved(w) || w.ours("eng", "h2") || w.ours("eng", "h3") || !w.ours("eng", "h1") || len(w.engine.Holds()) != 0 {
		t.Errorf("problems %+v, holds %v", w.last.Targets[0].Problems, w.engine.Holds())
	}
	if len(w.web.Effects) != effects {
		t.Errorf("written %v", w.web.Effects[effects:])
	}
	_, err := w.engine.Release(t.Context(), run.Release{Source: "corp", Reference: "eng", Reason: "again"}, "tester")
	if fault.KindOf(err) != fault.NotFound {
		t.Errorf("a second time: %v", err)
	}
}

// TestWhoLeavesAnywayIsNotKeptByAReleasedReference: the directory says that h3 is disabled.
func TestWhoLeavesAnywayIsNotKeptByAReleasedReference(t *testing.T) {
	t.Parallel()
	w := begin(t, outOfSight+"\ndown\ndisable corp h3\nrun\nup")
	w.release(t, run.Release{Source: "corp", Reference: "eng"})
	w.sync(run.Request{Trigger: run.Schedule, Mode: run.Apply})
	w.wants(t, "eng", "h0", "h1", "h2")
}

// TestAReleasedReferenceThatResolvesAgainIsFollowedAgain: what the directory names is ours.
func TestAReleasedReferenceThatResolvesAgainIsFollowedAgain(t *testing.T) {
	t.Parallel()
	w := begin(t, outOfSight)
	w.release(t, run.Release{Source: "corp", Reference: "eng"})
	for _, s := range parse("place corp lib inside\nrun\nleave corp h3 lib\nrun") {
		w.do(s)
	}
	w.wants(t, "eng", "h0", "h1", "h2")
	if !w.ours("eng", "h2") {
		t.Error("h2 is not ours again")
	}
}

// TestACrashInTheMiddleOfReleasingAReferenceTakesNobodyOut, whatever was stored of it.
func TestACrashInTheMiddleOfReleasingAReferenceTakesNobodyOut(t *testing.T) {
	t.Parallel()
	for steps := range 3 {
		t.Run(fmt.Sprint(steps), func(t *testing.T) {
			t.Parallel()
			w := begin(t, outOfSight)
			w.store.Power.CutAfter(steps)
			_, err := w.engine.Release(t.Context(), run.Release{Source: "corp", Reference: "eng", Reason: "because"}, "tester")
			if (err == nil) != (steps == 2) {
				t.Errorf("%v", err)
			}
			w.boot()
			for range 2 {
				w.sync(run.Request{Trigger: run.Schedule, Mode: run.Apply})
			}
			w.wants(t, "eng", "h0", "h1", "h2", "h3")
			if kept := steps == 2; unresolved(w) == kept || w.ours("eng", "h2") == kept {
				t.Errorf("unresolved %t, ours %t", unresolved(w), w.ours("eng", "h2"))
			}
		})
	}
}

// TestWithoutItsRecordAReferenceIsNotReleased.
func TestWithoutItsRecordAReferenceIsNotReleased(t *testing.T) {
	t.Parallel()
	w := begin(t, outOfSight)
	w.store.Refuse = func([]run.Event) error { return errors.New("the disk is full") }
	if _, err := w.engine.Release(t.Context(), run.Release{Source: "corp", Reference: "eng", Reason: "r"}, "t"); err == nil {
		t.Error("it was released")
	}
	w.store.Refuse = nil
	w.sync(run.Request{Trigger: run.Schedule, Mode: run.Apply})
	if !unresolved(w) || !w.ours("eng", "h2") {
		t.Error("it is no longer waited for")
	}
}

func TestMistakesInReleasingAReference(t *testing.T) {
	t.Parallel()
	w := begin(t, outOfSight)
	for want, req := range map[string]run.Release{
		"which source shows":      {Reference: "eng"},
		"no source is named":      {Source: "other", Reference: "eng"},
		"belongs to a source":     {Source: "corp", Reference: "eng", Rule: "r1"},
		"has no group nowhere":    {Source: "corp", Reference: "nowhere"},
		"names nothing that does": {Source: "corp", Reference: "ops"},
		"no reason is given":      {Source: "corp", Reference: "eng", Reason: "-"},
	} {
		if req.Reason = "because"; want == "no reason is given" {
			req.Reason = ""
		}
		if _, err := w.engine.Release(t.Context(), req, "t"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", req, err)
		}
	}
}

// unresolved reports whether the last run had such a problem, which names what to do.
func unresolved(w *world) bool {
	return slices.ContainsFunc(w.last.Targets[0].Problems, func(p run.Problem) bool {
		return p.Kind == run.KindUnresolved && strings.Contains(p.Hint, "groupsyncd release --source corp --reference ")
	})
}
