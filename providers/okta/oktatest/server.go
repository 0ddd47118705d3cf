// Package oktatest is an Okta organisation in the process, for tests: the parts of the
// management API that a source reads, with its cursors, filters, statuses, errors and limits,
// behind the token endpoint of a service app.
//
// It owns no judgement. Paths, parameters and answers are those of Okta's own description
// (OpenAPI), which is in the Go module github.com/okta/okta-sdk-golang/v5 v5.0.2, file
// .generator/okta-management-APIs-oasv3-enum-inheritance.yaml; errors and headers, which the
// description does not have, are those of the documentation at developer.okta.com.
package oktatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/okta"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// The app of the organisation, whose key Config has, and the app that people use.
const (
	ClientID = "0oaServiceApp0000001"
	KeyID    = "key-1"
	AppID    = "0oaOpenWebUI00000001"
	AppLabel = "Open WebUI"
)

// Options say what kind of organisation it is. The zero Options are a usual one.
type Options struct {
	// InMemory serves over connections in memory, for a bubble of testing/synctest.
	InMemory bool
	// PageSize is the most entries of a page; zero: 200.
	PageSize int
	// Now is the organisation's clock; nil: the real one.
	Now func() time.Time
	// DPoP makes the app demand tokens that are bound to a key.
	DPoP bool
	// Scopes are those that were granted to the app; nil: all that a source asks for.
	Scopes []string
	// NoRole leaves the app without an admin role, GroupAdmin gives it one that is limited to
	// groups, which hides Everyone.
	NoRole, GroupAdmin bool
	// Limits throttles as Okta does.
	Limits *Limits
	// IndexLag is how long the list of groups shows an old stamp, MemberLag how long the
	// members of a group are those of before.
	IndexLag, MemberLag time.Duration
	// Silent says that people who are deleted leave their groups without a new stamp.
	Silent bool
	// LinkHost is the host in the addresses of next pages; empty: the one that was asked.
	LinkHost string
}

// Server is an organisation. Safe for use by several goroutines.
type Server struct {
	*apitest.Server
	o       Options
	keyFile string
	key     *ecdsa.PrivateKey
	// Throttle is what Limits made, else nil.
	Throttle *apitest.Throttle

	mu     sync.Mutex
	users  map[string]*user
	order  []string // The ids of users, sorted; nil: to be sorted anew.
	groups map[string]*group
	app    struct{ users, groups map[string]bool }
	tokens map[string]issued
	nonce  string
}

// New starts an organisation with a world, until the test ends.
func New(t testing.TB, w providertest.World, edit ...func(*Options)) *Server {
	t.Helper()
	var o Options
	for _, e := range edit {
		e(&o)
	}
	if o.PageSize == 0 {
		o.PageSize = 200
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{o: o, key: key, keyFile: filepath.Join(t.TempDir(), "okta.pem"), users: map[string]*user{}, groups: map[string]*group{}, tokens: map[string]issued{}, nonce: "nonce-1"}
	if err := os.WriteFile(s.keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	s.app.users, s.app.groups = map[string]bool{}, map[string]bool{}
	s.SetWorld(w)
	handler := s.routes()
	if o.Limits != nil {
		handler = s.throttled(handler)
	}
	serve := apitest.Serve
	if o.InMemory {
		serve = apitest.InMemory
	}
	s.Server = serve(t, handler)
	return s
}

// InMemory is the option of that name.
func InMemory(o *Options) { o.InMemory = true }

// Config gives a configuration that reads the organisation, as fast as it answers.
func (s *Server) Config() *okta.Config {
	c, ok := okta.Type().New().(*okta.Config)
	ref, err := secret.Parse("file:" + s.keyFile)
	if !ok || err != nil {
		panic("the configuration of Okta is another one")
	}
	c.URL, c.ClientID, c.PrivateKey, c.KeyID = s.URL(), ClientID, ref, KeyID
	c.Rate = 60_000
	c.Attributes = map[string]string{Department: Department + "s"}
	return c
}

// Open opens a source on the organisation with an edited configuration, until the test ends.
func (s *Server) Open(t testing.TB, edit ...func(*okta.Config)) providers.Source {
	t.Helper()
	return s.OpenWith(t, providers.Options{}, edit...)
}

// OpenWith is Open with options of the source; connections lead here.
func (s *Server) OpenWith(t testing.TB, o providers.Options, edit ...func(*okta.Config)) providers.Source {
	t.Helper()
	c := s.Config()
	for _, e := range edit {
		e(c)
	}
	if o.Name == "" {
		o.Name = "okta"
	}
	o.Dial = s.Dial()
	source, err := c.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return source
}

// Secret is what must be in no text: a part of every access token.
const Secret = "canary-okta-token"

// routes gives the API behind the check of tokens.
func (s *Server) routes() http.Handler {
	api := http.NewServeMux()
	handle := func(pattern, scope string, f func(http.ResponseWriter, *http.Request)) {
		api.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
			if s.allowed(w, r, scope) {
				f(w, r)
			}
		})
	}
	handle("/api/v1/users", "okta.users.read", s.listUsers)
	handle("/api/v1/users/{user}", "okta.users.read", s.getUser)
	handle("/api/v1/users/{user}/groups", "okta.users.read", s.listGroupsOf)
	handle("/api/v1/groups", "okta.groups.read", s.listGroups)
	handle("/api/v1/groups/{group}", "okta.groups.read", s.getGroup)
	handle("/api/v1/groups/{group}/users", "okta.groups.read", s.listMembers)
	handle("/api/v1/groups/{group}/owners", "okta.groups.read", s.listOwners)
	handle("/api/v1/apps", "okta.apps.read", s.listApps)
	handle("/api/v1/apps/{app}/groups", "okta.apps.read", s.listAppGroups)
	handle("/api/v1/apps/{app}/users", "okta.apps.read", s.listAppUsers)
	handle("/api/v1/apps/{app}/users/{user}", "okta.apps.read", s.getAppUser)
	api.HandleFunc("POST /oauth2/v1/token", s.token)
	api.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusMethodNotAllowed, "E0000022", "The endpoint does not support the provided HTTP method")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", s.o.Now().UTC().Format(http.TimeFormat))
		api.ServeHTTP(w, r)
	})
}
