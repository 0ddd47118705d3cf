package oidc

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
)

// broken is what a provider does wrong, and the kinds of error that fit.
type broken struct {
	name   string
	breaks func(*op)
	kinds  []fault.Kind
	hint   bool
	slow   bool
}

// within is how long to wait for it.
func (b *broken) within() time.Duration {
	if b.slow {
		return 100 * time.Millisecond
	}
	return patience
}

// faults are the ways in which a provider can fail.
func faults() []broken {
	huge := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"x":"`))
		chunk := []byte(strings.Repeat("y", 1<<16))
		for range 2 * maxAnswer / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"keys":[`))
	}
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/keys", http.StatusFound)
	}
	at := func(path string, h http.HandlerFunc) func(*op) { return func(o *op) { o.answer(path, h) } }
	says := func(name string, v any) func(*op) { return func(o *op) { o.described[name] = v } }
	down := []fault.Kind{fault.Unavailable}
	wrong := []fault.Kind{fault.Invalid}
	// What is wrong with the keys is what a sweep says; of one token it could not be found out.
	either := []fault.Kind{fault.Invalid, fault.Unavailable}
	return []broken{
		{"the description is missing", at(wellKnown, http.NotFound), wrong, true, false},
		{"the description is missing, says JSON", at(wellKnown, status(404, "application/json", `{"error":"Realm does not exist"}`)), []fault.Kind{fault.NotFound}, true, false},
		{"the description is HTML", at(wellKnown, status(200, "text/html", "<html>sign in</html>")), wrong, true, false},
		{"the description is no object", at(wellKnown, status(200, "application/json", `[]`)), wrong, true, false},
		{"the description is cut", at(wellKnown, cut), down, true, false},
		{"the description never ends", at(wellKnown, huge), wrong, true, false},
		{"the description does not come", at(wellKnown, slow), down, true, true},
		{"the description is somewhere else", at(wellKnown, elsewhere), wrong, true, false},
		{"the description needs a password", at(wellKnown, status(401, "application/json", `{}`)), []fault.Kind{fault.Auth}, true, false},
		{"the provider is busy", at(wellKnown, status(429, "application/json", `{}`)), []fault.Kind{fault.Throttled}, true, false},
		{"the provider fails", at(wellKnown, status(500, "text/plain", "oops")), down, true, false},
		{"another issuer", func(o *op) { o.issuer = "https://other.example" }, wrong, true, false},
		{"the issuer with a slash", func(o *op) { o.issuer = o.URL + "/" }, wrong, true, false},
		{"the issuer of all tenants", func(o *op) { o.issuer = "https://login.microsoftonline.com/{tenantid}/v2.0" }, wrong, true, false},
		{"no keys", says("jwks_uri", ""), wrong, false, false},
		{"keys in clear over a network", says("jwks_uri", "http://keys.example.org/keys"), wrong, false, false},
		{"keys in a file", says("jwks_uri", "file:///etc/passwd"), wrong, false, false},
		{"userinfo in clear over a network", says("userinfo_endpoint", "http://info.example.org"), wrong, false, false},
		{"only shared secrets", says("id_token_signing_alg_values_supported", []string{"HS256", "none"}), wrong, true, false},
		{"the keys are missing", at("/keys", http.NotFound), either, false, false},
		{"the keys are HTML", at("/keys", status(200, "text/html", "<html>")), down, false, false},
		{"the keys are none", at("/keys", status(200, "application/json", `{"keys":[]}`)), down, true, false},
		{"the keys are cut", at("/keys", cut), down, false, false},
		{"the keys never end", at("/keys", huge), either, false, false},
		{"the keys do not come", at("/keys", slow), down, false, true},
		{"the keys are somewhere else", at("/keys", elsewhere), either, false, false},
		{"the keys fail", at("/keys", status(503, "text/plain", "")), down, false, false},
		{"the provider is gone", func(o *op) { o.Close() }, down, true, false},
	}
}

func TestAProviderThatFailsIsAnErrorAndNeverAnAnswer(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			o, target := newOP(t), newChat()
			raw := o.sign(o.claims())
			target.signIn("acc-1", "ann", raw, "")
			f.breaks(o)
			opts := providers.Options{Sessions: target, Timeout: f.within()}
			judge := func(what string, err error, only bool) {
				t.Helper()
				fits := false
				for _, k := range f.kinds {
					fits = fits || fault.KindOf(err) == k
				}
				if only {
					fits = fault.KindOf(err).Retryable() || fault.KindOf(err) == fault.Unavailable
				}
				if !fits {
					t.Errorf("%s: %v (%s), want one of %v", what, err, fault.KindOf(err), f.kinds)
					return
				}
				if f.hint && fault.HintOf(err) == "" {
					t.Errorf("%s: no hint for %v", what, err)
				}
				without(t, err.Error()+fault.HintOf(err), raw)
			}
			s := openWith(t, o.config(), opts)
			got, err := s.LookUp(t.Context(), directory.Person{ID: "ann"})
			judge("LookUp", err, false)
			if got == nil || got.Coverage() != directory.None || got.Reason == "" {
				t.Errorf("LookUp: %+v", got)
			}
			s = openWith(t, o.config(), opts)
			got, err = s.Pull(t.Context(), nil)
			judge("Pull", err, false)
			if got == nil || got.Coverage() != directory.None || got.Reason == "" {
				t.Errorf("Pull: %+v", got)
			}
			if len(target.asked) > 2 {
				t.Errorf("the target was asked %q, although no token can be verified", target.asked)
			}
			// Of a posted token it can only be said that it was not found out.
			s = openWith(t, o.config(webhook), opts)
			who, err := s.TakeToken(t.Context(), raw)
			judge("TakeToken", err, true)
			if who != (directory.Person{}) {
				t.Errorf("TakeToken: %+v", who)
			}
		})
	}
}

// TestAProviderThatComesBackIsFound: nothing of a failure lasts longer than seconds.
func TestAProviderThatComesBackIsFound(t *testing.T) {
	t.Parallel()
	for _, path := range []string{wellKnown, "/keys"} {
		o, target, at := newOP(t), newChat(), newClock()
		target.signIn("acc-1", "ann", o.sign(o.claims()), "")
		s := openWith(t, o.config(), providers.Options{Sessions: target, Now: at.now})
		o.answer(path, status(503, "text/plain", ""))
		if _, err := s.LookUp(t.Context(), directory.Person{ID: "ann"}); fault.KindOf(err) != fault.Unavailable {
			t.Fatalf("%s: %v", path, err)
		}
		asked := o.count(path)
		_, err := s.LookUp(t.Context(), directory.Person{ID: "ann"})
		if fault.KindOf(err) != fault.Unavailable || fault.AfterOf(err) == 0 || o.count(path) != asked {
			t.Errorf("%s: %v, and it was asked %d times more", path, err, o.count(path)-asked)
		}
		o.answer(path, nil)
		at.forward(keysEvery)
		got, err := s.LookUp(t.Context(), directory.Person{ID: "ann"})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		wantGroups(t, got, "staff")
	}
}

// TestWhatTheProviderSaidServesWhileItIsAway and is asked for again after a while.
func TestWhatTheProviderSaidServesWhileItIsAway(t *testing.T) {
	t.Parallel()
	o, target, at := newOP(t), newChat(), newClock()
	target.signIn("acc-1", "ann", o.sign(o.claims()), "")
	s := openWith(t, o.config(), providers.Options{Sessions: target, Now: at.now})
	look := func(when string) {
		t.Helper()
		got, err := s.LookUp(t.Context(), directory.Person{ID: "ann"})
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		wantGroups(t, got, "staff")
	}
	look("at first")
	at.forward(describedFor)
	look("half a day later")
	if o.count(wellKnown) != 2 {
		t.Errorf("asked %d times", o.count(wellKnown))
	}
	o.answer(wellKnown, status(503, "text/plain", ""))
	o.answer("/keys", status(503, "text/plain", ""))
	at.forward(describedFor)
	before := o.count(wellKnown)
	for range 5 {
		look("while it is away")
	}
	if n := o.count(wellKnown) - before; n > 2 {
		t.Errorf("a provider that is away was asked %d times", n)
	}
}

// TestKeysMayBeOnAnotherHost, as Google's are, but no answer leads from one to another.
func TestKeysMayBeOnAnotherHost(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	other := httptest.NewServer(o)
	t.Cleanup(other.Close)
	o.described["jwks_uri"] = other.URL + "/keys?version=2"
	target.signIn("acc-1", "ann", o.sign(o.claims()), "")
	var query string
	o.answer("/keys", func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		o.serve(w, r)
	})
	wantGroups(t, lookUp(t, o.open(t, target), directory.Person{ID: "ann"}), "staff")
	if query != "version=2" {
		t.Errorf("asked with %q", query)
	}
}

func TestTheDescriptionMayBeElsewhere(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	const issuer = "https://idp.example.org/realms/main"
	o.issuer = issuer
	target.signIn("acc-1", "ann", o.sign(o.claims().with(c{"iss": issuer})), "")
	s := o.open(t, target, func(cfg *Config) { cfg.Issuer, cfg.Discovery = issuer, o.URL+wellKnown })
	wantGroups(t, lookUp(t, s, directory.Person{ID: "ann"}), "staff")
}

func TestOpeningAsksNobody(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s := o.open(t, newChat())
	if n := o.count(wellKnown); n != 0 {
		t.Errorf("asked %d times", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := s.LookUp(t.Context(), directory.Person{ID: "ann"})
	if fault.KindOf(err) != fault.Canceled || got.Coverage() != directory.None {
		t.Errorf("after Close: %+v, %v", got, err)
	}
	if _, err := s.Verify(t.Context(), providers.IDToken, "x"); fault.KindOf(err) != fault.Canceled {
		t.Errorf("Verify after Close: %v", err)
	}
	if _, err := s.TakeToken(t.Context(), "x"); fault.KindOf(err) != fault.Canceled {
		t.Errorf("TakeToken after Close: %v", err)
	}
	if f := s.Check(t.Context()); len(f) != 1 || f[0].Level != providers.Failed {
		t.Errorf("Check after Close: %+v", f)
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	target.signIn("acc-1", "ann", o.sign(o.claims()), "")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s := o.open(t, target)
	if got, err := s.LookUp(ended, directory.Person{ID: "ann"}); fault.KindOf(err) != fault.Canceled || got.Coverage() != directory.None {
		t.Errorf("LookUp: %+v, %v", got, err)
	}
	if got, err := s.Pull(ended, nil); fault.KindOf(err) != fault.Canceled || got.Coverage() != directory.None {
		t.Errorf("Pull: %+v, %v", got, err)
	}
	for _, path := range []string{wellKnown, "/keys"} {
		arrived := make(chan struct{}, 10)
		o.answer(path, func(_ http.ResponseWriter, r *http.Request) {
			arrived <- struct{}{}
			<-r.Context().Done()
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		if got, err := o.open(t, target).LookUp(ctx, directory.Person{ID: "ann"}); fault.KindOf(err) != fault.Canceled || got.Coverage() != directory.None {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
		o.answer(path, nil)
	}
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	o, target := newOP(t), newChat()
	web := httptest.NewTLSServer(o)
	t.Cleanup(web.Close)
	o.issuer = web.URL
	o.described["jwks_uri"] = web.URL + "/keys"
	target.signIn("acc-1", "ann", o.sign(o.claims().with(c{"iss": web.URL})), "")
	secure := func(cfg *Config) { cfg.Issuer = web.URL }
	if _, err := o.open(t, target, secure).LookUp(t.Context(), directory.Person{ID: "ann"}); err == nil || !strings.Contains(fault.HintOf(err), "ca_file") {
		t.Errorf("without ca_file: %v, hint %q", err, fault.HintOf(err))
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s := o.open(t, target, secure, func(cfg *Config) { cfg.CAFile = scalar.Path(file) })
	wantGroups(t, lookUp(t, s, directory.Person{ID: "ann"}), "staff")
}

// TestErrorsTellTheServer: an address that nobody listens at.
func TestErrorsTellTheServer(t *testing.T) {
	t.Parallel()
	const free = "127.0.0.1:1" // One that was free a moment ago could be given to the next test.
	o := newOP(t)
	s := o.open(t, newChat(), func(cfg *Config) { cfg.Issuer, cfg.Provider = "http://"+free, "oidc" })
	_, err := s.Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), free) || !strings.Contains(fault.HintOf(err), "running") {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
}
