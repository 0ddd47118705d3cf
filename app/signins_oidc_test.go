package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"groupsyncd/sync/engine"
	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui/openwebuitest"
)

// issuer is an OpenID provider that signs whatever a test says.
type issuer struct {
	*httptest.Server
	t    *testing.T
	sign jose.Signer
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t}
	if i.sign, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	for path, answer := range map[string]any{
		"/.well-known/openid-configuration": map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/auth",
			"token_endpoint": i.URL + "/token", "id_token_signing_alg_values_supported": []string{"ES256"}, "subject_types_supported": []string{"public"}, "response_types_supported": []string{"code"}},
		"/keys": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}},
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(answer); err != nil {
				t.Error(err)
			}
		})
	}
	return i
}

// token signs that somebody was in these groups some time ago.
func (i *issuer) token(subject string, ago time.Duration, groups ...string) openwebuitest.Tokens {
	i.t.Helper()
	at := time.Now().Add(-ago)
	return openwebuitest.Tokens{ID: i.signed(map[string]any{"iss": i.URL, "aud": "open-webui", "sub": subject, "email": subject + "@example.org", "groups": groups,
		"iat": at.Unix(), "exp": at.Add(time.Hour).Unix()})}
}

// signed signs claims.
func (i *issuer) signed(claims map[string]any) string {
	i.t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		i.t.Fatal(err)
	}
	jws, err := i.sign.Sign(body)
	if err != nil {
		i.t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return raw
}

func TestSomebodyActiveWhoSignsInAnewHasTheGroupsOfTheNewToken(t *testing.T) {
	t.Parallel()
	w, idp := newTown(t), newIssuer(t)
	w.chat.SetActiveEvery(0)
	w.write("groupsyncd.yaml", fmt.Sprintf(`state: state
sources:
  sso: {type: oidc, issuer: %q, audience: open-webui, target: chat, schedule: every 24h}
targets:
  chat: {type: openwebui, url: %q, api_key: file:key, watch: 1s}
rules:
  - {name: all, match: "*"}
server: {admin: {listen: ""}}
`, idp.URL, w.chat.URL))
	_, client, _ := w.serve()
	w.until("sign-ins are noticed", func() bool {
		s, err := client.Status(t.Context())
		return err == nil && s.Targets[0].Watch != nil && s.Targets[0].Watch.State == engine.WatchWorks
	})
	in := openwebuitest.SignIn{Email: "fay@example.org", Provider: "oidc", Subject: "fay", Tokens: idp.token("fay", time.Minute, "Red", "Green")}
	fay, err := w.chat.SignIn(in)
	if err != nil {
		t.Fatal(err)
	}
	w.until("she is in the groups of her token", func() bool { return w.size("Red") == 1 && w.size("Green") == 1 })

	in.Tokens = idp.token("fay", 0, "Green", "Blue")
	if _, err := w.chat.SignIn(in); err != nil {
		t.Fatal(err)
	}
	w.until("she is in those of the new one", func() bool {
		w.chat.Visit(fay)
		return w.size("Red") == 0 && w.size("Green") == 1 && w.size("Blue") == 1
	})
	w.chat.DropSessions(fay)
	sync1(w, client, run.Request{})
	if w.size("Green") != 1 || w.size("Blue") != 1 {
		t.Error("a session that is gone took something away")
	}
}
