package entra_test

import (
	"net/http"
	"strings"
	"testing"

	"groupsyncd/providers"
	"groupsyncd/providers/entra"
	"groupsyncd/providers/entra/entratest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
)

// open opens a source on a server; change may be nil.
func open(t testing.TB, s *entratest.Server, change func(*entra.Config)) providers.Source {
	t.Helper()
	c := s.Config()
	if change != nil {
		change(c)
	}
	return openWith(t, c, providers.Options{Name: "azure", Dial: s.Dial()})
}

func openWith(t testing.TB, c *entra.Config, o providers.Options) providers.Source {
	t.Helper()
	source, err := c.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return source
}

// TestConformance is the suite that every source passes.
func TestConformance(t *testing.T) {
	t.Parallel()
	h := providertest.Harness{
		Open: func(t testing.TB, w providertest.World) providers.Source { return open(t, entratest.New(t, w), nil) },
		Live: func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
			s := entratest.New(t, w)
			return open(t, s, nil), s.SetWorld
		},
		Secret: entratest.Secret,
	}
	at := func(part string) func(*http.Request) bool {
		return func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, part) }
	}
	h.Faults = apitest.Faults(func(t testing.TB, w providertest.World, b apitest.Breakage) providers.Source {
		s := entratest.Start(t, w, entratest.Options{InMemory: true, UserPage: 250, GroupPage: 100})
		s.Break(b)
		return open(t, s, nil)
	}, apitest.FaultOptions{
		Token: func(r *http.Request) bool { return r.Method == http.MethodPost },
		Users: at("/v1.0/users/delta"), Groups: at("/v1.0/groups/delta"),
		Loop: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"value": [], "@odata.nextLink": "http://` + r.Host + r.URL.RequestURI() + `"}`))
		},
		Short: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"value": []}`))
		},
		Says: func(int) string { return entratest.Says("refused", "The server says no.") },
	})
	providertest.Run(t, h)
}

// TestOwners is the suite with owners, which cost a request for each group. In Entra people
// own groups, and groups do not.
func TestOwners(t *testing.T) {
	t.Parallel()
	owned := func(c *entra.Config) { c.Owners, c.Nested = true, false }
	h := providertest.Harness{
		Live: func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
			s := entratest.Start(t, w, entratest.Options{InMemory: true})
			return open(t, s, owned), s.SetWorld
		},
		Open: func(t testing.TB, w providertest.World) providers.Source {
			return open(t, entratest.Start(t, w, entratest.Options{InMemory: true}), owned)
		},
		Secret: entratest.Secret, Virtual: true, Owners: true, NoLookUp: true, NoNesting: true,
	}
	providertest.Run(t, h)
}
