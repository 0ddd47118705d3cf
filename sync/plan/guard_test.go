package plan_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"groupsyncd/sync/plan"
	"groupsyncd/sync/run"
)

// crowd names n people with a common letter.
func crowd(letter string, n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%s%02d", letter, i))
	}
	return names
}

func words(lists ...[]string) string { return strings.Join(slices.Concat(lists...), " ") }

// full gives a world with n people in the group all, and limits that are off.
func full(t *testing.T, n int) (*world, []string) {
	t.Helper()
	people := crowd("p", n)
	w := newWorld(t, "corp").rule("r", "*").accounts(people...)
	w.read("corp", 0, "users: "+words(people), "all: "+words(people)).run()
	w.settled()
	return w, people
}

// leave lets the first k people leave the group at a minute.
func (w *world) leave(minute, k int, people []string) *plan.Plan {
	return w.read("corp", minute, "users: "+words(people), "all: "+words(people[k:])).run()
}

// outcomes counts removals by what became of them.
func outcomes(p *plan.Plan) (planned, held int) {
	for _, c := range p.Changes {
		if c.Op == run.RemoveMember {
			switch c.Outcome {
			case run.Planned:
				planned++
			case run.Held:
				held++
			}
		}
	}
	return planned, held
}

func TestMaxPeople(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		limit  plan.Limit
		people int
		leave  int
		held   bool
		detail string
	}{
		{"as many as the limit", plan.LimitBoth(500, 20), 50, 10, false, ""},
		{"one more than the share", plan.LimitBoth(500, 20), 50, 11, true, "11 of 50 people (22 %) > 500 or 20% in one run"},
		{"one more than the number", plan.LimitCount(6), 50, 7, true, "7 of 50 people (14 %) > 6 in one run"},
		{"fewer than five never trip it", plan.LimitCount(0), 50, 4, false, ""},
		{"five do", plan.LimitCount(0), 50, 5, true, "5 of 50 people (10 %) > 0 in one run"},
		{"off", plan.LimitOff(), 50, 40, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, people := full(t, c.people)
			w.limits.MaxPeople = c.limit
			planned, held := outcomes(w.leave(10, c.leave, people))
			if c.held != (held == c.leave) || c.held == (planned == c.leave) {
				t.Fatalf("%d planned, %d held", planned, held)
			}
			if c.held && w.hold(run.MaxPeople).Detail != c.detail {
				t.Errorf("detail %q, want %q", w.hold(run.MaxPeople).Detail, c.detail)
			}
		})
	}
}

// TestSmallRunsDoNotDrainALimit: losses of a day count together.
func TestSmallRunsDoNotDrainALimit(t *testing.T) {
	t.Parallel()
	w, people := full(t, 50)
	w.limits.MaxPeople24h = plan.LimitBoth(1000, 20)
	lost := 0
	for step := range 6 {
		planned, _ := outcomes(w.leave(10+step, 4*(step+1), people))
		lost += planned
	}
	if lost > 10 {
		t.Errorf("%d of 50 people lost something within minutes, 4 at a time; the limit is 20 %%", lost)
	}
	if d := w.hold(run.MaxPeople24h).Detail; !strings.HasSuffix(d, "within 24 hours") {
		t.Errorf("detail %q", d)
	}
	t.Run("a day later there is room again", func(t *testing.T) {
		w.mem.Holds = nil
		if planned, _ := outcomes(w.leave(60*24+30, lost+4, people)); planned != 4 {
			t.Errorf("nothing goes: %v", w.holds())
		}
	})
}

// TestPeopleOfADayAreCountedOnce: whoever lost something today and still owns something
// is one person, not two.
func TestPeopleOfADayAreCountedOnce(t *testing.T) {
	t.Parallel()
	people := crowd("p", 20)
	w := newWorld(t, "corp").rule("r", "*").accounts(people...)
	w.read("corp", 0, "users: "+words(people), "a: "+words(people), "b: "+words(people)).run()
	w.limits.MaxPeople24h = plan.LimitPercent(40)
	// Eight of twenty is the limit; the ninth is too many.
	w.read("corp", 10, "users: "+words(people), "a: "+words(people[8:]), "b: "+words(people)).run()
	if _, held := outcomes(w.read("corp", 20, "users: "+words(people), "a: "+words(people[9:]), "b: "+words(people)).run()); held != 1 {
		t.Errorf("the ninth of twenty people was let go; holds %v", w.holds())
	}
}

