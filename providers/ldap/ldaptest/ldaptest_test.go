package ldaptest_test

import (
	"slices"
	"strings"
	"testing"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/providers/ldap/ldaptest"
)

func dial(t *testing.T, o ldaptest.Options, entries ...ldaptest.Entry) (*ldaptest.Server, *ldap.Conn) {
	t.Helper()
	s := ldaptest.New(o)
	if err := s.Add(entries...); err != nil {
		t.Fatal(err)
	}
	url, err := s.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ldap.DialURL(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

func entry(dn string, attributes map[string][]string) ldaptest.Entry {
	return ldaptest.Entry{DN: dn, Attributes: attributes}
}

// dns gives the DNs that a search finds.
func dns(t *testing.T, c *ldap.Conn, base string, scope int, filter string) string {
	t.Helper()
	r, err := c.Search(ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"1.1"}, nil))
	if err != nil {
		t.Fatalf("search %s: %v", filter, err)
	}
	var list []string
	for _, e := range r.Entries {
		list = append(list, e.DN)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestFiltersAndScopes(t *testing.T) {
	t.Parallel()
	_, c := dial(t, ldaptest.Options{},
		entry("dc=x", map[string][]string{"objectClass": {"domain"}}),
		entry("ou=a,dc=x", map[string][]string{"objectClass": {"organizationalUnit"}}),
		entry("cn=Alice,ou=a,dc=x", map[string][]string{"cn": {"Alice"}, "n": {"6"}, "member": {"CN=Bob, ou=a,dc=x"}}),
		entry("cn=Bob,ou=a,dc=x", map[string][]string{"cn": {"Bob"}, "n": {"10"}}))
	alice, bob := "cn=Alice,ou=a,dc=x", "cn=Bob,ou=a,dc=x"
	for _, q := range []struct {
		filter, want string
	}{
		{"(cn=ALICE)", alice}, {"(cn=*)", alice + " " + bob}, {"(!(cn=*))", "dc=x ou=a,dc=x"},
		{"(&(cn=*)(n=10))", bob}, {"(|(cn=alice)(n=10))", alice + " " + bob}, {"(cn=A*c*e)", alice}, {"(cn=*lic*)", alice}, {"(cn=*x*)", ""},
		{"(member=cn=bob,OU=A,dc=x)", alice}, {"(n:1.2.840.113556.1.4.803:=2)", alice + " " + bob}, {"(n:1.2.840.113556.1.4.803:=4)", alice},
		{"(n:1.2.3:=4)", ""}, {"(n>=7)", bob}, {"(n<=7)", alice}, {`(cn=\41lice)`, alice},
	} {
		if got := dns(t, c, "dc=x", ldap.ScopeWholeSubtree, q.filter); got != q.want {
			t.Errorf("%s finds %q, want %q", q.filter, got, q.want)
		}
	}
	if got := dns(t, c, "DC=X", ldap.ScopeSingleLevel, "(objectClass=*)"); got != "ou=a,dc=x" {
		t.Errorf("one level below the root are %q", got)
	}
	if got := dns(t, c, "ou=a,dc=x", ldap.ScopeBaseObject, "(cn=*)"); got != "" {
		t.Errorf("the base object matches as %q", got)
	}
}

func TestEntriesChangeWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	s, c := dial(t, ldaptest.Options{}, entry("dc=x", nil), entry("cn=g,dc=x", map[string][]string{"member": {"cn=a"}}))
	has := func(filter string, want bool) {
		t.Helper()
		if got := dns(t, c, "dc=x", ldap.ScopeWholeSubtree, filter) != ""; got != want {
			t.Errorf("%s is %v, want %v", filter, got, want)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	do(s.AddValues("cn=g,dc=x", "member", "cn=b", "cn=c"))
	has("(member=cn=b)", true)
	do(s.RemoveValues("CN=G,dc=x", "member", "CN=B"))
	has("(member=cn=b)", false)
	has("(member=cn=c)", true)
	do(s.Modify("cn=g,dc=x", "mail", "g@x"))
	has("(mail=g@x)", true)
	do(s.Modify("cn=g,dc=x", "mail"))
	has("(mail=*)", false)
	do(s.Rename("cn=g,dc=x", "cn=h,dc=x"))
	if got := dns(t, c, "dc=x", ldap.ScopeWholeSubtree, "(member=*)"); got != "cn=h,dc=x" {
		t.Errorf("after the renaming there is %q", got)
	}
	do(s.Add(entry("cn=new,dc=x", nil)))
	has("(entryUUID=*)", true)
	do(s.Delete("cn=h,dc=x"))
	has("(member=*)", false)
	for _, err := range []error{s.Add(entry("cn=new,dc=x", nil)), s.Delete("cn=h,dc=x"), s.Modify("cn=h,dc=x", "a", "b"), s.Rename("cn=h,dc=x", "cn=i,dc=x"), s.Rename("cn=new,dc=x", "dc=x"), s.Add(entry("no DN", nil))} {
		if err == nil {
			t.Error("a change that cannot be gives no error")
		}
	}
}

func TestOnlyTheRightCredentialsAreLetIn(t *testing.T) {
	t.Parallel()
	_, c := dial(t, ldaptest.Options{BindDN: "cn=r,dc=x", Password: "p"}, entry("dc=x", nil))
	search := ldap.NewSearchRequest("dc=x", ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil)
	if _, err := c.Search(search); !ldap.IsErrorWithCode(err, ldap.LDAPResultInsufficientAccessRights) {
		t.Errorf("without a bind: %v", err)
	}
	if err := c.Bind("cn=r,dc=x", "q"); !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := c.Bind("CN=R, dc=x", "p"); err != nil {
		t.Errorf("with the right one: %v", err)
	}
	if _, err := c.Search(search); err != nil {
		t.Errorf("after the bind: %v", err)
	}
	if err := c.Del(ldap.NewDelRequest("dc=x", nil)); !ldap.IsErrorWithCode(err, ldap.LDAPResultUnwillingToPerform) {
		t.Errorf("a change over the wire: %v", err)
	}
	if err := c.ExternalBind(); !ldap.IsErrorWithCode(err, ldap.LDAPResultAuthMethodNotSupported) {
		t.Errorf("EXTERNAL: %v", err)
	}
}
