package httpx_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
)

func TestARequestMayBringItsOwnCredential(t *testing.T) {
	t.Parallel()
	var sent []string
	client := bubble(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("Authorization"))
		answer(401, "application/json", `{"message":"not `+canary+`"}`)(w, r)
	}), httpx.Retry{})
	_, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "call", Bearer: secret.New(canary)})
	if fault.KindOf(err) != fault.Auth || strings.Contains(err.Error(), canary) || len(sent) != 1 || sent[0] != "Bearer "+canary {
		t.Errorf("%v after %q", err, sent)
	}
	_, err = client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "call", Bearer: secret.New("two\nlines")})
	if fault.KindOf(err) != fault.Auth || len(sent) != 1 {
		t.Errorf("%v after %q", err, sent)
	}
}

func TestABodyMayBeReadAsItIs(t *testing.T) {
	t.Parallel()
	client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x", Path: "/whole"}, Transport: inMemory{answer(200, "application/jwt", "a.b.c")},
		Retry: httpx.Retry{Tries: 2, First: time.Nanosecond}})
	var kind, body string
	take := func(contentType string, b []byte) error { kind, body = contentType, string(b); return nil }
	if _, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Op: "read it", Raw: take}); err != nil || kind != "application/jwt" || body != "a.b.c" {
		t.Errorf("%q of %q, %v", body, kind, err)
	}
	for want, why := range map[fault.Kind]error{fault.Invalid: errors.New("no"), fault.Unavailable: fault.Errorf(fault.Unavailable, "", "", "cut")} {
		_, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Op: "read it", Raw: func(string, []byte) error { return why }})
		if fault.KindOf(err) != want || !errors.Is(err, why) || !strings.Contains(err.Error(), "read it at x (GET)") {
			t.Errorf("%v (%s)", err, fault.KindOf(err))
		}
	}
}
