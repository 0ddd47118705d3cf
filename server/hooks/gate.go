package hooks

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// tolerance is how far the time of a signed request may be from ours.
const tolerance = 5 * time.Minute

// What Verify says is wrong. These texts reach logs, never the sender.
var (
	errMethod    = errors.New("only POST carries a webhook")
	errHuge      = errors.New("the body is too long")
	errNoSecret  = errors.New("this webhook has no secret")
	errAuth      = errors.New("the Authorization header is missing or is not the secret")
	errSignature = errors.New("no signature fits the body and the secret")
	errLifetime  = errors.New("the token lives for more than a day")
	errNoID      = errors.New("the token has no jti")
)

// gate does for every dialect what none of them may forget.
type gate struct {
	kind    Kind
	dialect Dialect
}

// Handshake answers a handshake of the dialect.
func (g *gate) Handshake(r *Request, secrets []secret.Value) (Answer, bool) {
	return g.dialect.Handshake(r, usable(secrets))
}

// Verify verifies a request with the secrets that say something: an empty one would be
// known to everybody.
func (g *gate) Verify(ctx context.Context, r *Request, secrets []secret.Value) (Proof, error) {
	secrets = usable(secrets)
	switch {
	case r.Method != http.MethodPost:
		return Proof{}, errMethod
	case len(r.Body) > MaxBody:
		return Proof{}, errHuge
	case g.kind.Secret == Required && len(secrets) == 0:
		return Proof{}, errNoSecret
	}
	return g.dialect.Verify(ctx, r, secrets)
}

// Read gives the hints, each once.
func (g *gate) Read(r *Request, p Proof) ([]Hint, error) {
	hints, err := g.dialect.Read(r, p)
	if err != nil {
		return nil, err
	}
	return gathered(hints), nil
}

// usable leaves empty secrets out.
func usable(secrets []secret.Value) []secret.Value {
	return slices.DeleteFunc(slices.Clone(secrets), func(s secret.Value) bool { return strings.TrimSpace(s.Reveal()) == "" })
}

// isSecret says whether a text is one of the secrets. It takes as long for any text of
// the same length: the hashes are compared, and all of them.
func isSecret(text string, secrets []secret.Value) bool {
	sum, found := sha256.Sum256([]byte(text)), 0
	for _, s := range secrets {
		own := sha256.Sum256([]byte(s.Reveal()))
		found |= subtle.ConstantTimeCompare(sum[:], own[:])
	}
	return found == 1
}

// one gives the only value of a header: of several, two readers may take different ones.
func one(h http.Header, key string) (string, bool) {
	values := h.Values(key)
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}

// bearer gives the token of an Authorization header.
func bearer(r *Request) (string, bool) {
	value, _ := one(r.Header, "Authorization")
	scheme, token, found := strings.Cut(value, " ")
	return token, found && strings.EqualFold(scheme, "Bearer") && token != ""
}

// authorized says whether the Authorization header is a secret, or a secret as a bearer
// token: both are what people write into such a field.
func authorized(r *Request, secrets []secret.Value) bool {
	value, ok := one(r.Header, "Authorization")
	if token, is := bearer(r); is && isSecret(token, secrets) {
		return true
	}
	return ok && isSecret(value, secrets)
}

// digest gives an ID that is as long for any text and holds nothing of it.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// day is how long deliveries without a time are remembered.
const day = 24 * time.Hour

// once gives the proof of a token that counts once, for as long as it lives.
func once(r *Request, v *providers.Verified) (Proof, error) {
	left := v.Expires.Sub(r.At)
	switch {
	case v.ID == "":
		return Proof{}, errNoID
	// What lives for long would have to be remembered for as long.
	case left > day:
		return Proof{}, errLifetime
	}
	// Clocks differ, and an expired token may still be taken for a moment.
	return Proof{ID: digest("jti", v.ID), Keep: max(left, 0) + tolerance, Claims: v}, nil
}
