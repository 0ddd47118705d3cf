// Package core measures the pure heart of a run, from a snapshot to a judged plan, at the
// size of a large company where nothing has changed. The budget is 100 ns and no
// allocation per membership for merge, map and plan together.
package core_test

import (
	"fmt"
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

// settled gives the sources, rules and memory of a company that is in step, with the
// next read, which shows the same.
func settled(tb testing.TB) (*plan.Input, []*mapping.Rule, *directory.Snapshot) {
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
	o := &plan.Observation{AllAccounts: true, At: began()}
	for n, u := range r.Users() {
		o.Accounts = append(o.Accounts, plan.Account{ID: fmt.Sprintf("account-%06d", n), Email: u.Email, Role: "user"})
		m.People[directory.UserKey{Source: "corp", ID: u.ID}] = plan.PersonLink{Account: o.Accounts[n].ID, By: "email", Email: u.Email}
	}
	m.Observe(o)
	for n, g := range r.Groups() {
		id := fmt.Sprintf("group-%04d", n)
		key := directory.GroupKey{Source: "corp", ID: g.ID}
		next := plan.Group{ID: id, Name: g.Name[3:], MembersRead: true}
		m.ObserveGroup(&next)
		m.Mirror.Group(id).Numbers = append([]uint32(nil), g.Members...)
		m.Links[plan.LinkKey{Rule: "ai", Group: key}] = plan.GroupLink{GroupID: id, Since: began()}
		m.Owned[id] = &plan.OwnedGroup{GroupID: id, Feeds: []plan.OwnedFeed{
			{Key: plan.FeedKey{Rule: "ai", Group: key}, Accounts: append([]uint32(nil), g.Members...)}}}
	}
	return in, []*mapping.Rule{rule}, company(began().Add(time.Minute))
}

func limits() plan.Limits {
	return plan.Limits{MaxPeople: plan.LimitBoth(500, 20), MaxPeople24h: plan.LimitBoth(1000, 40), MaxGroupLoss: plan.LimitPercent(50),
		MaxNewGroups: plan.LimitOff(), MaxSourceShrink: plan.LimitPercent(30), ApprovalTTL: 24 * time.Hour}
}

// whole is merge, map, plan and guard, as one run does them.
func whole(tb testing.TB, in *plan.Input, rules []*mapping.Rule, s *directory.Snapshot) {
	next := *in
	next.Sources = append([]plan.Source(nil), in.Sources...)
	next.Sources[0].Replica, _ = in.Sources[0].Replica.Merge(s, 0)
	next.Desired = mapping.Apply("chat", rules, []mapping.Source{{ID: "corp", Name: "corp", Replica: next.Sources[0].Replica}})
	check(tb, &next)
}

func check(tb testing.TB, in *plan.Input) {
	p := plan.Compute(in)
	plan.Guard(p, in, limits())
	if len(p.Changes) != 0 || p.Summary.Unchanged < memberships*9/10 {
		tb.Fatalf("%d changes, %d unchanged; problems %v", len(p.Changes), p.Summary.Unchanged, p.Problems)
	}
}

func perMembership(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/membership")
}

func BenchmarkMergeMapPlan(b *testing.B) {
	in, rules, s := settled(b)
	b.ReportAllocs()
	for b.Loop() {
		whole(b, in, rules, s)
	}
	perMembership(b, s.Memberships())
}

func BenchmarkMerge(b *testing.B) {
	in, _, s := settled(b)
	b.ReportAllocs()
	for b.Loop() {
		in.Sources[0].Replica.Merge(s, 0)
	}
	perMembership(b, s.Memberships())
}

func BenchmarkMap(b *testing.B) {
	in, rules, s := settled(b)
	b.ReportAllocs()
	for b.Loop() {
		mapping.Apply("chat", rules, []mapping.Source{{ID: "corp", Name: "corp", Replica: in.Sources[0].Replica}})
	}
	perMembership(b, s.Memberships())
}

func BenchmarkPlan(b *testing.B) {
	in, rules, s := settled(b)
	in.Desired = mapping.Apply("chat", rules, []mapping.Source{{ID: "corp", Name: "corp", Replica: in.Sources[0].Replica}})
	b.ReportAllocs()
	for b.Loop() {
		check(b, in)
	}
	perMembership(b, s.Memberships())
}

// BenchmarkFirstRun plans everything anew: every person is matched, every group made.
func BenchmarkFirstRun(b *testing.B) {
	in, rules, s := settled(b)
	fresh := plan.NewMemory("chat", "bench", began())
	o := &plan.Observation{AllAccounts: true, At: began()}
	for n, u := range in.Sources[0].Replica.Users() {
		o.Accounts = append(o.Accounts, plan.Account{ID: fmt.Sprintf("account-%06d", n), Email: u.Email})
	}
	fresh.Observe(o)
	in.Memory = fresh
	in.Desired = mapping.Apply("chat", rules, []mapping.Source{{ID: "corp", Name: "corp", Replica: in.Sources[0].Replica}})
	b.ReportAllocs()
	for b.Loop() {
		p := plan.Compute(in)
		plan.Guard(p, in, limits())
		if n := len(p.Changes); n < memberships*9/10 || p.Changes[0].Outcome != run.Planned {
			b.Fatalf("%d changes", n)
		}
	}
	perMembership(b, s.Memberships())
}

// TestUnchangedMembershipsAllocateNothing holds the part of the budget that does not
// depend on the machine: allocations grow with users and groups, never with memberships.
func TestUnchangedMembershipsAllocateNothing(t *testing.T) {
	in, rules, s := settled(t)
	allocs := testing.AllocsPerRun(1, func() { whole(t, in, rules, s) })
	if each := allocs / float64(s.Memberships()); each > 0.25 {
		t.Errorf("%.0f allocations for %d unchanged memberships", allocs, s.Memberships())
	}
}
