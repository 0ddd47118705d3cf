package engine_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/engine/enginetest"
	"groupsyncd/sync/run"
)

// What traces can do beside what drawn histories do:
//
//	now STEP                      in the very second of the step before
//	mailto SOURCE HUMAN MAIL      a person of a directory has this address
//	attr SOURCE HUMAN NAME VALUE  and this attribute
//	subject HUMAN VALUE           the account of a human signs in with this subject
//	describe GROUP WORD           an administrator describes a group
//	twin GROUP                    and makes another one of that name
//	unmark GROUP                  and takes our mark off
//	self HUMAN                    our key belongs to this human's account
//	unread GROUP                  the next look cannot read the members of a group
//	keep-group GROUP              somebody says that everybody stays in a group
//	note NAME CHECK               somebody keeps the hash of a hold,
//	approve-noted NAME            approves it later,
//	refused NAME                  or finds that it is good no longer

// traceStep does what only traces do; false: the step is something else.
func (w *world) traceStep(s step) bool {
	switch s.do {
	case "now":
		w.clock.Add(-2 * time.Second)
		w.do(s.rest(0))
	case "mailto", "attr":
		w.person(s)
	case "keep-group":
		w.keepGroup(s.arg(0))
	case "note":
		for _, h := range w.engine.Holds() {
			if string(h.Check) == s.arg(1) {
				w.set.noted[s.arg(0)] = h.Hash
			}
		}
	case "approve-noted", "refused":
		a, err := w.engine.Approve(context.Background(), w.set.noted[s.arg(0)], "because", "tester")
		switch {
		case s.do == "refused" && fault.KindOf(err) == fault.NotFound:
		case s.do == "refused" || err != nil:
			w.fail("expect", "%s: %v", s, err)
		default:
			w.oracle.approved(a)
		}
	default:
		return w.traceOfWeb(s)
	}
	return true
}

// keepGroup has somebody say that whoever is in a group stays there.
func (w *world) keepGroup(name string) {
	before := w.owned()
	if _, err := w.engine.Release(context.Background(), run.Release{Group: name, Reason: "because"}, "tester"); err != nil {
		w.fail("expect", "release group %s: %v", name, err)
		return
	}
	after := w.owned()
	maps.DeleteFunc(before, func(key string, _ bool) bool { return after[key] })
	w.oracle.released(slices.Sorted(maps.Keys(before)))
}

// person changes what a directory says of somebody.
func (w *world) person(s step) {
	d := w.dirs[s.arg(0)]
	u := d.Now().Users[personID(s.arg(0), s.arg(1))]
	if s.do == "mailto" {
		u.Email = s.arg(2)
		if owner, _, _ := strings.Cut(u.Email, "@"); owner != s.arg(1) {
			w.recycled[owner], w.recycled[s.arg(1)] = true, true
		}
	} else {
		u.Attributes = maps.Clone(u.Attributes)
		u.Attributes[s.arg(2)] = []string{s.arg(3)}
	}
	d.SetUser(u)
	w.rough = true
	if w.runs > 0 {
		w.oracle.look()
	}
}

// traceOfWeb changes an Open WebUI in ways that only traces do.
func (w *world) traceOfWeb(s step) bool {
	id := ""
	if ids := w.web.Named(s.arg(0)); len(ids) > 0 {
		id = ids[0]
	}
	switch s.do {
	case "subject":
		w.web.SetSubject(w.account[s.arg(0)], "idp", s.arg(1))
	case "describe":
		w.web.Describe(id, s.arg(1))
	case "twin":
		w.web.Make(s.arg(0))
	case "unmark":
		w.web.Unmark(id)
	case "self":
		w.web.Self = w.account[s.arg(0)]
	case "unread":
		w.web.Unread = id
	default:
		return false
	}
	return true
}

// writeFaults are the words for what becomes of a write. After one that is then-down the
// server cannot be reached; in the middle of one that is halt the run is told to stop.
var writeFaults = map[string]enginetest.Fault{"before": enginetest.FailsBefore, "after": enginetest.FailsAfter, "ignored": enginetest.Ignored,
	"then-down": thenDown, "halt": halted}

const (
	thenDown enginetest.Fault = -1
	halted   enginetest.Fault = -2
)

// becomes says what becomes of a write.
func (w *world) becomes(run.Op, string, []string) enginetest.Fault {
	w.written++
	what := w.writes[w.written]
	w.lied = w.lied || what == enginetest.Ignored
	switch what {
	case thenDown:
		w.web.Down = fault.Errorf(fault.Unavailable, "call", "open webui", "it is down")
		return enginetest.Works
	case halted:
		w.stoppable.halt()
		return enginetest.Works
	}
	return what
}

// halt ends the context of a run, as a signal does: everything that rests on it ends too.
func (g *gaps) halt() {
	g.end = true
	close(g.done)
	for _, f := range g.after {
		f()
	}
}

// Done is closed by halt alone.
func (g *gaps) Done() <-chan struct{} { return g.done }

// AfterFunc has what rests on the context end with it at once, not some time later.
func (g *gaps) AfterFunc(f func()) func() bool {
	g.after = append(g.after, f)
	return func() bool { return true }
}
