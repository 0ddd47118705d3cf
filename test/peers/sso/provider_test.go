//go:build peers

package sso

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/server/hooks/hookstest"
	"groupsyncd/sync/run"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// TestASecondProvider is the npm package oidc-provider in the place of Keycloak: tokens out
// of Open WebUI, tokens that are posted to us, and what it tells when somebody signs out.
func TestASecondProvider(t *testing.T) {
	provider := peer.NewOIDCProvider(t)
	settings := peer.SSO(provider.Issuer, peer.ClientID, peer.ClientSecret, "groups", "offline_access")
	// It notes who is active once in two seconds, not once a minute: see watched.
	chat := peer.StartOpenWebUI(t, 0, append(settings, "DATABASE_USER_ACTIVE_STATUS_UPDATE_INTERVAL=2")...)
	p := &second{world: newWorld(t, chat), provider: provider, browser: peer.NewBrowser(t)}
	provider.Start(t, chat.URL, p.hooks.url+"/hooks/logouts")
	for _, who := range []peer.Login{
		{Username: "ann", Mail: "ann@example.test", First: "Ann", Last: "Moved", Groups: []string{"red", "blue"}},
		{Username: "bob", Mail: "bob@example.test", First: "Bob", Last: "Plain"},
	} {
		provider.Set(t, who)
	}
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"the groups of tokens that Open WebUI keeps", p.kept},
		{"a refresh token is still good", p.refreshed},
		{"a logout is accepted and takes nothing away", p.signedOut},
		{"a posted token", p.posted},
		{"watch alone notices whose token there is", p.watched},
		{"somebody is known by what they sign in with", p.subjects},
	} {
		if !t.Run(step.name, func(t *testing.T) { p.t = t; step.do() }) {
			break
		}
	}
}

type second struct {
	*world
	provider *peer.OIDCProvider
	browser  *peer.Browser
	ann      peer.Session
	tokens   peer.Tokens
}

func (p *second) kept() {
	p.configure(tokens(p.provider.Issuer, "tokens: openwebui, target: chat"), ofTokens, "off", events, "  logouts: {type: logout, source: sso}")
	p.register()
	p.daemon()
	p.ann = p.browser.SignIn(p.t, p.chat.URL, "ann")
	p.sees("ann", p.ann, "sso blue", "sso red")
	began := time.Now()
	bob := p.in("bob")
	p.until("the event of the sign-in", func() bool { return len(p.hooks.about(began, "bob@example.test")) > 0 })
	p.still("bob, whose token has no groups", bob, began)
}

// refreshed uses what Open WebUI keeps for Ann: had we used it before, this provider would
// refuse it now, and Open WebUI would end the session.
func (p *second) refreshed() {
	p.must(run.ExitOK, "sync")
	var kept []struct{ Token peer.Tokens }
	p.call(p.chat.Key(p.t), http.MethodGet, "/api/v1/users/"+p.idOf(p.ann)+"/oauth/sessions", "", &kept)
	if len(kept) != 1 {
		p.t.Fatalf("Open WebUI keeps %d sessions", len(kept))
	}
	p.provider.Set(p.t, peer.Login{Username: "ann", Mail: "ann@example.test", First: "Ann", Last: "Moved", Groups: []string{"green", "blue"}})
	time.Sleep(time.Second) // a token that is newer by a second, see in
	var ok bool
	if p.tokens, ok = p.provider.Refresh(p.t, kept[0].Token.Refresh); !ok || p.tokens.ID == "" {
		p.t.Fatal("the refresh token that Open WebUI keeps was used by somebody else")
	}
}

func (p *second) signedOut() {
	p.quiet()
	began := time.Now()
	p.provider.SignOut(p.t, p.browser, p.tokens.ID)
	log := ""
	p.until("the provider has told us of the logout", func() bool {
		text, err := os.ReadFile(filepath.Join(p.provider.Dir, "log"))
		if err != nil {
			p.t.Fatal(err)
		}
		log = string(text)
		return strings.Contains(log, "logout of ann")
	})
	if !strings.Contains(log, "logout of ann told") {
		p.t.Errorf("the provider is not content with our answer:\n%s", log)
	}
	p.still("ann", p.ann, began, "sso blue", "sso red")
	p.unregister()
	p.end()
}

