package hooks_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/server/hooks"
)

// now is the time of the vector of the Standard Webhooks libraries.
var now = time.Unix(1614265330, 0)

// Secrets of the samples. The last is the one that nobody configured.
const (
	oldSecret   = "canary-of-last-year-5e1f"
	newSecret   = "canary-of-this-year-90ab"
	otherSecret = "canary-of-somebody-else-77"
)

// sample is a good request of a dialect.
type sample struct {
	kind    string
	options hooks.Options
	// request is made with a secret, which it has where the sender puts it.
	request func(secret string) *hooks.Request
	// headers are those without which it is refused.
	headers []string
	// signed says that the proof covers the body.
	signed bool
	// apart says that deliveries are told apart.
	apart bool
	want  []hooks.Hint
}

// request makes one with headers given in pairs.
func request(body string, headers ...string) *hooks.Request {
	r := &hooks.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(body), At: now, URL: "https://sync.example.org/hooks/in"}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// clone copies a request, so that a test may change it.
func clone(r *hooks.Request) *hooks.Request {
	c := *r
	c.Header, c.Query, c.Body = r.Header.Clone(), maps.Clone(r.Query), slices.Clone(r.Body)
	return &c
}

const (
	standardBody = `{"type":"user.login","timestamp":"2021-02-25T15:02:10Z","data":{"user":"ada@example.org"}}`
	loginEvent   = `{"schema":"0.12.4","id":"0d1c1f2e-7c9f-4a53-9a75-2f0a4f2b8d11","event":"auth.login","resource":"auth","operation":"login",` +
		`"created_at":1614265330,"instance_id":"i1","version":"0.12.4","source":"oauth","actor":{"id":"u-1","name":"Ada","email":"ada@example.org",` +
		`"role":"user","type":"user"},"subject":{"type":"user","id":"u-1"},"data":{"auth_method":"oauth"},"message":"User logged in"}`
	keycloakLogin = `{"uid":"7f1a6c8e-2a0b-4f4e-9d3a-1c2b3d4e5f60","time":1732200000123,"realmId":"main","type":"access.LOGIN","details":` +
		`{"auth_method":"openid-connect","username":"Ada@Example.org"},"authDetails":{"realmId":"main","clientId":"open-webui",` +
		`"userId":"11111111-2222-4333-8444-555555555555","ipAddress":"192.0.2.7","username":"ada","sessionId":"s1"}}`
	keycloakID    = "11111111-2222-4333-8444-555555555555"
	oktaAddMember = `{"eventType":"com.okta.event_hook","eventTypeVersion":"1.0","cloudEventsVersion":"0.1","source":"https://example.okta.com/api/v1/eventHooks/who1",` +
		`"eventId":"b5a188b9-5ece-4636-b041-482ffda96311","eventTime":"2021-02-25T15:02:10.000Z","contentType":"application/json","data":{"events":[` +
		`{"uuid":"14a42b00-74e5-11ee-8a5a-69d62fcd0f8b","published":"2021-02-25T15:02:09.770Z","eventType":"group.user_membership.add","version":"0",` +
		`"severity":"INFO","actor":{"id":"00uadmin","type":"User","alternateId":"admin@example.org","displayName":"Admin","detailEntry":null},` +
		`"outcome":{"result":"SUCCESS","reason":null},"target":[{"id":"00uada","type":"User","alternateId":"ada@example.org","displayName":"Ada"},` +
		`{"id":"00gteam","type":"UserGroup","alternateId":"unknown","displayName":"Team"}]}]}}`
	authentikLogin = `{"body":"login: {'auth_method': 'password'}","severity":"notice","user_email":"admin@example.org","user_username":"akadmin",` +
		`"event_user_email":"ada@example.org","event_user_username":"ada"}`
	googleUser = `{"kind":"admin#directory#user","id":"111220860655841818702","etag":"\"Mf8RAmnABsVfQ47MMT_18MHAdRE/evLIDlz2Fd9zbAqwvIp7Pzq8UAw\"",` +
		`"primaryEmail":"ada@example.org"}`
)

// graphUser is a notification of a change of a user.
func graphUser(state string) string {
	return `{"value":[{"subscriptionId":"7f105c7d-2dc5-4530-97cd-4e7ae6534c07","subscriptionExpirationDateTime":"2021-03-20T11:00:00.0000000Z",` +
		`"changeType":"updated","resource":"Users/aa1b2c3d-0001","clientState":"` + state + `","tenantId":"84bd8158-6d4d-4958-8b9f-9d6445542f95",` +
		`"resourceData":{"@odata.type":"#Microsoft.Graph.User","@odata.id":"Users/aa1b2c3d-0001","id":"aa1b2c3d-0001"}}]}`
}

