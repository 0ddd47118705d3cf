package engine_test

import (
	"fmt"
	"testing"

	"groupsyncd/sync/run"
)

// TestACrashOfAPersonsRunAtAnyStepLosesNothing: its calls are recorded together at their end,
// so until then all of them are open, and looking settles each.
func TestACrashOfAPersonsRunAtAnyStepLosesNothing(t *testing.T) {
	t.Parallel()
	const more = "group corp eng2\ngroup corp eng3\njoin corp h0 eng2\njoin corp h0 eng3\nrun\nrun\n" +
		"join corp h1 eng2\njoin corp h1 eng3\nleave corp h1 eng"
	for cut := range 30 {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			t.Parallel()
			w := begin(t, two+more)
			w.store.Power.CutAfter(cut)
			w.play(t, "person h1")
			if cut == 29 && w.err != nil {
				t.Fatal("the run takes more steps than are tried")
			}
			w.store.Power.On()
			w.play(t, "run")
			w.wants(t, "eng", "h0")
			w.wants(t, "eng2", "h0", "h1")
			w.wants(t, "eng3", "h0", "h1")
			if open, err := w.store.Open(target); err != nil || len(open) != 0 {
				t.Errorf("open intents %v, %v", open, err)
			}
			if n := len(w.store.Kept(target).Losses); n != 1 {
				t.Errorf("%d losses are counted", n)
			}
			told := map[string]int{}
			for _, e := range w.store.Events() {
				if e.User == w.account["h1"] && e.Outcome == run.Applied {
					told[string(e.Op)+" "+e.Group]++
				}
			}
			for op, name := range map[string]string{"remove_member ": "eng", "add_member ": "eng2"} {
				if change := op + w.web.Named(name)[0]; told[change] == 0 {
					t.Errorf("the audit has no word of %s: %v", change, told)
				}
			}
			// What was added is ours: it goes when the directory says so.
			w.play(t, "leave corp h1 eng2\nleave corp h1 eng3\nrun")
			w.wants(t, "eng2", "h0")
			w.wants(t, "eng3", "h0")
		})
	}
}
