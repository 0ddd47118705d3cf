package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/oauth"
)

// The words by which Okta names its errors.
const (
	codeForbidden = "E0000006" // no admin role, or no scope
	codeGone      = "E0000007" // no such thing
	codeToken     = "E0000011" // the access token is not good
	codeDisabled  = "E0000022" // this organisation does not have it
)

// failed completes an error of a read: where it happened, and what to do about it.
func (s *source) failed(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return fault.New(fault.Invalid, "read", s.where(), err, "")
	}
	g := *f
	if g.Where == "" {
		g.Where = s.where()
	}
	if g.Hint = fault.HintOf(err); g.Hint == "" {
		g.Hint = s.hint(err)
	}
	return &g
}

// hint says what a person can do about an answer of Okta.
func (s *source) hint(err error) string {
	e, ok := errors.AsType[*httpx.StatusError](err)
	if !ok {
		return ""
	}
	switch {
	case e.Code == codeForbidden, e.Status == http.StatusForbidden && e.Code == "":
		return s.rights()
	case e.Code == codeToken, e.Status == http.StatusUnauthorized:
		return "is url the address of the organisation in which the app " + s.config.ClientID + " is, and is the app active?"
	case e.Code == codeDisabled:
		return "this organisation does not have that part of the API; is a feature or a licence missing, or a key of the source not needed?"
	case e.Location != "":
		return "write the address to which it leads as url: redirects are not followed with credentials"
	}
	return ""
}

// rights says what to click for the rights that a source needs.
func (s *source) rights() string {
	return fmt.Sprintf("an app needs scopes and an admin role: in the Admin Console open Applications > Applications > the app %s, grant %s under Okta API Scopes, and assign Read-Only Administrator under Admin roles",
		s.config.ClientID, strings.Join(s.config.scopes(), ", "))
}

// tokenError completes an error of the token endpoint.
func (s *source) tokenError(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	g := *f
	switch oauth.Code(err) {
	case "invalid_client":
		g.Hint = fmt.Sprintf("is %s the client id of a service app of %s, does it use Public key / Private key under Client Credentials, is this key among its public keys and active, and is key_id its KID?", s.config.ClientID, s.config.URL)
	case "invalid_scope", "consent_required", "access_denied":
		g.Kind, g.Hint = fault.Auth, s.rights()
	case "unauthorized_client":
		g.Hint = "make the app one of the type API Services, which may use the grant client credentials"
	}
	return &g
}

// gone reports whether Okta itself says that something does not exist.
func gone(err error) bool {
	e, ok := errors.AsType[*httpx.StatusError](err)
	return ok && e.Status == http.StatusNotFound && e.Code == codeGone
}

// ended gives the error of a call whose context ended, or nil.
func (s *source) ended(ctx context.Context, op string) error {
	if ctx.Err() == nil {
		return nil
	}
	return fault.New(fault.KindOf(ctx.Err()), op, s.where(), ctx.Err(), "")
}
