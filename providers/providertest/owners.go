package providertest

import (
	"slices"
	"strings"
	"testing"

	"groupsyncd/directory"

	"github.com/google/go-cmp/cmp"
)

// managed is a company whose groups have owners: people, and other groups.
func (h Harness) managed() World {
	w := h.fit(company())
	w.Groups[0].Owners = []string{uid(5), gid(2)}
	w.Groups[1].Owners = []string{uid(1)}
	if h.NoNesting {
		w.Groups[0].Owners = []string{uid(5)}
	}
	if h.OwnersAreMembers {
		w.Groups[0].Owners = []string{uid(2), uid(4)}
	}
	return w
}

// testOwners: owners are groups of their own, which follow those who own, and of which a
// look-up says nothing.
func (h Harness) testOwners(t *testing.T) {
	w := h.managed()
	s, change := h.live(t, w)
	h.checkOwners(t, h.checkPull(t, s, w), w)
	if !h.NoLookUp {
		one, err := h.lookUp(t, s).LookUp(t.Context(), directory.Person{ID: uid(1)})
		if err != nil {
			t.Fatalf("LookUp: %v", err)
		}
		for i := range one.Groups {
			if one.Groups[i].OwnersOf != "" {
				t.Errorf("a look-up shows %+v", one.Groups[i])
			}
		}
	}
	w = h.managed()
	w.Groups[0].Owners = []string{uid(3)}
	w.Groups[1].Owners = nil
	s = change(w)
	h.checkOwners(t, h.checkPull(t, s, w), w)
}

// checkOwners compares the owners that a snapshot shows with those of a world. A group
// without owners may have no group of them.
func (h Harness) checkOwners(t *testing.T, s *directory.Snapshot, w World) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for i := range w.Groups {
		var people []string
		for _, id := range w.Groups[i].Owners {
			if g := slices.IndexFunc(w.Groups, func(g Group) bool { return g.ID == id }); g >= 0 {
				people = append(people, w.closure()[g]...)
			} else {
				people = append(people, id)
			}
		}
		if len(people) > 0 {
			slices.Sort(people)
			want[w.Groups[i].ID] = strings.Join(slices.Compact(people), " ")
		}
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		if g.OwnersOf == "" {
			continue
		}
		if g.ID != g.OwnersOf+":owners" || g.Unlisted || !g.MembersKnown {
			t.Errorf("owners of %s: %+v", g.OwnersOf, g)
		}
		var people []string
		for _, m := range g.Members {
			people = append(people, s.Users[m].ID)
		}
		if slices.Sort(people); len(people) > 0 {
			got[g.OwnersOf] = strings.Join(people, " ")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("owners by group (-want +got):\n%s", diff)
	}
}
