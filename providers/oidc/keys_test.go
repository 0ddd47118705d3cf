package oidc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// keyring is a provider's keys in memory, for tests about times.
type keyring struct {
	mu      sync.Mutex
	keys    []key
	err     error
	fetches int
	slow    time.Duration
}

func (r *keyring) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	r.mu.Lock()
	r.fetches++
	slow, err := r.slow, r.err
	var out []jose.JSONWebKey
	for _, k := range r.keys {
		out = append(out, jose.JSONWebKey{Key: k.signer.Public(), KeyID: k.kid, Algorithm: k.alg})
	}
	r.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return out, err
}

func (r *keyring) set(change func(*keyring)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

// signed parses a token that k signed.
func signed(t testing.TB, k key) *jose.JSONWebSignature {
	t.Helper()
	jws, err := jose.ParseSigned(signWith(t, k, nil, c{"sub": "ann"}), algorithms(accepted()))
	if err != nil {
		t.Fatal(err)
	}
	return jws
}

var (
	first  = func() key { return key{elliptic1(), "k1", "ES256"} }
	second = func() key { return key{elliptic2(), "k2", "ES256"} }
)

func TestKeysAreFetchedOnceForManyTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &keyring{keys: []key{first()}, slow: time.Second}
		k := newKeySet(time.Now, r.fetch)
		jws := signed(t, first())
		issued := time.Now()
		time.Sleep(time.Second)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := k.verify(t.Context(), jws, issued); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if r.fetches != 1 {
			t.Errorf("%d fetches", r.fetches)
		}
	})
}

// TestAFloodOfUnknownKeysFetchesRarely: whoever can send tokens must not be able to make us
// ask the provider as often as they send.
func TestAFloodOfUnknownKeysFetchesRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &keyring{keys: []key{first()}}
		k := newKeySet(time.Now, r.fetch)
		good, forged := signed(t, first()), signed(t, second())
		for i := range 6000 { // a hundred a second for a minute
			forged.Signatures[0].Header.KeyID = fmt.Sprintf("forged-%d", i)
			_, err := k.verify(t.Context(), forged, time.Now())
			if !errors.Is(err, errUnknownKey) && fault.KindOf(err) != fault.Unavailable {
				t.Fatal(err)
			}
			if i%100 == 0 {
				if _, err := k.verify(t.Context(), good, time.Now()); err != nil {
					t.Fatalf("a good token in the flood: %v", err)
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		if r.fetches > 8 {
			t.Errorf("%d fetches within a minute", r.fetches)
		}
		if len(k.missing) > maxMissing {
			t.Errorf("%d names of keys are remembered", len(k.missing))
		}
	})
}

func TestTheSameUnknownKeyIsLookedForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &keyring{keys: []key{first()}}
		k := newKeySet(time.Now, r.fetch)
		gone := signed(t, second())
		for range 100 {
			if _, err := k.verify(t.Context(), gone, time.Now().Add(-time.Hour)); !errors.Is(err, errUnknownKey) {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		if r.fetches != 1 {
			t.Errorf("%d fetches", r.fetches)
		}
	})
}

func TestARotatedKeyIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &keyring{keys: []key{first()}}
		k := newKeySet(time.Now, r.fetch)
		check := func(who key, want error) {
			t.Helper()
			if _, err := k.verify(t.Context(), signed(t, who), time.Now()); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", who.kid, err, want)
			}
		}
		check(first(), nil)
		time.Sleep(time.Minute)
		r.set(func(r *keyring) { r.keys = []key{second()} })
		check(second(), nil)
		check(first(), errUnknownKey)
		// Within seconds of a fetch, a young token with a new key is put off, not refused.
		r.set(func(r *keyring) { r.keys = []key{first()} })
		k.missing = map[string]time.Time{}
		time.Sleep(2 * time.Second)
		_, err := k.verify(t.Context(), signed(t, first()), time.Now())
		if fault.KindOf(err) != fault.Unavailable || fault.AfterOf(err) <= 0 || fault.AfterOf(err) > keysEvery {
			t.Errorf("a moment later: %v, after %s", err, fault.AfterOf(err))
		}
		time.Sleep(fault.AfterOf(err))
		check(first(), nil)
	})
}

func TestAKeyThatWasTakenBackIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &keyring{keys: []key{first(), second()}}
		k := newKeySet(time.Now, r.fetch)
		if _, err := k.verify(t.Context(), signed(t, first()), time.Now()); err != nil {
			t.Fatal(err)
		}
		r.set(func(r *keyring) { r.keys = []key{second()} })
		time.Sleep(keysFresh)
		if _, err := k.verify(t.Context(), signed(t, first()), time.Now()); !errors.Is(err, errUnknownKey) {
			t.Errorf("an hour later: %v", err)
		}
	})
}

func TestKnownKeysServeWhileTheProviderIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &keyring{keys: []key{first()}}
		k := newKeySet(time.Now, r.fetch)
		ok := func(when string) {
			t.Helper()
			if _, err := k.verify(t.Context(), signed(t, first()), time.Now()); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
		ok("at first")
		r.set(func(r *keyring) { r.err = errors.New("down") })
		time.Sleep(2 * time.Hour)
		before := r.fetches
		for range 100 {
			ok("two hours later")
		}
		if n := r.fetches - before; n != 1 {
			t.Errorf("%d fetches from a provider that is down", n)
		}
		if _, err := k.verify(t.Context(), signed(t, second()), time.Now()); err == nil || errors.Is(err, errUnknownKey) || errors.Is(err, errSignature) {
			t.Errorf("an unknown key meanwhile: %v", err)
		}
		time.Sleep(keysLast)
		if _, err := k.verify(t.Context(), signed(t, first()), time.Now()); err == nil || errors.Is(err, errUnknownKey) {
			t.Errorf("a day later: %v", err)
		}
		r.set(func(r *keyring) { r.err = nil })
		time.Sleep(keysEvery)
		ok("when it is back")
	})
}

func TestWhoeverGoesAwaySpoilsNothingForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &keyring{keys: []key{first()}, slow: time.Minute}
		k := newKeySet(time.Now, r.fetch)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := make(chan error)
		go func() {
			_, err := k.verify(ctx, signed(t, first()), time.Now())
			done <- err
		}()
		synctest.Wait()
		impatient, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		if _, err := k.verify(impatient, signed(t, first()), time.Now()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who waits behind: %v", err)
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who asked: %v", err)
		}
		r.set(func(r *keyring) { r.slow = 0 })
		if _, err := k.verify(t.Context(), signed(t, first()), time.Now()); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}

func TestKeySetsHoldOnlyWhatVerifies(t *testing.T) {
	t.Parallel()
	public := func(k jose.JSONWebKey) string { return num(k) }
	ec := public(jose.JSONWebKey{Key: elliptic1().Public(), KeyID: "ec"})
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"one":                      {`{"keys":[` + ec + `]}`, 1},
		"one beside others":        {`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"OKP","crv":"Ed448","x":"AA"},{"kty":"new"},7,` + ec + `]}`, 1},
		"for encryption":           {`{"keys":[` + public(jose.JSONWebKey{Key: elliptic1().Public(), Use: "enc"}) + `]}`, 0},
		"a shared secret":          {`{"keys":[` + public(jose.JSONWebKey{Key: []byte("secret"), KeyID: "k1", Algorithm: "HS256"}) + `]}`, 0},
		"a private key":            {`{"keys":[` + public(jose.JSONWebKey{Key: elliptic1()}) + `]}`, 0},
		"of another algorithm":     {`{"keys":[` + public(jose.JSONWebKey{Key: elliptic1().Public(), Algorithm: "ES256K"}) + `]}`, 0},
		"a point not on the curve": {`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}`, 0},
		"none":                     {`{"keys":[]}`, 0},
		"nothing":                  {`{}`, 0},
		"HTML":                     {`<html>`, 0},
	} {
		got, err := parseKeys([]byte(c.body))
		if len(got) != c.want || (err != nil) != (c.want == 0) || err != nil && fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s: %d keys, %v", name, len(got), err)
		}
	}
}

// TestAnUnknownUseIsRefused: the rules for stored tokens, above all, are not for posted ones.
func TestAnUnknownUseIsRefused(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s := o.open(t, newChat())
	for _, use := range []providers.TokenUse{"", "access_token", storedToken} {
		if got, err := s.Verify(t.Context(), use, o.sign(o.claims())); fault.KindOf(err) != fault.Invalid || got != nil {
			t.Errorf("%q: %+v, %v", use, got, err)
		}
	}
}
