package peer

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// DS389 is a 389 Directory Server, as FreeIPA and Red Hat have it.
type DS389 struct {
	process
	// URL, BindDN and PasswordFile are what a source needs.
	URL, BaseDN, BindDN, PasswordFile string
	adminDN, adminPasswordFile        string
}

// StartDS389With starts a server that holds the entries which write puts down as LDIF,
// ldif.Suffix and its containers among them. It takes four seconds, ends with the test
// and cannot be started again.
func StartDS389With(tb testing.TB, write func(io.Writer) error) *DS389 {
	tb.Helper()
	s := &DS389{process: newProcess(tb, "ds389.sh")}
	s.run(tb, "start", s.Dir, s.place, s.file(tb, write))
	s.env = readEnv(tb, filepath.Join(s.Dir, "env"))
	get := func(name string) string { return s.env["GROUPSYNCD_TEST_DS389_"+name] }
	s.URL, s.BaseDN, s.BindDN, s.PasswordFile = get("URL"), get("BASE_DN"), get("BIND_DN"), get("PASSWORD_FILE")
	s.adminDN, s.adminPasswordFile = get("ADMIN_DN"), get("ADMIN_PASSWORD_FILE")
	return s
}

// Admin connects as the account that may change everything. The connection is closed
// with the test.
func (s *DS389) Admin(tb testing.TB) *ldap.Conn {
	tb.Helper()
	return bound(tb, s.URL, nil, s.adminDN, s.adminPasswordFile)
}
