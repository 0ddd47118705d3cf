package engine_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// historySeed runs one history alone: go test -run TestHistories -history.seed 17.
var historySeed = flag.Uint64("history.seed", 0, "run one history and print its steps")

// historyFirst is for who wants to know only whether any history fails, and which.
var historyFirst = flag.Bool("history.first", false, "stop at the first history that fails, and do not make it short")

// historyAfter lets a long run be cut into pieces.
var historyAfter = flag.Uint64("history.after", 0, "leave out the histories up to this one")

// TestHistories lets the engine live through many short histories of directories that
// change, fail and lag, administrators who do things by hand, changed rules, crashes and
// logins, and has every step judged by an oracle that knows the truth.
func TestHistories(t *testing.T) {
	t.Parallel()
	if *historySeed != 0 {
		report(t, *historySeed)
		return
	}
	count := 3000
	if s := os.Getenv("GROUPSYNCD_HISTORIES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("GROUPSYNCD_HISTORIES=%s is not a number", s)
		}
		count = n
	}
	shards, most := runtime.GOMAXPROCS(0), int32(5)
	if *historyFirst {
		most = 1
	}
	var failures atomic.Int32
	for shard := range shards {
		t.Run(fmt.Sprintf("shard %d", shard), func(t *testing.T) {
			t.Parallel()
			for seed := *historyAfter + uint64(shard) + 1; seed <= uint64(count) && failures.Load() < most; seed += uint64(shards) {
				failed := play(draw(seed))
				if failed == "" {
					continue
				}
				failures.Add(1)
				if *historyFirst {
					t.Errorf("history %d fails: %s", seed, failed)
				} else {
					report(t, seed)
				}
			}
		})
	}
}

// TestTraces runs every history that ever failed.
func TestTraces(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/histories/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if failed := play(parse(string(text))); failed != "" {
				t.Error(failed)
			}
		})
	}
}

// report makes a failing history as short as it can be and prints it.
func report(t *testing.T, seed uint64) {
	t.Helper()
	steps := draw(seed)
	failed := play(steps)
	if failed == "" {
		return
	}
	steps = minimise(steps, kindOf(failed))
	shortest := play(steps)
	t.Errorf("history %d fails: %s\nshortest: %s\n%s", seed, failed, shortest, narrate(steps))
}

// narrate tells a history: what happens, and what the engine does about it.
func narrate(steps []step) string {
	w := newWorld()
	var b strings.Builder
	defer func() { _ = recover() }() // A history may be one that ends in a panic.
	tell := func() {
		for ; w.told < len(w.web.Effects); w.told++ {
			e := &w.web.Effects[w.told]
			fmt.Fprintf(&b, "        # %s %s %s %s\n", clock(e.At), e.Op, e.Group+" "+e.Name, e.Account)
		}
	}
	for i, s := range steps {
		if i == 0 {
			w.boot()
		}
		w.do(s)
		b.WriteString("    " + s.String() + "\n")
		tell()
	}
	w.calm()
	tell()
	return b.String()
}

func kindOf(failed string) string {
	kind, _, _ := strings.Cut(failed, ":")
	return kind
}

// minimise drops steps while the history still fails in the same way.
func minimise(steps []step, kind string) []step {
	for size := len(steps) / 2; size > 0; {
		shorter := false
		for at := 0; at < len(steps); {
			end := min(at+size, len(steps))
			try := slices.Concat(steps[:at], steps[end:])
			if kindOf(play(try)) == kind {
				steps, shorter = try, true
			} else {
				at = end
			}
		}
		if !shorter || size > 1 {
			size /= 2
		}
	}
	return steps
}

