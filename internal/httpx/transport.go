package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Dial makes a connection, as net.Dialer does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// NewTransport gives a transport with TLS 1.2 or later and the proxy that the
// environment names. With nil roots the system's are trusted.
func NewTransport(roots *x509.CertPool) *http.Transport {
	return transport(roots, dialer(nil).DialContext)
}

// Reach is where the transport of one server may lead.
type Reach struct {
	// Base is the server's address, as it is configured.
	Base *url.URL
	// Private allows addresses that are not of the public Internet. Without it only a server
	// that is configured by such an address, or as localhost, may have one: a public name that
	// leads into our own network is somebody's trick.
	Private bool
	// Roots are trusted certificates; nil: the system's.
	Roots *x509.CertPool
	// Dial makes connections in place of the network's own; nothing is checked then.
	Dial Dial
}

// Transport gives a transport that connects to what is allowed only. Addresses by which
// clouds describe their machines to themselves are refused always, unless one is configured.
func (r Reach) Transport() *http.Transport {
	if r.Dial != nil {
		return transport(r.Roots, r.Dial)
	}
	host := r.Base.Hostname()
	check := func(_, address string) error { return r.allowed(address) }
	guarded, plain := dialer(check), dialer(nil)
	return transport(r.Roots, func(ctx context.Context, network, address string) (net.Conn, error) {
		if name, _, err := net.SplitHostPort(address); err == nil && !strings.EqualFold(name, host) {
			return plain.DialContext(ctx, network, address) // A proxy of the environment.
		}
		return guarded.DialContext(ctx, network, address)
	})
}

// errPrivate is inside of the error of a connection that is not made.
var errPrivate = errors.New("an address that is not of the public Internet")

// allowed reports whether a connection to an address may be made.
func (r Reach) allowed(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %s cannot be understood", address)
	}
	ip := at.Addr().Unmap()
	host := r.Base.Hostname()
	if written, err := netip.ParseAddr(host); err == nil && written.Unmap() == ip || ip.IsLoopback() && strings.EqualFold(host, "localhost") {
		return nil
	}
	switch {
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified():
		return fmt.Errorf("%s leads to %s, %w", host, ip, errPrivate)
	case r.Private:
		return nil
	case ip.IsPrivate(), ip.IsLoopback(), shared().Contains(ip):
		return fmt.Errorf("%s leads to %s, %w", host, ip, errPrivate)
	}
	return nil
}

// shared are the addresses between a provider and its customers (RFC 6598), which some clouds
// use for their own services.
func shared() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10) }

func dialer(check func(network, address string) error) *net.Dialer {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if check != nil {
		d.ControlContext = func(_ context.Context, network, address string, _ syscall.RawConn) error {
			return check(network, address)
		}
	}
	return d
}

func transport(roots *x509.CertPool, dial Dial) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dial,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        16,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     90 * time.Second,
	}
}
