package httpx

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/cenkalti/backoff/v5"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

// Request is one call of an API.
type Request struct {
	Method string
	// Path is appended to the base address; Query may be nil.
	Path  string
	Query url.Values
	// URL is an address that the server gave, such as that of the next page, in place of Path
	// and Query. One that leads to another server is refused.
	URL string
	// Header is added to that of the request; it holds no secret.
	Header http.Header
	// Form is sent as application/x-www-form-urlencoded in place of Body.
	Form url.Values
	// Cost is how much of the limiter the request takes; zero: 1.
	Cost int
	// Op says in words what the call is for: "read groups".
	Op string
	// Body is sent as JSON unless nil; Into receives the JSON of the answer unless
	// nil.
	Body, Into any
	// Raw, where it is set, is given the body of a success in place of Into, and the type
	// of its content, which may be another than JSON. Its error ends the request.
	Raw func(contentType string, body []byte) error
	// Bearer is sent in place of the client's own credential, unless it is empty.
	Bearer secret.Value
	// Repeat allows a second attempt although the first may have had its effect: for
	// reads, and for writes that have the same effect once and twice.
	Repeat bool
	// Happened makes other writes repeatable: after an attempt with an unknown outcome
	// it looks whether there was an effect. Do returns ErrHappened when there was.
	Happened func(context.Context) (bool, error)
	// Secret says that the answer holds secrets: nothing of it is repeated in errors.
	Secret bool
}

// Answer is what came back beside the body.
type Answer struct {
	Status int
	Header http.Header
	// Date is the server's clock; zero when it was not told.
	Date time.Time
	// Took is how long the last attempt took.
	Took time.Duration
}

// Do sends a request, again where that is allowed and may help, and reads the answer.
//
// A credential that is refused with 401 is read again, and when it is another one now, the
// request is sent once more: it was refused before it could have an effect.
//
// Errors are *fault.Error: Invalid (400, 405, 413, 422 and what is no JSON), Auth (401,
// 403), NotFound, Conflict, Throttled, Unavailable and Canceled, with a StatusError or
// NotJSONError inside. They hold no credential and no query.
func (s *Session) Do(ctx context.Context, q Request) (*Answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.c.life, func() { cancel(ErrClosed) })()
	if s.c.life.Err() != nil {
		return nil, s.fail(fault.Canceled, &q, ErrClosed, "")
	}
	payload, err := encode(&q)
	if err != nil {
		return nil, s.fail(fault.Invalid, &q, err, "")
	}
	var failed error // of the latest attempt
	lost := false    // whether that attempt may have had an effect nobody looked for
	tries := uint(0)
	attempt := func() (*Answer, error) {
		if tries++; tries > 1 && q.Happened != nil {
			lost = false
			if failed = s.settle(ctx, &q); failed != nil {
				return nil, backoff.Permanent(failed)
			}
		}
		var a *Answer
		if a, failed = s.guarded(ctx, &q, payload); failed == nil {
			return a, nil
		}
		lost = q.Happened != nil && fault.KindOf(failed).Retryable() && !errors.Is(failed, errOpen)
		return nil, s.again(ctx, &q, failed, tries)
	}
	a, err := backoff.Retry(ctx, attempt, backoff.WithBackOff(s.steps(&q)), backoff.WithMaxTries(s.c.o.Retry.Tries),
		backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(_ error, wait time.Duration) {
			s.c.o.Logger.Warn("request failed, trying again", "server", s.c.o.Name, "err", failed, "wait", wait.Round(time.Millisecond).String())
		}))
	if err == nil {
		s.earn()
		return a, nil
	}
	return nil, s.ended(ctx, &q, failed, lost)
}

// steps gives the waits between the attempts of one request.
func (s *Session) steps(q *Request) backoff.BackOff {
	steps := &backoff.ExponentialBackOff{
		InitialInterval: s.c.o.Retry.First, RandomizationFactor: 1, Multiplier: 2, MaxInterval: s.c.o.Retry.Max,
	}
	if q.Happened != nil {
		// The server may still be at work on the lost attempt, so no wait is near zero.
		steps.RandomizationFactor = 0.5
	}
	return steps
}

