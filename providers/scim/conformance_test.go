package scim_test

import (
	"net/http"
	"strings"
	"testing"

	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/providertest/apitest"
	"groupsyncd/providers/scim"
	"groupsyncd/providers/scim/scimtest"
)

// open opens a source on a server.
func open(t testing.TB, s *scimtest.Server, change ...func(*scim.Config)) providers.Source {
	t.Helper()
	c, ok := s.Config().(*scim.Config)
	if !ok {
		t.Fatal("not the configuration of this source")
	}
	for _, f := range change {
		f(c)
	}
	source, err := c.Open(providers.Options{Name: "hr", Dial: s.Dial()})
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

// trusting says how members are read where nobody in the world is a member, because auto takes
// that for a server that hides them.
func trusting(w providertest.World, how string) func(*scim.Config) {
	return func(c *scim.Config) {
		for _, g := range w.Groups {
			if len(g.Members)+len(g.Groups) > 0 {
				return
			}
		}
		c.Members = how
	}
}

func harness(p scimtest.Profile, how string, change ...func(*scim.Config)) providertest.Harness {
	return providertest.Harness{
		Open: func(t testing.TB, w providertest.World) providers.Source {
			return open(t, scimtest.New(t, w, p), append(change, trusting(w, how))...)
		},
		Live: func(t testing.TB, w providertest.World) (providers.Source, func(providertest.World)) {
			s := scimtest.New(t, w, p)
			return open(t, s, append(change, trusting(w, how))...), s.SetWorld
		},
		Secret: scimtest.Token, NoDescription: true,
	}
}

// TestConformance is the suite that every source passes, with the faults, against a server that
// keeps to the standards.
func TestConformance(t *testing.T) {
	t.Parallel()
	h := harness(scimtest.Standard(), scim.FromList)
	opener := func(change ...func(*scim.Config)) func(testing.TB, providertest.World, apitest.Breakage) providers.Source {
		return func(t testing.TB, w providertest.World, b apitest.Breakage) providers.Source {
			s := scimtest.InMemory(t, w, scimtest.Standard())
			s.Break(b)
			return open(t, s, change...)
		}
	}
	faults := apitest.FaultOptions{
		Users: listOf("/Users"), Groups: listOf("/Groups"),
		Says: func(int) string {
			return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","detail":"as the test wants it"}`
		},
	}
	h.Faults = apitest.Faults(opener(), faults)
	providertest.Run(t, h)
}

// TestConformanceOfEachGroup is the suite with a server that shows members in single groups only.
func TestConformanceOfEachGroup(t *testing.T) {
	t.Parallel()
	p := scimtest.Standard()
	p.Members, p.ETags, p.NoTypes = scimtest.Alone, true, true
	h := harness(p, scim.FromGroup)
	h.Faults = apitest.Faults(func(t testing.TB, w providertest.World, b apitest.Breakage) providers.Source {
		s := scimtest.InMemory(t, w, p)
		s.Break(b)
		return open(t, s, func(c *scim.Config) { c.Members = scim.FromGroup })
	}, apitest.FaultOptions{Members: func(r *http.Request) string {
		_, id, _ := strings.Cut(r.URL.Path, "/Groups/")
		return id
	}})
	providertest.Run(t, h)
}

func listOf(end string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, end) && !r.URL.Query().Has("filter") }
}

// TestConformanceOfProfiles is the suite with servers that behave as known ones do.
func TestConformanceOfProfiles(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]scimtest.Profile{
		"AWS": scimtest.AWS(), "Keycloak": scimtest.Keycloak(), "Snowflake": scimtest.Snowflake(), "Slack": scimtest.Slack(), "Open WebUI": scimtest.OpenWebUI(),
	} {
		if testing.Short() && name != "AWS" {
			continue // Under the race detector the one that differs most stands for all.
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := harness(p, scim.FromList)
			h.NoNesting = p.NoNesting
			if p.Members == scimtest.Never {
				h.NoEmptyGroups, h.NoUnresolved, h.NoSameName = false, true, true
			}
			providertest.Run(t, h)
		})
	}
}
