package httpx

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

// Request is one call of an API.
type Request struct {
	Method string
	// Path is appended to the base address, as it is written there: an id in it goes through
	// url.PathEscape. One that is empty or a dot is refused. Query may be nil.
	Path  string
	Query url.Values
	// URL is an address that the server gave, such as that of the next page, in place of Path
	// and Query. One that leads to another server is refused; a part of one belongs to Path.
	URL string
	// Header is added to that of the request; it holds no secret.
	Header http.Header
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
			s.c.o.Logger.Info("request failed, trying again", "server", s.c.o.Name, "err", failed, "wait", wait.Round(time.Millisecond).String())
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
	if ctx.Err() != nil && !errors.Is(failed, ctx.Err()) && !errors.Is(failed, ErrClosed) {
		// The wait was interrupted; what made us wait is the more useful half.
		return s.fail(ctxFault(ctx), q, fmt.Errorf("%w while waiting to try again: %w", ended(ctx), cause(failed)), fault.HintOf(failed))
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
		s.c.o.Meter.change(func(c *Counts) { c.Exhausted++ })
		return backoff.Permanent(err)
	}
	s.c.o.Meter.change(func(c *Counts) { c.Retries++ })
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
	return fault.New(kind, q.Op, s.c.o.Name+" ("+strings.TrimSpace(q.Method+" "+q.place())+")", err, hint)
}

// place gives the path of a request for people. The query stays away: cursors in it may be
// worth something.
func (q *Request) place() string {
	if q.Path != "" || q.URL == "" {
		return q.Path
	}
	if u, err := url.Parse(q.URL); err == nil {
		return Shorten(u.EscapedPath(), 200)
	}
	return ""
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
	if fault.KindOf(unread).Retryable() {
		return nil, unread // Whether we are known is decided by the one that we are given then.
	}
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
		open := s.c.breaker.leave(err)
		s.c.o.Meter.change(func(c *Counts) { c.Spared = open })
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
func (s *Session) once(ctx context.Context, q *Request, payload []byte, credential string) (answer *Answer, err error) {
	key := secret.New(credential)
	if s.c.o.Limiter != nil {
		leave, err := s.c.o.Limiter.enter(ctx, q.Cost)
		if err != nil && ctx.Err() != nil {
			return nil, s.fail(ctxFault(ctx), q, fmt.Errorf("%w while waiting for our turn at this server", ended(ctx)), "")
		}
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
	defer func() { s.c.o.Meter.attempt(err) }()
	began := time.Now()
	resp, err := s.c.http.Do(req)
	if err != nil {
		return nil, s.transportFault(ctx, q, hide(err, key))
	}
	defer func() { _ = resp.Body.Close() }()
	s.c.o.Meter.Secured(req.URL.Host, resp.TLS)
	body, err := io.ReadAll(io.LimitReader(resp.Body, s.c.o.MaxBody+1))
	s.c.o.Logger.Debug("request", "server", s.c.o.Name, "method", q.Method, "path", q.place(), "status", resp.StatusCode,
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
	if resp.StatusCode == http.StatusNotModified && (q.Header.Get("If-None-Match") != "" || q.Header.Get("If-Modified-Since") != "") {
		return a, nil
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, s.statusFault(q, resp, body, key, wait, told)
	}
	return a, s.decode(q, key.Hide(resp.Header.Get("Content-Type")), body)
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
