package engine_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

// held gives everything that is held now but what was undone.
func (w *world) held() map[string]bool {
	keys := map[string]bool{}
	for _, h := range w.engine.Holds() {
		if h.Check == run.Reverted {
			continue
		}
		for _, k := range h.Keys {
			keys[k] = true
		}
	}
	return keys
}

// several is a world with groups of many sizes, some of whose members are the same people.
func several(r *rand.Rand) (history string, groups []string) {
	var b strings.Builder
	b.WriteString("sources corp\nrules r1a\n")
	people := 6 + r.IntN(12)
	for p := range people {
		fmt.Fprintf(&b, "user corp h%d\nsignup h%d\n", p, p)
	}
	for g := range 2 + r.IntN(5) {
		group := fmt.Sprintf("eng%d", g)
		groups = append(groups, group)
		fmt.Fprintf(&b, "group corp %s\n", group)
		for _, p := range r.Perm(people)[:1+r.IntN(people)] {
			fmt.Fprintf(&b, "join corp h%d %s\n", p, group)
		}
	}
	return b.String(), groups
}

// leave has people leave groups, each all of them or the most.
func (w *world) leave(r *rand.Rand, groups []string) {
	for _, g := range groups {
		w.dirs["corp"].Edit(g, func(g *enginetest.TrueGroup) {
			for _, id := range slices.Sorted(maps.Keys(g.Members)) {
				if r.IntN(4) > 0 {
					delete(g.Members, id)
				}
			}
		})
	}
}

// meanwhile has something happen between two decisions.
func (w *world) meanwhile(t *testing.T, r *rand.Rand, undone string) {
	for range r.IntN(3) {
		switch r.IntN(4) {
		case 0:
			w.full(t)
		case 1:
			w.ask(t, run.Request{Trigger: run.Webhook, Mode: run.Apply, User: w.mailOf(fmt.Sprintf("h%d", r.IntN(6)))})
		case 2:
			w.ask(t, run.Request{Trigger: run.Manual, Mode: run.Plan})
		default:
			w.clock.Add(graceOver)
			if undone != "" {
				w.revert(t, undone)
			} else {
				w.full(t)
			}
		}
	}
}

// TestEveryHashThatWasShownIsGoodForWhatIsHeldOfIt: whoever looked at all holds of an undoing,
// or of people who left, decides about one after the other, in any order, while runs go on.
func TestEveryHashThatWasShownIsGoodForWhatIsHeldOfIt(t *testing.T) {
	t.Parallel()
	decided, many := 0, 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 17))
		history, groups := several(r)
		w := begin(t, history+"run")
		w.store.Keep = 0
		undone := ""
		if seed%2 == 0 {
			undone = w.last.Run
			w.revert(t, undone)
		} else {
			w.leave(r, groups)
			w.clock.Add(graceOver)
			w.full(t)
		}
		shown := slices.DeleteFunc(w.engine.Holds(), func(h run.Hold) bool { return h.Check == run.Reverted })
		if len(shown) > 1 {
			many++
		}
		for _, n := range r.Perm(len(shown)) {
			if undone == "" && r.IntN(2) == 0 {
				w.leave(r, groups) // A hold grows, and has another hash.
			}
			w.meanwhile(t, r, undone)
			held := w.held()
			a, err := w.engine.Approve(t.Context(), shown[n].Hash, "because", "tester")
			for _, k := range shown[n].Keys {
				if held[k] && (err != nil || !slices.Contains(a.Keys, k)) {
					t.Fatalf("seed %d: %s of %s is held, and its hash lets it not through: %+v, %v", seed, k, shown[n].Check, a, err)
				}
			}
			if err != nil {
				if fault.KindOf(err) != fault.NotFound {
					t.Fatal(err)
				}
				continue
			}
			decided++
			if r.IntN(2) == 0 {
				continue // The run comes after the next decision.
			}
			w.follow(t, a)
		}
		w.follow(t, &run.Approval{Reverts: slices.DeleteFunc([]string{undone}, func(id string) bool { return id == "" })})
		left := w.held()
		for _, h := range shown {
			if i := slices.IndexFunc(h.Keys, func(k string) bool { return left[k] }); i >= 0 {
				t.Errorf("seed %d: %s is held when everything that was shown is approved", seed, h.Keys[i])
			}
		}
		if undone == "" {
			continue
		}
		for _, g := range groups {
			w.wants(t, g)
		}
	}
	if many < 20 || decided < 80 {
		t.Errorf("only %d worlds had several holds, and %d decisions were made", many, decided)
	}
}

// follow does what a daemon does when something was approved.
func (w *world) follow(t *testing.T, a *run.Approval) {
	t.Helper()
	for _, id := range a.Reverts {
		w.revert(t, id)
	}
	w.full(t)
}

// TestSeveralHoldsAreOneDecision: what one of them lets through does not end another before
// that is recorded as well, and where one of the hashes is wrong nothing is decided.
func TestSeveralHoldsAreOneDecision(t *testing.T) {
	t.Parallel()
	w := begin(t, "sources corp\nrules r1a")
	for n := range 12 {
		w.play(t, fmt.Sprintf("user corp h%d\nsignup h%d\ngroup corp eng\ngroup corp ops\njoin corp h%d eng", n, n, n))
	}
	w.play(t, "join corp h0 ops\njoin corp h1 ops\njoin corp h2 ops\nrun")
	w.store.Keep = 0
	id := w.last.Run
	w.revert(t, id)
	hashes := []string{}
	for _, h := range w.engine.Holds() {
		hashes = append(hashes, h.Hash)
	}
	if len(hashes) != 3 { // eng by two checks, ops by one
		t.Fatalf("holds %+v", w.engine.Holds())
	}
	if all, err := w.engine.ApproveAll(t.Context(), []string{hashes[0], "nosuchhash"}, "why", "me"); fault.KindOf(err) != fault.NotFound || len(all) != 0 {
		t.Errorf("approved %+v, %v", all, err)
	}
	refusing(w, run.EventApproved)
	if all, err := w.engine.ApproveAll(t.Context(), hashes, "why", "me"); err == nil || len(all) != 0 {
		t.Errorf("approved %+v", all)
	}
	w.store.Refuse = nil
	if tr := w.revert(t, id); outcomes(tr)[run.Applied] != 0 || len(told(w, run.EventApproved)) != 0 {
		t.Fatalf("what was not decided happened: %+v", tr.Changes)
	}
	all, err := w.engine.ApproveAll(t.Context(), append(hashes, hashes[0]), "why", "me")
	if err != nil || len(all) != 3 || len(told(w, run.EventApproved)) != 3 {
		t.Fatalf("approved %+v, %v", all, err)
	}
	w.revert(t, id)
	w.wants(t, "eng")
	w.wants(t, "ops")
	if left := w.held(); len(left) != 0 {
		t.Errorf("still held: %v", left)
	}
}
