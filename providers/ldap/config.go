package ldap

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/httpx"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
)

// Config is the configuration of an LDAP source. Keys of users and groups that are
// not set come from the layout.
type Config struct {
	URL      List        `yaml:"url" doc:"Address of the server, ldap, ldaps or ldapi; or a list, tried in order."`
	StartTLS bool        `yaml:"start_tls,omitempty" doc:"Secure an ldap:// connection with TLS before anything is sent."`
	CAFile   scalar.Path `yaml:"ca_file,omitempty" doc:"PEM file with the authority that signed the server's certificate; it alone is trusted then."`
	CertFile scalar.Path `yaml:"cert_file,omitempty" doc:"PEM file with our certificate, for servers that ask for one; read at each connect."`
	KeyFile  scalar.Path `yaml:"key_file,omitempty" doc:"PEM file with the private key of cert_file, which nobody else may read."`
	Bind     Bind        `yaml:"bind,omitempty" doc:"As whom the directory is read; omitted: anonymously."`
	Layout   string      `yaml:"layout,omitempty" words:"auto rfc2307 rfc2307bis ad freeipa" doc:"Presets for users and groups; auto: what the server's kind and schema say."`
	Users    Users       `yaml:"users" doc:"Where people are and what their attributes are called."`
	Groups   Groups      `yaml:"groups" doc:"Where groups are and what their attributes are called."`
	// Nested counts the members of member groups.
	Nested   bool `yaml:"nested" doc:"Members of member groups count."`
	PageSize int  `yaml:"page_size,omitempty" doc:"Entries per page; servers rarely allow more than 1000."`
}

// Bind says as whom we read.
type Bind struct {
	DN       string     `yaml:"dn,omitempty" doc:"DN of the account."`
	Password secret.Ref `yaml:"password,omitempty" doc:"Where the password of the account is kept."`
	// External uses who we are below LDAP (SASL EXTERNAL): the user of our process on an
	// ldapi socket, or the certificate of cert_file.
	External bool   `yaml:"external,omitempty" doc:"Let the server know us by our process on an ldapi socket, or by the certificate of cert_file."`
	GSSAPI   GSSAPI `yaml:"gssapi,omitempty" doc:"Let the server know us by Kerberos."`
}

// GSSAPI says as whom Kerberos knows us (SASL GSSAPI).
type GSSAPI struct {
	Principal string      `yaml:"principal,omitempty" doc:"Name of the account in Kerberos, such as sync or sync@EXAMPLE.ORG."`
	Keytab    scalar.Path `yaml:"keytab,omitempty" doc:"File with the keys of the account, which nobody else may read; read at each bind."`
	Realm     string      `yaml:"realm,omitempty" doc:"Realm of the account; omitted: what stands behind the @ of principal, or default_realm of krb5_conf."`
	Krb5Conf  scalar.Path `yaml:"krb5_conf,omitempty" doc:"Where realms and their servers are described; omitted: /etc/krb5.conf, and DNS where there is no such file."`
	Service   string      `yaml:"service,omitempty" doc:"Kerberos name of the LDAP server; omitted: ldap/HOST with the host of url."`
}

func (g GSSAPI) used() bool { return g != GSSAPI{} }

// Users says where people are and what their attributes are called.
type Users struct {
	Base     List   `yaml:"base" doc:"DN below which the users are; or a list."`
	Filter   string `yaml:"filter,omitempty" doc:"Filter that finds the users."`
	ID       string `yaml:"id,omitempty" doc:"Attribute that never changes."`
	Email    string `yaml:"email,omitempty" doc:"Attribute with the mail address."`
	Username string `yaml:"username,omitempty" doc:"Attribute with the name that people sign in with."`
	Name     string `yaml:"name,omitempty" doc:"Attribute with the name for display."`
	// Disabled is a filter that finds the disabled ones among the users.
	Disabled string `yaml:"disabled,omitempty" doc:"Filter that finds the disabled ones among the users."`
	// Attributes are further attributes for rules, by the name that rules use.
	Attributes map[string]string `yaml:"attributes,omitempty" doc:"Further attributes for rules, by the name that rules use."`
}

