package authentik

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/oauth"
	"groupsyncd/providers"
)

// source reads one authentik.
type source struct {
	config Config
	name   string
	logger *slog.Logger
	now    func() time.Time
	client *httpx.Client
	closed atomic.Bool
}

var (
	_ providers.Source  = (*source)(nil)
	_ providers.LookUp  = (*source)(nil)
	_ providers.Checker = (*source)(nil)
)

// pace is our own: authentik has no limit, and each list costs its database something.
func pace() httpx.Limit { return httpx.Limit{PerSecond: 20, Parallel: 4} }

func newSource(c Config, o providers.Options) (*source, error) {
	base, err := httpx.ParseBase(c.URL)
	if err != nil {
		return nil, fault.New(fault.Invalid, "open source", o.Name, err, "")
	}
	s := &source{config: c, name: o.Name, logger: o.Log(), now: o.Clock()}
	reach := httpx.Reach{Base: base, Private: true, Dial: o.Dial}
	if reach.Roots, err = httpx.LoadRoots(string(c.CAFile)); err != nil {
		return nil, err
	}
	transport := reach.Transport()
	client := httpx.Options{
		Name: "source " + o.Name, Base: base.JoinPath("api", "v3"), Meter: o.Meter, Bearer: httpx.Key(c.Token.Read),
		Logger: s.logger, Timeout: o.Timeout, Now: o.Now,
		Limiter: o.Limiters.For("authentik "+base.String()+" "+cmp.Or(c.ClientID, c.Token.String()), pace()),
	}
	if c.ClientID != "" {
		// The secret may be base64, which the Basic scheme would have to escape and which
		// authentik would not undo; so it goes in the body.
		auth := oauth.Options{
			Name: "source " + o.Name, TokenURL: base.JoinPath("application", "o", "token").String() + "/", ClientID: c.ClientID,
			Scopes: []string{"goauthentik.io/api"}, Secret: c.ClientSecret, SecretInBody: true, Assertion: c.FederatedToken,
			Transport: transport, Logger: s.logger, Now: o.Now,
		}
		if !c.PrivateKey.IsZero() {
			auth.Key = &oauth.Key{Ref: c.PrivateKey, ID: c.KeyID}
		}
		tokens, err := oauth.New(auth)
		if err != nil {
			return nil, err
		}
		client.Bearer = tokens.Bearer
	}
	client.Transport = &refusals{transport}
	s.client = httpx.New(client)
	return s, nil
}

// Close ends calls under way.
func (s *source) Close() error {
	s.closed.Store(true)
	s.client.Close()
	return nil
}

// begin says why a call cannot begin, so that one that was told to stop sends nothing.
func (s *source) begin(ctx context.Context, op string) error {
	if s.closed.Load() {
		return s.fail(fault.Canceled, op, "", "%w", httpx.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return s.fail(cmp.Or(fault.KindOf(err), fault.Canceled), op, "", "%w", err)
	}
	return nil
}

// fail makes an error that no request gave.
func (s *source) fail(kind fault.Kind, op, hint, format string, args ...any) error {
	return fault.New(kind, op, "source "+s.name, fmt.Errorf(format, args...), hint)
}

// reading is one pull, look-up or check.
type reading struct {
	*source
	session *httpx.Session
}

func (s *source) reading() *reading { return &reading{s, s.client.Session()} }

// get reads one answer of the API.
func (r *reading) get(ctx context.Context, op, path string, query url.Values, into any) error {
	_, err := r.session.Do(ctx, httpx.Request{Method: http.MethodGet, Path: path, Query: query, Op: op, Into: into, Repeat: true})
	return hinted(err)
}

// spent counts the requests so far.
func (r *reading) spent() int {
	n, _ := r.session.Spent()
	return n
}

// refusals makes a 401 out of the 403 with which authentik answers to a token that it does not
// know or that has expired, so that one that was exchanged meanwhile is tried.
type refusals struct{ next http.RoundTripper }

// refusedText is what authentik says then.
const refusedText = "Token invalid"

// RoundTrip looks into answers with the status 403, which are short.
func (t *refusals) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusForbidden {
		return resp, err
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err == nil && bytes.Contains(head, []byte(refusedText)) {
		resp.StatusCode, resp.Status = http.StatusUnauthorized, ""
	}
	body := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), body), body}
	return resp, nil
}

// CloseIdleConnections passes on what http.Client asks of its transport.
func (t *refusals) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// The remedies that several errors share.
const (
	hintRights = "give the role of the service account the global permissions \"Can view User\" and \"Can view Group\"; permissions on single objects show only those"
	hintToken  = "is the token still there, not expired, of the intent API, and its user active? see docs/providers/authentik.md"
)

// hinted adds what a person can do to an error that does not say it.
func hinted(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || fault.HintOf(err) != "" {
		return err
	}
	status, _ := errors.AsType[*httpx.StatusError](err)
	switch {
	case status == nil:
		if _, ok := errors.AsType[*httpx.NotJSONError](err); ok {
			f.Hint = "is url the address of authentik itself, and is there no sign-in in front of /api?"
		}
	case status.Status == http.StatusUnauthorized:
		f.Hint = hintToken
	case status.Status == http.StatusForbidden:
		f.Hint = hintRights
	case status.Status == http.StatusNotFound && !status.JSON:
		f.Hint = "there is no authentik at url: check its path, and whether a proxy keeps /api/v3 back"
	}
	return err
}

// number writes a number for a query.
func number(n int) string { return strconv.Itoa(n) }
