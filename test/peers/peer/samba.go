package peer

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/test/peers/ldif"
)

// Samba is an Active Directory domain controller.
type Samba struct {
	process
	// URL is that of ldaps, whose certificate CAFile signed; PlainURL is that of ldap,
	// where StartTLS is offered. BindDN is an ordinary account, AdminDN that of the
	// administrator, who may use DirSync.
	URL, PlainURL, CAFile      string
	BaseDN                     string
	BindDN, PasswordFile       string
	AdminDN, AdminPasswordFile string
	// Address is the only one that the server listens on, with the usual ports.
	Address string
	options SambaOptions
}

// SambaOptions say how the server differs from the usual.
type SambaOptions struct {
	// PlainBinds lets simple binds through without TLS, which real controllers refuse
	// with code 8. SASLOverTLS lets GSSAPI through inside TLS, which Samba refuses.
	PlainBinds, SASLOverTLS bool
	// KDC starts the Kerberos server too.
	KDC bool
}

func (o SambaOptions) words() []string {
	words := []string{"auth=yes", "services=ldap"}
	if o.SASLOverTLS {
		words[0] = "auth=allow_sasl_over_tls"
	}
	if o.PlainBinds {
		words[0] = "auth=no"
	}
	if o.KDC {
		words[1] = "services=ldap,kdc"
	}
	return words
}

// StartSamba starts a domain that holds a company, in ldif.ADPeople and ldif.ADGroups. It
// takes a second, and 4 ms for each person of the company. It ends with the test.
func StartSamba(tb testing.TB, company *ldif.Company, o SambaOptions) *Samba {
	tb.Helper()
	return StartSambaWith(tb, company.WriteAD, o)
}

// StartSambaWith starts a domain that holds, beside what every domain does, the entries
// which write puts down as LDIF.
func StartSambaWith(tb testing.TB, write func(io.Writer) error, o SambaOptions) *Samba {
	tb.Helper()
	address := freeAddress(tb)
	s := &Samba{process: processAt(tb, "samba.sh", address, net.JoinHostPort(address, "636")), Address: address, options: o}
	s.Load(tb, write)
	s.Start(tb)
	return s
}

// Load adds entries to a server that is stopped, which is much faster than over LDAP.
func (s *Samba) Load(tb testing.TB, write func(io.Writer) error) {
	tb.Helper()
	s.run(tb, "load", s.Dir, s.file(tb, write))
}

// Start starts the server again after Stop or Kill, with the same data and address.
func (s *Samba) Start(tb testing.TB) {
	tb.Helper()
	s.start(tb, s.options.words()...)
	get := func(name string) string { return s.env["GROUPSYNCD_TEST_SAMBA_"+name] }
	s.URL, s.PlainURL, s.CAFile, s.BaseDN = get("URL"), get("PLAIN_URL"), get("CA_FILE"), get("BASE_DN")
	s.BindDN, s.PasswordFile = get("BIND_DN"), get("PASSWORD_FILE")
	s.AdminDN, s.AdminPasswordFile = get("ADMIN_DN"), get("ADMIN_PASSWORD_FILE")
}

// Admin connects as the administrator. The connection is closed with the test.
func (s *Samba) Admin(tb testing.TB) *ldap.Conn {
	tb.Helper()
	return bound(tb, s.URL, s.TLS(tb), s.AdminDN, s.AdminPasswordFile)
}

// Reader connects as the account that a source uses.
func (s *Samba) Reader(tb testing.TB) *ldap.Conn {
	tb.Helper()
	return bound(tb, s.URL, s.TLS(tb), s.BindDN, s.PasswordFile)
}

// Password is that of the reader; it is the same for all these servers.
func (s *Samba) Password(tb testing.TB) string {
	tb.Helper()
	return secret(tb, s.PasswordFile)
}

// TLS trusts the server and nobody else.
func (s *Samba) TLS(tb testing.TB) *tls.Config {
	tb.Helper()
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		tb.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		tb.Fatalf("%s holds no certificate", s.CAFile)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// freeAddress finds an address of loopback where nobody has the ports of LDAP: Samba's
// cannot be moved, so each server has an address of its own.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	var config net.ListenConfig
	for range 100 {
		address := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), 1+rand.IntN(250), 1+rand.IntN(250))
		listener, err := config.Listen(tb.Context(), "tcp", net.JoinHostPort(address, "636"))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			tb.Fatal(err)
		}
		return address
	}
	tb.Fatal("port 636 is taken on a hundred addresses of loopback, or is not for this user: run these tests as root")
	return ""
}

// bound connects and binds; the connection is closed with the test.
func bound(tb testing.TB, url string, config *tls.Config, dn, passwordFile string) *ldap.Conn {
	tb.Helper()
	conn, err := ldap.DialURL(url, ldap.DialWithTLSConfig(config))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if err := conn.Bind(dn, secret(tb, passwordFile)); err != nil {
		tb.Fatal(err)
	}
	return conn
}

// file writes LDIF into the folder of the server.
func (p *process) file(tb testing.TB, write func(io.Writer) error) string {
	tb.Helper()
	path := filepath.Join(p.Dir, "load.ldif")
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	if err := write(file); err != nil {
		tb.Fatal(err)
	}
	if err := file.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}
