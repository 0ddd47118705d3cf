package oidc

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	jose "github.com/go-jose/go-jose/v4"
)

// The bounds of a token.
const (
	maxToken  = 1 << 20
	maxHeader = 8 << 10
)

// accepted are the signatures that may be used at all: those of a key pair. With a shared
// secret whoever can verify can also sign, and none is no signature (RFC 8725, 2.1).
func accepted() []string {
	return []string{goidc.RS256, goidc.RS384, goidc.RS512, goidc.ES256, goidc.ES384, goidc.ES512, goidc.PS256, goidc.PS384, goidc.PS512, goidc.EdDSA}
}

func algorithms(names []string) []jose.SignatureAlgorithm {
	out := make([]jose.SignatureAlgorithm, 0, len(names))
	for _, n := range names {
		out = append(out, jose.SignatureAlgorithm(n))
	}
	return out
}

// glance is what a token says before anything of it is verified. It decides only what is
// not worth verifying, and in which order.
type glance struct {
	alg, kid, typ string
	claims        map[string]any
}

// look takes a token apart (RFC 7515, section 7.1: three parts, base64url).
func look(raw string) (glance, bool) {
	if len(raw) > maxToken {
		return glance{}, false
	}
	header, rest, ok := strings.Cut(raw, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || !encoded(header) || !encoded(payload) || !encoded(signature) || len(header) > maxHeader {
		return glance{}, false
	}
	head, err := base64.RawURLEncoding.Strict().DecodeString(header)
	if err != nil {
		return glance{}, false
	}
	var h struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}
	if json.Unmarshal(head, &h) != nil {
		return glance{}, false
	}
	body, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	if err != nil {
		return glance{}, false
	}
	claims, err := decode(body)
	if err != nil {
		return glance{}, false
	}
	typ := strings.TrimPrefix(strings.ToLower(h.Typ), "application/")
	return glance{alg: h.Alg, kid: h.Kid, typ: typ, claims: claims}, true
}

// encoded reports whether a part is base64url and nothing else, line breaks included,
// which decoders pass over.
func encoded(part string) bool {
	return part != "" && !strings.ContainsFunc(part, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// text gives a claim that is a text, else nothing.
func text(claims map[string]any, name string) string {
	s, _ := claims[name].(string)
	return s
}

// moment reads a NumericDate (RFC 7519, section 2): seconds, perhaps with a fraction.
func moment(claims map[string]any, name string) (time.Time, bool) {
	n, ok := claims[name].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	const year9999 = 253402300799
	f, err := n.Float64()
	if err != nil || math.IsNaN(f) || f < 1 || f > year9999 {
		return time.Time{}, false
	}
	if whole, err := n.Int64(); err == nil {
		return time.Unix(whole, 0).UTC(), true
	}
	return time.Unix(int64(f), 0).UTC(), true
}

// audiences reads aud: one text or a list of texts (RFC 7519, section 4.1.3).
func audiences(claims map[string]any) []string {
	switch v := claims["aud"].(type) {
	case string:
		return []string{v}
	case []any:
		out := make([]string, 0, len(v))
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil
			}
			out = append(out, s)
		}
		return out
	}
	return nil
}

// canonical leaves of verified claims what go-oidc judges, under exactly these names. It
// would take ISS for iss as well, and it refuses a token whose _claim_names points to no
// source, which says nothing about whether the token is right.
func canonical(payload []byte) []byte {
	var all map[string]json.RawMessage
	if json.Unmarshal(payload, &all) != nil {
		return payload
	}
	judged := []string{"iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "at_hash", "jti", "sid", "events"}
	for name := range all {
		if !slices.Contains(judged, name) {
			delete(all, name)
		}
	}
	out, err := json.Marshal(all)
	if err != nil {
		return payload
	}
	return out
}