// Groups says where groups are and what their attributes are called.
type Groups struct {
	Base        List   `yaml:"base" doc:"DN below which the groups are; or a list."`
	Filter      string `yaml:"filter,omitempty" doc:"Filter that finds the groups."`
	ID          string `yaml:"id,omitempty" doc:"Attribute that never changes."`
	Name        string `yaml:"name,omitempty" doc:"Attribute with the name."`
	Description string `yaml:"description,omitempty" doc:"Attribute with the description."`
	// Members are the attributes that hold members: memberUid by username, any
	// other by DN. Several are united. memberOf and isMemberOf, alone, are attributes of
	// the users that name their groups.
	Members List `yaml:"members,omitempty" doc:"Attribute that holds members, or several: memberUid by username, any other by DN. memberOf or isMemberOf, alone: the users name their groups."`
	// Owners is the attribute that holds the owners of a group by DN; empty: they are not
	// read.
	Owners string `yaml:"owners,omitempty" doc:"Attribute that holds the owners of a group by DN, such as owner, or managedBy in Active Directory. Omitted: owners are not read. Changes cannot be followed with it: everything is read each time."`
}

const (
	defaultPageSize = 500
	maxPageSize     = 10000
)

// Check finds missing and contradicting values.
func (c *Config) Check() []providers.Problem {
	p := &providers.Problems{}
	c.checkURLs(p)
	c.checkBind(p)
	switch c.Layout {
	case Auto, RFC2307, RFC2307bis, AD, FreeIPA:
	default:
		p.Add(fmt.Sprintf("layout %q is not known", c.Layout), "write auto, rfc2307, rfc2307bis, ad or freeipa", "layout")
	}
	l := c.fill(presetsOf(c.Layout)) // Auto has some presets here too, all of which are valid.
	c.checkMembers(p)
	checkBases(p, l.users.Base, "users")
	checkBases(p, l.groups.Base, "groups")
	checkFilter(p, l.users.Filter, "users", "filter")
	checkFilter(p, l.groups.Filter, "groups", "filter")
	if l.users.Disabled != "" {
		checkFilter(p, l.users.Disabled, "users", "disabled")
	}
	for _, a := range []struct{ block, key, name string }{
		{"users", "id", l.users.ID}, {"users", "email", l.users.Email}, {"users", "username", l.users.Username}, {"users", "name", l.users.Name},
		{"groups", "id", l.groups.ID}, {"groups", "name", l.groups.Name}, {"groups", "description", l.groups.Description},
	} {
		checkAttribute(p, a.name, a.block, a.key)
	}
	for _, name := range l.groups.Members {
		checkAttribute(p, name, "groups", "members")
	}
	if l.groups.Owners != "" {
		checkAttribute(p, l.groups.Owners, "groups", "owners")
	}
	for _, key := range slices.Sorted(maps.Keys(l.users.Attributes)) {
		checkAttribute(p, l.users.Attributes[key], "users", "attributes", key)
	}
	if c.PageSize < 1 || c.PageSize > maxPageSize {
		p.Add(fmt.Sprintf("page_size is %d", c.PageSize), fmt.Sprintf("write a number from 1 to %d; servers rarely allow more than 1000", maxPageSize), "page_size")
	}
	return *p
}

// checkMembers refuses memberOf beside an attribute of groups: which of the two would
// hold the truth?
func (c *Config) checkMembers(p *providers.Problems) {
	if len(c.Groups.Members) > 1 && slices.ContainsFunc(c.Groups.Members, ofUsers) {
		p.Add("groups.members mixes an attribute of users with others", "memberOf and isMemberOf are read from the users, and then alone: keep one way", "groups", "members")
	}
}

// checkURLs finds addresses that cannot be used, and a password that would cross a
// network in clear.
func (c *Config) checkURLs(p *providers.Problems) {
	if len(c.URL) == 0 {
		p.Add("there is no url", "write ldaps://ldap.example.org", "url")
	}
	for _, text := range c.URL {
		s, err := parseServer(text)
		if err != nil {
			p.Add(err.Error(), "write ldaps://HOST, ldap://HOST or ldapi://%2Fpath%2Fto%2Fsocket", "url")
			continue
		}
		if c.StartTLS && s.scheme != "ldap" {
			p.Add("start_tls is for ldap:// addresses, and "+text+" is none", "leave start_tls out", "start_tls")
		}
		c.checkBindAt(p, s)
	}
}

