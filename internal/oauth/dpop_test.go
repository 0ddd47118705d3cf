package oauth_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/oauth"
	"groupsyncd/internal/secret"
)

// proof checks a proof by the key that it brings along, and gives that key's thumbprint.
func proof(t *testing.T, text string) (jose.Header, map[string]any, string) {
	t.Helper()
	jws, err := jose.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	head := jws.Signatures[0].Protected
	if head.JSONWebKey == nil || !head.JSONWebKey.IsPublic() || head.ExtraHeaders["typ"] != "dpop+jwt" {
		t.Fatalf("header %+v", head)
	}
	_, claims := opened(t, text, head.JSONWebKey)
	sum, _ := head.JSONWebKey.Thumbprint(crypto.SHA256)
	return head, claims, string(sum)
}

// api is a server that wants tokens bound to a key, and a nonce of its own.
type api struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	nonce  string
	seen   []string
	keys   map[string]bool
	jtis   map[any]bool
	bodies []string
}

func newAPI(t *testing.T, nonce string) *api {
	t.Helper()
	a := &api{t: t, nonce: nonce, keys: map[string]bool{}, jtis: map[any]bool{}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	a.bodies = append(a.bodies, string(body))
	scheme, access, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	a.seen = append(a.seen, scheme)
	if scheme != "DPoP" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, claims, key := proof(a.t, r.Header.Get("DPoP"))
	sum := sha256.Sum256([]byte(access))
	if a.jtis[claims["jti"]] || claims["htm"] != r.Method || claims["htu"] != a.URL+r.URL.EscapedPath() || claims["ath"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
		a.t.Errorf("claims %v", claims)
	}
	a.keys[key], a.jtis[claims["jti"]] = true, true
	if a.nonce != "" && claims["nonce"] != a.nonce {
		w.Header().Set("DPoP-Nonce", a.nonce)
		w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce", error_description="a nonce is needed"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = w.Write([]byte("ok"))
}

func (a *api) call(c *oauth.Client, method, path, token, body string) int {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.URL+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := (&http.Client{Transport: c.Transport(http.DefaultTransport)}).Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// strict is a token endpoint that wants a proof, and its own nonce in it.
func strict(t *testing.T, nonce string, keys map[string]bool) func(http.ResponseWriter, asked, int) {
	return func(w http.ResponseWriter, r asked, n int) {
		if r.dpop == "" {
			tells(w, 400, `{"error": "invalid_dpop_proof", "error_description": "The header is missing."}`)
			return
		}
		_, claims, key := proof(t, r.dpop)
		if _, bound := claims["ath"]; bound || claims["htm"] != "POST" {
			t.Errorf("claims %v", claims)
		}
		keys[key] = true
		if nonce != "" && claims["nonce"] != nonce {
			w.Header().Set("DPoP-Nonce", nonce)
			tells(w, 400, `{"error": "use_dpop_nonce"}`)
			return
		}
		gives(w, fmt.Sprint("token", n), "DPoP", 3600)
	}
}

func TestBoundTokensGoWithProofs(t *testing.T) {
	t.Parallel()
	for _, configured := range []bool{true, false} {
		keys := map[string]bool{}
		e := newEndpoint(t, strict(t, "token-nonce", keys))
		a := newAPI(t, "api-nonce")
		c := client(t, oauth.Options{TokenURL: e.URL + "/token?x=1", Secret: ref(t, canary), DPoP: configured})
		token := bearer(t, c, "")
		if want := map[bool]int{true: 2, false: 3}[configured]; len(e.requests()) != want {
			t.Errorf("configured %v: %d requests for a token, want %d", configured, len(e.requests()), want)
		}
		for i, path := range []string{"/a%2Fb?page=2", "/groups", "/groups"} {
			if got := a.call(c, http.MethodPost, path, token, "body"); got != http.StatusOK {
				t.Errorf("request %d: %d", i, got)
			}
		}
		// The nonce costs one more request at first, the key is the same all the time.
		if len(a.seen) != 4 || len(a.keys) != 1 || len(keys) != 1 || a.bodies[1] != "body" {
			t.Errorf("%v, %d keys, bodies %q", a.seen, len(a.keys), a.bodies)
		}
		for k := range keys {
			if !a.keys[k] {
				t.Error("the API sees another key than the token endpoint")
			}
		}
		a.mu.Lock()
		a.nonce = "another"
		a.mu.Unlock()
		if got := a.call(c, http.MethodGet, "/groups", token, ""); got != http.StatusOK {
			t.Errorf("after the nonce changed: %d", got)
		}
	}
}

func TestNonceIsTriedOnce(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(w http.ResponseWriter, _ asked, n int) {
		w.Header().Set("DPoP-Nonce", fmt.Sprint("n", n))
		tells(w, 401, `{"error": "use_dpop_nonce"}`)
	})
	_, err := client(t, oauth.Options{TokenURL: e.URL, Secret: ref(t, canary), DPoP: true}).Bearer(t.Context(), secret.Value{})
	if fault.KindOf(err) != fault.Auth || len(e.requests()) != 2 {
		t.Errorf("%v after %d requests", err, len(e.requests()))
	}
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.Header().Set("DPoP-Nonce", fmt.Sprint("n", n))
		w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	c := client(t, oauth.Options{TokenURL: newEndpoint(t, strict(t, "", map[string]bool{})).URL, Secret: ref(t, canary)})
	a := &api{Server: server, t: t}
	if got := a.call(c, http.MethodGet, "/", bearer(t, c, ""), ""); got != http.StatusUnauthorized || n != 2 {
		t.Errorf("%d after %d requests", got, n)
	}
}

func TestTokenOfKindDPoPSwitchesProofsOn(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(w http.ResponseWriter, _ asked, n int) { gives(w, fmt.Sprint("t", n), "DPoP", 3600) })
	a := newAPI(t, "")
	c := client(t, oauth.Options{TokenURL: e.URL, Secret: ref(t, canary)})
	token := bearer(t, c, "")
	if token != "t2" || e.requests()[1].dpop == "" {
		t.Errorf("%q by %d requests", token, len(e.requests()))
	}
	if got := a.call(c, http.MethodGet, "/", token, ""); got != http.StatusOK {
		t.Errorf("%d", got)
	}
}

func TestOtherTokensGoAsTheyAre(t *testing.T) {
	t.Parallel()
	// The server was shown a key and gives a token that is bound to none.
	c := client(t, oauth.Options{TokenURL: newEndpoint(t, always("plain")).URL, Secret: ref(t, canary), DPoP: true})
	a := newAPI(t, "")
	a.call(c, http.MethodGet, "/", bearer(t, c, ""), "")
	now := time.Now()
	bound := client(t, oauth.Options{TokenURL: newEndpoint(t, strict(t, "", map[string]bool{})).URL, Secret: ref(t, canary), Now: func() time.Time { return now }})
	old := bearer(t, bound, "")
	now = now.Add(time.Minute)
	a.call(bound, http.MethodGet, "/", "somebody else's", "")
	// A token that was exchanged meanwhile is still bound to its key.
	if newer := bearer(t, bound, old); newer == old {
		t.Fatal("the refused token was given again")
	}
	if got := a.call(bound, http.MethodGet, "/", old, ""); got != http.StatusOK {
		t.Errorf("%d", got)
	}
	if strings.Join(a.seen, " ") != "Bearer Bearer DPoP" {
		t.Errorf("%v", a.seen)
	}
}