func TestMaxGroupLoss(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		people int
		steps  []int
		held   bool
		detail string
	}{
		{"half of ten", 10, []int{5}, false, ""},
		{"more than half of ten", 10, []int{6}, true, "6 of 10 members of all (60 %) > 50% within 24 hours"},
		{"more than half of nine is below the floor", 9, []int{5}, false, ""},
		{"over several runs", 10, []int{3, 6}, true, "6 of 10 members of all (60 %) > 50% within 24 hours"},
		{"one by one", 10, []int{1, 2, 3, 4, 5, 6}, true, "6 of 10 members of all (60 %) > 50% within 24 hours"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, people := full(t, c.people)
			w.limits.MaxGroupLoss = plan.LimitPercent(50)
			for i, k := range c.steps {
				planned, held := outcomes(w.leave(10+i, k, people))
				if last := i == len(c.steps)-1; held > 0 != (c.held && last) || planned > 0 == (c.held && last) {
					t.Errorf("step %d: %d planned, %d held", i, planned, held)
				}
			}
			if c.held && w.hold(run.MaxGroupLoss).Detail != c.detail {
				t.Errorf("detail %q, want %q", w.hold(run.MaxGroupLoss).Detail, c.detail)
			}
		})
	}
	t.Run("joiners do not dilute what is held", func(t *testing.T) {
		t.Parallel()
		w, people := full(t, 10)
		w.limits.MaxGroupLoss = plan.LimitPercent(50)
		w.leave(10, 6, people)
		more := crowd("q", 40)
		w.accounts(more...)
		p := w.read("corp", 20, "users: "+words(people, more), "all: "+words(people[6:], more)).run()
		if planned, held := outcomes(p); planned != 0 || held != 6 {
			t.Errorf("%d planned, %d held", planned, held)
		}
		// Adds go on, and a further leaver is judged on its own.
		if w.in("all") != words(people, more) {
			t.Errorf("in all: %s", w.in("all"))
		}
		p = w.read("corp", 30, "users: "+words(people, more), "all: "+words(people[7:], more)).run()
		if planned, held := outcomes(p); planned != 1 || held != 6 {
			t.Errorf("%d planned, %d held", planned, held)
		}
	})
}

func TestEmptied(t *testing.T) {
	t.Parallel()
	t.Run("all of three", func(t *testing.T) {
		t.Parallel()
		w, people := full(t, 3)
		for _, minute := range []int{10, 20} {
			expect(t, w.leave(minute, 3, people), "remove_member all p00 emptied held emptied", "remove_member all p01 emptied held emptied", "remove_member all p02 emptied held emptied")
		}
		if d := w.hold(run.Emptied).Detail; d != "all 3 members of all" {
			t.Errorf("detail %q", d)
		}
	})
	t.Run("all of two", func(t *testing.T) {
		t.Parallel()
		w, people := full(t, 2)
		expect(t, w.leave(10, 2, people), "remove_member all p00 left", "remove_member all p01 left")
	})
	t.Run("all of three over two runs: the last ones are held", func(t *testing.T) {
		t.Parallel()
		w, people := full(t, 3)
		expect(t, w.leave(10, 1, people), "remove_member all p00 left")
		expect(t, w.leave(20, 3, people), "remove_member all p01 emptied held emptied", "remove_member all p02 emptied held emptied")
		if d := w.hold(run.Emptied).Detail; d != "the last 2 of 3 members of all, with those of the last 24 hours" {
			t.Errorf("detail %q", d)
		}
	})
	t.Run("approved ones do not count", func(t *testing.T) {
		t.Parallel()
		w, people := full(t, 4)
		w.limits.MaxGroupLoss = plan.LimitOff()
		p, _ := w.read("corp", 10, "users: "+words(people), "all:").plan()
		w.mem.Approvals = []run.Approval{{Keys: []string{p.Changes[0].Key}, Until: at(1000)}}
		planned, held := outcomes(w.run())
		if planned != 1 || held != 3 {
			t.Errorf("%d planned, %d held; one is approved, the other three empty the group", planned, held)
		}
	})
}

