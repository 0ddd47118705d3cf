package oauth_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/oauth"
	"groupsyncd/internal/secret"
)

func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   fault.Kind
		want   string
		hint   string
	}{
		{"unknown client", 401, `{"error": "invalid_client", "error_description": "AADSTS7000222: expired"}`, fault.Auth, "401 Unauthorized: invalid_client: AADSTS7000222: expired", "client secret is wrong or has expired"},
		{"client without the grant", 400, `{"error": "unauthorized_client"}`, fault.Auth, "unauthorized_client", "allow the client us to get tokens for itself"},
		{"grant refused", 400, `{"error": "invalid_grant"}`, fault.Auth, "invalid_grant", "client secret is wrong or has expired"},
		{"scope", 400, `{"error": "invalid_scope"}`, fault.Auth, "invalid_scope", "these scopes: read write"},
		{"refused with a success", 200, `{"error": "invalid_client"}`, fault.Auth, "invalid_client", "client secret"},
		{"no word", 401, `unauthorized`, fault.Auth, "401", "client secret"},
		{"forbidden", 403, `<html>`, fault.Auth, "403", "reach the token endpoint"},
		{"wrong request", 400, `{"error": "invalid_request", "error_description": "AADSTS90002: no tenant"}`, fault.Invalid, "AADSTS90002: no tenant", ""},
		{"no such place", 404, `<html>`, fault.Invalid, "404 Not Found", "no token endpoint"},
		{"not now", 400, `{"error": "temporarily_unavailable"}`, fault.Unavailable, "temporarily_unavailable", ""},
		{"slower", 400, `{"error": "slow_down"}`, fault.Throttled, "slow_down", ""},
		{"throttled", 429, `{}`, fault.Throttled, "429", ""},
		{"failing", 500, `<html>`, fault.Unavailable, "500", ""},
		{"down", 503, ``, fault.Unavailable, "503", ""},
		{"a page", 200, `<html>`, fault.Unavailable, "no access token", "is no token endpoint"},
		{"cut", 200, `{"access_token": "` + canary, fault.Unavailable, "no access token", ""},
		{"nothing", 200, ``, fault.Unavailable, "no access token", ""},
		{"no token", 200, `{"token_type": "Bearer"}`, fault.Unavailable, "no access token", ""},
		{"odd expiry", 200, `{"access_token": "t", "expires_in": "` + canary + `"}`, fault.Unavailable, "no access token", ""},
		{"odd kind", 200, `{"access_token": "t", "token_type": "mac"}`, fault.Invalid, "of a kind that is not known", ""},
		{"repeats the secret", 401, `{"error": "invalid_client", "error_description": "` + canary + ` is wrong"}`, fault.Auth, "[secret] is wrong", ""},
		{"repeats the secret as an error", 401, `{"error": "` + canary + `"}`, fault.Auth, "[secret]", ""},
		{"much text", 400, `{"error": "x", "error_description": "` + strings.Repeat("long\\n", 1000) + `"}`, fault.Invalid, "…", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, func(w http.ResponseWriter, _ asked, _ int) { tells(w, c.status, c.body) })
			var log bytes.Buffer
			k := client(t, oauth.Options{TokenURL: e.URL, Scopes: []string{"read", "write"}, Secret: ref(t, canary), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			_, err := k.Bearer(t.Context(), secret.Value{})
			if fault.KindOf(err) != c.kind || !contains(err.Error(), c.want, "source corp") || !contains(fault.HintOf(err), c.hint) {
				t.Errorf("%v: %v (hint %q)", fault.KindOf(err), err, fault.HintOf(err))
			}
			if text := err.Error() + fault.HintOf(err) + log.String(); contains(text, canary) || len(err.Error()) > 600 {
				t.Errorf("too much is told: %s", text)
			}
		})
	}
}

