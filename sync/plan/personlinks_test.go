package plan_test

import (
	"maps"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestPersonLinksAreAsGoodAsAMap: whatever is linked and unlinked, the table says what a map
// would, and a copy goes its own way.
func TestPersonLinksAreAsGoodAsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		links, want := plan.NewPersonLinks(rapid.IntRange(0, 3).Draw(t, "room")), map[directory.UserKey]plan.PersonLink{}
		other, before := links.Clone(), map[directory.UserKey]plan.PersonLink{}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			key := directory.UserKey{Source: rapid.SampledFrom([]string{"corp", "hr"}).Draw(t, "source"), ID: rapid.StringMatching("[a-f]").Draw(t, "id")}
			switch rapid.IntRange(0, 4).Draw(t, "do") {
			case 0, 1:
				link := plan.PersonLink{Account: rapid.StringMatching("a[0-3]").Draw(t, "account"), By: rapid.SampledFrom([]string{"email", "manual"}).Draw(t, "by"),
					Email: key.ID + "@example.org", Since: at(rapid.IntRange(0, 2).Draw(t, "since"))}
				links.Set(key, link)
				want[key] = link
			case 2, 3:
				links.Delete(key)
				delete(want, key)
			default:
				other, before = links.Clone(), maps.Clone(want)
			}
			for _, source := range []string{"corp", "hr", "none"} {
				for _, id := range "abcdef" {
					key := directory.UserKey{Source: source, ID: string(id)}
					link, linked := want[key]
					if got, is := links.Get(key); got != link || is != linked || links.Link(key) != link {
						t.Fatalf("%v is %v (%t), want %v (%t)", key, got, is, link, linked)
					}
				}
			}
			if got := maps.Collect(links.All()); links.Len() != len(want) || !maps.Equal(got, want) {
				t.Fatal(cmp.Diff(want, got))
			}
			if got := maps.Collect(other.All()); !maps.Equal(got, before) {
				t.Fatalf("the copy changed too:\n%s", cmp.Diff(before, got))
			}
			if links.Equal(other) != maps.Equal(want, before) {
				t.Fatalf("equal %t of %v and %v", links.Equal(other), want, before)
			}
		}
	})
}

// TestNoPersonLinks: a memory that was made without a table knows nobody.
func TestNoPersonLinks(t *testing.T) {
	t.Parallel()
	var none *plan.PersonLinks
	if _, linked := none.Get(userKey("corp", "ann")); linked || none.Len() != 0 || len(maps.Collect(none.All())) != 0 || none.Clone() != nil ||
		!none.Equal(&plan.PersonLinks{}) || none.Link(userKey("corp", "ann")).Since != (time.Time{}) {
		t.Error("nobody is somebody")
	}
	none.Delete(userKey("corp", "ann"))
}
