package okta_test

import (
	"net/http"
	"strings"
	"testing"

	"groupsyncd/providers"
	"groupsyncd/providers/okta"
	"groupsyncd/providers/okta/oktatest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

func withOwners(c *okta.Config) { c.Owners = true }

// TestConformance is the suite that every source passes. Okta has no groups in groups.
func TestConformance(t *testing.T) {
	t.Parallel()
	small := func(o *oktatest.Options) { o.InMemory, o.PageSize = true, 100 }
	faulty := func(t testing.TB, w providertest.World, b apitest.Breakage) providers.Source {
		s := oktatest.New(t, w, small)
		s.Break(b)
		return s.Open(t)
	}
	providertest.Run(t, providertest.Harness{
		Open: func(t testing.TB, w providertest.World) providers.Source {
			return oktatest.New(t, w, oktatest.InMemory).Open(t, withOwners)
		},
		Live: func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
			s := oktatest.New(t, w, oktatest.InMemory)
			return s.Open(t, withOwners), s.SetWorld
		},
		Virtual: true, Secret: oktatest.Secret, Owners: true, NoNesting: true, NoUnresolved: true,
		Faults: apitest.Faults(faulty, apitest.FaultOptions{
			Token:   func(r *http.Request) bool { return r.URL.Path == "/oauth2/v1/token" },
			Users:   func(r *http.Request) bool { return r.URL.Path == "/api/v1/users" },
			Groups:  func(r *http.Request) bool { return r.URL.Path == "/api/v1/groups" },
			Members: membersOf,
			Loop:    loop,
			Says:    says,
		}),
	})
}

// membersOf gives the group whose members a request reads.
func membersOf(r *http.Request) string {
	id, of := strings.CutPrefix(r.URL.Path, "/api/v1/groups/")
	id, ok := strings.CutSuffix(id, "/users")
	if !of || !ok {
		return ""
	}
	return id
}

// loop answers each page with the same next one.
func loop(w http.ResponseWriter, r *http.Request, next http.Handler) {
	w.Header().Add("Link", "<http://"+r.Host+r.URL.RequestURI()+`>; rel="next"`)
	next.ServeHTTP(w, r)
}

// says is the body of an answer that is no success.
func says(status int) string {
	code := map[int]string{401: "E0000011", 403: "E0000006", 404: "E0000007", 429: "E0000047"}[status]
	if code == "" {
		code = "E0000009"
	}
	return `{"errorCode": "` + code + `", "errorSummary": "refused", "errorLink": "` + code + `", "errorId": "oae1", "errorCauses": []}`
}
