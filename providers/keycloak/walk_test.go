package keycloak

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type named struct{ id, name string }

func (n named) place() (id, key string) { return n.id, n.name }

// TestWalkNeverMissesWhatLasts: rows that are in the list from the first page to the last,
// under the same name, are in what a walk gives, whatever is put in, taken out and renamed
// between two pages. Or it says that the list moves too fast.
func TestWalkNeverMissesWhatLasts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var list []named
		lasting := map[string]bool{}
		total := rapid.IntRange(0, 60).Draw(t, "rows")
		for i := range total {
			n := named{fmt.Sprintf("id%d", i), fmt.Sprintf("%c%d", 'a'+rapid.IntRange(0, 25).Draw(t, "letter"), i)}
			lasting[n.id] = rapid.Bool().Draw(t, "lasts")
			list = append(list, n)
		}
		next := total
		size := rapid.IntRange(2, 12).Draw(t, "size")
		change := func() {
			for range rapid.IntRange(0, 6).Draw(t, "changes") {
				others := slices.DeleteFunc(slices.Clone(list), func(n named) bool { return lasting[n.id] })
				fresh := fmt.Sprintf("%c%d", 'a'+rapid.IntRange(0, 25).Draw(t, "letter"), next)
				switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
				case kind == 0:
					list = append(list, named{fmt.Sprintf("id%d", next), fresh})
				case len(others) == 0:
				case kind == 1: // Renamed: it may be seen twice, or never.
					n := others[rapid.IntRange(0, len(others)-1).Draw(t, "who")]
					list[slices.Index(list, n)].name = fresh
				default:
					n := others[rapid.IntRange(0, len(others)-1).Draw(t, "who")]
					list = slices.Delete(list, slices.Index(list, n), slices.Index(list, n)+1)
				}
				next++
			}
		}
		got, _, err := walk(size, func(first, most int) ([]named, error) {
			change()
			slices.SortFunc(list, func(a, b named) int { return strings.Compare(a.name, b.name) })
			page := list[min(first, len(list)):]
			return slices.Clone(page[:min(most, len(page))]), nil
		})
		if err != nil {
			if !errors.Is(err, errMoving) {
				t.Fatal(err)
			}
			return
		}
		for id, lasts := range lasting {
			if lasts && !slices.ContainsFunc(got, func(n named) bool { return n.id == id }) {
				t.Fatalf("%s is lost", id)
			}
		}
	})
}

// TestWalkEndsWithEveryServer: one that gives the same page for ever, more than was asked
// for, rows without an id, or rows that move without end, gives an error and no list.
func TestWalkEndsWithEveryServer(t *testing.T) {
	t.Parallel()
	page := func(n int, name string) []named {
		var list []named
		for i := range n {
			list = append(list, named{fmt.Sprintf("%s%d", name, i), fmt.Sprintf("%s%d", name, i)})
		}
		return list
	}
	calls := 0
	for what, fetch := range map[string]func(first, most int) ([]named, error){
		"same page":   func(_, most int) ([]named, error) { return page(most, "x"), nil },
		"too many":    func(_, most int) ([]named, error) { return page(most+1, "x"), nil },
		"no id":       func(int, int) ([]named, error) { return []named{{}}, nil },
		"never still": func(_, most int) ([]named, error) { calls++; return page(most, fmt.Sprintf("x%d-", calls)), nil },
		"refused":     func(int, int) ([]named, error) { return nil, errors.New("no") },
	} {
		if what == "never still" {
			first := fetch
			fetch = func(at, most int) ([]named, error) {
				if at == 0 {
					return page(most, "x"), nil
				}
				return first(at, most)
			}
		}
		if _, _, err := walk(10, fetch); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// TestRowsDroppedFromAPageAreNotItsEnd: with user federation a page may be short in the middle
// of a list.
func TestRowsDroppedFromAPageAreNotItsEnd(t *testing.T) {
	t.Parallel()
	var all []named
	for i := range 57 {
		all = append(all, named{fmt.Sprintf("id%02d", i), fmt.Sprintf("n%02d", i)})
	}
	got, _, err := walk(20, func(first, most int) ([]named, error) {
		part := all[min(first, len(all)):]
		part = slices.Clone(part[:min(most, len(part))])
		return slices.DeleteFunc(part, func(n named) bool { return strings.HasSuffix(n.name, "7") || strings.HasSuffix(n.name, "9") }), nil
	})
	if err != nil || len(got) != 47 {
		t.Errorf("%d rows, %v", len(got), err)
	}
}
