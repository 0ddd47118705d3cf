package keycloak_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/keycloak"
	"groupsyncd/providers/keycloak/keycloaktest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// family is a group with a sub-group and one below that, a person in each.
func family() providertest.World {
	return providertest.World{
		Users: []providertest.User{{ID: person(1), Username: "ann", Email: "ann@example.org"}, {ID: person(2), Username: "bob", Email: "bob@example.org"}, {ID: person(3), Username: "cyd"}, {ID: person(4), Username: "dan"}},
		Groups: []providertest.Group{
			{ID: place(1), Name: "apps", Members: []string{person(1)}, Groups: []string{place(2)}},
			{ID: place(2), Name: "chat", Members: []string{person(2)}, Groups: []string{place(3)}},
			{ID: place(3), Name: "staff", Members: []string{person(3)}},
			{ID: place(4), Name: "other", Members: []string{person(1), person(4)}},
		},
	}
}

func names(s *directory.Snapshot) map[string]string {
	out := map[string]string{}
	for i := range s.Groups {
		var in []string
		for _, n := range s.Groups[i].Members {
			in = append(in, s.Users[n].Username)
		}
		slices.Sort(in)
		if !s.Groups[i].Unlisted {
			out[s.Groups[i].Path] = strings.Join(in, " ")
		}
	}
	return out
}

func pull(t *testing.T, source providers.Source) *directory.Snapshot {
	t.Helper()
	s, err := source.Pull(t.Context(), nil)
	if err != nil || s.Coverage() != directory.Full {
		t.Fatalf("Pull: %v, coverage %s", err, s.Coverage())
	}
	return s
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the groups are %v, want %v", got, want)
	}
}

// TestMembersOfSubGroupsCountWithInheritOnly, and a look-up says the same as a read.
func TestMembersOfSubGroupsCountWithInheritOnly(t *testing.T) {
	t.Parallel()
	for inherit, want := range map[bool]map[string]string{
		false: {"/apps": "ann", "/apps/chat": "bob", "/apps/chat/staff": "cyd", "/other": "ann dan"},
		true:  {"/apps": "ann bob cyd", "/apps/chat": "bob cyd", "/apps/chat/staff": "cyd", "/other": "ann dan"},
	} {
		for _, counted := range []bool{true, false} {
			server := keycloaktest.New(t, family())
			server.NoCount = !counted
			source := server.Open(t, func(c *keycloak.Config) { c.Inherit = inherit })
			s := pull(t, source)
			same(t, names(s), want)
			agree(t, source, s)
		}
	}
}

// agree checks that a look-up of everybody says what a read says.
func agree(t *testing.T, source providers.Source, s *directory.Snapshot) {
	t.Helper()
	for n := range s.Users {
		looked, err := source.(providers.LookUp).LookUp(t.Context(), directory.Person{ID: s.Users[n].ID})
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for i := range s.Groups {
			if _, in := slices.BinarySearch(s.Groups[i].Members, uint32(n)); in && !s.Groups[i].Unlisted {
				want = append(want, s.Groups[i].ID+" "+s.Groups[i].Name)
			}
		}
		for i := range looked.Groups {
			got = append(got, looked.Groups[i].ID+" "+looked.Groups[i].Name)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%s: a look-up shows %q, a read %q", s.Users[n].Username, got, want)
		}
	}
}

func TestOnlyTheConfiguredGroupAndThoseBelow(t *testing.T) {
	t.Parallel()
	for inherit, want := range map[bool]map[string]string{
		false: {"/apps/chat": "bob", "/apps/chat/staff": "cyd"},
		true:  {"/apps/chat": "bob cyd", "/apps/chat/staff": "cyd"},
	} {
		source := keycloaktest.New(t, family()).Open(t, func(c *keycloak.Config) { c.Group, c.Inherit = "/apps/chat", inherit })
		s := pull(t, source)
		same(t, names(s), want)
		agree(t, source, s)
	}
	s, err := keycloaktest.New(t, family()).Open(t, func(c *keycloak.Config) { c.Group = "/nowhere" }).Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "" || s.Coverage() != directory.None {
		t.Errorf("%v, coverage %s", err, s.Coverage())
	}
}

