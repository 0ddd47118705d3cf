package google_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/google"
	"groupsyncd/providers/google/googletest"
	"groupsyncd/providers/providertest/apitest"
)

func everything(r *http.Request) bool { return r.URL.Path != "/token" }

func ref(t *testing.T, text string) secret.Ref {
	t.Helper()
	r, err := secret.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestErrorsSayWhatToClick: what Google's consoles mend is told with its place there, by an
// error and by doctor.
func TestErrorsSayWhatToClick(t *testing.T) {
	t.Parallel()
	api := func(status int, reason string) func(*googletest.Server, *google.Config) {
		return func(s *googletest.Server, _ *google.Config) {
			s.Break(apitest.Breakage{Match: everything, Do: apitest.Status(status, googletest.Error(status, reason, "refused"))})
		}
	}
	for _, c := range []struct {
		name   string
		breaks func(*googletest.Server, *google.Config)
		kind   fault.Kind
		hint   string
		most   int // requests of a pull
	}{
		{"no delegation", func(_ *googletest.Server, c *google.Config) { c.Subject = "bob@example.org" }, fault.Auth, "Manage domain-wide delegation > Add new: the client id", 1},
		{"no such subject", func(s *googletest.Server, _ *google.Config) {
			s.Break(apitest.Breakage{Match: func(r *http.Request) bool { return !everything(r) }, Do: apitest.Status(400, `{"error": "invalid_grant", "error_description": "Invalid email or User ID"}`)})
		}, fault.Auth, "an active account of this customer", 1},
		{"API off", api(403, "accessNotConfigured"), fault.Auth, "Admin SDK API > Enable", 2},
		{"scope missing", api(403, "insufficientPermissions"), fault.Auth, "admin.directory.group.member.readonly", 2},
		{"no role", api(403, "forbidden"), fault.Auth, "Users > Read and Groups > Read", 3},
		{"no role, in the other word", api(403, "notAuthorized"), fault.Auth, "Admin roles", 3},
		{"another domain", api(404, "domainNotFound"), fault.NotFound, "check customer and domain", 3},
		{"quota of the day", api(403, "dailyLimitExceeded"), fault.Auth, "midnight", 2},
		{"quota of the minute", api(403, "quotaExceeded"), fault.Throttled, "another program", 15},
		{"bad query", api(400, "invalid"), fault.Invalid, "does not understand", 3},
		{"key deleted", api(401, "authError"), fault.Auth, "key of the service account", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := googletest.NewWith(t, world(), googletest.Options{InMemory: true})
				source := open(t, s, func(g *google.Config) { c.breaks(s, g) })
				_, err := source.Pull(t.Context(), nil)
				if fault.KindOf(err) != c.kind || !strings.Contains(fault.HintOf(err), c.hint) {
					t.Errorf("%v (%s), hint %q", err, fault.KindOf(err), fault.HintOf(err))
				}
				if n := len(s.Requests()); n > c.most {
					t.Errorf("%d requests for nothing, want at most %d", n, c.most)
				}
				checker, ok := source.(providers.Checker)
				if !ok {
					t.Fatal("doctor cannot look")
				}
				found := checker.Check(t.Context())
				last := found[len(found)-1]
				if last.Level != providers.Failed || !strings.Contains(last.Remedy, c.hint) {
					t.Errorf("doctor says %+v", last)
				}
			})
		})
	}
}

func TestDoctorTellsBadCredentials(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"type": "external_account", "audience": "x"}`: "workload identity federation is not supported",
		"-----BEGIN PRIVATE KEY-----":                   "Add key",
		"":                                              "",
	} {
		file := filepath.Join(t.TempDir(), "credentials.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := googletest.New(t, world())
		source := open(t, s, func(c *google.Config) { c.Credentials = ref(t, "file:"+file) })
		checker, ok := source.(providers.Checker)
		if !ok {
			t.Fatal("doctor cannot look")
		}
		found := checker.Check(t.Context())
		if len(found) != 1 || found[0].Level != providers.Failed || !strings.Contains(found[0].Remedy, want) || strings.Contains(found[0].Message, "PRIVATE") {
			t.Errorf("%q: %+v", text, found)
		}
		if _, err := source.Pull(t.Context(), nil); err == nil || strings.Contains(err.Error()+fault.HintOf(err), "PRIVATE") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestDoctorSaysAsWhomItAsks(t *testing.T) {
	t.Parallel()
	s := googletest.New(t, world())
	source, ok := open(t, s, func(c *google.Config) { c.Groups = "email:g-*" }).(providers.Checker)
	if !ok {
		t.Fatal("doctor cannot look")
	}
	var text strings.Builder
	for _, f := range source.Check(t.Context()) {
		if f.Level != providers.OK {
			t.Errorf("%+v", f)
		}
		text.WriteString(f.Message + "\n")
	}
	for _, want := range []string{"client id 100000000000000000001", googletest.Admin, googletest.CustomerID, "36 hours"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}

func TestTheServiceAccountMayAskInItsOwnName(t *testing.T) {
	t.Parallel()
	pull(t, open(t, googletest.New(t, world()), func(c *google.Config) { c.Subject = "" }))
}

func TestBadConfigurations(t *testing.T) {
	t.Parallel()
	good := googletest.New(t, world()).Config()
	if list := good.Check(); len(list) > 0 {
		t.Fatal(list)
	}
	for path, spoil := range map[string]func(*google.Config){
		"credentials":      func(c *google.Config) { c.Credentials = secret.Ref{} },
		"customer":         func(c *google.Config) { c.Customer = "example.org" },
		"subject":          func(c *google.Config) { c.Subject = "admin" },
		"domain":           func(c *google.Config) { c.Domain = "@example.org" },
		"attributes phone": func(c *google.Config) { c.Attributes = map[string]string{"phone": "phones.value"} },
		"page_size":        func(c *google.Config) { c.PageSize = 201 },
		"parallel":         func(c *google.Config) { c.Parallel = 0 },
		"url":              func(c *google.Config) { c.URL = "http://google.example" },
	} {
		c := *good
		spoil(&c)
		list := c.Check()
		if len(list) != 1 || strings.Join(list[0].Path, " ") != path || list[0].Hint == "" {
			t.Errorf("%s: %+v", path, list)
		}
		if _, err := c.Open(providers.Options{Name: "gws"}); err == nil {
			t.Errorf("%s: it opens", path)
		}
	}
}

func TestPlaceAndScope(t *testing.T) {
	t.Parallel()
	a := &google.Config{Customer: "my_customer", Subject: "a@Example.org"}
	b := &google.Config{Customer: "my_customer", Subject: "b@example.org", PageSize: 50}
	if a.Place() != b.Place() || a.Scope() != b.Scope() {
		t.Errorf("another administrator makes another place: %q %q", a.Place(), b.Place())
	}
	b.Domain = "example.org"
	if a.Scope() == b.Scope() || !a.Replicated() {
		t.Error("a domain changes what is shown, and answers come from replicas")
	}
}
