package peer

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// OIDCProvider is an OpenID provider, the npm package oidc-provider, with one client.
type OIDCProvider struct {
	process
	// Issuer is its address and what its tokens name.
	Issuer string
	people map[string]Login
}

// NewOIDCProvider gives a provider that has an address already and is not started, because
// it has to know Open WebUI, and Open WebUI it.
func NewOIDCProvider(tb testing.TB) *OIDCProvider {
	tb.Helper()
	p := &OIDCProvider{process: newProcess(tb, "oidcprovider.sh"), people: map[string]Login{}}
	p.Issuer = "http://" + p.addr
	return p
}

// Start starts the provider for an Open WebUI at that address, to tell who signed out at
// the address logout unless that is empty.
func (p *OIDCProvider) Start(tb testing.TB, chat, logout string) {
	tb.Helper()
	settings := []string{"redirect=" + chat + callback}
	if logout != "" {
		settings = append(settings, "logout="+logout)
	}
	p.start(tb, settings...)
}

// Set makes or changes somebody. Who has nil groups has no such claim.
func (p *OIDCProvider) Set(tb testing.TB, who Login) {
	tb.Helper()
	p.people[who.Username] = who
	out := map[string]map[string]any{}
	for name, l := range p.people {
		out[name] = map[string]any{"email": l.Mail, "name": l.First + " " + l.Last}
		if l.Groups != nil {
			out[name]["groups"] = l.Groups
		}
	}
	text, err := json.Marshal(out)
	if err != nil {
		tb.Fatal(err)
	}
	// Never half a file: the provider reads it whenever somebody signs in.
	file := filepath.Join(p.Dir, "people.json")
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		tb.Fatal(err)
	}
}

// Refresh gives fresh tokens for a refresh token, which is over then. It says false when
// the provider refuses.
func (p *OIDCProvider) Refresh(tb testing.TB, refreshToken string) (Tokens, bool) {
	tb.Helper()
	return tokens(tb, p.Issuer+"/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {ClientID}, "client_secret": {ClientSecret}, "refresh_token": {refreshToken},
	})
}

// SignOut signs somebody out at the provider, who used that browser and got that ID token.
func (p *OIDCProvider) SignOut(tb testing.TB, b *Browser, idToken string) {
	tb.Helper()
	end, err := b.open(tb.Context(), http.MethodGet, p.Issuer+"/session/end?"+url.Values{"id_token_hint": {idToken}}.Encode(), "")
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := b.submit(tb.Context(), end, url.Values{}); err != nil {
		tb.Fatalf("cannot sign out: %v", err)
	}
}