func TestSourceShrink(t *testing.T) {
	t.Parallel()
	limited := func(t *testing.T, n int) (*world, []string) {
		w, people := full(t, n)
		w.limits.MaxSourceShrink = plan.LimitPercent(30)
		return w, people
	}
	only := func(w *world, minute int, people []string) *plan.Plan {
		return w.read("corp", minute, "users: "+words(people), "all: "+words(people)).run()
	}
	t.Run("empty during the grace, filled after it, approved at once", func(t *testing.T) {
		t.Parallel()
		w, people := limited(t, 20)
		expect(t, only(w, 10, people[7:]))
		h := w.hold(run.MaxSourceShrink)
		if len(h.Keys) != 0 || h.Detail != "7 of 20 users are missing (35 %) > 30%" || h.Scope != "corp" {
			t.Errorf("hold %+v", h)
		}
		if planned, held := outcomes(only(w, 30, people[7:])); planned != 0 || held != 7 {
			t.Errorf("%d planned, %d held", planned, held)
		}
		w.approve(w.hold(run.MaxSourceShrink).Hash)
		if planned, held := outcomes(w.run()); planned != 7 || held != 0 {
			t.Errorf("after approval %d planned, %d held: %v", planned, held, w.holds())
		}
		if w.mem.Scopes["corp"].Users != 13 || len(w.mem.Holds) != 0 {
			t.Errorf("accepted %+v, holds %v", w.mem.Scopes["corp"], w.holds())
		}
	})
	t.Run("approved while empty: what goes later is judged without it", func(t *testing.T) {
		t.Parallel()
		w, people := limited(t, 20)
		only(w, 10, people[7:])
		w.approve(w.hold(run.MaxSourceShrink).Hash)
		if planned, held := outcomes(only(w, 30, people[7:])); planned != 7 || held != 0 {
			t.Errorf("%d planned, %d held", planned, held)
		}
		// The next shrink is another one.
		only(w, 40, people[15:])
		if len(w.mem.Holds) != 1 {
			t.Errorf("holds %v", w.holds())
		}
	})
	t.Run("somebody approves what he was told, and more is gone by then", func(t *testing.T) {
		t.Parallel()
		w, people := limited(t, 20)
		only(w, 10, people[7:])
		told := w.hold(run.MaxSourceShrink)
		only(w, 12, people[8:])
		if h := w.hold(run.MaxSourceShrink); h.Hash != told.Hash || h.Detail != "8 of 20 users are missing (40 %) > 30%" {
			t.Errorf("one more is not another matter: %+v", h)
		}
		only(w, 14, nil)
		if h := w.hold(run.MaxSourceShrink); h.Hash == told.Hash || len(h.Keys) != 0 {
			t.Errorf("all is gone, and the hash of before says so: %+v", h)
		}
		w.approve(told.Hash)
		if w.mem.Scopes["corp"].Users != 13 {
			t.Errorf("accepted %+v", w.mem.Scopes["corp"])
		}
		if planned, held := outcomes(only(w, 60, nil)); planned != 0 || held != 20 {
			t.Errorf("%d planned, %d held; nobody has seen that all are gone", planned, held)
		}
		if h := w.hold(run.MaxSourceShrink); h.Detail != "13 of 13 users are missing (100 %) > 30%" {
			t.Errorf("hold %+v", h)
		}
		w.approve(w.hold(run.MaxSourceShrink).Hash)
		if planned, held := outcomes(w.run()); planned != 20 || held != 0 {
			t.Errorf("after approval %d planned, %d held: %v", planned, held, w.holds())
		}
	})
	t.Run("some come back: less is missing than was told", func(t *testing.T) {
		t.Parallel()
		w, people := limited(t, 20)
		only(w, 10, nil)
		told := w.hold(run.MaxSourceShrink)
		only(w, 20, people[7:])
		h := w.hold(run.MaxSourceShrink)
		if h.Hash == told.Hash || h.Accepts.Users != 13 {
			t.Errorf("approving would accept %+v", h.Accepts)
		}
	})
	t.Run("they come back", func(t *testing.T) {
		t.Parallel()
		w, people := limited(t, 20)
		only(w, 10, people[7:])
		expect(t, only(w, 20, people))
		if len(w.mem.Holds) != 0 {
			t.Errorf("holds %v", w.holds())
		}
	})
	t.Run("four of ten are too few to say anything", func(t *testing.T) {
		t.Parallel()
		w, people := limited(t, 10)
		only(w, 10, people[4:])
		if len(w.mem.Holds) != 0 {
			t.Errorf("holds %v", w.holds())
		}
	})
	t.Run("all of two", func(t *testing.T) {
		t.Parallel()
		w, _ := limited(t, 2)
		only(w, 10, nil)
		w.hold(run.MaxSourceShrink)
	})
	t.Run("groups", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "*").accounts("ann")
		w.limits.MaxSourceShrink = plan.LimitPercent(30)
		lines := []string{"users: ann"}
		for i := range 10 {
			lines = append(lines, fmt.Sprintf("g%d: ann", i))
		}
		w.read("corp", 0, lines...).run()
		w.read("corp", 10, lines[:6]...).run()
		if d := w.hold(run.MaxSourceShrink).Detail; d != "5 of 10 groups are missing (50 %) > 30%" {
			t.Errorf("detail %q", d)
		}
	})
	t.Run("a read that is not complete counts for what it lists", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "corp").rule("r", "*").accounts(crowd("p", 20)...)
		people := crowd("p", 20)
		w.limits.MaxSourceShrink = plan.LimitPercent(30)
		w.read("corp", 0, "users: "+words(people), "all: "+words(people), "other:").run()
		for _, minute := range []int{10, 30} {
			p := w.read("corp", minute, "users: "+words(people[7:]), "all: "+words(people[7:]), "other?:").run()
			if planned, _ := outcomes(p); planned != 0 {
				t.Errorf("at %d: %d people let go by a source that shrank", minute, planned)
			}
		}
		w.hold(run.MaxSourceShrink)
	})
	t.Run("a run that does not read the source holds what rests on it too", func(t *testing.T) {
		t.Parallel()
		w, people := limited(t, 20)
		only(w, 10, people[7:])
		// The read that ends the grace is merged, and the run after it fails; the next run
		// reads another source only.
		w.read("corp", 30, "users: "+words(people[7:]), "all: "+words(people[7:]))
		w.source("corp").Read = false
		if planned, held := outcomes(w.run()); planned != 0 || held != 7 {
			t.Errorf("%d planned, %d held", planned, held)
		}
	})
}

