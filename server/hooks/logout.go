package hooks

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/url"

	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// logout is OpenID Connect Back-Channel Logout 1.0. It says nothing about groups: somebody
// whose session was ended is worth a look.
type logout struct{ o Options }

var (
	errForm  = errors.New("it is no form (application/x-www-form-urlencoded) of at most 64 KiB")
	errToken = errors.New("the form has no logout_token, or several")
)

// Handshake: there is none.
func (*logout) Handshake(*Request, []secret.Value) (Answer, bool) { return Answer{}, false }

// Verify has the source verify the token, which counts once.
func (d *logout) Verify(ctx context.Context, r *Request, _ []secret.Value) (Proof, error) {
	kind, _ := one(r.Header, "Content-Type")
	if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/x-www-form-urlencoded" {
		return Proof{}, errForm
	}
	if len(r.Body) > maxToken {
		return Proof{}, errForm
	}
	form, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return Proof{}, errForm
	}
	tokens := form["logout_token"]
	if len(tokens) != 1 || tokens[0] == "" {
		return Proof{}, errToken
	}
	v, err := d.o.Tokens.Verify(ctx, providers.LogoutToken, tokens[0])
	if err != nil {
		return Proof{}, fmt.Errorf("verify the logout token: %w", err)
	}
	return once(r, v)
}

// Read gives whose session ended. A token may name the session alone, which says nothing
// to us.
func (d *logout) Read(_ *Request, p Proof) ([]Hint, error) {
	if p.Claims == nil {
		return nil, errBody
	}
	return d.o.person(p.Claims.Subject, "", ""), nil
}
