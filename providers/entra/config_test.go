package entra_test

import (
	"os"
	"strings"
	"testing"

	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/entra"
)

func valid(t *testing.T) *entra.Config {
	t.Helper()
	c, _ := entra.Type().New().(*entra.Config)
	c.Tenant, c.ClientID, c.ClientSecret = "example.onmicrosoft.com", "app", ref(t, "x")
	return c
}

func TestMistakesInTheConfigurationAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(c *entra.Config)
		path   string
	}{
		"no tenant":             {func(c *entra.Config) { c.Tenant = "" }, "tenant"},
		"a tenant of everybody": {func(c *entra.Config) { c.Tenant = "Common" }, "tenant"},
		"a path as tenant":      {func(c *entra.Config) { c.Tenant = "a/../b" }, "tenant"},
		"no client":             {func(c *entra.Config) { c.ClientID = "" }, "client_id"},
		"no credential":         {func(c *entra.Config) { c.ClientSecret = secret.Ref{} }, "client_secret"},
		"two credentials":       {func(c *entra.Config) { c.FederatedToken = c.ClientSecret }, "client_secret"},
		"a key alone":           {func(c *entra.Config) { c.PrivateKey, c.ClientSecret = c.ClientSecret, secret.Ref{} }, "certificate"},
		"a certificate alone":   {func(c *entra.Config) { c.Certificate, c.ClientSecret = "x.pem", secret.Ref{} }, "private_key"},
		"another cloud":         {func(c *entra.Config) { c.Cloud = "germany" }, "cloud"},
		"in clear":              {func(c *entra.Config) { c.URL = "http://graph.example.org" }, "url"},
		"login in clear":        {func(c *entra.Config) { c.LoginURL = "http://10.0.0.1" }, "login_url"},
		"with a password":       {func(c *entra.Config) { c.URL = "https://a:b@graph.example.org" }, "url"},
		"nothing included":      {func(c *entra.Config) { c.Include = nil }, "include"},
		"something included":    {func(c *entra.Config) { c.Include = []string{"teams"} }, "include"},
		"roles of nothing":      {func(c *entra.Config) { c.Include = []string{entra.AppRoles} }, "assigned_to"},
		"a space":               {func(c *entra.Config) { c.AssignedTo = "x " }, "assigned_to"},
		"no mail":               {func(c *entra.Config) { c.Users.Email = nil }, "users.email"},
		"another mail":          {func(c *entra.Config) { c.Users.Email = []string{"otherMails"} }, "users.email"},
		"another username":      {func(c *entra.Config) { c.Users.Username = "displayName" }, "users.username"},
		"another name":          {func(c *entra.Config) { c.Users.Name = "a b" }, "users.name"},
		"a filter as attribute": {func(c *entra.Config) { c.Users.Attributes = map[string]string{"x": "a,b&$top=1"} }, "users.attributes.x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := valid(t)
			c.change(cfg)
			list := cfg.Check()
			if len(list) != 1 || strings.Join(list[0].Path, ".") != c.path || list[0].Message == "" || list[0].Hint == "" {
				t.Errorf("%+v", list)
			}
			if _, err := cfg.Open(providers.Options{Name: "azure"}); err == nil {
				t.Error("it opens")
			}
		})
	}
	if list := valid(t).Check(); len(list) > 0 {
		t.Errorf("%+v", list)
	}
}

func TestPlaceAndScopeSayWhatDecides(t *testing.T) {
	t.Parallel()
	a := valid(t)
	for name, change := range map[string]func(c *entra.Config){
		"assigned_to": func(c *entra.Config) { c.AssignedTo = "x" }, "include": func(c *entra.Config) { c.Include = []string{entra.AppRoles} },
		"nested": func(c *entra.Config) { c.Nested = false }, "guests": func(c *entra.Config) { c.Guests = false },
	} {
		b := valid(t)
		change(b)
		if a.Scope() == b.Scope() || a.Place() != b.Place() {
			t.Errorf("%s: %q, %q", name, b.Scope(), b.Place())
		}
	}
	b := valid(t)
	b.Cloud = entra.US
	c := valid(t)
	c.Tenant = "Example.onmicrosoft.com"
	if a.Place() == b.Place() || a.Place() != c.Place() || !a.Replicated() {
		t.Errorf("%q %q %q", a.Place(), b.Place(), c.Place())
	}
}

func TestCertificatesOfAProxy(t *testing.T) {
	t.Parallel()
	c := valid(t)
	c.CAFile = scalar.Path(file(t, "no certificate"))
	if _, err := c.Open(providers.Options{}); err == nil || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(string(c.CAFile)); err != nil {
		t.Fatal(err)
	}
}
