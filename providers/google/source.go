package google

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/oauth"
	"groupsyncd/providers"
)

// perSecond is how much is asked, of the 2,400 queries a minute that Google allows one person
// in one project: in no minute more than 36*60+36, which leaves some to others.
const perSecond = 36

// scopes gives what the service account needs, all of it for reading only.
func scopes() []string {
	const at = "https://www.googleapis.com/auth/admin.directory."
	return []string{at + "user.readonly", at + "group.readonly", at + "group.member.readonly"}
}

// source reads one customer. Safe for use by several goroutines.
type source struct {
	config Config
	name   string
	logger *slog.Logger
	now    func() time.Time
	client *httpx.Client
	fields map[string]field

	closed atomic.Bool
	// turn is held by whoever reads the members of all groups.
	turn chan struct{}

	mu sync.Mutex
	// seen is what the latest reads showed of groups; nil: nothing was read yet.
	seen *view
}

var (
	_ providers.Source  = (*source)(nil)
	_ providers.LookUp  = (*source)(nil)
	_ providers.Checker = (*source)(nil)
)

func newSource(c Config, o providers.Options, base *url.URL, token string) (*source, error) {
	s := &source{config: c, name: o.Name, logger: o.Log(), now: o.Clock(), fields: map[string]field{}, turn: make(chan struct{}, 1)}
	for name, text := range c.Attributes {
		f, err := parseField(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "open source", o.Name, err, "")
		}
		s.fields[name] = f
	}
	at, err := url.Parse(token)
	if err != nil {
		return nil, fault.New(fault.Invalid, "open source", o.Name, err, "")
	}
	tokens, err := oauth.New(oauth.Options{
		Name: "source " + o.Name, TokenURL: token, Scopes: scopes(), Grant: &oauth.Grant{Credentials: c.Credentials, Subject: c.Subject},
		Transport: httpx.Reach{Base: at, Dial: o.Dial}.Transport(), Logger: s.logger, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	limiter := o.Limiters.For("google "+c.Credentials.String()+" "+c.Subject, httpx.Limit{PerSecond: perSecond, Burst: perSecond, Parallel: c.Parallel})
	b := &brake{limiter: limiter}
	s.client = httpx.New(httpx.Options{
		Name: "source " + o.Name, Base: base, Meter: o.Meter, Bearer: tokens.Bearer, Transport: httpx.Reach{Base: base, Dial: o.Dial}.Transport(),
		Limiter: limiter, Kind: b.kind, Pace: b.answered, Logger: s.logger, Timeout: o.Timeout, MaxBody: 64 << 20, Now: s.now,
		// Google wants seconds between attempts, doubled each time. The breaker is for servers
		// that are down; one that asks all workers to slow down is not.
		Retry: httpx.Retry{Tries: 7, First: time.Second, Max: 30 * time.Second, Budget: 60, Break: 40},
	})
	return s, nil
}

// Close ends calls under way.
func (s *source) Close() error {
	s.closed.Store(true)
	s.client.Close()
	return nil
}

// take waits for the turn to read all groups; give gives it back.
func (s *source) take(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case s.turn <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return s.ended(ctx)
}

func (s *source) give() { <-s.turn }

// get makes a request that reads.
func (s *source) get(ctx context.Context, session *httpx.Session, op, path string, query url.Values, into any) error {
	_, err := session.Do(ctx, httpx.Request{Method: http.MethodGet, Path: "/admin/directory/v1" + path, Query: query, Op: op, Into: into, Repeat: true})
	return s.explained(err)
}

// failed is a snapshot that covers nothing because of an error.
func failed(asOf time.Time, err error) *directory.Snapshot {
	reason, _, _ := strings.Cut(err.Error(), "\n")
	return &directory.Snapshot{AsOf: asOf, Reason: reason}
}