// checkBindAt finds ways to bind that do not go with an address.
func (c *Config) checkBindAt(p *providers.Problems, s server) {
	inClear := s.scheme == "ldap" && !c.StartTLS
	if inClear && !c.Bind.Password.IsZero() && !s.loopback() {
		p.Add("the password would be sent to "+s.text+" in clear", "write ldaps:// or start_tls: true", "url")
	}
	if inClear && c.Bind.GSSAPI.used() && !s.loopback() {
		// We ask Kerberos for no layer that signs or seals, so that TLS has to.
		p.Add("what is read from "+s.text+" would not be secured", "write ldaps:// or start_tls: true; bind.gssapi proves who we are and protects nothing behind that", "url")
	}
	certificate := c.CertFile != "" && s.scheme != "ldapi" && !inClear
	if c.Bind.External && s.scheme != "ldapi" && !certificate {
		p.Add("bind.external needs an ldapi:// address, or a certificate and TLS, and "+s.text+" has neither",
			"the server knows our process by the socket only; else set cert_file and key_file with ldaps:// or start_tls: true, or use bind.dn and bind.password", "bind", "external")
	}
	if c.CertFile != "" && inClear {
		p.Add("cert_file is for TLS, and "+s.text+" has none", "write ldaps:// or start_tls: true, or leave cert_file out", "cert_file")
	}
}

func (c *Config) checkBind(p *providers.Problems) {
	b := c.Bind
	ways := 0
	for _, used := range []bool{b.DN != "" || !b.Password.IsZero(), b.External, b.GSSAPI.used()} {
		if used {
			ways++
		}
	}
	switch {
	case ways > 1:
		p.Add("bind says more than one of dn and password, external, and gssapi", "keep one of these ways", "bind")
	case b.DN != "" && b.Password.IsZero():
		p.Add("bind.dn has no password", "add password: file:PATH; a bind without one would be anonymous", "bind", "password")
	case b.DN == "" && !b.Password.IsZero():
		p.Add("bind.password has no dn", "add the DN of the account", "bind", "dn")
	}
	if b.GSSAPI.used() {
		c.checkGSSAPI(p)
	}
	switch {
	case c.CertFile != "" && c.KeyFile == "":
		p.Add("cert_file has no key", "add key_file with the private key of the certificate", "key_file")
	case c.CertFile == "" && c.KeyFile != "":
		p.Add("key_file has no certificate", "add cert_file with the certificate of the key", "cert_file")
	}
}

func (c *Config) checkGSSAPI(p *providers.Problems) {
	g := c.Bind.GSSAPI
	name, realm, _ := strings.Cut(g.Principal, "@")
	switch {
	case name == "":
		p.Add("bind.gssapi has no principal", "write the name of the account in Kerberos, such as sync@EXAMPLE.ORG", "bind", "gssapi", "principal")
	case realm != "" && g.Realm != "" && realm != g.Realm:
		p.Add(fmt.Sprintf("bind.gssapi.principal names the realm %s and bind.gssapi.realm %s", realm, g.Realm), "keep one of the two", "bind", "gssapi", "realm")
	}
	if g.Keytab == "" {
		p.Add("bind.gssapi has no keytab", "write the file with the keys of the account; ktutil, ktpass or samba-tool domain exportkeytab make one", "bind", "gssapi", "keytab")
	}
	if service, host, _ := strings.Cut(g.Service, "/"); g.Service != "" && (service == "" || host == "") {
		p.Add(fmt.Sprintf("%q is not the Kerberos name of a server", g.Service), "write it as ldap/HOST", "bind", "gssapi", "service")
	}
	for _, text := range c.URL {
		if s, err := parseServer(text); err == nil && s.scheme == "ldapi" && g.Service == "" {
			p.Add("a socket has no host that Kerberos knows", "write service: ldap/HOST", "bind", "gssapi", "service")
		}
	}
}

