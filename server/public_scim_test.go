package server

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"groupsyncd/internal/secret"
)

const (
	scimToken = "canary-scim-0123456789"
	nextToken = "canary-next-0123456789"
)

// reception is a porch with a source that its provider fills.
type reception struct {
	*porch
	dir    string
	bodies []string
}

func newReception(t *testing.T) *reception {
	t.Helper()
	r := &reception{porch: newPorch(t, &notebook{}), dir: t.TempDir()}
	r.tokens(scimToken)
	var refs []secret.Ref
	for _, name := range []string{"one", "two"} {
		ref, err := secret.Parse("file:" + filepath.Join(r.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	r.Use(nil, []Provision{{Name: "pushed", Tokens: refs, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, err := io.ReadAll(q.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.become(func() { r.bodies = append(r.bodies, q.Method+" "+q.URL.Path+" "+string(b[:min(len(b), 20)])) })
		if q.URL.Path == "/scim/pushed/v2/panic" {
			panic("a bug")
		}
		w.WriteHeader(http.StatusNoContent)
	})}}, "")
	return r
}

// tokens puts the tokens into their files; an empty one is no file.
func (r *reception) tokens(list ...string) {
	r.Helper()
	for i, name := range []string{"one", "two"} {
		file := filepath.Join(r.dir, name)
		if i >= len(list) {
			_ = os.Remove(file) // It may not be there.
		} else if err := os.WriteFile(file, []byte(list[i]+"\n"), 0o600); err != nil {
			r.Fatal(err)
		}
	}
}

func (r *reception) ask(method, path, token, body string) response {
	head := http.Header{}
	if token != "" {
		head.Set("Authorization", "Bearer "+token)
	}
	return r.post(letter{method: method, path: path, body: body, head: head})
}

func TestAProviderNeedsItsToken(t *testing.T) {
	t.Parallel()
	r := newReception(t)
	if a := r.ask("POST", "/scim/pushed/v2/Users", scimToken, "{}"); a.status != 204 || len(r.bodies) != 1 || r.bodies[0] != "POST /scim/pushed/v2/Users {}" {
		t.Fatalf("%+v, %v", a, r.bodies)
	}
	wrong := r.ask("GET", "/scim/pushed/v2/Users", "wrong-0123456789abcdef", "")
	var v struct {
		Schemas []string
		Status  string
	}
	if err := json.Unmarshal([]byte(wrong.body), &v); err != nil || v.Status != "401" || len(v.Schemas) != 1 || !strings.HasSuffix(v.Schemas[0], ":Error") {
		t.Errorf("%v: %s", err, wrong.body)
	}
	if !strings.HasPrefix(wrong.head.Get("WWW-Authenticate"), "Bearer") || wrong.head.Get("Content-Type") != "application/scim+json" {
		t.Errorf("%v", wrong.head)
	}
	for name, a := range map[string]response{
		"no token": r.ask("GET", "/scim/pushed/v2/Users", "", ""), "a name that nobody has": r.ask("GET", "/scim/other/v2/Users", scimToken, ""),
		"no name": r.ask("GET", "/scim/", scimToken, ""), "a webhook's path": r.ask("GET", "/scim/login/v2", scimToken, ""),
		"another scheme": r.post(letter{method: "GET", path: "/scim/pushed/v2/Users", head: http.Header{"Authorization": {"Basic " + scimToken}}}),
	} {
		if a.status != 401 || a.body != wrong.body || a.head.Get("WWW-Authenticate") != wrong.head.Get("WWW-Authenticate") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := r.ask("GET", "/scim/pushed/v1/Users", scimToken, ""); a.status != 404 {
		t.Errorf("another version: %d", a.status)
	}
	if len(r.bodies) != 1 {
		t.Errorf("what was refused came through: %v", r.bodies)
	}
	if strings.Contains(r.out.String(), "canary") || strings.Contains(r.out.String(), "wrong-0123") {
		t.Error("a token is in the log")
	}
}

func TestTokensOfAProviderRotate(t *testing.T) {
	t.Parallel()
	r := newReception(t)
	is := func(old, next int) {
		t.Helper()
		if a, b := r.ask("GET", "/scim/pushed/v2", scimToken, ""), r.ask("GET", "/scim/pushed/v2", nextToken, ""); a.status != old || b.status != next {
			t.Errorf("the old token gives %d, the next one %d", a.status, b.status)
		}
	}
	is(204, 401)
	r.tokens(scimToken, nextToken)
	is(204, 204)
	r.tokens(nextToken)
	is(401, 204)
	r.tokens("short")
	is(503, 503)
	r.tokens()
	is(503, 503)
}

func TestWhatAProviderMaySendIsBounded(t *testing.T) {
	t.Parallel()
	r := newReception(t)
	large := strings.Repeat("x", 8<<20)
	if a := r.ask("POST", "/scim/pushed/v2/Bulk", scimToken, large); a.status != 204 {
		t.Errorf("8 MiB: %d", a.status)
	}
	if a := r.ask("POST", "/scim/pushed/v2/Bulk", scimToken, large+"x"); a.status != 413 && a.status != 0 {
		t.Errorf("more: %d", a.status)
	}
	// What is not let in is not read: the answer comes before the body.
	if a := r.post(letter{method: "POST", path: "/scim/pushed/v2/Bulk", body: large, head: http.Header{"Authorization": {"Bearer no"}}}); a.status != 401 && a.status != 0 {
		t.Errorf("without a token: %d", a.status)
	}
	if a := r.ask("POST", "/scim/pushed/v2/panic", scimToken, "{}"); a.status != 500 {
		t.Errorf("a bug: %d", a.status)
	}
	if r.limits.provided != 0 || r.limits.providing != 0 {
		t.Errorf("%d bytes and %d requests are still held", r.limits.provided, r.limits.providing)
	}
	// Whoever has the token may send much more than others.
	for i := range 400 {
		if a := r.ask("GET", "/scim/pushed/v2/Users", scimToken, ""); a.status != 204 {
			t.Fatalf("request %d: %d", i, a.status)
		}
	}
	refused := 0
	for range 60 {
		if a := r.ask("GET", "/scim/pushed/v2/Users", "guess-0123456789", ""); a.status == 429 {
			refused++
		}
	}
	if refused == 0 {
		t.Error("whoever guesses may guess on")
	}
}
