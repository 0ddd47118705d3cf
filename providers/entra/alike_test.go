package entra_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/providers/entra"
	"groupsyncd/providers/entra/entratest"
)

// TestALookUpShowsWhatAReadShows of everybody, with all that is configured: else the one would
// take what the other gives.
func TestALookUpShowsWhatAReadShows(t *testing.T) {
	t.Parallel()
	for _, nested := range []bool{true, false} {
		for _, include := range [][]string{{entra.Groups}, {entra.AppRoles}, {entra.Groups, entra.AppRoles}} {
			t.Run(fmt.Sprint(nested, include), func(t *testing.T) {
				t.Parallel()
				s := entratest.New(t, office())
				s.SetApplication(assigned(entratest.Assignment{Role: rid(20), Type: "Group", Principal: gid(1)}, entratest.Assignment{Role: rid(20), Type: "User", Principal: uid(4)},
					entratest.Assignment{Role: entratest.NoRole, Type: "User", Principal: uid(3)}))
				source := open(t, s, func(c *entra.Config) {
					c.AssignedTo, c.Include, c.Nested, c.Guests = "Open WebUI's", include, nested, true
				})
				all, err := source.Pull(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				l, _ := source.(providers.LookUp)
				for n := range all.Users {
					u := all.Users[n]
					one, err := l.LookUp(t.Context(), directory.Person{ID: u.ID})
					if err != nil || len(one.Users) != 1 || !one.Users[0].GroupsKnown {
						t.Fatalf("%s: %v, %+v", u.Username, err, one)
					}
					var want []string
					for i := range all.Groups {
						if g := &all.Groups[i]; g.Counts() && slices.Contains(g.Members, uint32(n)) {
							want = append(want, g.Name)
						}
					}
					slices.Sort(want)
					if got := names(one); !slices.Equal(got, want) {
						t.Errorf("%s: a look-up shows %v, a read %v", u.Username, got, want)
					}
					if one.Users[0].GroupsKnown = false; !reflect.DeepEqual(one.Users[0], u) {
						t.Errorf("a look-up shows %+v, a read %+v", one.Users[0], u)
					}
				}
			})
		}
	}
}
