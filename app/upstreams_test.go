package app

import (
	"strings"
	"testing"

	"groupsyncd/config"
	"groupsyncd/providers"
	"groupsyncd/providers/all"
)

// TestDoctorKnowsTheServersOfEverySourceOverHTTP: what a kind of source asks is looked at.
func TestDoctorKnowsTheServersOfEverySourceOverHTTP(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load([]byte(`
sources:
  kc: {type: keycloak, url: https://kc.example.org, realm: main, client_id: c, client_secret: env:S, ca_file: ca.pem}
  entra: {type: entra, tenant: example.onmicrosoft.com, client_id: "00000000-0000-0000-0000-000000000000", client_secret: env:S}
  okta: {type: okta, url: https://example.okta.com, client_id: c, private_key: env:S}
  google: {type: google, credentials: env:S}
  copy: {type: google, credentials: env:S, url: "https://google.example.org"}
  ak: {type: authentik, url: https://ak.example.org, token: env:S}
  scim: {type: scim, url: https://scim.example.org/v2, token: env:S}
  sso: {type: oidc, issuer: https://idp.example.org, audience: a, target: chat}
  inner: {type: oidc, issuer: https://idp.example.org, discovery: "https://idp.internal.example.org/.well-known/openid-configuration", audience: a, target: chat}
targets: {chat: {url: "http://127.0.0.1:1", api_key: env:KEY}}
rules: [{match: "*"}]
`), config.Options{File: "x.yaml", Dir: "/d", Registry: all.Registry()})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"kc": "https://kc.example.org(/d/ca.pem)", "entra": "https://graph.microsoft.com() https://login.microsoftonline.com()", "okta": "https://example.okta.com()",
		"google": "https://admin.googleapis.com() https://oauth2.googleapis.com/token()", "copy": "https://google.example.org()", "ak": "https://ak.example.org()",
		"scim": "https://scim.example.org/v2()", "sso": "https://idp.example.org()", "inner": "https://idp.internal.example.org/.well-known/openid-configuration()",
	}
	for _, s := range cfg.Sources {
		able, ok := s.Config.(providers.Upstreamer)
		if !ok {
			t.Errorf("%s names no server", s.Name)
			continue
		}
		var got []string
		for _, u := range able.Upstreams() {
			got = append(got, u.URL+"("+u.CAFile+")")
		}
		if strings.Join(got, " ") != want[s.Name] {
			t.Errorf("%s: %v", s.Name, got)
		}
	}
	if files := cfg.SecretFiles(); len(files) != 0 {
		t.Errorf("secrets of the environment are files: %v", files)
	}
}
