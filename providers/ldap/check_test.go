package ldap

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/ldaptest"
)

// found looks for a finding of a level whose message, with its remedy, has a text.
func found(t *testing.T, list []providers.Finding, level providers.Level, check, text string) {
	t.Helper()
	for _, f := range list {
		if f.Level == level && f.Check == check && strings.Contains(f.Message+" | "+f.Remedy, text) {
			if level != providers.OK && f.Remedy == "" {
				t.Errorf("no remedy: %+v", f)
			}
			return
		}
	}
	t.Errorf("no %s of %s with %q in:", level, check, text)
	for _, f := range list {
		t.Logf("%s %s: %s | %s", f.Level, f.Check, f.Message, f.Remedy)
	}
}

func mailless(n int) ldaptest.Entry {
	e := person(n)
	delete(e.Attributes, "mail")
	return e
}

func TestDoctorFindsWhatIsWrongWithADirectory(t *testing.T) {
	t.Parallel()
	policy := map[string][]string{"supportedControl": {ldap.ControlTypePaging, ldap.ControlTypeBeheraPasswordPolicy}}
	shared := person(2)
	shared.Attributes["mail"] = person(1).Attributes["mail"]
	one := []ldaptest.Entry{person(1), group("cn=a,"+groups, userDN(1))}
	for _, c := range []struct {
		name    string
		options func(*ldaptest.Options)
		config  func(*Config)
		entries []ldaptest.Entry
		level   providers.Level
		check   string
		text    string
	}{
		{"as whom", nil, nil, one, providers.OK, "bind", "knows us as dn:" + bindDN},
		{"nobody says as whom", func(o *ldaptest.Options) { o.NoWhoAmI = true }, nil, one, providers.OK, "bind", "does not say"},
		{"anonymously", func(o *ldaptest.Options) { o.BindDN = "" }, func(c *Config) { c.Bind = Bind{} }, one, providers.OK, "bind", "anonymously, as configured"},
		{"wrong password", nil, func(c *Config) { c.Bind.Password = secretFile(t, "wrong") }, one, providers.Failed, "bind", "code 49"},
		{"no such server", nil, func(c *Config) { c.URL = List{"ldap://127.0.0.1:1"} }, one, providers.Failed, "connection", "refused"},
		{"no schema", func(o *ldaptest.Options) { o.Schema = &ldaptest.Schema{} }, nil, one, providers.Failed, "layout", "write layout"},
		{"what auto chose", nil, nil, one, providers.OK, "layout", "auto chose openldap"},
		{"what is configured", nil, func(c *Config) { c.Layout = RFC2307 }, one, providers.OK, "layout", "rfc2307 is configured"},
		{"in clear on this machine", nil, nil, one, providers.OK, "tls", "does not leave this machine"},
		{"no paging", func(o *ldaptest.Options) { o.Root = map[string][]string{"supportedControl": nil} }, nil, one, providers.Warning, "paging", "enable them"},
		{"clock", func(o *ldaptest.Options) { o.Root = map[string][]string{"currentTime": {"20200101000000.0Z"}} }, nil, one, providers.Warning, "clock", "NTP"},
		{"nobody is disabled", func(o *ldaptest.Options) { o.Root, o.Schema = policy, known("", "pwdAccountLockedTime") },
			func(c *Config) { c.Layout = RFC2307bis }, one, providers.Warning, "users.disabled", "(pwdAccountLockedTime=000001010000Z)"},
		{"disabled by what nobody has", nil, func(c *Config) { c.Users.Disabled = "(&(lockedTyme=*)(uid=*))" }, one, providers.Warning, "users.disabled", "no attribute lockedTyme"},
		{"nothing tells who is disabled", nil, nil, one, providers.OK, "users.disabled", "nothing is configured"},
		{"somebody is disabled", nil, func(c *Config) { c.Users.Disabled = "(uid=u1)" }, one, providers.OK, "users.disabled", "1 user is disabled"},
		{"pages", func(o *ldaptest.Options) { o.MaxPage = 200 }, nil, one, providers.Warning, "page_size", "set page_size: 125"},
		{"size limit", func(o *ldaptest.Options) { o.SizeLimit = 5 }, func(c *Config) { c.PageSize = 2 },
			[]ldaptest.Entry{person(1), person(2), person(3), person(4), person(5), person(6), person(7)}, providers.Failed, "read", "raise the server's limits"},
		{"all is read", nil, nil, one, providers.OK, "read", "1 user and 1 group with 1 membership, read completely"},
		{"no mail", nil, nil, []ldaptest.Entry{mailless(1), mailless(2), person(3)}, providers.Warning, "users.email", "2 of 3 users have no mail"},
		{"some mail", nil, nil, []ldaptest.Entry{mailless(1), person(2), person(3)}, providers.OK, "users.email", "1 of 3 users have no mail"},
		{"one mail for two", nil, nil, []ldaptest.Entry{person(1), shared}, providers.Warning, "users.email", "1 mail address belong"},
		{"ids that are missing", nil, func(c *Config) { c.Users.ID = "employeeNumber" }, one, providers.Failed, "read", "employeeNumber"},
		{"cycles", nil, nil, []ldaptest.Entry{person(1), group("cn=a,"+groups, "cn=b,"+groups), group("cn=b,"+groups, "cn=a,"+groups, userDN(1))},
			providers.Warning, "nesting", "1 cycle of groups that contain each other: a, b"},
		{"another forest", nil, nil, append([]ldaptest.Entry{group("cn=b,"+groups, "cn=S-1-5-21-1,cn=ForeignSecurityPrincipals,"+suffix, "cn=S-1-5-11,cn=ForeignSecurityPrincipals,"+suffix)}, one...),
			providers.Warning, "foreign_members", "1 member of another forest"},
		{"nobody", nil, nil, append([]ldaptest.Entry{group("cn=b,"+groups, "cn=ghost,"+people)}, one...), providers.OK, "members", "1 reference"},
		{"a large group", nil, func(c *Config) { c.PageSize = 1 }, []ldaptest.Entry{person(1), person(2), group("cn=a,"+groups, userDN(1), userDN(2))}, providers.OK, "members", "a, has 2 members"},
		{"no changes", nil, nil, one, providers.OK, "changes", "everything is read each time"},
		{"indexes", nil, nil, one, providers.OK, "index", "entryUUID, uid, mail, member"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options()
			if c.options != nil {
				c.options(&o)
			}
			_, url := serve(t, o, c.entries...)
			config := configure(t, Auto, url)
			config.Users.Disabled = ""
			if c.config != nil {
				c.config(config)
			}
			found(t, open(t, config).Check(t.Context()), c.level, c.check, c.text)
		})
	}
}

