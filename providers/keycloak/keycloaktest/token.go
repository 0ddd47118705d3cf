package keycloaktest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// token gives an access token to a client that signs in by its secret or its key.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := r.ParseForm(); err != nil || r.Form.Get("grant_type") != "client_credentials" {
		write(w, answer{http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type", "error_description": "Unsupported grant_type"}})
		return
	}
	c := s.authenticated(r)
	if c == nil {
		write(w, answer{http.StatusUnauthorized, map[string]string{"error": "unauthorized_client", "error_description": "Invalid client or Invalid client credentials"}})
		return
	}
	claims := map[string]any{"iss": s.issuer(r), "azp": c.clientID, "jti": s.id(), "exp": time.Now().Add(tokenLife).Unix()}
	if !s.Light && len(c.rights) > 0 {
		var roles []string
		for right := range effectiveRights(c.rights) {
			roles = append(roles, right)
		}
		slices.Sort(roles)
		claims["resource_access"] = map[string]any{"realm-management": map[string]any{"roles": roles}}
	}
	body, _ := json.Marshal(claims) // Maps of texts and numbers always can be.
	encode := base64.RawURLEncoding.EncodeToString
	token := encode([]byte(`{"alg":"RS256"}`)) + "." + encode(body) + "." + encode([]byte("signature"))
	s.tokens[token] = granted{client: c.id, until: time.Now().Add(tokenLife)}
	write(w, ok(map[string]any{"access_token": token, "expires_in": int(tokenLife.Seconds()), "token_type": "Bearer", "scope": "email profile", "refresh_expires_in": 0, "not-before-policy": 0}))
}

func (s *Server) issuer(r *http.Request) string { return s.URL() + "/realms/" + r.PathValue("realm") }

// authenticated gives the client that a request of a token comes from.
func (s *Server) authenticated(r *http.Request) *client {
	if assertion := r.Form.Get("client_assertion"); assertion != "" {
		return s.vouched(r, assertion)
	}
	id, password, basic := r.BasicAuth()
	if !basic {
		id, password = r.Form.Get("client_id"), r.Form.Get("client_secret")
	}
	for _, c := range s.clients {
		if c.clientID == id && c.secret != "" && c.secret == password {
			return c
		}
	}
	return nil
}

// vouched gives the client that an assertion is from (RFC 7523, section 3). It has to be
// meant for this realm: for its issuer or for its token endpoint.
func (s *Server) vouched(r *http.Request, assertion string) *client {
	parsed, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256})
	if err != nil {
		return nil
	}
	for _, c := range s.clients {
		var claims jwt.Claims
		if c.key == nil || parsed.Claims(c.key, &claims) != nil || claims.Subject != c.clientID || claims.ID == "" {
			continue
		}
		for _, audience := range []string{s.issuer(r), s.issuer(r) + "/protocol/openid-connect/token"} {
			if claims.Validate(jwt.Expected{Issuer: c.clientID, AnyAudience: jwt.Audience{audience}, Time: time.Now()}) == nil {
				return c
			}
		}
	}
	return nil
}

// Expire ends all access tokens before their time.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}