// TestRolesAreGroupsOfEverybodyWhoHasThem: given to them, to their group or one above it, or
// contained in another role, also of a client that is not shown.
func TestRolesAreGroupsOfEverybodyWhoHasThem(t *testing.T) {
	t.Parallel()
	for _, inherit := range []bool{false, true} {
		server := keycloaktest.New(t, family())
		server.AddClient("chat", "x")
		server.AddClient("hidden", "x")
		reader := server.AddRole("", "a reader/1")
		writer := server.AddRole("", "writer", reader)
		around := server.AddRole("hidden", "around", writer)
		editor := server.AddRole("chat", "editor")
		server.Give(reader, place(2)) // chat, and so staff
		server.Give(around, person(4))
		server.Give(editor, person(1))
		source := server.Open(t, func(c *keycloak.Config) {
			c.Include, c.ClientRoles, c.Inherit = []string{keycloak.RealmRoles, keycloak.ClientRoles}, []string{"chat"}, inherit
		})
		s := pull(t, source)
		same(t, names(s), map[string]string{"role:a reader/1": "bob cyd dan", "role:writer": "dan", "role:chat:editor": "ann"})
		agree(t, source, s)
	}
}

// TestWhoMayNotSeeEverythingGetsAnErrorAndNoEmptyRealm.
func TestWhoMayNotSeeEverythingGetsAnErrorAndNoEmptyRealm(t *testing.T) {
	t.Parallel()
	for name, rights := range map[string][]string{"lists without a look": {"query-users", "query-groups"}, "nothing": nil, "roles missing": {"view-users"}} {
		server := keycloaktest.New(t, family())
		server.AddClient("weak", keycloaktest.Secret, rights...)
		change := func(c *keycloak.Config) {
			c.ClientID = "weak"
			if name == "roles missing" {
				c.Include = []string{keycloak.Groups, keycloak.RealmRoles}
			}
		}
		refused(t, name, server.Open(t, change))
	}
	server := keycloaktest.New(t, family())
	server.Light = true
	refused(t, "a lightweight token", server.Open(t))
}

func refused(t *testing.T, name string, source providers.Source) {
	t.Helper()
	s, err := source.Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Auth || fault.HintOf(err) == "" || s.Coverage() != directory.None {
		t.Errorf("%s: %v, coverage %s", name, err, s.Coverage())
	}
	s, err = source.(providers.LookUp).LookUp(t.Context(), directory.Person{Username: "ann"})
	if fault.KindOf(err) != fault.Auth || s.Coverage() != directory.None {
		t.Errorf("%s: a look-up gives %v, coverage %s", name, err, s.Coverage())
	}
	if !slices.ContainsFunc(source.(providers.Checker).Check(t.Context()), func(f providers.Finding) bool { return f.Level == providers.Failed && f.Remedy != "" }) {
		t.Errorf("%s: doctor finds nothing", name)
	}
}

// TestMailThatIsNotVerifiedLinksNobody unless the configuration trusts it.
func TestMailThatIsNotVerifiedLinksNobody(t *testing.T) {
	t.Parallel()
	server := keycloaktest.New(t, family())
	if !slices.ContainsFunc(server.Open(t).(providers.Checker).Check(t.Context()), func(f providers.Finding) bool {
		return f.Check == "mail" && f.Level == providers.OK
	}) {
		t.Error("doctor counts the account of a client as somebody without a verified mail address")
	}
	server.Admin(http.MethodPut, "/users/"+person(3), map[string]any{"email": "ann2@example.org", "emailVerified": false})
	for trust, want := range map[bool]string{false: "", true: "ann2@example.org"} {
		source := server.Open(t, func(c *keycloak.Config) { c.UnverifiedEmail = trust })
		s := pull(t, source)
		i := slices.IndexFunc(s.Users, func(u directory.User) bool { return u.ID == person(3) })
		if s.Users[i].Email != want {
			t.Errorf("the mail is %q, want %q", s.Users[i].Email, want)
		}
		looked, err := source.(providers.LookUp).LookUp(t.Context(), directory.Person{Email: "ANN2@example.org"})
		if err != nil || (len(looked.Users) == 1) != trust {
			t.Errorf("a look-up by the mail: %v, %d users, trusted %t", err, len(looked.Users), trust)
		}
		warned := slices.ContainsFunc(source.(providers.Checker).Check(t.Context()), func(f providers.Finding) bool {
			return f.Check == "mail" && f.Level == providers.Warning && strings.HasPrefix(f.Message, "1 of 4")
		})
		if !warned {
			t.Error("doctor does not count it")
		}
	}
}

