//go:build peers

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// TestTrouble is what can go wrong around a real directory and a real Open WebUI, one
// after the other on the same servers: nobody loses access by accident, and the audit has
// a record for every write that the server saw.
func TestTrouble(t *testing.T) {
	company, err := ldif.New(ldif.Options{Users: 60, Groups: 2, Memberships: 40, Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, peer.StartSlapd(t, company, peer.SlapdOptions{}), peer.StartOpenWebUI(t, 60))
	writes, records := w.stand(), 0
	w.team("Alpha", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	w.team("Beta", 13, 14, 15, 16, 17, 18)
	w.team("Gamma", 20, 21, 22, 23, 24)
	w.team("Delta", 50, 51, 52, 53)
	w.sync(run.ExitOK)
	w.sync(run.ExitOK)
	w.has("in the beginning", "Alpha", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)

	w.step("what is held waits for its approval while the directory lives on", w.approval)
	w.step("a written plan is carried out as a whole or not at all", w.writtenPlan)
	w.step("a reverted run is undone, and stays undone", w.reverted)
	w.audited(writes, &records)

	w.step("a state restored from a backup takes nobody out", w.restoredState)
	writes.taken()
	records = strings.Count(w.must(run.ExitOK, "audit", "export").Out, "\n")
	w.step("a lost state takes nobody out", w.lostState)
	records = 0
	w.audited(writes, &records)

	w.step("a wrong password removes nobody and is left by itself", w.wrongPassword)
	w.step("the admin listener of the daemon", w.adminListener)
	w.step("an Open WebUI restored from its backup is not written to until somebody accepts it", w.restoredServer)
	w.audited(writes, &records)
	other := *w
	other.Program = peer.NewProgram(t)
	w.step("two states on one Open WebUI see each other", func() {
		other.t = w.t
		w.twoStates(&other)
	})
	other.t = t
	w.audited(writes, &records, &other)
}

// step is a part of a test whose later parts need it.
func (w *world) step(name string, do func()) {
	whole := w.t
	ok := whole.Run(name, func(t *testing.T) {
		w.t = t
		do()
	})
	w.t = whole
	if !ok {
		whole.FailNow()
	}
}

func (w *world) approval() {
	t := w.t
	w.staff("Alpha", 1, 2, 3)
	r := w.sync(run.ExitHeld)
	unharmed(t, r)
	if !r.Held(run.MaxGroupLoss) {
		t.Fatalf("held: %+v", r.Target().Holds)
	}
	hold := w.Hold(w.t, run.MaxGroupLoss)
	// Meanwhile somebody joins, and somebody leaves elsewhere.
	w.staff("Alpha", 1, 2, 3, 30)
	w.staff("Beta", 13, 14, 15, 16, 17)
	w.sync(run.ExitHeld)
	w.has("while it is held", "Alpha", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 30)
	w.has("while it is held", "Beta", 13, 14, 15, 16, 17)
	w.must(run.ExitOK, "approve", hold.Hash, "--reason", "they moved")
	if s := w.sync(run.ExitOK).Target().Summary; s.MembersRemoved != 9 {
		t.Errorf("the sync did %+v", s)
	}
	w.has("after the approval", "Alpha", 1, 2, 3, 30)
}

func (w *world) writtenPlan() {
	w.staff("Beta", 13, 14, 15, 16, 17, 31)
	file := filepath.Join(w.Dir, "first.plan")
	w.must(run.ExitOK, "plan", "--out", file)
	w.staff("Beta", 14, 15, 16, 17, 31)
	w.must(run.ExitStale, "apply", file)
	w.has("after a plan of yesterday", "Beta", 13, 14, 15, 16, 17)
	second := filepath.Join(w.Dir, "second.plan")
	w.must(run.ExitOK, "plan", "--out", second)
	// Now the world changes in Open WebUI: the member to be taken out is taken out by hand.
	w.call(http.MethodPost, "/api/v1/groups/id/"+w.id("Beta")+"/users/remove", `{"user_ids":["`+w.account(ldif.Mail(13))+`"]}`, nil)
	w.must(run.ExitStale, "apply", second)
	w.has("after a plan that somebody overtook", "Beta", 14, 15, 16, 17)
	third := filepath.Join(w.Dir, "third.plan")
	w.must(run.ExitOK, "plan", "--out", third)
	w.must(run.ExitOK, "apply", third)
	w.has("after the plan", "Beta", 14, 15, 16, 17, 31)
	w.must(run.ExitStale, "apply", third)
}

func (w *world) reverted() {
	w.staff("Beta", 15, 16, 17, 31, 32)
	r := w.sync(run.ExitOK)
	w.has("before the revert", "Beta", 15, 16, 17, 31, 32)
	w.must(run.ExitOK, "revert", r.Report.Run, "--reason", "it was wrong")
	w.has("after the revert", "Beta", 14, 15, 16, 17, 31)
	next := w.sync(run.ExitHeld)
	unharmed(w.t, next)
	if !next.Held(run.Reverted) {
		w.t.Errorf("held: %+v", next.Target().Holds)
	}
	w.must(run.ExitOK, "approve", w.Hold(w.t, run.Reverted).Hash, "--reason", "it was right")
	w.sync(run.ExitOK)
	w.has("after the approval of what was reverted", "Beta", 15, 16, 17, 31, 32)
}

func (w *world) restoredState() {
	file := filepath.Join(w.Dir, "state-backup.db")
	w.must(run.ExitOK, "state", "backup", file)
	// What happens after the backup: 20 leaves, 33 joins, 40 is put there by hand.
	w.staff("Gamma", 21, 22, 23, 24, 33)
	w.sync(run.ExitOK)
	w.put("Gamma", 40)
	w.sync(run.ExitOK)
	w.must(run.ExitOK, "state", "restore", file)
	// 33 leaves the directory, and the restored state knows nothing of their membership.
	w.staff("Gamma", 21, 22, 23, 24)
	r := w.sync(run.ExitHeld)
	// That 20 is gone was written before: it is only noted.
	if s := r.Target().Summary; s.MembersRemoved != 0 || s.MembersReleased != 1 || r.Target().Writes != 0 {
		w.t.Errorf("the sync did %+v", s)
	}
	if !r.Held(run.StateLost) {
		w.t.Fatalf("held: %+v", r.Target().Holds)
	}
	w.has("after the restore", "Gamma", 21, 22, 23, 24, 33, 40)
	if n := len(w.Hold(w.t, run.StateLost).Keys); n != 2 {
		w.t.Errorf("%d are held, not 2", n)
	}
	w.must(run.ExitOK, "release", "--hold", w.Hold(w.t, run.StateLost).Hash, "--reason", "they may stay")
	unharmed(w.t, w.sync(run.ExitOK))
	w.has("after the release", "Gamma", 21, 22, 23, 24, 33, 40)
}

func (w *world) lostState() {
	if err := os.RemoveAll(filepath.Join(w.Dir, "state")); err != nil {
		w.t.Fatal(err)
	}
	w.staff("Gamma", 21, 22, 23)
	w.put("Beta", 41)
	r := w.sync(run.ExitHeld)
	if s := r.Target().Summary; s.MembersRemoved != 0 || s.MembersAdded != 0 || s.GroupsCreated != 0 || s.MembersAdopted == 0 {
		w.t.Errorf("the sync did %+v", s)
	}
	w.has("after the loss", "Gamma", 21, 22, 23, 24, 33, 40)
	w.has("after the loss", "Beta", 15, 16, 17, 31, 32, 41)
	unharmed(w.t, w.sync(run.ExitHeld))
	w.must(run.ExitOK, "release", "--hold", w.Hold(w.t, run.StateLost).Hash, "--group", "Gamma", "--reason", "they may stay")
	w.must(run.ExitOK, "approve", w.Hold(w.t, run.StateLost).Hash, "--reason", "nobody knows them")
	w.sync(run.ExitOK)
	w.has("after the decisions", "Gamma", 21, 22, 23, 24, 33, 40)
	w.has("after the decisions", "Beta", 15, 16, 17, 31, 32)
	unharmed(w.t, w.sync(run.ExitOK))
}

func (w *world) wrongPassword() {
	wrong := filepath.Join(w.Dir, "wrong-password")
	if err := os.WriteFile(wrong, []byte("not-the-password"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	right := w.passwordFile
	w.passwordFile = wrong
	w.configure()
	w.staff("Gamma", 22, 23)
	unharmed(w.t, w.sync(run.ExitSource))
	if r := w.must(run.ExitOK, "status"); !strings.Contains(r.Out, "quarantine") {
		w.t.Errorf("status does not tell:\n%s", r.Out)
	}
	w.passwordFile = right
	w.configure()
	w.sync(run.ExitOK)
	if r := w.must(run.ExitOK, "status"); strings.Contains(r.Out, "quarantine") {
		w.t.Errorf("it is still in quarantine:\n%s", r.Out)
	}
	w.has("after the password was right", "Gamma", 22, 23, 24, 33, 40)
}

func (w *world) adminListener() {
	t := w.t
	base, stop := w.daemon()
	w.ask(http.StatusOK, http.MethodGet, base+"/livez", "", "")
	if text := w.ask(http.StatusOK, http.MethodGet, base+"/metrics", "", ""); !strings.Contains(text, `groupsyncd_target_memberships{target="chat"}`) {
		t.Errorf("metrics:\n%.2000s", text)
	}
	// All of Delta are replaced.
	w.staff("Delta", 54)
	w.ask(http.StatusUnauthorized, http.MethodPost, base+"/api/v1/sync", "", "{}")
	var report run.Report
	(&peer.Result{Out: w.ask(http.StatusOK, http.MethodPost, base+"/api/v1/sync", aliceToken, "{}")}).Decode(t, &report)
	if report.Exit != run.ExitHeld {
		t.Errorf("the sync ended with %d", report.Exit)
	}
	var list struct{ Holds []run.Hold }
	(&peer.Result{Out: w.ask(http.StatusOK, http.MethodGet, base+"/api/v1/holds", "", "")}).Decode(t, &list)
	if len(list.Holds) != 1 || list.Holds[0].Check != run.Emptied {
		t.Fatalf("held: %+v", list.Holds)
	}
	w.has("while it is held", "Delta", 50, 51, 52, 53, 54)

	second := time.Now()
	if r := w.must(run.ExitState, "serve"); time.Since(second) < 9*time.Second || time.Since(second) > 30*time.Second {
		t.Errorf("a second daemon ended after %s:\n%s", time.Since(second), r.Out)
	}
	approve := base + "/api/v1/holds/" + list.Holds[0].Hash + "/approve"
	w.ask(http.StatusUnauthorized, http.MethodPost, approve, "", `{"reason": "why"}`)
	w.ask(http.StatusOK, http.MethodPost, approve, aliceToken, `{"reason": "the team is new"}`)
	peer.Until(w.t, "the approval is carried out", func() bool { return len(w.groups()["Delta"].members) == 1 })
	if r := w.must(run.ExitOK, "audit", "export"); !strings.Contains(r.Out, "alice (token)") || !strings.Contains(r.Out, "the team is new") {
		t.Error("the audit does not say who approved, and why")
	}
	w.ask(http.StatusOK, http.MethodGet, base+"/readyz", "", "")
	stop()
	w.admin = `{listen: ""}`
	w.configure()
}

func (w *world) restoredServer() {
	t := w.t
	database := filepath.Join(w.chat.Dir, "data", "webui.db")
	backup := filepath.Join(w.Dir, "webui.db")
	w.chat.Stop(t)
	duplicate(t, database, backup)
	w.chat.Start(t)
	w.sync(run.ExitOK)
	time.Sleep(1100 * time.Millisecond) // The server counts in seconds.
	w.staff("Alpha", 2, 3, 30, 35)
	w.sync(run.ExitOK)
	w.has("before the restore", "Alpha", 2, 3, 30, 35)
	w.chat.Stop(t)
	duplicate(t, backup, database)
	w.chat.Start(t)
	w.has("restored", "Alpha", 1, 2, 3, 30)
	r := w.sync(run.ExitHeld)
	unharmed(t, r)
	if !r.Held(run.TargetChanged) {
		t.Fatalf("held: %+v", r.Target().Holds)
	}
	unharmed(t, w.sync(run.ExitHeld))
	w.has("while it is not accepted", "Alpha", 1, 2, 3, 30)
	w.must(run.ExitOK, "target", "accept", "chat")
	w.sync(run.ExitOK)
	w.has("after it was accepted", "Alpha", 2, 3, 30, 35)
	w.has("after it was accepted", "Gamma", 22, 23, 24, 33, 40)
	w.sync(run.ExitOK)
}

func (w *world) twoStates(other *world) {
	t := w.t
	before := w.groups()
	other.configure()
	// Whom the directory names is adopted; whom nobody names is held there.
	first := other.sync(run.ExitHeld)
	if s := first.Target().Summary; s.MembersRemoved != 0 || s.MembersAdded != 0 {
		t.Errorf("the second state did %+v", s)
	}
	w.staff("Beta", 15, 16, 17, 31, 32, 36)
	w.sync(run.ExitOK)
	if r := other.sync(run.ExitHeld); !r.Problem(run.KindCompeting) {
		t.Errorf("the second state does not see the first: %+v", r.Target().Problems)
	}
	w.staff("Beta", 15, 16, 17, 31, 32, 36, 37)
	other.sync(run.ExitHeld)
	if r := w.sync(run.ExitOK); !r.Problem(run.KindCompeting) {
		t.Errorf("the first state does not see the second: %+v", r.Target().Problems)
	}
	// A leaver leaves once, whoever is first.
	w.staff("Beta", 15, 16, 17, 31, 32, 37)
	other.sync(run.ExitHeld)
	if r := w.sync(run.ExitOK); r.Target().Summary.MembersReleased != 1 || r.Target().Writes != 0 {
		t.Errorf("the first state did %+v", r.Target().Summary)
	}
	w.has("in the end", "Beta", 15, 16, 17, 31, 32, 37)
	for name, g := range before {
		if after := w.groups()[name]; name != "Beta" && (after.id != g.id || strings.Join(after.members, " ") != strings.Join(g.members, " ")) {
			t.Errorf("%s was %+v and is %+v", name, g, after)
		}
	}
}

// duplicate copies a database of SQLite: the file alone is not the whole of it, also when
// Open WebUI was stopped in good order.
func duplicate(t *testing.T, from, to string) {
	t.Helper()
	for _, part := range []string{"", "-wal", "-shm"} {
		content, err := os.ReadFile(from + part)
		if os.IsNotExist(err) && part != "" {
			if err := os.Remove(to + part); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+part, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
