package entratest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// token is the token endpoint.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	no := func(status int, code, number, text string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": code, "error_description": "AADSTS" + number + ": " + text + " Trace ID: 1 Correlation ID: 2", "error_codes": []string{number}})
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	switch {
	case r.ParseForm() != nil || r.PostForm.Get("grant_type") != "client_credentials":
		no(http.StatusBadRequest, "unsupported_grant_type", "70003", "The grant type is not supported.")
	case r.PathValue("tenant") != Tenant:
		no(http.StatusBadRequest, "invalid_request", "90002", "Tenant '"+r.PathValue("tenant")+"' not found.")
	case !strings.HasSuffix(r.PostForm.Get("scope"), "/.default"):
		no(http.StatusBadRequest, "invalid_scope", "1002012", "The scope is not valid.")
	case r.PostForm.Get("client_id") != ClientID:
		no(http.StatusBadRequest, "unauthorized_client", "700016", "Application was not found in the directory.")
	case r.PostForm.Has("client_assertion"):
		if why := assertion(r.PostForm.Get("client_assertion")); why != "" {
			no(http.StatusUnauthorized, "invalid_client", "700027", why)
			return
		}
		s.issue(w)
	case r.PostForm.Get("client_secret") == Secret+"-expired":
		no(http.StatusUnauthorized, "invalid_client", "7000222", "The provided client secret keys are expired.")
	case r.PostForm.Get("client_secret") != Secret:
		no(http.StatusUnauthorized, "invalid_client", "7000215", "Invalid client secret provided.")
	default:
		s.issue(w)
	}
}

// assertion says what is wrong with the form of an assertion. One of another issuer has none
// of our headers, and is taken when its subject is ours.
func assertion(text string) string {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return "The assertion is no JWT."
	}
	var header struct {
		Algorithm  string `json:"alg"`
		Thumbprint string `json:"x5t#S256"`
	}
	var claims struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
	}
	for i, into := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			return "The assertion cannot be read."
		}
	}
	if claims.Subject != ClientID {
		return "The assertion is of somebody else."
	}
	if sum, err := base64.RawURLEncoding.DecodeString(header.Thumbprint); claims.Issuer == ClientID && (err != nil || len(sum) != sha256.Size) {
		return "The certificate with the thumbprint is not registered."
	}
	return ""
}

// issue gives an access token, which says of us what it does at Microsoft.
func (s *Server) issue(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	encode := base64.RawURLEncoding.EncodeToString
	payload, _ := json.Marshal(map[string]any{"tid": Tenant, "appid": ClientID, "roles": s.o.Granted, "exp": s.o.Now().Add(time.Hour).Unix(), "n": len(s.tokens)})
	token := fmt.Sprintf("%s.%s.%s", encode([]byte(`{"alg":"RS256","typ":"JWT"}`)), encode(payload), encode([]byte("signature")))
	s.tokens[token] = true
	_ = json.NewEncoder(w).Encode(map[string]any{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token})
}
