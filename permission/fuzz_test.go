package permission_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/permission"
)

// FuzzMerging unites any three trees, as rules, groups and defaults are: in which order
// does not matter, saying a thing twice says no more, and no right is lost on the way, nor
// anything of a tree that we do not understand.
func FuzzMerging(f *testing.F) {
	known := string(permission.Explicit(permission.Set{"chat.call": true}))
	for _, tree := range []string{known, `{"chat":{"call":false,"deep":{"er":true}},"limit":3,"n":null,"":1}`, `{"a.b":true,"chat":true}`, "null", "", "[]", `{"chat":{"call":"yes"}}`} {
		f.Add([]byte(tree), []byte(known), []byte(`{"features":{"next":true}}`))
	}
	f.Fuzz(func(t *testing.T, one, two, three []byte) {
		a, others, errA := permission.Flatten(one)
		b, _, errB := permission.Flatten(two)
		c, _, errC := permission.Flatten(three)
		if errA != nil || errB != nil || errC != nil {
			return
		}
		ab := permission.Union(a, b)
		switch {
		case !cmp.Equal(ab, permission.Union(b, a)):
			t.Fatalf("the order matters: %v, %v", a, b)
		case !cmp.Equal(permission.Union(ab, c), permission.Union(a, permission.Union(b, c))):
			t.Fatalf("what is united first matters: %v, %v, %v", a, b, c)
		case !cmp.Equal(permission.Union(ab, ab, a), ab):
			t.Fatalf("saying it twice says more: %v", ab)
		case !permission.Subset(a, ab) || !permission.Subset(b, ab):
			t.Fatalf("a right is lost: %v and %v gave %v", a, b, ab)
		}
		merged, err := permission.Merge(one, ab)
		if err != nil {
			return // one of the trees has a switch where the other has a category
		}
		now, kept, err := permission.Flatten(merged)
		if err != nil || !json.Valid(merged) {
			t.Fatalf("%s and %v gave %s: %v", one, ab, merged, err)
		}
		if !permission.Subset(ab, now) || !permission.Subset(a, now) {
			t.Fatalf("%s and %v gave %s, which has less", one, ab, merged)
		}
		for _, name := range others {
			if _, set := ab[name]; !set && !slices.Contains(kept, name) {
				t.Fatalf("%s and %v gave %s, without %q", one, ab, merged, name)
			}
		}
		again, err := permission.Merge(merged, ab)
		if err != nil || string(again) != string(merged) {
			t.Fatalf("merged twice, %s became %s: %v", merged, again, err)
		}
	})
}
