package authentik_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/authentik"
	"groupsyncd/providers/authentik/authentiktest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// lookUp looks one person up.
func lookUp(t *testing.T, s *authentiktest.Server, who directory.Person) (*directory.Snapshot, error) {
	t.Helper()
	l, ok := s.Open(s.Config()).(providers.LookUp)
	if !ok {
		t.Fatal("the source looks nobody up")
	}
	return l.LookUp(t.Context(), who)
}

func groupNames(s *directory.Snapshot) string {
	var names []string
	for i := range s.Groups {
		names = append(names, s.Groups[i].Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestALookUpCostsFewRequests(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		world := crowd(300)
		for i := range 140 {
			world.Groups = append(world.Groups, providertest.Group{ID: gid(10 + i), Name: fmt.Sprintf("g%03d", i), Members: []string{uid(4)}})
		}
		server := authentiktest.InMemory(t, world)
		got, err := lookUp(t, server, directory.Person{Email: "user0004@example.org"})
		if err != nil || len(got.Groups) != 141 || got.Requests != 3 {
			t.Errorf("%d groups by %d requests, %v", len(got.Groups), got.Requests, err)
		}
		for _, r := range server.Requests() {
			if r.Path == "/api/v3/core/groups/" && r.Query.Get("include_users") != "false" {
				t.Error("the members of groups were asked for")
			}
		}
	})
}

// TestWhatAFilterGivesIsLookedAt: versions that do not know a filter ignore it.
func TestWhatAFilterGivesIsLookedAt(t *testing.T) {
	t.Parallel()
	ignore := func(name string) apitest.Breakage {
		return apitest.Breakage{Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r = r.Clone(r.Context())
			q := r.URL.Query()
			q.Del(name)
			r.URL.RawQuery = q.Encode()
			next.ServeHTTP(w, r)
		}}
	}
	for name, c := range map[string]struct {
		people int
		who    directory.Person
		found  bool
		kind   fault.Kind
	}{
		"uuid":          {people: 150, who: directory.Person{ID: uid(140)}, found: true},
		"username":      {people: 150, who: directory.Person{Username: "user0140"}, found: true},
		"search":        {people: 150, who: directory.Person{Email: "user0140@example.org"}, found: true},
		"members_by_pk": {people: 5, who: directory.Person{ID: uid(2)}, found: true},
		"email":         {people: 5, who: directory.Person{Email: "nobody@example.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				server := authentiktest.InMemory(t, crowd(c.people))
				server.Break(ignore(name))
				got, err := lookUp(t, server, c.who)
				if err != nil || (len(got.Users) == 1) != c.found {
					t.Errorf("%+v, %v", got, err)
				}
			})
		})
	}
	t.Run("in a large directory", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T) {
			server := authentiktest.InMemory(t, crowd(501))
			server.Break(ignore("uuid"))
			got, err := lookUp(t, server, directory.Person{ID: uid(3)})
			if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" || got.Coverage() != directory.None || got.Requests != 1 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	})
}

// TestASearchThatFindsNobodyIsNoProof: whom the search leaves out is asked for exactly.
func TestASearchThatFindsNobodyIsNoProof(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		server := authentiktest.InMemory(t, crowd(5))
		server.Break(apitest.Breakage{Match: func(r *http.Request) bool { return r.URL.Query().Has("search") },
			Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				r = r.Clone(r.Context())
				r.URL.RawQuery = url.Values{"username": {"nobody"}}.Encode()
				next.ServeHTTP(w, r)
			}})
		if got, err := lookUp(t, server, directory.Person{Email: "user0002@example.org"}); err != nil || len(got.Users) != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestAGroupAboveThatIsHiddenEndsALookUp: without it nobody knows what is above it.