// TestAccountsOfClientsAreNobody: lists of members show them, and they are no people.
func TestAccountsOfClientsAreNobody(t *testing.T) {
	t.Parallel()
	server := keycloaktest.New(t, family())
	id := ""
	for _, path := range []string{"/users?username=service-account-groupsyncd&exact=true"} {
		_, body := server.Admin(http.MethodGet, path, nil)
		id = strings.Split(string(body), `"id":"`)[1][:36]
	}
	server.Admin(http.MethodPut, "/users/"+id+"/groups/"+place(4), nil)
	source := server.Open(t)
	s := pull(t, source)
	same(t, names(s), map[string]string{"/apps": "ann", "/apps/chat": "bob", "/apps/chat/staff": "cyd", "/other": "ann dan"})
	for i := range s.Groups {
		if len(s.Groups[i].Unresolved) > 0 {
			t.Errorf("unresolved: %v", s.Groups[i].Unresolved)
		}
	}
	looked, err := source.(providers.LookUp).LookUp(t.Context(), directory.Person{Username: "service-account-groupsyncd"})
	if err != nil || looked.Coverage() != directory.None {
		t.Errorf("a look-up: %v, coverage %s", err, looked.Coverage())
	}
}

// TestAGroupThatCannotBeReadIsAloneInThat, and with inherit those above it are too.
func TestAGroupThatCannotBeReadIsAloneInThat(t *testing.T) {
	t.Parallel()
	for inherit, want := range map[bool]int{false: 3, true: 1} {
		for _, status := range []int{403, 404, 400} {
			server := keycloaktest.New(t, family())
			server.Break(apitest.Breakage{Match: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, place(3)+"/members") }, Do: apitest.Status(status, `{"error":"no"}`)})
			s, err := server.Open(t, func(c *keycloak.Config) { c.Inherit = inherit }).Pull(t.Context(), nil)
			known := 0
			for i := range s.Groups {
				if s.Groups[i].MembersKnown {
					known++
				}
			}
			if err == nil || known != want || !s.GroupsListed || !s.UsersListed {
				t.Errorf("%d, inherit %t: %v, %d known, want %d", status, inherit, err, known, want)
			}
		}
	}
}

// TestSubGroupsThatCannotBeReadAreNotGone.
func TestSubGroupsThatCannotBeReadAreNotGone(t *testing.T) {
	t.Parallel()
	server := keycloaktest.New(t, family())
	server.Break(apitest.Breakage{Match: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, place(2)+"/children") }, Do: apitest.Status(403, `{"error":"no"}`)})
	s, err := server.Open(t, func(c *keycloak.Config) { c.Inherit = true }).Pull(t.Context(), nil)
	if err == nil || s.GroupsListed || !s.UsersListed {
		t.Errorf("%v, groups listed %t", err, s.GroupsListed)
	}
	for i := range s.Groups {
		if g := &s.Groups[i]; g.MembersKnown != (g.Name == "other") {
			t.Errorf("%s: known %t", g.Name, g.MembersKnown)
		}
	}
}

// TestAListThatIsShorterThanItsCountIsNoList: the server counts more than it shows.
func TestAListThatIsShorterThanItsCountIsNoList(t *testing.T) {
	t.Parallel()
	for path, body := range map[string]string{"/users/count": "5", "/groups/count": `{"count":5}`} {
		server := keycloaktest.New(t, family())
		server.Break(apitest.Breakage{Match: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, path) }, Do: apitest.Text("application/json", body)})
		s, err := server.Open(t).Pull(t.Context(), nil)
		if fault.KindOf(err) != fault.Incomplete || s.UsersListed == strings.Contains(path, "users") || s.GroupsListed == strings.Contains(path, "groups") {
			t.Errorf("%s: %v, users %t, groups %t", path, err, s.UsersListed, s.GroupsListed)
		}
	}
}

