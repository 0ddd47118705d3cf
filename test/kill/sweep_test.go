package kill

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// busy is a story in which the second chapter makes a group, renames another, adds,
// removes and writes values, so that every kind of call and of commit is in it.
func busy(srv *server) *story {
	members := func(people ...int) map[int]bool {
		m := map[int]bool{}
		for _, p := range people {
			m[p] = true
		}
		return m
	}
	first := chapter{people: make([]standing, 6), except: -1, groups: []group{
		{name: "g0", direct: members(0, 1, 2, 3)}, {name: "g1", direct: members(2, 3, 4, 5), children: []int{0}}, {name: "g2", direct: members(1)}}}
	then := first.clone()
	delete(then.groups[0].direct, 0)
	then.groups[0].direct[5] = true
	then.groups[1].name, then.groups[2].children, then.people[4], then.about = "g1-new", []int{0}, disabled, "kept by groupsyncd"
	then.groups = append(then.groups, group{name: "g3", direct: members(0, 1)})
	return &story{mails: srv.people[:6], adopts: true, reads: 1, chapters: []chapter{first, then}}
}

// TestKilledAtEveryStep kills once at each commit and at each request of the story, until
// there is none left to be killed at.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	t.Run("commits", func(t *testing.T) {
		t.Parallel()
		sweep(t, 1, func(at int) strike { return strike{step: at} })
	})
	// In the ordinary run the phases take turns; all of them at each request, and the
	// first chapter too, are for CI.
	if os.Getenv("GROUPSYNCD_KILLS") == "" {
		t.Run("requests", func(t *testing.T) {
			t.Parallel()
			sweep(t, 1, func(at int) strike { return strike{request: at, phase: phase(at % 4)} })
		})
		return
	}
	t.Run("commits of the first chapter", func(t *testing.T) {
		t.Parallel()
		sweep(t, 0, func(at int) strike { return strike{step: at} })
	})
	for n := range 2 {
		for _, p := range []phase{before, alone, unanswered, answered} {
			t.Run(fmt.Sprintf("chapter %d, requests, %s", n, p), func(t *testing.T) {
				t.Parallel()
				sweep(t, n, func(at int) strike { return strike{request: at, phase: p} })
			})
		}
	}
}

func sweep(t *testing.T, struck int, at func(int) strike) {
	t.Helper()
	began, killed := time.Now(), true
	moments := 0
	for n := 1; killed; n++ {
		moments = n - 1
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			srv := simulator(t)
			w := newWorld(t, busy(srv), srv)
			defer func() {
				if t.Failed() {
					t.Log(w.log.String())
				}
			}()
			for c := range w.story.chapters {
				w.turn(c)
				if c == struck {
					killed = w.strike(at(n)).killed
				}
				w.calm()
			}
			w.judge()
		})
	}
	if moments < 10 {
		t.Errorf("there were only %d moments to be killed at", moments)
	}
	t.Logf("killed at each of %d, %s", moments, time.Since(began).Round(time.Millisecond))
}
