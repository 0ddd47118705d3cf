package okta

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/oauth"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// source reads one organisation.
type source struct {
	config Config
	name   string
	logger *slog.Logger
	now    func() time.Time
	tokens *oauth.Client
	// clients are by what Okta counts apart.
	clients map[bucket]*httpx.Client
}

var (
	_ providers.Source  = (*source)(nil)
	_ providers.LookUp  = (*source)(nil)
	_ providers.Changes = (*source)(nil)
	_ providers.Checker = (*source)(nil)
)

func newSource(c Config, o providers.Options) (*source, error) {
	base, err := httpx.ParseBase(c.URL)
	if err != nil {
		return nil, fault.New(fault.Invalid, "open source", o.Name, err, "")
	}
	roots, err := httpx.LoadRoots(string(c.CAFile))
	if err != nil {
		return nil, err
	}
	s := &source{config: c, name: o.Name, logger: o.Log(), now: o.Clock(), clients: map[bucket]*httpx.Client{}}
	transport := httpx.Reach{Base: base, Roots: roots, Dial: o.Dial}.Transport()
	s.tokens, err = oauth.New(oauth.Options{
		Name: "source " + o.Name, TokenURL: base.String() + "/oauth2/v1/token", ClientID: c.ClientID, Scopes: c.scopes(),
		Key: &oauth.Key{Ref: c.PrivateKey, ID: c.KeyID}, DPoP: c.DPoP == On, Transport: transport, Logger: s.logger, Now: o.Now,
	})
	if err != nil {
		return nil, err
	}
	bound := s.tokens.Transport(transport)
	limiters := o.Limiters
	if limiters == nil {
		limiters = &httpx.Limiters{}
	}
	for _, b := range buckets() {
		a := &allowance{limiters: limiters, key: "okta " + base.Host + " " + c.ClientID + " " + string(b), fixed: c.Rate}
		s.clients[b] = httpx.New(httpx.Options{
			Name: "source " + o.Name, Base: base, Meter: o.Meter, Bearer: s.bearer, Transport: bound, Logger: s.logger, Timeout: o.Timeout, MaxBody: 64 << 20, Now: o.Now,
			Limiter: a.limiter(cmp.Or(c.Rate, usual)), Pace: a.pace, Retry: httpx.Retry{MaxWait: window},
		})
	}
	return s, nil
}

// bearer gives an access token, or an error that says what to click.
func (s *source) bearer(ctx context.Context, refused secret.Value) (secret.Value, error) {
	token, err := s.tokens.Bearer(ctx, refused)
	if err != nil {
		return token, s.tokenError(err)
	}
	return token, nil
}

// Close ends calls under way and drops connections.
func (s *source) Close() error {
	for _, c := range s.clients {
		c.Close()
	}
	return nil
}

// where names the organisation in errors.
func (s *source) where() string {
	u, err := url.Parse(s.config.URL)
	if err != nil {
		return "source " + s.name
	}
	return "source " + s.name + " (" + u.Host + ")"
}

// session is one read: its requests are counted together, whatever Okta counts apart.
type session map[bucket]*httpx.Session

func (s *source) session() session {
	all := session{}
	for b, c := range s.clients {
		all[b] = c.Session()
	}
	return all
}

// spent counts the requests so far.
func (s session) spent() int {
	n := 0
	for _, one := range s {
		requests, _ := one.Spent()
		n += requests
	}
	return n
}

// nothing is a snapshot that covers nothing.
func nothing(asOf time.Time, reason string) *directory.Snapshot {
	return &directory.Snapshot{AsOf: asOf, Reason: reason}
}
