package hooks

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Its size tells people what to change; nothing is verified with it.
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// keycloak are the webhooks of the extension p2-inc/keycloak-events. With a secret, and
// only then, they are signed with it; without, each carries a token of the realm.
type keycloak struct{ o Options }

var (
	errNotSigned = errors.New("the header X-Keycloak-Signature is missing")
	errSHA1      = errors.New("the signature is HmacSHA1: choose HmacSHA256 in the webhook of Keycloak")
	errNoTokens  = errors.New("this webhook has neither a secret nor a source that verifies tokens")
	errNoToken   = errors.New("the header Authorization has no bearer token")
	errOtherBody = errors.New("the token is not for this body: request_body_sha256 differs")
	errAudience  = errors.New("the token is not for this webhook: its aud is not the address below server.public.url")
)

// Handshake: there is none.
func (*keycloak) Handshake(*Request, []secret.Value) (Answer, bool) { return Answer{}, false }

// Verify never takes one proof in place of the other. Each event has an id and a time in
// its body, so an equal body is the same event.
func (d *keycloak) Verify(ctx context.Context, r *Request, secrets []secret.Value) (Proof, error) {
	if len(secrets) == 0 {
		return d.token(ctx, r)
	}
	sent, ok := one(r.Header, "X-Keycloak-Signature")
	if !ok {
		return Proof{}, errNotSigned
	}
	signature, err := hex.DecodeString(sent)
	if err == nil && len(signature) == sha1.Size {
		return Proof{}, errSHA1
	}
	found := false
	for _, value := range secrets {
		mac := hmac.New(sha256.New, []byte(value.Reveal()))
		mac.Write(r.Body)
		found = err == nil && hmac.Equal(mac.Sum(nil), signature) || found
	}
	if !found {
		return Proof{}, errSignature
	}
	return Proof{ID: digest("body", string(r.Body)), Keep: day}, nil
}

// token verifies a token that vouches for this body, sent to this address.
func (d *keycloak) token(ctx context.Context, r *Request) (Proof, error) {
	if d.o.Tokens == nil {
		return Proof{}, errNoTokens
	}
	raw, ok := bearer(r)
	if !ok {
		return Proof{}, errNoToken
	}
	v, err := d.o.Tokens.Verify(ctx, providers.RequestToken, raw)
	if err != nil {
		return Proof{}, fmt.Errorf("verify the bearer token: %w", err)
	}
	sum := sha256.Sum256(r.Body)
	said, _ := v.Claims["request_body_sha256"].(string)
	switch {
	case !strings.EqualFold(said, hex.EncodeToString(sum[:])):
		return Proof{}, errOtherBody
	case r.URL == "" || !slices.Contains(audience(v.Claims["aud"]), r.URL):
		return Proof{}, errAudience
	}
	return once(r, v)
}

// audience reads the claim, which is one text or a list.
func audience(claim any) []string {
	switch c := claim.(type) {
	case string:
		return []string{c}
	case []any:
		var list []string
		for _, each := range c {
			if s, ok := each.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}

// Read gives who signed in, or whom an administrator changed.
func (d *keycloak) Read(r *Request, _ Proof) ([]Hint, error) {
	var e keycloakEvent
	if err := decode(r.Body, &e); err != nil {
		return nil, err
	}
	kind, what, found := strings.Cut(e.Type.v, ".")
	switch {
	case !found:
		return nil, errBody
	case e.Error.v != "":
		return nil, nil
	case kind == "admin":
		return d.changed(&e, what), nil
	case kind == "access" && slices.Contains([]string{"LOGIN", "REGISTER", "UPDATE_EMAIL", "UPDATE_PROFILE"}, what):
		// details.username is what was typed in, which may be anything.
		return d.o.person(e.Actor.v.ID.v, "", e.Actor.v.Username.v), nil
	}
	return nil, nil
}

// keycloakEvent is what an event has for us.
type keycloakEvent struct {
	Type  text `json:"type"`
	Error text `json:"error"`
	// Actor is who did it: the person who signed in, or an administrator.
	Actor loose[struct {
		ID       text `json:"userId"`
		Username text `json:"username"`
	}] `json:"authDetails"`
	Path    text `json:"resourcePath"`
	Details loose[struct {
		Username text `json:"username"`
	}] `json:"details"`
}

// changed gives whom a change by an administrator is about, by what was changed and how:
// GROUP_MEMBERSHIP-CREATE at users/ID/groups/ID.
func (d *keycloak) changed(e *keycloakEvent, what string) []Hint {
	resource, operation, _ := strings.Cut(what, "-")
	place, rest, _ := strings.Cut(e.Path.v, "/")
	id, _, _ := strings.Cut(rest, "/")
	switch resource {
	case "USER", "GROUP_MEMBERSHIP", "REALM_ROLE_MAPPING", "CLIENT_ROLE_MAPPING":
		switch {
		// Sessions ended and mails sent are actions, which change nothing.
		case resource == "USER" && operation == "ACTION":
			return nil
		case place == "users":
			return d.o.person(id, "", e.Details.v.Username.v)
		case place == "groups":
			return []Hint{{All: true}}
		}
	case "GROUP", "REALM_ROLE", "CLIENT_ROLE":
		return []Hint{{All: true}}
	}
	return nil
}
