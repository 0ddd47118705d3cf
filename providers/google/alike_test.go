package google_test

import (
	"testing"

	"groupsyncd/directory"
	"groupsyncd/providers/google"
	"groupsyncd/providers/google/googletest"
	"groupsyncd/providers/providertest"
)

// TestALookUpShowsWhatAReadShows of everybody, whatever is selected: else the one would take
// what the other gives.
func TestALookUpShowsWhatAReadShows(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*google.Config){
		"all": func(*google.Config) {}, "not nested": func(c *google.Config) { c.Nested = false }, "owners": func(c *google.Config) { c.Owners = true },
		"some groups": func(c *google.Config) { c.Groups = "name='outer'" }, "one domain": func(c *google.Config) { c.Domain = "example.org" },
		"some groups, not nested": func(c *google.Config) { c.Groups, c.Nested = "name='outer'", false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world()
			w.Users[1].Disabled = true
			w.Groups = append(w.Groups,
				providertest.Group{ID: "g3", Name: "ring", Members: []string{"u3"}, Groups: []string{"g4"}},
				providertest.Group{ID: "g4", Name: "other half", Groups: []string{"g3", "g2"}})
			source := open(t, googletest.New(t, w), change)
			all := pull(t, source)
			for _, u := range all.Users {
				one, err := lookUp(t, source, directory.Person{ID: u.ID})
				if err != nil || len(one.Users) != 1 || !one.Users[0].GroupsKnown {
					t.Fatalf("%s: %v, %+v", u.ID, err, one)
				}
				if got := one.Users[0]; got.Email != u.Email || got.Username != u.Username || got.Name != u.Name || got.Disabled != u.Disabled || got.StatusKnown != u.StatusKnown {
					t.Errorf("a look-up shows %+v, a read %+v", got, u)
				}
				equal(t, u.ID, in(one, u.ID), in(all, u.ID))
			}
		})
	}
}
