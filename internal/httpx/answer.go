package httpx

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

// decode reads the body of a success.
func (s *Session) decode(q *Request, contentType string, body []byte) error {
	if q.Raw != nil {
		if err := q.Raw(contentType, body); err != nil {
			return s.fail(cmp.Or(fault.KindOf(err), fault.Invalid), q, err, "")
		}
		return nil
	}
	if q.Into == nil {
		return nil
	}
	if !isJSON(contentType) {
		media, _, err := mime.ParseMediaType(contentType)
		if err != nil {
			media = ""
		}
		return s.fail(fault.Invalid, q, &NotJSONError{ContentType: Shorten(media, 60)}, "")
	}
	err := json.Unmarshal(body, q.Into)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return s.fail(fault.Unavailable, q, errors.New("the answer was cut or damaged: it is not complete JSON"), "")
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && !q.Secret {
		return s.fail(fault.Invalid, q, fmt.Errorf("the answer has an unknown form: %s is a %s", e.Field, e.Value), "")
	}
	return s.fail(fault.Invalid, q, errors.New("the answer has an unknown form"), "")
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

// statusFault makes the error of an answer that is not a success.
func (s *Session) statusFault(q *Request, resp *http.Response, body []byte, key secret.Value, wait time.Duration, told bool) error {
	e := &StatusError{Status: resp.StatusCode, JSON: isJSON(resp.Header.Get("Content-Type"))}
	if e.JSON {
		e.Code, e.Detail = said(body)
		e.Code, e.Detail = Shorten(key.Hide(e.Code), 80), Shorten(key.Hide(e.Detail), 200)
	}
	if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
		e.Location = Shorten(key.Hide(u.Scheme+"://"+u.Host+u.Path), 200)
	}
	kind := kindOf(resp.StatusCode, e.JSON)
	if s.c.o.Kind != nil {
		kind = cmp.Or(s.c.o.Kind(e), kind)
	}
	if q.Secret {
		e.Code, e.Detail = "", ""
	}
	f := s.fail(kind, q, e, "")
	if !f.Kind.Retryable() {
		return f
	}
	if after, ok := RetryAfter(resp.Header, s.c.o.Now()); ok {
		wait, told = after, true
	}
	switch {
	case told && (wait > 0 || kind != fault.Throttled): // "Too much, come back at once" is no word.
		s.rest(wait)
		return &throttle{error: f, after: wait}
	case kind == fault.Throttled:
		// Nobody said how long. Who is next at this server would hear the same at once.
		s.rest(untold)
	}
	return f
}

// untold is how long a server is left alone that throttles and does not say until when.
const untold = time.Second

// rest sends nothing for a while through the limiter, if there is one.
func (s *Session) rest(wait time.Duration) {
	if s.c.o.Limiter != nil {
		s.c.o.Limiter.Pause(min(wait, s.c.o.Retry.MaxWait))
	}
}

// kindOf says what a status means. A 404 that is no JSON comes from something in
// front of the API and says nothing about the thing asked for.
func kindOf(status int, isJSON bool) fault.Kind {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return fault.Auth
	case status == http.StatusNotFound && isJSON, status == http.StatusGone && isJSON:
		return fault.NotFound
	case status == http.StatusConflict:
		return fault.Conflict
	case status == http.StatusTooManyRequests:
		return fault.Throttled
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500 && status != http.StatusNotImplemented:
		return fault.Unavailable
	}
	return fault.Invalid
}

// RetryAfter reads the header of that name: seconds, or a date (RFC 9110, section 10.2.3),
// which is by the server's clock where that is told.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := h.Get("Retry-After")
	if value == "" {
		return 0, false
	}
	if n, err := strconv.Atoi(value); err == nil && n >= 0 && n < 1<<31 {
		return time.Duration(n) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		return max(0, at.Sub(now)), true
	}
	return 0, false
}

// pace obeys what a vendor says of its limits in any answer.
func (s *Session) pace(resp *http.Response) (wait time.Duration, told bool) {
	if s.c.o.Pace == nil {
		return 0, false
	}
	wait, told = s.c.o.Pace(resp.StatusCode, resp.Header, s.c.o.Now())
	wait = max(0, wait)
	if told {
		s.rest(wait)
	}
	return wait, told
}
