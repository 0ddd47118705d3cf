package entra

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/oauth"
	"groupsyncd/providers"
)

// The limits that we keep to. Graph counts resource units for each pair of application and
// tenant, 3,500 in ten seconds for the smallest of tenants, and we take half of that: others
// may use the same application, and what Graph counts is not quite what it documents.
const (
	unitsPerSecond = 175
	parallel       = 4
	// throttled is how long nothing is sent after a refusal that names no time: the length of
	// Graph's own window.
	throttled = 10 * time.Second
)

// source reads one tenant.
type source struct {
	config Config
	name   string
	logger *slog.Logger
	now    func() time.Time
	client *httpx.Client
	tokens *oauth.Client
	grants *grants
	// hidden says what the last read saw of groups whose members are hidden.
	hidden atomic.Int32
}

// What a read saw of groups with hidden members.
const (
	notLooked int32 = iota
	noneHidden
	someHidden
)

var (
	_ providers.Source      = (*source)(nil)
	_ providers.LookUp      = (*source)(nil)
	_ providers.Changes     = (*source)(nil)
	_ providers.Checker     = (*source)(nil)
	_ providers.OwnerShower = (*Config)(nil)
)

// Open makes the source. It opens no connection.
func (c *Config) Open(o providers.Options) (providers.Source, error) {
	if err := o.Sound(c); err != nil {
		return nil, err
	}
	graph, login, err := c.addresses()
	if err != nil {
		return nil, fault.New(fault.Invalid, "open source", o.Name, err, "")
	}
	s := &source{config: *c, name: o.Name, logger: o.Log(), now: o.Clock(), grants: &grants{}}
	reach := httpx.Reach{Base: login, Dial: o.Dial}
	if reach.Roots, err = httpx.LoadRoots(string(c.CAFile)); err != nil {
		return nil, err
	}
	to := oauth.Options{
		Name: "source " + o.Name, Place: "the token endpoint of tenant " + c.Tenant, TokenURL: login.String() + "/" + url.PathEscape(c.Tenant) + "/oauth2/v2.0/token",
		ClientID: c.ClientID, Scopes: []string{graph.Scheme + "://" + graph.Host + "/.default"}, Secret: c.ClientSecret, SecretInBody: true, Assertion: c.FederatedToken,
		Transport: reach.Transport(), Logger: s.logger, Now: o.Now,
	}
	if !c.PrivateKey.IsZero() {
		to.Key = &oauth.Key{Ref: c.PrivateKey, Algorithm: "PS256", Certificate: c.Certificate}
	}
	if s.tokens, err = oauth.New(to); err != nil {
		return nil, err
	}
	reach.Base = graph
	base := *graph
	base.Path += "/v1.0"
	s.client = httpx.New(httpx.Options{
		Name: "source " + o.Name, Base: &base, Meter: o.Meter, Bearer: s.grants.bearer(s.tokens.Bearer), Transport: reach.Transport(),
		Limiter: o.Limiters.For("entra "+graph.Host+" "+c.Tenant+" "+c.ClientID, httpx.Limit{PerSecond: unitsPerSecond, Parallel: parallel}),
		Pace:    pace, Logger: s.logger, Timeout: cmp.Or(o.Timeout, time.Minute), MaxBody: 64 << 20, Now: o.Now,
	})
	return s, nil
}

// Close ends calls under way.
func (s *source) Close() error {
	s.client.Close()
	return nil
}

// Pull reads everything that is configured: the first round of a delta query, until Graph says
// that there is no more.
func (s *source) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	r := s.begin(progress, low)
	var snapshot *directory.Snapshot
	var err error
	for range 2 { // A round that Graph gave up in the middle is begun once more.
		if snapshot, err = r.run(ctx, newMirror(nil), nil); !stale(err) {
			break
		}
		s.logger.Info("the server gave up the read, beginning again", "err", err)
	}
	if err != nil {
		err = s.explain(err, "")
		snapshot.Reason = err.Error()
	}
	snapshot.Requests, _ = r.session.Spent()
	return snapshot, err
}

// PullChanges gives the picture of base with what Graph says that changed since.
func (s *source) PullChanges(ctx context.Context, base *directory.Snapshot, progress providers.Progress) (*directory.Snapshot, error) {
	if s.config.Owners {
		return nil, needFull("owners of groups are read each time")
	}
	from, err := s.resume(base)
	if err != nil {
		return nil, err
	}
	r := s.begin(progress, low)
	snapshot, err := r.run(ctx, newMirror(base), from)
	if err != nil {
		return nil, s.doubt(ctx, err)
	}
	snapshot.Delta = true
	snapshot.Requests, _ = r.session.Spent()
	return snapshot, nil
}

// The words of x-ms-throttle-priority: of two requests Graph refuses the lower one first.
const (
	low    = "low"
	normal = "normal"
)

// reading is one read or one look-up. It belongs to one goroutine.
type reading struct {
	*source
	session  *httpx.Session
	asOf     time.Time
	progress providers.Progress
	priority string
	// since is the server's clock at its first answer.
	since time.Time
}

func (s *source) begin(progress providers.Progress, priority string) *reading {
	return &reading{source: s, session: s.client.Session(), asOf: s.now(), progress: progress, priority: priority}
}
