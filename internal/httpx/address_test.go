package httpx_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
)

// asked sends one request below base and gives the address at which it arrived, or the error.
func asked(t *testing.T, base string, q httpx.Request) (string, error) {
	t.Helper()
	u, err := httpx.ParseBase(base)
	if err != nil {
		t.Fatal(err)
	}
	at := ""
	client := httpx.New(httpx.Options{Name: "x", Base: u, Bearer: httpx.Key(func() (secret.Value, error) { return secret.New(canary), nil }),
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			at = r.URL.String()
			return inMemory{good()}.RoundTrip(r)
		})})
	q.Method, q.Op = http.MethodGet, "read it"
	_, err = client.Session().Do(t.Context(), q)
	return at, err
}

func TestAddressesOfTheServerStayOnIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		base, path, url, want string // want empty: refused
	}{
		{"https://h/v1", "", "https://h/v1/users?page=2", "https://h/v1/users?page=2"},
		{"https://h/v1", "", "https://h:443/v1/users", "https://h:443/v1/users"},
		{"https://h:443/v1", "", "https://h/v1/users", "https://h/v1/users"},
		{"http://h", "", "http://H:80/x", "http://H:80/x"},
		{"https://h/v1", "", "HTTPS://H/x", "https://H/x"},
		{"https://[::1]:8443", "", "https://[::1]:8443/x", "https://[::1]:8443/x"},
		{"https://h/v1", "", "/v2/users?c=a%2Fb%20c", "https://h/v2/users?c=a%2Fb%20c"},
		{"https://h/v1", "", "https://h/v1/a%2Fb#part", "https://h/v1/a%2Fb"},
		{"https://h/v1", "/users", "?page=2", "https://h/v1/users?page=2"},
		{"https://h/v1", "/users", "groups?page=2", "https://h/v1/groups?page=2"},
		{"https://h/v1", "", "//h/x", "https://h/x"},
		{"https://h/v1", "", "?page=2", ""},
		{"https://h/v1", "", "users", ""},
		{"https://h/v1", "", "https:users", ""},
		{"https://h/v1", "", "https:/users", ""},
		{"https://h/v1", "", "mailto:a@h", ""},
		{"https://h/v1", "", "file:///etc/passwd", ""},
		{"https://h/v1", "", "http://h/v1/users", ""},
		{"https://h/v1", "", "http://h:443/v1/users", ""},
		{"https://h/v1", "", "https://h:8443/users", ""},
		{"https://h:8443/v1", "", "https://h/users", ""},
		{"https://h/v1", "", "https://evil.example/users", ""},
		{"https://h/v1", "", "//evil.example/users", ""},
		{"https://h/v1", "", "https://h.evil.example/users", ""},
		{"https://h/v1", "", "https://h@evil.example/users", ""},
		{"https://h/v1", "", "https://evil.example\\@h/users", ""},
		{"https://h/v1", "", "https://evil.example%2F@h/users", ""},
		{"https://h/v1", "", "https://u@h/users", ""},
		{"https://h/v1", "", "https://u:p@h/users", ""},
		{"https://h/v1", "", "https://h./users", ""},
		{"https://h/v1", "", "https:///users", ""},
		{"https://h/v1", "", " https://h/users", ""},
		{"https://h/v1", "", "https://h/\r\nusers", ""},
		{"https://h/v1", "", "https://h/%zz", ""},
		{"https://h/v1", "", "https://h:x/users", ""},
	} {
		at, err := asked(t, c.base, httpx.Request{Path: c.path, URL: c.url})
		switch {
		case c.want != "" && (err != nil || at != c.want):
			t.Errorf("%s from %s%s: asked %q, %v", c.url, c.base, c.path, at, err)
		case c.want == "" && (at != "" || fault.KindOf(err) != fault.Invalid):
			t.Errorf("%s from %s%s: asked %q, %v", c.url, c.base, c.path, at, err)
		}
	}
}

func TestIDsInPathsLeadNowhereElse(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"https://h", "https://h/api/v1", "https://h/a%2Fb/v 1"} {
		for _, id := range []string{"7", "a b", "a/b", "a%2Fb", "50%", "a?b=c", "a#b", "ä", "a+b", "a;b", "a..b", "...", "/..", "a\nb", "*"} {
			at, err := asked(t, base, httpx.Request{Path: "/groups/" + url.PathEscape(id) + "/members", Query: url.Values{"q": {"a/b c"}}})
			u, parsed := url.Parse(at)
			if err != nil || parsed != nil {
				t.Errorf("%q: %v, %v", id, err, parsed)
				continue
			}
			begin, _ := httpx.ParseBase(base)
			parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), begin.EscapedPath()), "/")
			if got, _ := url.PathUnescape(parts[2]); len(parts) != 4 || parts[1] != "groups" || got != id || parts[3] != "members" || u.Query().Get("q") != "a/b c" {
				t.Errorf("%s with %q: asked %s", base, id, at)
			}
		}
		for _, id := range []string{"", ".", "..", "%2e%2e", "%2E", ".%2e"} {
			at, err := asked(t, base, httpx.Request{Path: "/groups/" + id + "/members"})
			if at != "" || fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: asked %s, %v", id, at, err)
			}
			if at, err := asked(t, base, httpx.Request{Path: "/groups/" + id}); id != "" && (at != "" || fault.KindOf(err) != fault.Invalid) {
				t.Errorf("%q at the end: asked %s, %v", id, at, err)
			}
		}
		if at, err := asked(t, base, httpx.Request{Path: "/groups/"}); err != nil || !strings.HasSuffix(at, "/groups/") {
			t.Errorf("a slash at the end: asked %s, %v", at, err)
		}
	}
}

func TestErrorsAboutAServersAddressHoldNoQuery(t *testing.T) {
	t.Parallel()
	client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "https", Host: "h"}, Transport: inMemory{answer(400, "application/json", "{}")}})
	_, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Op: "read it", URL: "https://h/users?cursor=" + canary})
	if err == nil || !strings.Contains(err.Error(), "x (GET /users)") || strings.Contains(err.Error(), canary) {
		t.Errorf("%v", err)
	}
	_, err = client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Op: "read it", URL: "https://evil.example/users?cursor=" + canary})
	if err == nil || strings.Contains(err.Error(), canary) || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}
