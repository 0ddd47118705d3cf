// Package core measures the pure heart of a run, from a snapshot to a judged plan, at the
// size of a large company where nothing has changed. The budget is 100 ns and no
// allocation per membership for merge, map and plan together.
//
//	go test -v -run Unchanged ./test/bench/core    # the table, in time of the processor
//	go test -run - -bench . ./test/bench/core      # the same as benchmarks
package core_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

const (
	users       = 100_000
	groups      = 5_000
	perUser     = 10
	memberships = users * perUser
)

func began() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// company is one complete read: everybody is in ten groups of very different sizes.
func company(asOf time.Time) *directory.Snapshot {
	s := &directory.Snapshot{AsOf: asOf, UsersListed: true, GroupsListed: true,
		Users: make([]directory.User, users), Groups: make([]directory.Group, groups)}
	for n := range s.Users {
		id := fmt.Sprintf("11111111-2222-3333-4444-%012d", n)
		s.Users[n] = directory.User{ID: id, Email: fmt.Sprintf("user%d@example.org", n), Username: fmt.Sprintf("user%d", n),
			Name: fmt.Sprintf("User %d", n), DN: fmt.Sprintf("uid=user%d,ou=people,dc=example,dc=org", n), StatusKnown: true}
	}
	for n := range s.Groups {
		name := fmt.Sprintf("ai-team-%04d", n)
		s.Groups[n] = directory.Group{ID: fmt.Sprintf("aaaaaaaa-2222-3333-4444-%012d", n), Name: name,
			DN: "cn=" + name + ",ou=groups,dc=example,dc=org", MembersKnown: true}
	}
	for n := range s.Users {
		for k := range perUser {
			g := (n*31 + k*k*k*977 + k*(n%97)) % groups
			s.Groups[g].Direct = append(s.Groups[g].Direct, uint32(n))
		}
	}
	s.Close(true)
	return s
}

// ownerOf gives the user of an account: Open WebUI has them in an order of its own.
func ownerOf(account int) int { return account * 7919 % users }

// numbersOf gives the account numbers of users.
func numbersOf(members []uint32, accountOf []uint32) []uint32 {
	numbers := make([]uint32, len(members))
	for i, n := range members {
		numbers[i] = accountOf[n]
	}
	slices.Sort(numbers)
	return numbers
}

// site is a company that is in step with its target, and the next read, which shows the
// same.
type site struct {
	in    *plan.Input
	rules []*mapping.Rule
	memo  mapping.Memo
	read  *directory.Snapshot
}

func settled(tb testing.TB) *site {
	tb.Helper()
	rule, err := mapping.Compile(mapping.Spec{Name: "ai", Match: mapping.Match{Names: []string{"ai-*"}}, To: `{{ .Name | trimPrefix "ai-" }}`,
		Create: "true", Adopt: []string{"name"}, Members: "owned"})
	if err != nil {
		tb.Fatal(err)
	}
	r, _ := replica.New("corp").Merge(company(began()), 0)
	m := plan.NewMemory("chat", "bench", began())
	in := &plan.Input{Now: began().Add(time.Minute), Memory: m, Rules: map[string]bool{"ai": true}, Match: []string{"sign_in", "email"},
		Sources: []plan.Source{{ID: "corp", Name: "corp", Replica: r, Grace: replica.Grace{Reads: 2, Over: 15 * time.Minute}, MaxAge: 48 * time.Hour, Read: true}}}
	m.Observe(accounts(r))
	accountOf := make([]uint32, users)
	for n := range users {
		u := &r.Users()[ownerOf(n)]
		accountOf[ownerOf(n)] = uint32(n)
		m.People[directory.UserKey{Source: "corp", ID: u.ID}] = plan.PersonLink{Account: m.Mirror.Account(uint32(n)).ID, By: "email", Email: u.Email}
	}
	for n, g := range r.Groups() {
		id := fmt.Sprintf("group-%04d", n)
		key := directory.GroupKey{Source: "corp", ID: g.ID}
		next := plan.Group{ID: id, Name: g.Name[3:], MembersRead: true}
		m.ObserveGroup(&next)
		m.Mirror.Group(id).Numbers = numbersOf(g.Members, accountOf)
		m.Links[plan.LinkKey{Rule: "ai", Group: key}] = plan.GroupLink{GroupID: id, Since: began()}
		m.Owned[id] = &plan.OwnedGroup{GroupID: id, Feeds: []plan.OwnedFeed{
			{Key: plan.FeedKey{Rule: "ai", Group: key}, Accounts: numbersOf(g.Members, accountOf)}}}
	}
	s := &site{in: in, rules: []*mapping.Rule{rule}, read: company(began().Add(time.Minute))}
	in.Desired = s.wants(r)
	return s
}

