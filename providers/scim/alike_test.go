package scim_test

import (
	"slices"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/scim"
	"groupsyncd/providers/scim/scimtest"
)

// within gives the names of the groups that a read shows somebody in.
func within(s *directory.Snapshot, id string) []string {
	var list []string
	for i := range s.Groups {
		if slices.ContainsFunc(s.Groups[i].Members, func(u uint32) bool { return s.Users[u].ID == id }) {
			list = append(list, s.Groups[i].Name)
		}
	}
	slices.Sort(list)
	return list
}

// TestALookUpShowsWhatAReadShows of everybody, in whichever way a server shows members: else the
// one would take what the other gives.
func TestALookUpShowsWhatAReadShows(t *testing.T) {
	t.Parallel()
	byUser := scimtest.Standard()
	byUser.Members = scimtest.Never
	alone := scimtest.Standard()
	alone.Members = scimtest.Alone
	shown := scimtest.Standard()
	shown.UserGroups, shown.Indirect, shown.Filters = true, true, []string{"Users userName"}
	for name, profile := range map[string]scimtest.Profile{
		"in the list": scimtest.Standard(), "groups of each user": byUser, "in each group": alone, "people show their groups": shown, "no filters of members": scimtest.Keycloak(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := crowd(20)
			w.Users[3].Disabled, w.Users[4].Email = true, ""
			w.Groups = append(w.Groups,
				providertest.Group{ID: "g3", Name: "all", Members: []string{"u19"}, Groups: []string{"g0", "g4"}},
				providertest.Group{ID: "g4", Name: "ring", Groups: []string{"g5", "g1"}},
				providertest.Group{ID: "g5", Name: "other half", Members: []string{"u18"}, Groups: []string{"g4"}})
			source := open(t, scimtest.New(t, w, profile))
			all := read(t, source, w, 0)
			for i := range all.Users {
				u := all.Users[i]
				got := lookUp(t, source, directory.Person{ID: u.ID})
				if len(got.Users) != 1 || !got.Users[0].GroupsKnown {
					t.Fatalf("%s: %+v", u.ID, got)
				}
				if one := got.Users[0]; one.Email != u.Email || one.Username != u.Username || one.Name != u.Name || one.Disabled != u.Disabled || one.StatusKnown != u.StatusKnown {
					t.Errorf("a look-up shows %+v, the list %+v", one, u)
				}
				if now, before := within(got, u.ID), within(all, u.ID); !slices.Equal(now, before) {
					t.Errorf("%s: a look-up shows %v, the list %v", u.ID, now, before)
				}
			}
		})
	}
}

// TestAUserIsNotTakenForTheGroupOfTheSameID: numbers may name a user and a group. Nobody gets
// into what the group of their number is in, neither by a read nor by a look-up.
func TestAUserIsNotTakenForTheGroupOfTheSameID(t *testing.T) {
	t.Parallel()
	w := providertest.World{
		Users: []providertest.User{{ID: "1", Username: "one", Email: "one@example.org", Name: "one"}, {ID: "2", Username: "two", Email: "two@example.org", Name: "two"}},
		Groups: []providertest.Group{
			{ID: "1", Name: "inner", Members: []string{"2"}},
			{ID: "9", Name: "outer", Groups: []string{"1"}},
		},
	}
	byUser := scimtest.Standard()
	byUser.Members = scimtest.Never
	untyped := scimtest.Standard()
	untyped.NoTypes = true
	for name, profile := range map[string]scimtest.Profile{"by filter": scimtest.Standard(), "in the list": scimtest.Keycloak(), "groups of each user": byUser, "without types": untyped} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := open(t, scimtest.New(t, w, profile), func(c *scim.Config) { c.Nested = true })
			for range 2 {
				all, _ := source.Pull(t.Context(), nil)
				if in := within(all, "1"); len(in) > 0 {
					t.Errorf("a read shows the user 1 in %v", in)
				}
				for _, who := range []directory.Person{{ID: "1"}, {Username: "one"}} {
					if got := lookUp(t, source, who); len(got.Groups) > 0 {
						t.Errorf("a look-up shows the user 1 in %v", names(got))
					}
				}
			}
		})
	}
}
