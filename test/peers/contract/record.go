// Package contract checks the in-process copies of vendors' interfaces against what the vendors
// publish about them: each request that a source makes, and each answer that it gets from the
// copy, have to fit the vendor's description.
//
// It is a module of its own: what reads descriptions is for these tests alone, and the
// descriptions come out of packages when the tests run. Nothing of a vendor is kept here.
package contract

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"groupsyncd/internal/httpx"
)

// Exchange is one request and its answer.
type Exchange struct {
	Method        string
	URL           *url.URL
	RequestHeader http.Header
	RequestBody   []byte
	Status        int
	Header        http.Header
	Body          []byte
}

// Recorder stands between a source and a fake and keeps what passes.
type Recorder struct {
	address string

	mu        sync.Mutex
	exchanges []Exchange
	// Bend changes an answer before the source gets it; nil: nothing is changed.
	bend func(x *Exchange)
}

// NewRecorder makes a recorder before the fake at an address.
func NewRecorder(t testing.TB, fake string) *Recorder {
	t.Helper()
	to, err := url.Parse(fake)
	if err != nil {
		t.Fatal(err)
	}
	r := &Recorder{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host})
			p.Out.Host = p.In.Host
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		sent, err := io.ReadAll(in.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		in.Body = io.NopCloser(bytes.NewReader(sent))
		in.Header.Del("Accept-Encoding")
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, in)
		x := Exchange{Method: in.Method, URL: in.URL, RequestHeader: in.Header.Clone(), RequestBody: sent,
			Status: answer.Code, Header: answer.Header().Clone(), Body: answer.Body.Bytes()}
		r.keep(&x)
		maps.Copy(w.Header(), x.Header)
		w.Header().Del("Content-Length")
		w.WriteHeader(x.Status)
		_, _ = w.Write(x.Body) // A source that has gone gets nothing.
	}))
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
	})
	r.address = front.Listener.Addr().String()
	return r
}

func (r *Recorder) keep(x *Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bend != nil {
		r.bend(x)
	}
	r.exchanges = append(r.exchanges, *x)
}

// Bend changes all further answers.
func (r *Recorder) Bend(f func(x *Exchange)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bend = f
}

// Dial leads to the recorder whatever address is asked for.
func (r *Recorder) Dial() httpx.Dial {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", r.address)
	}
}

// Exchanges gives what has passed.
func (r *Recorder) Exchanges() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Exchange(nil), r.exchanges...)
}
