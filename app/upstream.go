package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

const (
	// expiresSoon is how long before its end doctor speaks of a certificate.
	expiresSoon = 30 * 24 * time.Hour
	// maxSkew is how far two clocks may be apart before doctor speaks of it.
	maxSkew = time.Minute
	// upstreamBound is how long one look at a server may take.
	upstreamBound = 10 * time.Second
)

// upstream looks at how a server is reached: by what name, through which proxy, with which
// certificate, and how late it is there. It asks for its first page, without any
// credential. That a server cannot be reached or is not what it should be is said by the
// check of the source or target itself.
func (c *Checked) upstream(ctx context.Context, u providers.Upstream, now time.Time) {
	base, err := url.Parse(u.URL)
	if err != nil || base.Hostname() == "" {
		return // The configuration refuses it.
	}
	roots, err := httpx.LoadRoots(u.CAFile)
	if err != nil {
		c.add(providers.Failed, "ca_file", fault.HintOf(err), "%s", err.Error())
		return
	}
	ctx, stop := context.WithTimeout(ctx, upstreamBound)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.String(), http.NoBody)
	if err != nil {
		return
	}
	t := httpx.NewTransport(roots)
	defer t.CloseIdleConnections()
	if through, err := t.Proxy(req); err == nil && through != nil {
		c.add(providers.OK, "proxy", "", "%s is asked through the proxy %s, which the environment names", base.Host, through.Scheme+"://"+through.Host)
	} else if !c.name(ctx, base.Hostname()) {
		return
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		if why, remedy := untrusted(err); why != "" {
			c.add(providers.Failed, "certificate", remedy, "the certificate of %s is not trusted: %s", base.Host, why)
		}
		return
	}
	defer resp.Body.Close() //nolint:errcheck // it is not read
	c.certificates(base.Host, resp.TLS, now)
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil && !c.has("clock") {
		c.clock(base.Host, date, time.Now())
	}
}

// name looks a name up.
func (c *Checked) name(ctx context.Context, host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	_, err := net.DefaultResolver.LookupHost(ctx, host)
	if err == nil {
		c.add(providers.OK, "dns", "", "%s has an address", host)
		return true
	}
	why := "it cannot be looked up"
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		why = e.Err
	}
	c.add(providers.Failed, "dns", "check the name, /etc/resolv.conf, and the network of the container", "%s: %s", host, why)
	return false
}

// untrusted says why a certificate is not trusted, and what to do.
func untrusted(err error) (why, remedy string) {
	e, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok {
		return "", ""
	}
	if expired, ok := errors.AsType[x509.CertificateInvalidError](e.Err); ok && expired.Reason == x509.Expired {
		return fmt.Sprintf("it is valid from %s to %s", expired.Cert.NotBefore.UTC().Format(time.DateOnly), expired.Cert.NotAfter.UTC().Format(time.DateOnly)),
			"renew it there, or set the clock here"
	}
	if _, ok := errors.AsType[x509.HostnameError](e.Err); ok {
		return "it is for another name", "write the name that the certificate has as url, or have one made for this name"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](e.Err); ok {
		return "nobody here knows who signed it", "name the certificate of that authority with ca_file; a proxy that looks into TLS has one of its own"
	}
	return e.Err.Error(), "have a valid certificate made there"
}

// certificates looks at when certificates end.
func (c *Checked) certificates(host string, state *tls.ConnectionState, now time.Time) {
	if state == nil {
		return
	}
	for i, cert := range state.PeerCertificates {
		if i == 0 {
			c.ends("certificate", "the certificate of "+host, "renew it there", cert.NotAfter, now)
		}
	}
	for _, chain := range state.VerifiedChains[:min(len(state.VerifiedChains), 1)] {
		for _, cert := range chain[1:] {
			if cert.NotAfter.Sub(now) < expiresSoon {
				c.ends("certificate", fmt.Sprintf("the authority %q behind %s", cert.Subject.CommonName, host), "renew that authority's certificate, and ca_file with it", cert.NotAfter, now)
			}
		}
	}
}

func (c *Checked) ends(check, what, remedy string, until, now time.Time) {
	day := until.UTC().Format(time.DateOnly)
	switch left := until.Sub(now); {
	case left <= 0:
		c.add(providers.Failed, check, remedy, "%s ended on %s", what, day)
	case left < expiresSoon:
		c.add(providers.Warning, check, remedy, "%s is valid until %s, %d days from now", what, day, int(left.Hours()/24))
	default:
		c.add(providers.OK, check, "", "%s is valid until %s", what, day)
	}
}

func (c *Checked) clock(host string, theirs, ours time.Time) {
	off := ours.Sub(theirs)
	if off.Abs() > maxSkew {
		c.add(providers.Warning, "clock", "let both hosts follow a time server: signatures and times of tokens fail otherwise", "the clock of %s is %s from ours", strings.TrimSpace(host), off.Abs().Truncate(time.Second))
		return
	}
	c.add(providers.OK, "clock", "", "the clock of %s agrees with ours", host)
}