func TestSourceChanged(t *testing.T) {
	t.Parallel()
	w, people := full(t, 8)
	w.source("corp").Scope = "a part of corp"
	w.read("corp", 10, "users: "+words(people[2:]), "all: "+words(people[2:])).run()
	if h := w.hold(run.SourceChanged); h.Scope != "corp" || len(h.Keys) != 0 {
		t.Errorf("hold %+v", h)
	}
	p := w.read("corp", 30, "users: "+words(people[2:]), "all: "+words(people[2:])).run()
	expect(t, p, "remove_member all p00 gone held source_changed", "remove_member all p01 gone held source_changed")
	w.approve(w.hold(run.SourceChanged).Hash)
	expect(t, w.run(), "remove_member all p00 gone", "remove_member all p01 gone")
	if w.mem.Scopes["corp"].Scope != "a part of corp" || len(w.mem.Holds) != 0 {
		t.Errorf("accepted %+v, holds %v", w.mem.Scopes["corp"], w.holds())
	}
	t.Run("approved as it was told, and changed again by then", func(t *testing.T) {
		t.Parallel()
		w, people := full(t, 8)
		w.source("corp").Scope = "a part of corp"
		w.read("corp", 10, "users: "+words(people[2:]), "all: "+words(people[2:])).run()
		told := w.hold(run.SourceChanged)
		w.source("corp").Scope = "less of corp"
		w.read("corp", 14, "users: "+words(people[4:]), "all: "+words(people[4:])).run()
		if h := w.hold(run.SourceChanged); h.Hash == told.Hash {
			t.Errorf("another filter, and the hash of the one before: %+v", h)
		}
		w.approve(told.Hash)
		w.read("corp", 60, "users: "+words(people[4:]), "all: "+words(people[4:]))
		expect(t, w.run(), "remove_member all p00 gone held source_changed", "remove_member all p01 gone held source_changed",
			"remove_member all p02 gone held source_changed", "remove_member all p03 gone held source_changed")
		w.approve(w.hold(run.SourceChanged).Hash)
		if planned, held := outcomes(w.run()); planned != 4 || held != 0 || w.mem.Scopes["corp"].Scope != "less of corp" {
			t.Errorf("%d planned, %d held, accepted %+v", planned, held, w.mem.Scopes["corp"])
		}
	})
	t.Run("a change that loses nothing is accepted", func(t *testing.T) {
		t.Parallel()
		w, people := full(t, 8)
		w.source("corp").Scope = "more of corp"
		w.read("corp", 10, "users: "+words(people), "all: "+words(people)).run()
		if w.mem.Scopes["corp"].Scope != "more of corp" || len(w.mem.Holds) != 0 {
			t.Errorf("accepted %+v, holds %v", w.mem.Scopes["corp"], w.holds())
		}
	})
}

func TestMaxNewGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "corp").rule("r", "*").accounts("ann")
	w.limits.MaxNewGroups = plan.LimitCount(1)
	p := w.read("corp", 0, "users: ann", "a: ann", "b: ann").run()
	expect(t, p, "create_group a held max_new_groups", "create_group b held max_new_groups",
		"add_member a ann held max_new_groups", "add_member b ann held max_new_groups")
	w.approve(w.hold(run.MaxNewGroups).Hash)
	expect(t, w.run(), "create_group a", "create_group b", "add_member a ann", "add_member b ann")
	w.settled()
	expect(t, w.read("corp", 10, "users: ann", "a: ann", "b: ann", "c: ann").run(), "create_group c", "add_member c ann")
}

// TestScenarioHeldApprovedJoinersAndOneMoreLeaver is the twelfth scenario.
func TestScenarioHeldApprovedJoinersAndOneMoreLeaver(t *testing.T) {
	t.Parallel()
	w, people := full(t, 20)
	w.limits.MaxPeople = plan.LimitPercent(20)
	if _, held := outcomes(w.leave(10, 6, people)); held != 6 {
		t.Fatalf("%d held", held)
	}
	w.approve(w.hold(run.MaxPeople).Hash)
	more := crowd("q", 3)
	w.accounts(more...)
	p := w.read("corp", 20, "users: "+words(people, more), "all: "+words(people[7:], more)).run()
	if planned, held := outcomes(p); planned != 7 || held != 0 {
		t.Errorf("%d planned, %d held: %v", planned, held, show(p))
	}
	if w.in("all") != words(people[7:], more) || len(w.mem.Holds) != 0 {
		t.Errorf("in all: %s; holds %v", w.in("all"), w.holds())
	}
	for _, l := range w.mem.Losses {
		if l.Approved != (l.Account != "a-p06") {
			t.Errorf("loss %+v", l)
		}
	}
}

