package authentik_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"groupsyncd/providers"
	"groupsyncd/providers/authentik/authentiktest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// harness is the suite for one way of signing in.
func harness(oauth bool) providertest.Harness {
	open := func(t testing.TB, w providertest.World, b apitest.Breakage) (providers.Source, *authentiktest.Server) {
		s := authentiktest.InMemory(t, w)
		s.Break(b)
		c := s.Config()
		if oauth {
			c = s.OAuth()
		}
		source := s.Open(c)
		return source, s
	}
	o := apitest.FaultOptions{
		Users:  func(r *http.Request) bool { return r.URL.Path == "/api/v3/core/users/" },
		Groups: func(r *http.Request) bool { return r.URL.Path == "/api/v3/core/groups/" },
		Loop: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(w, onPage(r, "1"))
		},
		Short: short,
		Says: func(status int) string {
			return fmt.Sprintf(`{"detail": "refused with %d", "code": "refused"}`, status)
		},
	}
	secret := authentiktest.Token
	if oauth {
		o.Token = func(r *http.Request) bool { return r.URL.Path == "/application/o/token/" }
		secret = authentiktest.Secret
	}
	return providertest.Harness{
		Open: func(t testing.TB, w providertest.World) providers.Source {
			s, _ := open(t, w, apitest.Breakage{})
			return s
		},
		Live: func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
			s, server := open(t, w, apitest.Breakage{})
			return s, server.SetWorld
		},
		Virtual: true, Secret: secret, NoDescription: true,
		// Memberships are foreign keys in authentik: a member who is nobody is one whom the
		// token may not see, and has tests of its own.
		NoUnresolved: true,
		Faults: apitest.Faults(func(t testing.TB, w providertest.World, b apitest.Breakage) providers.Source {
			s, _ := open(t, w, b)
			return s
		}, o),
	}
}

// onPage asks for another page.
func onPage(r *http.Request, page string) *http.Request {
	r = r.Clone(r.Context())
	q := r.URL.Query()
	q.Set("page", page)
	r.URL.RawQuery = q.Encode()
	return r
}

// short leaves out the last rows of every page behind the first.
func short(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if r.URL.Query().Get("page") == "1" {
		next.ServeHTTP(w, r)
		return
	}
	kept := &keeper{header: http.Header{}}
	next.ServeHTTP(kept, r)
	var page map[string]any
	_ = json.Unmarshal([]byte(kept.body.String()), &page)
	if rows, ok := page["results"].([]any); ok {
		page["results"] = rows[:len(rows)/2]
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(page)
}

type keeper struct {
	header http.Header
	body   strings.Builder
}

func (k *keeper) Header() http.Header         { return k.header }
func (k *keeper) WriteHeader(int)             {}
func (k *keeper) Write(b []byte) (int, error) { return k.body.Write(b) }

func TestConformance(t *testing.T) {
	t.Parallel()
	providertest.Run(t, harness(false))
}

// TestConformanceWithAccessTokens: the faults of the token endpoint come on top, those of the
// API are the same.
func TestConformanceWithAccessTokens(t *testing.T) {
	t.Parallel()
	h := harness(true)
	h.Faults = slices.DeleteFunc(h.Faults, func(f providertest.Fault) bool { return !strings.Contains(f.Name, "for a token") })
	providertest.Run(t, h)
}
