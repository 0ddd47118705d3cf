package httpx_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"groupsyncd/internal/httpx"
)

func TestErrorsOfTheNetworkAreTerse(t *testing.T) {
	t.Parallel()
	here, there := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 50123}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 389}
	call := func(name string, why syscall.Errno) error { return &os.SyscallError{Syscall: name, Err: why} }
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Addr: there, Err: err} }
	lookup := func(e net.DNSError) error {
		e.Name, e.Server = "dc.example.org", "127.0.0.53:53"
		return &net.OpError{Op: "dial", Net: "tcp", Err: &e}
	}
	missing := net.DNSError{Err: "no such host", IsNotFound: true}
	read := &net.OpError{Op: "read", Net: "tcp", Source: here, Addr: there, Err: call("read", syscall.ECONNRESET)}
	const byName, byAddress = "ldaps://dc.example.org:636", "ldap://10.0.0.1:389"
	for _, c := range []struct {
		err         error
		asked, want string
	}{
		{dial(call("connect", syscall.ECONNREFUSED)), byAddress, "connection refused"},
		{dial(call("connect", syscall.ECONNREFUSED)), byName, "10.0.0.1:389: connection refused"},
		{dial(call("connect", syscall.ECONNREFUSED)), "ldap://10.0.0.1:3890", "10.0.0.1:389: connection refused"},
		{dial(call("connect", syscall.EHOSTUNREACH)), "", "10.0.0.1:389: no route to host"},
		{dial(os.ErrDeadlineExceeded), byAddress, "i/o timeout"},
		{lookup(missing), byName, "no such host"},
		{lookup(missing), "ldap://dc.example.org", "no such host"},
		{lookup(missing), "ldap://dc.example.organic", "dc.example.org: no such host"},
		{lookup(missing), "", "dc.example.org: no such host"},
		{lookup(net.DNSError{Err: "i/o timeout", IsTimeout: true}), byName, "look up dc.example.org: i/o timeout"},
		{lookup(net.DNSError{Err: "server misbehaving", IsTemporary: true}), "", "look up dc.example.org: server misbehaving"},
		{&net.DNSError{Name: "dc.example.org", Server: "10.0.0.53:53", Err: "no such host", IsNotFound: true}, "", "dc.example.org: no such host"},
		{fmt.Errorf("the answer was cut: %w", read), byAddress, "the answer was cut: read: connection reset by peer"},
		{read, "", "10.0.0.1:389: read: connection reset by peer"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: dial(call("connect", syscall.ECONNREFUSED))}, "", "proxyconnect tcp: 10.0.0.1:389: connection refused"},
		{&net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: "/run/ldapi", Net: "unix"}, Err: call("connect", syscall.ENOENT)}, "ldapi:///run/ldapi", "no such file or directory"},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, byName, "remote error: tls: bad certificate"},
		{errors.New("tls: failed to verify certificate: x509: certificate signed by unknown authority"), byName, "tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		{io.EOF, byName, "EOF"},
	} {
		got := httpx.Terse(c.err, c.asked)
		if got.Error() != c.want || !errors.Is(got, c.err) {
			t.Errorf("%v, asked %q:\ngot  %v\nwant %s", c.err, c.asked, got, c.want)
		}
	}
}
