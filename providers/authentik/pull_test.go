package authentik_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/authentik"
	"groupsyncd/providers/authentik/authentiktest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

func uid(n int) string { return fmt.Sprintf("0a000000-0000-4000-8000-%012d", n) }
func gid(n int) string { return fmt.Sprintf("0b000000-0000-4000-8000-%012d", n) }

// crowd has n people, all of whom are in the first of two groups, the second of which is in it.
func crowd(n int) providertest.World {
	var w providertest.World
	var all []string
	for i := range n {
		name := fmt.Sprintf("user%04d", i+1)
		w.Users = append(w.Users, providertest.User{ID: uid(i + 1), Username: name, Email: name + "@example.org", Name: name})
		all = append(all, uid(i+1))
	}
	w.Groups = []providertest.Group{
		{ID: gid(1), Name: "all", Members: all, Groups: []string{gid(2)}},
		{ID: gid(2), Name: "some", Members: all[:min(3, n)]},
	}
	return w
}

// bubble runs a test in virtual time, in memory.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// pull reads the server as it is configured.
func pull(t *testing.T, s *authentiktest.Server, change ...func(*authentik.Config)) (*directory.Snapshot, error) {
	t.Helper()
	c := s.Config()
	for _, f := range change {
		f(c)
	}
	return s.Open(c).Pull(t.Context(), nil)
}

func ids(s *directory.Snapshot) map[string]bool {
	all := map[string]bool{}
	for i := range s.Users {
		all[s.Users[i].ID] = true
	}
	return all
}

// members gives the members of a group by the names of people, and whether they are known.
func members(s *directory.Snapshot, group string) (string, bool) {
	for i := range s.Groups {
		if g := &s.Groups[i]; g.Name == group {
			var names []string
			for _, m := range g.Members {
				names = append(names, s.Users[m].Username)
			}
			slices.Sort(names)
			return strings.Join(names, " "), g.MembersKnown
		}
	}
	return "no such group", false
}

func without(w providertest.World, gone func(id string) bool) providertest.World {
	w.Users = slices.DeleteFunc(slices.Clone(w.Users), func(u providertest.User) bool { return gone(u.ID) })
	w.Groups = slices.DeleteFunc(slices.Clone(w.Groups), func(g providertest.Group) bool { return gone(g.ID) })
	return w
}

// TestSomebodyDeletedMovesNobodyOut: while pages are read, somebody on an earlier page is
// deleted, so that the first of the next page moves to where nobody looks any more.
func TestSomebodyDeletedMovesNobodyOut(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		world := crowd(350)
		var server *authentiktest.Server
		walks := 0
		server = authentiktest.InMemory(t, world, func(set *authentiktest.Settings) {
			set.Turned = func(list string, page int) {
				if list == "users" && page == 2 {
					if walks++; walks == 1 {
						server.SetWorld(without(world, func(id string) bool { return id == uid(7) }))
					}
				}
			}
		})
		got, err := pull(t, server)
		if err != nil || got.Coverage() != directory.Full {
			t.Fatalf("coverage %s, %v", got.Coverage(), err)
		}
		if len(got.Users) != 349 || !ids(got)[uid(100)] || ids(got)[uid(7)] {
			t.Errorf("%d users, the hundredth is there: %v", len(got.Users), ids(got)[uid(100)])
		}
		if walks != 3 {
			t.Errorf("the list was walked %d times: one that moved, one, and one that agrees", walks)
		}
	})
}

// TestNobodyWhoStaysIsMissed: people are deleted and made at random while they are read, also
// before and behind where we are. Whoever is there all the time is in what is claimed.
func TestNobodyWhoStaysIsMissed(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		bubble(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 8))
			stays := crowd(260)
			world := stays
			stays.Users = slices.Clone(stays.Users)
			moves := random.IntN(12)
			var server *authentiktest.Server
			server = authentiktest.InMemory(t, world, func(set *authentiktest.Settings) {
				set.PageLimit = 20 + random.IntN(60)
				set.Unsorted = seed%5 == 4
				set.Turned = func(string, int) {
					if moves == 0 || random.IntN(3) > 0 {
						return
					}
					moves--
					if random.IntN(2) == 0 {
						gone := world.Users[random.IntN(len(world.Users))].ID
						world = without(world, func(id string) bool { return id == gone })
						stays = without(stays, func(id string) bool { return id == gone })
					} else {
						n := 1000 + moves
						world.Users = append(slices.Clone(world.Users), providertest.User{ID: uid(n), Username: fmt.Sprintf("a%04d", n), Email: "a@example.org"})
					}
					server.SetWorld(world)
				}
			})
			got, err := pull(t, server)
			if err != nil {
				if fault.KindOf(err) != fault.Incomplete || got.UsersListed && got.GroupsListed {
					t.Errorf("seed %d: %v with lists %v, %v", seed, err, got.UsersListed, got.GroupsListed)
				}
				return
			}
			there := ids(got)
			for _, u := range stays.Users {
				if !there[u.ID] {
					t.Errorf("seed %d: %s was there all the time and is not in the list", seed, u.Username)
				}
			}
		})
	}
}

