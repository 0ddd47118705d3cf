package ldaptest_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/providers/ldap/ldaptest"
)

const domain = "DC=ad,DC=test"

var controller = ldaptest.AD{Domain: domain}

func ad(t *testing.T, entries ...ldaptest.Entry) *ldap.Conn {
	t.Helper()
	_, c := dial(t, ldaptest.Options{AD: &controller}, append(controller.DomainEntries(), entries...)...)
	return c
}

// accounts makes n users and a group that they are all in.
func accounts(n int) []ldaptest.Entry {
	var entries []ldaptest.Entry
	var members []string
	for i := range n {
		dn := fmt.Sprintf("CN=u%04d,CN=Users,%s", i, domain)
		entries = append(entries, entry(dn, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprintf("u%04d", i)}}))
		members = append(members, dn)
	}
	return append(entries, entry("CN=all,CN=Users,"+domain, map[string][]string{"objectClass": {"group"}, "cn": {"all"}, "member": members}))
}

func find(t *testing.T, c *ldap.Conn, base string, scope int, filter string, attributes ...string) *ldap.SearchResult {
	t.Helper()
	r, err := c.Search(ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil))
	if err != nil {
		t.Fatalf("search %s: %v", filter, err)
	}
	return r
}

func TestADomainControllerCutsPagesAndSearches(t *testing.T) {
	t.Parallel()
	c := ad(t, accounts(1200)...)
	const filter = "(&(objectCategory=person)(objectClass=user))"
	r, err := c.Search(ldap.NewSearchRequest(domain, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"1.1"}, nil))
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) || len(r.Entries) != 1000 {
		t.Errorf("without pages: %d entries, %v", len(r.Entries), err)
	}
	control := ldap.NewControlPaging(5000)
	r, err = c.Search(ldap.NewSearchRequest(domain, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"1.1"}, []ldap.Control{control}))
	if err != nil || len(r.Entries) != 1000 || len(r.Referrals) != 0 {
		t.Fatalf("a page of 5,000: %d entries, %v", len(r.Entries), err)
	}
	back, ok := ldap.FindControl(r.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
	if !ok || len(back.Cookie) == 0 {
		t.Fatal("the cut page has no cookie")
	}
	control.SetCookie(back.Cookie)
	r, err = c.Search(ldap.NewSearchRequest(domain, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"1.1"}, []ldap.Control{control}))
	if err != nil || len(r.Entries) != 200 || len(r.Referrals) != 3 {
		t.Errorf("the second page: %d entries, references %v, %v", len(r.Entries), r.Referrals, err)
	}
}

func TestADomainControllerShowsMembersInRanges(t *testing.T) {
	t.Parallel()
	c := ad(t, accounts(1600)...)
	shown := func(attribute string) map[string]int {
		t.Helper()
		e := find(t, c, "CN=all,CN=Users,"+domain, ldap.ScopeBaseObject, "(objectClass=*)", attribute).Entries[0]
		found := map[string]int{}
		for _, a := range e.Attributes {
			found[a.Name] = len(a.Values)
		}
		return found
	}
	if got := shown("member"); len(got) != 2 || got["member"] != 0 || got["member;range=0-1499"] != 1500 {
		t.Errorf("member shows as %v", got)
	}
	if got := shown("member;range=1500-*"); got["member;range=1500-*"] != 100 {
		t.Errorf("the rest shows as %v", got)
	}
}

func TestReferencesOfADomainCanBeRefused(t *testing.T) {
	t.Parallel()
	c := ad(t)
	if r := find(t, c, domain, ldap.ScopeWholeSubtree, "(objectClass=domainDNS)"); len(r.Entries) != 1 || len(r.Referrals) != 3 || r.Referrals[2] != "ldap://ad.test/CN=Configuration,"+domain {
		t.Errorf("the whole domain: %d entries, %v", len(r.Entries), r.Referrals)
	}
	if r := find(t, c, "CN=Users,"+domain, ldap.ScopeWholeSubtree, "(objectClass=*)"); len(r.Referrals) != 0 {
		t.Errorf("a container: %v", r.Referrals)
	}
	r, err := c.Search(ldap.NewSearchRequest(domain, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=domainDNS)", nil,
		[]ldap.Control{ldap.NewControlString(ldap.ControlTypeMicrosoftDomainScope, true, "")}))
	if err != nil || len(r.Entries) != 1 || len(r.Referrals) != 0 {
		t.Errorf("with DOMAIN_SCOPE: %+v, %v", r, err)
	}
}

