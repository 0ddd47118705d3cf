// Package openwebuitest is an Open WebUI in this process: the calls for groups,
// members, accounts, permissions and what grants share, in the forms of the versions from
// 0.6.36 to 0.12.4, with faults that a test can order and with the hand of an administrator who changes
// things behind the client's back.
//
// It keeps what the real server was observed to do, oddities included, and leaves
// out everything that has to do with chats. The suite in suite runs against it and
// against a real server alike. The demonstration uses it too, so it needs no testing.T.
package openwebuitest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Options are what a server can be given; the zero value is a 0.12.4 with one
// administrator.
type Options struct {
	// Version is reported and decides the shape; empty: 0.12.4.
	Version string
	// Deployment is the id of the installation.
	Deployment string
	// Now is the server's clock; nil: the real one.
	Now func() time.Time
	// Key is the API key of the first administrator; empty: a fixed one.
	Key string
	// AdminEmail is the mail of the first administrator; empty: admin@example.org.
	AdminEmail string
}

// Server is a running simulator. It is safe for use by several goroutines.
type Server struct {
	// URL is the address after Start.
	URL string
	// Key is the API key of the first administrator, Admin the id of that account.
	Key, Admin string

	now func() time.Time

	mu         sync.Mutex
	version    string
	deployment string
	shape      shape
	db         *store
	settings   settings
	faults     []*armed
	log        []Request
	reads      int
	writes     int

	http *http.Server
	done chan struct{}

	// sends are the deliveries of events under way, which stop ends.
	sends sync.WaitGroup
	ctx   context.Context //nolint:containedctx // it is the life of the server
	stop  context.CancelFunc
}

// Request is one entry of the log.
type Request struct {
	Method, Path, Query string
	// Status is zero when the connection was cut.
	Status int
}

// New makes a server that answers by ServeHTTP and Transport; Start gives it an
// address.
func New(o Options) *Server {
	if o.Version == "" {
		o.Version = "0.12.4"
	}
	if o.Key == "" {
		o.Key = "sk-0123456789abcdef0123456789abcdef"
	}
	if o.AdminEmail == "" {
		o.AdminEmail = "admin@example.org"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		Key: o.Key, now: o.Now, version: o.Version, deployment: o.Deployment,
		shape: shapeOf(o.Version), db: newStore(), settings: newSettings(o.Version),
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	admin := s.db.addAccount(&account{email: o.AdminEmail, name: "Admin", role: "admin", created: s.seconds()})
	s.Admin = admin.id
	s.db.keys[o.Key] = admin.id
	return s
}

// Start listens on a free port of the loopback interface.
func (s *Server) Start() error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.URL = "http://" + l.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // always ErrServerClosed after Close
	}()
	return nil
}

// Close stops a started server and deliveries of events, and waits until they have.
func (s *Server) Close() {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	defer s.sends.Wait()
	if s.http == nil {
		return
	}
	_ = s.http.Close()
	<-s.done
	s.http = nil
}

// TB is the part of testing.TB that NewTest needs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// NewTest starts a server that is closed when the test ends.
func NewTest(t TB, o Options) *Server {
	t.Helper()
	s := New(o)
	if err := s.Start(); err != nil {
		t.Fatalf("start the Open WebUI simulator: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *Server) seconds() int64 { return s.now().Unix() }

// answer is what a call gives back before it goes out.
type answer struct {
	status int
	header http.Header
	body   []byte
	// abort cuts the connection without an answer, cut in the middle of the body.
	abort, cut, noDate bool
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := s.serve(r)
	if a.abort {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), a.header)
	if a.noDate {
		w.Header()["Date"] = nil
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if a.cut {
		_, _ = w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(a.body) // the client may be gone; nobody is left to tell
}

// serve does the work of one request and writes the log.
func (s *Server) serve(r *http.Request) *answer {
	var body []byte
	if r.Body != nil {
		b, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
		if err != nil {
			return &answer{abort: true}
		}
		body = b
	}
	a := s.spoil(r, body, s.matching(r), func(lose func(string) bool) *answer {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.handle(&call{r: r, body: body, lose: lose})
	})
	if a.header == nil {
		a.header = http.Header{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.noDate {
		a.header.Del("Date")
	} else {
		a.header.Set("Date", s.now().UTC().Format(http.TimeFormat))
	}
	entry := Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Status: a.status}
	if a.abort {
		entry.Status = 0
	}
	s.log = append(s.log, entry)
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		s.reads++
	} else {
		s.writes++
	}
	return a
}

// Transport answers requests to any address without a socket, for tests that make
// very many of them or run in a bubble of testing/synctest.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ s *Server }

// RoundTrip answers one request.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	a := t.s.serve(r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if a.abort {
		return nil, errors.New("read tcp: connection reset by peer")
	}
	var body io.Reader = bytes.NewReader(a.body)
	if a.cut {
		body = io.MultiReader(bytes.NewReader(a.body[:len(a.body)/2]), cutReader{})
	}
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(body), ContentLength: int64(len(a.body)), Request: r,
	}, nil
}

type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Log gives every request since the last ResetLog.
func (s *Server) Log() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.log...)
}

// Count gives how many requests only read and how many may have written.
func (s *Server) Count() (reads, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads, s.writes
}

// ResetLog empties the log and its counts.
func (s *Server) ResetLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.reads, s.writes = nil, 0, 0
}
