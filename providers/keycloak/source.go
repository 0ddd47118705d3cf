package keycloak

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/oauth"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// source reads one realm.
type source struct {
	config Config
	name   string
	logger *slog.Logger
	now    func() time.Time
	tokens *oauth.Client
	client *httpx.Client

	mu     sync.Mutex
	closed bool
	// last is who was in which group or role at the latest read, by id: whoever is missing
	// from the next one is looked at before that is believed. all says that every list was
	// read once.
	last map[string]map[string]bool
	all  bool
	// events are what the watch has seen.
	events *eventLog
}

var (
	_ providers.Source  = (*source)(nil)
	_ providers.LookUp  = (*source)(nil)
	_ providers.Checker = (*source)(nil)
	_ providers.Watcher = (*source)(nil)
)

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
	auth := oauth.Options{
		Name: "source " + o.Name, Place: "realm " + c.tokenRealm(),
		TokenURL: base.JoinPath("realms", url.PathEscape(c.tokenRealm()), "protocol/openid-connect/token").String(),
		ClientID: c.ClientID, Secret: c.ClientSecret, Transport: transport, Logger: s.logger, Now: o.Now,
	}
	if !c.PrivateKey.IsZero() {
		auth.Key = &oauth.Key{Ref: c.PrivateKey, ID: c.KeyID}
	}
	if s.tokens, err = oauth.New(auth); err != nil {
		return nil, err
	}
	server := base.String()
	base = base.JoinPath("admin/realms", url.PathEscape(c.Realm))
	s.client = httpx.New(httpx.Options{
		Name: "source " + o.Name, Base: base, Meter: o.Meter, Bearer: s.tokens.Bearer, Transport: s.tokens.Transport(transport), Logger: s.logger, Timeout: o.Timeout, MaxBody: 64 << 20, Now: o.Now,
		Limiter: o.Limiters.For("keycloak "+server+" "+c.tokenRealm()+" "+c.ClientID, httpx.Limit{Parallel: c.Parallel}),
		// Ten groups in a row that fail are no reason to leave out the other thousand.
		Retry: httpx.Retry{Break: 40},
	})
	return s, nil
}

// Close ends calls under way.
func (s *source) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.client.Close()
	return nil
}

// fail makes an error that no request gave.
func (s *source) fail(kind fault.Kind, op, hint, format string, args ...any) error {
	return fault.New(kind, op, "source "+s.name, fmt.Errorf(format, args...), hint)
}

// begin says why a call cannot begin, so that one that was told to stop sends nothing.
func (s *source) begin(ctx context.Context, op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.fail(fault.Canceled, op, "", "%w", httpx.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		kind := fault.Canceled
		if errors.Is(err, context.DeadlineExceeded) {
			kind = fault.Unavailable
		}
		return s.fail(kind, op, "", "%w", err)
	}
	return nil
}

// get reads one answer of the realm's admin API.
func (s *source) get(ctx context.Context, session *httpx.Session, op, path string, query url.Values, into any) error {
	_, err := session.Do(ctx, httpx.Request{Method: http.MethodGet, Path: path, Query: query, Op: op, Into: into, Repeat: true})
	return hinted(err)
}

// page gives the parameters of one page. Every one is explicit, because the defaults differ
// from call to call and from version to version.
func page(first, most int, brief bool) url.Values {
	return url.Values{"first": {strconv.Itoa(first)}, "max": {strconv.Itoa(most)}, "briefRepresentation": {strconv.FormatBool(brief)}}
}

// hinted adds what a person can do to an error that does not say it.
func hinted(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || fault.HintOf(err) != "" {
		return err
	}
	status, _ := errors.AsType[*httpx.StatusError](err)
	switch {
	case status == nil:
	case status.Status == http.StatusForbidden:
		f.Hint = "give the service account of the client the role view-users of realm-management; groupsyncd doctor names each right that is missing"
	case status.Status == http.StatusNotFound && strings.Contains(status.Detail+status.Code, "Realm"):
		f.Hint = "check realm, and url: behind it comes /admin/realms"
	case status.Status == http.StatusNotFound && !status.JSON:
		f.Hint = "there is no Keycloak at url: check its path, and whether a proxy keeps /admin back"
	}
	return err
}

// rights are the roles of the service account in the realm that is read. They are in the
// token of a request that went well, so one comes before.
func (s *source) rights(ctx context.Context) (map[string]bool, error) {
	token, err := s.tokens.Bearer(ctx, secret.Value{})
	if err != nil {
		return nil, hinted(err)
	}
	return rolesOf(token, s.managedBy()), nil
}

// mayRead gives an error unless the service account may see everything.
func (s *source) mayRead(ctx context.Context) error {
	rights, err := s.rights(ctx)
	if err != nil {
		return err
	}
	return s.allowed(rights)
}

// managedBy is the client whose roles are the rights to the realm: realm-management within
// it, and NAME-realm within master.
func (s *source) managedBy() string {
	if s.config.tokenRealm() == s.config.Realm && s.config.Realm != "master" {
		return "realm-management"
	}
	return s.config.Realm + "-realm"
}

// nothing is a snapshot that covers nothing because of an error.
func nothing(asOf time.Time, err error) *directory.Snapshot {
	reason, _, _ := strings.Cut(err.Error(), "\n")
	return &directory.Snapshot{AsOf: asOf, Reason: reason}
}
