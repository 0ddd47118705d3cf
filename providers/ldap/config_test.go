package ldap

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

func TestConfigReadsSingleValuesAndLists(t *testing.T) {
	t.Parallel()
	c, ok := Type().New().(*Config)
	if !ok {
		t.Fatal("New gives another type")
	}
	text := `
url: ldaps://a.example.org
bind: {dn: "cn=sync,dc=x", password: "file:secrets/ldap"}
layout: ad
users: {base: ["ou=a,dc=x", "ou=b,dc=x"], attributes: {department: departmentNumber}}
groups: {base: "ou=g,dc=x", members: [member, memberUid]}
page_size: 100
`
	if err := yaml.Unmarshal([]byte(text), c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(List{"ldaps://a.example.org"}, c.URL); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(List{"ou=a,dc=x", "ou=b,dc=x"}, c.Users.Base); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(List{"member", "memberUid"}, c.Groups.Members); diff != "" {
		t.Error(diff)
	}
	if !c.Nested || c.PageSize != 100 || c.Bind.Password.String() != "file:secrets/ldap" {
		t.Errorf("got %+v", c)
	}
	if list := c.Check(); len(list) > 0 {
		t.Errorf("Check: %v", list)
	}
}

func kerberos() Bind {
	return Bind{GSSAPI: GSSAPI{Principal: "sync@EXAMPLE.ORG", Keytab: "sync.keytab"}}
}

func TestCheckFindsEachMistake(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path, message string
		edit                func(*Config)
	}{
		{"no url", "url", "no url", func(c *Config) { c.URL = nil }},
		{"unknown scheme", "url", "not an LDAP address", func(c *Config) { c.URL = List{"http://x"} }},
		{"no host", "url", "not an LDAP address", func(c *Config) { c.URL = List{"ldap://"} }},
		{"password in the url", "url", "belong into bind", func(c *Config) { c.URL = List{"ldaps://u:p@x"} }},
		{"base in the url", "url", "more than a host", func(c *Config) { c.URL = List{"ldaps://x/dc=x"} }},
		{"password in clear", "url", "in clear", func(c *Config) { c.URL = List{"ldap://ldap.example.org"} }},
		{"start_tls on ldaps", "start_tls", "is none", func(c *Config) { c.URL, c.StartTLS = List{"ldaps://x"}, true }},
		{"external over a network", "bind external", "needs an ldapi", func(c *Config) { c.Bind = Bind{External: true} }},
		{"two ways to bind", "bind", "more than one of", func(c *Config) { c.Bind.External, c.URL = true, List{"ldapi://%2Frun%2Fldapi"} }},
		{"a certificate in clear", "cert_file", "has none", func(c *Config) { c.CertFile, c.KeyFile = "c.pem", "k.pem" }},
		{"external by a certificate in clear", "bind external", "has neither", func(c *Config) { c.Bind, c.CertFile, c.KeyFile = Bind{External: true}, "c.pem", "k.pem" }},
		{"certificate without key", "key_file", "no key", func(c *Config) { c.CertFile = "c.pem" }},
		{"key without certificate", "cert_file", "no certificate", func(c *Config) { c.KeyFile = "k.pem" }},
		{"gssapi and a password", "bind", "more than one of", func(c *Config) { c.Bind.GSSAPI.Principal = "sync" }},
		{"gssapi in clear", "url", "not be secured", func(c *Config) { c.Bind, c.URL = kerberos(), List{"ldap://dc1.example.org"} }},
		{"no principal", "bind gssapi principal", "no principal", func(c *Config) { c.Bind = kerberos(); c.Bind.GSSAPI.Principal = "@EXAMPLE.ORG" }},
		{"no keytab", "bind gssapi keytab", "no keytab", func(c *Config) { c.Bind = kerberos(); c.Bind.GSSAPI.Keytab = "" }},
		{"two realms", "bind gssapi realm", "names the realm", func(c *Config) { c.Bind = kerberos(); c.Bind.GSSAPI.Realm = "X.ORG" }},
		{"service without host", "bind gssapi service", "Kerberos name", func(c *Config) { c.Bind = kerberos(); c.Bind.GSSAPI.Service = "ldap" }},
		{"gssapi over a socket", "bind gssapi service", "no host", func(c *Config) { c.Bind, c.URL = kerberos(), List{"ldapi://%2Frun%2Fldapi"} }},
		{"no password", "bind password", "has no password", func(c *Config) { c.Bind = Bind{DN: "cn=a,dc=x"} }},
		{"no bind dn", "bind dn", "has no dn", func(c *Config) { c.Bind.DN = "" }},
		{"unknown layout", "layout", "not known", func(c *Config) { c.Layout = "automatic" }},
		{"memberOf and member", "groups members", "mixes", func(c *Config) { c.Groups.Members = List{"member", "memberOf"} }},
		{"no users base", "users base", "missing", func(c *Config) { c.Users.Base = nil }},
		{"no groups base", "groups base", "missing", func(c *Config) { c.Groups.Base = nil }},
		{"base is no DN", "groups base", "not a DN", func(c *Config) { c.Groups.Base = List{"groups"} }},
		{"users filter", "users filter", "not an LDAP filter", func(c *Config) { c.Users.Filter = "(uid=a" }},
		{"groups filter", "groups filter", "not an LDAP filter", func(c *Config) { c.Groups.Filter = "cn=a" }},
		{"disabled filter", "users disabled", "not an LDAP filter", func(c *Config) { c.Users.Disabled = "yes" }},
		{"filter in an attribute", "groups members", "name of an attribute", func(c *Config) { c.Groups.Members = List{"member=*)(cn"} }},
		{"extra attribute", "users attributes department", "name of an attribute", func(c *Config) { c.Users.Attributes = map[string]string{"department": ""} }},
		{"page size", "page_size", "is 0", func(c *Config) { c.PageSize = 0 }},
		{"large page size", "page_size", "is 10001", func(c *Config) { c.PageSize = 10001 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := configure(t, RFC2307bis, "ldap://127.0.0.1")
			if list := config.Check(); len(list) > 0 {
				t.Fatalf("before the mistake: %v", list)
			}
			c.edit(config)
			for _, p := range config.Check() {
				if strings.Join(p.Path, " ") == c.path && strings.Contains(p.Message, c.message) {
					return
				}
			}
			t.Errorf("Check gives %v, want %q at %q", config.Check(), c.message, c.path)
		})
	}
}

func TestLayoutsFillWhatIsNotSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		layout, userFilter, id, username, groupFilter, members string
	}{
		{RFC2307, "(objectClass=posixAccount)", "entryUUID", "uid", "(objectClass=posixGroup)", "memberUid, member"},
		{RFC2307bis, "(objectClass=inetOrgPerson)", "entryUUID", "uid", "(|(objectClass=groupOfNames)(objectClass=groupOfMembers))", "member, memberUid"},
		{AD, "(&(objectCategory=person)(objectClass=user))", "objectGUID", "sAMAccountName", "(objectCategory=group)", "member"},
		{FreeIPA, "(objectClass=posixAccount)", "ipaUniqueID", "uid", "(objectClass=ipaUserGroup)", "member"},
	} {
		l := configure(t, c.layout, "ldap://127.0.0.1").resolve()
		if l.users.Filter != c.userFilter || l.users.ID != c.id || l.users.Username != c.username || l.groups.Filter != c.groupFilter || l.groups.Members.String() != c.members {
			t.Errorf("%s gives %+v", c.layout, l)
		}
	}
	config := configure(t, RFC2307bis, "ldap://127.0.0.1")
	config.Groups.Members = List{"uniqueMember"}
	if l := config.resolve(); l.groups.Filter != "(objectClass=groupOfUniqueNames)" {
		t.Errorf("with uniqueMember the filter is %s", l.groups.Filter)
	}
	config.Groups.Filter = "(cn=ai-*)"
	if l := config.resolve(); l.groups.Filter != "(cn=ai-*)" {
		t.Errorf("the filter that was set became %s", l.groups.Filter)
	}
}

func TestScopeChangesWithWhatDecidesOnEntriesOnly(t *testing.T) {
	t.Parallel()
	base := func() *Config { return configure(t, RFC2307bis, "ldap://127.0.0.1") }
	same := base()
	same.Users.Base, same.PageSize, same.Users.Name = List{"OU=People, dc=example, dc=test"}, 7, "displayName"
	if same.Scope() != base().Scope() {
		t.Errorf("the scope changed:\n%s\n%s", base().Scope(), same.Scope())
	}
	for name, edit := range map[string]func(*Config){
		"base":    func(c *Config) { c.Groups.Base = List{suffix} },
		"filter":  func(c *Config) { c.Users.Filter = "(uid=*)" },
		"id":      func(c *Config) { c.Users.ID = "uid" },
		"members": func(c *Config) { c.Groups.Members = List{"uniqueMember"} },
		"nested":  func(c *Config) { c.Nested = false },
		"layout":  func(c *Config) { c.Layout = RFC2307 },
		"auto":    func(c *Config) { c.Layout = Auto },
	} {
		c := base()
		edit(c)
		if c.Scope() == base().Scope() {
			t.Errorf("another %s gives the same scope", name)
		}
	}
}

func TestPlaceAndReplicated(t *testing.T) {
	t.Parallel()
	a, b := configure(t, RFC2307bis, ""), configure(t, RFC2307bis, "")
	a.URL, b.URL = List{"ldaps://one.example.org", "ldaps://Two.example.org/"}, List{"ldaps://two.example.org", "ldaps://one.example.org"}
	if a.Place() != b.Place() || !a.Replicated() {
		t.Errorf("places %q and %q, replicated %v", a.Place(), b.Place(), a.Replicated())
	}
	if c := configure(t, RFC2307bis, "ldaps://one.example.org"); c.Replicated() || c.Place() == a.Place() {
		t.Errorf("one server: place %q, replicated %v", c.Place(), c.Replicated())
	}
	if configure(t, Auto, "ldaps://ldap.example.org").Replicated() {
		t.Error("what a single server is, its snapshots say")
	}
	if !configure(t, AD, "ldaps://ad.example.org").Replicated() {
		t.Error("Active Directory is replicated")
	}
}
