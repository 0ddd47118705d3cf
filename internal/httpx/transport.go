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
	"slices"
	"strings"
	"sync"
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

	// proxy names the proxy of a request; nil: as the environment says.
	proxy func(*http.Request) (*url.URL, error)
}

// Transport gives a transport that connects to what is allowed only. Addresses by which
// clouds describe their machines to themselves are refused always, unless one is configured.
//
// It may carry requests to other servers too, such as a token endpoint: those are guarded
// alike, and none of them is configured by an address.
func (r Reach) Transport() *http.Transport {
	if r.Dial != nil {
		t := transport(r.Roots, r.Dial)
		t.Proxy = nil
		return t
	}
	// A proxy of the environment is the operator's own, wherever it is.
	var proxies sync.Map
	plain := dialer(nil)
	t := transport(r.Roots, func(ctx context.Context, network, address string) (net.Conn, error) {
		if _, ok := proxies.Load(address); ok {
			return plain.DialContext(ctx, network, address)
		}
		name, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("the address %s cannot be understood", address)
		}
		return dialer(func(at string) error { return r.allowed(name, at) }).DialContext(ctx, network, address)
	})
	find := r.proxy
	if find == nil {
		find = http.ProxyFromEnvironment
	}
	t.Proxy = func(req *http.Request) (*url.URL, error) {
		u, err := find(req)
		if u != nil && hostPort(u) != hostPort(req.URL) {
			proxies.Store(hostPort(u), true)
		}
		return u, err
	}
	return t
}

// errPrivate is inside of the error of a connection that is not made.
var errPrivate = errors.New("an address that is not of the public Internet")

// allowed reports whether a connection to an address may be made that a name leads to.
func (r Reach) allowed(name, address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %s cannot be understood", address)
	}
	ip := at.Addr().Unmap().WithZone("")
	if strings.EqualFold(name, r.Base.Hostname()) {
		if written, err := netip.ParseAddr(name); err == nil && written.Unmap().WithZone("") == ip || ip.IsLoopback() && strings.EqualFold(name, "localhost") {
			return nil
		}
	}
	for _, a := range append(inside(ip), ip) {
		if special(a) || !r.Private && private(a) {
			return fmt.Errorf("%s leads to %s, %w", name, ip, errPrivate)
		}
	}
	return nil
}

// inside gives the IPv4 address that an IPv6 address stands for, where it does: a gateway
// (NAT64, RFC 6052; 6to4, RFC 3056) or the system itself leads on to it.
func inside(ip netip.Addr) []netip.Addr {
	if !ip.Is6() {
		return nil
	}
	b := ip.As16()
	switch {
	case within(ip, "64:ff9b::/96"), within(ip, "::/96") && !ip.IsLoopback() && !ip.IsUnspecified():
		return []netip.Addr{netip.AddrFrom4([4]byte(b[12:]))}
	case within(ip, "2002::/16"):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	}
	return nil
}

// special reports whether an address leads to no server that keeps people: a cloud's own
// service for its machines, a group of machines, or none.
func special(ip netip.Addr) bool {
	return ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() ||
		within(ip, "0.0.0.0/8", "240.0.0.0/4",
			"fd00:ec2::/32",      // Amazon
			"fd20:ce::/64",       // Google
			"100.100.100.200/32", // Alibaba
			"168.63.129.16/32",   // Azure
			"192.0.0.192/32")     // Oracle
}

// private reports whether an address is inside of somebody's network.
func private(ip netip.Addr) bool {
	return ip.IsPrivate() || ip.IsLoopback() ||
		within(ip, "100.64.0.0/10", // Between providers and customers (RFC 6598), used by some clouds for their own services.
			"192.0.0.0/24", "198.18.0.0/15", "64:ff9b:1::/48", "fec0::/10")
}

func within(ip netip.Addr, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return netip.MustParsePrefix(p).Contains(ip) })
}

func dialer(check func(address string) error) *net.Dialer {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if check != nil {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return check(address)
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
		// A connection that died without a word is noticed before the next request waits for it.
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		MaxResponseHeaderBytes: 1 << 20,
	}
}
