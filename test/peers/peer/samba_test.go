//go:build peers

package peer_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"groupsyncd/test/peers/peer"
)

func TestSambaHoldsTheCompanyThroughAKill(t *testing.T) {
	t.Parallel()
	c := company(t)
	s := peer.StartSamba(t, c, peer.SambaOptions{})
	check := func() {
		t.Helper()
		reader := s.Reader(t)
		for i := range c.Groups {
			g := &c.Groups[i]
			found, err := reader.Search(ldap.NewSearchRequest(g.ADDN(), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
				"(objectClass=group)", []string{"member", "objectGUID", "primaryGroupToken"}, nil))
			if err != nil || len(found.Entries) != 1 {
				t.Fatalf("group %s: %v, %v", g.Name, found, err)
			}
			var want []string
			for _, u := range g.Direct {
				want = append(want, c.Users[u].ADDN())
			}
			for _, child := range g.Children {
				want = append(want, c.Groups[child].ADDN())
			}
			got := found.Entries[0].GetAttributeValues("member")
			if len(got) != len(want) {
				t.Errorf("group %s has %d members, want %d", g.Name, len(got), len(want))
			}
			if len(found.Entries[0].GetRawAttributeValue("objectGUID")) != 16 || found.Entries[0].GetAttributeValue("primaryGroupToken") == "" {
				t.Errorf("group %s: %v", g.Name, found.Entries[0].Attributes)
			}
		}
	}
	check()
	s.Kill(t)
	s.Start(t)
	check()
}

func TestSambaIsAnActiveDirectory(t *testing.T) {
	t.Parallel()
	s := peer.StartSamba(t, company(t), peer.SambaOptions{})
	plain, err := ldap.DialURL(s.PlainURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plain.Close() })
	if err := plain.Bind(s.BindDN, "whatever it is"); !ldap.IsErrorWithCode(err, ldap.LDAPResultStrongAuthRequired) {
		t.Errorf("a bind without TLS gives %v", err)
	}
	root, err := plain.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"supportedCapabilities"}, nil))
	if err != nil || !slices.Contains(root.Entries[0].GetAttributeValues("supportedCapabilities"), "1.2.840.113556.1.4.800") {
		t.Errorf("the root entry does not say that it is an Active Directory: %v", err)
	}
	whole, err := s.Reader(t).Search(ldap.NewSearchRequest(s.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(cn=u0000001)", []string{"cn"}, nil))
	if err != nil || len(whole.Entries) != 1 || len(whole.Referrals) == 0 {
		t.Errorf("a search of the whole domain gives %+v, %v; want an entry and a reference", whole, err)
	}
}

func TestSlapdOffersTLSAndTheSocket(t *testing.T) {
	t.Parallel()
	s := peer.StartSlapd(t, company(t), peer.SlapdOptions{TLS: true, LDAPI: true, MemberOf: true, PPolicy: true, SessionLog: 100, PageLimit: 20})
	if _, err := people(t, s); err != nil {
		t.Error(err)
	}
	conn, err := ldap.DialURL("ldapi://" + url.PathEscape(s.Socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.ExternalBind(); err != nil {
		t.Fatal(err)
	}
	if who, err := conn.WhoAmI(nil); err != nil || who.AuthzID != "dn:"+s.BindDN {
		t.Errorf("the socket makes us %v, %v", who, err)
	}
	_, err = s.Reader(t).SearchWithPaging(ldap.NewSearchRequest(s.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"1.1"}, nil), 21)
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultAdminLimitExceeded) {
		t.Errorf("a page above the limit gives %v", err)
	}
}
