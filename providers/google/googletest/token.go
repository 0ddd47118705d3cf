package googletest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const account = "sync@project.iam.gserviceaccount.example"

// tokenLife is how long an access token is good.
const tokenLife = time.Hour

// grant is what an access token allows.
type grant struct {
	scopes  []string
	expires time.Time
}

// key gives the one private key of all servers: making one takes longer than most tests.
//
//nolint:gochecknoglobals // It is made once and never changes.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func keyPEM() string {
	der, err := x509.MarshalPKCS8PrivateKey(key())
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// claims are those of an assertion of a service account.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Scope    string `json:"scope"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

// token exchanges an assertion for an access token (RFC 7523, section 2.1).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	no := func(status int, code, text string) {
		answer(w, status, map[string]any{"error": code, "error_description": text})
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if r.ParseForm() != nil || r.PostForm.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		no(http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type")
		return
	}
	c, err := verify(r.PostForm.Get("assertion"))
	now := time.Now()
	switch {
	case err != nil:
		no(http.StatusBadRequest, "invalid_grant", "Invalid JWT Signature.")
		return
	case c.Issuer != account || c.Audience != s.URL()+"/token":
		no(http.StatusBadRequest, "invalid_grant", "Invalid grant: account not found")
		return
	case c.Expires-c.IssuedAt > 3600 || time.Unix(c.Expires, 0).Before(now) || time.Unix(c.IssuedAt, 0).After(now.Add(time.Minute)):
		no(http.StatusBadRequest, "invalid_grant", "Invalid JWT: the time frame is not reasonable")
		return
	case c.Subject != "" && !strings.Contains(c.Subject, "@"):
		no(http.StatusBadRequest, "invalid_grant", "Invalid email or User ID")
		return
	}
	const prefix = "https://www.googleapis.com/auth/admin.directory."
	allowed := []string{prefix + "user.readonly", prefix + "group.readonly", prefix + "group.member.readonly"}
	scopes := strings.Fields(c.Scope)
	if c.Subject != "" && (c.Subject != Admin || slices.ContainsFunc(scopes, func(x string) bool { return !slices.Contains(allowed, x) })) || len(scopes) == 0 {
		no(http.StatusUnauthorized, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.")
		return
	}
	s.mu.Lock()
	s.issued++
	text := fmt.Sprintf("%s.%d", Canary, s.issued)
	s.tokens[text] = grant{scopes: scopes, expires: now.Add(tokenLife)}
	s.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"access_token": text, "expires_in": int(tokenLife / time.Second), "token_type": "Bearer"})
}

// verify gives the claims of an assertion that our key has signed.
func verify(assertion string) (*claims, error) {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return nil, errAssertion
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || rsa.VerifyPKCS1v15(&key().PublicKey, crypto.SHA256, sum[:], signature) != nil {
		return nil, errAssertion
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, errAssertion
	}
	c := &claims{}
	return c, json.Unmarshal(payload, c)
}

// allowed reports whether a request has a token with that scope, and refuses it otherwise.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request, scope string) bool {
	text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	g, known := s.tokens[text]
	s.mu.Unlock()
	switch {
	case !known || time.Now().After(g.expires):
		refuse(w, http.StatusUnauthorized, "authError", "Invalid Credentials")
	case !slices.ContainsFunc(g.scopes, func(x string) bool {
		return strings.HasSuffix(x, "."+scope) || scope == "group.member.readonly" && strings.HasSuffix(x, ".group.readonly")
	}):
		refuse(w, http.StatusForbidden, "insufficientPermissions", "Request had insufficient authentication scopes.")
	default:
		return true
	}
	return false
}
