package peer

import (
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
	adminDN, adminPasswordFile        string
}

// SlapdOptions say how the server differs from the usual.
type SlapdOptions struct {
	// SizeLimit is the number of entries that one search may answer, all pages
	// together; 0 is no limit.
	SizeLimit int
}

// StartSlapd starts a server that holds a company. It ends with the test.
func StartSlapd(tb testing.TB, company *ldif.Company, o SlapdOptions) *Slapd {
	tb.Helper()
	s := &Slapd{process: newProcess(tb, "slapd.sh")}
	path := filepath.Join(s.Dir, "company.ldif")
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	if err := company.Write(file); err != nil {
		tb.Fatal(err)
	}
	if err := file.Close(); err != nil {
		tb.Fatal(err)
	}
	s.run(tb, "load", s.Dir, path)
	s.Start(tb, o)
	return s
}

// Start starts the server again after Stop or Kill, with the same data on the same
// port, perhaps with other options.
func (s *Slapd) Start(tb testing.TB, o SlapdOptions) {
	tb.Helper()
	limit := "sizelimit=unlimited"
	if o.SizeLimit > 0 {
		limit = "sizelimit=" + strconv.Itoa(o.SizeLimit)
	}
	s.start(tb, limit)
	s.fill(func(name string) string { return s.env[name] })
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
	conn, err := ldap.DialURL(s.URL)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if err := conn.Bind(dn, secret(tb, passwordFile)); err != nil {
		tb.Fatal(err)
	}
	return conn
}
