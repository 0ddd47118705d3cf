package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"groupsyncd/internal/fault"
)

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
	if payload != nil {
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
	u, err := under(s.c.o.Base, q.Path)
	if err != nil {
		return nil, s.fail(fault.Invalid, q, err, "")
	}
	if q.URL == "" {
		u.RawQuery = q.Query.Encode()
		return u, nil
	}
	ref, err := url.Parse(q.URL)
	if err != nil {
		return nil, s.fail(fault.Invalid, q, errors.New("the server gives an address that cannot be understood"), "")
	}
	if ref.Host == "" && q.Path == "" && (ref.Opaque != "" || !strings.HasPrefix(ref.Path, "/")) {
		return nil, s.fail(fault.Invalid, q, errors.New("the server gives a part of an address, and it is not known which part is missing"), "")
	}
	to := u.ResolveReference(ref)
	if !sameOrigin(to, u) || to.User != nil {
		return nil, s.fail(fault.Invalid, q, fmt.Errorf("the server leads to %s, and only %s is asked", Shorten(to.Scheme+"://"+to.Host, 100), u.Scheme+"://"+u.Host),
			"is the url in the configuration the address under which the server knows itself?")
	}
	to.Fragment, to.RawFragment = "", ""
	return to, nil
}

// under appends a path to a base address. An id in the path that is empty or a dot would make
// it the address of something else.
func under(base *url.URL, path string) (*url.URL, error) {
	u := *base
	if path == "" {
		return &u, nil
	}
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if plain, err := url.PathUnescape(part); err != nil || plain == "" || plain == "." || plain == ".." {
			return nil, errors.New("an id is empty or a dot, and no address can hold it")
		}
	}
	if strings.HasPrefix(path, "//") || strings.HasSuffix(path, "//") {
		return nil, errors.New("an id is empty, and no address can hold it")
	}
	u.RawPath = u.EscapedPath() + path
	plain, err := url.PathUnescape(u.RawPath)
	if err != nil {
		return nil, errors.New("the path is not escaped as addresses are")
	}
	u.Path = plain
	return &u, nil
}

// sameOrigin reports whether two addresses lead to the same server.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.Opaque == "" && b.Opaque == "" && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

// portOf gives the port, that of the scheme where none is written.
func portOf(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	case u.Scheme == "http":
		return "80"
	case strings.HasPrefix(u.Scheme, "socks5"):
		return "1080"
	}
	return ""
}

// hostPort gives what a connection to the server of an address is made to.
func hostPort(u *url.URL) string { return net.JoinHostPort(u.Hostname(), portOf(u)) }

// Loopback reports whether a host, a name or an address, cannot lead away from this machine.
func Loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}
