// Package googletest is a Google Workspace in the process, for tests: the part of the Directory
// API that reads, and the token endpoint for service accounts.
//
// It owns the paths, parameters, limits and answers of that API, as Google describes them, and
// refuses what Google refuses. What a source makes of it is the business of package google.
package googletest

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"groupsyncd/internal/secret"
	"groupsyncd/providers/google"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// The customer of every server, its administrator, and what the access tokens begin with.
const (
	CustomerID = "C01canary"
	Admin      = "admin@example.org"
	Canary     = "ya29.canary-7d31"
)

// Server is a customer of Google. Safe for use by several goroutines.
type Server struct {
	*apitest.Server
	credentials string

	mu sync.Mutex
	// world is as it was set, extra what a world cannot say; made is what both come to.
	world  providertest.World
	extra  extra
	made   *tenant
	gone   map[string]time.Time
	tokens map[string]grant
	issued int
}

// extra is what a world cannot say.
type extra struct {
	everybody []string
	aliases   map[string]string
	foreign   []providertest.Group
	custom    map[string]map[string]map[string]any
}

// Options say how a server runs.
type Options struct {
	// InMemory serves over connections within the process, for bubbles of testing/synctest.
	InMemory bool
	// Throttle holds API requests to limits; nil: there are none.
	Throttle *apitest.Throttle
}

// New serves a world over loopback.
func New(t testing.TB, w providertest.World) *Server {
	t.Helper()
	return NewWith(t, w, Options{})
}

// NewWith serves a world until the test ends.
func NewWith(t testing.TB, w providertest.World, o Options) *Server {
	t.Helper()
	s := &Server{gone: map[string]time.Time{}, tokens: map[string]grant{}, extra: extra{aliases: map[string]string{}, custom: map[string]map[string]map[string]any{}}}
	s.SetWorld(w)
	var api http.Handler = http.HandlerFunc(s.api)
	if o.Throttle != nil {
		api = o.Throttle.Wrap(api)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.token)
	mux.Handle("/", api)
	if o.InMemory {
		s.Server = apitest.InMemory(t, mux)
	} else {
		s.Server = apitest.Serve(t, mux)
	}
	s.credentials = filepath.Join(t.TempDir(), "credentials.json")
	data, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "project", "private_key_id": "key-1", "private_key": keyPEM(),
		"client_email": account, "client_id": "100000000000000000001", "token_uri": s.URL() + "/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.credentials, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// Config gives the configuration of a source that reads this server.
func (s *Server) Config() *google.Config {
	c, ok := google.Type().New().(*google.Config)
	if !ok {
		panic("the configuration is of another type")
	}
	ref, err := secret.Parse("file:" + s.credentials)
	if err != nil {
		panic(err)
	}
	c.Credentials, c.Subject, c.URL = ref, Admin, s.URL()
	c.Attributes = map[string]string{"department": "organizations.department"}
	return c
}

// SetWorld replaces the world. People who were there before are deleted people.
func (s *Server) SetWorld(w providertest.World) {
	s.change(func() {
		for _, u := range s.world.Users {
			s.gone[u.ID] = time.Now()
		}
		for _, u := range w.Users {
			delete(s.gone, u.ID)
		}
		s.world = w
	})
}

// Everybody makes all people of the customer members of a group.
func (s *Server) Everybody(group string) {
	s.change(func() { s.extra.everybody = append(s.extra.everybody, group) })
}

// NotEverybody ends that.
func (s *Server) NotEverybody() { s.change(func() { s.extra.everybody = nil }) }

// Alias gives somebody a further address.
func (s *Server) Alias(id, mail string) { s.change(func() { s.extra.aliases[mail] = id }) }

// Foreign makes a group of another customer, which may not be read.
func (s *Server) Foreign(g providertest.Group) {
	s.change(func() { s.extra.foreign = append(s.extra.foreign, g) })
}

// Custom sets a field of a custom schema.
func (s *Server) Custom(user, schema, field string, value any) {
	s.change(func() {
		if s.extra.custom[user] == nil {
			s.extra.custom[user] = map[string]map[string]any{}
		}
		if s.extra.custom[user][schema] == nil {
			s.extra.custom[user][schema] = map[string]any{}
		}
		s.extra.custom[user][schema][field] = value
	})
}

func (s *Server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.made = s.make()
}

func (s *Server) now() *tenant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

// api answers the Directory API.
func (s *Server) api(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/admin/directory/v1/")
	parts := strings.Split(path, "/")
	if !ok || len(parts) > 2 && parts[2] != "members" {
		refuse(w, http.StatusNotFound, "notFound", "Not Found")
		return
	}
	if r.Method != http.MethodGet {
		refuse(w, http.StatusMethodNotAllowed, "httpMethodNotAllowed", "this server reads only")
		return
	}
	scope := map[string]string{"users": "user.readonly", "groups": "group.readonly"}[parts[0]]
	if len(parts) > 2 {
		scope = "group.member.readonly"
	}
	if !s.allowed(w, r, scope) {
		return
	}
	q := &question{tenant: s.now(), w: w, r: r, q: r.URL.Query()}
	switch {
	case parts[0] == "users" && len(parts) == 1:
		q.users()
	case parts[0] == "users" && len(parts) == 2:
		q.user(parts[1])
	case parts[0] == "groups" && len(parts) == 1:
		q.groups()
	case parts[0] == "groups" && len(parts) == 2:
		q.group(parts[1])
	case parts[0] == "groups" && len(parts) == 3:
		q.members(parts[1])
	case parts[0] == "groups" && len(parts) == 4:
		q.member(parts[1], parts[3])
	default:
		refuse(w, http.StatusNotFound, "notFound", "Not Found")
	}
}
