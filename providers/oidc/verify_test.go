package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// without fails when a text holds a part of a token: of its encoded parts, eight
// characters anywhere; of its claims, what only the token knows.
func without(t testing.TB, text, raw string) {
	t.Helper()
	for part := range strings.SplitSeq(raw, ".") {
		for i := 0; i+12 <= len(part); i++ {
			if strings.Contains(text, part[i:i+12]) {
				t.Errorf("%q holds %q of the token", text, part[i:i+12])
				return
			}
		}
	}
	if strings.Contains(text, canary) {
		t.Errorf("%q holds a claim of the token", text)
	}
}

const canary = "canary-7f3a91"

// wrong is one way in which a token can be wrong.
type wrong struct {
	name string
	raw  func(*op) string
	why  string
	is   []providers.TokenUse // for which uses; none: all
}

// uses are all that a token can be verified for.
var uses = []providers.TokenUse{providers.IDToken, providers.LogoutToken, providers.RequestToken, storedToken}

// good gives the claims of a good token of each use.
func good(o *op, use providers.TokenUse) c {
	base := o.claims().with(c{"jti": "j-1", "note": canary})
	switch use {
	case providers.LogoutToken:
		return base.with(c{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}, "groups": nil})
	case providers.RequestToken:
		return base.with(c{"aud": "https://sync.example.org/hooks/kc", "request_body_sha256": "00"})
	case storedToken:
		return base.with(c{"iat": time.Now().Add(-20 * 24 * time.Hour).Unix(), "exp": time.Now().Add(-20*24*time.Hour + time.Minute).Unix()})
	}
	return base
}

// check verifies a token for a use, stored ones too.
func verifyFor(t testing.TB, s *source, use providers.TokenUse, raw string) error {
	t.Helper()
	if use != storedToken {
		got, err := s.Verify(t.Context(), use, raw)
		if (got == nil) != (err != nil) {
			t.Errorf("Verify gives %+v and %v", got, err)
		}
		return err
	}
	v, _, err := s.verifier(t.Context())
	if err != nil {
		return err
	}
	_, err = v.verify(t.Context(), use, raw)
	return err
}

func TestGoodTokensAreTaken(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	o.publish(key{elliptic1(), "k1", "ES256"}, key{rsa1(), "r1", "RS256"}, key{elliptic2(), "enc", ""})
	s := o.open(t, newChat())
	for _, use := range uses {
		claims := good(o, use)
		for name, raw := range map[string]string{
			"as it is":                  o.sign(claims),
			"by another key":            signWith(t, key{rsa1(), "r1", "RS256"}, nil, claims),
			"without the key's name":    signWith(t, key{elliptic1(), "", "ES256"}, nil, claims),
			"with a type":               signWith(t, key{elliptic1(), "k1", "ES256"}, map[string]any{"typ": "JWT"}, claims),
			"with a list of audiences":  o.sign(claims.with(c{"aud": []string{claims["aud"].(string)}})),
			"with two audiences":        o.sign(claims.with(c{"aud": []string{audience, "other"}, "azp": audience})),
			"with fractions of seconds": o.sign(claims.with(c{"iat": json.Number(num(claims["iat"]) + ".5"), "exp": json.Number(num(claims["exp"]) + ".25")})),
			"a little ahead of us":      o.sign(claims.with(c{"iat": time.Now().Add(4 * time.Minute).Unix(), "nbf": time.Now().Add(4 * time.Minute).Unix()})),
			"that names no source":      o.sign(claims.with(c{"_claim_names": map[string]string{"groups": "src1"}})),
			"with strange extra claims": o.sign(claims.with(c{"ISS": "x", "Aud": 7, "nonce2": null})),
		} {
			if err := verifyFor(t, s, use, raw); err != nil {
				t.Errorf("%s %s: %v", use, name, err)
			}
		}
	}
	if err := verifyFor(t, s, providers.LogoutToken, signWith(t, key{elliptic1(), "k1", "ES256"}, map[string]any{"typ": "logout+jwt"}, good(o, providers.LogoutToken))); err != nil {
		t.Errorf("a logout token with its own type: %v", err)
	}
	got, err := s.Verify(t.Context(), providers.IDToken, o.sign(good(o, providers.IDToken)))
	if err != nil || got.Subject != "ann" || got.ID != "j-1" || time.Since(got.IssuedAt) > 2*time.Minute || time.Until(got.Expires) < 5*time.Minute || got.Claims["name"] != "Ann" {
		t.Errorf("verified: %+v, %v", got, err)
	}
}