// play lets a history happen, calms the world down, and says what was wrong.
func play(steps []step) (failed string) {
	w := newWorld()
	defer func() {
		if p := recover(); p != nil {
			failed = fmt.Sprintf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	booted := false
	for _, s := range steps {
		if !booted && s.do != "sources" && s.do != "rules" && s.do != "tells" {
			w.boot()
			booted = true
		}
		w.do(s)
		if w.failed != "" {
			return w.failed + " (at: " + s.String() + ")"
		}
	}
	if !booted {
		w.boot()
	}
	w.calm()
	return w.failed
}

// calm lets the world come to rest, with everything approved, and judges what it came to.
func (w *world) calm() {
	w.web.Down = nil
	w.store.Power.On()
	w.boot()
	clear(w.armed)
	clear(w.amid)
	clear(w.writes)
	reverts := map[string]bool{}
	for round := 0; round < 10 && w.failed == ""; round++ {
		done := w.oracle.seen
		if round < 4 {
			w.signsInAgain()
		}
		w.do(step{"sync", nil})
		held := 0
		for _, h := range w.engine.Holds() {
			if h.Check == run.Collision || reverts[h.Hash] {
				continue
			}
			held++
			if h.Check == run.TargetChanged {
				if err := w.engine.AcceptTarget(context.Background(), target, "tester"); err != nil {
					w.fail("error", "accept: %v", err)
				}
				w.oracle.acceptsTarget()
				continue
			}
			a, err := w.engine.Approve(context.Background(), h.Hash, "calm", "tester")
			if err != nil {
				w.fail("error", "approve: %v", err)
				return
			}
			w.oracle.approved(a)
			if len(a.Reverts) > 0 {
				// To approve what a revert may do and what it must not undo would go on for ever.
				reverts[h.Hash] = true
			}
		}
		if round >= 4 && held == 0 && w.oracle.seen == done {
			break
		}
		w.clock.Add(16 * time.Minute)
	}
	if w.failed == "" {
		w.oracle.judgeRest(reverts)
	}
}

// judgeRest asks at the end: is everybody in what the directories grant, and is nobody
// left whom we put there and whom nobody grants?
func (o *oracle) judgeRest(reverts map[string]bool) {
	w, m := o.w, o.w.store.Peek(target)
	// What somebody who claims the account in vain would keep is left alone.
	wanted, claimed := map[place]bool{}, map[place]bool{}
	for k, g := range o.grants {
		if !o.inForce(k) {
			continue
		}
		id := o.leads(m, k)
		account := w.account[humanOf(k.person)]
		if account == "" {
			continue
		}
		if o.neverAgain(k) {
			claimed[place{id, account}] = claimed[place{id, account}] || o.named(k)
			continue
		}
		if !g.now {
			continue
		}
		claimed[place{id, account}] = true
		if m.People.Link(directory.UserKey{Source: k.source, ID: k.person}).Account != account {
			if !w.rough {
				w.fail("L1", "%s of %s has no link to %s", k.person, k.source, account)
			}
			continue
		}
		if id == "" || w.web.Name(id) == "" {
			if !o.rivals(k) {
				w.fail("L1", "%s of %s is wanted through %s by %s, and no group was made", k.person, k.source, k.group, k.rule)
			}
			continue
		}
		wanted[place{id, account}] = true
	}
	o.judgeHeld(m, claimed, reverts)
	for p := range wanted {
		if !w.web.Has(p.group, p.account) && !o.contested(p.group) && !w.isSet(w.set.ignore, p.account) {
			w.fail("L1", "%s is missing at the end", o.name(p))
		}
	}
	for _, id := range w.web.Groups() {
		for _, account := range w.web.Members(id) {
			p := place{id, account}
			if _, hand := o.hand[p]; hand || o.amnesia || o.unseen || o.blind || wanted[p] || claimed[p] || w.unverified || o.addOnly(m, id) || o.blocked() || !o.linked(m, account) || o.spared(account) || o.contested(id) || o.waitsForName(m, p) || o.wordless(p) || w.recycled[w.human[account]] {
				continue
			}
			w.fail("L1", "%s is left at the end, and nobody grants it", o.name(p))
		}
	}
}

// waitsForName reports whether somebody is granted a group of that name by a rule that has
// none of its own yet, because another one holds the group.
func (o *oracle) waitsForName(m *plan.Memory, p place) bool {
	name := o.w.web.Name(p.group)
	for _, k := range o.keys(o.w.human[p.account]) {
		rule := catalogue[k.rule]
		if o.inForce(k) && o.grants[k].now && o.w.web.Name(o.leads(m, k)) == "" && rule.to(o.w.dirs[k.source].Now().Groups[k.group].Name) == name {
			return true
		}
	}
	return false
}

// judgeHeld asks of every hold why it is still there although it was approved.
func (o *oracle) judgeHeld(m *plan.Memory, claimed map[place]bool, reverts map[string]bool) {
	// What a name that several claim keeps waiting is for a person to settle, and so is
	// an account that several claim.
	if slices.ContainsFunc(m.Holds, func(h run.Hold) bool { return h.Check == run.Collision }) {
		return
	}
	for _, h := range m.Holds {
		waits := func(k string) bool {
			p, member := memberOf(k)
			return member && (claimed[p] || o.w.recycled[o.w.human[p.account]] || o.wordless(p))
		}
		if !reverts[h.Hash] && !slices.ContainsFunc(h.Keys, waits) {
			o.w.fail("L1", "%s of %q is still held although it was approved: %v", h.Check, h.Scope, h.Keys)
		}
	}
}

// rivals reports whether another directory group leads to the same templated name, or
// the name is taken in Open WebUI.
func (o *oracle) rivals(k key) bool {
	rule := catalogue[k.rule]
	if rule.literal {
		return false
	}
	name := rule.to(o.w.sources[k.source].Directory.Now().Groups[k.group].Name)
	held := func(h run.Hold) bool { return h.Check == run.Collision && h.Scope == name }
	if len(o.w.web.Named(name)) > 0 || slices.ContainsFunc(o.w.store.Peek(target).Holds, held) {
		return true
	}
	for _, other := range o.w.rules {
		for _, source := range o.w.order {
			src, r := o.w.sources[source], catalogue[other]
			for id, g := range src.Directory.Now().Groups {
				if r.covers(source) && r.selects != nil && (id != k.group || source != k.source) && g.Visible(src.Narrow) && r.selects(g.Name) && r.to(g.Name) == name {
					return true
				}
			}
		}
	}
	return false
}

// contested reports whether several links lead to one group, of which only one can win.
func (o *oracle) contested(group string) bool {
	links := map[plan.LinkKey]bool{}
	for l, v := range o.w.store.Peek(target).Links {
		if v.GroupID == group {
			links[l] = true
		}
	}
	return len(links) > 1
}

// blocked reports whether some nested group is out of reach, which keeps its people.
func (o *oracle) blocked() bool {
	for _, source := range sourceNames {
		for _, g := range o.w.sources[source].Directory.Now().Groups {
			for child := range g.Children {
				if o.w.sources[source].Directory.Now().Groups[child].Place != 0 {
					return true
				}
			}
		}
	}
	return false
}

// spared reports whether an account loses nothing whatever the directories say.
func (o *oracle) spared(account string) bool {
	return account == o.w.web.Self || o.w.isSet(o.w.set.protect, account) || o.w.isSet(o.w.set.ignore, account)
}

func (o *oracle) linked(m *plan.Memory, account string) bool {
	for _, l := range m.People.All() {
		if l.Account == account {
			return true
		}
	}
	return false
}