func TestDoctorComparesTheServers(t *testing.T) {
	t.Parallel()
	_, first := serve(t, options(), person(1))
	o := options()
	o.Schema = known("inetOrgPerson groupOfNames", "")
	_, second := serve(t, o, person(1))
	config := configure(t, Auto, first)
	config.URL = append(config.URL, second)
	found(t, open(t, config).Check(t.Context()), providers.Warning, "layout", "different layouts")
}

func TestDoctorLooksAtTheWayAndItsCertificates(t *testing.T) {
	t.Parallel()
	server, ca := certificate(t, time.Now().AddDate(1, 0, 0), "x", net.IPv4(127, 0, 0, 1))
	cert, key, trust := ours(t)
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, trust
	_, ldaps := secure(t, server)
	config := configure(t, RFC2307bis, ldaps)
	config.CAFile, config.CertFile, config.KeyFile = ca, cert, key
	list := open(t, config).Check(t.Context())
	found(t, list, providers.OK, "tls", "TLS 1.3")
	found(t, list, providers.OK, "certificate", "is valid until")
	found(t, list, providers.Warning, "cert_file", "our certificate is valid until")

	f := &providers.Findings{}
	s := open(t, config)
	s.checkTLS(f, &session{server: at389(t, "ldap://ldap.example.org")})
	checkCatalog(f, at389(t, "ldaps://dc1.example.org:3269"))
	checkCatalog(f, at389(t, "ldaps://dc1.example.org"))
	found(t, f.List, providers.Warning, "tls", "is not encrypted: whoever is on the way")
	found(t, f.List, providers.Warning, "global_catalog", "use port 389 or 636")
	if len(f.List) != 2 {
		t.Errorf("findings %+v", f.List)
	}
}