func num(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// wrongs are all the ways in which a token can be wrong.
func wrongs(t testing.TB) []wrong {
	k1 := key{elliptic1(), "k1", "ES256"}
	now := time.Now()
	changed := func(use providers.TokenUse, change c) func(*op) string {
		return func(o *op) string { return o.sign(good(o, use).with(change)) }
	}
	var list []wrong
	// each adds a change of the claims for all uses but some.
	each := func(name, why string, change c, except ...providers.TokenUse) {
		for _, use := range uses {
			skip := false
			for _, e := range except {
				skip = skip || e == use
			}
			if !skip {
				list = append(list, wrong{name: name, why: why, raw: changed(use, change), is: []providers.TokenUse{use}})
			}
		}
	}
	each("another issuer", "issued by", c{"iss": "https://evil.example"})
	each("no issuer", "issued by", c{"iss": nil})
	each("the issuer with a slash", "issued by", c{"iss": "x/"})
	each("another audience", "is for", c{"aud": "other"}, providers.RequestToken)
	each("no audience", "no audience", c{"aud": nil})
	each("an empty audience", "no audience", c{"aud": []string{}})
	each("an audience that is no text", "no audience", c{"aud": []any{7}})
	each("several audiences and nobody who asked", "azp", c{"aud": []string{audience, "other"}}, providers.RequestToken, providers.LogoutToken)
	each("somebody else asked", "azp", c{"azp": "other"}, providers.RequestToken, providers.LogoutToken)
	each("an empty azp", "azp", c{"azp": ""}, providers.RequestToken, providers.LogoutToken)
	each("no iat", "iat", c{"iat": nil})
	each("iat as text", "iat", c{"iat": "yesterday"})
	each("iat zero", "iat", c{"iat": 0})
	each("iat beyond all years", "iat", c{"iat": 1e15})
	each("iat in the future", "from now", c{"iat": now.Add(6 * time.Minute).Unix(), "exp": now.Add(time.Hour).Unix()})
	each("no exp", "exp", c{"exp": nil})
	each("exp as text", "exp", c{"exp": "tomorrow"})
	each("expired", "ended", c{"exp": now.Add(-time.Second).Unix()}, storedToken)
	each("not valid yet", "nbf", c{"nbf": now.Add(6 * time.Minute).Unix()})
	each("nbf that is no time", "nbf", c{"nbf": []int{1}})
	each("no subject", "sub", c{"sub": nil}, providers.RequestToken, providers.LogoutToken)
	each("an empty subject", "sub", c{"sub": ""})
	each("a blank subject", "sub", c{"sub": "  "})
	each("a subject that is no text", "sub", c{"sub": 7})
	each("a subject that is too long", "sub", c{"sub": strings.Repeat("x", maxSubject+1)})
	each("a subject with a line break", "sub", c{"sub": "a\nb"})
	for _, use := range []providers.TokenUse{providers.LogoutToken, providers.RequestToken} {
		add := func(name, why string, change c) {
			list = append(list, wrong{name: name, why: why, raw: changed(use, change), is: []providers.TokenUse{use}})
		}
		add("no jti", "jti", c{"jti": nil})
		add("an empty jti", "jti", c{"jti": ""})
		add("issued long ago", "ago", c{"iat": now.Add(-oneTime - time.Minute).Unix()})
	}
	logout := []providers.TokenUse{providers.LogoutToken}
	list = append(list,
		wrong{name: "a nonce", why: "logout token", raw: changed(providers.LogoutToken, c{"nonce": "n"}), is: logout},
		wrong{name: "a nonce that is null", why: "logout token", raw: changed(providers.LogoutToken, c{"nonce": null}), is: logout},
		wrong{name: "no event", why: "logout token", raw: changed(providers.LogoutToken, c{"events": nil}), is: logout},
		wrong{name: "another event", why: "logout token", raw: changed(providers.LogoutToken, c{"events": map[string]any{"x": map[string]any{}}}), is: logout},
		wrong{name: "nobody and no session", why: "logout token", raw: changed(providers.LogoutToken, c{"sub": nil, "sid": nil}), is: logout},
		wrong{name: "an ID token", why: "logout token", raw: changed(providers.IDToken, nil), is: logout},
		wrong{name: "a logout token", why: "no ID token", raw: changed(providers.LogoutToken, nil), is: []providers.TokenUse{providers.IDToken, storedToken}},
		wrong{name: "a request token", why: "is for", raw: changed(providers.RequestToken, nil), is: []providers.TokenUse{providers.IDToken}},
	)
	for _, typ := range []string{"at+jwt", "application/at+jwt", "secevent+jwt", "dpop+jwt"} {
		list = append(list, wrong{name: "of the type " + typ, why: "another kind", raw: func(o *op) string { return signWith(t, k1, map[string]any{"typ": typ}, good(o, providers.IDToken)) }})
	}
	list = append(list, wrong{name: "typed as a logout token", why: "another kind", is: []providers.TokenUse{providers.IDToken, storedToken, providers.RequestToken},
		raw: func(o *op) string {
			return signWith(t, k1, map[string]any{"typ": "logout+jwt"}, good(o, providers.IDToken))
		}})
	return append(list, badlySigned(t)...)
}

// badlySigned are tokens whose claims are good.
func badlySigned(t testing.TB) []wrong {
	claims := func(o *op) c { return good(o, providers.IDToken) }
	encode := func(v string) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) }
	body := func(o *op) string { return encode(num(claims(o))) }
	return []wrong{
		{name: "signed by somebody else under a known name", why: "signature", raw: func(o *op) string { return signWith(t, key{elliptic2(), "k1", "ES256"}, nil, claims(o)) }},
		{name: "signed by an unknown key", why: "does not publish", raw: func(o *op) string { return signWith(t, key{elliptic2(), "k9", "ES256"}, nil, claims(o)) }},
		{name: "signed by nobody's key without a name", why: "signature", raw: func(o *op) string { return signWith(t, key{elliptic2(), "", "ES256"}, nil, claims(o)) }},
		{name: "none", why: "no signed token", raw: func(o *op) string { return encode(`{"alg":"none"}`) + "." + body(o) + "." }},
		{name: "none with something behind it", why: "not signed with", raw: func(o *op) string { return encode(`{"alg":"none","kid":"k1"}`) + "." + body(o) + ".AAAA" }},
		{name: "nOnE", why: "not signed with", raw: func(o *op) string { return encode(`{"alg":"nOnE","kid":"k1"}`) + "." + body(o) + ".AAAA" }},
		{name: "a shared secret that is the public key", why: "not signed with", raw: func(o *op) string { return hmacToken(t, claims(o)) }},
		{name: "an algorithm that the provider does not name", why: "not signed with", raw: func(o *op) string { return signWith(t, key{rsa1(), "r1", "PS256"}, nil, claims(o)) }},
		{name: "an RSA name over an elliptic key", why: "", raw: func(o *op) string {
			parts := strings.Split(o.sign(claims(o)), ".")
			return encode(`{"alg":"RS256","kid":"k1"}`) + "." + parts[1] + "." + parts[2]
		}},
		{name: "changed claims", why: "signature", raw: func(o *op) string {
			parts := strings.Split(o.sign(claims(o)), ".")
			return parts[0] + "." + encode(num(claims(o).with(c{"sub": "admin"}))) + "." + parts[2]
		}},
		{name: "a changed signature", why: "signature", raw: func(o *op) string {
			parts := strings.Split(o.sign(claims(o)), ".")
			return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
		}},
		{name: "a key inside the token", why: "", raw: func(o *op) string {
			jwk := jose.JSONWebKey{Key: elliptic2().Public(), KeyID: "mine"}
			return signWith(t, key{elliptic2(), "mine", "ES256"}, map[string]any{"jwk": jwk}, claims(o))
		}},
		{name: "an address of keys inside the token", why: "", raw: func(o *op) string {
			return signWith(t, key{elliptic2(), "mine", "ES256"}, map[string]any{"jku": "http://127.0.0.1:1/keys"}, claims(o))
		}},
		{name: "an extension that must be understood", why: "signature", raw: func(o *op) string {
			return signWith(t, key{elliptic1(), "k1", "ES256"}, map[string]any{"crit": []string{"x"}, "x": 1}, claims(o))
		}},
		{name: "nothing", why: "no signed token", raw: func(*op) string { return "" }},
		{name: "a word", why: "no signed token", raw: func(*op) string { return "hello" }},
		{name: "dots", why: "no signed token", raw: func(*op) string { return ".." }},
		{name: "two parts", why: "no signed token", raw: func(o *op) string { return strings.Join(strings.Split(o.sign(claims(o)), ".")[:2], ".") }},
		{name: "four parts", why: "no signed token", raw: func(o *op) string { return o.sign(claims(o)) + ".x" }},
		{name: "encrypted", why: "no signed token", raw: func(*op) string { return "a.b.c.d.e" }},
		{name: "a space behind it", why: "no signed token", raw: func(o *op) string { return o.sign(claims(o)) + " " }},
		{name: "padded", why: "no signed token", raw: func(o *op) string { return strings.Replace(o.sign(claims(o)), ".", "=.", 1) }},
		{name: "JSON in place of the compact form", why: "no signed token", raw: func(o *op) string {
			parts := strings.Split(o.sign(claims(o)), ".")
			return `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`
		}},
		{name: "a header that is no object", why: "no signed token", raw: func(o *op) string { return encode(`[]`) + "." + body(o) + ".AAAA" }},
		{name: "claims that are no object", why: "no signed token", raw: func(*op) string { return signRaw(t, key{elliptic1(), "k1", "ES256"}, nil, []byte(`["x"]`)) }},
		{name: "claims that are no JSON", why: "no signed token", raw: func(*op) string { return signRaw(t, key{elliptic1(), "k1", "ES256"}, nil, []byte(`sub=ann`)) }},
		{name: "far too long", why: "no signed token", raw: func(o *op) string { return o.sign(claims(o).with(c{"x": strings.Repeat("y", maxToken)})) }},
	}
}

