package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/rogpeppe/go-internal/testscript"

	"groupsyncd/target/openwebui/openwebuitest"
)

// What stands in every token of a script and nobody may see: in its header and in its
// claims. Access tokens are another one.
const (
	tokenKey    = "canary-key-0123456789"
	tokenNonce  = "canary-nonce-0123456789"
	accessToken = "canary-access-token-0123456789"
)

// idpStage is the OpenID provider of a script.
type idpStage struct {
	mu      sync.Mutex
	server  *httptest.Server
	address string
	key     *ecdsa.PrivateKey
	// issued counts tokens, each a second younger than the one before.
	issued int64
	// userinfo are the claims of whom the access token belongs to.
	userinfo map[string]any
	// echo lets userinfo fail, and repeat what it was sent.
	echo bool
}

// idpCommand is the OpenID provider of a script, at which people sign in to its Open WebUI.
func idpCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	choose(ts, neg, "idp", map[string]subcommand{
		"start": {0, "", func([]string) error {
			if s.idp == nil {
				s.idp = &idpStage{}
			}
			err := s.idp.start()
			ts.Setenv("IDP_URL", s.idp.address)
			return err
		}},
		"echo": {0, "", func([]string) error {
			s.idp.mu.Lock()
			defer s.idp.mu.Unlock()
			s.idp.echo = !s.idp.echo
			return nil
		}},
		"stop":   {0, "", func([]string) error { s.idp.server.Close(); return nil }},
		"rotate": {0, "", func([]string) error { return s.idp.rotate() }},
		// sign-in NAME [GROUP…] names the groups; sign-in-without NAME has no claim, and
		// sign-in-thin NAME [GROUP…] only userinfo has it.
		"sign-in": {1, "NAME [GROUP…]", func(args []string) error {
			return s.idp.signIn(s.chat, args[0], map[string]any{"groups": append([]string{}, args[1:]...)})
		}},
		"sign-in-without": {1, "NAME", func(args []string) error { return s.idp.signIn(s.chat, args[0], nil) }},
		"sign-in-thin": {1, "NAME [GROUP…]", func(args []string) error {
			s.idp.mu.Lock()
			s.idp.userinfo = map[string]any{"sub": "sub-" + args[0], "groups": append([]string{}, args[1:]...)}
			s.idp.mu.Unlock()
			return s.idp.signIn(s.chat, args[0], nil)
		}},
		"sign-out": {1, "NAME", func(args []string) error {
			id, err := s.chat.account(args[0])
			if err == nil {
				s.chat.server.DropSessions(id)
			}
			return err
		}},
	}, args)
}

// start begins to listen, at the same address as before.
func (i *idpStage) start() error {
	if i.key == nil {
		if err := i.rotate(); err != nil {
			return err
		}
	}
	i.server = httptest.NewUnstartedServer(i)
	if i.address != "" {
		_ = i.server.Listener.Close() // Another one takes its place.
		l, err := net.Listen("tcp", strings.TrimPrefix(i.address, "http://"))
		if err != nil {
			return err
		}
		i.server.Listener = l
	}
	i.server.Start()
	i.address = i.server.URL
	return nil
}

// rotate takes the key out of use and another one in its place.
func (i *idpStage) rotate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.key = key
	return err
}

// signIn signs somebody in to Open WebUI.
func (i *idpStage) signIn(chat *chatStage, name string, more map[string]any) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.issued++
	now := time.Now().Unix()
	claims := map[string]any{"iss": i.address, "aud": "open-webui", "sub": "sub-" + name, "iat": now - 1000 + i.issued, "exp": now - 700, "nonce": tokenNonce,
		"email": name + "@example.org", "email_verified": true, "preferred_username": name}
	maps.Copy(claims, more)
	body, err := json.Marshal(claims)
	if err != nil {
		return err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.key}, &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"kid": tokenKey}})
	if err != nil {
		return err
	}
	jws, err := signer.Sign(body)
	if err != nil {
		return err
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		return err
	}
	chat.server.MergeByEmail(true)
	_, err = chat.server.SignIn(openwebuitest.SignIn{Email: name + "@example.org", Name: name, Provider: "oidc", Subject: "sub-" + name,
		Tokens: openwebuitest.Tokens{ID: raw, Access: accessToken, Userinfo: claims}})
	return err
}

// ServeHTTP answers with what the provider says of itself, its key, and userinfo.
func (i *idpStage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var answer any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = map[string]any{"issuer": i.address, "jwks_uri": i.address + "/keys", "userinfo_endpoint": i.address + "/userinfo",
			"id_token_signing_alg_values_supported": []string{"ES256"}}
	case "/keys":
		answer = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: tokenKey, Algorithm: "ES256", Use: "sig"}}}
	case "/userinfo":
		if i.echo || i.userinfo == nil {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(map[bool]int{true: http.StatusBadRequest, false: http.StatusUnauthorized}[i.echo])
			_ = json.NewEncoder(w).Encode(map[string]string{"message": "no " + r.Header.Get("Authorization")})
			return
		}
		answer = i.userinfo
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
