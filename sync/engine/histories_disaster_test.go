package engine_test

import (
	"maps"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

// backup is what a history kept of our state or of Open WebUI, to put it back later.
type backup struct {
	state func()
	reads map[string]int // how many reads of each source the state knew of
	let   map[string]time.Time
	exact map[string]bool

	web     *enginetest.OpenWebUI
	account map[string]string
}

// disasterStep loses or restores what is kept; false: the step is about something else.
func (w *world) disasterStep(s step) bool {
	switch s.do {
	case "statebackup":
		w.kept.state, w.kept.reads, w.kept.let = w.store.Backup(), map[string]int{}, maps.Clone(w.oracle.let)
		w.kept.exact = maps.Clone(w.oracle.exact)
		for name, src := range w.sources {
			w.kept.reads[name] = len(src.Reads)
		}
	case "staterestore":
		if w.kept.state != nil && w.depth == 0 {
			w.kept.state()
			w.oracle.stateLost(w.kept.reads)
			w.oracle.let, w.oracle.exact = maps.Clone(w.kept.let), maps.Clone(w.kept.exact)
			w.boot()
		}
	case "statelost":
		if w.depth == 0 {
			w.store.Lose()
			w.oracle.stateLost(map[string]int{})
			w.boot()
		}
	case "webbackup":
		w.kept.web, w.kept.account = w.web.Backup(), maps.Clone(w.account)
		w.oracle.keepHands()
	case "webrestore":
		if w.kept.web != nil && w.depth == 0 {
			w.web.Restore(w.kept.web)
			w.account = maps.Clone(w.kept.account)
			w.rough = true
			w.oracle.webRestored()
		}
	default:
		return false
	}
	return true
}

// stateLost is told that the state is gone, or is one that knows only so many reads of
// each source. What it does not know any more cannot be asked of it.
func (o *oracle) stateLost(reads map[string]int) {
	o.amnesia = true
	o.applied = nil
	clear(o.unruled)
	clear(o.let)
	clear(o.exact)
	clear(o.whole)
	clear(o.shown)
	for p := range o.kept {
		delete(o.hand, p)
		delete(o.handKept, p)
	}
	clear(o.kept)
	for name, src := range o.w.sources {
		for i := range src.Reads {
			r := &src.Reads[i]
			r.Lost = r.Lost || i >= reads[name]
			if r.Lost {
				continue
			}
			o.whole[name] = o.whole[name] || r.Whole
			for _, p := range r.Shown {
				o.shown[directory.UserKey{Source: name, ID: p}] = true
			}
		}
	}
	o.keepHolds()
}

func (o *oracle) keepHands() {
	o.handKept = maps.Clone(o.hand)
}

// webRestored is told that Open WebUI is as it was when it was backed up: what was done
// by hand since is undone, and what had been done by hand before is there again.
func (o *oracle) webRestored() {
	now := o.w.clock.Now()
	hand := maps.Clone(o.handKept)
	for p, at := range o.kept {
		// Their account may have been deleted meanwhile, and is there again.
		if hand[p] = o.hand[p]; hand[p].IsZero() {
			hand[p] = at
		}
	}
	for p, at := range o.hand {
		// Whom a hand put where we had seen nobody cannot be told from whom the backup brought.
		if o.w.web.Has(p.group, p.account) && hand[p].IsZero() && o.seenIn(p) {
			hand[p] = at
		}
	}
	o.hand = hand
	for _, id := range o.w.web.Groups() {
		for _, a := range o.w.web.Members(id) {
			o.put[place{id, a}] = now
		}
	}
	clear(o.unruled)
	// Somebody may have accepted the backup already when it was there before.
	o.suspicious = o.looksOlder() && !slices.ContainsFunc(o.w.store.Peek(target).Approvals, func(a run.Approval) bool { return a.Check == run.TargetChanged })
	o.unseen = true
}

// seenIn reports whether the engine has seen somebody in a group.
func (o *oracle) seenIn(p place) bool {
	m := o.w.store.Peek(target)
	n, known := m.Mirror.Number(p.account)
	g := m.Mirror.Group(p.group)
	return known && g != nil && slices.Contains(g.Numbers, n)
}

// looksOlder reports whether a group there was last changed before we saw it changed.
func (o *oracle) looksOlder() bool {
	m := o.w.store.Peek(target)
	return slices.ContainsFunc(o.w.web.Groups(), func(id string) bool {
		g := m.Mirror.Group(id)
		return g != nil && o.w.web.Changed(id) < g.UpdatedAt
	})
}

// heldAsChanged reports whether the engine has said that this looks like another server.
func (o *oracle) heldAsChanged() bool {
	return slices.ContainsFunc(o.w.store.Peek(target).Holds, func(h run.Hold) bool { return h.Check == run.TargetChanged })
}

// acceptsTarget is told that a person accepted the target as it is.
func (o *oracle) acceptsTarget() { o.suspicious, o.unseen = false, false }

// decided notes what a person decided about members who were in doubt.
func (o *oracle) decide(a *run.Approval) {
	if a.Check != run.StateLost {
		return
	}
	for _, k := range a.Keys {
		if p, removal := removalOf(k); removal {
			o.decided[p] = a.Until
		}
	}
}