func at389(t *testing.T, text string) server {
	t.Helper()
	s, err := parseServer(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDoctorGivesUpALongRead(t *testing.T) {
	t.Parallel()
	_, url := serve(t, options(), person(1))
	s := open(t, configure(t, RFC2307bis, url))
	s.reading = time.Nanosecond
	found(t, s.Check(t.Context()), providers.Warning, "read", "was given up after")
}

func TestSlowSearchesAreSuspicious(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		one, took time.Duration
		want      bool
	}{
		{time.Millisecond, 30 * time.Millisecond, false}, // small enough to need no index
		{time.Millisecond, 50 * time.Millisecond, true},
		{20 * time.Millisecond, 60 * time.Millisecond, false}, // a long way to the server
		{20 * time.Millisecond, 300 * time.Millisecond, true},
		{0, 0, false},
	} {
		if got := (&source{slow: slowSearch}).suspicious(c.one, c.took); got != c.want {
			t.Errorf("%v beside %v: %v", c.took, c.one, got)
		}
	}
	for name, want := range map[string]string{AD: "searchFlags", FreeIPA: "dsconf", "389": "dsconf", "openldap": "olcDbIndex: mail eq", RFC2307: "olcDbIndex"} {
		if got := indexRemedy(&session{layout: &layout{name: name}}, "mail"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	for d, want := range map[time.Duration]string{90 * time.Second: "1m30s", 1234 * time.Millisecond: "1.2 s", 12 * time.Millisecond: "12 ms", time.Microsecond: "less than 1 ms"} {
		if got := roughly(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
}

func TestDoctorNamesTheAttributesOfAFilter(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string]string{
		"(nsAccountLock=TRUE)": "nsAccountLock", "(&(a=1)(!(b>=2))(|(c~=3)(a=x=y)))": "a b c", "(userAccountControl:1.2.840.113556.1.4.803:=2)": "userAccountControl", "": "",
	} {
		if got := strings.Join(namesIn(filter), " "); got != want {
			t.Errorf("%s: %q", filter, got)
		}
	}
}

// TestASearchThatFailsForWantOfAnIndexIsFound has a server that refuses such searches.
func TestASearchThatFailsForWantOfAnIndexIsFound(t *testing.T) {
	t.Parallel()
	server, url := serve(t, options(), person(1), group("cn=a,"+groups, userDN(1)))
	server.SetFault(func(q ldaptest.Search) ldaptest.Fault {
		if strings.HasPrefix(q.Filter, "(mail=") {
			return ldaptest.Fault{Code: ldap.LDAPResultAdminLimitExceeded}
		}
		return ldaptest.Fault{}
	})
	list := open(t, configure(t, RFC2307bis, url)).Check(t.Context())
	found(t, list, providers.Warning, "index", "a search for one mail fails: admin limit exceeded")
	if partOf(fault.New(fault.Auth, "ask Kerberos", "", errMoved, "")) != "bind" {
		t.Error("Kerberos belongs to the bind")
	}
}

func TestDoctorSaysHowChangesAreSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		layout string
		edit   func(*ldaptest.Changes)
		text   string
	}{
		{RFC2307bis, func(*ldaptest.Changes) {}, "everything is read each time: the server offers neither syncrepl (RFC 4533) nor DirSync | on OpenLDAP: overlay syncprov"},
		{RFC2307bis, func(c *ldaptest.Changes) { c.Syncprov = true }, "are seen by syncrepl | "},
		{AD, func(c *ldaptest.Changes) { *c = controller(nil) }, "are seen by DirSync | "},
		{AD, func(c *ldaptest.Changes) { *c = controller(func(c *ldaptest.Changes) { c.NoReplication = true }) }, `| for deletions told at once, grant the account "Replicating Directory Changes"`},
		{AD, func(c *ldaptest.Changes) { *c = controller(func(c *ldaptest.Changes) { c.NoDirSync = true }) }, "are seen by uSNChanged: the server offers no DirSync | for deletions"},
	} {
		server := ldaptest.New(options())
		server.SetChanges(c.edit)
		if err := server.Add(append(tree(), account(1, nil))...); err != nil {
			t.Fatal(err)
		}
		url, err := server.Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		})
		found(t, open(t, configure(t, c.layout, url)).Check(t.Context()), providers.OK, "changes", c.text)
	}
}