func TestADomainControllerAddsItsAttributes(t *testing.T) {
	t.Parallel()
	c := ad(t, append(accounts(1),
		entry("CN=above,CN=Users,"+domain, map[string][]string{"objectClass": {"group"}, "member": {"cn=ALL,cn=Users," + domain}}),
		entry("CN=mail,CN=Users,"+domain, map[string][]string{"objectClass": {"group"}, "groupType": {"2"}, "member": {"CN=u0000,CN=Users," + domain}}),
		controller.ForeignPrincipal("S-1-5-21-9-9-9-1234"))...)
	user := "CN=u0000,CN=Users," + domain
	e := find(t, c, user, ldap.ScopeBaseObject, "(userAccountControl:1.2.840.113556.1.4.804:=515)").Entries[0]
	if len(e.GetRawAttributeValue("objectGUID")) != 16 || len(e.GetRawAttributeValue("objectSid")) != 28 || e.GetAttributeValue("primaryGroupID") != "513" {
		t.Errorf("the user is %+v", e.Attributes)
	}
	groups := e.GetAttributeValues("memberOf")
	slices.Sort(groups)
	if want := []string{"CN=all,CN=Users," + domain, "CN=mail,CN=Users," + domain}; !slices.Equal(groups, want) {
		t.Errorf("memberOf is %v", groups)
	}
	if e.GetAttributeValue("tokenGroups") != "" {
		t.Error("tokenGroups shows without being asked for")
	}
	var want []string
	for _, name := range []string{"Domain Users", "above", "all"} {
		g := find(t, c, "CN="+name+",CN=Users,"+domain, ldap.ScopeBaseObject, "(objectCategory=group)", "objectSid", "primaryGroupToken").Entries[0]
		want = append(want, g.GetAttributeValue("objectSid"))
		if name == "Domain Users" && g.GetAttributeValue("primaryGroupToken") != "513" {
			t.Errorf("Domain Users: %+v", g.Attributes)
		}
	}
	tokens := find(t, c, user, ldap.ScopeBaseObject, "(objectClass=*)", "tokenGroups").Entries[0].GetAttributeValues("tokenGroups")
	slices.Sort(tokens)
	slices.Sort(want)
	if !slices.Equal(tokens, want) {
		t.Errorf("tokenGroups are %q, want %q", tokens, want)
	}
	if r := find(t, c, domain, ldap.ScopeWholeSubtree, "(objectClass=foreignSecurityPrincipal)", "objectSid"); len(r.Entries) != 1 ||
		!strings.HasSuffix(r.Entries[0].GetAttributeValue("objectSid"), "\x09\x00\x00\x00\xd2\x04\x00\x00") {
		t.Errorf("the foreign principal is %+v", r.Entries)
	}
	for filter, want := range map[string]int{
		"(memberOf=CN=above,CN=Users," + domain + ")":                                     1,
		"(memberOf:1.2.840.113556.1.4.1941:=CN=above,CN=Users," + domain + ")":            2,
		"(member:1.2.840.113556.1.4.1941:=" + user + ")":                                  3,
		"(&(objectClass=user)(!(memberOf:1.2.840.113556.1.4.1941:=CN=x," + domain + ")))": 1,
	} {
		if r := find(t, c, domain, ldap.ScopeWholeSubtree, filter, "1.1"); len(r.Entries) != want {
			t.Errorf("%s finds %d entries, want %d", filter, len(r.Entries), want)
		}
	}
	root := find(t, c, "", ldap.ScopeBaseObject, "(objectClass=*)").Entries[0]
	if root.GetAttributeValue("defaultNamingContext") != domain || root.GetAttributeValue("domainFunctionality") != "7" || root.GetAttributeValue("supportedCapabilities") != "1.2.840.113556.1.4.800" {
		t.Errorf("the root entry is %+v", root.Attributes)
	}
}

func TestADomainControllerRefusesAPasswordInClear(t *testing.T) {
	t.Parallel()
	hardened := controller
	hardened.RequireTLS = true
	web := httptest.NewTLSServer(nil) // It has a certificate for 127.0.0.1.
	t.Cleanup(web.Close)
	const reader = "CN=reader,CN=Users," + domain
	o := ldaptest.Options{AD: &hardened, BindDN: reader, Password: "p", TLS: &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}}
	_, c := dial(t, o, hardened.DomainEntries()...)
	if err := c.Bind(reader, "p"); !ldap.IsErrorWithCode(err, ldap.LDAPResultStrongAuthRequired) {
		t.Errorf("in clear: %v", err)
	}
	if _, err := c.Search(ldap.NewSearchRequest(domain, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", nil, nil)); !ldap.IsErrorWithCode(err, ldap.LDAPResultOperationsError) {
		t.Errorf("a search without a bind: %v", err)
	}
	trust := x509.NewCertPool()
	trust.AddCert(web.Certificate())
	if err := c.StartTLS(&tls.Config{RootCAs: trust, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}); err != nil {
		t.Fatal(err)
	}
	if err := c.Bind(reader, "p"); err != nil {
		t.Errorf("after StartTLS: %v", err)
	}
}