// TestHeldStaysHeld until it is approved or no longer to be taken away.
func TestHeldStaysHeld(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) (*world, []string) {
		w, people := full(t, 20)
		w.limits.MaxPeople = plan.LimitPercent(20)
		w.leave(10, 6, people)
		return w, people
	}
	t.Run("though the limit is lifted", func(t *testing.T) {
		t.Parallel()
		w, _ := start(t)
		w.limits.MaxPeople = plan.LimitOff()
		if planned, held := outcomes(w.run()); planned != 0 || held != 6 {
			t.Errorf("%d planned, %d held", planned, held)
		}
	})
	t.Run("though most of them are wanted again", func(t *testing.T) {
		t.Parallel()
		w, people := start(t)
		if planned, held := outcomes(w.leave(20, 1, people)); planned != 0 || held != 1 {
			t.Errorf("%d planned, %d held", planned, held)
		}
		if _, held := outcomes(w.leave(30, 0, people)); held != 0 || len(w.mem.Holds) != 0 {
			t.Errorf("%d held although all are wanted again: %v", held, w.holds())
		}
	})
	t.Run("while it is unknown", func(t *testing.T) {
		t.Parallel()
		w, people := start(t)
		before := w.hold(run.MaxPeople)
		w.now = at(60 * 49)
		if p := w.run(); len(p.Changes) != 0 {
			t.Errorf("changes on what is too old: %v", show(p))
		}
		after := w.hold(run.MaxPeople)
		if before.Hash != after.Hash || !slices.Equal(before.Keys, after.Keys) || len(after.Changes) != 6 || !after.Since.Equal(before.Since) {
			t.Errorf("hold %+v, was %+v", after, before)
		}
		if planned, held := outcomes(w.leave(60*50, 6, people)); planned != 0 || held != 6 {
			t.Errorf("%d planned, %d held", planned, held)
		}
	})
	t.Run("when another person is looked up", func(t *testing.T) {
		t.Parallel()
		w, _ := start(t)
		n, _ := w.mem.Mirror.Number("a-p10")
		w.only = &plan.Only{Account: n}
		w.lookUp("corp", 20, "p10", "all").run()
		if h := w.hold(run.MaxPeople); len(h.Keys) != 6 {
			t.Errorf("hold %v", w.holds())
		}
	})
	t.Run("when one of them is looked up as back", func(t *testing.T) {
		t.Parallel()
		w, _ := start(t)
		n, _ := w.mem.Mirror.Number("a-p00")
		w.only = &plan.Only{Account: n}
		w.lookUp("corp", 20, "p00", "all").run()
		if h := w.hold(run.MaxPeople); len(h.Keys) != 5 {
			t.Errorf("hold %v", w.holds())
		}
	})
}

// TestEarlierHashLetsItsOwnListThrough: a notice that has grown since can still be
// approved by its first hash.
func TestEarlierHashLetsItsOwnListThrough(t *testing.T) {
	t.Parallel()
	w, people := full(t, 20)
	w.limits.MaxPeople = plan.LimitPercent(20)
	w.leave(10, 6, people)
	first := w.hold(run.MaxPeople)
	w.leave(20, 12, people) // six more at once
	second := w.hold(run.MaxPeople)
	if first.Hash == second.Hash || len(second.Keys) != 12 || len(second.Earlier) != 1 {
		t.Fatalf("first %s, then %+v", first.Hash, second)
	}
	w.approve(first.Hash)
	if planned, held := outcomes(w.run()); planned != 6 || held != 6 {
		t.Errorf("%d planned, %d held", planned, held)
	}
	// The list behind an old hash is forgotten in time.
	w.now = at(60*24 + 21)
	w.run()
	if h, _ := plan.FindHold(w.mem.Holds, first.Hash); h != nil {
		t.Errorf("found by %s: %+v", first.Hash, h)
	}
}

// TestEarlierHashKnowsWhoWasGoneInBetween: who came back and left again is another matter than
// the one that the first notice told of.
func TestEarlierHashKnowsWhoWasGoneInBetween(t *testing.T) {
	t.Parallel()
	w, people := full(t, 20)
	w.limits.MaxPeople = plan.LimitPercent(20)
	w.leave(10, 12, people)
	first := w.hold(run.MaxPeople)
	w.leave(20, 6, people) // Six are back.
	w.leave(30, 18, people)
	if _, listed := plan.FindHold(w.mem.Holds, first.Hash); len(listed.Keys) != 6 {
		t.Errorf("%d changes are listed under the first hash; six have been held all the time", len(listed.Keys))
	}
	w.leave(40, 12, people)
	if again := w.hold(run.MaxPeople); again.Hash != first.Hash {
		t.Errorf("the same list has the hash %s, and had %s", again.Hash, first.Hash)
	}
	w.leave(50, 18, people)
	w.approve(first.Hash) // It was told at minute 40 too.
	if planned, held := outcomes(w.run()); planned != 12 || held != 6 {
		t.Errorf("%d planned, %d held", planned, held)
	}
}