// TestAListThatNeverStandsStillIsNoList.
func TestAListThatNeverStandsStillIsNoList(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		world := crowd(400)
		var server *authentiktest.Server
		server = authentiktest.InMemory(t, world, func(set *authentiktest.Settings) {
			set.Turned = func(list string, page int) {
				if list == "users" && page == 2 {
					gone := world.Users[0].ID
					world = without(world, func(id string) bool { return id == gone })
					server.SetWorld(world)
				}
			}
		})
		got, err := pull(t, server)
		if fault.KindOf(err) != fault.Incomplete || got.UsersListed || !got.GroupsListed {
			t.Errorf("users listed %v, groups listed %v, %v", got.UsersListed, got.GroupsListed, err)
		}
	})
}

// TestAListIsProvedByItself: nobody here is in a group, so that nothing else tells that somebody
// is missing.
func TestAListIsProvedByItself(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]apitest.Do{
		"fewer rows than are counted": short,
		"a page that is gone":         apitest.Status(http.StatusNotFound, `{"detail":"Invalid page."}`),
		"an empty last page":          apitest.Text("application/json", `{"pagination":{"next":0,"count":301},"results":[]}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				server := authentiktest.InMemory(t, providertest.World{Users: crowd(300).Users})
				server.Break(apitest.Breakage{Match: func(r *http.Request) bool { return r.URL.Query().Get("page") == "2" }, Do: do})
				got, err := pull(t, server)
				if fault.KindOf(err) != fault.Incomplete || got.UsersListed || !got.GroupsListed {
					t.Errorf("users listed %v, groups listed %v, %v", got.UsersListed, got.GroupsListed, err)
				}
			})
		})
	}
}

// TestWhatTheTokenDoesNotSeeIsNotGone: permissions on single users and groups show those, and
// no error.
func TestWhatTheTokenDoesNotSeeIsNotGone(t *testing.T) {
	t.Parallel()
	const own = "0c000000-0000-4000-8000-000000000001"
	for name, c := range map[string]struct {
		hidden        []string
		home          string
		users, groups bool
		says          string
	}{
		"our own account":                 {hidden: []string{own, uid(9)}, users: true, says: "our own account, groupsyncd"},
		"a member of a group":             {hidden: []string{uid(2)}, users: true, says: `of the group "`},
		"many members of a group":         {hidden: []string{uid(1), uid(2), uid(3), uid(4), uid(5), uid(6), uid(7), uid(8), uid(10), uid(11), uid(12), uid(13), uid(14), uid(15), uid(16), uid(17), uid(18), uid(19), uid(20), uid(21), uid(22)}, users: true, says: "21 members"},
		"a group in a group":              {hidden: []string{gid(2)}, groups: true, says: "a group that "},
		"a group around a group":          {hidden: []string{gid(1)}, groups: true, says: "a group that "},
		"the group of our own account":    {hidden: []string{gid(3)}, home: gid(3), groups: true, says: "a group that "},
		"everything but our own account":  {hidden: []string{"*"}, users: false, groups: true, says: "a group that our own account names"},
		"a group that only a user names":  {hidden: []string{gid(4)}, groups: true, says: "a group that the user user0030"},
		"nothing but what nobody can see": {hidden: []string{uid(99)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				world := crowd(30)
				world.Users = append(world.Users, providertest.User{ID: uid(99), Username: "hermit"})
				world.Groups = append(world.Groups, providertest.Group{ID: gid(3), Name: "home"}, providertest.Group{ID: gid(4), Name: "lone", Members: []string{uid(30)}})
				server := authentiktest.InMemory(t, world, func(set *authentiktest.Settings) {
					if set.Home = c.home; c.hidden[0] == "*" {
						set.Home = gid(3)
					}
					set.Sees = func(id string) bool {
						return !slices.Contains(c.hidden, id) && (c.hidden[0] != "*" || id == own)
					}
				})
				got, err := pull(t, server)
				if got.UsersListed == c.users || got.GroupsListed == c.groups {
					t.Errorf("users listed %v, groups listed %v", got.UsersListed, got.GroupsListed)
				}
				if c.says == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if fault.KindOf(err) != fault.Incomplete || !strings.Contains(err.Error(), c.says) || !strings.Contains(fault.HintOf(err), "Can view User") {
					t.Errorf("%v (%s), hint %q", err, fault.KindOf(err), fault.HintOf(err))
				}
				for i := range got.Groups {
					if g := &got.Groups[i]; g.MembersKnown && (c.groups || len(g.Unresolved) > 0) {
						t.Errorf("the members of %s are claimed to be known", g.Name)
					}
				}
			})
		})
	}
}

