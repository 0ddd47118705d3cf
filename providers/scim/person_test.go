package scim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
	"groupsyncd/providers/scim"
	"groupsyncd/providers/scim/scimtest"
)

func lookUp(t *testing.T, s providers.Source, who directory.Person) *directory.Snapshot {
	t.Helper()
	l, ok := s.(providers.LookUp)
	if !ok {
		t.Fatal("no look-ups")
	}
	got, err := l.LookUp(t.Context(), who)
	if err != nil {
		t.Fatalf("LookUp(%+v): %v", who, err)
	}
	return got
}

func names(s *directory.Snapshot) []string {
	var list []string
	for i := range s.Groups {
		list = append(list, s.Groups[i].Name)
	}
	slices.Sort(list)
	return list
}

// TestSignInsAreCheapWhereTheServerAllowsIt: how many requests a look-up takes after a read, by
// what the server offers; and the answer is the same for all of them.
func TestSignInsAreCheapWhereTheServerAllowsIt(t *testing.T) {
	t.Parallel()
	userGroups := scimtest.OpenWebUI()
	for _, c := range []struct {
		name    string
		profile scimtest.Profile
		most    int
	}{
		{"a filter of members", scimtest.Standard(), 4},
		{"people show their groups", userGroups, 4},
		{"neither, all groups are read", scimtest.Keycloak(), 8},
		{"by filters of users alone", scimtest.AWS(), 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := crowd(60)
			s := scimtest.New(t, w, c.profile)
			source := open(t, s)
			read(t, source, w, 0)
			lookUp(t, source, directory.Person{Username: "user0003"}) // What has to be tried once.
			for _, who := range []directory.Person{{ID: "u12"}, {Email: "USER0012@example.org"}, {Username: "user0012"}} {
				got := lookUp(t, source, who)
				if !slices.Equal(names(got), []string{"five"}) || !got.Users[0].GroupsKnown || got.Requests > c.most {
					t.Errorf("%+v: %v in %d requests", who, names(got), got.Requests)
				}
			}
			if got := lookUp(t, source, directory.Person{ID: "u40"}); len(got.Groups) > 0 || !got.Users[0].GroupsKnown {
				t.Errorf("somebody in no group is in %v", names(got))
			}
			if got := lookUp(t, source, directory.Person{Email: "stranger@example.org"}); got.Coverage() != directory.None {
				t.Errorf("a stranger is %+v", got.Users)
			}
		})
	}
}

// TestAFilterThatFindsNothingIsNotBelieved: one that stops working for groups in groups, or that
// finds everything, is found out before it takes anybody's groups.
func TestAFilterThatFindsNothingIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := crowd(30)
	w.Groups = append(w.Groups, providertest.Group{ID: "g9", Name: "above", Groups: []string{"g0"}})
	for name, do := range map[string]func(*http.Request) bool{
		"of a group": func(r *http.Request) bool {
			return strings.Contains(r.URL.Query().Get("filter"), `members.value eq "g0"`)
		},
		"of anything": func(r *http.Request) bool { return strings.Contains(r.URL.Query().Get("filter"), "members") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scimtest.New(t, w, scimtest.Standard())
			s.Break(apitest.Breakage{Match: do, Do: apitest.Text("application/scim+json", `{"totalResults":0,"Resources":[]}`)})
			source := open(t, s)
			read(t, source, w, 0)
			if got := lookUp(t, source, directory.Person{ID: "u1"}); !slices.Equal(names(got), []string{"above", "ten"}) {
				t.Errorf("groups %v", names(got))
			}
		})
	}
}

// TestTooManyGroupsToReadForOne: nothing is claimed where it would take a request for each of
// very many groups.
func TestTooManyGroupsToReadForOne(t *testing.T) {
	t.Parallel()
	p := scimtest.Keycloak()
	p.Members = scimtest.Alone
	w := crowd(20)
	for i := range 300 {
		w.Groups = append(w.Groups, providertest.Group{ID: fmt.Sprintf("h%d", i), Name: fmt.Sprintf("h%d", i), Members: []string{"u1"}})
	}
	s := scimtest.New(t, w, p)
	source := open(t, s)
	read(t, source, w, 0)
	before := len(s.Requests())
	if got := lookUp(t, source, directory.Person{ID: "u1"}); got.Coverage() != directory.None || got.Reason == "" {
		t.Errorf("coverage %s", got.Coverage())
	}
	if n := len(s.Requests()) - before; n > 20 {
		t.Errorf("%d requests for one person", n)
	}
}