// posted is a source that Open WebUI has no part in: an application sends us tokens.
func (p *second) posted() {
	key := []byte("0123456789abcdef0123456789abcdef")
	p.Write(p.t, "posts", "whsec_"+base64.StdEncoding.EncodeToString(key))
	p.configure(tokens(p.provider.Issuer, "tokens: webhook"), ofTokens, "off", `  posts: {type: standard, secret: "file:posts", source: sso}`)
	p.daemon()
	body, err := json.Marshal(map[string]any{"type": "user.login", "timestamp": time.Now().UTC().Format(time.RFC3339), "data": map[string]string{"id_token": p.tokens.ID}})
	if err != nil {
		p.t.Fatal(err)
	}
	began := time.Now()
	if status, answer := p.post("posts", "msg_1", string(body), key); status != http.StatusAccepted || !strings.Contains(answer, "run") {
		p.t.Fatalf("a posted token is answered %d: %s", status, answer)
	}
	p.sees("ann", p.ann, "sso blue", "sso green")
	if status, answer := p.post("posts", "msg_1", string(body), key); status != http.StatusOK {
		p.t.Errorf("the same again is answered %d: %s", status, answer)
	}
	if status, answer := p.post("posts", "msg_2", strings.Replace(string(body), p.tokens.ID, forged(p.tokens.ID), 1), key); status >= http.StatusInternalServerError {
		p.t.Errorf("a forged token is answered %d: %s", status, answer)
	}
	p.quiet()
	p.sees("ann", p.ann, "sso blue", "sso green")
	if problems := p.runs("webhook"); len(problems) > 0 {
		p.t.Error(problems)
	}
	p.t.Logf("a posted token was in force after %s at most", time.Since(began).Round(time.Millisecond))
}

// watched is a first sign-in that no event tells of: the account can be seen a moment before
// Open WebUI keeps its token.
func (p *second) watched() {
	w := newWorld(p.t, p.chat)
	w.configure(tokens(p.provider.Issuer, "tokens: openwebui, target: chat"), ofTokens, "1s")
	w.daemon()
	for _, name := range []string{"cid", "dan", "eve"} {
		p.provider.Set(p.t, peer.Login{Username: name, Mail: name + "@example.test", First: name, Last: "Watched", Groups: []string{"blue"}})
		w.sees(name, peer.NewBrowser(p.t).SignIn(p.t, p.chat.URL, name), "sso blue")
	}
	// Somebody who was active all along is noticed by their new token, once Open WebUI has
	// noted that they are still active.
	p.provider.Set(p.t, peer.Login{Username: "cid", Mail: "cid@example.test", First: "cid", Last: "Watched", Groups: []string{"green"}})
	w.sees("cid", p.in("cid"), "sso green")
	w.end()
}

// subjects are people of a directory whose mail address is another one at the provider: the
// subject of their tokens says who they are.
func (p *second) subjects() {
	company, err := ldif.New(ldif.Options{Users: 3, Groups: 1, Memberships: 2, Seed: 2})
	if err != nil {
		p.t.Fatal(err)
	}
	w := newWorld(p.t, p.chat)
	source := strings.Replace(directory(peer.StartSlapd(p.t, company, peer.SlapdOptions{})), "changes: off", "changes: off, sign_in: {provider: oidc, subject: username}", 1)
	w.configure(source, `  - {name: staff, match: "*", to: "staff {{ .Name }}"}`, "off", events)
	w.register()
	w.daemon()
	in, out := company.Groups[0].Members, []string{"staff " + company.Groups[0].Name}
	for i := range company.Users {
		u := &company.Users[i]
		p.provider.Set(p.t, peer.Login{Username: u.UID, Mail: fmt.Sprintf("alias%d@example.test", i), First: u.Given, Last: u.Family})
		w.quiet()
		began := time.Now()
		session := peer.NewBrowser(p.t).SignIn(p.t, p.chat.URL, u.UID)
		if slices.Contains(in, i) {
			w.sees(u.UID, session, out...)
			continue
		}
		w.until("the event of the sign-in", func() bool { return len(w.hooks.about(began, fmt.Sprintf("alias%d@", i))) > 0 })
		w.still(u.UID, session, began)
	}
	w.unregister()
	w.end()
}

// post sends a webhook as the specification of Standard Webhooks says.
func (p *second) post(name, id, body string, key []byte) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.hooks.url+"/hooks/"+name, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	maps.Copy(req.Header, hookstest.Standard(string(key), id, body, time.Now()))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// forged gives a token with other groups and the signature of the old one.
func forged(token string) string {
	parts := strings.Split(token, ".")
	text, _ := base64.RawURLEncoding.DecodeString(parts[1])
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(text), "green", "admin", 1)))
	return strings.Join(parts, ".")
}
