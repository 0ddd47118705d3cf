package entra_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/entra"
	"groupsyncd/providers/entra/entratest"
	"groupsyncd/providers/providertest"
)

const writer = "approle:0c000000-0000-4000-8000-000000000020"

func assigned(all ...entratest.Assignment) entratest.Application {
	return entratest.Application{ID: rid(10), AppID: rid(11), Name: "Open WebUI's", Assigned: all,
		Roles: []entratest.Role{{ID: rid(20), Name: "Writer", Value: "writer", Description: "May write"}}}
}

func names(s *directory.Snapshot) []string {
	var list []string
	for i := range s.Groups {
		if s.Groups[i].Counts() {
			list = append(list, s.Groups[i].Name)
		}
	}
	slices.Sort(list)
	return list
}

func TestOnlyAssignedGroupsAreShown(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]string{"by name": "Open WebUI's", "by object id": rid(10), "by application id": rid(11)} {
		for _, nested := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, nested %v", name, nested), func(t *testing.T) {
				t.Parallel()
				s := entratest.New(t, office())
				s.SetApplication(assigned(entratest.Assignment{Role: entratest.NoRole, Type: "Group", Principal: gid(1)}, entratest.Assignment{Role: rid(20), Type: "ServicePrincipal", Principal: rid(99)}))
				source := open(t, s, func(c *entra.Config) { c.AssignedTo, c.Nested = to, nested })
				got, err := source.Pull(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(names(got), []string{"staff"}) || len(got.Users) != 4 {
					t.Errorf("groups %v, %d users", names(got), len(got.Users))
				}
				want := map[bool]int{true: 2, false: 1}[nested]
				if members, direct := shown(t, got, gid(1)); len(members) != want || len(direct) != 1 {
					t.Errorf("members %v, direct %v", members, direct)
				}
				l, _ := source.(providers.LookUp)
				one, err := l.LookUp(t.Context(), directory.Person{ID: uid(2)})
				if err != nil || len(names(one)) != want-1 {
					t.Errorf("a look-up of somebody inside: %v, %v", names(one), err)
				}
				// Of other groups nothing is asked, whatever happens in them.
				for _, r := range s.Requests() {
					if r.Path == "/v1.0/groups/delta" && !r.Query.Has("$filter") && !r.Query.Has("$deltatoken") {
						t.Errorf("%v", r.Query)
					}
				}
			})
		}
	}
}

// TestAppRolesReachNoNestedGroup: Entra gives a role to people and to the direct members of
// groups, so that we do as well, whatever nested says.
func TestAppRolesReachNoNestedGroup(t *testing.T) {
	t.Parallel()
	f := follow(t, entratest.Options{}, nil)
	f.SetApplication(assigned(entratest.Assignment{Role: rid(20), Type: "Group", Principal: gid(1)}, entratest.Assignment{Role: rid(20), Type: "User", Principal: uid(4)},
		entratest.Assignment{Role: entratest.NoRole, Type: "User", Principal: uid(3)}))
	f.reopen(func(c *entra.Config) { c.AssignedTo, c.Include = "Open WebUI's", []string{entra.AppRoles} })
	f.base = f.pull()
	if !slices.Equal(names(f.base), []string{"Default Access", "Writer"}) {
		t.Errorf("groups %v", names(f.base))
	}
	if members, _ := shown(t, f.base, writer); !slices.Equal(members, []string{uid(1), uid(4)}) {
		t.Errorf("members %v", members)
	}
	l, _ := f.source.(providers.LookUp)
	for user, want := range map[int][]string{1: {"Writer"}, 2: nil, 3: {"Default Access"}, 4: {"Writer"}} {
		one, err := l.LookUp(t.Context(), directory.Person{ID: uid(user)})
		if err != nil || !slices.Equal(names(one), want) || !one.Users[0].GroupsKnown {
			t.Errorf("user %d: %v, %v", user, names(one), err)
		}
	}
	f.clock.at = f.clock.at.Add(time.Minute)
	both := open(t, f.Server, func(c *entra.Config) { c.AssignedTo, c.Include = rid(10), []string{entra.AppRoles, entra.Groups} })
	if s, err := both.Pull(t.Context(), nil); err != nil {
		t.Error(err)
	} else if members, _ := shown(t, s, writer); len(members) != 2 || len(names(s)) != 3 {
		t.Errorf("beside groups: members %v of %v", members, names(s))
	}
	f.RemoveMember(gid(1), uid(1))
	f.AddMember(gid(1), uid(2), "user")
	s, err := f.changes()
	if err != nil {
		t.Fatal(err)
	}
	if members, _ := shown(t, s, writer); !slices.Equal(members, []string{uid(2), uid(4)}) {
		t.Errorf("members %v", members)
	}
}

