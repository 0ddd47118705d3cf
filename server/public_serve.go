package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/logging"
	"groupsyncd/internal/secret"
	"groupsyncd/server/hooks"
)

// Result is what became of a request to a webhook, in a word.
type Result string

// The results.
const (
	// Accepted led to a run, Ignored concerns nobody here, Repeated came before, and a
	// Handshake was answered.
	Accepted  Result = "accepted"
	Ignored   Result = "ignored"
	Repeated  Result = "repeated"
	Handshook Result = "handshake"
	// Refused is not from who it claims, Unknown is for no webhook of ours.
	Refused Result = "refused"
	Unknown Result = "unknown"
	// Unreadable is from who it claims and not of the dialect.
	Unreadable Result = "unreadable"
	WrongWay   Result = "method"
	TooLong    Result = "too_long"
	TooMany    Result = "too_many"
	// Busy means that too much is under way, Failed that something of ours does not work.
	Busy   Result = "busy"
	Failed Result = "failed"
)

// Results lists every result.
func Results() []Result {
	return []Result{Accepted, Ignored, Repeated, Handshook, Refused, Unknown, Unreadable, WrongWay, TooLong, TooMany, Busy, Failed}
}

// denial is an answer that is not a success. Its text goes to whoever asks; why goes to the
// log, and holds nothing that was sent.
type denial struct {
	result Result
	status int
	text   string
	why    string
	// after is when to come back.
	after time.Duration
	// hang ends the connection: what is still to come is not read.
	hang bool
}

const tooMuch = "come back a little later"

// serve answers one request.
func (p *Public) serve(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Referrer-Policy", "no-referrer")
	from := senderOf(r)
	h, tail, ok := p.find(r.URL.Path)
	if !ok {
		h = p.nobody
	}
	defer func() {
		v := recover()
		if v == http.ErrAbortHandler { //nolint:errorlint,err113 // It is what net/http compares with.
			panic(v)
		}
		if v != nil {
			p.Logger.LogAttrs(r.Context(), slog.LevelError, "panic in a webhook", slog.String(logging.KeyName, h.Config.Name),
				slog.String(logging.KeyErr, fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			p.deny(w, r, h, from, &denial{result: Failed, status: http.StatusInternalServerError, text: "an internal error"})
		}
	}()
	if !ok && strings.HasPrefix(r.URL.Path, provisioning) {
		p.provision(w, r, from)
		return
	}
	if d := p.limits.enter(from); d != nil {
		p.deny(w, r, h, from, d)
		return
	}
	if !ok {
		p.limits.blame(from)
		p.deny(w, r, h, from, &denial{result: Unknown, status: http.StatusNotFound, text: "not found", why: "the path is neither /hooks/NAME nor /scim/NAME/v2"})
		return
	}
	if d := p.receive(w, r, h, tail, from); d != nil {
		p.deny(w, r, h, from, d)
	}
}

// receive takes in what was sent to a webhook.
func (p *Public) receive(w http.ResponseWriter, r *http.Request, h *hook, tail string, from sender) *denial {
	if !slices.Contains(h.Kind.Methods, r.Method) {
		p.limits.blame(from)
		w.Header().Set("Allow", strings.Join(h.Kind.Methods, ", "))
		return &denial{result: WrongWay, status: http.StatusMethodNotAllowed, text: "this path takes " + strings.Join(h.Kind.Methods, " and ") + " alone", why: "the method is wrong", hang: true}
	}
	req := &hooks.Request{Method: r.Method, Header: r.Header, Query: r.URL.Query(), Tail: tail, At: p.Now(), URL: h.url}
	secrets, err := h.secrets()
	if err != nil {
		why := "a secret of the webhook cannot be used: " + err.Error()
		if len(secrets) == 0 && !h.Kind.Tail {
			return &denial{result: Failed, status: http.StatusServiceUnavailable, text: tooMuch, why: why, after: time.Minute}
		}
		p.told.say(r.Context(), h, Failed, why, from)
	}
	if h.Kind.Tail {
		// The address is enough to tell who does not belong here.
		if _, err := h.Dialect.Verify(r.Context(), req, secrets); err != nil {
			return p.refuse(h, from, err)
		}
	}
	body, release, d := p.body(w, r, from)
	if d != nil {
		return d
	}
	defer release()
	req.Body, r.Body = body, http.NoBody
	if answer, ok := h.Dialect.Handshake(req, secrets); ok {
		p.count(h, Handshook)
		answer.Write(w)
		return nil
	}
	proof, err := h.Dialect.Verify(r.Context(), req, secrets)
	if err != nil {
		return p.refuse(h, from, err)
	}
	return p.take(w, r, h, req, proof, release)
}

// refuse says why nothing is believed. Where the secret is in the address, that answer is
// the one for a name that nobody has.
func (p *Public) refuse(h *hook, from sender, err error) *denial {
	p.limits.blame(from)
	if fault.KindOf(err).Retryable() {
		return &denial{result: Failed, status: http.StatusServiceUnavailable, text: tooMuch, why: err.Error(), after: 10 * time.Second}
	}
	d := &denial{result: Refused, status: h.Kind.Statuses.Refused, text: "not accepted", why: err.Error()}
	if h.Kind.Tail {
		d.status, d.text = http.StatusNotFound, "not found"
	}
	if h == p.nobody {
		d.result, d.why = Unknown, "no webhook has that name"
	}
	return d
}

// body reads what was sent, within what may be held at a time.
func (p *Public) body(w http.ResponseWriter, r *http.Request, from sender) ([]byte, func(), *denial) {
	long := &denial{result: TooLong, status: http.StatusRequestEntityTooLarge, text: "the body is longer than 256 KiB", why: "the body is longer than 256 KiB", hang: true}
	size := r.ContentLength
	switch {
	case size > hooks.MaxBody:
		p.limits.blame(from)
		return nil, nil, long
	case size < 0:
		size = hooks.MaxBody
	}
	release, ok := p.limits.hold(from, size)
	if !ok {
		return nil, nil, &denial{result: Busy, status: http.StatusServiceUnavailable, text: tooMuch, why: "too many bodies are being read", after: time.Second, hang: true}
	}
	body, err := read(http.MaxBytesReader(w, r.Body, hooks.MaxBody), r.ContentLength)
	if err == nil {
		return body, release, nil
	}
	release()
	p.limits.blame(from)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, nil, long
	}
	return nil, nil, &denial{result: Unreadable, status: http.StatusBadRequest, text: "the body did not come", why: "the body did not come to its end in time", hang: true}
}

// read reads a body; one whose length is known into as much room and no more.
func read(body io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(body)
	}
	out := make([]byte, length)
	_, err := io.ReadFull(body, out)
	return out, err
}

