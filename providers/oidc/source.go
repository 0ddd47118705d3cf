package oidc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// source knows what one provider says of the people who sign in.
type source struct {
	config   Config
	name     string
	logger   *slog.Logger
	now      func() time.Time
	sessions providers.Sessions
	provider *provider
	kept     *kept

	groups                []path
	email, username, full path
	attributes            map[string]path

	mu sync.Mutex
	// inside is the name of the OAuth provider inside the target, once it is known.
	inside string
	closed bool
	calls  map[int]context.CancelCauseFunc
	next   int
}

var (
	_ providers.Source  = (*source)(nil)
	_ providers.LookUp  = (*source)(nil)
	_ providers.Tokens  = (*source)(nil)
	_ providers.Checker = (*source)(nil)
)

func newSource(c Config, o providers.Options, transport http.RoundTripper) (*source, error) {
	s := &source{config: c, name: o.Name, logger: o.Log(), now: o.Clock(), sessions: o.Sessions, inside: c.Provider,
		attributes: map[string]path{}, calls: map[int]context.CancelCauseFunc{}}
	s.kept = newKept(s.now)
	var errs []error
	parse := func(text string) path {
		p, err := parsePath(text)
		errs = append(errs, err)
		return p
	}
	for _, text := range c.Claims.Groups {
		s.groups = append(s.groups, parse(text))
	}
	s.email, s.username, s.full = parse(c.Claims.Email), parse(c.Claims.Username), parse(c.Claims.Name)
	for name, text := range c.Claims.Attributes {
		s.attributes[name] = parse(text)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.New(fault.Invalid, "open source", o.Name, err, "")
	}
	from := c.Discovery
	if from == "" {
		from = strings.TrimSuffix(c.Issuer, "/") + wellKnown
	}
	p := &provider{name: o.Name, issuer: c.Issuer, from: from, configured: c.Algorithms, transport: transport, timeout: o.Timeout, logger: s.logger, meter: o.Meter, now: s.now, turn: make(chan struct{}, 1)}
	if p.timeout == 0 {
		p.timeout = requestTimeout
	}
	client, _, err := p.dial(from)
	if err != nil {
		return nil, fault.New(fault.Invalid, "open source", o.Name, err, "")
	}
	p.client, s.provider = client, p
	return s, nil
}

// begin starts a call, which ends with ctx or with the source.
func (s *source) begin(ctx context.Context, op string) (context.Context, func(), error) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		cancel(errClosed)
	}
	if ctx.Err() != nil {
		err := ended(ctx, op, "source "+s.name)
		cancel(nil)
		return ctx, func() {}, err
	}
	n := s.next
	s.next++
	s.calls[n] = cancel
	return ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.calls, n)
		cancel(nil)
	}, nil
}

// Close ends calls under way and forgets the tokens that are kept.
func (s *source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, cancel := range s.calls {
		cancel(errClosed)
	}
	s.kept.clear()
	if t, ok := s.provider.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return nil
}

// verifier gives what judges tokens, as the provider describes itself now.
func (s *source) verifier(ctx context.Context) (*verifier, *description, error) {
	d, err := s.provider.describe(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &verifier{issuer: s.config.Issuer, audience: s.config.Audience, algorithms: d.algorithms, keys: d.keys, now: s.now}, d, nil
}

// nothing is a snapshot that covers nothing.
func nothing(asOf time.Time, reason string) *directory.Snapshot {
	return &directory.Snapshot{AsOf: asOf, Reason: reason}
}

// failed is a snapshot that covers nothing because of an error.
func failed(asOf time.Time, err error) *directory.Snapshot {
	reason, _, _ := strings.Cut(err.Error(), "\n")
	return nothing(asOf, reason)
}

// LookUp reads what is known of one person from the newest token. Nobody, no token, or one
// that says nothing of groups covers nothing, with a reason.
func (s *source) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	asOf := s.now()
	ctx, end, err := s.begin(ctx, "look up")
	defer end()
	if err != nil {
		return failed(asOf, err), err
	}
	if s.config.Tokens == FromWebhook {
		p, reason := s.kept.take(who)
		return s.snapshot(asOf, p, reason), nil
	}
	p, reason, err := s.find(ctx, who, asOf)
	if err != nil {
		return failed(asOf, err), err
	}
	return s.snapshot(asOf, p, reason), nil
}

// snapshot shows one person, or nobody.
func (s *source) snapshot(asOf time.Time, p *person, reason string) *directory.Snapshot {
	if p == nil {
		return nothing(asOf, reason)
	}
	c := newCrowd(asOf)
	c.add(p)
	return c.snapshot("one person was looked up")
}
