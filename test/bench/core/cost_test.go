package core_test

import (
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"groupsyncd/sync/replica"
)

// The bounds that tests hold. Allocations depend on the program alone and hold the budget
// itself; the time of the processor depends on the machine, and on what else it does to the
// caches, so only a cost of another order is an error.
const (
	mostAllocations = 0.005 // per membership: it rounds to 0.00
	mostTime        = 5 * time.Microsecond
	rounds          = 3
)

// cost is what a step takes of the processor, the collector of garbage included, and how
// often it allocates.
type cost struct {
	time   time.Duration
	allocs uint64
}

// measure takes the cheapest of some rounds: whatever else runs can only add.
func measure(step func()) cost {
	step()
	least := cost{time: time.Hour}
	for range rounds {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := spent()
		step()
		took := spent() - began
		runtime.ReadMemStats(&after)
		if took < least.time {
			least = cost{took, after.Mallocs - before.Mallocs}
		}
	}
	return least
}

// spent is the time that the processor has given this program.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestUnchangedMembershipsCostNothingToSpeakOf holds the budget of merge, map and plan
// where nothing has changed: what they allocate grows with nothing but a few tables.
func TestUnchangedMembershipsCostNothingToSpeakOf(t *testing.T) {
	s := settled(t)
	n := s.read.Memberships()
	t.Logf("%d people, %d groups, %d memberships", s.size.Users, s.size.Groups, n)
	t.Logf("%-14s %14s %18s", "", "ns/membership", "allocs/membership")
	show := func(name string, c cost) {
		t.Logf("%-14s %14.1f %18.4f", name, float64(c.time)/float64(n), float64(c.allocs)/float64(n))
	}
	show("merge", measure(func() { s.merge() }))
	// The same groups as another read shows them: they are compared one by one.
	turns := []*replica.Replica{s.in.Sources[0].Replica, s.merge()}
	show("map", measure(func() { s.wants(turns[0]); slices.Reverse(turns) }))
	show("plan", measure(func() { s.plan(t, s.in) }))
	all := measure(func() { s.whole(t) })
	show("all three", all)
	if each := float64(all.allocs) / float64(n); each >= mostAllocations {
		t.Errorf("%d allocations for %d unchanged memberships", all.allocs, n)
	}
	if all.time > mostTime*time.Duration(n) {
		t.Errorf("%v of the processor for %d unchanged memberships", all.time, n)
	}
}
