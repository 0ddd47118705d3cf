package oauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/oauth"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
)

func TestSecretIsSentTheWayThatIsConfigured(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, always("t"))
	for _, inBody := range []bool{false, true} {
		c := client(t, oauth.Options{TokenURL: e.URL, ClientID: "us & them", Secret: ref(t, canary+"+%\n"), SecretInBody: inBody,
			Scopes: []string{"a", "b"}, Params: url.Values{"audience": {"api"}}})
		if got := bearer(t, c, ""); got != "t" {
			t.Fatalf("token %q", got)
		}
	}
	seen := e.requests()
	basic, body := seen[0], seen[1]
	// RFC 6749, 2.3.1: id and secret are form-encoded inside of Basic.
	if basic.id != "us+%26+them" || basic.secret != canary+"%2B%25" || basic.form.Has("client_id") || basic.form.Has("client_secret") {
		t.Errorf("client_secret_basic: %+v", basic)
	}
	if body.id != "" || body.form.Get("client_id") != "us & them" || body.form.Get("client_secret") != canary+"+%" {
		t.Errorf("client_secret_post: %+v", body)
	}
	for _, r := range seen {
		if r.form.Get("grant_type") != "client_credentials" || r.form.Get("scope") != "a b" || r.form.Get("audience") != "api" {
			t.Errorf("%v", r.form)
		}
	}
}

func TestRotatedSecretIsUsedAtTheNextRequest(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(w http.ResponseWriter, r asked, _ int) { gives(w, "for "+r.secret, "bearer", 3600) })
	file := write(t, "old")
	now := time.Now()
	c := client(t, oauth.Options{TokenURL: e.URL, Secret: refTo(t, file), Now: func() time.Time { return now }})
	first := bearer(t, c, "")
	if err := os.WriteFile(file, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if second := bearer(t, c, first); first != "for old" || second != "for new" {
		t.Errorf("%q, then %q", first, second)
	}
}

// key gives a file in each form in which people have their keys.
func forms(t *testing.T) map[string]struct{ text, key, alg string } {
	t.Helper()
	r, _ := keys()["rsa"].(*rsa.PrivateKey)
	p, _ := keys()["p256"].(*ecdsa.PrivateKey)
	type form = struct{ text, key, alg string }
	jwk := string(must((&jose.JSONWebKey{Key: r, KeyID: "from the file", Algorithm: "PS256"}).MarshalJSON()))
	return map[string]form{
		"PKCS8 RSA": {pkcs8(r), "rsa", "RS256"}, "PKCS1": {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r)), "rsa", "RS256"},
		"PKCS8 P-256": {pkcs8(p), "p256", "ES256"}, "SEC1": {block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(p))), "p256", "ES256"},
		"PKCS8 P-384": {pkcs8(keys()["p384"]), "p384", "ES384"}, "PKCS8 Ed25519": {pkcs8(keys()["ed"]), "ed", "EdDSA"},
		"JWK": {jwk, "rsa", "PS256"}, "behind a certificate": {certificate(t, keys()["rsa"]) + pkcs8(r), "rsa", "RS256"},
	}
}

func TestKeySignsAFreshAssertionForEachRequest(t *testing.T) {
	t.Parallel()
	for name, f := range forms(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, func(w http.ResponseWriter, _ asked, n int) { gives(w, strings.Repeat("t", n), "Bearer", 3600) })
			now := time.Now()
			c := client(t, oauth.Options{TokenURL: e.URL + "/token", Key: &oauth.Key{Ref: ref(t, f.text)}, Now: func() time.Time { return now }})
			first := bearer(t, c, "")
			now = now.Add(time.Minute)
			bearer(t, c, first)
			ids := map[any]bool{}
			for _, r := range e.requests() {
				if r.id != "" || r.form.Get("client_id") != "us" || r.form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
					t.Errorf("%+v", r)
				}
				head, claims := opened(t, r.form.Get("client_assertion"), keys()[f.key].Public())
				ids[claims["jti"]] = true
				issued, _ := claims["iat"].(float64)
				ends, _ := claims["exp"].(float64)
				if claims["iss"] != "us" || claims["sub"] != "us" || claims["aud"] != e.URL+"/token" || ends-issued > 300 || issued > float64(now.Unix()) {
					t.Errorf("claims %v", claims)
				}
				if head.Algorithm != f.alg || (name == "JWK") != (head.KeyID == "from the file") {
					t.Errorf("header %+v", head)
				}
			}
			if len(ids) != 2 {
				t.Errorf("%d ids in 2 assertions", len(ids))
			}
		})
	}
}

func certificate(t *testing.T, key crypto.Signer) string {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "us"}, NotAfter: time.Now().Add(time.Hour)}
	return block("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)))
}

