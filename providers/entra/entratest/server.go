// Package entratest is Microsoft Graph v1.0 in the process of a test, as far as groupsyncd asks
// it, with the token endpoint of its tenant: the paths, parameters, limits and refusals that
// are documented, and the delta queries with their traps.
package entratest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"groupsyncd/internal/secret"
	"groupsyncd/providers/entra"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

const (
	// Tenant is the only one.
	Tenant = "0d000000-0000-4000-8000-00000000000a"
	// ClientID is that of the only application.
	ClientID = "0e000000-0000-4000-8000-00000000000b"
	// Secret is the secret of the application.
	Secret = "entra-canary-7c1f~Q"
	// Department is the property that holds the attribute department of a world; of the
	// properties that people have, it is one with several values.
	Department = "extension_5d2cb5b2f9a14b2c9d0e6a7f8b9c0d1e_department"
)

// Options say how the server behaves.
type Options struct {
	// InMemory serves over connections in memory, for bubbles of testing/synctest.
	InMemory bool
	// Throttle stands in front of Graph, not of the token endpoint; may be nil.
	Throttle *apitest.Throttle
	// Granted are the permissions of the application; nil: all that a source may need.
	Granted []string
	// UserPage, GroupPage and MemberPage are how many users, groups and members of one group
	// a page of a delta query holds; zero: 100, 100 and 1,000.
	UserPage, GroupPage, MemberPage int
	// Chance mixes the order of what delta queries tell, repeats some of it and tells again
	// what was told before; nil: it does not happen.
	Chance *rand.Rand
	// Now is the server's clock; nil: the real one.
	Now func() time.Time
}

// Server is the fake.
type Server struct {
	*apitest.Server
	t testing.TB
	o Options

	mu     sync.Mutex
	dir    *directory
	app    *Application
	tokens map[string]bool
	rounds map[string]*round
	// epoch counts how often all links were made worthless.
	epoch int
	gone  func(w http.ResponseWriter)
	// silent leaves members out of delta queries, lagging an assigned group out of its list.
	silent  bool
	lagging string
	ends    time.Time
}

// New serves a world over loopback.
func New(t testing.TB, w providertest.World) *Server { return Start(t, w, Options{}) }

// Start serves a world.
func Start(t testing.TB, w providertest.World, o Options) *Server {
	if o.Granted == nil {
		o.Granted = []string{"GroupMember.Read.All", "User.Read.All", "Application.Read.All", "Member.Read.Hidden"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	for n, size := range map[*int]int{&o.UserPage: 100, &o.GroupPage: 100, &o.MemberPage: 1000} {
		if *n == 0 {
			*n = size
		}
	}
	s := &Server{t: t, o: o, dir: newDirectory(o.Now), tokens: map[string]bool{}, rounds: map[string]*round{}}
	s.dir.founded = s.dir.now().Add(-24 * time.Hour)
	s.dir.set(w)
	h := s.graph()
	if o.Throttle != nil {
		h = o.Throttle.Wrap(h)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.token)
	mux.Handle("/", h)
	dated := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", s.o.Now().UTC().Format(http.TimeFormat))
		mux.ServeHTTP(w, r)
	})
	if o.InMemory {
		s.Server = apitest.InMemory(t, dated)
	} else {
		s.Server = apitest.Serve(t, dated)
	}
	return s
}

// Config gives a configuration that reads the server, with the attribute department.
func (s *Server) Config() *entra.Config {
	s.t.Helper()
	c, _ := entra.Type().New().(*entra.Config)
	c.Tenant, c.ClientID, c.URL, c.LoginURL = Tenant, ClientID, s.URL(), s.URL()
	file := filepath.Join(s.t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(Secret+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	ref, err := secret.Parse("file:" + file)
	if err != nil {
		s.t.Fatal(err)
	}
	c.ClientSecret = ref
	c.Users.Attributes = map[string]string{"department": Department}
	return c
}

// SetWorld changes the directory into another one while it runs. Whoever and whatever is
// missing is deleted as administrators do it: it can be restored, and is when it comes back.
func (s *Server) SetWorld(w providertest.World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir.set(w)
}

// Grant changes the permissions of the application, for tokens that are issued from now on;
// older ones are refused.
func (s *Server) Grant(permissions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.Granted = slices.Clone(permissions)
	clear(s.tokens)
}

// Forget makes all links of delta queries worthless: they are answered with that status and
// code from now on.
func (s *Server) Forget(status int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	s.gone = func(w http.ResponseWriter) {
		w.Header().Set("Location", s.URL()+"/v1.0/groups/delta?$deltatoken=")
		refuse(w, status, code, "The sync state is not there any more.")
	}
}

// HideMembersOfDelta lets delta queries tell no members, as a server that does not know how.
func (s *Server) HideMembersOfDelta() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = true
}

// Lag keeps a group out of all lists, but not out of being asked for by its id.
func (s *Server) Lag(group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lagging = group
}

// SecretEnds says when the secret of the application expires.
func (s *Server) SecretEnds(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = at
}

// refuse answers with an error in Graph's form.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, Says(code, message))
}

// Says writes an error in Graph's form.
func Says(code, message string) string {
	body, _ := json.Marshal(map[string]any{"error": map[string]any{"code": code, "message": message,
		"innerError": map[string]any{"date": "2026-11-21T10:00:00", "request-id": "0f000000-0000-4000-8000-000000000001", "client-request-id": "0f000000-0000-4000-8000-000000000001"}}})
	return string(body)
}

func answer(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "InternalServerError", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal; charset=utf-8")
	_, _ = w.Write(body)
}
