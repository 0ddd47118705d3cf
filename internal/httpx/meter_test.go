package httpx_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// metered makes a client that counts.
func metered(t *testing.T, m *httpx.Meter, srv *httptest.Server, retry httpx.Retry) *httpx.Client {
	t.Helper()
	base, err := httpx.ParseBase(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	retry.First = time.Millisecond
	c := httpx.New(httpx.Options{Name: "target chat", Base: base, Transport: srv.Client().Transport, Retry: retry, Meter: m, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(c.Close)
	return c
}

func TestAttemptsAreCountedByWhatBecameOfThemOverAllClients(t *testing.T) {
	t.Parallel()
	s := &script{}
	s.handlers = append(s.handlers, good(), answer(503, "text/plain", ""), answer(200, "application/json", "{}"), answer(403, "text/plain", ""), drop)
	srv := httptest.NewTLSServer(s)
	t.Cleanup(srv.Close)
	var all httpx.Meters
	m := all.For("target chat")
	if m != all.For("target chat") || m == all.For("source chat") {
		t.Fatal("a meter is not that of its name")
	}
	do := func(c *httpx.Client) { _, _ = c.Session().Do(t.Context(), read(&reply{})) }
	first := metered(t, m, srv, httpx.Retry{Tries: 3, Budget: 1})
	if c := m.Counts(); !c.HTTP || c.Answered != 0 || !c.Certificate.IsZero() {
		t.Errorf("before the first request: %+v", c)
	}
	do(first) // ok
	do(first) // 503, ok
	do(first) // 403
	first.Close()
	do(metered(t, m, srv, httpx.Retry{Tries: 3, Budget: 1, Break: 2})) // cut, cut: no retry is left
	c := m.Counts()
	if c.Answered != 2 || c.Failed[fault.Unavailable] != 3 || c.Failed[fault.Auth] != 1 || c.Retries != 2 || c.Exhausted != 1 || !c.Spared {
		t.Errorf("counted: %+v", c)
	}
	if want := srv.Certificate().NotAfter; !c.Certificate.Equal(want) {
		t.Errorf("the certificate ends %s, want %s", c.Certificate, want)
	}
	metered(t, m, srv, httpx.Retry{})
	if m.Counts().Spared {
		t.Error("a new client is held up by what an earlier one met")
	}
}

func TestAServerThatIsBackIsNotSparedAnyMore(t *testing.T) {
	t.Parallel()
	s := &script{}
	s.handlers = append(s.handlers, answer(503, "text/plain", ""), answer(404, "application/json", `{"detail":"gone"}`))
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	m := &httpx.Meter{}
	c := metered(t, m, srv, httpx.Retry{Tries: 1, Break: 1, Pause: time.Nanosecond})
	_, _ = c.Session().Do(t.Context(), read(&reply{}))
	if !m.Counts().Spared {
		t.Error("nobody is told that the server is spared")
	}
	_, _ = c.Session().Do(t.Context(), read(&reply{}))
	if got := m.Counts(); got.Spared || got.Failed[fault.NotFound] != 1 || got.Certificate != (time.Time{}) {
		t.Errorf("after an answer: %+v", got)
	}
}

func TestTheCertificateOfAServerThatWasLeftBehindIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until := func(d time.Duration) *tls.ConnectionState {
			return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{NotAfter: time.Now().Add(d)}}}
		}
		m := &httpx.Meter{}
		next := time.Now().Add(100 * 24 * time.Hour)
		m.Secured("old.example.org", until(2*24*time.Hour))
		time.Sleep(time.Hour)
		m.Secured("new.example.org", until(100*24*time.Hour-time.Hour))
		if c := m.Counts(); !c.Certificate.Before(next) {
			t.Errorf("of two servers the first end is %s", c.Certificate)
		}
		time.Sleep(24 * time.Hour)
		m.Secured("new.example.org", until(100*24*time.Hour-25*time.Hour))
		if c := m.Counts(); !c.Certificate.Equal(next) {
			t.Errorf("a server that nobody speaks to any more: %s, want %s", c.Certificate, next)
		}
	})
}

func TestWithoutAMeterNothingIsCounted(t *testing.T) {
	t.Parallel()
	var none *httpx.Meters
	m := none.For("target chat")
	s := httptest.NewServer(&script{handlers: []http.HandlerFunc{good()}})
	t.Cleanup(s.Close)
	if _, err := metered(t, m, s, httpx.Retry{}).Session().Do(t.Context(), read(&reply{})); err != nil {
		t.Fatal(err)
	}
	m.Secured("chat", nil)
	if c := m.Counts(); c.HTTP {
		t.Errorf("counted: %+v", c)
	}
}