// TestAHoldThatGrowsForADayStaysSmall: a directory that goes bad slowly changes its hold with
// each read, and each of its hashes stays good for a day.
func TestAHoldThatGrowsForADayStaysSmall(t *testing.T) {
	t.Parallel()
	w, people := full(t, 200)
	w.limits.MaxPeople = plan.LimitPercent(2)
	w.leave(10, 6, people)
	alone, err := json.Marshal(w.hold(run.MaxPeople).Keys)
	if err != nil {
		t.Fatal(err)
	}
	hashes := []string{w.hold(run.MaxPeople).Hash}
	for n := 12; n < 200; n += 6 {
		w.leave(n, n, people)
		hashes = append(hashes, w.hold(run.MaxPeople).Hash)
	}
	h := w.hold(run.MaxPeople)
	for i, hash := range hashes {
		if listed, _ := h.Under(hash); len(listed.Keys) != 6*(i+1) {
			t.Fatalf("%s, the hash %d, lists %d changes", hash, i, len(listed.Keys))
		}
	}
	earlier, err := json.Marshal(h.Earlier)
	if err != nil {
		t.Fatal(err)
	}
	if perList, perKey := len(earlier)/len(h.Earlier), len(alone)/6; perList > 4*perKey {
		t.Errorf("each of %d earlier lists takes %d bytes, a key %d", len(h.Earlier), perList, perKey)
	}
}

func TestApprovalRunsOut(t *testing.T) {
	t.Parallel()
	w, people := full(t, 20)
	w.limits.MaxPeople = plan.LimitPercent(20)
	w.leave(10, 6, people)
	w.approve(w.hold(run.MaxPeople).Hash)
	w.now = at(10 + 60*24)
	if planned, held := outcomes(w.run()); planned != 0 || held != 6 {
		t.Errorf("%d planned, %d held on an approval that ran out", planned, held)
	}
}

// TestApprovedIsUsedUp: each listed change goes through once.
func TestApprovedIsUsedUp(t *testing.T) {
	t.Parallel()
	w, people := full(t, 20)
	w.limits.MaxPeople = plan.LimitPercent(20)
	w.leave(10, 6, people)
	w.approve(w.hold(run.MaxPeople).Hash)
	w.run()
	w.leave(20, 0, people)
	if planned, held := outcomes(w.leave(30, 6, people)); planned != 0 || held != 6 {
		t.Errorf("%d planned, %d held the second time", planned, held)
	}
}

func TestSeveralHoldsOfOneChange(t *testing.T) {
	t.Parallel()
	w, people := full(t, 12)
	w.limits.MaxGroupLoss = plan.LimitPercent(50)
	p := w.leave(10, 12, people)
	if p.Changes[0].Hold.Check != run.MaxGroupLoss || p.Changes[0].Hold.Hash != w.hold(run.MaxGroupLoss).Hash {
		t.Errorf("shown %+v", p.Changes[0].Hold)
	}
	// Any one of them is enough.
	w.approve(w.hold(run.Emptied).Hash)
	if planned, held := outcomes(w.run()); planned != 12 || held != 0 || len(w.mem.Holds) != 0 {
		t.Errorf("%d planned, %d held, %v", planned, held, w.holds())
	}
}

func TestHoldsTellHowToLetThemThrough(t *testing.T) {
	t.Parallel()
	w, people := full(t, 3)
	w.leave(10, 3, people)
	h := w.hold(run.Emptied)
	if h.Approve != "groupsyncd approve "+h.Hash+" --reason TEXT" || h.Target != "chat" || len(h.Changes) != 3 || h.Changes[0].Outcome != run.Held {
		t.Errorf("hold %+v", h)
	}
}