// TestWhoComesAndGoesBetweenTheListsIsNoGap.
func TestWhoComesAndGoesBetweenTheListsIsNoGap(t *testing.T) {
	t.Parallel()
	old := crowd(5)
	for name, change := range map[string]func(providertest.World) providertest.World{
		"somebody is deleted": func(w providertest.World) providertest.World {
			w = without(w, func(id string) bool { return id == uid(2) })
			for i := range w.Groups {
				w.Groups[i].Members = slices.DeleteFunc(slices.Clone(w.Groups[i].Members), func(id string) bool { return id == uid(2) })
			}
			return w
		},
		"a group is deleted with its member": func(w providertest.World) providertest.World {
			return without(w, func(id string) bool { return id == uid(2) || id == gid(1) || id == gid(2) })
		},
		"a group is made": func(w providertest.World) providertest.World {
			w.Groups = append(slices.Clone(w.Groups), providertest.Group{ID: gid(9), Name: "new", Members: []string{uid(3)}})
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				var server *authentiktest.Server
				server = authentiktest.InMemory(t, old, func(set *authentiktest.Settings) {
					set.Turned = func(list string, _ int) {
						if list == "users" { // Groups are read first.
							server.SetWorld(change(old))
						}
					}
				})
				got, err := pull(t, server)
				if err != nil || got.Coverage() != directory.Full {
					t.Errorf("coverage %s, %v", got.Coverage(), err)
				}
				if _, known := members(got, "new"); name == "a group is made" && !known {
					t.Error("the members of the new group are not known")
				}
			})
		})
	}
	t.Run("a member is made", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T) {
			// The list of users is as it was before the last of them came.
			server := authentiktest.InMemory(t, old)
			server.Break(apitest.Breakage{Match: func(r *http.Request) bool { return r.URL.Path == "/api/v3/core/users/" },
				Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					server.SetWorld(without(old, func(id string) bool { return id == uid(5) }))
					next.ServeHTTP(w, r)
					server.SetWorld(old)
				}})
			got, err := pull(t, server)
			if err != nil || len(got.Users) != 5 {
				t.Fatalf("%d users, %v", len(got.Users), err)
			}
			if who, known := members(got, "all"); !known || !strings.Contains(who, "user0005") {
				t.Errorf("members %q, known %v", who, known)
			}
		})
	})
}

// TestVersions reads what older and newer versions answer.
func TestVersions(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*authentiktest.Settings){
		"one parent":                         func(set *authentiktest.Settings) { set.Old = true },
		"members only with their users":      func(set *authentiktest.Settings) { set.Sparse = true },
		"both":                               func(set *authentiktest.Settings) { set.Old, set.Sparse = true, true },
		"rows in the order of their names":   func(set *authentiktest.Settings) { set.Unsorted = true },
		"pages of seven, whatever was asked": func(set *authentiktest.Settings) { set.PageLimit = 7 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				world := crowd(40)
				world.Groups[0].Members = []string{uid(9)}
				server := authentiktest.InMemory(t, world, set)
				source := server.Open(server.Config())
				providertest.Harness{}.CheckPull(t, source, world)
				one, err := source.(providers.LookUp).LookUp(t.Context(), directory.Person{Username: "user0002"})
				if err != nil || len(one.Groups) != 2 {
					t.Errorf("look-up: %d groups, %v", len(one.Groups), err)
				}
			})
		})
	}
}

