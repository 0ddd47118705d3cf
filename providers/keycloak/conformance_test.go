package keycloak_test

import (
	"net/http"
	"strings"
	"testing"

	"groupsyncd/providers"
	"groupsyncd/providers/keycloak"
	"groupsyncd/providers/keycloak/keycloaktest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

func department(c *keycloak.Config) { c.Attributes = map[string]string{"department": "department"} }

// TestConformance is the suite that every source passes. Groups of Keycloak are a tree, in
// which nobody who is nobody can be a member.
func TestConformance(t *testing.T) {
	t.Parallel()
	const api = "/admin/realms/" + keycloaktest.RealmName
	at := func(path string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.URL.Path == api+path }
	}
	providertest.Run(t, providertest.Harness{
		Open: func(t testing.TB, w providertest.World) providers.Source {
			return keycloaktest.New(t, w).Open(t, department)
		},
		Live: func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
			s := keycloaktest.New(t, w)
			return s.Open(t, department), s.SetWorld
		},
		Secret: keycloaktest.Secret, NoNesting: true, NoUnresolved: true, NoSameName: true,
		Faults: apitest.Faults(func(t testing.TB, w providertest.World, b apitest.Breakage) providers.Source {
			s := keycloaktest.NewInMemory(t, w)
			s.Break(b)
			return s.Open(t, department)
		}, apitest.FaultOptions{
			Token: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/protocol/openid-connect/token") },
			Users: at("/users"), Groups: at("/groups"),
			Members: func(r *http.Request) string {
				group, found := strings.CutSuffix(r.URL.Path, "/members")
				if !found {
					return ""
				}
				return group
			},
			Says: func(int) string { return `{"error":"refused"}` },
			Loop: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				q := r.URL.Query()
				q.Set("first", "0")
				r.URL.RawQuery = q.Encode()
				next.ServeHTTP(w, r)
			},
			Short: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte("[]"))
			},
		}),
	})
}