func hexMAC(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func hexSum(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// samples gives one of each kind and way to prove it.
func samples() []sample {
	logout := &tokens{use: providers.LogoutToken, known: map[string]*providers.Verified{
		"logout.of.ada": {Subject: "sub-ada", ID: "jti-1", IssuedAt: now, Expires: now.Add(2 * time.Minute)},
	}}
	vouch := &tokens{use: providers.RequestToken, known: map[string]*providers.Verified{
		"token.for.login": {ID: "jti-2", IssuedAt: now, Expires: now.Add(5 * time.Minute), Claims: map[string]any{
			"aud": "https://sync.example.org/hooks/in", "request_body_sha256": hexSum(keycloakLogin)}},
	}}
	ada := directory.Person{Email: "ada@example.org"}
	return []sample{
		{kind: "standard", options: hooks.Options{Source: "ldap"}, signed: true, apart: true, headers: []string{"webhook-id", "webhook-timestamp", "webhook-signature"},
			request: func(s string) *hooks.Request {
				return request(standardBody, "webhook-id", "msg_1", "webhook-timestamp", "1614265330", "webhook-signature", signed(s, "msg_1", "1614265330", standardBody))
			}, want: []hooks.Hint{{Who: "ada@example.org"}}},
		{kind: "openwebui", apart: true, request: func(s string) *hooks.Request {
			r := request(loginEvent, "Content-Type", "application/json")
			r.Tail = s
			return r
		}, want: []hooks.Hint{{Account: "u-1"}}},
		{kind: "keycloak", options: hooks.Options{Source: "keycloak"}, signed: true, apart: true, headers: []string{"X-Keycloak-Signature"},
			request: func(s string) *hooks.Request {
				return request(keycloakLogin, "X-Keycloak-Signature", hexMAC(s, keycloakLogin))
			},
			want: []hooks.Hint{{Person: directory.Person{ID: keycloakID, Username: "ada"}}}},
		{kind: "keycloak", options: hooks.Options{Source: "oidc", Tokens: vouch}, signed: true, apart: true, headers: []string{"Authorization"},
			request: func(s string) *hooks.Request {
				if s == otherSecret {
					return request(keycloakLogin, "Authorization", "Bearer token.of.somebody.else")
				}
				return request(keycloakLogin, "Authorization", "Bearer token.for.login")
			}, want: []hooks.Hint{{Person: directory.Person{ID: keycloakID, Username: "ada"}}}},
		{kind: "okta", options: hooks.Options{Source: "okta"}, apart: true, headers: []string{"Authorization"},
			request: func(s string) *hooks.Request { return request(oktaAddMember, "Authorization", s) },
			want:    []hooks.Hint{{Person: directory.Person{ID: "00uada", Email: "ada@example.org"}}}},
		{kind: "authentik", options: hooks.Options{Source: "ldap"}, headers: []string{"Authorization"},
			request: func(s string) *hooks.Request {
				return request(authentikLogin, "Authorization", "Bearer "+s, "Content-Type", "text/json")
			},
			want: []hooks.Hint{{Person: directory.Person{Email: "ada@example.org", Username: "ada"}}}},
		{kind: "graph", options: hooks.Options{Source: "entra"},
			request: func(s string) *hooks.Request { return request(graphUser(s)) },
			want:    []hooks.Hint{{Person: directory.Person{ID: "aa1b2c3d-0001"}}}},
		{kind: "google", options: hooks.Options{Source: "ldap"}, apart: true,
			headers: []string{"X-Goog-Channel-Token", "X-Goog-Channel-ID", "X-Goog-Message-Number", "X-Goog-Resource-State"},
			request: func(s string) *hooks.Request {
				return request(googleUser, "X-Goog-Channel-Token", s, "X-Goog-Channel-ID", "channel-1", "X-Goog-Message-Number", "10", "X-Goog-Resource-State", "update")
			}, want: []hooks.Hint{{Person: ada}}},
		{kind: "logout", options: hooks.Options{Source: "oidc", Tokens: logout}, signed: true, apart: true, headers: []string{"Content-Type"},
			request: func(s string) *hooks.Request {
				if s == otherSecret {
					return request("logout_token=logout.of.somebody", "Content-Type", "application/x-www-form-urlencoded")
				}
				return request("logout_token=logout.of.ada", "Content-Type", "application/x-www-form-urlencoded")
			}, want: []hooks.Hint{{Person: directory.Person{ID: "sub-ada"}}}},
	}
}

// secrets makes secrets of texts.
func secrets(list ...string) []secret.Value {
	var values []secret.Value
	for _, s := range list {
		values = append(values, secret.New(s))
	}
	return values
}

// inForce gives the secrets that a webhook of the sample has.
func (s *sample) inForce(list ...string) []secret.Value {
	if s.options.Tokens != nil {
		return nil
	}
	return secrets(list...)
}

// open makes a dialect.
func open(t testing.TB, kind string, o hooks.Options) hooks.Dialect {
	t.Helper()
	d, err := hooks.New(kind, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// refused makes sure that a request is refused, for that reason, and that the reason
// repeats nothing that was sent.
func refused(t *testing.T, d hooks.Dialect, r *hooks.Request, list []secret.Value, why string) {
	t.Helper()
	p, err := d.Verify(t.Context(), r, list)
	if err == nil {
		t.Fatalf("it is taken: %+v", p)
	}
	if p.ID != "" || p.Claims != nil {
		t.Errorf("a proof of nothing: %+v", p)
	}
	if !strings.Contains(err.Error(), why) {
		t.Errorf("it is refused because %q, not %q", err, why)
	}
	for _, s := range []string{"canary", "ada@example.org", "token.", "logout.of", "msg_"} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("the reason repeats what was sent: %q", err)
		}
	}
}
