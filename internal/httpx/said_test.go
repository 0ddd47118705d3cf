package httpx_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
)

func TestTheServersOwnWordsAreKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, code, text string }{
		"FastAPI":                   {`{"detail": "no such group"}`, "", "no such group"},
		"FastAPI's checks":          {`{"detail": [{"loc": ["body", "users", 0], "msg": "is no id"}, {"loc": ["query"], "msg": "unknown"}]}`, "", "body.users.0: is no id; query: unknown"},
		"Django, as authentik":      {`{"detail": "no rights", "code": "permission_denied"}`, "permission_denied", "no rights"},
		"SCIM":                      {`{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "scimType": "tooMany", "detail": "be more exact", "status": "400"}`, "tooMany", "be more exact"},
		"SCIM with a number":        {`{"detail": "no", "status": 404, "scimType": 7}`, "", "no"},
		"OAuth":                     {`{"error": "invalid_token", "error_description": "it has ended"}`, "invalid_token", "it has ended"},
		"Keycloak":                  {`{"errorMessage": "Realm does not exist"}`, "", "Realm does not exist"},
		"Keycloak's other":          {`{"error": "HTTP 401 Unauthorized"}`, "HTTP 401 Unauthorized", ""},
		"Keycloak's third":          {`{"error": "unknown_error", "error_description": "see the logs"}`, "unknown_error", "see the logs"},
		"Okta":                      {`{"errorCode": "E0000006", "errorSummary": "You do not have permission", "errorLink": "x", "errorId": "oae", "errorCauses": []}`, "E0000006", "You do not have permission"},
		"Okta with causes":          {`{"errorCode": "E0000001", "errorSummary": "Api validation failed", "errorCauses": [{"errorSummary": "limit: too large"}]}`, "E0000001", "Api validation failed: limit: too large"},
		"Graph":                     {`{"error": {"code": "Request_ResourceNotFound", "message": "It does not exist", "innerError": {"date": "x", "code": "y"}}}`, "Request_ResourceNotFound", "It does not exist"},
		"Google, old":               {`{"error": {"code": 403, "message": "Quota exceeded", "errors": [{"message": "Quota exceeded", "domain": "usageLimits", "reason": "quotaExceeded"}]}}`, "quotaExceeded", "Quota exceeded"},
		"Google, new":               {`{"error": {"code": 429, "message": "slower", "status": "RESOURCE_EXHAUSTED", "details": [{"@type": "x"}, {"@type": "ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}]}}`, "RATE_LIMIT_EXCEEDED", "slower"},
		"Google, short":             {`{"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}`, "PERMISSION_DENIED", "no"},
		"problem details":           {`{"type": "about:blank", "title": "Forbidden", "status": 403}`, "", "Forbidden"},
		"message":                   {`{"message": "no"}`, "", "no"},
		"message of another kind":   {`{"message": {"en": "no"}, "errorCode": 12, "detail": "still this"}`, "", "still this"},
		"error of another kind":     {`{"error": ["a"], "message": "no"}`, "", "no"},
		"errors of another kind":    {`{"error": {"code": "x", "message": "no", "errors": "many"}}`, "x", "no"},
		"nothing known":             {`{"because": "no"}`, "", ""},
		"a list":                    {`["no"]`, "", ""},
		"null":                      {`null`, "", ""},
		"half":                      {`{"detail": "n`, "", ""},
		"nothing":                   {``, "", ""},
		"control characters":        {`{"error": "a\u001b[31mb", "detail": "two\nlines\u0000 and \u202e back"}`, "a [31mb", "two lines and back"},
		"a secret":                  {`{"error": "` + canary + `", "detail": "key ` + canary + ` is wrong"}`, "[secret]", "key [secret] is wrong"},
		"very long":                 {`{"error": "` + strings.Repeat("c", 500) + `", "detail": "` + strings.Repeat("d", 500) + `"}`, strings.Repeat("c", 80) + "…", strings.Repeat("d", 200) + "…"},
		"a key that has other case": {`{"Detail": "no"}`, "", "no"},
	} {
		client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: inMemory{answer(400, "application/problem+json", c.body)},
			Bearer: httpx.Key(func() (secret.Value, error) { return secret.New(canary), nil })})
		_, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "read it"})
		e, ok := errors.AsType[*httpx.StatusError](err)
		if !ok || e.Code != c.code || e.Detail != c.text || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %+v", name, e)
		}
		if ok && !strings.Contains(err.Error(), c.code) {
			t.Errorf("%s: the code is not in %q", name, err)
		}
	}
}

func TestWhatAVendorMeansDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &script{handlers: []http.HandlerFunc{answer(403, "application/json", `{"error": {"errors": [{"reason": "quotaExceeded"}]}}`), good()}}
		client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: inMemory{h}, Limiter: httpx.NewLimiter(httpx.Limit{}),
			Kind: func(e *httpx.StatusError) fault.Kind {
				if e.Code == "quotaExceeded" {
					return fault.Throttled
				}
				return 0
			}})
		began := time.Now()
		if _, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "read it", Repeat: true, Secret: true}); err != nil || h.served.Load() != 2 || time.Since(began) < time.Second {
			t.Errorf("%v after %d requests and %s", err, h.served.Load(), time.Since(began))
		}
		h = &script{handlers: []http.HandlerFunc{answer(403, "application/json", `{"error": {"errors": [{"reason": "forbidden"}]}}`)}}
		client = httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: inMemory{h}, Kind: func(*httpx.StatusError) fault.Kind { return 0 }})
		if _, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "read it", Repeat: true}); fault.KindOf(err) != fault.Auth || h.served.Load() != 1 {
			t.Errorf("%v after %d requests", err, h.served.Load())
		}
	})
}

func TestOnlyTheAPIItselfSaysThatAThingIsGone(t *testing.T) {
	t.Parallel()
	for media, want := range map[string]fault.Kind{
		"application/json": fault.NotFound, "application/scim+json; charset=utf-8": fault.NotFound, "application/problem+json": fault.NotFound,
		"text/html": fault.Invalid, "text/plain": fault.Invalid, "": fault.Invalid, "application/xml": fault.Invalid,
	} {
		for _, status := range []int{404, 410} {
			client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: inMemory{answer(status, media, `{"detail": "gone"}`)}})
			if _, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "read it"}); fault.KindOf(err) != want {
				t.Errorf("%d as %q: %v", status, media, err)
			}
		}
	}
}

func TestUnchangedIsASuccessOnlyWhenItWasAskedFor(t *testing.T) {
	t.Parallel()
	client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Transport: inMemory{answer(304, "", "", "ETag", `"7"`)}})
	for _, header := range []http.Header{{"If-None-Match": {`"7"`}}, {"If-Modified-Since": {"Mon, 02 Jan 2006 15:04:05 GMT"}}} {
		var into reply
		a, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "read it", Header: header, Into: &into})
		if err != nil || a.Status != http.StatusNotModified || a.Header.Get("ETag") != `"7"` || into.OK {
			t.Errorf("%+v, %v", a, err)
		}
	}
	if _, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "read it"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}

func TestWalksOverPagesEnd(t *testing.T) {
	t.Parallel()
	var w httpx.Walk
	for i := range 1000 {
		if err := w.Next(fmt.Sprint("page ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Next("page 3"); err == nil || !strings.Contains(err.Error(), "again and again") {
		t.Errorf("a loop: %v", err)
	}
	bounded := httpx.Walk{Max: 2}
	for i, want := range []bool{true, true, false} {
		if err := bounded.Next(fmt.Sprint(i)); (err == nil) != want {
			t.Errorf("page %d: %v", i, err)
		}
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		slow   bool
		handle http.HandlerFunc
	}{
		"an answer that does not come": {false, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		"a wait to try again":          {false, answer(503, "application/json", "{}", "Retry-After", "60")},
		"a turn at the limiter":        {true, answer(503, "application/json", "{}", "Retry-After", "0")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limit := httpx.Limit{}
				if c.slow {
					limit = httpx.Limit{PerSecond: 0.001, Burst: 1}
				}
				client := httpx.New(httpx.Options{Name: "x", Base: &url.URL{Scheme: "http", Host: "x"}, Limiter: httpx.NewLimiter(limit), Timeout: time.Hour,
					Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
						resp, err := inMemory{c.handle}.RoundTrip(r)
						if r.Context().Err() != nil {
							return nil, r.Context().Err()
						}
						return resp, err
					})})
				done := make(chan error)
				go func() {
					_, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "read it", Repeat: true})
					done <- err
				}()
				time.Sleep(5 * time.Second)
				client.Close()
				if err := <-done; fault.KindOf(err) != fault.Canceled || !errors.Is(err, httpx.ErrClosed) {
					t.Errorf("%v (%s)", err, fault.KindOf(err))
				}
				if _, err := client.Session().Do(t.Context(), httpx.Request{Method: http.MethodGet, Path: "/x", Op: "read it"}); fault.KindOf(err) != fault.Canceled || !errors.Is(err, httpx.ErrClosed) {
					t.Errorf("after Close: %v", err)
				}
			})
		})
	}
}