func TestConfiguredHeadersOfAssertions(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, always("t"))
	pem := certificate(t, keys()["rsa"])
	c := client(t, oauth.Options{TokenURL: e.URL, Key: &oauth.Key{Ref: ref(t, pkcs8(keys()["rsa"])), ID: "7", Algorithm: "PS256", Audience: "https://issuer", Certificate: scalar.Path(write(t, pem))}})
	bearer(t, c, "")
	head, claims := opened(t, e.requests()[0].form.Get("client_assertion"), keys()["rsa"].Public())
	der, _ := base64.StdEncoding.DecodeString(strings.Join(strings.Split(strings.TrimSpace(pem), "\n")[1:len(strings.Split(strings.TrimSpace(pem), "\n"))-1], ""))
	sum := sha256.Sum256(der)
	if head.Algorithm != "PS256" || head.KeyID != "7" || head.ExtraHeaders["x5t#S256"] != base64.RawURLEncoding.EncodeToString(sum[:]) || claims["aud"] != "https://issuer" {
		t.Errorf("%+v %v", head, claims)
	}
}

func TestKeysThatCannotBeUsedSayWhy(t *testing.T) {
	t.Parallel()
	r := keys()["rsa"]
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	public := must((&jose.JSONWebKey{Key: r.Public()}).MarshalJSON())
	symmetric := must((&jose.JSONWebKey{Key: []byte(canary)}).MarshalJSON())
	for name, c := range map[string]struct {
		text, alg, cert, want string
	}{
		"nothing":              {text: canary, want: "no private key"},
		"public":               {text: block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(r.Public()))), want: "a public key, and no private key"},
		"certificate":          {text: certificate(t, r), want: "a certificate, and no private key"},
		"encrypted":            {text: block("ENCRYPTED PRIVATE KEY", []byte(canary)), want: "encrypted with a password"},
		"encrypted as of old":  {text: "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", want: "encrypted with a password"},
		"OpenSSH":              {text: block("OPENSSH PRIVATE KEY", []byte(canary)), want: "form of OpenSSH"},
		"damaged":              {text: block("PRIVATE KEY", []byte(canary)), want: "damaged"},
		"small":                {text: block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small)), want: "1024 bits"},
		"public JWK":           {text: string(public), want: "public key, not the private"},
		"symmetric JWK":        {text: string(symmetric), want: "no key as JSON"},
		"JSON":                 {text: `{"` + canary + `": 1}`, want: "no key as JSON"},
		"wrong algorithm":      {text: pkcs8(r), alg: "ES256", want: "cannot sign with ES256"},
		"certificate of other": {text: pkcs8(r), cert: certificate(t, keys()["other"]), want: "not that of the private key"},
		"no certificate":       {text: pkcs8(r), cert: canary, want: "no certificate"},
		"damaged certificate":  {text: pkcs8(r), cert: block("CERTIFICATE", []byte(canary)), want: "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &oauth.Key{Ref: ref(t, c.text), Algorithm: c.alg}
			if c.cert != "" {
				k.Certificate = scalar.Path(write(t, c.cert))
			}
			_, err := client(t, oauth.Options{TokenURL: "http://127.0.0.1:1", Key: k}).Bearer(t.Context(), secret.Value{})
			if err == nil || !contains(err.Error(), c.want, "source corp") || fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
				t.Errorf("%v (hint %q)", err, fault.HintOf(err))
			}
			if err != nil && contains(err.Error()+fault.HintOf(err), canary) {
				t.Errorf("the error holds the key: %v", err)
			}
		})
	}
}

func TestFederatedTokenIsReadAnewForEachRequest(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(w http.ResponseWriter, r asked, _ int) {
		gives(w, "for-"+r.form.Get("client_assertion"), "Bearer", 3600)
	})
	file := write(t, "a.b.c\n\n")
	now := time.Now()
	c := client(t, oauth.Options{TokenURL: e.URL, Assertion: refTo(t, file), Now: func() time.Time { return now }})
	first := bearer(t, c, "")
	if err := os.WriteFile(file, []byte("d.e.f"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if second := bearer(t, c, first); first != "for-a.b.c" || second != "for-d.e.f" {
		t.Errorf("%q, then %q", first, second)
	}
	if r := e.requests()[0]; r.form.Get("client_id") != "us" || r.form.Get("client_assertion_type") == "" || r.form.Has("client_secret") {
		t.Errorf("%v", r.form)
	}
}

func account(t *testing.T, change map[string]any) string {
	t.Helper()
	a := map[string]any{"type": "service_account", "client_email": "robot@p.iam", "private_key_id": "k1", "private_key": pkcs8(keys()["rsa"]), "token_uri": "https://oauth2.googleapis.com/token"}
	maps.Copy(a, change)
	return string(must(json.Marshal(a)))
}

func TestServiceAccountActsForItsSubject(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, always("t"))
	for _, subject := range []string{"admin@example.org", ""} {
		c := client(t, oauth.Options{TokenURL: e.URL, Scopes: []string{"a", "b"}, Grant: &oauth.Grant{Credentials: ref(t, account(t, nil)), Subject: subject}})
		bearer(t, c, "")
		r := e.requests()[len(e.requests())-1]
		head, claims := opened(t, r.form.Get("assertion"), keys()["rsa"].Public())
		issued, _ := claims["iat"].(float64)
		ends, _ := claims["exp"].(float64)
		sub, named := claims["sub"]
		if claims["iss"] != "robot@p.iam" || claims["aud"] != e.URL || claims["scope"] != "a b" || ends-issued > 3600 || head.KeyID != "k1" || named && sub != subject || named != (subject != "") {
			t.Errorf("%+v %v", head, claims)
		}
		if r.form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || r.form.Has("client_id") || r.form.Has("scope") {
			t.Errorf("%v", r.form)
		}
	}
}