// accounts is a look at a target where everybody has an account.
func accounts(r *replica.Replica) *plan.Observation {
	o := &plan.Observation{AllAccounts: true, At: began()}
	for n := range r.Users() {
		u := &r.Users()[ownerOf(n)]
		o.Accounts = append(o.Accounts, plan.Account{ID: fmt.Sprintf("account-%06d", n), Email: u.Email, Role: "user"})
	}
	return o
}

func limits() plan.Limits {
	return plan.Limits{MaxPeople: plan.LimitBoth(500, 20), MaxPeople24h: plan.LimitBoth(1000, 40), MaxGroupLoss: plan.LimitPercent(50),
		MaxNewGroups: plan.LimitOff(), MaxSourceShrink: plan.LimitPercent(30), ApprovalTTL: 24 * time.Hour}
}

// The steps of a run, as the engine takes them.
func (s *site) merge() *replica.Replica {
	r, _ := s.in.Sources[0].Replica.Merge(s.read, 0)
	return r
}

func (s *site) sources(r *replica.Replica) []mapping.Source {
	return []mapping.Source{{ID: "corp", Name: "corp", Replica: r}}
}

func (s *site) wants(r *replica.Replica) *plan.Desired {
	return s.memo.Apply("chat", s.rules, s.sources(r))
}

func (s *site) plan(tb testing.TB, in *plan.Input) {
	p := plan.Compute(in)
	plan.Guard(p, in, limits())
	if len(p.Changes) != 0 || p.Summary.Unchanged < memberships*9/10 {
		tb.Fatalf("%d changes, %d unchanged; problems %v", len(p.Changes), p.Summary.Unchanged, p.Problems)
	}
}

// whole is merge, map, plan and guard.
func (s *site) whole(tb testing.TB) {
	next := *s.in
	next.Sources = slices.Clone(s.in.Sources)
	next.Sources[0].Replica = s.merge()
	next.Desired = s.wants(next.Sources[0].Replica)
	s.plan(tb, &next)
}

func perMembership(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/membership")
}

// bench runs one step.
func bench(b *testing.B, step func(*site)) {
	s := settled(b)
	b.ReportAllocs()
	for b.Loop() {
		step(s)
	}
	perMembership(b, s.read.Memberships())
}

func BenchmarkMergeMapPlan(b *testing.B) { bench(b, func(s *site) { s.whole(b) }) }
func BenchmarkMerge(b *testing.B)        { bench(b, func(s *site) { s.merge() }) }
func BenchmarkMap(b *testing.B)          { bench(b, func(s *site) { s.wants(s.in.Sources[0].Replica) }) }
func BenchmarkPlan(b *testing.B)         { bench(b, func(s *site) { s.plan(b, s.in) }) }

// BenchmarkMapAnew fills every template, as the first run after a start does.
func BenchmarkMapAnew(b *testing.B) {
	bench(b, func(s *site) { mapping.Apply("chat", s.rules, s.sources(s.in.Sources[0].Replica)) })
}

// BenchmarkFirstRun plans everything anew: every person is matched, every group made.
func BenchmarkFirstRun(b *testing.B) {
	fresh := plan.NewMemory("chat", "bench", began())
	var once *plan.Input
	bench(b, func(s *site) {
		if once == nil {
			own := *s.in
			fresh.Observe(accounts(own.Sources[0].Replica))
			own.Memory, once = fresh, &own
		}
		p := plan.Compute(once)
		plan.Guard(p, once, limits())
		if n := len(p.Changes); n < memberships*9/10 || p.Changes[0].Outcome != run.Planned {
			b.Fatalf("%d changes", n)
		}
	})
}