// TestDeletedAccountsDoNotCount: people whose account is gone dilute no limit.
func TestDeletedAccountsDoNotCount(t *testing.T) {
	t.Parallel()
	w, people := full(t, 40)
	w.without(people[20:]...)
	w.limits.MaxPeople = plan.LimitPercent(20)
	if _, held := outcomes(w.leave(10, 5, people[:20])); held != 5 {
		t.Errorf("five of twenty people who are left are 25 %%; held %d", held)
	}
}

// TestWhoHasNothingLeftCountsAmongThoseWhoHad: the share of a day is one of all who had
// something in it, also of those who have lost it since.
func TestWhoHasNothingLeftCountsAmongThoseWhoHad(t *testing.T) {
	t.Parallel()
	w, people := full(t, 10)
	w.limits.MaxPeople24h = plan.LimitPercent(50)
	w.leave(10, 4, people)
	if planned, held := outcomes(w.leave(20, 5, people)); planned != 1 || held != 0 {
		t.Errorf("the fifth of ten people: %d planned, %d held", planned, held)
	}
	if planned, held := outcomes(w.leave(30, 6, people)); planned != 0 || held != 1 {
		t.Errorf("the sixth of ten people: %d planned, %d held", planned, held)
	}
}

func TestApprovedLossesCountInNoLimit(t *testing.T) {
	t.Parallel()
	w, people := full(t, 40)
	w.limits.MaxGroupLoss, w.limits.MaxPeople24h = plan.LimitPercent(50), plan.LimitPercent(60)
	w.leave(10, 21, people)
	w.approve(w.hold(run.MaxGroupLoss).Hash)
	if planned, _ := outcomes(w.leave(20, 21, people)); planned != 21 {
		t.Fatalf("approved, %d go", planned)
	}
	// 24 of 40 would be too many of the group, and 30 of 40 too many people.
	for i, gone := range []int{24, 30} {
		if planned, held := outcomes(w.leave(30+i, gone, people)); held != 0 || planned == 0 {
			t.Errorf("%d gone: %d planned, %d held", gone, planned, held)
		}
	}
}

func TestACutReadIsNoNewSize(t *testing.T) {
	t.Parallel()
	w, people := full(t, 10)
	w.limits.MaxSourceShrink = plan.LimitPercent(30)
	more := crowd("q", 10)
	w.read("corp", 10, "users?: "+words(people, more), "all: "+words(people)).run()
	w.read("corp", 20, "users: "+words(people), "all: "+words(people)).run()
	if len(w.mem.Holds) != 0 {
		t.Errorf("the ten whom a cut read showed count as a loss: %v", w.holds())
	}
}

func TestAScopeIsAcceptedByACompleteReadOnly(t *testing.T) {
	t.Parallel()
	w, people := full(t, 10)
	w.source("corp").Scope = "a part of corp"
	for range 2 {
		w.run() // nothing was read yet
	}
	w.leave(10, 3, people)
	if h := w.hold(run.SourceChanged); len(h.Keys) != 3 {
		t.Errorf("held: %v", w.holds())
	}
}

func TestWhatOneCheckHoldsCountsInNoOther(t *testing.T) {
	t.Parallel()
	people := crowd("p", 14)
	w := newWorld(t, "corp").rule("r", "*").accounts(people...)
	w.read("corp", 0, "users: "+words(people), "a: "+words(people[:12]), "b: "+words(people)).run()
	w.limits.MaxGroupLoss, w.limits.MaxPeople = plan.LimitPercent(50), plan.LimitCount(6)
	// Seven lose group a, which is held; two others lose group b, which is nothing much.
	p := w.read("corp", 10, "users: "+words(people), "a: "+words(people[7:12]), "b: "+words(people[:12])).run()
	if planned, held := outcomes(p); planned != 2 || held != 7 || len(w.mem.Holds) != 1 {
		t.Errorf("%d planned, %d held: %v", planned, held, w.holds())
	}
}
