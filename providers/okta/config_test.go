package okta_test

import (
	"strings"
	"testing"

	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/okta"
)

func valid(t *testing.T) *okta.Config {
	t.Helper()
	c, ok := okta.Type().New().(*okta.Config)
	if !ok {
		t.Fatal("the configuration of Okta is another one")
	}
	ref, err := secret.Parse("env:OKTA_KEY")
	if err != nil {
		t.Fatal(err)
	}
	c.URL, c.ClientID, c.PrivateKey = "https://example.okta.com", "0oaexample0000000001", ref
	return c
}

func TestMistakesInTheConfigurationAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(*okta.Config)
		want string // empty: no mistake
	}{
		"a usual one":             {func(*okta.Config) {}, ""},
		"a custom domain":         {func(c *okta.Config) { c.URL = "https://login.example.org/" }, ""},
		"all statuses":            {func(c *okta.Config) { c.Disabled = []string{"STAGED", "PROVISIONED", "RECOVERY", "LOCKED_OUT"} }, ""},
		"no status":               {func(c *okta.Config) { c.Disabled = nil }, ""},
		"no address":              {func(c *okta.Config) { c.URL = "" }, "url is missing"},
		"the Admin Console":       {func(c *okta.Config) { c.URL = "https://example-admin.okta.com" }, "Admin Console"},
		"without TLS":             {func(c *okta.Config) { c.URL = "http://example.okta.com" }, "https://"},
		"an authorization server": {func(c *okta.Config) { c.URL = "https://example.okta.com/oauth2/default" }, "end behind the host"},
		"no app":                  {func(c *okta.Config) { c.ClientID = "" }, "client_id is missing"},
		"no key":                  {func(c *okta.Config) { c.PrivateKey = secret.Ref{} }, "private_key is missing"},
		"a strange dpop":          {func(c *okta.Config) { c.DPoP = "off" }, "dpop"},
		"a strange status":        {func(c *okta.Config) { c.Disabled = []string{"DEACTIVATED"} }, "DEACTIVATED"},
		"a strange type":          {func(c *okta.Config) { c.Types = []string{"GROUP"} }, "GROUP"},
		"no type":                 {func(c *okta.Config) { c.Types = nil }, "types is empty"},
		"a large page":            {func(c *okta.Config) { c.PageSize = 1000 }, "page_size"},
		"a strange rate":          {func(c *okta.Config) { c.Rate = -1 }, "rate"},
		"an empty attribute":      {func(c *okta.Config) { c.Attributes = map[string]string{"a": ""} }, "attribute"},
	} {
		config := valid(t)
		c.edit(config)
		var said []string
		for _, p := range config.Check() {
			said = append(said, p.Message+" "+p.Hint)
			if len(p.Path) == 0 || p.Hint == "" && p.Path[0] != "url" {
				t.Errorf("%s: %+v", name, p)
			}
		}
		if all := strings.Join(said, "; "); (len(said) > 0) != (c.want != "") || !strings.Contains(all, c.want) {
			t.Errorf("%s: %q, want %q", name, all, c.want)
		}
		if c.want != "" {
			if _, err := config.Open(providers.Options{Name: "okta"}); err == nil {
				t.Errorf("%s can be opened", name)
			}
		}
	}
}

// TestTheScopeIsWhatIsShown: what changes only how something is read is no other scope.
func TestTheScopeIsWhatIsShown(t *testing.T) {
	t.Parallel()
	usual := valid(t)
	for name, c := range map[string]struct {
		edit func(*okta.Config)
		same bool
	}{
		"types":           {func(c *okta.Config) { c.Types = []string{"OKTA_GROUP"} }, false},
		"order of types":  {func(c *okta.Config) { c.Types = []string{"APP_GROUP", "OKTA_GROUP"} }, true},
		"app":             {func(c *okta.Config) { c.AssignedTo = "Open WebUI" }, false},
		"rate":            {func(c *okta.Config) { c.Rate = 10 }, true},
		"key":             {func(c *okta.Config) { c.KeyID = "another" }, true},
		"slash":           {func(c *okta.Config) { c.URL += "/" }, true},
		"case of the url": {func(c *okta.Config) { c.URL = "https://Example.okta.com" }, true},
	} {
		other := valid(t)
		c.edit(other)
		if (usual.Scope() == other.Scope()) != c.same || usual.Place() != other.Place() {
			t.Errorf("%s: %s, %s", name, other.Scope(), other.Place())
		}
	}
	if !usual.Replicated() || usual.ShowsOwners() {
		t.Error("the defaults are others")
	}
}
