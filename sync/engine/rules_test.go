package engine_test

import (
	"testing"
	"time"

	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

// unruled checks that h0 is still in ops, and why.
func (w *world) unruled(t *testing.T) {
	t.Helper()
	w.wants(t, "ops", "h0")
	holds := w.engine.Holds()
	if len(holds) != 1 || holds[0].Check != run.Unruled || len(holds[0].Keys) != 1 {
		t.Errorf("held: %+v", holds)
	}
}

func TestARuleThatIsNarrowedHoldsWhatItGave(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nrules r1b\nrun")
	w.unruled(t)
	w.play(t, "wait 16m\nrun\nwait 16m\nrun")
	w.unruled(t)
	w.play(t, "approve 0\nrun")
	w.wants(t, "ops")
}

func TestARuleStaysAcceptedWhileNobodyCanTell(t *testing.T) {
	t.Parallel()
	// Nothing can be said of ops when the rule is narrowed, because corp is too old.
	w := begin(t, two+"run\nwait 13h\nrules r1b\nfault corp fails\nrun")
	w.wants(t, "ops", "h0")
	w.play(t, "run\nwait 16m\nrun\nwait 16m\nrun")
	w.unruled(t)
}

func TestARunOfOnePersonAcceptsNoRules(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nrules r1b\nperson h1\nrun\nwait 16m\nrun\nwait 16m\nrun")
	w.unruled(t)
}

func TestTombstonesOfARemovalLastNinetyDays(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nleave corp h0 eng\nrun")
	w.wants(t, "eng", "h1")
	for _, c := range []struct {
		days, want int
	}{{1, 1}, {88, 1}, {2, 0}} {
		w.clock.Add(time.Duration(c.days) * 24 * time.Hour)
		w.play(t, "join corp h1 ops\nrun\nleave corp h1 ops\nwait 1h")
		w.play(t, "run")
		mine := 0
		for _, s := range w.store.Kept(target).Tombstones {
			if s.Account == w.account["h0"] {
				mine++
			}
		}
		if mine != c.want {
			t.Errorf("%d days later: %d tombstones, want %d", c.days, mine, c.want)
		}
	}
}

func TestWhoeverComesBackWithABackupGoesAgain(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nwait 1m")
	backup := w.web.Backup()
	w.play(t, "leave corp h0 eng\nrun")
	w.wants(t, "eng", "h1")
	w.web.Restore(backup)
	w.play(t, "wait 1m\nrun")
	if w.last.Exit != run.ExitHeld {
		t.Errorf("exit %d after a backup was put back", w.last.Exit)
	}
	if err := w.engine.AcceptTarget(t.Context(), target, "tester"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Run(t.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}); err != nil {
		t.Fatal(err)
	}
	w.wants(t, "eng", "h1")
}

func TestALostStateHoldsWhomNobodyNames(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run\nleave corp h0 eng")
	power := w.store.Power
	w.store = enginetest.NewStore(w.clock.Now)
	w.store.Power = power
	w.play(t, "restart\nrun\nwait 16m\nrun")
	w.wants(t, "eng", "h0", "h1")
	holds := w.engine.Holds()
	if len(holds) != 1 || holds[0].Check != run.StateLost || len(holds[0].Keys) != 1 {
		t.Errorf("held: %+v", holds)
	}
	w.play(t, "approve 0\nrun")
	w.wants(t, "eng", "h1")
}
