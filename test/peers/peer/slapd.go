package peer

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/test/peers/ldif"
)

// Slapd is an OpenLDAP server.
type Slapd struct {
	process
	// URL, BindDN and PasswordFile are what a source needs: an account that reads
	// and obeys the size limit.
	URL, BaseDN, BindDN, PasswordFile string
	// TLSURL is the address of ldaps, and CAFile what it is trusted by; the other two are
	// the certificate of the reader. Socket is that of ldapi, where this process is the
	// reader by EXTERNAL.
	TLSURL, CAFile, ClientCertFile, ClientKeyFile, Socket string
	adminDN, adminPasswordFile                            string
}

// SlapdOptions say how the server differs from the usual.
type SlapdOptions struct {
	// SizeLimit is the number of entries that one search may answer, all pages
	// together; 0 is no limit. PageLimit is the largest page that may be asked for.
	SizeLimit, PageLimit int
	// NoSyncprov leaves out the overlay of RFC 4533; SessionLog is how many changes it
	// remembers, 0 none.
	NoSyncprov bool
	SessionLog int
	// MemberOf and PPolicy add those overlays. Entries that were there before the server
	// started have no memberOf.
	MemberOf, PPolicy bool
	// TLS offers ldaps and StartTLS, LDAPI the socket.
	TLS, LDAPI bool
	// Password is that of the reader; without it the server gets one of its own.
	Password string
}

// words gives the options as slapd.sh takes them.
func (o SlapdOptions) words(tb testing.TB) []string {
	tb.Helper()
	words := []string{"sizelimit=unlimited"}
	add := func(wanted bool, word string) {
		if wanted {
			words = append(words, word)
		}
	}
	add(o.SizeLimit > 0, "sizelimit="+strconv.Itoa(o.SizeLimit))
	add(o.PageLimit > 0, "pagelimit="+strconv.Itoa(o.PageLimit))
	add(o.SessionLog > 0, "syncprov="+strconv.Itoa(o.SessionLog))
	add(o.NoSyncprov, "syncprov=off")
	add(o.MemberOf, "memberof=on")
	add(o.PPolicy, "ppolicy=on")
	add(o.LDAPI, "ldapi=on")
	if o.TLS {
		words = append(words, "tls="+freePort(tb))
	}
	return words
}

// StartSlapd starts a server that holds a company. It ends with the test.
func StartSlapd(tb testing.TB, company *ldif.Company, o SlapdOptions) *Slapd {
	tb.Helper()
	return StartSlapdWith(tb, company.Write, o)
}

// StartSlapdWith starts a server that holds the entries which write puts down as LDIF,
// those of ldif.Suffix and its containers among them. It ends with the test.
func StartSlapdWith(tb testing.TB, write func(io.Writer) error, o SlapdOptions) *Slapd {
	tb.Helper()
	s := &Slapd{process: newProcess(tb, "slapd.sh")}
	if o.Password != "" {
		if err := os.WriteFile(filepath.Join(s.Dir, "reader-password"), []byte(o.Password), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	s.Load(tb, write)
	s.Start(tb, o)
	return s
}

// Load replaces everything that a stopped server holds.
func (s *Slapd) Load(tb testing.TB, write func(io.Writer) error) {
	tb.Helper()
	s.run(tb, "load", s.Dir, s.file(tb, write))
}

// Start starts the server again after Stop or Kill, with the same data on the same
// port, perhaps with other options.
func (s *Slapd) Start(tb testing.TB, o SlapdOptions) {
	tb.Helper()
	s.start(tb, o.words(tb)...)
	s.fill(func(name string) string { return s.env[name] })
	s.TLSURL, s.CAFile, s.Socket = s.env["GROUPSYNCD_TEST_SLAPD_TLS_URL"], s.env["GROUPSYNCD_TEST_SLAPD_CA_FILE"], s.env["GROUPSYNCD_TEST_SLAPD_SOCKET"]
	s.ClientCertFile, s.ClientKeyFile = s.env["GROUPSYNCD_TEST_SLAPD_CLIENT_CERT_FILE"], s.env["GROUPSYNCD_TEST_SLAPD_CLIENT_KEY_FILE"]
}

// SharedSlapd gives the server that test/peers/run started for all tests. It is
// there to be read; a test that changes entries starts its own.
func SharedSlapd(tb testing.TB) *Slapd {
	tb.Helper()
	s := &Slapd{}
	s.fill(func(name string) string { return need(tb, name) })
	s.Dir = need(tb, "GROUPSYNCD_TEST_SLAPD_DIR")
	return s
}

// fill takes the addresses from their names.
func (s *Slapd) fill(get func(string) string) {
	s.URL = get("GROUPSYNCD_TEST_SLAPD_URL")
	s.BaseDN = get("GROUPSYNCD_TEST_SLAPD_BASE_DN")
	s.BindDN = get("GROUPSYNCD_TEST_SLAPD_BIND_DN")
	s.PasswordFile = get("GROUPSYNCD_TEST_SLAPD_PASSWORD_FILE")
	s.adminDN = get("GROUPSYNCD_TEST_SLAPD_ADMIN_DN")
	s.adminPasswordFile = get("GROUPSYNCD_TEST_SLAPD_ADMIN_PASSWORD_FILE")
}

// Admin connects as the account that may change everything. The connection is
// closed with the test.
func (s *Slapd) Admin(tb testing.TB) *ldap.Conn {
	tb.Helper()
	return s.bind(tb, s.adminDN, s.adminPasswordFile)
}

// Reader connects as the account that a source uses.
func (s *Slapd) Reader(tb testing.TB) *ldap.Conn {
	tb.Helper()
	return s.bind(tb, s.BindDN, s.PasswordFile)
}

func (s *Slapd) bind(tb testing.TB, dn, passwordFile string) *ldap.Conn {
	tb.Helper()
	return bound(tb, s.URL, nil, dn, passwordFile)
}
