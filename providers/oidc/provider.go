package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/logging"
)

// The rhythm of discovery: how long a description is used, how soon a failure is tried
// again, and what one answer may take and hold.
const (
	describedFor   = 12 * time.Hour
	failedFor      = 5 * time.Second
	requestTimeout = 10 * time.Second
	maxAnswer      = 4 << 20
)

// provider is the OpenID provider: what it says of itself, and its keys. It is asked when
// it is first needed. Safe for use by several goroutines.
type provider struct {
	name, issuer, from string
	configured         []string // algorithms, none: what the provider names
	transport          http.RoundTripper
	timeout            time.Duration
	logger             *slog.Logger
	meter              *httpx.Meter
	now                func() time.Time
	client             *httpx.Client // of the description

	turn chan struct{} // held by the one that asks

	mu     sync.Mutex
	last   *description
	tried  time.Time
	failed error
}

// description is what the provider says of itself (OpenID Connect Discovery 1.0, section
// 3), as far as it concerns us.
type description struct {
	at           time.Time
	jwks, info   string
	algorithms   []string
	claims       []string
	keys         *keySet
	userinfo     *httpx.Client
	userinfoPath url.Values
}

func (p *provider) dial(address string) (*httpx.Client, url.Values, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return nil, nil, errors.New("is no web address")
	}
	if httpx.InClear(u) {
		return nil, nil, errors.New("is not protected by TLS (https)")
	}
	query := u.Query()
	u.RawQuery, u.Fragment = "", ""
	return httpx.New(httpx.Options{Name: "source " + p.name + ", " + u.String(), Base: u, Transport: p.transport, Logger: p.logger, Meter: p.meter, Timeout: p.timeout, MaxBody: maxAnswer,
		Retry: httpx.Retry{Tries: 2, First: 100 * time.Millisecond, Max: time.Second, MaxWait: 2 * time.Second, Break: 6, Pause: failedFor}, Now: p.now}), query, nil
}

// describe gives what the provider says of itself. Errors are fault.Invalid where the
// answer is not that of this issuer, else of the kind of what went wrong.
func (p *provider) describe(ctx context.Context) (*description, error) {
	if d, err := p.remembered(); d != nil || err != nil {
		return d, err
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ended(ctx, "find the provider", p.issuer)
	}
	if d, err := p.remembered(); d != nil || err != nil {
		return d, err // another one asked meanwhile
	}
	began := p.now()
	d, err := p.ask(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, ended(ctx, "find the provider", p.issuer)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried, p.failed = began, err
	switch {
	case err == nil:
		if p.last != nil && p.last.jwks == d.jwks {
			d.keys = p.last.keys
		}
		p.last = d
	case p.last != nil:
		// What it said half a day ago is better than nothing while it cannot be asked.
		p.logger.Warn("the provider cannot be asked, what it said before is used", slog.String(logging.KeyErr, err.Error()))
		p.last.at, err = began.Add(-describedFor+time.Minute), nil
		d = p.last
	}
	return d, err
}

// remembered gives what is known and fresh, or the failure of a moment ago.
func (p *provider) remembered() (*description, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.last; d != nil {
		if age := p.now().Sub(d.at); age >= 0 && age < describedFor {
			return d, nil
		}
		return nil, nil //nolint:nilnil // nothing is known, and nothing went wrong
	}
	wait := p.tried.Add(failedFor).Sub(p.now())
	if p.failed == nil || wait <= 0 || wait > failedFor {
		return nil, nil //nolint:nilnil // nothing is known, and nothing went wrong
	}
	f := fault.New(fault.KindOf(p.failed), "find the provider", p.issuer, errors.New(why(p.failed)), fault.HintOf(p.failed))
	f.After = wait
	return nil, f
}

// ask reads the description.
func (p *provider) ask(ctx context.Context) (*description, error) {
	const hint = "issuer must be what the provider calls itself, to the letter; what it says is at " + wellKnown
	var said struct {
		Issuer     string   `json:"issuer"`
		JWKS       string   `json:"jwks_uri"`
		UserInfo   string   `json:"userinfo_endpoint"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
		Claims     []string `json:"claims_supported"`
	}
	if _, err := p.client.Session().Do(ctx, httpx.Request{Method: http.MethodGet, Op: "find the provider", Into: &said, Repeat: true}); err != nil {
		return nil, hinted(err, "is the provider running, and is issuer right? its description must be at "+p.from)
	}
	invalid := func(hint, format string, args ...any) error {
		return fault.New(fault.Invalid, "find the provider", p.from, fmt.Errorf(format, args...), hint)
	}
	if said.Issuer != p.issuer {
		return nil, invalid(issuerHint(said.Issuer, hint), "it calls itself %s, and issuer is %q", shown(said.Issuer), p.issuer)
	}
	d := &description{at: p.now(), jwks: said.JWKS, claims: said.Claims}
	client, query, err := p.dial(said.JWKS)
	if err != nil {
		return nil, invalid("", "the address of its keys (jwks_uri) %w", err)
	}
	d.keys = newKeySet(p.now, func(ctx context.Context) ([]jose.JSONWebKey, error) { return fetchKeys(ctx, client, query) })
	if d.algorithms = p.signatures(said.Algorithms); len(d.algorithms) == 0 {
		return nil, invalid("let the provider sign the ID tokens of this client with RS256 or another key pair", "it signs with %s only, none of which is accepted", shown(strings.Join(said.Algorithms, ", ")))
	}
	if said.UserInfo != "" {
		if d.userinfo, d.userinfoPath, err = p.dial(said.UserInfo); err != nil {
			return nil, invalid("", "the address of its userinfo %w", err)
		}
		d.info = said.UserInfo
	}
	return d, nil
}

const wellKnown = "/.well-known/openid-configuration"

// issuerHint explains the usual reasons for an issuer that differs.
func issuerHint(said, hint string) string {
	if strings.Contains(said, "{tenantid}") {
		return "write the issuer of your own tenant, https://login.microsoftonline.com/TENANT-ID/v2.0, and not common or organizations"
	}
	return hint
}

// signatures gives the algorithms that are accepted: those configured, else those that the
// provider names, of which some never are. One that names none signs with RS256
// (Discovery 1.0, section 3).
func (p *provider) signatures(named []string) []string {
	if len(p.configured) > 0 {
		return p.configured
	}
	if len(named) == 0 {
		return []string{string(jose.RS256)}
	}
	return slices.DeleteFunc(slices.Clone(named), func(a string) bool { return !slices.Contains(accepted(), a) })
}

func fetchKeys(ctx context.Context, client *httpx.Client, query url.Values) ([]jose.JSONWebKey, error) {
	var keys []jose.JSONWebKey
	_, err := client.Session().Do(ctx, httpx.Request{Method: http.MethodGet, Query: query, Op: "read the provider's keys", Repeat: true,
		Raw: func(_ string, body []byte) (err error) {
			// Key sets come as application/jwk-set+json, as application/json and as text.
			keys, err = parseKeys(body)
			return err
		}})
	return keys, err
}

// hinted adds a hint to an error that has none.
func hinted(err error, hint string) error {
	if e, ok := errors.AsType[*fault.Error](err); ok && fault.HintOf(err) == "" {
		e.Hint = hint
	}
	return err
}

// decodeObject reads claims that came as JSON.
func decodeObject(body []byte) (map[string]any, error) {
	if !json.Valid(body) {
		return nil, fault.New(fault.Unavailable, "", "", errors.New("the answer was cut or damaged: it is not complete JSON"), "")
	}
	claims, err := decode(body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "", errors.New("the answer is no JSON object"), "")
	}
	return claims, nil
}
