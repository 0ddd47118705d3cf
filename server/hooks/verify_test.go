package hooks_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/server/hooks"
)

// TestKeycloakVectors: signatures that OpenSSL computed.
func TestKeycloakVectors(t *testing.T) {
	t.Parallel()
	d := open(t, "keycloak", hooks.Options{})
	for secret, signature := range map[string]string{
		"keycloak-secret-one": "372fb2cd1a3fe5e65db4ce9007723d2bc654a657837014c097311bb3df25ffd5",
		"keycloak-secret-two": "f0dab4fec7ddcb893bd80e12fd0d4198f22773bf3ebe7abde5e37c6b619bbf64",
	} {
		r := request(keycloakLogin, "X-Keycloak-Signature", signature)
		if _, err := d.Verify(t.Context(), r, secrets("keycloak-secret-one", "keycloak-secret-two")); err != nil {
			t.Errorf("%s: %v", secret, err)
		}
		if _, err := d.Verify(t.Context(), r, secrets(secret)); err != nil {
			t.Errorf("%s alone: %v", secret, err)
		}
	}
	sha1 := request(keycloakLogin, "X-Keycloak-Signature", "2f6f9ff4217abcd5a69c4260f0c3a38d18d79460")
	refused(t, d, sha1, secrets("keycloak-secret-one"), "HmacSHA256")
	for _, signature := range []string{"", "zz", "372f", "372fb2cd1a3fe5e65db4ce9007723d2bc654a657837014c097311bb3df25ffd5 ", "sha256=372fb2cd1a3fe5e65db4ce9007723d2bc654a657837014c097311bb3df25ffd5"} {
		refused(t, d, request(keycloakLogin, "X-Keycloak-Signature", signature), secrets("keycloak-secret-one"), "")
	}
}

// vouching is a webhook of Keycloak whose requests carry this token.
func vouching(t *testing.T, v *providers.Verified) (hooks.Dialect, *tokens) {
	t.Helper()
	s := &tokens{use: providers.RequestToken, known: map[string]*providers.Verified{"good": v}}
	return open(t, "keycloak", hooks.Options{Source: "oidc", Tokens: s}), s
}

