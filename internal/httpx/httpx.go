// Package httpx is the plumbing under every client of a JSON API: bounded bodies,
// errors with kinds, redirects that never carry the credential elsewhere, one layer of
// retries with a budget, and a breaker that spares a server that fails.
//
// It knows no API. What an answer means beyond its status, and what a person can do
// about it, the client above says.
package httpx

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

// Options are what a Client is made of.
type Options struct {
	// Name says whose server it is, in errors and logs: "target chat".
	Name string
	// Base is the address that the paths of requests are appended to.
	Base *url.URL
	// Bearer gives the credential, asked for at each attempt so that a rotated one is
	// used at once; nil: none is sent. refused is the one that was just answered with 401,
	// empty otherwise: whoever keeps that one gets another, or gives it again.
	Bearer func(ctx context.Context, refused secret.Value) (secret.Value, error)
	// Transport carries the requests; nil: NewTransport(nil).
	Transport http.RoundTripper
	// Limiter is shared by all who use the same credential; nil: nothing is limited.
	Limiter *Limiter
	// Meter counts what goes on with the server; nil: nobody does.
	Meter *Meter
	// Pace reads how long a vendor wants to be left alone out of the headers of any answer,
	// where that is not Retry-After: until then nothing is sent through Limiter. May be nil.
	Pace func(status int, h http.Header, now time.Time) (wait time.Duration, ok bool)
	// Kind gives the kind of an answer that is no success, where a vendor's statuses mean
	// something of their own; zero leaves it to the status. May be nil.
	Kind   func(e *StatusError) fault.Kind
	Logger *slog.Logger
	// Timeout bounds one attempt; zero: one minute.
	Timeout time.Duration
	// MaxBody bounds one answer in bytes; zero: 256 MiB.
	MaxBody int64
	Retry   Retry
	// Now is the clock against which a Retry-After date is read; nil: the real one.
	Now func() time.Time
}

// Retry says how often and how patiently a failed request is sent again. Waits are
// random between nothing and twice a step that doubles from First up to Max.
type Retry struct {
	// Tries is how often one request is sent at most; zero: 5.
	Tries uint
	// First and Max bound the step; zero: 250ms and 10s.
	First, Max time.Duration
	// MaxWait is the longest Retry-After that is obeyed; a longer one ends the
	// request with what the server said; zero: 2m.
	MaxWait time.Duration
	// Budget is how many retries a session may make before successes earn more, ten
	// of them one; zero: 30. It keeps a failing server from being asked five times
	// as often as a sound one.
	Budget float64
	// Break is after how many failed attempts in a row, over all sessions, nothing is
	// sent any more but one probe after each Pause; zero: 10, and 15s.
	Break int
	Pause time.Duration
}

// Client makes sessions over one set of connections.
type Client struct {
	o       Options
	http    *http.Client
	breaker breaker
	// life ends with Close.
	life context.Context //nolint:containedctx // It is the client's own, not that of a call.
	end  context.CancelCauseFunc
}

// New makes a client; it opens no connection.
func New(o Options) *Client {
	setDefault(&o.Timeout, time.Minute)
	setDefault(&o.MaxBody, 256<<20)
	setDefault(&o.Retry.Tries, 5)
	setDefault(&o.Retry.First, 250*time.Millisecond)
	setDefault(&o.Retry.Max, 10*time.Second)
	setDefault(&o.Retry.MaxWait, 2*time.Minute)
	setDefault(&o.Retry.Budget, 30)
	setDefault(&o.Retry.Break, 10)
	setDefault(&o.Retry.Pause, 15*time.Second)
	if o.Transport == nil {
		o.Transport = NewTransport(nil)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Client{o: o, http: &http.Client{Transport: o.Transport, CheckRedirect: sameServer},
		breaker: breaker{now: o.Now, after: o.Retry.Break, pause: o.Retry.Pause}}
	c.life, c.end = context.WithCancelCause(context.Background())
	o.Meter.change(func(m *Counts) { m.HTTP, m.Spared = true, false })
	return c
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Key makes the Bearer of a credential that somebody else keeps and exchanges, such as a file.
func Key(read func() (secret.Value, error)) func(context.Context, secret.Value) (secret.Value, error) {
	return func(context.Context, secret.Value) (secret.Value, error) { return read() }
}

// Close ends requests under way, refuses further ones and drops idle connections.
func (c *Client) Close() {
	c.end(ErrClosed)
	c.http.CloseIdleConnections()
}

// ErrClosed is inside of every error of a request that Close ended or refused.
var ErrClosed = errors.New("the connection to this server was closed, as its source or target is not used any more")

// Session starts a count of requests and a budget of retries of its own.
func (c *Client) Session() *Session {
	return &Session{c: c, budget: c.o.Retry.Budget}
}

// Session is a series of requests, safe for use by several goroutines.
type Session struct {
	c *Client

	mu               sync.Mutex
	requests, writes int
	budget           float64
	last             time.Time
}

// Spent gives how many requests were sent, and how many of them may have written.
func (s *Session) Spent() (requests, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.writes
}

// LastDate gives the latest Date among the answers so far: a time, by the server's
// clock, before any request that is sent from now on. Zero: none had one.
func (s *Session) LastDate() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *Session) count(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if method != http.MethodGet && method != http.MethodHead {
		s.writes++
	}
}

func (s *Session) answered(date time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if date.After(s.last) {
		s.last = date
	}
}

// spend takes one retry from the budget, if there is one.
func (s *Session) spend() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.budget < 1 {
		return false
	}
	s.budget--
	return true
}

