package oauth

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"groupsyncd/internal/secret"
)

// Expiry reads out of a token that is a JWT (RFC 7519) until when it is good; zero: it is
// none, or does not say so. Nothing is verified: it is our own token.
func Expiry(token secret.Value) time.Time {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Exp float64 `json:"exp"`
	}
	if json.Unmarshal(body, &claims) != nil || claims.Exp <= 0 || claims.Exp > 253402300799 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Exp), 0).UTC()
}