func checkBases(p *providers.Problems, bases List, block string) {
	if len(bases) == 0 {
		p.Add(block+".base is missing", "write the DN below which the "+block+" are, such as ou="+block+",dc=example,dc=org", block, "base")
	}
	for _, b := range bases {
		if parsed, err := ldap.ParseDN(b); err != nil || len(parsed.RDNs) == 0 {
			p.Add(fmt.Sprintf("%q is not a DN", b), "write it as ou="+block+",dc=example,dc=org", block, "base")
		}
	}
}

func checkFilter(p *providers.Problems, filter string, path ...string) {
	if _, err := ldap.CompileFilter(filter); err != nil {
		p.Add(fmt.Sprintf("%q is not an LDAP filter: %s", filter, reason(err)), "write it in parentheses, such as (objectClass=person)", path...)
	}
}

// checkAttribute refuses names that would change the meaning of a request.
func checkAttribute(p *providers.Problems, name string, path ...string) {
	bad := strings.IndexFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == ';')
	})
	if name == "" || bad >= 0 {
		p.Add(fmt.Sprintf("%q is not the name of an attribute", name), "", path...)
	}
}

// Scope gives bases, filters and id attributes with the presets filled in. What a
// server decides is in the scope of the snapshots.
func (c *Config) Scope() string {
	l := c.resolve()
	if c.Layout == Auto {
		return "layout: auto\n" + l.scope()
	}
	return l.scope()
}

// Place gives the type and the addresses, in any order the same.
func (c *Config) Place() string {
	urls := slices.Clone(c.URL)
	for i, u := range urls {
		urls[i] = strings.ToLower(strings.TrimSuffix(u, "/"))
	}
	slices.Sort(urls)
	return "ldap " + strings.Join(urls, " ")
}

// Replicated is true for several servers and for Active Directory, where one name
// stands for all domain controllers. A single server that turns out to be one of them
// under layout: auto is said to be so by its snapshots.
func (c *Config) Replicated() bool { return len(c.URL) > 1 || c.Layout == AD }

// Open makes the source.
func (c *Config) Open(o providers.Options) (providers.Source, error) {
	if err := o.Sound(c); err != nil {
		return nil, err
	}
	s := &source{config: *c, name: o.Name, logger: o.Log(), meter: o.Meter, now: o.Clock(),
		dial: cmp.Or(o.Timeout, dialTimeout), request: cmp.Or(o.Timeout, requestTimeout), reading: readTime, slow: slowSearch,
		lookUps: maxLookUps, watchdog: watchdogEvery, watchdogWait: watchdogWait, poll: pollEvery,
		reach: (&net.Dialer{}).DialContext, calls: map[int]cancelFunc{}, detected: map[string]*detection{}}
	return s, nil
}

// server is one address, taken apart.
type server struct {
	text   string
	scheme string
	host   string
	addr   string // what is dialled: host and port, or the path of a socket
}

func parseServer(text string) (server, error) {
	s := server{text: text}
	scheme, rest, _ := strings.Cut(text, "://")
	s.scheme = strings.ToLower(scheme)
	// A password may stand before the @, so the text is not repeated.
	if host, _, _ := strings.Cut(rest, "/"); strings.Contains(text, "@") && (strings.Contains(host, "@") || s.scheme != "ldapi") {
		return server{}, errors.New("the url holds a user name or password, which belong into bind")
	}
	switch s.scheme {
	case "ldapi":
		host, _, _ := strings.Cut(rest, "/")
		path, err := url.PathUnescape(host)
		if err != nil {
			return s, fmt.Errorf("%q is not an LDAP address", text)
		}
		if path == "" {
			path = "/var/run/slapd/ldapi"
		}
		s.addr = path
		return s, nil
	case "ldap", "ldaps":
	default:
		return s, fmt.Errorf("%q is not an LDAP address", text)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return s, fmt.Errorf("%q is not an LDAP address", text)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "":
		return s, fmt.Errorf("%q has more than a host and a port; the base belongs into users.base and groups.base", text)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ldap": ldap.DefaultLdapPort, "ldaps": ldap.DefaultLdapsPort}[s.scheme]
	}
	s.host = u.Hostname()
	s.addr = net.JoinHostPort(s.host, port)
	return s, nil
}

// loopback reports whether the address cannot leave this machine.
func (s server) loopback() bool { return s.scheme == "ldapi" || httpx.Loopback(s.host) }
