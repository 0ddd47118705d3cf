// Package core measures the pure heart of a run, from a snapshot to a judged plan, at the
// size of a large company where nothing has changed. The budget is 100 ns and no
// allocation per membership for merge, map and plan together.
//
//	go test -v -run Unchanged ./test/bench/core    # the table, in time of the processor
//	go test -run - -bench . ./test/bench/core      # the same as benchmarks
package core_test

import (
	"slices"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
	"groupsyncd/test/bench/site"
)

// company is one that is in step with its target, and the next read, which shows the same.
type company struct {
	size  site.Size
	in    *plan.Input
	rules []*mapping.Rule
	memo  mapping.Memo
	read  *directory.Snapshot
	// least is how many memberships must be found unchanged.
	least int
}

func settled(tb testing.TB) *company {
	tb.Helper()
	rule, err := site.Rule()
	if err != nil {
		tb.Fatal(err)
	}
	size := site.Large()
	r, _ := replica.New(site.Source).Merge(size.Read(site.Began()), 0)
	m, _ := size.Settled(r)
	in := &plan.Input{Now: site.Began().Add(time.Minute), Memory: m, Rules: map[string]bool{"ai": true}, Match: []string{"sign_in", "email"},
		Sources: []plan.Source{{ID: site.Source, Name: site.Source, Replica: r, Grace: replica.Grace{Reads: 2, Over: 15 * time.Minute}, MaxAge: 48 * time.Hour, Read: true}}}
	c := &company{size: size, in: in, rules: []*mapping.Rule{rule}, read: size.Read(site.Began().Add(time.Minute)), least: size.Users * size.PerUser * 9 / 10}
	in.Desired = c.wants(r)
	return c
}

// The steps of a run, as the engine takes them.
func (c *company) merge() *replica.Replica {
	r, _ := c.in.Sources[0].Replica.Merge(c.read, 0)
	return r
}

func sources(r *replica.Replica) []mapping.Source {
	return []mapping.Source{{ID: site.Source, Name: site.Source, Replica: r}}
}

func (c *company) wants(r *replica.Replica) *plan.Desired {
	return c.memo.Apply(site.Target, c.rules, sources(r))
}

func (c *company) plan(tb testing.TB, in *plan.Input) {
	p := plan.Compute(in)
	plan.Guard(p, in, site.Limits())
	if len(p.Changes) != 0 || p.Summary.Unchanged < c.least {
		tb.Fatalf("%d changes, %d unchanged; problems %v", len(p.Changes), p.Summary.Unchanged, p.Problems)
	}
}

// whole is merge, map, plan and guard.
func (c *company) whole(tb testing.TB) {
	next := *c.in
	next.Sources = slices.Clone(c.in.Sources)
	next.Sources[0].Replica = c.merge()
	next.Desired = c.wants(next.Sources[0].Replica)
	c.plan(tb, &next)
}

// bench runs one step.
func bench(b *testing.B, step func(*company)) {
	c := settled(b)
	b.ReportAllocs()
	for b.Loop() {
		step(c)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.read.Memberships()), "ns/membership")
}

func BenchmarkMergeMapPlan(b *testing.B) { bench(b, func(c *company) { c.whole(b) }) }
func BenchmarkMerge(b *testing.B)        { bench(b, func(c *company) { c.merge() }) }
func BenchmarkPlan(b *testing.B)         { bench(b, func(c *company) { c.plan(b, c.in) }) }

// BenchmarkMapAnew fills every template, as the first run after a start does.
func BenchmarkMapAnew(b *testing.B) {
	bench(b, func(c *company) { mapping.Apply(site.Target, c.rules, sources(c.in.Sources[0].Replica)) })
}

// BenchmarkFirstRun plans everything anew: every person is matched, every group made.
func BenchmarkFirstRun(b *testing.B) {
	var once *plan.Input
	bench(b, func(c *company) {
		if once == nil {
			own := *c.in
			own.Memory = plan.NewMemory(site.Target, "bench", site.Began())
			own.Memory.Observe(c.size.Accounts(own.Sources[0].Replica))
			once = &own
		}
		p := plan.Compute(once)
		plan.Guard(p, once, site.Limits())
		if n := len(p.Changes); n < c.least || p.Changes[0].Outcome != run.Planned {
			b.Fatalf("%d changes", n)
		}
	})
}