// ended gives the error of a request that is not sent again.
func (s *Session) ended(ctx context.Context, q *Request, failed error, lost bool) error {
	if t, ok := errors.AsType[*throttle](failed); ok {
		failed = t.error
		if f, ok := errors.AsType[*fault.Error](failed); ok {
			f.After = t.after
		}
	}
	if ctx.Err() != nil && !errors.Is(failed, ctx.Err()) {
		// The wait was interrupted; what made us wait is the more useful half.
		return s.fail(ctxFault(ctx), q, fmt.Errorf("%w while waiting to try again: %w", ctx.Err(), cause(failed)), fault.HintOf(failed))
	}
	if lost && ctx.Err() == nil {
		if err := s.settle(ctx, q); errors.Is(err, ErrHappened) {
			return err
		}
	}
	return failed
}

// settle finds out whether a lost attempt had its effect.
func (s *Session) settle(ctx context.Context, q *Request) error {
	happened, err := q.Happened(ctx)
	switch {
	case err != nil:
		return s.fail(fault.KindOf(err), q, fmt.Errorf("the answer was lost, and whether it had an effect could not be seen: %w", err), fault.HintOf(err))
	case happened:
		return ErrHappened
	}
	return nil
}

// again wraps an error for the retry loop: permanent, or to be tried after a wait.
func (s *Session) again(ctx context.Context, q *Request, err error, tries uint) error {
	if !fault.KindOf(err).Retryable() || errors.Is(err, errOpen) || !q.Repeat && q.Happened == nil || ctx.Err() != nil || tries >= s.c.o.Retry.Tries {
		return backoff.Permanent(err)
	}
	wait, told := retryAfter(err)
	if told {
		deadline, bounded := ctx.Deadline()
		if wait > s.c.o.Retry.MaxWait || bounded && time.Until(deadline) < wait {
			return backoff.Permanent(err)
		}
	}
	if !s.spend() {
		return backoff.Permanent(err)
	}
	if told {
		return &backoff.RetryAfterError{Duration: wait}
	}
	return err
}

// throttle carries how long a server wants us to wait.
type throttle struct {
	error
	after time.Duration
}

func (t *throttle) Unwrap() error { return t.error }

func retryAfter(err error) (time.Duration, bool) {
	if t, ok := errors.AsType[*throttle](err); ok {
		return t.after, true
	}
	// Of a credential that could not be exchanged.
	after := fault.AfterOf(err)
	return after, after > 0
}

// cause gives what lies under the fault, whose operation and place are already told.
func cause(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Err
	}
	return err
}

func encode(q *Request) ([]byte, error) {
	if q.Form != nil {
		return []byte(q.Form.Encode()), nil
	}
	if q.Body == nil {
		return nil, nil
	}
	b, err := json.Marshal(q.Body)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return b, nil
}

// fail makes the error of a request.
func (s *Session) fail(kind fault.Kind, q *Request, err error, hint string) *fault.Error {
	return fault.New(kind, q.Op, s.c.o.Name+" ("+strings.TrimSpace(q.Method+" "+q.Path)+")", err, hint)
}

// guarded makes one attempt if the breaker allows it, and a second one with a credential
// that was exchanged meanwhile.
func (s *Session) guarded(ctx context.Context, q *Request, payload []byte) (*Answer, error) {
	key, err := s.bearer(ctx, q, "")
	if err != nil {
		return nil, err
	}
	a, err := s.allowed(ctx, q, payload, key)
	if status(err) != http.StatusUnauthorized {
		return a, err
	}
	now, unread := s.bearer(ctx, q, key)
	if unread != nil || now == key {
		return nil, err
	}
	s.c.o.Logger.Info("credential refused, trying the one that is there now", "server", s.c.o.Name)
	return s.allowed(ctx, q, payload, now)
}