func TestCredentialsLeadToGoogleOnly(t *testing.T) {
	t.Parallel()
	const configured = "http://127.0.0.1:1/token"
	for _, c := range []struct {
		name, url string
		change    map[string]any
		want      string
	}{
		{"another host", "", map[string]any{"token_uri": "https://evil.example/token"}, "does not lead to googleapis.com"},
		{"another host beside a configured one", configured, map[string]any{"token_uri": "https://evil.example/token"}, "does not lead to googleapis.com"},
		{"a host that ends alike", "", map[string]any{"token_uri": "https://evilgoogleapis.com/token"}, "does not lead to googleapis.com"},
		{"a host that begins alike", "", map[string]any{"token_uri": "https://oauth2.googleapis.com.evil.example/token"}, "does not lead to googleapis.com"},
		{"a user that looks alike", "", map[string]any{"token_uri": "https://oauth2.googleapis.com@evil.example/token"}, "does not lead to googleapis.com"},
		{"plain", "", map[string]any{"token_uri": "http://oauth2.googleapis.com/token"}, "does not lead to googleapis.com"},
		{"another port", "", map[string]any{"token_uri": "https://oauth2.googleapis.com:8443/token"}, "does not lead to googleapis.com"},
		{"no address", "", map[string]any{"token_uri": ""}, "token_uri is missing"},
		{"a person", "", map[string]any{"type": "authorized_user"}, "not those of a service account"},
		{"no key", "", map[string]any{"private_key": ""}, "is missing"},
		{"damaged key", "", map[string]any{"private_key": canary}, "no private key"},
	} {
		_, err := client(t, oauth.Options{TokenURL: c.url, Grant: &oauth.Grant{Credentials: ref(t, account(t, c.change))}}).Bearer(t.Context(), secret.Value{})
		if err == nil || !contains(err.Error(), c.want) || fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" || contains(err.Error(), canary) {
			t.Errorf("%s: %v (hint %q)", c.name, err, fault.HintOf(err))
		}
	}
	if _, err := client(t, oauth.Options{Grant: &oauth.Grant{Credentials: ref(t, `{"`+canary)}}).Bearer(t.Context(), secret.Value{}); err == nil || !contains(err.Error(), "not JSON") || contains(err.Error(), canary) {
		t.Errorf("%v", err)
	}
}

func TestOptionsThatCannotBeUsedAreRefused(t *testing.T) {
	t.Parallel()
	s := ref(t, canary)
	for name, c := range map[string]struct {
		o    oauth.Options
		want string
	}{
		"nobody":            {oauth.Options{TokenURL: "https://h", ClientID: "us"}, "says who we are"},
		"two":               {oauth.Options{TokenURL: "https://h", ClientID: "us", Secret: s, Assertion: s}, "only one of"},
		"no client id":      {oauth.Options{TokenURL: "https://h", Secret: s}, "no client id"},
		"no address":        {oauth.Options{ClientID: "us", Secret: s}, "must begin with"},
		"other scheme":      {oauth.Options{TokenURL: "ftp://h", ClientID: "us", Secret: s}, "must begin with"},
		"password":          {oauth.Options{TokenURL: "https://u:" + canary + "@h", ClientID: "us", Secret: s}, "no user name"},
		"no URL":            {oauth.Options{TokenURL: "https://" + canary + "%zz", ClientID: "us", Secret: s}, "not a URL"},
		"ours":              {oauth.Options{TokenURL: "https://h", ClientID: "us", Secret: s, Params: url.Values{"grant_type": {"x"}}}, "grant_type"},
		"unknown algorithm": {oauth.Options{TokenURL: "https://h", ClientID: "us", Key: &oauth.Key{Ref: s, Algorithm: "HS256"}}, "HS256"},
	} {
		if _, err := oauth.New(c.o); err == nil || !contains(err.Error(), c.want) || fault.KindOf(err) != fault.Invalid || contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
