package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"groupsyncd/internal/logging"
	"groupsyncd/internal/secret"
)

// provisioning is where the paths of providers begin: /scim/NAME/v2.
const provisioning = "/scim/"

const (
	// maxProvided bounds the bodies of providers that are in memory at a time, maxProviding
	// how many of their requests are under way: a first round brings dozens a second.
	maxProvided  = 32 << 20
	maxProviding = 32
	// A provider may send provideRate requests a second, and be behind for a moment.
	provideRate  = 500
	provideBurst = 1000
	// maxProvision is the largest body, provisionTime how long one request may take.
	maxProvision  = 8 << 20
	provisionTime = time.Minute
)

// Provision is a source that its provider fills.
type Provision struct {
	// Name is that of the source.
	Name string
	// Tokens are where its bearer tokens are kept.
	Tokens  []secret.Ref
	Handler http.Handler
	// Missed is told of each request of the provider that is turned away.
	Missed func()
}

// provision is one in force.
type provision struct {
	Provision
	rate *rate.Limiter
}

func (p *provision) missed() {
	if p.Missed != nil {
		p.Missed()
	}
}

// provision answers one request of a provider. A name that nobody has is answered as a token
// that is wrong, and takes as long.
func (p *Public) provision(w http.ResponseWriter, r *http.Request, from sender) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, provisioning), "/")
	table := p.table.Load()
	known := table.provisions[name]
	one := known
	if known == nil {
		name = ""
		for _, like := range table.provisions {
			one = like
			break
		}
	}
	// Only what is refused counts for the sender: whoever has the token may send much more.
	if d := p.limits.may(from); d != nil {
		p.denyProvider(w, r, "", from, d)
		return
	}
	if d := p.admit(one, known != nil, r); d != nil {
		if d.result == Refused {
			p.limits.blame(from)
		} else {
			known.missed()
		}
		p.denyProvider(w, r, name, from, d)
		return
	}
	turnAway := func(d *denial) {
		known.missed()
		p.denyProvider(w, r, name, from, d)
	}
	if rest != "v2" && !strings.HasPrefix(rest, "v2/") {
		p.denyProvider(w, r, name, from, &denial{result: Unknown, status: http.StatusNotFound, text: "not found", why: "the path is not /scim/NAME/v2"})
		return
	}
	if !known.rate.AllowN(p.Now(), 1) {
		turnAway(&denial{result: TooMany, status: http.StatusTooManyRequests, text: "too many requests", why: "the provider sends too much", after: time.Second})
		return
	}
	size := r.ContentLength
	if size < 0 {
		size = maxProvision
	}
	if size > maxProvision {
		p.limits.blame(from)
		turnAway(&denial{result: TooLong, status: http.StatusRequestEntityTooLarge, text: "the body is longer than 8 MiB", why: "the body is longer than 8 MiB", hang: true})
		return
	}
	release, ok := p.limits.provide(size)
	if !ok {
		turnAway(&denial{result: Busy, status: http.StatusServiceUnavailable, text: tooMuch, why: "too many requests of providers are under way", after: time.Second, hang: size > 0})
		return
	}
	defer release()
	control, until := http.NewResponseController(w), time.Now().Add(provisionTime)
	if err := errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		turnAway(&denial{result: Failed, status: http.StatusServiceUnavailable, text: tooMuch, why: err.Error(), after: time.Second})
		return
	}
	seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	known.Handler.ServeHTTP(seen, r)
	p.countProvider(name, resultOf(seen.status))
}

// admit says why a request is not let in, if so. Nothing of it was read but its head.
func (p *Public) admit(one *provision, known bool, r *http.Request) *denial {
	refused := &denial{result: Refused, status: http.StatusUnauthorized, text: "not accepted", why: "the bearer token is missing or wrong", hang: r.ContentLength != 0}
	if !known {
		refused.result, refused.why = Refused, "no source has that name"
	}
	if one == nil {
		return refused
	}
	tokens, err := readSecrets(one.Tokens)
	scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(strings.TrimSpace(shown)))
	right := 0
	for _, t := range tokens {
		want := sha256.Sum256([]byte(t.Reveal()))
		right |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	switch {
	case known && len(tokens) == 0 && err != nil:
		return &denial{result: Failed, status: http.StatusServiceUnavailable, text: tooMuch, why: "no token of the source can be used: " + err.Error(), after: time.Minute, hang: r.ContentLength != 0}
	case !known || !strings.EqualFold(scheme, "Bearer") || right != 1:
		return refused
	}
	return nil
}

// denyProvider answers a provider with a denial, as SCIM wants it.
func (p *Public) denyProvider(w http.ResponseWriter, r *http.Request, name string, from sender, d *denial) {
	p.countProvider(name, d.result)
	if d.why != "" {
		p.told.tell(r.Context(), cause{logging.KeySource, name, d.result}, d.why, from)
	}
	p.unread(w, r)
	head := w.Header()
	if d.status == http.StatusUnauthorized {
		head.Set("WWW-Authenticate", `Bearer realm="groupsyncd"`)
	}
	d.head(head)
	head.Set("Content-Type", "application/scim+json")
	w.WriteHeader(d.status)
	err := WriteJSON(w, map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": fmt.Sprint(d.status), "detail": d.text})
	if err != nil {
		p.Logger.LogAttrs(p.ctx, slog.LevelDebug, "answer not sent", slog.String(logging.KeyErr, err.Error()))
	}
}

func (p *Public) countProvider(name string, r Result) {
	if p.Provisioned != nil {
		p.Provisioned(name, r)
	}
}

// may denies a request of a sender of whom too much was refused.
func (l *limits) may(s sender) *denial {
	l.mu.Lock()
	a := l.account(s)
	l.mu.Unlock()
	if a.rate.TokensAt(l.now()) >= 1 {
		return nil
	}
	return &denial{result: TooMany, status: http.StatusTooManyRequests, text: "too many requests", why: "the sender sends too much", after: time.Second, hang: true}
}

// provide takes room for a request of a provider. The function gives it back.
func (l *limits) provide(size int64) (func(), bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.providing >= maxProviding || l.provided+size > maxProvided {
		return nil, false
	}
	l.providing++
	l.provided += size
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.providing--
		l.provided -= size
	}, true
}

// statusWriter remembers how a request was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets a response controller reach what is behind.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// resultOf gives the word for an answer.
func resultOf(status int) Result {
	switch {
	case status == http.StatusMethodNotAllowed:
		return WrongWay
	case status == http.StatusRequestEntityTooLarge:
		return TooLong
	case status >= http.StatusInternalServerError && status != http.StatusNotImplemented:
		return Failed
	case status == http.StatusBadRequest:
		return Unreadable
	case status >= http.StatusBadRequest:
		return Ignored
	}
	return Accepted
}
