package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"groupsyncd/config"
	"groupsyncd/internal/logging"
)

// visitor is who asks the admin listener: the owner of a token, or, without a name,
// somebody on this machine.
type visitor struct {
	name     string
	approver bool
}

// by names a visitor in the audit. Names of local users, who come through the control
// socket, stand there alone.
func (v visitor) by() string { return v.name + " (token)" }

// access says who may use the admin listener. The tokens themselves are read at each
// use, so that a replaced file takes effect at once.
type access struct {
	tokens []config.Token
	// host is the name or address that the listener was configured with.
	host string
	log  *slog.Logger

	mu sync.Mutex
	// failing is what was last said about each token that cannot be used.
	failing map[string]string
}

func newAccess(cfg *config.Admin, log *slog.Logger) *access {
	a := &access{tokens: cfg.Tokens(), log: log, failing: map[string]string{}}
	if host, _, err := net.SplitHostPort(string(cfg.Listen)); err == nil {
		a.host = host
	}
	return a
}

// identify says who asks, or why nobody in particular does.
func (a *access) identify(r *http.Request) (visitor, error) {
	given := r.Header.Values("Authorization")
	if len(given) == 0 {
		return visitor{}, a.local(r)
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if len(given) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return visitor{}, errors.New("the header Authorization must be Bearer and a token")
	}
	return a.owner(r, strings.TrimSpace(token))
}

// owner finds whose token that is. Every token is compared, and only as a hash, so
// that the time it takes tells nothing.
func (a *access) owner(r *http.Request, token string) (visitor, error) {
	return a.holder(r, sha256.Sum256([]byte(token)))
}

// holder finds whose the token with that hash is at present.
func (a *access) holder(r *http.Request, hash [sha256.Size]byte) (visitor, error) {
	var found []config.Token
	for _, t := range a.tokens {
		value, err := t.Ref.Read()
		text := value.Reveal()
		if err == nil && len(text) < config.MinToken {
			err = errors.New("the token is shorter than 16 characters")
		}
		a.note(r, &t, err)
		own := sha256.Sum256([]byte(text))
		if subtle.ConstantTimeCompare(own[:], hash[:]) == 1 && err == nil {
			found = append(found, t)
		}
	}
	if len(found) != 1 {
		// A token that became that of two names says nothing about who decides.
		return visitor{}, errors.New("the token is not known here")
	}
	return visitor{name: found[0].Name, approver: found[0].Approver}, nil
}

// note logs once what is wrong with a configured token.
func (a *access) note(r *http.Request, t *config.Token, err error) {
	text, key := "", t.Name
	if err != nil {
		text = err.Error()
	}
	if t.Approver {
		key += " (approver)"
	}
	a.mu.Lock()
	before := a.failing[key]
	a.failing[key] = text
	a.mu.Unlock()
	if text != "" && text != before {
		a.log.LogAttrs(r.Context(), slog.LevelError, "token cannot be used", slog.String(logging.KeyName, t.Name), slog.String(logging.KeyErr, text))
	}
}

// local reports why a request without a token is not one of somebody on this machine
// who meant to ask us: it was passed on by a proxy, or sent by a page of somebody else
// whose name was made to lead here.
func (a *access) local(r *http.Request) error {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return errors.New("a token is needed from outside this machine")
	}
	for name := range r.Header {
		if fromProxy(name) {
			return errors.New("a token is needed through a proxy: the request has the header " + name)
		}
	}
	if !r.ProtoAtLeast(1, 1) {
		// nginx speaks it unless it is told otherwise, and adds no header by itself.
		return errors.New("a token is needed over HTTP/1.0, which proxies speak")
	}
	if !a.ours(r.Host) {
		return errors.New("a token is needed under this name of the server")
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return nil
	}
	return errors.New("a token is needed from the page of another server")
}

// fromProxy reports whether a header is one that proxies add. Names are as net/http
// writes them.
func fromProxy(name string) bool {
	switch name {
	case "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip",
		"X-Original-Host", "X-Original-Url", "X-Envoy-External-Address", "X-Proxyuser-Ip":
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded-")
}

// ours reports whether a Host header names this machine by loopback, or as configured.
func (a *access) ours(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if host == "" {
		return false
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Unmap().IsLoopback() {
		return true
	}
	return strings.EqualFold(host, "localhost") || strings.EqualFold(host, a.host)
}
