// Package openwebui reads and writes groups, members and accounts of an Open WebUI
// through its REST API, in the forms of the versions from 0.8.0 on.
//
// It carries out what it is told and proves what it says: a group counts as gone
// only when the list of groups, read with the same key, does not name it; an account
// only when the list of all accounts does not. What should change it does not know.
package openwebui

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
)

// Options are what a Client is made of.
type Options struct {
	// Name is the key of the target in the configuration.
	Name string
	// URL is the address of Open WebUI, without /api.
	URL string
	// APIKey gives the key of an administrator's account; asked for at each request,
	// so that a rotated key is used at once.
	APIKey func() (secret.Value, error)
	// CAFile names certificates that are trusted beside the system's.
	CAFile string
	// NeedSubjects says that accounts must be read with their sign-in subjects, which
	// only the paged list has.
	NeedSubjects bool
	Logger       *slog.Logger
	// Meter counts what goes on with the server; nil: nobody does.
	Meter *httpx.Meter
	// Transport carries the requests; nil: TLS and proxy as usual.
	Transport http.RoundTripper
	// Retry and Timeout are the defaults of httpx when zero.
	Retry   httpx.Retry
	Timeout time.Duration
	// Now is the clock; nil: the real one.
	Now func() time.Time
}

// Client talks to one Open WebUI. It is safe for use by several goroutines.
type Client struct {
	name string
	// path is the part of the address behind the host.
	path string
	http *httpx.Client
	// open asks for what anybody may know, without the key.
	open     *httpx.Client
	subjects bool
	key      func() (secret.Value, error)
	log      *slog.Logger
	now      func() time.Time
	// said is the version of which the log says that it is newer than those we know.
	said atomic.Pointer[string]
}

// New makes a client; it opens no connection. Errors are fault.Invalid.
func New(o Options) (*Client, error) {
	base, err := httpx.ParseBase(o.URL)
	if err != nil {
		return nil, fault.New(fault.Invalid, "url", "target "+o.Name, err, "")
	}
	if strings.Contains(base.Path+"/", "/api/") {
		return nil, fault.New(fault.Invalid, "url", "target "+o.Name, errors.New("must not contain /api: the paths are appended by us"),
			"write the address that people open in their browser")
	}
	if o.APIKey == nil {
		return nil, fault.New(fault.Invalid, "api_key", "target "+o.Name, errors.New("no key is configured"), "")
	}
	if o.Transport == nil {
		roots, err := httpx.LoadRoots(o.CAFile)
		if err != nil {
			return nil, err
		}
		o.Transport = httpx.NewTransport(roots)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	open := httpx.Options{
		Name: "target " + o.Name, Base: base, Transport: o.Transport,
		Logger: o.Logger, Timeout: o.Timeout, Retry: o.Retry, Now: o.Now, Meter: o.Meter,
	}
	keyed := open
	keyed.Bearer = httpx.Key(o.APIKey)
	return &Client{
		name: o.Name, path: base.Path, subjects: o.NeedSubjects, key: o.APIKey, log: o.Logger, now: o.Now,
		http: httpx.New(keyed), open: httpx.New(open),
	}, nil
}

// Close drops idle connections.
func (c *Client) Close() {
	c.http.Close()
	c.open.Close()
}

// Session starts a series of requests with a count and a budget of retries of its
// own: one per run.
func (c *Client) Session() *Session {
	return &Session{c: c, http: c.http.Session(), learned: &learned{}}
}

// Session is one look at and one series of writes to an Open WebUI. It is safe for
// use by several goroutines.
type Session struct {
	c    *Client
	http *httpx.Session
	// once sends no request a second time.
	once bool
	// wholeForm says that the server wants every field of an account to change its role.
	wholeForm atomic.Bool
	learned   *learned

	mu sync.Mutex
	// known are the ids of the groups as last listed, by which a creation with a lost
	// answer is told from what was there before; nil: never listed.
	known map[string]bool
}

// Spent gives the number of requests so far, and how many of them were writes.
func (s *Session) Spent() (requests, writes int) { return s.http.Spent() }

// get reads a path into v.
func (s *Session) get(ctx context.Context, op, path string, v any) (*httpx.Answer, error) {
	return s.do(ctx, httpx.Request{Method: http.MethodGet, Path: path, Op: op, Into: v, Repeat: true})
}

// do sends a request and adds what a person can do about a failure.
func (s *Session) do(ctx context.Context, q httpx.Request) (*httpx.Answer, error) {
	if s.once {
		q.Repeat = false
	}
	a, err := s.http.Do(ctx, q)
	return a, hinted(err)
}

// hinted adds what a person can do about a failure.
func hinted(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Hint == "" {
		f.Hint = hint(f)
	}
	return err
}

// neededPaths are what an operator must allow when keys are restricted.
const neededPaths = "/api/v1/groups,/api/v1/users"

// hint says what to do about a failure, from its status alone: the server's texts
// change from version to version.
func hint(f *fault.Error) string {
	if _, ok := errors.AsType[*httpx.NotJSONError](f.Err); ok {
		return "Open WebUI answers unknown paths with its web page: check that the url is Open WebUI's own address, " +
			"that its version is 0.8.0 or later, and that no login page or proxy stands in front of its API"
	}
	e, ok := errors.AsType[*httpx.StatusError](f.Err)
	if !ok {
		return ""
	}
	if !e.JSON && e.Status < 500 && e.Location == "" {
		return "this answer is not from Open WebUI's API: check the url, and that no login page or proxy stands in front of it"
	}
	switch {
	case e.Location != "":
		return "set url to the address that it redirects to; the key is not sent anywhere else by itself"
	case e.Status == http.StatusUnauthorized:
		return "the key is wrong or was replaced, or its account is not an administrator: " +
			"make a new key in Open WebUI under Settings, Account, as an administrator"
	case e.Status == http.StatusForbidden:
		return "API keys are switched off or restricted there: set ENABLE_API_KEYS=true, and where " +
			"ENABLE_API_KEYS_ENDPOINT_RESTRICTIONS is on, let API_KEYS_ALLOWED_ENDPOINTS contain " + neededPaths
	case e.Status == http.StatusMethodNotAllowed:
		return "this version does not know that call: check that it is 0.8.0 or later and that the url is Open WebUI's own address"
	case e.Status == http.StatusTooManyRequests:
		return "a proxy in front of Open WebUI limits requests: raise its limit for this key or address"
	case e.Status >= 500:
		return "see Open WebUI's own log, and the log of the proxy in front of it"
	}
	return ""
}