func TestTypesDecideWhoIsAPerson(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		server := authentiktest.InMemory(t, crowd(4), func(set *authentiktest.Settings) {
			set.Types = func(username string) string {
				return map[string]string{"user0001": "internal", "user0002": "external", "user0003": "service_account", "user0004": "internal_service_account"}[username]
			}
		})
		got, err := pull(t, server)
		if who, known := members(got, "all"); err != nil || !known || who != "user0001 user0002" || len(got.Users) != 2 {
			t.Errorf("members %q, known %v, %v", who, known, err)
		}
		got, err = pull(t, server, func(c *authentik.Config) { c.Types = []string{"service_account"} })
		if who, known := members(got, "all"); err != nil || !known || who != "user0003" || len(got.Users) != 2 {
			t.Errorf("members %q, known %v, %v; one of two users is ourselves, of %d", who, known, err, len(got.Users))
		}
		one, err := server.Open(server.Config()).(providers.LookUp).LookUp(t.Context(), directory.Person{Username: "user0003"})
		if err != nil || len(one.Users) != 0 || one.Coverage() != directory.None {
			t.Errorf("look-up of a service account: %+v, %v", one, err)
		}
	})
}

func TestNestingCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		world := crowd(3)
		world.Groups[0].Members = []string{uid(1)}
		server := authentiktest.InMemory(t, world)
		flat := func(c *authentik.Config) { c.Nested = false }
		got, err := pull(t, server, flat)
		if who, known := members(got, "all"); err != nil || !known || who != "user0001" {
			t.Errorf("members %q, known %v, %v", who, known, err)
		}
		c := server.Config()
		flat(c)
		one, err := server.Open(c).(providers.LookUp).LookUp(t.Context(), directory.Person{Username: "user0002"})
		if err != nil || len(one.Groups) != 1 || one.Groups[0].Name != "some" {
			t.Errorf("look-up: %+v, %v", one.Groups, err)
		}
	})
}

func TestIDsAndAttributesAreWhatIsConfigured(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		world := crowd(2)
		world.Users[0].Attributes = map[string][]string{"department": {"Finance", "Research"}, "login": {"ada"}}
		server := authentiktest.InMemory(t, world)
		change := func(c *authentik.Config) {
			c.Users = authentik.Users{ID: authentik.ByPK, Email: "email", Username: "attributes.login", Name: "username",
				Attributes: map[string]string{"subject": "uid", "department": "department", "key": "uuid", "kind": "type", "where": "path", "none": "office.city"}}
		}
		got, err := pull(t, server, change)
		if err != nil {
			t.Fatal(err)
		}
		u := got.Users[0]
		if u.ID != server.PK(uid(1)) || u.Username != "ada" || u.Name != "user0001" || len(u.Value("subject")) != 1 || len(u.Value("subject")[0]) != 64 ||
			!slices.Equal(u.Value("department"), []string{"Finance", "Research"}) || u.Value("key")[0] != uid(1) || u.Value("kind")[0] != "internal" || u.Value("where")[0] != "users" || u.Value("none") != nil {
			t.Errorf("%+v", u)
		}
		c := server.Config()
		change(c)
		source := server.Open(c).(providers.LookUp)
		for _, who := range []directory.Person{{ID: u.ID}, {Username: "ada"}, {Email: "USER0001@example.org"}} {
			one, err := source.LookUp(t.Context(), who)
			if err != nil || len(one.Users) != 1 || one.Users[0].ID != u.ID || len(one.Groups) != 2 {
				t.Errorf("%+v: %+v, %v", who, one, err)
			}
		}
		for _, who := range []directory.Person{{ID: uid(1)}, {ID: "-1"}, {ID: "0"}, {ID: "1/../2"}, {Username: "user0001"}} {
			one, err := source.LookUp(t.Context(), who)
			if err != nil || len(one.Users) != 0 {
				t.Errorf("%+v: %+v, %v", who, one, err)
			}
		}
	})
}

// TestRequestsAreAsFewAsItSays: a directory of one page is read once.
func TestRequestsAreAsFewAsItSays(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		server := authentiktest.InMemory(t, crowd(50))
		got, err := pull(t, server)
		if err != nil || got.Requests != 3 || len(server.Requests()) != 3 {
			t.Errorf("%d requests said, %d sent, %v", got.Requests, len(server.Requests()), err)
		}
	})
}

// TestACallEndsWithItsSource: what is under way ends with Close.
func TestACallEndsWithItsSource(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		server := authentiktest.InMemory(t, crowd(2))
		server.Break(apitest.Breakage{Do: apitest.Slow})
		source := server.Open(server.Config())
		go func() {
			time.Sleep(time.Second)
			_ = source.Close()
		}()
		before := time.Now()
		got, err := source.Pull(context.WithoutCancel(t.Context()), nil)
		if fault.KindOf(err) != fault.Canceled || got.Coverage() != directory.None || time.Since(before) != time.Second {
			t.Errorf("coverage %s, %v after %s", got.Coverage(), err, time.Since(before))
		}
	})
}