func TestAGroupAboveThatIsHiddenEndsALookUp(t *testing.T) {
	t.Parallel()
	for _, hidden := range []string{gid(1), gid(2)} {
		bubble(t, func(t *testing.T) {
			world := crowd(5)
			world.Groups[0].Members = nil
			server := authentiktest.InMemory(t, world, func(set *authentiktest.Settings) {
				set.Sees = func(id string) bool { return id != hidden }
			})
			got, err := lookUp(t, server, directory.Person{ID: uid(2)})
			if fault.KindOf(err) != fault.Incomplete || got.Coverage() != directory.None || !strings.Contains(fault.HintOf(err), "Can view Group") {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// TestGroupsAboveAreClimbedOnce, whichever way leads to them.
func TestGroupsAboveAreClimbedOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		world := providertest.World{Users: crowd(1).Users}
		for i := 1; i <= 12; i++ { // Each group is in the next two, and the last is in the first.
			g := providertest.Group{ID: gid(i), Name: fmt.Sprintf("g%02d", i)}
			for _, in := range []int{i - 1, i - 2} {
				if in > 0 {
					g.Groups = append(g.Groups, gid(in))
				}
			}
			if i == 1 {
				g.Members, g.Groups = []string{uid(1)}, []string{gid(12)}
			}
			world.Groups = append(world.Groups, g)
		}
		server := authentiktest.InMemory(t, world)
		got, err := lookUp(t, server, directory.Person{ID: uid(1)})
		if err != nil || groupNames(got) != "g01 g02 g03 g04 g05 g06 g07 g08 g09 g10 g11 g12" || got.Requests != 1+12 {
			t.Errorf("%s by %d requests, %v", groupNames(got), got.Requests, err)
		}
	})
}

// TestTokensThatAreExchangedAreNoticed: authentik answers 403 to a token that it does not know,
// as it does to one without rights.
func TestTokensThatAreExchangedAreNoticed(t *testing.T) {
	t.Parallel()
	t.Run("an access token that was revoked", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T) {
			server := authentiktest.InMemory(t, crowd(3))
			source := server.Open(server.OAuth())
			for range 3 {
				if _, err := source.Pull(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				server.Revoke(authentiktest.Token)
				time.Sleep(time.Minute)
			}
			if n := server.Count("/application/o/token/"); n != 3 {
				t.Errorf("%d tokens were asked for", n)
			}
		})
	})
	t.Run("an API token that was exchanged", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T) {
			server := authentiktest.InMemory(t, crowd(3))
			c := server.Config()
			source := server.Open(c)
			server.Revoke("another-token")
			_, err := source.Pull(t.Context(), nil)
			if fault.KindOf(err) != fault.Auth || !strings.Contains(err.Error(), "401") || !strings.Contains(fault.HintOf(err), "intent API") {
				t.Errorf("%v, hint %q", err, fault.HintOf(err))
			}
			if err := os.WriteFile(strings.TrimPrefix(c.Token.String(), "file:"), []byte("another-token"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := source.Pull(t.Context(), nil); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("no rights at all", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T) {
			server := authentiktest.InMemory(t, crowd(3), func(set *authentiktest.Settings) { set.Sees = func(string) bool { return false } })
			got, err := pull(t, server)
			if fault.KindOf(err) != fault.Auth || !strings.Contains(fault.HintOf(err), "Can view User") || got.Coverage() != directory.None {
				t.Errorf("%v, hint %q", err, fault.HintOf(err))
			}
		})
	})
}

func TestDoctorNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	const own = "0c000000-0000-4000-8000-000000000001"
	for name, c := range map[string]struct {
		set   func(*authentiktest.Settings)
		mail  bool
		level providers.Level
		check string
		says  string
	}{
		"all is well":               {set: func(set *authentiktest.Settings) { set.Home = gid(1) }, mail: true, level: providers.OK, check: "members", says: "found"},
		"a superuser":               {set: func(set *authentiktest.Settings) { set.Superuser = true }, mail: true, level: providers.Warning, check: "account", says: "superuser"},
		"in no group":               {set: func(*authentiktest.Settings) {}, mail: true, level: providers.Warning, check: "groups", says: "in no group"},
		"nobody has a mail address": {set: func(*authentiktest.Settings) {}, level: providers.Warning, check: "mail", says: "none of the first 4"},
		"some users only":           {set: func(set *authentiktest.Settings) { set.Sees = func(id string) bool { return id != own } }, mail: true, level: providers.Failed, check: "users", says: "only some users"},
		"some groups only": {set: func(set *authentiktest.Settings) {
			set.Home, set.Sees = gid(2), func(id string) bool { return id != gid(2) }
		}, mail: true, level: providers.Failed, check: "groups", says: "only some groups"},
		"a member who is hidden":           {set: func(set *authentiktest.Settings) { set.Sees = func(id string) bool { return id != uid(2) } }, mail: true, level: providers.Failed, check: "members", says: "the member"},
		"nothing to see":                   {set: func(set *authentiktest.Settings) { set.Sees = func(string) bool { return false } }, mail: true, level: providers.Failed, check: "users", says: "403"},
		"members come with the users only": {set: func(set *authentiktest.Settings) { set.Sparse = true }, mail: true, level: providers.OK, check: "members", says: "larger"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				world := crowd(4)
				for i := range world.Users {
					if !c.mail {
						world.Users[i].Email = ""
					}
				}
				server := authentiktest.InMemory(t, world, c.set)
				source, ok := server.Open(server.Config()).(providers.Checker)
				if !ok {
					t.Fatal("the source checks nothing")
				}
				findings := source.Check(t.Context())
				if !slices.ContainsFunc(findings, func(f providers.Finding) bool {
					return f.Level == c.level && f.Check == c.check && strings.Contains(f.Message, c.says) && (f.Level == providers.OK || f.Remedy != "")
				}) {
					t.Errorf("findings %+v", findings)
				}
			})
		})
	}
}

func TestConfigurationsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	ref := func(text string) secret.Ref {
		r, err := secret.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	good := func() *authentik.Config {
		c, _ := authentik.Type().New().(*authentik.Config)
		c.URL, c.Token = "https://auth.example.org", ref("file:/x")
		return c
	}
	if list := good().Check(); len(list) > 0 {
		t.Fatalf("%+v", list)
	}
	for key, spoil := range map[string]func(*authentik.Config){
		"url":                 func(c *authentik.Config) { c.URL = "" },
		"url leads into":      func(c *authentik.Config) { c.URL = "https://auth.example.org/api/v3" },
		"url must":            func(c *authentik.Config) { c.URL = "ftp://auth.example.org" },
		"token is missing":    func(c *authentik.Config) { c.Token = secret.Ref{} },
		"token and client_id": func(c *authentik.Config) { c.ClientID = "x" },
		"client_id has no":    func(c *authentik.Config) { c.Token, c.ClientID = secret.Ref{}, "x" },
		"several of": func(c *authentik.Config) {
			c.Token, c.ClientID, c.ClientSecret, c.PrivateKey = secret.Ref{}, "x", ref("file:/x"), ref("file:/y")
		},
		"key_id means nothing":   func(c *authentik.Config) { c.KeyID = "x" },
		"types is empty":         func(c *authentik.Config) { c.Types = nil },
		`the type "robot"`:       func(c *authentik.Config) { c.Types = []string{"robot"} },
		"page_size is 0":         func(c *authentik.Config) { c.PageSize = 0 },
		`users.id "uid"`:         func(c *authentik.Config) { c.Users.ID = "uid" },
		"users.name is empty":    func(c *authentik.Config) { c.Users.Name = "" },
		"users.email cannot be":  func(c *authentik.Config) { c.Users.Email = "uid" },
		"the attribute x names":  func(c *authentik.Config) { c.Users.Attributes = map[string]string{"x": ""} },
		"more than 50 attribute": func(c *authentik.Config) { c.Users.Attributes = many() },
	} {
		c := good()
		spoil(c)
		list := c.Check()
		if len(list) == 0 || !strings.Contains(list[0].Message, key) || list[0].Hint == "" {
			t.Errorf("%s: %+v", key, list)
		}
		if _, err := c.Open(providers.Options{Name: "ak"}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: opened with %v", key, err)
		}
	}
	other := good()
	other.Users.ID = authentik.ByPK
	if other.Scope() == good().Scope() || other.Place() != good().Place() || good().Replicated() {
		t.Error("the id decides about the scope, the address about the place, and one database about both")
	}
}

func many() map[string]string {
	all := map[string]string{}
	for i := range 51 {
		all[fmt.Sprint(i)] = "x"
	}
	return all
}

// TestOddAnswersProveNothing: whatever comes, an error with a kind or a snapshot that keeps the
// contract comes back.
func TestOddAnswersProveNothing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"pagination":{"next":0,"count":1},"results":[{"pk":1,"uuid":"u","is_active":true}]}`,
		`{"user":{"pk":1},"pagination":{"next":0,"count":0},"results":[]}`,
		`{"user":{"pk":1},"pagination":{"next":0,"count":0}}`,
		`{"user":{"pk":1},"results":[]}`,
		`{"user":{"pk":1},"pagination":{"next":1e300,"count":-1},"results":[{"pk":"g","users":null}]}`,
		`{"user":{"pk":1},"pagination":{"next":1,"count":5},"results":[]}`,
		`{"user":{"pk":1},"pagination":{"next":null,"count":0},"results":[]}`,
		`{"user":{"pk":1},"pagination":{"next":0,"count":0},"results":[null]}`,
		`{"user":{"pk":1},"pagination":{"next":0,"count":7},"results":[]}`,
	} {
		bubble(t, func(t *testing.T) {
			server := authentiktest.InMemory(t, providertest.World{})
			server.Break(apitest.Breakage{Do: apitest.Text("application/json", body)})
			got, err := pull(t, server)
			if err == nil || fault.KindOf(err) == 0 || got.Coverage() == directory.Full {
				t.Errorf("%s: coverage %s, %v", body, got.Coverage(), err)
			}
			one, err := lookUp(t, server, directory.Person{Email: "a@example.org"})
			if one == nil || one.Coverage() != directory.None || err != nil && fault.KindOf(err) == 0 {
				t.Errorf("%s: look-up %+v, %v", body, one, err)
			}
		})
	}
}
