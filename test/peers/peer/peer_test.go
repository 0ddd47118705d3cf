//go:build peers

package peer_test

import (
	"encoding/json"
	"net"
	"net/http"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// company makes a small one.
func company(t *testing.T) *ldif.Company {
	t.Helper()
	c, err := ldif.New(ldif.Options{Users: 40, Groups: 10, Memberships: 90, Nested: 0.4, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// people counts the people that the reader sees, in pages of ten.
func people(t *testing.T, s *peer.Slapd) (int, error) {
	t.Helper()
	found, err := s.Reader(t).SearchWithPaging(ldap.NewSearchRequest(ldif.People, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		0, 0, false, "(objectClass=inetOrgPerson)", []string{"uid"}, nil), 10)
	if found == nil {
		return 0, err
	}
	return len(found.Entries), err
}

func TestSlapdHoldsTheCompanyThroughAKill(t *testing.T) {
	t.Parallel()
	c := company(t)
	s := peer.StartSlapd(t, c, peer.SlapdOptions{})
	if n, err := people(t, s); err != nil || n != len(c.Users) {
		t.Fatalf("%d people, %v; want %d", n, err, len(c.Users))
	}
	if err := s.Admin(t).Del(ldap.NewDelRequest(c.Users[0].DN(), nil)); err != nil {
		t.Fatal(err)
	}
	s.Kill(t)
	var dialer net.Dialer
	if conn, err := dialer.DialContext(t.Context(), "tcp", s.Addr()); err == nil {
		_ = conn.Close()
		t.Error("somebody answers after the kill")
	}
	s.Start(t, peer.SlapdOptions{})
	if n, err := people(t, s); err != nil || n != len(c.Users)-1 {
		t.Errorf("%d people, %v after the restart; want %d", n, err, len(c.Users)-1)
	}
}

func TestSlapdSizeLimitCutsASearch(t *testing.T) {
	t.Parallel()
	s := peer.StartSlapd(t, company(t), peer.SlapdOptions{SizeLimit: 25})
	if n, err := people(t, s); !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		t.Errorf("%d people and %v; want the error of an exceeded size limit", n, err)
	}
}

// accounts counts the accounts that an administrator's key sees.
func accounts(t *testing.T, w *peer.OpenWebUI) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/api/v1/users/all", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+w.Key(t))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var body struct {
		Users []struct{ ID string } `json:"users"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		t.Fatalf("status %s: %v", answer.Status, err)
	}
	return len(body.Users)
}

func TestOpenWebUIKeepsAccountsAndKeyThroughAKill(t *testing.T) {
	t.Parallel()
	w := peer.StartOpenWebUI(t, 25)
	if n := accounts(t, w); n != 26 {
		t.Errorf("%d accounts, want 25 and the administrator", n)
	}
	key := w.Key(t)
	w.Kill(t)
	w.Start(t)
	w.AddAccounts(t, 30)
	if n := accounts(t, w); n != 31 || w.Key(t) != key {
		t.Errorf("%d accounts after the restart, want 31; the key is the same: %t", n, w.Key(t) == key)
	}
}
