// Package ldif invents companies for tests and writes them as LDIF: people, groups
// of skewed sizes, groups inside groups, names from many alphabets.
//
// The number of memberships is exact, and a company knows who is in each group once
// nesting is followed, so a test can compare what arrived with what was there. The
// same options give the same company. Running a directory server is left to package
// peer.
package ldif

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Suffix is the root of every company.
const Suffix = "dc=example,dc=test"

// Options describe a company.
type Options struct {
	Users  int
	Groups int
	// Memberships is the exact number of pairs of a group and a person in it, once
	// nesting is followed.
	Memberships int
	// Nested is the share of groups that contain other groups, from 0 to 1.
	Nested float64
	Seed   uint64
}

// Company is what Options describe.
type Company struct {
	Users  []User
	Groups []Group
}

// User is one person: uid and mail follow from the number, so that other tools can
// make the matching account.
type User struct {
	UID, Given, Family, Mail string
}

// Group is one group. Direct and Members are indices into Company.Users and
// Children into Company.Groups, all sorted.
type Group struct {
	Name     string
	Direct   []int
	Children []int
	// Members are everybody in the group, nested groups followed.
	Members []int
}

// UID gives the name of user number n, counted from 1.
func UID(n int) string { return fmt.Sprintf("u%07d", n) }

// Mail gives the address of user number n, counted from 1.
func Mail(n int) string { return UID(n) + "@example.test" }

// Effective counts memberships with nesting followed.
func (c *Company) Effective() int {
	n := 0
	for i := range c.Groups {
		n += len(c.Groups[i].Members)
	}
	return n
}

// Direct counts the people that groups name themselves.
func (c *Company) Direct() int {
	n := 0
	for i := range c.Groups {
		n += len(c.Groups[i].Direct)
	}
	return n
}

// Nestings counts the groups named by groups.
func (c *Company) Nestings() int {
	n := 0
	for i := range c.Groups {
		n += len(c.Groups[i].Children)
	}
	return n
}

// New makes a company, or says why there can be none.
func New(o Options) (*Company, error) {
	switch {
	case o.Users < 1 || o.Groups < 1:
		return nil, fmt.Errorf("a company needs a user and a group, not %d and %d", o.Users, o.Groups)
	case o.Memberships < o.Groups:
		return nil, fmt.Errorf("%d memberships are too few: each of %d groups has one at least", o.Memberships, o.Groups)
	case o.Memberships > o.Users*o.Groups:
		return nil, fmt.Errorf("%d memberships are more than %d groups of %d users", o.Memberships, o.Groups, o.Users)
	case o.Nested < 0 || o.Nested > 1:
		return nil, fmt.Errorf("the share of nested groups is from 0 to 1, not %v", o.Nested)
	}
	rng := rand.New(rand.NewPCG(o.Seed, 0x6c646966))
	c := &Company{Users: make([]User, o.Users), Groups: make([]Group, o.Groups)}
	for i := range c.Users {
		c.Users[i] = User{
			UID: UID(i + 1), Mail: Mail(i + 1),
			Given: given[rng.IntN(len(given))], Family: family[rng.IntN(len(family))],
		}
	}
	for i := range c.Groups {
		c.Groups[i].Name = groupName(i)
	}
	c.fill(rng, o)
	return c, nil
}

// fill gives every group its members. Groups are filled from the smallest to the
// largest, each containing only groups filled before it: there are no cycles, and
// what the nested groups bring is known before the rest is filled up exactly.
func (c *Company) fill(rng *rand.Rand, o Options) {
	sizes := skewed(o.Memberships, o.Groups, o.Users)
	slices.Reverse(sizes)
	order := rng.Perm(o.Groups)
	in := make([]int, o.Users) // in[u] is the step at which u joined the group being filled.
	for step, g := range order {
		group, want := &c.Groups[g], sizes[step]
		join := func(u int) bool {
			if in[u] == step+1 {
				return false
			}
			in[u] = step + 1
			group.Members = append(group.Members, u)
			return true
		}
		if step > 0 && rng.Float64() < o.Nested {
			for range 1 + rng.IntN(3) {
				child := order[rng.IntN(step)]
				if slices.Contains(group.Children, child) || len(group.Members)+len(c.Groups[child].Members) > want {
					continue
				}
				group.Children = append(group.Children, child)
				for _, u := range c.Groups[child].Members {
					join(u)
				}
			}
		}
		for len(group.Members) < want {
			// Above half of the company random picks would mostly hit members, so
			// the search goes on from the pick.
			for u := rng.IntN(o.Users); ; u = (u + 1) % o.Users {
				if join(u) {
					group.Direct = append(group.Direct, u)
					break
				}
			}
		}
		slices.Sort(group.Direct)
		slices.Sort(group.Children)
		slices.Sort(group.Members)
	}
}

// skewed splits total into n sizes from 1 to most that fall like 1/i^0.8: a few
// large groups and a long tail. The sizes fall and add up to total exactly.
func skewed(total, n, most int) []int {
	weights := make([]float64, n)
	rest := 0.0
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -0.8)
		rest += weights[i]
	}
	sizes := make([]int, n)
	for i := range sizes {
		left := n - i - 1
		size := int(math.Ceil(float64(total) * weights[i] / rest))
		// The last size takes all that is left, whatever the weights round to.
		if left == 0 {
			size = total
		}
		// A size below the average of the rest would leave more than fits.
		size = max(size, (total+left)/(left+1))
		sizes[i] = min(size, most, total-left)
		total -= sizes[i]
		rest -= weights[i]
	}
	return sizes
}

// groupName gives group number i a name of its own. Every tenth has a character
// that a DN must escape or that is not ASCII.
func groupName(i int) string {
	number := fmt.Sprintf("%05d", i+1)
	if i%10 == 9 {
		return odd[i/10%len(odd)] + " " + number
	}
	return areas[i%len(areas)] + "-" + number
}