// deny answers with a denial, and tells the log.
func (p *Public) deny(w http.ResponseWriter, r *http.Request, h *hook, from sender, d *denial) {
	p.count(h, d.result)
	if d.why != "" {
		h.seen.refused(p.Now(), d.why)
		p.told.say(r.Context(), h, d.result, d.why, from)
	}
	p.unread(w, r)
	d.head(w.Header())
	p.answer(w, d.status, struct {
		Error string `json:"error"`
	}{d.text})
}

// head says when to come again, and that the connection ends.
func (d *denial) head(h http.Header) {
	if d.after > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int(d.after.Round(time.Second)/time.Second))))
	}
	if d.hang {
		h.Set("Connection", "close")
	}
}

// unread sees to it that an answer arrives although the body before it was not read, or not
// all of it: what comes in after a connection was closed resets it, and the answer is lost.
func (p *Public) unread(w http.ResponseWriter, r *http.Request) {
	if r.Body == http.NoBody {
		return
	}
	// A connection of which much is left stays a while behind its answer: net/http sees to
	// that from 256 KiB up. Only so many may.
	large := r.ContentLength >= hooks.MaxBody
	if (large || r.ContentLength < 0) && !p.limits.linger() {
		panic(http.ErrAbortHandler)
	}
	// It sees to nothing where the sender ends the connection, as a proxy does that speaks
	// HTTP/1.0 to us: it stays if a reader was given too much, and it reads a rest for itself.
	switch {
	case r.Close && large:
		_, _ = http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1))
	case r.Close:
		_, _ = io.CopyN(io.Discard, r.Body, hooks.MaxBody)
	}
}

func (p *Public) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := WriteJSON(w, v); err != nil {
		p.Logger.LogAttrs(p.ctx, slog.LevelDebug, "answer not sent", slog.String(logging.KeyErr, err.Error()))
	}
}

func (p *Public) count(h *hook, r Result) {
	if p.Counted != nil {
		p.Counted(h.Config.Name, r)
	}
}

var errShortSecret = errors.New("the secret is shorter than 16 characters")

// readSecrets reads the secrets in force. Those that can be used are given beside the
// error about the others.
func readSecrets(refs []secret.Ref) ([]secret.Value, error) {
	var out []secret.Value
	var errs []error
	for _, ref := range refs {
		v, err := ref.Read()
		if err == nil && len(v.Reveal()) < config.MinToken {
			err = errShortSecret
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, v)
	}
	return out, errors.Join(errs...)
}
