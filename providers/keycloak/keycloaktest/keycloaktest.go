// Package keycloaktest is a Keycloak for tests, in the process: its token endpoint and as much
// of its admin REST API as a source reads and a test writes, with the pages, orders, counts,
// rights and events of the real one. Suite is what the two have in common.
package keycloaktest

import (
	"crypto"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/keycloak"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// The names in every server of this package.
const (
	RealmName = "main"
	// ClientID is a client whose service account may read everything; its secret is Secret.
	ClientID = "groupsyncd"
	Secret   = "secret-canary-of-keycloak-5b1e"
	// tokenLife is that of Keycloak's own default.
	tokenLife = 60 * time.Second
)

// Server is a Keycloak with one realm. Safe for use by several goroutines.
type Server struct {
	*apitest.Server
	t testing.TB

	mu      sync.Mutex
	users   map[string]*user
	groups  map[string]*group
	roles   map[string]*role
	clients map[string]*client
	tokens  map[string]granted
	events  log
	next    int
	// byName and byParent are the users and the groups in the order of lists; nil after a change.
	byName   []*user
	byParent map[string][]*group
	// NoCount leaves subGroupCount out, as older servers do. Hook, where it is set, runs before
	// each read of the admin API, with its path: a world that moves. Both are set before use.
	NoCount bool
	Hook    func(path string)
	// Light makes tokens that do not show rights.
	Light bool
}

type user struct {
	id, username, first, last, email string
	verified, enabled                bool
	attributes                       map[string][]string
	serviceAccountOf                 string
	created                          int64
	groups, roles                    map[string]bool
}

type group struct {
	id, name, description, parent string
	roles                         map[string]bool
}

type role struct {
	id, name, description, client string
	parts                         map[string]bool
}

type client struct {
	id, clientID string
	secret       string
	key          crypto.PublicKey
	rights       []string
}

// granted is an access token.
type granted struct {
	client string
	until  time.Time
}

// New makes a server with a world, on loopback, that ends with the test.
func New(t testing.TB, w providertest.World) *Server {
	s := bare(t)
	s.Server = apitest.Serve(t, s.handler())
	s.SetWorld(w)
	return s
}

// NewInMemory makes one that is reached in the process only, for a bubble of testing/synctest.
func NewInMemory(t testing.TB, w providertest.World) *Server {
	s := bare(t)
	s.Server = apitest.InMemory(t, s.handler())
	s.SetWorld(w)
	return s
}

func bare(t testing.TB) *Server {
	s := &Server{t: t, clients: map[string]*client{}, tokens: map[string]granted{}, events: log{admin: true, people: true}}
	s.reset()
	s.AddClient(ClientID, Secret, All()...)
	return s
}

// All are the rights that a source with roles and a watch needs.
func All() []string { return []string{"view-users", "view-realm", "view-clients", "view-events"} }

func (s *Server) reset() {
	s.changed()
	s.users, s.groups, s.roles = map[string]*user{}, map[string]*group{}, map[string]*role{}
	for _, c := range s.clients {
		s.account(c)
	}
}

// AddClient adds a client with a service account of these rights.
func (s *Server) AddClient(clientID, secret string, rights ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &client{id: s.id(), clientID: clientID, secret: secret, rights: rights}
	s.clients[c.id] = c
	s.account(c)
}

// SetKey lets a client sign in by private_key_jwt.
func (s *Server) SetKey(clientID string, key crypto.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		if c.clientID == clientID {
			c.key = key
		}
	}
}

// account makes the service account of a client, which lists of members show and the list of
// users does not.
func (s *Server) account(c *client) {
	u := s.newUser("service-account-" + c.clientID)
	u.serviceAccountOf = c.clientID
}

// changed forgets the order of lists.
func (s *Server) changed() { s.byName, s.byParent = nil, nil }

func (s *Server) id() string {
	s.next++
	return fmt.Sprintf("0f000000-0000-4000-8000-%012d", s.next)
}

func (s *Server) newUser(username string) *user {
	s.changed()
	u := &user{id: s.id(), username: username, enabled: true, created: time.Now().UnixMilli(), groups: map[string]bool{}, roles: map[string]bool{}}
	s.users[u.id] = u
	return u
}

// SetWorld replaces the people and groups. A group is below the one that contains it; two
// cannot contain the same one.
func (s *Server) SetWorld(w providertest.World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
	for _, p := range w.Users {
		s.users[p.ID] = &user{id: p.ID, username: p.Username, first: p.Name, email: p.Email, verified: true, enabled: !p.Disabled,
			attributes: p.Attributes, created: time.Now().UnixMilli(), groups: map[string]bool{}, roles: map[string]bool{}}
	}
	for _, g := range w.Groups {
		s.groups[g.ID] = &group{id: g.ID, name: g.Name, description: g.Description, roles: map[string]bool{}}
		for _, id := range g.Members {
			if u := s.users[id]; u != nil {
				u.groups[g.ID] = true
			}
		}
	}
	for _, g := range w.Groups {
		for _, id := range g.Groups {
			if s.groups[id].parent != "" {
				s.t.Fatalf("the group %s is below two", id)
			}
			s.groups[id].parent = g.ID
		}
	}
}

// Config gives a configuration of a source that reads the server as a client.
func (s *Server) Config(change ...func(*keycloak.Config)) *keycloak.Config {
	return Config(s.t, s.URL(), ClientID, Secret, change...)
}

// Config gives the configuration of a source, with the secret in a file.
func Config(t testing.TB, url, clientID, password string, change ...func(*keycloak.Config)) *keycloak.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := secret.Parse("file:" + file)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := keycloak.Type().New().(*keycloak.Config)
	if !ok {
		t.Fatal("the type of the configuration is another one")
	}
	c.URL, c.Realm, c.ClientID, c.ClientSecret = url, RealmName, clientID, ref
	for _, f := range change {
		f(c)
	}
	return c
}

// Open opens a source that ends with the test.
func (s *Server) Open(t testing.TB, change ...func(*keycloak.Config)) providers.Source {
	t.Helper()
	source, err := s.Config(change...).Open(providers.Options{Name: "kc", Dial: s.Dial()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return source
}

// handler serves the API.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /realms/{realm}/protocol/openid-connect/token", s.token)
	s.routes(func(method, path string, rights []string, h answerer) {
		mux.HandleFunc(method+" /admin/realms/{realm}"+path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, rights, h) })
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		write(w, fail(http.StatusNotFound, "HTTP 404 Not Found"))
	})
	return mux
}