// TestKeycloakTokens: a token is for one body, one address and one time.
func TestKeycloakTokens(t *testing.T) {
	t.Parallel()
	const here = "https://sync.example.org/hooks/in"
	sum := "5cc32881562e66d0e5964b0a575c79066405499d0478de865a88e3082f595107" // By sha256sum.
	for name, c := range map[string]struct {
		claims map[string]any
		id     string
		lives  time.Duration
		why    string
	}{
		"good":                 {map[string]any{"aud": here, "request_body_sha256": sum}, "j", time.Minute, ""},
		"one of several":       {map[string]any{"aud": []any{"other", 7, here}, "request_body_sha256": strings.ToUpper(sum)}, "j", 10 * time.Minute, ""},
		"of another body":      {map[string]any{"aud": here, "request_body_sha256": hexSum("{}")}, "j", time.Minute, "request_body_sha256"},
		"of no body":           {map[string]any{"aud": here}, "j", time.Minute, "request_body_sha256"},
		"of a body in numbers": {map[string]any{"aud": here, "request_body_sha256": 5.0}, "j", time.Minute, "request_body_sha256"},
		"for others":           {map[string]any{"aud": "https://other.example.org/", "request_body_sha256": sum}, "j", time.Minute, "aud"},
		"for the site only":    {map[string]any{"aud": "https://sync.example.org", "request_body_sha256": sum}, "j", time.Minute, "aud"},
		"for nobody":           {map[string]any{"request_body_sha256": sum}, "j", time.Minute, "aud"},
		"for an empty list":    {map[string]any{"aud": []any{}, "request_body_sha256": sum}, "j", time.Minute, "aud"},
		"without an id":        {map[string]any{"aud": here, "request_body_sha256": sum}, "", time.Minute, "jti"},
		"for ever":             {map[string]any{"aud": here, "request_body_sha256": sum}, "j", 25 * time.Hour, "day"},
	} {
		d, _ := vouching(t, &providers.Verified{ID: c.id, Expires: now.Add(c.lives), Claims: c.claims})
		r := request(keycloakLogin, "Authorization", "bearer good")
		if c.why != "" {
			refused(t, d, r, nil, c.why)
			continue
		}
		p, err := d.Verify(t.Context(), r, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p.Keep <= c.lives || p.Claims == nil {
			t.Errorf("%s is remembered for %v with %v", name, p.Keep, p.Claims)
		}
	}
	d, _ := vouching(t, &providers.Verified{ID: "j", Expires: now, Claims: map[string]any{"aud": "", "request_body_sha256": sum}})
	r := request(keycloakLogin, "Authorization", "Bearer good")
	r.URL = ""
	refused(t, d, r, nil, "server.public.url")
}

// TestOneProofNeverStandsForTheOther: a webhook with a secret takes signatures only, and
// one without takes tokens only.
func TestOneProofNeverStandsForTheOther(t *testing.T) {
	t.Parallel()
	d, _ := vouching(t, &providers.Verified{ID: "j", Expires: now.Add(time.Minute), Claims: map[string]any{
		"aud": "https://sync.example.org/hooks/in", "request_body_sha256": hexSum(keycloakLogin)}})
	token := request(keycloakLogin, "Authorization", "Bearer good")
	refused(t, d, token, secrets(newSecret), "X-Keycloak-Signature")
	token.Header.Set("X-Keycloak-Signature", hexMAC(otherSecret, keycloakLogin))
	refused(t, d, token, secrets(newSecret), "signature")
	signature := request(keycloakLogin, "X-Keycloak-Signature", hexMAC("", keycloakLogin))
	refused(t, d, signature, nil, "bearer")
	signature.Header.Set("Authorization", "Basic Z29vZA==")
	refused(t, d, signature, nil, "bearer")
	refused(t, open(t, "keycloak", hooks.Options{Source: "ldap"}), signature, nil, "neither a secret")
}

// TestATokenThatCannotBeCheckedIsNoWrongToken: its sender is to try again.
func TestATokenThatCannotBeCheckedIsNoWrongToken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *sample, _ hooks.Dialect) {
		source, ok := s.options.Tokens.(*tokens)
		if !ok {
			return
		}
		for down, kind := range map[bool]fault.Kind{true: fault.Unavailable, false: fault.Auth} {
			d := open(t, s.kind, hooks.Options{Source: "oidc", Tokens: &tokens{use: source.use, down: down}})
			_, err := d.Verify(t.Context(), s.request(newSecret), nil)
			if fault.KindOf(err) != kind {
				t.Errorf("down %v: %v", down, err)
			}
		}
	})
}

