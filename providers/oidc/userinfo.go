package oidc

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"slices"

	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
)

// userinfo asks the provider for the claims of the person to whom an access token belongs
// (OpenID Connect Core 1.0, section 5.3). A text says why the answer proves nothing: the
// token has ended at the provider, or belongs to somebody else. An error is a provider
// that cannot be asked.
func (s *source) userinfo(ctx context.Context, r reader, living secret.Value, subject string) (map[string]any, string, error) {
	var kind string
	var body []byte
	_, err := r.d.userinfo.Session().Do(ctx, httpx.Request{Method: http.MethodGet, Query: r.d.userinfoPath, Op: "ask userinfo", Bearer: living, Repeat: true, Secret: true,
		Raw: func(contentType string, b []byte) error { kind, body = contentType, b; return nil }})
	switch {
	case fault.KindOf(err) == fault.Auth:
		return nil, "the access token has ended at the provider", nil
	case err != nil:
		return nil, "", err
	}
	claims, err := s.answer(ctx, r, kind, body)
	if err != nil {
		return nil, "", fault.New(fault.KindOf(err), "ask userinfo", r.d.info, errors.New(why(err)), fault.HintOf(err))
	}
	// Section 5.3.2: the sub MUST be verified to match, else the claims MUST NOT be used.
	if text(claims, "sub") != subject {
		return nil, "userinfo is about somebody else", nil
	}
	return claims, "", nil
}

// answer reads what userinfo says, as JSON or signed.
func (s *source) answer(ctx context.Context, r reader, kind string, body []byte) (map[string]any, error) {
	media, _, err := mime.ParseMediaType(kind)
	if err != nil || media != "application/jwt" {
		return decodeObject(body)
	}
	g, ok := look(string(body))
	if !ok {
		return nil, fault.New(fault.Invalid, "", "", errors.New("the answer is no signed token (JWT)"), "let the provider answer with JSON, or signed and not encrypted")
	}
	jws, err := jose.ParseSigned(string(body), algorithms(r.v.algorithms))
	if err != nil || len(jws.Signatures) != 1 {
		return nil, fault.New(fault.Invalid, "", "", errors.New("the answer is signed in a way that is not accepted"), "")
	}
	issued, _ := moment(g.claims, "iat")
	payload, err := r.v.keys.verify(ctx, jws, issued)
	if err != nil {
		if k := fault.KindOf(err); k != 0 {
			return nil, err
		}
		return nil, fault.New(fault.Invalid, "", "", err, "")
	}
	claims, err := decodeObject(payload)
	if err != nil {
		return nil, err
	}
	// Section 5.3.2: a signed answer names issuer and audience as an ID token does.
	if text(claims, "iss") != s.config.Issuer || !slices.Contains(audiences(claims), s.config.Audience) {
		return nil, fault.New(fault.Invalid, "", "", errors.New("the signed answer is not from this issuer for this audience"), "")
	}
	return claims, nil
}
