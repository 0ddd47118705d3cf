// Package authentiktest is an authentik for tests: the few calls that groupsyncd makes, with
// the paths, parameters, pages and refusals of the real one.
package authentiktest

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/authentik"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// Token is the API token that the server knows, and Secret that of the OAuth2 provider Client.
const (
	Token  = "canary-authentik-token"
	Client = "groupsyncd-client"
	Secret = "canary/authentik+secret=="
)

// account is the key of our own service account.
const account = 1

// Server is an authentik. Safe for use by several goroutines.
type Server struct {
	*apitest.Server
	t testing.TB

	mu sync.Mutex
	// pks are the keys of users, which stay when the world changes.
	pks    map[string]int64
	users  []*user
	groups []*group
	byPK   map[int64]*user
	byUUID map[string]*group
	set    Settings
	token  string
	issued int
}

// Settings are what differs between versions and installations.
type Settings struct {
	// Old is a version before 2025.12, in which a group has one parent.
	Old bool
	// Sparse leaves the keys of members out unless the members themselves are asked for, and
	// the keys of groups likewise.
	Sparse bool
	// Unsorted ignores the parameter ordering.
	Unsorted bool
	// PageLimit is the most rows of a page; zero: 100.
	PageLimit int
	// Sees says which users and groups the token may see, by their ids in the world, as
	// permissions on single objects do; nil: all of them.
	Sees func(id string) bool
	// Superuser makes our own account one.
	Superuser bool
	// Home is the id of the group that our own account is in; empty: in none.
	Home string
	// Turned is called before a page of a list ("users", "groups") is made; it may change the
	// world.
	Turned func(list string, page int)
	// Types gives the type of a user by username; nil: internal.
	Types func(username string) string
	// Throttle stands in front; nil: nothing does, as with authentik itself.
	Throttle *apitest.Throttle
}

// user and group are rows of the database.
type user struct {
	providertest.User
	pk     int64
	kind   string
	groups []*group
}

type group struct {
	providertest.Group
	users   []*user
	parents []*group
	kids    []*group
}

// New serves a world over loopback until the test ends.
func New(t testing.TB, w providertest.World, set ...func(*Settings)) *Server {
	return start(t, w, apitest.Serve, set)
}

// InMemory serves it without a network, for a bubble of testing/synctest.
func InMemory(t testing.TB, w providertest.World, set ...func(*Settings)) *Server {
	return start(t, w, apitest.InMemory, set)
}

func start(t testing.TB, w providertest.World, serve func(testing.TB, http.Handler) *apitest.Server, set []func(*Settings)) *Server {
	s := &Server{t: t, pks: map[string]int64{}, token: Token}
	for _, change := range set {
		change(&s.set)
	}
	var h http.Handler = http.HandlerFunc(s.serve)
	if s.set.Throttle != nil {
		h = s.set.Throttle.Wrap(h)
	}
	s.SetWorld(w)
	s.Server = serve(t, h)
	return s
}

// Config gives a configuration that reads the server with the API token.
func (s *Server) Config() *authentik.Config {
	c, _ := authentik.Type().New().(*authentik.Config)
	c.URL = s.URL()
	c.Token = s.keep(Token)
	c.Users.Attributes = map[string]string{"department": "department"}
	return c
}

// OAuth gives one that asks for access tokens.
func (s *Server) OAuth() *authentik.Config {
	c := s.Config()
	c.Token, c.ClientID, c.ClientSecret = secret.Ref{}, Client, s.keep(Secret)
	return c
}

// keep puts a secret where a configuration finds it.
func (s *Server) keep(text string) secret.Ref {
	file := filepath.Join(s.t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	ref, err := secret.Parse("file:" + file)
	if err != nil {
		s.t.Fatal(err)
	}
	return ref
}

// Open opens a source on the server, closed when the test ends.
func (s *Server) Open(c providers.Config) providers.Source {
	source, err := c.Open(providers.Options{Name: "ak", Dial: s.Dial()})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = source.Close() })
	return source
}

// Revoke makes another API token the one that is known, and ends all access tokens.
func (s *Server) Revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
	s.issued++
}

// SetWorld changes the world while the server runs. Who stays keeps their key.
func (s *Server) SetWorld(w providertest.World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users, s.groups, s.byPK, s.byUUID = nil, nil, map[int64]*user{}, map[string]*group{}
	byID := map[string]*user{}
	own := providertest.User{ID: "0c000000-0000-4000-8000-000000000001", Username: "groupsyncd", Name: "groupsyncd"}
	s.pks[own.ID] = account
	s.add(own, "service_account", byID)
	for _, u := range w.Users {
		kind := "internal"
		if s.set.Types != nil {
			kind = s.set.Types(u.Username)
		}
		s.add(u, kind, byID)
	}
	slices.SortFunc(s.users, func(a, b *user) int { return int(a.pk - b.pk) })
	for _, g := range w.Groups {
		row := &group{Group: g}
		s.groups = append(s.groups, row)
		s.byUUID[g.ID] = row
		members := g.Members
		if g.ID == s.set.Home {
			members = append(slices.Clone(members), own.ID)
		}
		for _, id := range members {
			if u := byID[id]; u != nil && !slices.Contains(u.groups, row) {
				row.users, u.groups = append(row.users, u), append(u.groups, row)
			}
		}
	}
	for _, g := range s.groups {
		for _, id := range g.Groups {
			if kid := s.byUUID[id]; kid != nil && (!s.set.Old || len(kid.parents) == 0) {
				kid.parents, g.kids = append(kid.parents, g), append(g.kids, kid)
			}
		}
	}
	slices.SortFunc(s.groups, func(a, b *group) int { return strings.Compare(a.ID, b.ID) })
}

func (s *Server) add(u providertest.User, kind string, byID map[string]*user) {
	pk := s.pks[u.ID]
	if pk == 0 {
		pk = int64(len(s.pks) + 5)
		s.pks[u.ID] = pk
	}
	row := &user{User: u, pk: pk, kind: kind}
	s.users = append(s.users, row)
	s.byPK[pk], byID[u.ID] = row, row
}

// PK gives the key of a user of the world.
func (s *Server) PK(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.FormatInt(s.pks[id], 10)
}

// sees says whether the token may see a user or group.
func (s *Server) sees(id string) bool { return s.set.Sees == nil || s.set.Sees(id) }