// TestANewlyAssignedGroupIsReadFromTheStart: what is known of it is nothing, or old.
func TestANewlyAssignedGroupIsReadFromTheStart(t *testing.T) {
	t.Parallel()
	f := follow(t, entratest.Options{}, nil)
	f.SetApplication(assigned(entratest.Assignment{Role: rid(20), Type: "Group", Principal: gid(2)}))
	f.reopen(func(c *entra.Config) { c.AssignedTo = rid(10) })
	f.base = f.pull()
	f.clock.at = f.clock.at.Add(time.Minute)
	f.SetApplication(assigned(entratest.Assignment{Role: rid(20), Type: "Group", Principal: gid(2)}, entratest.Assignment{Role: rid(20), Type: "Group", Principal: gid(3)}))
	s, err := f.changes()
	if err != nil || !slices.Equal(names(s), []string{"finance", "research"}) {
		t.Fatalf("%v, %v", names(s), err)
	}
	if members, _ := shown(t, s, gid(3)); len(members) != 2 {
		t.Errorf("members %v", members)
	}
	f.base, f.clock.at = s, f.clock.at.Add(time.Minute)
	f.SetApplication(assigned(entratest.Assignment{Role: rid(20), Type: "Group", Principal: gid(3)}))
	if s, err = f.changes(); err != nil || !slices.Equal(names(s), []string{"research"}) {
		t.Errorf("%v, %v", names(s), err)
	}
	// Back again: meanwhile nobody listened to it.
	f.base, f.clock.at = s, f.clock.at.Add(time.Minute)
	f.SetApplication(assigned(entratest.Assignment{Role: rid(20), Type: "Group", Principal: gid(2)}))
	if _, err = f.changes(); !errors.Is(err, providers.ErrFullRead) {
		t.Errorf("%v", err)
	}
}

func TestAnAssignedGroupThatTheListLacksIsNotGone(t *testing.T) {
	t.Parallel()
	s := entratest.New(t, office())
	s.SetApplication(assigned(entratest.Assignment{Role: rid(20), Type: "Group", Principal: gid(2)}, entratest.Assignment{Role: rid(20), Type: "Group", Principal: gid(3)}))
	s.Lag(gid(2))
	source := open(t, s, func(c *entra.Config) { c.AssignedTo = rid(10) })
	if got, err := source.Pull(t.Context(), nil); fault.KindOf(err) != fault.Incomplete || got.GroupsListed {
		t.Errorf("%v, listed %v", err, got.GroupsListed)
	}
	s.Lag("")
	s.DeleteGroup(gid(2), false)
	if got, err := source.Pull(t.Context(), nil); err != nil || !slices.Equal(names(got), []string{"research"}) {
		t.Errorf("of one that is gone: %v", err)
	}
}

func TestAnApplicationThatIsNotFoundIsNoEmptyList(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"Something else", "Open WebUI' or 'a' eq 'a", rid(77)} {
		s := entratest.New(t, office())
		s.SetApplication(assigned())
		got, err := open(t, s, func(c *entra.Config) { c.AssignedTo = to }).Pull(t.Context(), nil)
		if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" || got.Coverage() != directory.None {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// TestVeryManyAssignedGroupsAreReadWithAllOthers: a query for each fifty of them would cost more.
func TestVeryManyAssignedGroupsAreReadWithAllOthers(t *testing.T) {
	t.Parallel()
	w := office()
	var all []entratest.Assignment
	for n := 4; n <= 1100; n++ {
		w.Groups = append(w.Groups, providertest.Group{ID: gid(n), Name: gid(n), Members: []string{uid(1)}})
		if n > 10 {
			all = append(all, entratest.Assignment{Role: rid(20), Type: "Group", Principal: gid(n)})
		}
	}
	f := follow(t, entratest.Options{GroupPage: 500}, nil)
	f.SetWorld(w)
	f.SetApplication(assigned(all...))
	f.reopen(func(c *entra.Config) { c.AssignedTo = rid(10) })
	f.base = f.pull()
	if len(f.base.Groups) != len(all) {
		t.Fatalf("%d groups", len(f.base.Groups))
	}
	f.clock.at = f.clock.at.Add(time.Minute)
	f.AddMember(gid(3), uid(1), "user") // It does not count.
	f.AddMember(gid(20), uid(2), "user")
	s, err := f.changes()
	if err != nil {
		t.Fatal(err)
	}
	if members, _ := shown(t, s, gid(20)); len(members) != 2 || s.Requests > 12 {
		t.Errorf("members %v, %d requests", members, s.Requests)
	}
	f.base, f.clock.at = s, f.clock.at.Add(time.Minute)
	f.AddMember(gid(20), gid(3), "group")
	if _, err := f.changes(); !errors.Is(err, providers.ErrFullRead) {
		t.Errorf("a group inside that was not read: %v", err)
	}
}

// TestMarksOfRequests: reads give way to others, look-ups of people who wait do not.
func TestMarksOfRequests(t *testing.T) {
	t.Parallel()
	s := entratest.New(t, office())
	source := open(t, s, func(c *entra.Config) { c.Users.Username = "onPremisesSamAccountName" })
	if _, err := source.Pull(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	l, _ := source.(providers.LookUp)
	if _, err := l.LookUp(t.Context(), directory.Person{Username: "O'Brien"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Requests() {
		want := "low"
		if r.Path == "/v1.0/users" {
			want = "normal"
			if r.Header.Get("ConsistencyLevel") != "eventual" || !strings.Contains(r.Query.Get("$filter"), "O''Brien") {
				t.Errorf("%v %v", r.Header, r.Query)
			}
		}
		if got := r.Header.Get("X-Ms-Throttle-Priority"); r.Method == http.MethodGet && got != want {
			t.Errorf("%s: priority %q", r.Path, got)
		}
		if r.Method == http.MethodGet && (r.Query.Has("$top") && strings.HasSuffix(r.Path, "/delta") || !r.Query.Has("$select") && !r.Query.Has("$skiptoken")) {
			t.Errorf("%s %v", r.Path, r.Query)
		}
	}
}
