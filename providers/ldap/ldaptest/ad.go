package ldaptest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"
)

// AD makes a server behave as a domain controller of Active Directory does, with the
// limits that Samba does not have (MaxPageSize, MaxValRange).
type AD struct {
	// Domain is the DN of the domain, such as DC=ad,DC=test. A search of all of it ends
	// with references to its other partitions.
	Domain string
	// RequireTLS refuses simple binds without TLS (code 8), as hardened controllers do.
	RequireTLS bool
}

// The limits of a domain controller that nobody has changed.
const (
	adMaxPage   = 1000
	adMaxValues = 1500
)

// The relative ids of what every domain has.
const (
	ridUsers    = 513
	ridFirst    = 1104
	securityBit = 1 << 31
)

// DomainEntries are what every domain has: its root, the usual containers, and the group
// that everybody is in by his primaryGroupID.
func (a AD) DomainEntries() []Entry {
	container := func(name string) Entry {
		return Entry{DN: "CN=" + name + "," + a.Domain, Attributes: map[string][]string{"objectClass": {"top", "container"}, "cn": {name}}}
	}
	return []Entry{
		{DN: a.Domain, Attributes: map[string][]string{"objectClass": {"top", "domain", "domainDNS"}, "objectSid": {domainSID}}},
		container("Users"), container("ForeignSecurityPrincipals"),
		{DN: "CN=Domain Users,CN=Users," + a.Domain, Attributes: map[string][]string{
			"objectClass": {"top", "group"}, "cn": {"Domain Users"}, "sAMAccountName": {"Domain Users"}, "objectSid": {DomainSID(ridUsers)}}},
	}
}

// ForeignPrincipal is the entry that stands for somebody of another forest, by his SID.
func (a AD) ForeignPrincipal(sid string) Entry {
	return Entry{DN: "CN=" + sid + ",CN=ForeignSecurityPrincipals," + a.Domain,
		Attributes: map[string][]string{"objectClass": {"top", "foreignSecurityPrincipal"}, "cn": {sid}, "objectSid": {sidOfText(sid)}}}
}

// domainSID is S-1-5-21-1-2-3.
var domainSID = sidOfText("S-1-5-21-1-2-3")

// DomainSID gives the bytes of the SID of an account or group of the test domain.
func DomainSID(rid uint32) string {
	return string([]byte{1, domainSID[1] + 1}) + domainSID[2:] + string(binary.LittleEndian.AppendUint32(nil, rid))
}

// sidOfText gives the bytes of a SID that is written as S-1-5-21-….
func sidOfText(text string) string {
	parts := strings.Split(text, "-")[2:]
	authority, _ := strconv.ParseUint(parts[0], 10, 48)
	raw := []byte{1, byte(len(parts) - 1)}
	raw = append(raw, binary.BigEndian.AppendUint64(nil, authority)[2:]...)
	for _, part := range parts[1:] {
		n, _ := strconv.ParseUint(part, 10, 32)
		raw = binary.LittleEndian.AppendUint32(raw, uint32(n))
	}
	return string(raw)
}

// rid gives the last part of an entry's SID.
func (e *entry) rid() string {
	sid := strings.Join(e.values("objectSid"), "")
	if len(sid) < 12 {
		return ""
	}
	return strconv.FormatUint(uint64(binary.LittleEndian.Uint32([]byte(sid[len(sid)-4:]))), 10)
}

func (e *entry) is(class string) bool {
	return slices.ContainsFunc(e.values("objectClass"), func(c string) bool { return strings.EqualFold(c, class) })
}

// dress gives an entry what a domain controller gives to each. The server is locked.
func (s *Server) dress(e *entry) {
	if s.options.AD == nil {
		return
	}
	unless := func(name, value string) {
		if e.find(name) == nil {
			e.set(name, []string{value})
		}
	}
	unless("objectGUID", string(rawGUID(newUUID())))
	category := func(name string) {
		unless("objectCategory", "CN="+name+",CN=Schema,CN=Configuration,"+s.options.AD.Domain)
	}
	switch {
	case e.is("user"), e.is("group"):
		s.rids++
		unless("objectSid", DomainSID(ridFirst+s.rids))
	}
	switch {
	case e.is("computer"):
		category("Computer")
	case e.is("user"):
		category("Person")
		unless("userAccountControl", "512")
		unless("accountExpires", "9223372036854775807")
		unless("primaryGroupID", strconv.Itoa(ridUsers))
	case e.is("contact"):
		category("Person")
	case e.is("group"):
		category("Group")
		unless("groupType", "-2147483646")
	case e.is("foreignSecurityPrincipal"):
		category("Foreign-Security-Principal")
	}
}