// allowed makes one attempt if the breaker lets it through.
func (s *Session) allowed(ctx context.Context, q *Request, payload []byte, key string) (a *Answer, err error) {
	if wait, ok := s.c.breaker.enter(); !ok {
		return nil, s.spared(q, wait)
	}
	err = context.Canceled // what a panic below leaves behind: the attempt has shown nothing
	defer func() {
		if err != nil && ctx.Err() != nil {
			s.c.breaker.leave(context.Canceled)
			return
		}
		s.c.breaker.leave(err)
	}()
	return s.once(ctx, q, payload, key)
}

// status gives the status of an answer that was no success, or zero.
func status(err error) int {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Status
	}
	return 0
}

// once makes one attempt.
func (s *Session) once(ctx context.Context, q *Request, payload []byte, credential string) (*Answer, error) {
	key := secret.New(credential)
	if s.c.o.Limiter != nil {
		leave, err := s.c.o.Limiter.enter(ctx, q.Cost)
		if err != nil {
			return nil, s.fail(cmp.Or(fault.KindOf(err), fault.Unavailable), q, fmt.Errorf("while waiting for our turn at this server: %w", err), "")
		}
		defer leave()
	}
	attempt, cancel := context.WithTimeout(ctx, s.c.o.Timeout)
	defer cancel()
	req, err := s.build(attempt, q, payload, credential)
	if err != nil {
		return nil, err
	}
	s.count(q.Method)
	began := time.Now()
	resp, err := s.c.http.Do(req)
	if err != nil {
		return nil, s.transportFault(ctx, q, hide(err, key))
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, s.c.o.MaxBody+1))
	s.c.o.Logger.Debug("request", "server", s.c.o.Name, "method", q.Method, "path", q.Path, "status", resp.StatusCode,
		"bytes", len(body), "ms", time.Since(began).Milliseconds())
	if err != nil {
		return nil, s.transportFault(ctx, q, hide(fmt.Errorf("the answer was cut: %w", err), key))
	}
	if int64(len(body)) > s.c.o.MaxBody {
		return nil, s.fail(fault.Invalid, q, fmt.Errorf("the answer is larger than %d bytes", s.c.o.MaxBody), "")
	}
	a := &Answer{Status: resp.StatusCode, Header: resp.Header, Took: time.Since(began)}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.Date = date
		s.answered(date)
	}
	wait, told := s.pace(resp)
	if resp.StatusCode == http.StatusNotModified && q.Header.Get("If-None-Match") != "" {
		return a, nil
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, s.statusFault(q, resp, body, key, wait, told)
	}
	return a, s.decode(q, key.Hide(resp.Header.Get("Content-Type")), body)
}

// build makes the request.
func (s *Session) build(ctx context.Context, q *Request, payload []byte, secret string) (*http.Request, error) {
	u, err := s.address(q)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if payload != nil {
		body = bytes.NewReader(payload)
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, u.String(), body)
	if err != nil {
		return nil, s.fail(fault.Invalid, q, errors.New("the request cannot be built"), "check the url")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "groupsyncd")
	switch {
	case q.Form != nil:
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case payload != nil:
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, q.Header)
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	return req, nil
}

// address gives where a request goes. One that a server gave must lead to that server again.
func (s *Session) address(q *Request) (*url.URL, error) {
	u := *s.c.o.Base
	if q.URL == "" {
		u.Path += q.Path
		u.RawQuery = q.Query.Encode()
		return &u, nil
	}
	to, err := u.Parse(q.URL)
	if err != nil {
		return nil, s.fail(fault.Invalid, q, errors.New("the server gives an address that cannot be understood"), "")
	}
	if to.Scheme != u.Scheme || !strings.EqualFold(to.Host, u.Host) || to.User != nil {
		return nil, s.fail(fault.Invalid, q, fmt.Errorf("the server leads to %s, and only %s is asked", Shorten(to.Scheme+"://"+to.Host, 100), u.Scheme+"://"+u.Host),
			"is the url in the configuration the address under which the server knows itself?")
	}
	return to, nil
}

// pace obeys what a vendor says of its limits in any answer.
func (s *Session) pace(resp *http.Response) (wait time.Duration, told bool) {
	if s.c.o.Pace == nil {
		return 0, false
	}
	wait, told = s.c.o.Pace(resp.StatusCode, resp.Header, s.c.o.Now())
	if told && s.c.o.Limiter != nil {
		s.c.o.Limiter.Pause(min(wait, s.c.o.Retry.MaxWait))
	}
	return wait, told
}