// hmacToken signs with the published public key as a shared secret.
func hmacToken(t testing.TB, claims c) string {
	t.Helper()
	public, err := json.Marshal(jose.JSONWebKey{Key: elliptic1().Public(), KeyID: "k1"})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: public}, &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"kid": "k1"}})
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(num(claims)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestEveryWayInWhichATokenCanBeWrong(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s := o.open(t, newChat())
	for _, w := range wrongs(t) {
		for _, use := range uses {
			if len(w.is) > 0 && !slices.Contains(w.is, use) {
				continue
			}
			raw := w.raw(o)
			err := verifyFor(t, s, use, raw)
			if fault.KindOf(err) != fault.Auth || !strings.Contains(err.Error(), w.why) {
				t.Errorf("%s, %s: %v (%s), want a refusal with %q", use, w.name, err, fault.KindOf(err), w.why)
			}
			if err != nil {
				without(t, err.Error()+fault.HintOf(err), raw)
			}
			if use != providers.IDToken {
				continue
			}
			if who, err := s.TakeToken(t.Context(), raw); fault.KindOf(err) != fault.Auth || who != (directory.Person{}) {
				t.Errorf("%s is kept: %+v, %v", w.name, who, err)
			}
		}
	}
	if n := len(s.kept.people); n != 0 {
		t.Errorf("%d wrong tokens are kept", n)
	}
}

// TestOnlyWhatTheProviderSignedIsShown: before the signature is known to be right, an
// error repeats nothing of what was sent.
func TestOnlyWhatTheProviderSignedIsShown(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s := o.open(t, newChat())
	for _, name := range []string{"iss", "sub", "aud", "azp", "jti"} {
		raw := signWith(t, key{elliptic2(), "k7-" + canary, "ES256"}, map[string]any{"x": canary}, o.claims().with(c{name: canary}))
		err := verifyFor(t, s, providers.IDToken, raw)
		if fault.KindOf(err) != fault.Auth {
			t.Errorf("%s: %v", name, err)
			continue
		}
		without(t, err.Error()+fault.HintOf(err), raw)
	}
}

// TestGoogleLeavesOutTheScheme as it does in some of its tokens, and nobody else may.
func TestGoogleLeavesOutTheScheme(t *testing.T) {
	t.Parallel()
	google := &verifier{issuer: "https://accounts.google.com"}
	other := &verifier{issuer: "https://accounts.example.com"}
	if !google.issued("accounts.google.com") || !google.issued("https://accounts.google.com") || google.issued("http://accounts.google.com") || other.issued("accounts.example.com") {
		t.Error("the issuer is not compared to the letter")
	}
}

func TestConfiguredAlgorithmsAreTheOnlyOnes(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	o.publish(key{elliptic1(), "k1", "ES256"}, key{rsa1(), "r1", "RS256"})
	s := o.open(t, newChat(), func(cfg *Config) { cfg.Algorithms = []string{"RS256"} })
	if err := verifyFor(t, s, providers.IDToken, o.sign(o.claims())); fault.KindOf(err) != fault.Auth {
		t.Errorf("ES256: %v", err)
	}
	if err := verifyFor(t, s, providers.IDToken, signWith(t, key{rsa1(), "r1", "RS256"}, nil, o.claims())); err != nil {
		t.Errorf("RS256: %v", err)
	}
}

// TestTheProviderOfGoOIDC verifies against the test server of that library.
func TestTheProviderOfGoOIDC(t *testing.T) {
	t.Parallel()
	server := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: rsa1().Public(), KeyID: "my-key", Algorithm: goidc.RS256}}}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	server.SetIssuer(web.URL)
	o := &op{Server: web, t: t}
	s := o.open(t, newChat(), webhook)
	raw := oidctest.SignIDToken(rsa1(), "my-key", goidc.RS256, num(o.claims()))
	who, err := s.TakeToken(t.Context(), raw)
	if err != nil || who.ID != "ann" {
		t.Fatalf("%+v, %v", who, err)
	}
	got, err := s.LookUp(t.Context(), who)
	if err != nil || len(got.Users) != 1 || len(got.Groups) != 1 || got.Groups[0].ID != "staff" {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzVerify sends any text as a token for every use: only what the provider signed is
// taken, and no error repeats what was sent.
func FuzzVerify(f *testing.F) {
	o := newOP(f)
	for _, use := range uses {
		f.Add(o.sign(good(o, use)))
	}
	for _, w := range wrongs(f) {
		if raw := w.raw(o); len(raw) < 4000 {
			f.Add(raw)
		}
	}
	public := jose.JSONWebKey{Key: elliptic1().Public(), KeyID: "k1", Algorithm: "ES256"}
	keys := newKeySet(time.Now, nil)
	keys.keys, keys.fetched = []jose.JSONWebKey{public}, time.Now()
	keys.fetch = func(_ context.Context) ([]jose.JSONWebKey, error) { return keys.keys, nil }
	v := &verifier{issuer: o.URL, audience: audience, algorithms: []string{"ES256", "RS256"}, keys: keys, now: time.Now}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, use := range uses {
			got, err := v.verify(t.Context(), use, raw)
			if (got == nil) == (err == nil) {
				t.Fatalf("%s: %+v and %v", use, got, err)
			}
			if err != nil {
				if fault.KindOf(err) == 0 {
					t.Fatalf("%s: an error without a kind: %v", use, err)
				}
				if g, ok := look(raw); !ok || maps.Equal(map[string]any{}, g.claims) {
					continue
				}
				without(t, err.Error(), raw)
				continue
			}
			jws, err := jose.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
			if err != nil {
				t.Fatalf("%s takes what cannot be read: %v", use, err)
			}
			if _, err := jws.Verify(public); err != nil {
				t.Fatalf("%s takes what the provider has not signed: %v", use, err)
			}
		}
	})
}
