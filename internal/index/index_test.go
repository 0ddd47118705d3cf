package index_test

import (
	"fmt"
	"slices"
	"testing"

	"groupsyncd/internal/index"

	"pgregory.net/rapid"
)

// TestAnIndexIsAsGoodAsAMap: whatever is put and deleted, it finds what a map would.
func TestAnIndexIsAsGoodAsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var table []string
		ids := func(n uint32) string { return table[n] }
		var x index.Index
		want := map[string]uint32{}
		few := rapid.IntRange(1, 60).Draw(t, "ids")
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			id := fmt.Sprint(rapid.IntRange(0, few).Draw(t, "id"))
			switch rapid.IntRange(0, 5).Draw(t, "do") {
			case 0, 1, 2:
				n := uint32(len(table))
				x.Put(id, n, ids)
				table, want[id] = append(table, id), n
			case 3, 4:
				x.Delete(id, ids)
				delete(want, id)
			default:
				// What happens to a copy does not happen here.
				other := x.Clone()
				other.Delete(id, ids)
				x = x.Clone()
			}
			for n := range few + 1 {
				id := fmt.Sprint(n)
				row, known := want[id]
				if got, found := x.Find(id, ids); found != known || got != row {
					t.Fatalf("%s is row %d (%t), want %d (%t)", id, got, found, row, known)
				}
			}
		}
	})
}

// TestIndexOfATable finds every row, and the last of those with one id.
func TestIndexOfATable(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 7, 8, 9, 1000} {
		table := make([]string, size)
		for n := range table {
			table[n] = fmt.Sprint("id-", n/2)
		}
		ids := func(n uint32) string { return table[n] }
		x := index.Of(size, ids)
		for n := range table {
			if got, found := x.Find(table[n], ids); !found || int(got) != size-1-slices.Index(reversed(table), table[n]) {
				t.Errorf("of %d rows: %s is row %d (%t)", size, table[n], got, found)
			}
		}
		if _, found := x.Find("nobody", ids); found {
			t.Errorf("of %d rows: found nobody", size)
		}
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}
