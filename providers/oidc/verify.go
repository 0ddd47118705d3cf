package oidc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

const (
	// leeway is how far our clock may be from the provider's.
	leeway = 5 * time.Minute
	// oneTime is how old a token may be that is sent as it is issued: one that says that
	// a session ended, or that vouches for a request.
	oneTime = 10 * time.Minute
	// maxSubject is far above the 255 that OpenID Connect Core 1.0, section 2 allows.
	maxSubject = 1_000
)

// storedToken is the use of an ID token that was stored at a sign-in. It is judged as an ID
// token, but for its end: that comes within minutes while the session lives for weeks,
// and bounds how long the token may be used to sign in (Core 2), not how long what the
// provider said at iat is true. How old that may be is decided by iat and max_age.
const storedToken providers.TokenUse = "stored_id_token"

// verifier judges tokens of one issuer.
type verifier struct {
	issuer, audience string
	algorithms       []string
	keys             *keySet
	now              func() time.Time
}

// token is a token that was verified.
type token struct {
	subject, id     string
	issued, expires time.Time
	claims          map[string]any
	payload         []byte
}

// verify checks a token by the rules of its use: the signature by a key of the provider
// and what go-oidc checks of the claims; then the claims once more by judge, which says
// what is wrong in words of ours and is stricter.
func (v *verifier) verify(ctx context.Context, use providers.TokenUse, raw string) (*token, error) {
	g, ok := look(raw)
	if !ok {
		return nil, v.refused("send the token as the provider issued it: three parts with dots between them", "it is no signed token (JWT)")
	}
	if err := v.glance(use, g); err != nil {
		return nil, err
	}
	one := &oneToken{v: v, kid: g.kid, claims: g.claims}
	checked := goidc.NewVerifier(v.issuer, one, &goidc.Config{ClientID: v.audience, SupportedSigningAlgs: v.algorithms,
		SkipClientIDCheck: use == providers.RequestToken, SkipExpiryCheck: use == storedToken, Now: v.now})
	var err error
	if use == providers.LogoutToken {
		_, err = checked.VerifyLogout(ctx, raw)
	} else {
		_, err = checked.Verify(ctx, raw)
	}
	switch {
	case one.err != nil:
		return nil, one.err
	case one.payload == nil:
		return nil, v.refused("", "it is no signed token (JWT)")
	}
	t, wrong := v.judge(use, one.payload)
	if wrong != nil {
		return nil, wrong
	}
	if err != nil {
		// Its text may repeat what stands in the token.
		return nil, v.refused("", "its claims are not those of %s", article(use))
	}
	return t, nil
}

// glance turns away what cannot be right, before anybody is asked for keys.
func (v *verifier) glance(use providers.TokenUse, g glance) error {
	if !slices.Contains(v.algorithms, g.alg) {
		return v.refused("let the provider sign with one of these, or name its own in algorithms", "it is not signed with %s", strings.Join(v.algorithms, ", "))
	}
	fits := []string{"", "jwt"}
	if use == providers.LogoutToken {
		fits = append(fits, "logout+jwt") // Back-Channel Logout 1.0, section 2.4
	}
	if !slices.Contains(fits, g.typ) {
		// RFC 8725, section 3.11: a token of another kind must not pass for this one.
		return v.refused("", "it is a token of another kind, and not %s", article(use))
	}
	if !v.issued(text(g.claims, "iss")) {
		if use == storedToken {
			return v.refused("issuer must be what the tokens name, to the letter", "it was issued by %s", shown(text(g.claims, "iss")))
		}
		return v.refused("issuer must be what the tokens name, to the letter", "it was issued by somebody else")
	}
	return nil
}

// issued reports whether iss names the issuer. Google leaves out the scheme at times.
func (v *verifier) issued(iss string) bool {
	return iss == v.issuer || v.issuer == "https://accounts.google.com" && iss == "accounts.google.com"
}

// oneToken is the key set that go-oidc sees while it verifies one token. It keeps what
// was signed, and why a key was not found, which go-oidc makes a text of.
type oneToken struct {
	v       *verifier
	kid     string
	claims  map[string]any
	payload []byte
	err     error
}

// VerifySignature gives the claims that go-oidc is to judge.
func (o *oneToken) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	jws, err := jose.ParseSigned(raw, algorithms(o.v.algorithms))
	if err != nil || len(jws.Signatures) != 1 {
		o.err = o.v.refused("", "it is no signed token (JWT)")
		return nil, o.err
	}
	issued, _ := moment(o.claims, "iat")
	payload, err := o.v.keys.verify(ctx, jws, issued)
	switch {
	case err == nil:
		o.payload = payload
		return canonical(payload), nil
	case errors.Is(err, errUnknownKey):
		o.err = o.v.refused("a provider takes keys out of use after a time, and the next sign-in brings a token with a new one; if it is so for everybody, check issuer",
			"it is signed with a key that the provider does not publish")
	case errors.Is(err, errSignature):
		o.err = o.v.refused("", "its signature is not right")
	case ctx.Err() != nil:
		o.err = ended(ctx, "verify token", o.v.issuer)
	default:
		o.err = later(o.v.issuer, err, fault.HintOf(err), fault.AfterOf(err))
	}
	return nil, o.err
}

func article(use providers.TokenUse) string {
	switch use {
	case providers.LogoutToken:
		return "a logout token"
	case providers.RequestToken:
		return "a token for a request"
	}
	return "an ID token"
}
