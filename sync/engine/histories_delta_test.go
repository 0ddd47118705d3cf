package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

// fullEvery is how often sources that tell what changed are read completely all the same.
const fullEvery = 3 * time.Hour

// deltas lets some sources of half of the histories tell what changed, by chances of its own;
// all else of a history stays as it was.
func deltas(steps []step, seed uint64) []step {
	chance := rand.New(rand.NewPCG(seed, 20261122))
	if chance.IntN(2) > 0 {
		return steps
	}
	source := func() string { return []string{"corp", "corp", "hr", "hr", "eu"}[chance.IntN(5)] }
	var begin []step
	for _, name := range sourceNames {
		if way := chance.IntN(4); way > 0 {
			begin = append(begin, parse(fmt.Sprintf("tells %s %s", name, []string{"", "plainly", "plainly", "tombstones"}[way]))...)
		}
	}
	for range chance.IntN(6) {
		at := len(steps)/3 + chance.IntN(len(steps)*2/3)
		more := fmt.Sprintf([]string{"watched %s", "watched %s", "watched %s", "forgets %s", "tells %s nothing", "tells %s tombstones"}[chance.IntN(6)], source())
		steps = slices.Insert(steps, at, parse(more)...)
	}
	return slices.Concat(begin, steps)
}

// deltaStep lets happen what is about reading changes.
func (w *world) deltaStep(s step) bool {
	src := w.sources[s.arg(0)]
	switch s.do {
	case "tells":
		w.configure(func() {
			src.Tells = map[string]enginetest.Tells{"plainly": enginetest.Plainly, "tombstones": enginetest.Tombstones}[s.arg(1)]
		})
	case "forgets":
		src.Forgot = true
	case "watched":
		if slices.Contains(w.order, s.arg(0)) {
			w.sync(run.Request{Trigger: run.Watch, Mode: run.Apply, Source: s.arg(0)})
		}
	default:
		return false
	}
	return true
}

// says reports whether the source itself said in a read that a person or group was deleted.
func says(r *enginetest.Read, k key) bool {
	return slices.Contains(r.Deleted, k.person) || slices.Contains(r.Deleted, k.group)
}
