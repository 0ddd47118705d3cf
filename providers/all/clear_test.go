package all_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/authentik"
	"groupsyncd/providers/entra"
	"groupsyncd/providers/google"
	"groupsyncd/providers/keycloak"
	"groupsyncd/providers/okta"
	"groupsyncd/providers/scim"
)

func key(t *testing.T) secret.Ref {
	t.Helper()
	var ref secret.Ref
	if err := ref.UnmarshalText([]byte("file:/nowhere/key")); err != nil {
		t.Fatal(err)
	}
	return ref
}

// Servers that people run themselves may be without TLS, and doctor says what that means, also
// when nothing answers.
func TestACredentialInTheClearIsWarnedOf(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(url string) providers.Config{
		"scim": func(url string) providers.Config {
			c := scim.Type().New().(*scim.Config)
			c.URL, c.Token = url, key(t)
			return c
		},
		"scim with a client": func(url string) providers.Config {
			c := scim.Type().New().(*scim.Config)
			c.URL, c.TokenURL, c.ClientID, c.ClientSecret = "https://scim.example.org/v2", url, "groupsyncd", key(t)
			return c
		},
		"keycloak": func(url string) providers.Config {
			c := keycloak.Type().New().(*keycloak.Config)
			c.URL, c.Realm, c.ClientID, c.ClientSecret = url, "main", "groupsyncd", key(t)
			return c
		},
		"authentik": func(url string) providers.Config {
			c := authentik.Type().New().(*authentik.Config)
			c.URL, c.Token = url, key(t)
			return c
		},
	}
	for name, config := range kinds {
		for url, clear := range map[string]bool{
			"http://idp:8080": true, "http://10.0.0.7": true, "http://localhost.example.org": true,
			"http://localhost:8080": false, "http://127.0.0.1:8080": false, "http://[::1]:8080": false, "https://idp.example.org": false,
		} {
			t.Run(name+" "+url, func(t *testing.T) {
				t.Parallel()
				source, err := config(url).Open(providers.Options{Name: "s", Dial: func(context.Context, string, string) (net.Conn, error) {
					return nil, errors.New("nobody is there")
				}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = source.Close() })
				list := source.(providers.Checker).Check(t.Context())
				warned := slices.ContainsFunc(list, func(f providers.Finding) bool {
					return f.Check == "tls" && f.Level == providers.Warning && strings.Contains(f.Message, url) && f.Remedy != ""
				})
				if warned != clear {
					t.Errorf("%+v", list)
				}
				if slices.ContainsFunc(list, func(f providers.Finding) bool { return f.Check == "description" }) {
					t.Errorf("a server that does not answer is described: %+v", list)
				}
			})
		}
	}
}

// Services on the Internet are always reached over TLS, but for what stands in for them on this
// machine.
func TestACloudIsReachedOverTLS(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(url string) providers.Config{
		"entra": func(url string) providers.Config {
			c := entra.Type().New().(*entra.Config)
			c.URL, c.Tenant, c.ClientID, c.ClientSecret = url, "8f1a2b3c-4d5e-4f60-8a7b-9c0d1e2f3a4b", "x", key(t)
			return c
		},
		"entra, tokens": func(url string) providers.Config {
			c := entra.Type().New().(*entra.Config)
			c.LoginURL, c.Tenant, c.ClientID, c.ClientSecret = url, "8f1a2b3c-4d5e-4f60-8a7b-9c0d1e2f3a4b", "x", key(t)
			return c
		},
		"okta": func(url string) providers.Config {
			c := okta.Type().New().(*okta.Config)
			c.URL, c.ClientID, c.PrivateKey = url, "x", key(t)
			return c
		},
		"google": func(url string) providers.Config {
			c := google.Type().New().(*google.Config)
			c.URL, c.Credentials = url, key(t)
			return c
		},
	}
	for name, config := range kinds {
		for url, good := range map[string]bool{
			"http://idp.example.org": false, "http://10.0.0.7": false,
			"http://localhost:8080": true, "http://127.0.0.1:8080": true, "http://[::1]:8080": true, "https://idp.example.org": true,
		} {
			list := config(url).Check()
			if good && len(list) > 0 || !good && (len(list) != 1 || !strings.Contains(list[0].Message, "url must begin with https://")) {
				t.Errorf("%s at %s: %+v", name, url, list)
			}
		}
	}
}
