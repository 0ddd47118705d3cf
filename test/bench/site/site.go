// Package site makes companies of any size for benchmarks: a directory, and an Open WebUI
// in which all that the directory says is in force.
package site

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
)

// Size is how large a company is.
type Size struct {
	Users, Groups int
	// PerUser is in how many groups everybody is.
	PerUser int
}

// Large is the size for which the budgets are stated: a million memberships.
func Large() Size { return Size{Users: 100_000, Groups: 5_000, PerUser: 10} }

// Source is the id of the directory in the state, Target the name of the Open WebUI.
const (
	Source = "corp"
	Target = "chat"
)

// Began is when the directory was read first.
func Began() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// Read is one complete read: everybody is in ten groups of very different sizes. Every
// text is a new one, as after reading.
func (s Size) Read(asOf time.Time) *directory.Snapshot {
	d := &directory.Snapshot{AsOf: asOf, UsersListed: true, GroupsListed: true,
		Users: make([]directory.User, s.Users), Groups: make([]directory.Group, s.Groups)}
	for n := range d.Users {
		d.Users[n] = directory.User{ID: fmt.Sprintf("11111111-2222-3333-4444-%012d", n), Email: fmt.Sprintf("user%d@example.org", n),
			Username: fmt.Sprintf("user%d", n), Name: fmt.Sprintf("User %d", n), DN: fmt.Sprintf("uid=user%d,ou=people,dc=example,dc=org", n), StatusKnown: true}
	}
	sizes := make([]int, s.Groups)
	s.members(func(_, g int) { sizes[g]++ })
	for n := range d.Groups {
		name := fmt.Sprintf("ai-team-%04d", n)
		d.Groups[n] = directory.Group{ID: fmt.Sprintf("aaaaaaaa-2222-3333-4444-%012d", n), Name: name,
			DN: "cn=" + name + ",ou=groups,dc=example,dc=org", MembersKnown: true, Direct: make([]uint32, 0, sizes[n])}
	}
	s.members(func(u, g int) { d.Groups[g].Direct = append(d.Groups[g].Direct, uint32(u)) })
	d.Close(true)
	return d
}

func (s Size) members(each func(user, group int)) {
	for n := range s.Users {
		for k := range s.PerUser {
			each(n, (n*31+k*k*k*977+k*(n%97))%s.Groups)
		}
	}
}

// Owner gives the user of an account: Open WebUI has them in an order of its own.
func (s Size) Owner(account int) int { return account * 7919 % s.Users }

// Accounts is a look at a target where everybody has an account and nobody is in a group.
func (s Size) Accounts(r *replica.Replica) *plan.Observation {
	o := &plan.Observation{AllAccounts: true, At: Began()}
	for n := range r.Users() {
		u := &r.Users()[s.Owner(n)]
		o.Accounts = append(o.Accounts, plan.Account{ID: fmt.Sprintf("bbbbbbbb-2222-3333-4444-%012d", n), Email: u.Email, Name: u.Name, Role: "user", CreatedAt: 1_770_000_000})
	}
	return o
}

// Rule is the one rule of the company.
func Rule() (*mapping.Rule, error) {
	return mapping.Compile(mapping.Spec{Name: "ai", Match: mapping.Match{Names: []string{"*"}}, To: `{{ .Name | trimPrefix "ai-" }}`,
		Create: "true", Adopt: []string{"name"}, Members: "owned"})
}

// Settled is what is known of the target once all is in force there, with everything of it
// named as changed.
func (s Size) Settled(r *replica.Replica) (*plan.Memory, plan.Dirty) {
	m := plan.NewMemory(Target, "bench", Began())
	dirty := m.Observe(s.Accounts(r))
	accountOf := make([]uint32, s.Users)
	for n := range s.Users {
		u := &r.Users()[s.Owner(n)]
		accountOf[s.Owner(n)] = uint32(n)
		key := directory.UserKey{Source: Source, ID: u.ID}
		m.People.Set(key, plan.PersonLink{Account: m.Mirror.Account(uint32(n)).ID, By: "email", Email: u.Email, Since: Began()})
		dirty.People = append(dirty.People, key)
	}
	for n, g := range r.Groups() {
		id := fmt.Sprintf("cccccccc-2222-3333-4444-%012d", n)
		key, numbers := directory.GroupKey{Source: Source, ID: g.ID}, numbersOf(g.Members, accountOf)
		next := plan.Group{ID: id, Name: strings.TrimPrefix(g.Name, "ai-"), MembersRead: true, MemberCount: len(numbers), UpdatedAt: 1_770_000_000, ReadAt: Began()}
		dirty.Merge(m.ObserveGroup(&next))
		m.Mirror.Group(id).Numbers = numbers
		link := plan.LinkKey{Rule: "ai", Group: key}
		m.Links[link] = plan.GroupLink{GroupID: id, Since: Began()}
		m.Owned[id] = &plan.OwnedGroup{GroupID: id, Feeds: []plan.OwnedFeed{{Key: plan.FeedKey{Rule: "ai", Group: key}, Accounts: slices.Clone(numbers)}}}
		dirty.Links, dirty.Owned = append(dirty.Links, link), append(dirty.Owned, id)
	}
	m.Mirror.ReadAllAt = Began()
	return m, dirty
}

// numbersOf gives the account numbers of users.
func numbersOf(members []uint32, accountOf []uint32) []uint32 {
	numbers := make([]uint32, len(members))
	for i, n := range members {
		numbers[i] = accountOf[n]
	}
	slices.Sort(numbers)
	return numbers
}

// Limits are those of the defaults.
func Limits() plan.Limits {
	return plan.Limits{MaxPeople: plan.LimitBoth(500, 20), MaxPeople24h: plan.LimitBoth(1000, 40), MaxGroupLoss: plan.LimitPercent(50),
		MaxNewGroups: plan.LimitOff(), MaxSourceShrink: plan.LimitPercent(30), ApprovalTTL: 24 * time.Hour}
}
