package providertest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/directory"
)

// named gives a person by the shortest name that the source knows people by.
func (h Harness) named(u User) directory.Person {
	if h.Single {
		return directory.Person{ID: u.ID}
	}
	return directory.Person{Username: u.Username}
}

// checkEverybody checks that a pull of single people shows everybody of w with exactly
// their groups, each as a look-up would, and nobody else.
func (h Harness) checkEverybody(t testing.TB, s *directory.Snapshot, w World) {
	t.Helper()
	var want, got []string
	in := map[string][]string{}
	for i, members := range w.closure() {
		for _, id := range members {
			in[id] = append(in[id], w.Groups[i].ID+" "+w.Groups[i].Name)
		}
	}
	for _, u := range w.Users {
		want = append(want, personLine(userLine(u.ID, u.Email, u.Username, u.Name, u.Disabled, u.Attributes), in[u.ID]))
	}
	seen := make([][]string, len(s.Users))
	for i := range s.Groups {
		g := &s.Groups[i]
		for _, n := range g.Members {
			seen[n] = append(seen[n], g.ID+" "+g.Name)
		}
		if g.MembersKnown {
			t.Errorf("group %s: its members are claimed to be all", g.ID)
		}
	}
	for i := range s.Users {
		u := &s.Users[i]
		if !u.GroupsKnown || u.AsOf.After(s.AsOf) {
			t.Errorf("user %s: want the groups known, as of no later than the read", u.ID)
		}
		got = append(got, personLine(userLine(u.ID, u.Email, u.Username, u.Name, u.Disabled && u.StatusKnown, u.Attributes), seen[i]))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the people differ from the world (-want +got):\n%s", diff)
	}
}

func personLine(user string, groups []string) string {
	slices.Sort(groups)
	for _, g := range slices.Compact(groups) {
		user += "; in " + g
	}
	return user
}