// TestIDsWithOddCharactersStayOnePart of an address.
func TestIDsWithOddCharactersStayOnePart(t *testing.T) {
	t.Parallel()
	w := crowd(2)
	for _, id := range []string{"a/b", "a b", "a?b=c", "a%2Fb", "ä#ö", "../Users", `a"b\c`, "a+b&c"} {
		w.Users = append(w.Users, providertest.User{ID: id, Username: "odd " + id, Email: fmt.Sprintf("odd%d@example.org", len(w.Users)), Name: "odd"})
		w.Groups = append(w.Groups, providertest.Group{ID: "g" + id, Name: "of " + id, Members: []string{id}})
	}
	p := scimtest.Standard()
	p.Members = scimtest.Alone
	s := scimtest.New(t, w, p)
	source := open(t, s)
	read(t, source, w, 0)
	for _, u := range w.Users[2:] {
		for _, who := range []directory.Person{{ID: u.ID}, {Email: u.Email}, {Username: u.Username}} {
			if got := lookUp(t, source, who); !slices.Equal(names(got), []string{"of " + u.ID}) {
				t.Errorf("%+v: %v", who, names(got))
			}
		}
	}
	for _, id := range []string{".", "..", "../Groups/g0"} {
		if got := lookUp(t, source, directory.Person{ID: id}); got.Coverage() != directory.None {
			t.Errorf("%q is %+v", id, got.Users)
		}
	}
}

// TestMembersAreToldApart: by type, by $ref, or by which of the two has that id; what is left
// in doubt is not covered.
func TestMembersAreToldApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, members string
		want          []string // usernames
		known         bool
	}{
		{"by type", `[{"value":"u1","type":"User"},{"value":"g1","type":"Group"}]`, []string{"user0001", "user0002"}, true},
		{"by type in another case", `[{"value":"g1","type":"GROUP"}]`, []string{"user0002"}, true},
		{"by $ref", `[{"value":"u1","$ref":"https://elsewhere.example/v2/Users/u1"},{"value":"g1","$ref":"../Groups/g1"}]`, []string{"user0001", "user0002"}, true},
		{"by $ref alone", `[{"$ref":"/v2/Users/u1"}]`, []string{"user0001"}, true},
		{"by what there is", `[{"value":"u1"},{"value":"g1"}]`, []string{"user0001", "user0002"}, true},
		{"as bare ids", `["u1","g1"]`, []string{"user0001", "user0002"}, true},
		{"of an unknown type", `[{"value":"u1","type":"User"},{"value":"d7","type":"Device"}]`, []string{"user0001"}, true},
		{"an id that is both", `[{"value":"both"}]`, nil, false},
		{"an id that is both, with a type", `[{"value":"both","type":"User"}]`, []string{"both"}, true},
		{"without an id", `[{"value":"u1"},{"display":"somebody"}]`, []string{"user0001"}, false},
		{"a user by the id of a group", `[{"value":"g1","type":"User"}]`, nil, true},
		{"numbers", `[{"value":42}]`, []string{"fortytwo"}, true},
		{"no list", `{"value":"u1"}`, nil, false},
		{"null", `null`, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list := func(items ...string) apitest.Do {
				return apitest.Text("application/json", fmt.Sprintf(`{"totalResults":%d,"Resources":[%s]}`, len(items), strings.Join(items, ",")))
			}
			s := scimtest.New(t, providertest.World{}, scimtest.Standard())
			at := func(start string, end string) func(*http.Request) bool {
				return func(r *http.Request) bool {
					return strings.HasSuffix(r.URL.Path, end) && r.URL.Query().Get("startIndex") == start
				}
			}
			users := []string{`{"id":"u1","userName":"user0001","active":true}`, `{"id":"u2","userName":"user0002","active":"True"}`, `{"ID":"both","USERNAME":"both"}`, `{"id":42,"userName":"fortytwo"}`}
			groups := []string{`{"id":"g0","displayName":"it","members":` + c.members + `}`, `{"id":"g1","displayName":"nested","members":[{"value":"u2"}]}`, `{"id":"both","displayName":"both","members":[]}`}
			s.Break(apitest.Breakage{Match: at("1", "/Users"), Do: list(users...)})
			s.Break(apitest.Breakage{Match: at("4", "/Users"), Do: list(users...)})
			s.Break(apitest.Breakage{Match: at("1", "/Groups"), Do: list(groups...)})
			s.Break(apitest.Breakage{Match: at("3", "/Groups"), Do: list(groups...)})
			got, err := open(t, s, func(c *scim.Config) { c.Members = scim.FromList }).Pull(t.Context(), nil)
			if (err == nil) != c.known || err != nil && fault.KindOf(err) != fault.Incomplete {
				t.Errorf("error %v", err)
			}
			i := slices.IndexFunc(got.Groups, func(g directory.Group) bool { return g.ID == "g0" })
			if i < 0 {
				t.Fatalf("no group: %v", err)
			}
			var is []string
			for _, u := range got.Groups[i].Members {
				is = append(is, got.Users[u].Username)
			}
			slices.Sort(is)
			if !slices.Equal(is, c.want) || got.Groups[i].MembersKnown != c.known {
				t.Errorf("members %v, known %v", is, got.Groups[i].MembersKnown)
			}
		})
	}
}