func rawGUID(id string) []byte {
	raw := make([]byte, 0, 16)
	hex := strings.ReplaceAll(id, "-", "")
	for i := 0; i+1 < len(hex); i += 2 {
		b, _ := strconv.ParseUint(hex[i:i+2], 16, 8)
		raw = append(raw, byte(b))
	}
	return raw
}

// limitPage holds a search to the limits of a domain controller: a larger page is cut
// without a word, and without pages there is an end after as many entries as a page has.
func (s *Server) limitPage(q *query) {
	switch {
	case s.options.AD == nil:
	case !q.paged:
		if q.limit == 0 || q.limit > adMaxPage {
			q.limit = adMaxPage
		}
	case q.PageSize == 0 || q.PageSize > adMaxPage:
		q.PageSize = adMaxPage
	}
}

// maxValues is how many values of an attribute an entry shows.
func (s *Server) maxValues() int {
	if s.options.AD != nil && s.options.MaxValues == 0 {
		return adMaxValues
	}
	return s.options.MaxValues
}

// partitions are the references behind a search of the whole domain.
func (s *Server) partitions(q *query) []string {
	a := s.options.AD
	if a == nil || q.Scope != ldap.ScopeWholeSubtree || q.domainScope || normalDN(q.Base) != normalDN(a.Domain) {
		return nil
	}
	host := a.host()
	return []string{
		"ldap://ForestDnsZones." + host + "/DC=ForestDnsZones," + a.Domain,
		"ldap://DomainDnsZones." + host + "/DC=DomainDnsZones," + a.Domain,
		"ldap://" + host + "/CN=Configuration," + a.Domain,
	}
}

// host gives the DNS name of the domain.
func (a *AD) host() string {
	var parts []string
	for part := range strings.SplitSeq(a.Domain, ",") {
		_, value, _ := strings.Cut(part, "=")
		parts = append(parts, strings.ToLower(value))
	}
	return strings.Join(parts, ".")
}

// describeDomain makes the root entry that of a domain controller.
func (s *Server) describeDomain(root *entry) {
	a := s.options.AD
	if a == nil {
		return
	}
	configuration := "CN=Configuration," + a.Domain
	root.set("objectClass", nil)
	for name, values := range map[string][]string{
		"namingContexts":             {a.Domain, configuration, "CN=Schema," + configuration},
		"defaultNamingContext":       {a.Domain},
		"rootDomainNamingContext":    {a.Domain},
		"configurationNamingContext": {configuration},
		"schemaNamingContext":        {"CN=Schema," + configuration},
		"subschemaSubentry":          {"CN=Aggregate,CN=Schema," + configuration},
		"dnsHostName":                {"dc1." + a.host()},
		"dsServiceName":              {"CN=NTDS Settings,CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites," + configuration},
		"domainFunctionality":        {"7"}, "forestFunctionality": {"7"}, "domainControllerFunctionality": {"7"},
		"isGlobalCatalogReady": {"TRUE"}, "isSynchronized": {"TRUE"},
		"supportedCapabilities":   {"1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670", "1.2.840.113556.1.4.1791", "1.2.840.113556.1.4.1935", "1.2.840.113556.1.4.2080", "1.2.840.113556.1.4.2237"},
		"supportedControl":        {ldap.ControlTypePaging, ldap.ControlTypeMicrosoftDomainScope, ldap.ControlTypeMicrosoftRangeOption},
		"supportedLDAPPolicies":   {"MaxPageSize", "MaxValRange", "MaxConnIdleTime"},
		"supportedSASLMechanisms": {"GSSAPI", "GSS-SPNEGO", "EXTERNAL", "DIGEST-MD5"},
	} {
		root.set(name, values)
	}
}

// adBind gives the result code of a bind that a domain controller refuses before it
// looks at the password.
func (s *session) adBind(dn string) int {
	if a := s.server.options.AD; a != nil && a.RequireTLS && dn != "" && !s.secure {
		return ldap.LDAPResultStrongAuthRequired
	}
	return ldap.LDAPResultSuccess
}

// unbound is how a server refuses a search before a bind.
func (s *Server) unbound() (int, string) {
	if s.options.AD != nil {
		return ldap.LDAPResultOperationsError, fmt.Sprintf("%08X: LdapErr: DSID-0C090A22, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563", 0x4dc)
	}
	return ldap.LDAPResultInsufficientAccessRights, "bind first"
}
