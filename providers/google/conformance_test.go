package google_test

import (
	"net/http"
	"strings"
	"testing"

	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
	"groupsyncd/providers/google"
	"groupsyncd/providers/google/googletest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// open opens a source on a server.
func open(t testing.TB, s *googletest.Server, change ...func(*google.Config)) providers.Source {
	t.Helper()
	c := s.Config()
	for _, f := range change {
		f(c)
	}
	source, err := c.Open(providers.Options{Name: "gws", Dial: s.Dial(), Limiters: &httpx.Limiters{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	})
	return source
}

func owners(c *google.Config) { c.Owners = true }

func isPath(end string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.URL.Path == "/admin/directory/v1"+end && r.URL.Query().Get("showDeleted") == "" && r.URL.Query().Get("userKey") == ""
	}
}

// says writes errors as Google does.
func says(status int) string {
	reason := map[int]string{401: "authError", 403: "forbidden", 404: "notFound", 429: "rateLimitExceeded"}[status]
	if reason == "" {
		reason = "backendError"
	}
	return googletest.Error(status, reason, "refused")
}

func harness() providertest.Harness {
	virtual := googletest.Options{InMemory: true}
	return providertest.Harness{
		Open: func(t testing.TB, w providertest.World) providers.Source {
			return open(t, googletest.NewWith(t, w, virtual), owners)
		},
		Live: func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
			s := googletest.NewWith(t, w, virtual)
			return open(t, s, owners), s.SetWorld
		},
		Faults: apitest.Faults(func(t testing.TB, w providertest.World, b apitest.Breakage) providers.Source {
			s := googletest.NewWith(t, w, virtual)
			s.Break(b)
			return open(t, s)
		}, apitest.FaultOptions{
			Token: func(r *http.Request) bool { return r.URL.Path == "/token" },
			Users: isPath("/users"), Groups: isPath("/groups"),
			Members: func(r *http.Request) string {
				id, ok := strings.CutSuffix(r.URL.Path, "/members")
				if !ok {
					return ""
				}
				return id
			},
			Loop: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				q := r.URL.Query()
				q.Del("pageToken")
				r.URL.RawQuery = q.Encode()
				next.ServeHTTP(w, r)
			},
			Says: says,
		}),
		Virtual: true, Secret: googletest.Canary,
		NoSameEmail: true, MailUsernames: true, Owners: true, OwnersAreMembers: true,
	}
}

// TestConformance is the suite that every source passes.
func TestConformance(t *testing.T) {
	t.Parallel()
	providertest.Run(t, harness())
}
