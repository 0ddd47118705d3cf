package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/internal/fault"
)

var (
	errUnknownKey = errors.New("the provider does not publish that key")
	errSignature  = errors.New("the signature is not right")
)

// The rhythm of asking for keys. Anybody may send tokens, each with the name of a key that
// nobody has seen, so a token alone must not be able to make us ask.
const (
	// keysEvery is the least time between two fetches, keysMissing how long a key that
	// was not published is not asked for again, keysFresh how long what was fetched is
	// used without another look, and keysLast how long while the provider does not answer.
	keysEvery   = 10 * time.Second
	keysMissing = 5 * time.Minute
	keysFresh   = time.Hour
	keysLast    = 24 * time.Hour

	maxMissing = 1_000
	maxKeys    = 100
)

// keySet are the public keys of a provider. Safe for use by several goroutines.
type keySet struct {
	now   func() time.Time
	fetch func(context.Context) ([]jose.JSONWebKey, error)

	// turn is held by the one that asks the provider.
	turn chan struct{}

	mu   sync.Mutex
	keys []jose.JSONWebKey
	// fetched is when the keys were asked for, asked when they were last asked for, and
	// failed how that went.
	fetched, asked time.Time
	failed         error
	missing        map[string]time.Time
}

func newKeySet(now func() time.Time, fetch func(context.Context) ([]jose.JSONWebKey, error)) *keySet {
	return &keySet{now: now, fetch: fetch, turn: make(chan struct{}, 1), missing: map[string]time.Time{}}
}

// verify gives what was signed. issued is when the token claims to have been: keys that
// were fetched later are those that count. Errors are errUnknownKey, errSignature, or why
// the keys could not be had.
func (k *keySet) verify(ctx context.Context, jws *jose.JSONWebSignature, issued time.Time) ([]byte, error) {
	kid := jws.Signatures[0].Header.KeyID
	keys, age := k.known()
	if age < keysFresh {
		if payload, named := try(keys, jws); payload != nil {
			return payload, nil
		} else if named && age < keysMissing {
			return nil, errSignature
		}
		if k.gone(kid) {
			return nil, errUnknownKey
		}
	}
	keys, err := k.refresh(ctx, issued)
	payload, named := try(keys, jws)
	switch {
	case payload != nil:
		return payload, nil
	case err != nil:
		return nil, err
	case named:
		return nil, errSignature
	}
	k.note(kid)
	return nil, errUnknownKey
}

// ready makes sure that there are keys.
func (k *keySet) ready(ctx context.Context) error {
	if _, age := k.known(); age < keysFresh {
		return nil
	}
	keys, err := k.refresh(ctx, time.Time{})
	if len(keys) > 0 {
		return nil
	}
	return err
}

// known gives the keys and how old they are.
func (k *keySet) known() ([]jose.JSONWebKey, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fetched.IsZero() {
		return nil, keysLast
	}
	return k.keys, max(0, k.now().Sub(k.fetched))
}

// try verifies with the keys that fit. named says that there is one.
func try(keys []jose.JSONWebKey, jws *jose.JSONWebSignature) (payload []byte, named bool) {
	h := jws.Signatures[0].Header
	for i := range keys {
		key := &keys[i]
		if h.KeyID != "" && key.KeyID != h.KeyID || key.Algorithm != "" && key.Algorithm != h.Algorithm {
			continue
		}
		named = true
		if payload, err := jws.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, named
}

// gone reports whether the key was looked for not long ago, and was not there.
func (k *keySet) gone(kid string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.missing[kid]
	return ok && k.now().Sub(at) < keysMissing
}

func (k *keySet) note(kid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.missing) >= maxMissing {
		clear(k.missing)
	}
	k.missing[kid] = k.now()
}

// refresh asks for the keys, unless that was done just now. One asks, the others wait.
// With an error it gives the keys from before, which still verify what was signed with
// them while the provider is away; that one is missing among them then proves nothing.
func (k *keySet) refresh(ctx context.Context, issued time.Time) ([]jose.JSONWebKey, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	keys, age := k.known()
	if age >= keysLast {
		keys = nil
	}
	k.mu.Lock()
	fetched, asked, failed := k.fetched, k.asked, k.failed
	k.mu.Unlock()
	wait := asked.Add(keysEvery).Sub(k.now())
	switch {
	case asked.IsZero() || wait <= 0 || wait > keysEvery:
	case failed != nil:
		return keys, waited(failed, wait)
	case issued.After(fetched):
		return keys, waited(errors.New("the keys were read a moment ago, and the token is younger"), wait)
	default:
		return keys, nil
	}
	asked = k.now()
	got, err := k.fetch(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx) // whoever asked went away; that says nothing of the provider
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked, k.failed = asked, err
	if err != nil {
		return keys, err
	}
	k.keys, k.fetched = got, asked
	clear(k.missing)
	return got, nil
}

// waited is the error of what is not asked again before some time has passed.
func waited(err error, wait time.Duration) error {
	return &fault.Error{Kind: fault.Unavailable, Op: "read the provider's keys", Err: err, Hint: fault.HintOf(err), After: wait}
}

// parseKeys reads a JWK set (RFC 7517). Keys that we do not understand are passed over, as
// its section 5 says; so are those for encryption and, above all, those that are no public
// ones: a shared secret verifies nothing here.
func parseKeys(body []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fault.New(fault.Unavailable, "", "", errors.New("the keys are no JSON key set"), "")
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) != nil || !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" ||
			key.Algorithm != "" && !slices.Contains(accepted(), key.Algorithm) {
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fault.New(fault.Unavailable, "", "", errors.New("there is no key for signatures among the keys"), "the provider must sign with a key pair, such as RS256")
	}
	return keys, nil
}