// TestATokenThatEndsInTheMiddleIsExchanged: it lives for a minute, and a read longer; and one
// that the server forgets before its time is exchanged too.
func TestATokenThatEndsInTheMiddleIsExchanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := keycloaktest.NewInMemory(t, family())
		var n atomic.Int64
		server.Hook = func(string) {
			time.Sleep(10 * time.Second)
			if n.Add(1) == 3 {
				server.Expire()
			}
		}
		pull(t, server.Open(t, func(c *keycloak.Config) { c.Parallel = 1 }))
		if tokens := server.Count("/realms/" + keycloaktest.RealmName + "/protocol/openid-connect/token"); tokens < 4 {
			t.Errorf("%d tokens in a read of minutes", tokens)
		}
	})
}

// TestAClientMaySignInByItsKey.
func TestAClientMaySignInByItsKey(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := secret.Parse("file:" + file)
	if err != nil {
		t.Fatal(err)
	}
	server := keycloaktest.New(t, family())
	server.SetKey(keycloaktest.ClientID, key.Public())
	pull(t, server.Open(t, func(c *keycloak.Config) { c.ClientSecret, c.PrivateKey, c.KeyID = secret.Ref{}, ref, "k1" }))
}

// TestEventsSayWhomToLookAt, each once, over watches that end.
func TestEventsSayWhomToLookAt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := keycloaktest.NewInMemory(t, family())
		source := server.Open(t)
		time.Sleep(time.Hour) // Away from whatever was before.
		seen := map[string]int{}
		watch := func(between func(poll int), polls int) {
			done := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				defer close(done)
				_ = source.(providers.Watcher).Watch(ctx, func(people ...directory.Person) {
					if len(people) == 0 {
						seen["everything"]++
					}
					for _, p := range people {
						seen[p.ID]++
					}
				})
			}()
			for n := range polls {
				time.Sleep(5 * time.Second)
				between(n)
			}
			time.Sleep(6 * time.Second)
			cancel()
			<-done
		}
		watch(func(n int) {
			if n == 0 {
				server.Admin(http.MethodPut, "/users/"+person(1)+"/groups/"+place(3), nil)
				server.Admin(http.MethodPut, "/users/"+person(2), map[string]any{"enabled": false})
				server.SignIn(person(3))
			}
		}, 3)
		server.Admin(http.MethodDelete, "/users/"+person(4)+"/groups/"+place(4), nil) // between two watches
		time.Sleep(time.Minute)
		watch(func(n int) {
			if n == 1 {
				server.Admin(http.MethodPut, "/groups/"+place(4), map[string]any{"name": "others"})
				server.Admin(http.MethodPost, "/users/"+person(1)+"/role-mappings/realm", []any{})
			}
		}, 30)
		want := map[string]int{person(1): 1, person(2): 1, person(3): 1, person(4): 1, "everything": 1}
		if fmt.Sprint(seen) != fmt.Sprint(want) {
			t.Errorf("the watch says %v, want %v", seen, want)
		}
	})
}

// TestARealmThatSavesNoEventsSaysHowToSwitchThemOn.
func TestARealmThatSavesNoEventsSaysHowToSwitchThemOn(t *testing.T) {
	t.Parallel()
	server := keycloaktest.New(t, family())
	server.SaveEvents(false, false)
	err := server.Open(t).(providers.Watcher).Watch(t.Context(), nil)
	if !errors.Is(err, providers.ErrNoWatch) || !strings.Contains(err.Error(), "Save events") {
		t.Errorf("%v", err)
	}
	server.AddClient("blind", keycloaktest.Secret, "view-users")
	err = server.Open(t, func(c *keycloak.Config) { c.ClientID = "blind" }).(providers.Watcher).Watch(t.Context(), nil)
	if !errors.Is(err, providers.ErrNoWatch) || !strings.Contains(err.Error(), "view-events") {
		t.Errorf("%v", err)
	}
}
