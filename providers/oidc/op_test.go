package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

const audience = "open-webui"

// patience is how long a server may take that is not meant to be slow, however busy the
// machine is.
const patience = 30 * time.Second

// The keys of tests, made once: an RSA key takes a while.
var (
	elliptic1 = sync.OnceValue(newKey)
	elliptic2 = sync.OnceValue(newKey)
	rsa1      = sync.OnceValue(func() crypto.Signer {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
)

func newKey() crypto.Signer {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

// key is a key of the provider as it publishes it.
type key struct {
	signer   crypto.Signer
	kid, alg string
}

// op is an OpenID provider whose every answer a test can change.
type op struct {
	*httptest.Server
	t testing.TB

	mu        sync.Mutex
	issuer    string // what the description says; the address unless set
	keys      []key
	userinfo  map[string]map[string]any // by access token
	handlers  map[string]http.HandlerFunc
	described map[string]any

	asked sync.Map // how often each path was asked for, *atomic.Int64
}

func newOP(t testing.TB) *op {
	o := &op{t: t, keys: []key{{elliptic1(), "k1", "ES256"}}, userinfo: map[string]map[string]any{}, handlers: map[string]http.HandlerFunc{}, described: map[string]any{}}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

func (o *op) count(path string) int64 {
	n, _ := o.asked.LoadOrStore(path, new(atomic.Int64))
	return n.(*atomic.Int64).Load()
}

// answer replaces what is answered at a path.
func (o *op) answer(path string, h http.HandlerFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.handlers[path] = h
}

func (o *op) publish(keys ...key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keys = keys
}

func (o *op) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, _ := o.asked.LoadOrStore(r.URL.Path, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
	o.mu.Lock()
	h := o.handlers[r.URL.Path]
	o.mu.Unlock()
	if h != nil {
		h(w, r)
		return
	}
	o.serve(w, r)
}

// serve answers as a provider should.
func (o *op) serve(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch r.URL.Path {
	case wellKnown:
		d := map[string]any{"issuer": o.URL, "jwks_uri": o.URL + "/keys", "userinfo_endpoint": o.URL + "/userinfo",
			"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "HS256", "none"}}
		if o.issuer != "" {
			d["issuer"] = o.issuer
		}
		maps.Copy(d, o.described)
		writeJSON(w, d)
	case "/keys":
		set := jose.JSONWebKeySet{}
		for _, k := range o.keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.signer.Public(), KeyID: k.kid, Algorithm: k.alg, Use: "sig"})
		}
		writeJSON(w, set)
	case "/userinfo":
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		claims, ok := o.userinfo[token]
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		writeJSON(w, claims)
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func status(code int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

// c are claims of a token.
type c map[string]any

// with gives claims with others in their place; nil takes one out.
func (base c) with(change c) c {
	out := maps.Clone(base)
	for k, v := range change {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

// null is a claim that is there and null.
var null = json.RawMessage("null")

// claims are those of a good ID token.
func (o *op) claims() c {
	now := time.Now().Unix()
	return c{"iss": o.URL, "aud": audience, "sub": "ann", "iat": now - 60, "exp": now + 600, "email": "ann@example.org", "email_verified": true,
		"preferred_username": "ann", "name": "Ann", "groups": []string{"staff"}}
}

// sign makes a token as the provider issues it.
func (o *op) sign(claims c) string {
	return signWith(o.t, key{elliptic1(), "k1", "ES256"}, nil, claims)
}

// signWith makes a token with a key and further headers.
func signWith(t testing.TB, k key, header map[string]any, claims c) string {
	t.Helper()
	body, err := json.Marshal(map[string]any(claims))
	if err != nil {
		t.Fatal(err)
	}
	return signRaw(t, k, header, body)
}

func signRaw(t testing.TB, k key, header map[string]any, body []byte) string {
	t.Helper()
	opts := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	if k.kid != "" {
		opts.ExtraHeaders["kid"] = k.kid
	}
	for name, v := range header {
		opts.ExtraHeaders[jose.HeaderKey(name)] = v
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.alg), Key: k.signer}, opts)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// config is a configuration that reads the provider.
func (o *op) config(change ...func(*Config)) *Config {
	cfg := Type().New().(*Config)
	cfg.Issuer, cfg.Audience, cfg.Target, cfg.SweepRate = o.URL, audience, "chat", maxSweepRate
	for _, f := range change {
		f(cfg)
	}
	return cfg
}

func webhook(cfg *Config) { cfg.Tokens, cfg.Target = FromWebhook, "" }

// open opens a source on the provider.
func (o *op) open(t testing.TB, sessions providers.Sessions, change ...func(*Config)) *source {
	t.Helper()
	return openWith(t, o.config(change...), providers.Options{Sessions: sessions})
}

func openWith(t testing.TB, cfg *Config, opts providers.Options) *source {
	t.Helper()
	if opts.Name == "" {
		opts.Name = "sso"
	}
	if opts.Timeout == 0 {
		opts.Timeout = patience
	}
	opts.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := cfg.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.(*source)
}

// clock is a clock that stands still unless a test moves it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// chat is a target that stores sign-in sessions.
type chat struct {
	mu       sync.Mutex
	names    []string
	accounts []providers.SignedIn
	stored   map[string][]providers.SignInSession
	broken   map[string]error // by account
	listing  error
	asked    []string
	before   func(account string) // called as an account is read
}

func newChat() *chat {
	return &chat{names: []string{"oidc"}, stored: map[string][]providers.SignInSession{}, broken: map[string]error{}}
}

// signIn stores a session of an account.
func (s *chat) signIn(account, subject, idToken, access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.accounts, func(a providers.SignedIn) bool { return a.Account == account }) {
		s.accounts = append(s.accounts, providers.SignedIn{Account: account, Subject: subject, Email: subject + "@example.org"})
	}
	n := len(s.stored[account])
	one := providers.SignInSession{ID: fmt.Sprintf("%s-%d", account, n), IDToken: secret.New(idToken), CreatedAt: time.Now().Add(time.Duration(n) * time.Second), Expires: time.Now().Add(time.Minute)}
	if access != "" {
		one.AccessToken = secret.New(access)
	}
	s.stored[account] = append([]providers.SignInSession{one}, s.stored[account]...)
}

func (s *chat) Providers(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.names), ctx.Err()
}

func (s *chat) SignedIn(ctx context.Context, provider string, each func(providers.SignedIn) error) error {
	s.mu.Lock()
	list, failed := slices.Clone(s.accounts), s.listing
	known := slices.Contains(s.names, provider)
	s.mu.Unlock()
	if !known {
		return nil
	}
	for _, a := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(a); err != nil {
			return err
		}
	}
	return failed
}

func (s *chat) Find(ctx context.Context, _ string, who directory.Person) (providers.SignedIn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "find")
	for _, a := range s.accounts {
		if who.Account == a.Account && who.Account != "" || who.ID == a.Subject && who.ID != "" ||
			who.Email != "" && directory.FoldEmail(who.Email) == directory.FoldEmail(a.Email) {
			return a, ctx.Err()
		}
	}
	return providers.SignedIn{}, fault.Errorf(fault.NotFound, "find account", "chat", "there is none")
}

func (s *chat) Of(ctx context.Context, _, account string) ([]providers.SignInSession, error) {
	s.mu.Lock()
	before := s.before
	s.asked = append(s.asked, account)
	list, err := slices.Clone(s.stored[account]), s.broken[account]
	s.mu.Unlock()
	if before != nil {
		before(account)
	}
	if err == nil {
		err = ctx.Err()
	}
	return list, err
}

func optionsFor(target *chat) providers.Options {
	return providers.Options{Name: "sso", Sessions: target, Timeout: patience}
}
