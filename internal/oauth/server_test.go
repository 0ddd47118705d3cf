package oauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/internal/oauth"
	"groupsyncd/internal/secret"
)

// canary is in every secret, so that it can be looked for in errors and logs.
const canary = "k4n4rienvogel"

// asked is one request for a token.
type asked struct {
	form       url.Values
	id, secret string // of Basic
	dpop       string
}

// endpoint is a token endpoint that answers as a test says.
type endpoint struct {
	*httptest.Server

	mu     sync.Mutex
	seen   []asked
	answer func(w http.ResponseWriter, r asked, n int)
}

// newEndpoint serves answer, which is told the request and its number from 1.
func newEndpoint(t *testing.T, answer func(w http.ResponseWriter, r asked, n int)) *endpoint {
	t.Helper()
	e := &endpoint{answer: answer}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	a := asked{form: r.PostForm, dpop: r.Header.Get("DPoP")}
	a.id, a.secret, _ = r.BasicAuth()
	e.mu.Lock()
	e.seen = append(e.seen, a)
	n := len(e.seen)
	e.mu.Unlock()
	e.answer(w, a, n)
}

func (e *endpoint) requests() []asked {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]asked(nil), e.seen...)
}

func tells(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

func gives(w http.ResponseWriter, token, kind string, seconds int) {
	b, _ := json.Marshal(map[string]any{"access_token": token, "token_type": kind, "expires_in": seconds})
	tells(w, http.StatusOK, string(b))
}

// always gives the same token.
func always(token string) func(http.ResponseWriter, asked, int) {
	return func(w http.ResponseWriter, _ asked, _ int) { gives(w, token, "Bearer", 3600) }
}

func ref(t *testing.T, text string) secret.Ref {
	t.Helper()
	return refTo(t, write(t, text))
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func refTo(t *testing.T, file string) secret.Ref {
	t.Helper()
	r, err := secret.Parse("file:" + file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func client(t *testing.T, o oauth.Options) *oauth.Client {
	t.Helper()
	if o.Name == "" {
		o.Name = "source corp"
	}
	if o.ClientID == "" && o.Grant == nil {
		o.ClientID = "us"
	}
	c, err := oauth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func bearer(t *testing.T, c *oauth.Client, refused string) string {
	t.Helper()
	v, err := c.Bearer(t.Context(), secret.New(refused))
	if err != nil {
		t.Fatal(err)
	}
	return v.Reveal()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// keys are made once, as RSA takes its time.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{
		"rsa":   must(rsa.GenerateKey(rand.Reader, 2048)),
		"other": must(rsa.GenerateKey(rand.Reader, 2048)),
		"p256":  must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"p384":  must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"ed":    ed,
	}
})

func pkcs8(key crypto.Signer) string {
	return block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// opened checks a JWT with a key and gives its header and claims.
func opened(t *testing.T, text string, key any) (jose.Header, map[string]any) {
	t.Helper()
	jws, err := jose.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.ES384, jose.EdDSA})
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	payload, err := jws.Verify(key)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Protected, claims
}

func contains(text string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}
