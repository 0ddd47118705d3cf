package app

import (
	"log/slog"
	"testing"
	"time"

	"groupsyncd/config"
	"groupsyncd/providers/all"
)

// TestASourceOfSignInsReadsItsTarget: what the source says of itself reaches the engine.
func TestASourceOfSignInsReadsItsTarget(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		more                     string
		reads, provider, subject string
	}{
		"as it is":             {"", "chat", "", "id"},
		"through one of some":  {"\n    provider: keycloak", "chat", "keycloak", "id"},
		"by another attribute": {"\n    sign_in: {provider: microsoft, subject: oid}", "chat", "microsoft", "oid"},
	} {
		cfg, err := config.Load([]byte(`
sources:
  sso:
    type: oidc
    issuer: https://idp.example.org
    audience: open-webui
    target: chat`+c.more+`
  people: {type: file, path: people.yaml}
targets:
  chat: {url: "http://127.0.0.1:1", api_key: env:KEY}
rules: [{match: "*"}]
`), config.Options{File: "x.yaml", Dir: t.TempDir(), Registry: all.Registry()})
		if err != nil {
			t.Fatal(err)
		}
		p, err := build(cfg, nil, slog.New(slog.DiscardHandler), time.Now, Network{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.close(); err != nil {
				t.Error(err)
			}
		})
		s, other := p.source("sso"), p.source("people")
		if !s.Single || s.Reads != c.reads || s.SignIn != c.provider || s.Subject != c.subject || s.Timeout != sweepTime {
			t.Errorf("%s: single %v, reads %q, signs in through %q by %q, has %s", name, s.Single, s.Reads, s.SignIn, s.Subject, s.Timeout)
		}
		if other.Single || other.Reads != "" || other.SignIn != "" || other.Timeout != 0 {
			t.Errorf("%s: the file %+v", name, other)
		}
	}
}
