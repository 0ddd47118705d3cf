package ldif_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"groupsyncd/test/peers/ldif"
)

// effective follows nesting anew, from direct members and children alone.
func effective(c *ldif.Company, g int) []int {
	seen, users := map[int]bool{}, map[int]bool{}
	var visit func(int)
	visit = func(g int) {
		if seen[g] {
			return
		}
		seen[g] = true
		for _, u := range c.Groups[g].Direct {
			users[u] = true
		}
		for _, child := range c.Groups[g].Children {
			visit(child)
		}
	}
	visit(g)
	return slices.Sorted(maps.Keys(users))
}

func TestCompanyHasExactlyTheMembershipsAskedFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		users := rapid.IntRange(1, 60).Draw(t, "users")
		groups := rapid.IntRange(1, 20).Draw(t, "groups")
		o := ldif.Options{
			Users: users, Groups: groups,
			Memberships: rapid.IntRange(groups, users*groups).Draw(t, "memberships"),
			Nested:      rapid.Float64Range(0, 1).Draw(t, "nested"),
			Seed:        rapid.Uint64().Draw(t, "seed"),
		}
		c, err := ldif.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if c.Effective() != o.Memberships {
			t.Errorf("%d effective memberships, want %d", c.Effective(), o.Memberships)
		}
		for g := range c.Groups {
			if diff := cmp.Diff(effective(c, g), c.Groups[g].Members); diff != "" {
				t.Errorf("members of group %d (-from nesting +given):\n%s", g, diff)
			}
		}
	})
}

func TestCompanyOfTheLargeRun(t *testing.T) {
	t.Parallel()
	c, err := ldif.New(ldif.Options{Users: 10000, Groups: 500, Memberships: 50000, Nested: 0.15, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	sizes := make([]int, 0, len(c.Groups))
	names := map[string]bool{}
	for i := range c.Groups {
		sizes = append(sizes, len(c.Groups[i].Members))
		names[c.Groups[i].Name] = true
	}
	slices.Sort(sizes)
	if c.Effective() != 50000 || len(names) != 500 || c.Nestings() < 50 {
		t.Errorf("%d memberships, %d names, %d groups in groups", c.Effective(), len(names), c.Nestings())
	}
	if largest, median := sizes[499], sizes[250]; largest < 20*median {
		t.Errorf("sizes are not skewed: the largest group has %d members, the median %d", largest, median)
	}
}

func TestSameOptionsWriteTheSameFile(t *testing.T) {
	t.Parallel()
	write := func(seed uint64) string {
		c, err := ldif.New(ldif.Options{Users: 50, Groups: 12, Memberships: 120, Nested: 0.5, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := c.Write(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first := write(7)
	if first != write(7) {
		t.Error("the same seed wrote two different files")
	}
	if first == write(8) {
		t.Error("another seed wrote the same file")
	}
	if strings.ContainsFunc(first, func(r rune) bool { return r > '~' }) {
		t.Error("a value that is not ASCII stands there without base64")
	}
	if n := strings.Count("\n"+first, "\ndn:"); n != 3+50+12 {
		t.Errorf("%d entries, want 65", n)
	}
}

func TestImpossibleCompaniesAreRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]ldif.Options{
		"no users":             {Groups: 1, Memberships: 1},
		"no groups":            {Users: 1, Memberships: 1},
		"fewer than one each":  {Users: 5, Groups: 3, Memberships: 2},
		"more than all in all": {Users: 5, Groups: 3, Memberships: 16},
		"share above one":      {Users: 5, Groups: 3, Memberships: 3, Nested: 1.5},
	} {
		if _, err := ldif.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
