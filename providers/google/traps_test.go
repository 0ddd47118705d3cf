package google_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/google"
	"groupsyncd/providers/google/googletest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// world has three people in two groups, the second of which contains the first.
func world() providertest.World {
	return providertest.World{
		Users: []providertest.User{
			{ID: "u1", Email: "ann@example.org", Name: "Ann One"}, {ID: "u2", Email: "bob@example.org", Name: "Bob Two"}, {ID: "u3", Email: "cy@other.example", Name: "Cy Three"},
		},
		Groups: []providertest.Group{{ID: "g1", Name: "inner", Members: []string{"u1"}}, {ID: "g2", Name: "outer", Members: []string{"u2"}, Groups: []string{"g1"}}},
	}
}

func pull(t *testing.T, s providers.Source) *directory.Snapshot {
	t.Helper()
	snapshot, err := s.Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func lookUp(t *testing.T, s providers.Source, who directory.Person) (*directory.Snapshot, error) {
	t.Helper()
	l, ok := s.(providers.LookUp)
	if !ok {
		t.Fatal("the source looks nobody up")
	}
	return l.LookUp(t.Context(), who)
}

// in gives the listed groups that a snapshot shows somebody in, by id.
func in(s *directory.Snapshot, user string) []string {
	at := uint32(slices.IndexFunc(s.Users, func(u directory.User) bool { return u.ID == user }))
	var ids []string
	for i := range s.Groups {
		if g := &s.Groups[i]; g.Counts() && slices.Contains(g.Members, at) {
			ids = append(ids, g.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func groupOf(t *testing.T, s *directory.Snapshot, id string) *directory.Group {
	t.Helper()
	i := slices.IndexFunc(s.Groups, func(g directory.Group) bool { return g.ID == id })
	if i < 0 {
		t.Fatalf("there is no group %s in %+v", id, s.Groups)
	}
	return &s.Groups[i]
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func membersOf(id string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Path == "/admin/directory/v1/groups/"+id+"/members" }
}

func TestAGroupOfEverybodyHasEverybody(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	s.Everybody("g1")
	source := open(t, s)
	before, err := lookUp(t, source, directory.Person{ID: "u3"}) // No read has shown the group yet.
	if err != nil || !before.Users[0].GroupsKnown {
		t.Fatal(before, err)
	}
	equal(t, "before a read", in(before, "u3"), []string{"g1", "g2"})
	all := pull(t, source)
	for _, id := range []string{"u1", "u2", "u3"} {
		equal(t, id, in(all, id), []string{"g1", "g2"})
	}
	s.NotEverybody()
	after, err := lookUp(t, source, directory.Person{ID: "u3"})
	if err != nil || !after.Users[0].GroupsKnown {
		t.Fatal(after, err)
	}
	equal(t, "when it is over", in(after, "u3"), nil)
}

func TestWhetherEverybodyIsInAGroupThatCannotBeReadIsNotKnown(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	s.Everybody("g1")
	source := open(t, s)
	deny := apitest.Breakage{Match: membersOf("g1"), Do: apitest.Status(403, says(403))}
	s.Break(deny)
	one, err := lookUp(t, source, directory.Person{ID: "u3"})
	if err != nil || one.Users[0].GroupsKnown || one.Reason == "" {
		t.Errorf("before a read: %+v, %v", one, err)
	}
	s.Mend()
	pull(t, source)
	s.Break(deny)
	if one, err = lookUp(t, source, directory.Person{ID: "u3"}); err != nil || one.Users[0].GroupsKnown {
		t.Errorf("after a read: %+v, %v", one, err)
	}
	if all, err := source.Pull(t.Context(), nil); err == nil || groupOf(t, all, "g1").MembersKnown || groupOf(t, all, "g2").MembersKnown {
		t.Errorf("a group that may not be read, and one around it, are covered: %v", err)
	}
}

func TestGroupsOfOtherCustomersAreNobodys(t *testing.T) {
	t.Parallel()
	w := world()
	w.Groups[1].Groups = append(w.Groups[1].Groups, "x1")
	s := googletest.New(t, w)
	s.Foreign(providertest.Group{ID: "x1", Name: "ai-admins", Members: []string{"u1", "u3"}})
	source := open(t, s)
	for range 2 {
		one, err := lookUp(t, source, directory.Person{ID: "u1"})
		if err != nil || !one.Users[0].GroupsKnown {
			t.Fatal(one, err)
		}
		equal(t, "looked up", in(one, "u1"), []string{"g1", "g2"})
		if g := groupOf(t, pull(t, source), "g2"); !g.MembersKnown || !slices.Equal(g.Unresolved, []string{"x1"}) {
			t.Errorf("around a group of others: %+v", g)
		}
	}
}

func TestExternalMembersAreReferencesToNobody(t *testing.T) {
	t.Parallel()
	w := world()
	w.Groups[0].Members = append(w.Groups[0].Members, "stranger")
	g := groupOf(t, pull(t, open(t, googletest.New(t, w))), "g1")
	if !g.MembersKnown || !slices.Equal(g.Unresolved, []string{"stranger"}) || len(g.Members) != 1 {
		t.Errorf("%+v", g)
	}
}

func TestALookUpFindsPrimaryAddressesOnly(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	s.Alias("u1", "old@example.org")
	source := open(t, s)
	for _, who := range []directory.Person{{Email: "old@example.org"}, {ID: "ann@example.org"}, {Email: "bob@gmail.example"}, {ID: "u1/../u2"}, {ID: ".."}, {Username: "ann"}} {
		if got, err := lookUp(t, source, who); err != nil || len(got.Users) > 0 || got.Reason == "" {
			t.Errorf("%+v finds %+v, %v", who, got, err)
		}
	}
	if got, err := lookUp(t, source, directory.Person{Email: "ANN@example.org"}); err != nil || len(got.Users) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAnEmptyPageIsNotTheLast(t *testing.T) {
	t.Parallel()
	w := world()
	s := googletest.New(t, w)
	source := open(t, s, func(c *google.Config) { c.PageSize = 1 })
	s.Break(apitest.Breakage{Match: func(r *http.Request) bool { return membersOf("g2")(r) && r.URL.Query().Get("pageToken") == "" }, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		token := url.QueryEscape("ignored")
		apitest.Text("application/json", `{"kind": "admin#directory#members", "nextPageToken": "`+token+`"}`)(w, r, next)
	}})
	s.Break(apitest.Breakage{Match: func(r *http.Request) bool { return r.URL.Query().Get("pageToken") == "ignored" }, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		q := r.URL.Query()
		q.Del("pageToken")
		q.Set("maxResults", "200")
		r.URL.RawQuery = q.Encode()
		next.ServeHTTP(w, r)
	}})
	equal(t, "behind an empty page", in(pull(t, source), "u2"), []string{"g2"})
}

func TestAnObjectWithoutKindIsNoEmptyGroup(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	s.Break(apitest.Breakage{Match: membersOf("g1"), Do: apitest.Text("application/json", `{}`)})
	all, err := open(t, s).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Incomplete || groupOf(t, all, "g1").MembersKnown {
		t.Errorf("%v, %+v", err, all.Groups)
	}
}

func TestAGroupDeletedWhileWeReadIsGone(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	s.Break(apitest.Breakage{Match: membersOf("g1"), Times: 1, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		after := world()
		after.Groups = []providertest.Group{{ID: "g2", Name: "outer", Members: []string{"u2"}}}
		s.SetWorld(after)
		next.ServeHTTP(w, r)
	}})
	all := pull(t, open(t, s))
	if len(all.Groups) != 1 || !all.Groups[0].MembersKnown {
		t.Errorf("%+v", all.Groups)
	}
}

func TestAGroupThatIsThereButNotFoundIsNotEmpty(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	s.Break(apitest.Breakage{Match: membersOf("g1"), Do: apitest.Status(404, says(404))})
	all, err := open(t, s).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.NotFound || groupOf(t, all, "g1").MembersKnown || !all.GroupsListed {
		t.Errorf("%v, %+v", err, all.Groups)
	}
}

func TestDeletedPeopleAreSaidToBeDeleted(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	source := open(t, s)
	after := world()
	after.Users = after.Users[1:]
	s.SetWorld(after)
	equal(t, "deleted", pull(t, source).DeletedUsers, []string{"u1"})
	s.SetWorld(world())
	equal(t, "restored", pull(t, source).DeletedUsers, []string{})
	s.Break(apitest.Breakage{Match: func(r *http.Request) bool { return r.URL.Query().Get("showDeleted") != "" }, Do: apitest.Status(403, says(403))})
	equal(t, "not to be seen", pull(t, source).DeletedUsers, []string{})
}

// TestSomebodyWhomAWalkPassesByStaysAMember: the second page lacks a row once, as when
// somebody before it was taken out between the pages.
func TestSomebodyWhomAWalkPassesByStaysAMember(t *testing.T) {
	t.Parallel()
	w := world()
	w.Groups[0].Members = []string{"u1", "u2", "u3"}
	s := googletest.New(t, w)
	source := open(t, s, func(c *google.Config) { c.PageSize = 1 })
	skip := apitest.Breakage{Times: 1, Match: func(r *http.Request) bool { return membersOf("g1")(r) && r.URL.Query().Get("pageToken") != "" }, Do: apitest.Text("application/json", `{"kind": "admin#directory#members"}`)}
	for _, read := range []string{"the first read", "a later read"} {
		s.Break(skip)
		if g := groupOf(t, pull(t, source), "g1"); len(g.Members) != 3 {
			t.Errorf("%s: %d of 3 members", read, len(g.Members))
		}
	}
	before := len(s.Requests())
	pull(t, source)
	// The deleted people, two pages of people and two of groups, three and two of members.
	if n := len(s.Requests()) - before; n != 1+2+2+3+2 {
		t.Errorf("%d requests where nothing has changed", n)
	}
}

func TestANestedGroupOutsideTheQueryCountsAndIsNotSelected(t *testing.T) {
	t.Parallel()
	source := open(t, googletest.New(t, world()), func(c *google.Config) { c.Groups = "name='outer'" })
	all := pull(t, source)
	equal(t, "through a group that is not selected", in(all, "u1"), []string{"g2"})
	if !groupOf(t, all, "g1").Unlisted {
		t.Error("it is listed")
	}
	one, err := lookUp(t, source, directory.Person{ID: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "looked up", in(one, "u1"), []string{"g2"})
}

func TestADomainIsAllThatIsRead(t *testing.T) {
	t.Parallel()
	source := open(t, googletest.New(t, world()), func(c *google.Config) { c.Domain = "example.org" })
	if all := pull(t, source); len(all.Users) != 2 || len(all.Groups) != 2 {
		t.Errorf("%d people and %d groups", len(all.Users), len(all.Groups))
	}
	if got, err := lookUp(t, source, directory.Person{ID: "u3"}); err != nil || len(got.Users) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestAGroupAroundThatASearchDoesNotFindIsAsked: what a search does not find proves nothing.
func TestAGroupAroundThatASearchDoesNotFindIsAsked(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	source := open(t, s)
	pull(t, source)
	s.Break(apitest.Breakage{Match: func(r *http.Request) bool { return r.URL.Query().Get("userKey") == googletest.GroupMail("g1") }, Do: apitest.Text("application/json", `{"kind": "admin#directory#groups"}`)})
	one, err := lookUp(t, source, directory.Person{ID: "u1"})
	if err != nil || !one.Users[0].GroupsKnown {
		t.Fatal(one, err)
	}
	equal(t, "looked up", in(one, "u1"), []string{"g1", "g2"})
	after := world()
	after.Groups[1].Groups = nil
	s.SetWorld(after)
	if one, err = lookUp(t, source, directory.Person{ID: "u1"}); err != nil {
		t.Fatal(err)
	}
	equal(t, "taken out", in(one, "u1"), []string{"g1"})
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	s.Custom("u1", "Work", "level", 7)
	s.Custom("u1", "Work", "places", []map[string]any{{"value": "Oslo", "type": "work"}, {"value": "Rome"}})
	s.Custom("u1", "Work", "lead", true)
	all := pull(t, open(t, s, func(c *google.Config) {
		c.Attributes = map[string]string{"level": "customSchemas.Work.level", "places": "customSchemas.Work.places", "lead": "customSchemas.Work.lead", "unit": "orgUnitPath"}
	}))
	got := all.Users[slices.IndexFunc(all.Users, func(u directory.User) bool { return u.ID == "u1" })].Attributes
	equal(t, "number", got["level"], []string{"7"})
	equal(t, "list", got["places"], []string{"Oslo", "Rome"})
	equal(t, "yes", got["lead"], []string{"true"})
	equal(t, "unit", got["unit"], []string{"/"})
}

func TestAnAttributeOfUnknownFormIsNotAnAbsentOne(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	s.Custom("u1", "Work", "level", map[string]any{"deep": 1})
	all, err := open(t, s, func(c *google.Config) { c.Attributes = map[string]string{"level": "customSchemas.Work.level"} }).Pull(t.Context(), nil)
	if err == nil || all.UsersListed {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestAStatusThatIsNotShownIsNotKnown(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	s.Break(apitest.Breakage{Match: isPath("/users"), Do: apitest.Text("application/json", `{"kind": "admin#directory#users", "users": [{"id": "u1", "primaryEmail": "ann@example.org"}, {"id": "u2", "primaryEmail": "bob@example.org", "suspended": false, "archived": true}]}`)})
	u := pull(t, open(t, s)).Users
	if u[0].StatusKnown || !u[1].StatusKnown || !u[1].Disabled {
		t.Errorf("%+v", u)
	}
}

// TestWhoIsInBothListsIsNotDeleted: somebody is restored between the list of the deleted and
// the list of the others.
func TestWhoIsInBothListsIsNotDeleted(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	after := world()
	after.Users = after.Users[1:]
	s.SetWorld(after)
	s.Break(apitest.Breakage{Times: 1, Match: func(r *http.Request) bool { return r.URL.Query().Get("showDeleted") != "" }, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r)
		s.SetWorld(world())
	}})
	all := pull(t, open(t, s))
	equal(t, "deleted", all.DeletedUsers, []string{})
	equal(t, "there", in(all, "u1"), []string{"g1", "g2"})
}

// TestNobodyIsMissingWhileNothingIsShown: somebody who is not found, or may not be seen, is
// nobody only where the list can be read.
func TestNobodyIsMissingWhileNothingIsShown(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound} {
		s := googletest.New(t, world())
		s.Break(apitest.Breakage{Match: everything, Do: apitest.Status(status, says(status))})
		if got, err := lookUp(t, open(t, s), directory.Person{ID: "u1"}); err == nil || got.Coverage() != directory.None {
			t.Errorf("%d: %+v", status, got)
		}
	}
}
