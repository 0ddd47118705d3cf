package httpx

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"unicode"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

// hide takes the credential out of an error, which goes on as it is where it holds nothing.
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
		return s.fail(ctxFault(ctx), q, ended(ctx), "")
	case errors.Is(err, context.DeadlineExceeded):
		return s.fail(fault.Unavailable, q, fmt.Errorf("no answer within %s", s.c.o.Timeout), "")
	}
	kind, hint := Network(err, s.c.o.Base)
	return s.fail(kind, q, Terse(err, ""), hint)
}

// Network says what a request without an answer means, and what to do about it.
func Network(err error, base *url.URL) (kind fault.Kind, hint string) {
	if errors.Is(err, errPrivate) {
		return fault.Invalid, "if that is meant, write the address itself into the configuration, or name the gateway by HTTPS_PROXY; else somebody makes the name lead into this network"
	}
	kind = fault.Unavailable
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		hint = "check the host name in the url"
	} else if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		hint = "is the server running, and is the url right? address: " + base.Scheme + "://" + base.Host
	}
	if h, ok := tlsHint(err); ok {
		return fault.Invalid, h
	}
	if hint == "" && errors.Is(err, io.EOF) {
		hint = "the server hangs up without an answer: is that its port, and does it speak " + base.Scheme + ":// there?"
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