// bearer reads the credential as it is now.
func (s *Session) bearer(ctx context.Context, q *Request, refused string) (string, error) {
	key := q.Bearer
	if key.Reveal() == "" {
		if s.c.o.Bearer == nil {
			return "", nil
		}
		var err error
		if key, err = s.c.o.Bearer(ctx, secret.New(refused)); err != nil {
			if fault.KindOf(err) != 0 {
				return "", err // It says itself what failed and where.
			}
			return "", s.fail(fault.Auth, q, err, "check where the configuration says that the key is kept")
		}
	}
	revealed := key.Reveal()
	if strings.ContainsFunc(revealed, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", s.fail(fault.Auth, q, errors.New("the key contains a space, a line break or another character that no key has"),
			"put the key alone on the only line of its file")
	}
	return revealed, nil
}

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
		e.Code, e.Detail = said(body, key)
	}
	if q.Secret {
		e.Detail = ""
	}
	if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
		e.Location = Shorten(key.Hide(u.Scheme+"://"+u.Host+u.Path), 200)
	}
	kind := kindOf(resp.StatusCode, e.JSON)
	if s.c.o.Kind != nil {
		kind = cmp.Or(s.c.o.Kind(e), kind)
	}
	f := s.fail(kind, q, e, "")
	if !f.Kind.Retryable() {
		return f
	}
	if after, ok := RetryAfter(resp.Header.Get("Retry-After"), s.c.o.Now()); ok {
		wait, told = after, true
		if s.c.o.Limiter != nil && kind == fault.Throttled {
			s.c.o.Limiter.Pause(min(wait, s.c.o.Retry.MaxWait))
		}
	}
	if told {
		return &throttle{error: f, after: wait}
	}
	return f
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

// RetryAfter reads the value of that header: seconds or a date (RFC 9110, section 10.2.3).
func RetryAfter(value string, now time.Time) (time.Duration, bool) {
	if value == "" {
		return 0, false
	}
	if n, err := strconv.Atoi(value); err == nil && n >= 0 && n < 1<<31 {
		return time.Duration(n) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now)), true
	}
	return 0, false
}

// hide takes the credential out of an error that may repeat what a server said. The
// error itself goes on where it holds none.
func hide(err error, key secret.Value) error {
	if text := err.Error(); key.Hide(text) != text {
		return errors.New(key.Hide(text))
	}
	return err
}

// Shorten makes a foreign text fit for one line of a log.
func Shorten(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(text); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return text
}

// transportFault makes the error of a request without a whole answer.
func (s *Session) transportFault(ctx context.Context, q *Request, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the outer one repeats the address with its query
	}
	switch {
	case ctx.Err() != nil:
		return s.fail(ctxFault(ctx), q, ctx.Err(), "")
	case errors.Is(err, context.DeadlineExceeded):
		return s.fail(fault.Unavailable, q, fmt.Errorf("no answer within %s", s.c.o.Timeout), "")
	}
	kind, hint := Network(err, s.c.o.Base)
	return s.fail(kind, q, err, hint)
}

// Network says what a request without an answer means, and what to do about it.
func Network(err error, base *url.URL) (kind fault.Kind, hint string) {
	kind = fault.Unavailable
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		hint = "check the host name in the url"
	} else if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		hint = "is the server running, and is the url right? address: " + base.Scheme + "://" + base.Host
	}
	if h, ok := tlsHint(err); ok {
		return fault.Invalid, h
	}
	return kind, hint
}

// tlsHint explains failures of TLS that no repetition heals.
func tlsHint(err error) (string, bool) {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "give the certificate of the authority that signed the server's certificate as ca_file", true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "use the host name that the certificate is for in the url", true
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "the server's certificate has expired, or a clock is wrong", true
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return "the server speaks plain HTTP on that port: write http:// or use its TLS port", true
	}
	return "", false
}