func (s *Session) earn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.budget = min(s.budget+0.1, s.c.o.Retry.Budget)
}

// LoadRoots reads a file of certificates that are trusted beside the system's. No file
// gives nil, which stands for those of the system alone.
func LoadRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // As tls.Config has it.
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read ca_file", "", err, "check the path and that the file can be read")
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Invalid, "read ca_file", file, errors.New("there is no certificate in it"),
			"the file needs one or more blocks of -----BEGIN CERTIFICATE-----")
	}
	return pool, nil
}

// sameServer follows a redirect only of a reading request, and only on the same
// scheme and host: the credential goes nowhere else.
func sameServer(req *http.Request, via []*http.Request) error {
	from := via[0]
	if len(via) > 3 || from.Method != http.MethodGet || !sameOrigin(req.URL, from.URL) || req.URL.User != nil {
		return http.ErrUseLastResponse
	}
	return nil
}

// ParseBase checks an address from a configuration and gives it without a trailing
// slash.
func ParseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		// The parser's own error repeats the text, which may hold a password.
		return nil, errors.New("is not a URL: write https://host or http://host:port")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("must begin with http:// or https:// and name a host")
	case u.User != nil:
		return nil, errors.New("must not contain a user name or password")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("must not contain ? or #")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// ParseSecure is ParseBase for the address of a service on the Internet: only what stays on
// this machine may be without TLS there.
func ParseSecure(text string) (*url.URL, error) {
	u, err := ParseBase(text)
	if err == nil && InClear(u) {
		return nil, errors.New("must begin with https://: the credential would cross the network in the clear")
	}
	return u, err
}

// InClear reports whether what is sent to an address crosses a network without TLS.
func InClear(u *url.URL) bool {
	return u.Scheme == "http" && !Loopback(u.Hostname())
}

// StatusError is an answer that is not a success.
type StatusError struct {
	Status int
	// JSON says that the answer was JSON, as one of the API itself is; a proxy in
	// front answers otherwise.
	JSON bool
	// Code is the word by which the API itself names the error, such as a scimType, the code of
	// Microsoft Graph or the reason of Google; empty where there is none.
	Code string
	// Detail is what the server said, shortened.
	Detail string
	// Location is where a redirect points, without its query.
	Location string
}

// Error gives the status and what the server said.
func (e *StatusError) Error() string {
	s := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	if e.Location != "" {
		s += " to " + e.Location
	}
	if e.Code != "" {
		s += ": " + e.Code
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// NotJSONError is a success whose body is no JSON.
type NotJSONError struct{ ContentType string }

// Error names what came instead.
func (e *NotJSONError) Error() string {
	if e.ContentType == "" {
		return "the answer is not JSON"
	}
	return "the answer is " + e.ContentType + ", not JSON"
}

// ErrHappened is returned by Do when Request.Happened finds that an attempt with a
// lost answer had its effect.
var ErrHappened = errors.New("the request had its effect although the answer was lost")

// ended says why a context ended: that the client was closed is the more useful half.
func ended(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), ErrClosed) {
		return ErrClosed
	}
	return ctx.Err()
}

// ctxFault gives the kind that the end of a context has.
func ctxFault(ctx context.Context) fault.Kind {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.Unavailable
	}
	return fault.Canceled
}
