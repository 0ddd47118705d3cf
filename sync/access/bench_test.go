package access_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"groupsyncd/sync/access"
	"groupsyncd/sync/plan"
)

// city is a large Open WebUI: 100,000 accounts in 5,000 groups, ten each, and 2,000
// resources.
func city() *plan.Memory {
	const people, groups, each, things = 100_000, 5_000, 10, 2_000
	chance := rand.New(rand.NewPCG(1, 2))
	o := plan.Observation{Version: "0.12.4", AllAccounts: true, ResourceTypes: plan.ResourceTypes(), Defaults: raw(`{"chat":{"call":true}}`), At: time.Unix(1000, 0)}
	members := make([][]string, groups)
	for i := range people {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		o.Accounts = append(o.Accounts, plan.Account{ID: id, Email: fmt.Sprintf("person-%06d@example.org", i), Name: fmt.Sprint("Person ", i), Role: "user"})
		for range each {
			g := chance.IntN(groups)
			members[g] = append(members[g], id)
		}
	}
	for i := range groups {
		g := plan.Group{ID: fmt.Sprintf("10000000-0000-4000-8000-%012d", i), Name: fmt.Sprint("Group ", i), MembersRead: true, Members: members[i], MemberCount: len(members[i])}
		if i > 10 {
			g.Parent = fmt.Sprintf("10000000-0000-4000-8000-%012d", i/10)
		}
		if i%3 == 0 {
			g.Permissions = raw(`{"workspace":{"models":true,"tools":true},"features":{"api_keys":true}}`)
		}
		o.Groups = append(o.Groups, g)
	}
	for i := range things {
		r := plan.Resource{ResourceKey: plan.ResourceKey{Type: plan.ResourceTypes()[i%5], ID: fmt.Sprint("thing-", i)}, Name: fmt.Sprint("Thing ", i), Owner: o.Accounts[i].ID}
		for range 5 {
			r.Grants = append(r.Grants, plan.Grant{Kind: "group", ID: o.Groups[chance.IntN(groups)].ID, Permission: "read"})
		}
		o.Resources = append(o.Resources, r)
	}
	mem := plan.NewMemory("chat", "i", time.Unix(0, 0))
	mem.Observe(&o)
	return mem
}

func BenchmarkCity(b *testing.B) {
	mem := city()
	v := access.New(mem, access.Seen{})
	b.Run("picture", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			access.New(mem, access.Seen{})
		}
	})
	b.Run("who", func(b *testing.B) {
		for _, what := range []string{"workspace.tools", "chat.call", "models/thing-5", "role:user"} {
			b.Run(what, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Who(what); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
	b.Run("user", func(b *testing.B) {
		for b.Loop() {
			v.User(7)
		}
	})
	b.Run("report", func(b *testing.B) {
		b.ReportAllocs()
		rows := 0
		for b.Loop() {
			rows = 0
			for range v.Report().Rows { //nolint:errcheck // rows of a picture do not fail
				rows++
			}
		}
		b.ReportMetric(float64(rows), "rows")
	})
}
