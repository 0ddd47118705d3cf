package apitest

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"groupsyncd/internal/httpx"
)

// Server serves a fake. Safe for use by several goroutines.
type Server struct {
	url     string
	dial    httpx.Dial
	handler http.Handler

	mu     sync.Mutex
	breaks []*breaking
	seen   []Seen
}

// Seen is one request that came in, and what became of it.
type Seen struct {
	Method, Host, Path string
	Query              url.Values
	Header             http.Header
	// Status is what was answered; zero: the connection was cut before a status.
	Status int
	// At is when it came in; in a bubble of testing/synctest that is the time there.
	At time.Time
}

// Breakage is something that goes wrong with some requests.
type Breakage struct {
	// Match says which requests are meant; nil: all of them.
	Match func(*http.Request) bool
	// After is how many requests that match go well before.
	After int
	// Times is how many of them go wrong; zero: all that follow.
	Times int
	// Do answers in place of the server. Nil: nothing goes wrong.
	Do Do
}

// Do answers a request; next is the server itself.
type Do func(w http.ResponseWriter, r *http.Request, next http.Handler)

// breaking is a breakage and how often it was met.
type breaking struct {
	Breakage
	met int
}

// Serve serves h over loopback until the test ends.
func Serve(t testing.TB, h http.Handler) *Server {
	s := &Server{handler: h}
	web := httptest.NewUnstartedServer(s)
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	web.Start()
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	s.url = web.URL
	return s
}

// InMemory serves h over connections within the process, until the test ends: for a bubble of
// testing/synctest, in which a network would stop the clock. Its Dial leads here whatever
// address is asked for.
func InMemory(t testing.TB, h http.Handler) *Server {
	s := &Server{handler: h, url: "http://localhost"}
	pipes := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	s.dial = pipes.dial
	life, end := context.WithCancel(context.Background())
	web := &http.Server{Handler: s, BaseContext: func(net.Listener) context.Context { return life }, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo), ReadHeaderTimeout: time.Hour}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = web.Serve(pipes) // It ends with the listener, and says just that.
	}()
	t.Cleanup(func() {
		end()
		_ = web.Close()
		<-ended
	})
	return s
}

// URL is the server's address, without a slash at its end.
func (s *Server) URL() string { return s.url }

// Dial makes connections to the server; nil where the network's own do.
func (s *Server) Dial() httpx.Dial { return s.dial }

// Requests gives what came in so far, in the order of arrival.
func (s *Server) Requests() []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// Count gives how many requests came in whose path is that.
func (s *Server) Count(path string) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Path == path {
			n++
		}
	}
	return n
}

// Break lets something go wrong from now on, beside what does already.
func (s *Server) Break(b Breakage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaks = append(s.breaks, &breaking{Breakage: b})
}

// Mend ends whatever goes wrong.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaks = nil
}

// ServeHTTP answers, or breaks, and keeps what came in.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	at := len(s.seen)
	s.seen = append(s.seen, Seen{Method: r.Method, Host: r.Host, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone(), At: time.Now()})
	s.mu.Unlock()
	kept := &statusKeeper{ResponseWriter: w}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen[at].Status = kept.status
	}()
	if do := s.broken(r); do != nil {
		do(kept, r, s.handler)
		return
	}
	s.handler.ServeHTTP(kept, r)
	kept.status = cmp.Or(kept.status, http.StatusOK)
}

// broken gives what goes wrong with a request, or nil.
func (s *Server) broken(r *http.Request) Do {
	s.mu.Lock()
	defer s.mu.Unlock()
	var do Do
	for _, b := range s.breaks {
		if b.Do == nil || b.Match != nil && !b.Match(r) {
			continue
		}
		b.met++
		if do == nil && b.met > b.After && (b.Times == 0 || b.met <= b.After+b.Times) {
			do = b.Do
		}
	}
	return do
}

// statusKeeper notes the status of an answer.
type statusKeeper struct {
	http.ResponseWriter
	status int
}

func (k *statusKeeper) WriteHeader(status int) {
	k.status = cmp.Or(k.status, status)
	k.ResponseWriter.WriteHeader(status)
}

func (k *statusKeeper) Write(b []byte) (int, error) {
	k.status = cmp.Or(k.status, http.StatusOK)
	return k.ResponseWriter.Write(b)
}

// Unwrap gives the writer below, for http.ResponseController.
func (k *statusKeeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// listener hands the far ends of pipes to a server.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *listener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
