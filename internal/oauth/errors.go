package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
)

// refusal is an answer of the token endpoint that is no token.
type refusal struct {
	httpx.StatusError
	nonce bool
}

// Code gives the word by which a token endpoint names why it gives no token, or nothing.
func Code(err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.Code
	}
	return ""
}

func asksNonce(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.nonce
}

// ended gives the error of a caller who waits no longer.
func (c *Client) ended(ctx context.Context) error {
	kind := fault.Canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = fault.Unavailable
	}
	return fault.New(kind, opToken, c.where(), context.Cause(ctx), "")
}

// failure makes the error of a request for a token. sent are the secrets of the request, which
// a server may repeat.
func (c *Client) failure(ctx context.Context, err error, tokenURL string, sent []secret.Value) error {
	if r, ok := errors.AsType[*oauth2.RetrieveError](err); ok && r.Response != nil {
		return c.answered(r, sent)
	}
	if ctx.Err() != nil {
		return c.ended(ctx)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		if u.Timeout() {
			return fault.Errorf(fault.Unavailable, opToken, c.where(), "no answer within %s", answerTime)
		}
		at, parsed := parseTokenURL(tokenURL)
		if parsed != nil {
			at = &url.URL{}
		}
		kind, hint := httpx.Network(u.Err, at)
		return fault.New(kind, opToken, c.where(), hide(httpx.Terse(u.Err, ""), sent), hint)
	}
	// What x/oauth2 says here may repeat the answer.
	return fault.New(fault.Unavailable, opToken, c.where(), errors.New("the answer holds no access token, or is cut"),
		"what answers at "+originOf(tokenURL)+" is no token endpoint, or something stands in front of it: check the address, and the realm or tenant, in the configuration")
}

func hide(err error, sent []secret.Value) error {
	text := err.Error()
	for _, s := range sent {
		text = s.Hide(text)
	}
	if text != err.Error() {
		return errors.New(text)
	}
	return err
}

func originOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// answered makes the error of an answer that is no token.
func (c *Client) answered(e *oauth2.RetrieveError, sent []secret.Value) error {
	r := &refusal{StatusError: httpx.StatusError{Status: e.Response.StatusCode, Code: e.ErrorCode, Detail: e.ErrorDescription}}
	for _, s := range sent {
		r.Code, r.Detail = s.Hide(r.Code), s.Hide(r.Detail)
	}
	r.Code, r.Detail = httpx.Shorten(r.Code, 80), httpx.Shorten(r.Detail, 300)
	r.nonce = e.Response.Header.Get("DPoP-Nonce") != "" && (e.ErrorCode == "use_dpop_nonce" || wantsNonce(e.Response.Header))
	if u, err := url.Parse(e.Response.Header.Get("Location")); err == nil && u.Host != "" && r.Status < 400 {
		r.Location = httpx.Shorten(u.Scheme+"://"+u.Host+u.Path, 200)
	}
	kind, hint := c.meaning(r)
	f := fault.New(kind, opToken, c.where(), r, hint)
	if kind == fault.Auth {
		f.Hint += clocks(e.Response.Header, time.Now())
	}
	if kind.Retryable() {
		f.After, _ = httpx.RetryAfter(e.Response.Header, c.o.Now())
	}
	return f
}

// clocks says when a clock is wrong, which is why good keys are refused.
func clocks(h http.Header, now time.Time) string {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return ""
	}
	if off := now.Sub(date).Round(time.Second); off.Abs() > time.Minute {
		return fmt.Sprintf("; the clock of this machine and that of the server differ by %s", off.Abs())
	}
	return ""
}

// meaning gives the kind of a refusal, and what to do about it.
func (c *Client) meaning(r *refusal) (fault.Kind, string) {
	scopes := strings.Join(c.o.Scopes, " ")
	switch r.Code {
	case "invalid_client":
		return fault.Auth, c.unknown()
	case "unauthorized_client", "access_denied":
		if c.o.Grant != nil {
			return fault.Auth, "give the client id of the service account domain-wide delegation for exactly these scopes: " + scopes
		}
		return fault.Auth, fmt.Sprintf("allow the client %s to get tokens for itself (client credentials), with this way to show who it is", c.o.ClientID)
	case "invalid_grant":
		if c.o.Grant != nil {
			return fault.Auth, "is the subject an active account of the domain, and does this key of the service account still exist?"
		}
		return fault.Auth, c.unknown()
	case "invalid_scope":
		return fault.Auth, "allow the client these scopes: " + scopes
	case "invalid_dpop_proof", "use_dpop_nonce":
		return fault.Auth, "is the clock of this machine right?"
	case "slow_down":
		return fault.Throttled, ""
	case "temporarily_unavailable", "server_error":
		return fault.Unavailable, ""
	}
	switch {
	case r.Status == http.StatusTooManyRequests:
		return fault.Throttled, ""
	case r.Status >= 500 && r.Status != http.StatusNotImplemented, r.Status == http.StatusRequestTimeout:
		return fault.Unavailable, ""
	case r.Status == http.StatusUnauthorized:
		return fault.Auth, c.unknown()
	case r.Status == http.StatusForbidden:
		return fault.Auth, "may this machine reach the token endpoint, and is the client active?"
	case r.Status == http.StatusNotFound:
		return fault.Invalid, "check the address: there is no token endpoint at it"
	case r.Location != "":
		return fault.Invalid, "write the address to which it leads into the configuration; redirects are not followed with credentials"
	}
	return fault.Invalid, ""
}

// unknown says what to do where the server does not take us for its client.
func (c *Client) unknown() string {
	switch {
	case c.o.Grant != nil:
		return "does this key of the service account still exist?"
	case c.o.Key != nil:
		return fmt.Sprintf("register the public half of the key (and its key id or certificate) with the client %s, and let it authenticate by a signed assertion", c.o.ClientID)
	case !c.o.Assertion.IsZero():
		return fmt.Sprintf("is the federated token in %s renewed, and do its issuer, subject and audience stand with the client %s?", c.o.Assertion, c.o.ClientID)
	}
	return fmt.Sprintf("the client id %s is not known, or the client secret is wrong or has expired: put a new one into %s", c.o.ClientID, c.o.Secret)
}