// TestLogoutForms: one token in a form, as the specification has it; a session without a
// person is about nobody.
func TestLogoutForms(t *testing.T) {
	t.Parallel()
	v := &providers.Verified{Subject: "sub-1", ID: "j", Expires: now.Add(time.Minute)}
	s := &tokens{use: providers.LogoutToken, known: map[string]*providers.Verified{"good": v, "session": {ID: "s", Expires: now.Add(time.Minute)},
		"anonymous": {Subject: "sub-1", Expires: now.Add(time.Minute)}}}
	d := open(t, "logout", hooks.Options{Source: "oidc", Tokens: s})
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct{ kind, body, why string }{
		{form, "logout_token=good", ""},
		{form + "; charset=UTF-8", "other=1&logout_token=good", ""},
		{form, "logout_token=good&logout_token=good", "several"},
		{form, "logout_token=", "no logout_token"},
		{form, "token=good", "no logout_token"},
		{form, "logout_token=%zz", "form"},
		{form, "logout_token=good;x", "form"},
		{form, "logout_token=wrong", "not right"},
		{form, "logout_token=anonymous", "jti"},
		{form, "logout_token=good&other=" + strings.Repeat("x", 64<<10), "64 KiB"},
		{"application/json", "logout_token=good", "form"},
		{"", "logout_token=good", "form"},
	} {
		r := request(c.body, "Content-Type", c.kind)
		if c.why != "" {
			refused(t, d, r, nil, c.why)
			continue
		}
		p, err := d.Verify(t.Context(), r, nil)
		if err != nil || p.Keep <= time.Minute {
			t.Errorf("%s: %v, %v", c.body, p.Keep, err)
		}
	}
	r := request("logout_token=session", "Content-Type", form)
	p, err := d.Verify(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := d.Read(r, p); err != nil || got != nil {
		t.Errorf("a session is read as %+v, %v", got, err)
	}
}

// TestAnExpiredTokenIsRememberedForAWhile: clocks differ by minutes, not more.
func TestAnExpiredTokenIsRememberedForAWhile(t *testing.T) {
	t.Parallel()
	d, _ := vouching(t, &providers.Verified{ID: "j", Expires: now.Add(-time.Hour), Claims: map[string]any{
		"aud": "https://sync.example.org/hooks/in", "request_body_sha256": hexSum(keycloakLogin)}})
	p, err := d.Verify(t.Context(), request(keycloakLogin, "Authorization", "Bearer good"), nil)
	if err != nil || p.Keep != 5*time.Minute {
		t.Errorf("it is remembered for %v, %v", p.Keep, err)
	}
}

// TestOktaHandshake: the challenge is repeated for who knows the secret.
func TestOktaHandshake(t *testing.T) {
	t.Parallel()
	d := open(t, "okta", hooks.Options{})
	challenge := func(method, value string, auth ...string) *hooks.Request {
		return &hooks.Request{Method: method, Header: http.Header{"X-Okta-Verification-Challenge": {value}, "Authorization": auth}}
	}
	for _, auth := range []string{newSecret, oldSecret, "Bearer " + newSecret} {
		answer, ok := d.Handshake(challenge("GET", `my "challenge" <b>`, auth), secrets(oldSecret, newSecret))
		var body map[string]string
		if err := json.Unmarshal(answer.Body, &body); !ok || err != nil || answer.Status != 200 || answer.Type != "application/json" ||
			!reflect.DeepEqual(body, map[string]string{"verification": `my "challenge" <b>`}) {
			t.Errorf("%s is answered %+v, %v", auth, answer, ok)
		}
	}
	for name, r := range map[string]*hooks.Request{
		"without the header": challenge("GET", "c"), "of others": challenge("GET", "c", otherSecret), "with two": challenge("GET", "c", newSecret, newSecret),
		"by POST": challenge("POST", "c", newSecret), "huge": challenge("GET", strings.Repeat("c", 1025), newSecret), "empty": challenge("GET", "", newSecret),
	} {
		if answer, ok := d.Handshake(r, secrets(newSecret)); ok {
			t.Errorf("%s it is answered %+v", name, answer)
		}
	}
	if answer, ok := d.Handshake(challenge("GET", "c", ""), secrets("")); ok {
		t.Errorf("without a secret it is answered %+v", answer)
	}
}

// TestGraphHandshake: the token is repeated as a text, and only if it is one.
func TestGraphHandshake(t *testing.T) {
	t.Parallel()
	d := open(t, "graph", hooks.Options{})
	post := func(tokens ...string) *hooks.Request {
		return &hooks.Request{Method: "POST", Query: map[string][]string{"validationToken": tokens}}
	}
	answer, ok := d.Handshake(post("Validation: <script>alert(1)</script> 42"), nil)
	if !ok || answer.Status != 200 || string(answer.Body) != "Validation: <script>alert(1)</script> 42" {
		t.Fatalf("it is answered %+v, %v", answer, ok)
	}
	w := httptest.NewRecorder()
	answer.Write(w)
	for key, value := range map[string]string{"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Length": "40"} {
		if got := w.Header().Get(key); got != value {
			t.Errorf("%s is %q", key, got)
		}
	}
	if w.Code != 200 || w.Body.String() != string(answer.Body) {
		t.Errorf("it sends %d %s", w.Code, w.Body)
	}
	for _, tokens := range [][]string{nil, {""}, {"a", "b"}, {strings.Repeat("x", 4097)}, {"a\r\nb"}, {"a\x00"}, {"\xff"}} {
		if answer, ok := d.Handshake(post(tokens...), nil); ok {
			t.Errorf("%.20q is answered %+v", tokens, answer)
		}
	}
}

// TestEveryNotificationProvesItself: one wrong clientState among many is enough to refuse
// all, wherever it stands.
func TestEveryNotificationProvesItself(t *testing.T) {
	t.Parallel()
	d := open(t, "graph", hooks.Options{})
	item := func(state string) string { return `{"resource":"users/a","clientState":"` + state + `"}` }
	for _, c := range []struct {
		states []string
		good   bool
	}{
		{[]string{newSecret}, true}, {[]string{newSecret, oldSecret, newSecret}, true}, {[]string{otherSecret, newSecret}, false},
		{[]string{newSecret, otherSecret}, false}, {[]string{newSecret, ""}, false}, {[]string{newSecret, otherSecret, newSecret}, false},
	} {
		var items []string
		for _, state := range c.states {
			items = append(items, item(state))
		}
		_, err := d.Verify(t.Context(), request(`{"value":[`+strings.Join(items, ",")+`]}`), secrets(newSecret, oldSecret))
		if (err == nil) != c.good {
			t.Errorf("%v: %v", c.states, err)
		}
	}
	for _, body := range []string{`{"value":[{"resource":"users/a"}]}`, `{"value":[null]}`, `{"value":[` + item(newSecret) + `,7]}`, `{"value":[]}`, `{}`, `x`} {
		refused(t, d, request(body), secrets(newSecret), "")
	}
}

// TestManyNotificationsAreNoneOfGraph: they are read before they are proved, so they may
// not become more than a few times what was sent.
func TestManyNotificationsAreNoneOfGraph(t *testing.T) {
	t.Parallel()
	d := open(t, "graph", hooks.Options{})
	item := `{"clientState":"` + newSecret + `"},`
	for n, good := range map[int]bool{1000: true, 1001: false} {
		_, err := d.Verify(t.Context(), request(`{"value":[`+strings.Repeat(item, n-1)+strings.TrimSuffix(item, ",")+`]}`), secrets(newSecret))
		if (err == nil) != good {
			t.Errorf("%d: %v", n, err)
		}
	}
	garbage := `{"value":[` + strings.Repeat("{},", (hooks.MaxBody-20)/3) + `{}]}`
	refused(t, d, request(garbage), secrets(newSecret), "not what this kind of sender sends")
}

// TestGraphDeliveriesWithIDsAreToldApart: two changes of one person are equal to the byte
// without them, and the second must not be dropped.
func TestGraphDeliveriesWithIDsAreToldApart(t *testing.T) {
	t.Parallel()
	d := open(t, "graph", hooks.Options{})
	id := func(ids ...string) string {
		var items []string
		for _, each := range ids {
			items = append(items, `{"resource":"users/a","clientState":"`+newSecret+`","id":"`+each+`"}`)
		}
		p, err := d.Verify(t.Context(), request(`{"value":[`+strings.Join(items, ",")+`]}`), secrets(newSecret))
		if err != nil {
			t.Fatal(err)
		}
		return p.ID
	}
	both := id("1", "2")
	if both != id("1", "2") || both == id("12") || id("1") == id("2") || id("1") == "" {
		t.Error("ids do not tell deliveries apart")
	}
	if got := id("1", ""); got != "" {
		t.Errorf("one without an id is known as %q", got)
	}
}

// TestGoogleMessagesAreNumbered: by channel.
func TestGoogleMessagesAreNumbered(t *testing.T) {
	t.Parallel()
	d := open(t, "google", hooks.Options{})
	seen := map[string]string{}
	for _, c := range []struct{ channel, number string }{{"a", "1"}, {"a", "2"}, {"b", "1"}, {"a1", ""}, {"", "a1"}} {
		r := request(googleUser, "X-Goog-Channel-Token", newSecret, "X-Goog-Channel-ID", c.channel, "X-Goog-Message-Number", c.number, "X-Goog-Resource-State", "update")
		p, err := d.Verify(t.Context(), r, secrets(newSecret))
		if c.channel == "" || c.number == "" {
			if err == nil {
				t.Errorf("%+v is taken", c)
			}
			continue
		}
		if err != nil || seen[p.ID] != "" {
			t.Errorf("%+v is %q, %v", c, p.ID, err)
		}
		seen[p.ID] = c.channel + c.number
	}
}
