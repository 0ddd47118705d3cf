package oktatest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// issued is what an access token is good for.
type issued struct {
	// bound is the thumbprint of the key that it is bound to, or empty.
	bound  string
	scopes []string
}

// token is the token endpoint of the organisation's own authorization server.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	refuseToken := func(code, text string) {
		send(w, http.StatusBadRequest, object{"error": code, "error_description": text})
	}
	if err := r.ParseForm(); err != nil || r.Form.Get("grant_type") != "client_credentials" {
		refuseToken("unsupported_grant_type", "The authorization grant type is not supported by the authorization server.")
		return
	}
	if err := s.assertion(r); err != nil {
		send(w, http.StatusUnauthorized, object{"error": "invalid_client", "error_description": err.Error()})
		return
	}
	granted := s.granted()
	for scope := range strings.FieldsSeq(r.Form.Get("scope")) {
		if !slices.Contains(granted, scope) {
			refuseToken("consent_required", "You are not allowed any of the requested scopes.")
			return
		}
	}
	kind, bound := "Bearer", ""
	if s.o.DPoP {
		var err error
		if bound, err = s.proof(r, ""); err != nil {
			s.wantNonce(w, err)
			refuseToken(code(err), err.Error())
			return
		}
		kind = "DPoP"
	}
	value := Secret + "-" + rand.Text()
	s.mu.Lock()
	s.tokens[value] = issued{bound, strings.Fields(r.Form.Get("scope"))}
	s.mu.Unlock()
	send(w, http.StatusOK, object{"token_type": kind, "expires_in": 3600, "access_token": value, "scope": r.Form.Get("scope")})
}

func (s *Server) granted() []string {
	if s.o.Scopes != nil {
		return s.o.Scopes
	}
	return []string{"okta.groups.read", "okta.users.read", "okta.apps.read"}
}

// assertion checks who the client says it is (RFC 7523).
func (s *Server) assertion(r *http.Request) error {
	if r.Form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return errors.New("client authentication failed: there is no assertion")
	}
	jws, err := jose.ParseSigned(r.Form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || jws.Signatures[0].Header.KeyID != KeyID {
		return errors.New("the key id is not known")
	}
	payload, err := jws.Verify(s.key.Public())
	if err != nil {
		return errors.New("the signature of the client assertion is not right")
	}
	var c struct {
		Iss, Sub, Aud, Jti string
		Exp, Iat           int64
	}
	now := s.o.Now()
	switch err := json.Unmarshal(payload, &c); {
	case err != nil || c.Iss != ClientID || c.Sub != ClientID:
		return errors.New("the client assertion is of another client")
	case c.Aud != s.URL()+"/oauth2/v1/token":
		return errors.New("the audience of the client assertion is not right")
	case c.Jti == "" || now.After(time.Unix(c.Exp, 0)) || time.Unix(c.Exp, 0).After(now.Add(time.Hour)):
		return errors.New("the client assertion has expired, or is good for too long")
	}
	return nil
}

var (
	errNoProof = errors.New("the DPoP proof JWT header is missing")
	errNonce   = errors.New("the authorization server requires a nonce in the DPoP proof")
	errProof   = errors.New("the DPoP proof is not right")
)

func code(err error) string {
	if errors.Is(err, errNonce) {
		return "use_dpop_nonce"
	}
	return "invalid_dpop_proof"
}

func (s *Server) wantNonce(w http.ResponseWriter, err error) {
	if errors.Is(err, errNonce) {
		w.Header().Set("DPoP-Nonce", s.nonce)
	}
}

// proof checks that a request holds the key of a token (RFC 9449), and names that key.
func (s *Server) proof(r *http.Request, token string) (string, error) {
	text := r.Header.Get("DPoP")
	if text == "" {
		return "", errNoProof
	}
	jws, err := jose.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil || jws.Signatures[0].Header.JSONWebKey == nil {
		return "", errProof
	}
	key := jws.Signatures[0].Header.JSONWebKey
	payload, err := jws.Verify(key)
	if err != nil {
		return "", errProof
	}
	var c struct{ Htm, Htu, Jti, Nonce, Ath string }
	if json.Unmarshal(payload, &c) != nil || c.Htm != r.Method || c.Htu != s.URL()+r.URL.EscapedPath() || c.Jti == "" {
		return "", errProof
	}
	if token == "" && c.Nonce != s.nonce {
		return "", errNonce
	}
	sum := sha256.Sum256([]byte(token))
	if token != "" && c.Ath != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return "", errProof
	}
	thumb, err := key.Thumbprint(0x5) // SHA-256
	if err != nil {
		return "", errProof
	}
	return base64.RawURLEncoding.EncodeToString(thumb), nil
}

// allowed checks the token of a request, its scope and the role of the app.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request, scope string) bool {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	s.mu.Lock()
	token, known := s.tokens[value]
	s.mu.Unlock()
	switch {
	case !known || (scheme == "DPoP") != (token.bound != ""):
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		refuse(w, http.StatusUnauthorized, "E0000011", "Invalid token provided")
		return false
	case token.bound != "":
		if key, err := s.proof(r, value); err != nil || key != token.bound {
			w.Header().Set("WWW-Authenticate", `DPoP error="invalid_dpop_proof"`)
			refuse(w, http.StatusUnauthorized, "E0000011", "Invalid token provided")
			return false
		}
	}
	if s.o.NoRole || !slices.Contains(token.scopes, scope) {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+scope+`"`)
		refuse(w, http.StatusForbidden, "E0000006", "You do not have permission to perform the requested action")
		return false
	}
	return true
}

// Revoke makes all access tokens bad.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}