func TestHintsAreAboutTheConfiguredCredential(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o              oauth.Options
		code, answered string
	}{
		"key":              {oauth.Options{Key: &oauth.Key{Ref: ref(t, pkcs8(keys()["rsa"]))}}, "invalid_client", "public half of the key"},
		"federated token":  {oauth.Options{Assertion: ref(t, canary)}, "invalid_client", "federated token"},
		"account":          {oauth.Options{Grant: &oauth.Grant{Credentials: ref(t, account(t, nil))}, Scopes: []string{"a"}}, "unauthorized_client", "domain-wide delegation for exactly these scopes: a"},
		"account's person": {oauth.Options{Grant: &oauth.Grant{Credentials: ref(t, account(t, nil))}}, "invalid_grant", "active account of the domain"},
	} {
		e := newEndpoint(t, func(w http.ResponseWriter, _ asked, _ int) {
			w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			tells(w, 400, `{"error": "`+c.code+`"}`)
		})
		c.o.TokenURL = e.URL
		_, err := client(t, c.o).Bearer(t.Context(), secret.Value{})
		if fault.KindOf(err) != fault.Auth || !contains(fault.HintOf(err), c.answered, "differ by 1h0m") {
			t.Errorf("%s: %v (hint %q)", name, err, fault.HintOf(err))
		}
	}
}

func TestErrorsHoldNoAssertion(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(w http.ResponseWriter, r asked, _ int) {
		tells(w, 400, `{"error": "invalid_client", "error_description": "`+r.form.Get("client_assertion")+`"}`)
	})
	_, err := client(t, oauth.Options{TokenURL: e.URL, Key: &oauth.Key{Ref: ref(t, pkcs8(keys()["p256"]))}}).Bearer(t.Context(), secret.Value{})
	if sent := e.requests()[0].form.Get("client_assertion"); err == nil || contains(err.Error(), sent[:20]) || !contains(err.Error(), "[secret]") {
		t.Errorf("%v", err)
	}
}

func TestSecretsFollowNoRedirect(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 307, 308} {
		elsewhere := newEndpoint(t, always("t"))
		e := newEndpoint(t, func(w http.ResponseWriter, _ asked, _ int) {
			w.Header().Set("Location", elsewhere.URL+"/there?x="+canary)
			w.WriteHeader(status)
		})
		_, err := client(t, oauth.Options{TokenURL: e.URL, Secret: ref(t, canary), SecretInBody: true}).Bearer(t.Context(), secret.Value{})
		if fault.KindOf(err) != fault.Invalid || !contains(err.Error(), elsewhere.URL+"/there") || contains(err.Error(), canary) || len(elsewhere.requests()) > 0 || fault.HintOf(err) == "" {
			t.Errorf("%d: %v, %d requests elsewhere", status, err, len(elsewhere.requests()))
		}
	}
}

func TestEndlessAnswerIsCut(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, func(w http.ResponseWriter, _ asked, _ int) {
		tells(w, 200, `{"access_token": "`+strings.Repeat("t", 2<<20)+`"}`)
	})
	if _, err := client(t, oauth.Options{TokenURL: e.URL, Secret: ref(t, canary)}).Bearer(t.Context(), secret.Value{}); fault.KindOf(err) != fault.Unavailable {
		t.Error(err)
	}
}

func TestNetworkFailuresAreExplained(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, always("t"))
	e.Close()
	_, err := client(t, oauth.Options{TokenURL: e.URL, Secret: ref(t, canary)}).Bearer(t.Context(), secret.Value{})
	if fault.KindOf(err) != fault.Unavailable || !contains(fault.HintOf(err), "is the server running", e.URL) {
		t.Errorf("%v (hint %q)", err, fault.HintOf(err))
	}
	tls := newEndpoint(t, always("t"))
	_, err = client(t, oauth.Options{TokenURL: strings.Replace(tls.URL, "http:", "https:", 1), Secret: ref(t, canary)}).Bearer(t.Context(), secret.Value{})
	if fault.KindOf(err) != fault.Invalid || !contains(fault.HintOf(err), "plain HTTP") {
		t.Errorf("%v (hint %q)", err, fault.HintOf(err))
	}
}
