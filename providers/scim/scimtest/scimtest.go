// Package scimtest is a SCIM 2.0 server within the process, for tests: one that keeps to the
// standards, and with profiles that behave as known servers do.
//
// It owns the protocol as far as reading goes. Worlds come from providertest, serving and
// breaking from apitest.
package scimtest

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
	"groupsyncd/providers/scim"
)

// Token is the credential that the server accepts.
const Token = "scim-token-canary-7d1f"

// Server is a SCIM server with a world in it. Safe for use by several goroutines.
type Server struct {
	*apitest.Server
	profile Profile
	tokens  string

	mu    sync.Mutex
	world providertest.World
	// versions count the changes of each group.
	versions map[string]int
	// above gives the groups that name somebody or something; made are the entries as shown.
	above  map[string][]string
	made   map[string][]resource
	before func(*http.Request)
}

// New serves a world over loopback as the profile does.
func New(t testing.TB, w providertest.World, p Profile) *Server {
	return serve(t, w, p, apitest.Serve)
}

// InMemory serves a world within the process, for a bubble of testing/synctest.
func InMemory(t testing.TB, w providertest.World, p Profile) *Server {
	return serve(t, w, p, apitest.InMemory)
}

func serve(t testing.TB, w providertest.World, p Profile, over func(testing.TB, http.Handler) *apitest.Server) *Server {
	s := &Server{profile: p, versions: map[string]int{}}
	s.SetWorld(w)
	s.tokens = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(s.tokens, []byte(Token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Server = over(t, s.handler())
	return s
}

// SetWorld replaces what is in the server.
func (s *Server) SetWorld(w providertest.World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range w.Groups {
		i := slices.IndexFunc(s.world.Groups, func(o providertest.Group) bool { return o.ID == g.ID })
		if i < 0 || s.world.Groups[i].Name != g.Name || !slices.Equal(s.world.Groups[i].Members, g.Members) || !slices.Equal(s.world.Groups[i].Groups, g.Groups) {
			s.versions[g.ID]++
		}
	}
	s.world = providertest.World{Users: slices.Clone(w.Users), Groups: slices.Clone(w.Groups)}
	s.above, s.made = map[string][]string{}, map[string][]resource{}
	for _, g := range w.Groups {
		for _, id := range slices.Concat(g.Members, g.Groups) {
			if !slices.Contains(s.above[id], g.ID) {
				s.above[id] = append(s.above[id], g.ID)
			}
		}
	}
}

// SetProfile changes how the server behaves from now on.
func (s *Server) SetProfile(p Profile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.profile = p
	s.made = map[string][]resource{}
}

// World gives what is in the server.
func (s *Server) World() providertest.World {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world
}

// Before is called with every request before it is answered, so that a world can change while
// it is read.
func (s *Server) Before(f func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// Config gives the configuration that reads the server.
func (s *Server) Config() providers.Config {
	c := scim.Type().New().(*scim.Config)
	c.URL = s.URL() + Base
	if err := c.Token.UnmarshalText([]byte("file:" + s.tokens)); err != nil {
		panic(err) // The name of a temporary file.
	}
	c.Users.Attributes = map[string]string{"department": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"}
	return c
}

// Base is the path before /Users.
const Base = "/scim/v2"

func (s *Server) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		before := s.before
		s.mu.Unlock()
		if before != nil {
			before(r)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		a := &answer{profile: &s.profile, w: w}
		path, found := strings.CutPrefix(r.URL.EscapedPath(), Base)
		switch {
		case r.Header.Get("Authorization") != "Bearer "+Token:
			a.refuse(http.StatusUnauthorized, "", "the token is not known")
		case !found:
			http.NotFound(w, r)
		case r.Method != http.MethodGet:
			a.refuse(http.StatusMethodNotAllowed, "", "reading only")
		default:
			s.route(a, r, path)
		}
	})
}
