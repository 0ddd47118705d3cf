// Package ldap reads users and groups from LDAP directories: OpenLDAP and others
// with the layouts of RFC 2307 and RFC 2307bis, Active Directory, and FreeIPA.
//
// It owns the connection, the paged reads, and the join of member references with
// entries. It decides nothing about what a missing member means: whatever was not
// read to its proved end is left out of the coverage of the snapshot.
//
// A pull is one paged search for users and one for groups per base. Member
// references are joined in memory by DN, and those that name neither a listed user
// nor a listed group are looked at one by one, because a nested group may lie
// outside the filter.
package ldap

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// Type is the kind of source behind `type: ldap`.
func Type() providers.Type {
	return providers.Type{Name: "ldap", Changes: true, New: func() providers.Config {
		return &Config{Layout: Auto, Nested: true, PageSize: defaultPageSize}
	}}
}

// The times and numbers that bound a read.
const (
	// dialTimeout bounds connecting, TLS included, to one server.
	dialTimeout = 10 * time.Second
	// requestTimeout bounds one request from sending to its last answer: one page.
	requestTimeout = 60 * time.Second
	// maxLookUps is how many references a pull looks at one by one.
	maxLookUps = 1000
)

// source reads one directory. It opens a connection for each call.
type source struct {
	config Config
	name   string
	logger *slog.Logger
	meter  *httpx.Meter
	now    func() time.Time

	// Bounds, as variables for tests.
	dial, request time.Duration
	// reading bounds the whole read of doctor; a search that takes longer than slow may
	// lack an index.
	reading, slow time.Duration
	lookUps       int
	// Times of a watch.
	watchdog, watchdogWait, poll time.Duration
	// reach opens a connection; tests have networks of their own.
	reach func(ctx context.Context, network, addr string) (net.Conn, error)

	mu     sync.Mutex
	closed bool
	next   int
	calls  map[int]cancelFunc
	// told is what the log says about how changes are read.
	told string
	// detected is what auto found, by server.
	detected map[string]*detection

	chains chains
}

var errClosed = errors.New("the source is closed")

// begin registers a call, so that Close can end it.
func (s *source) begin(ctx context.Context) (context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ctx, func() {}, fault.New(fault.Canceled, "read directory", s.where(), errClosed, "")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	id := s.next
	s.next++
	s.calls[id] = cancel
	return ctx, func() {
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.calls, id)
	}, nil
}

// Close ends all calls.
func (s *source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, cancel := range s.calls {
		cancel(errClosed)
	}
	return nil
}

// where names the directory in errors that belong to no single server.
func (s *source) where() string { return s.config.URL.String() }
