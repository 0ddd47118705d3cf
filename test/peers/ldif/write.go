package ldif

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"

	"github.com/go-ldap/ldap/v3"
)

// The containers of people and of groups.
const (
	People = "ou=people," + Suffix
	Groups = "ou=groups," + Suffix
)

// DN gives the DN of a person.
func (u *User) DN() string { return "uid=" + u.UID + "," + People }

// DN gives the DN of a group.
func (g *Group) DN() string { return "cn=" + ldap.EscapeDN(g.Name) + "," + Groups }

// Write writes the company as LDIF: inetOrgPerson and groupOfNames, the layout of
// RFC 2307bis.
func (c *Company) Write(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	Record(out, Suffix, "objectClass", "domain", "dc", "example")
	Record(out, People, "objectClass", "organizationalUnit", "ou", "people")
	Record(out, Groups, "objectClass", "organizationalUnit", "ou", "groups")
	for i := range c.Users {
		u := &c.Users[i]
		Record(out, u.DN(), "objectClass", "inetOrgPerson", "uid", u.UID, "givenName", u.Given, "sn", u.Family,
			"cn", u.Given+" "+u.Family, "displayName", u.Given+" "+u.Family, "mail", u.Mail)
	}
	// A server that checks references wants a group after the groups it names; slapadd
	// does not, and the order of numbers is easier to read.
	for i := range c.Groups {
		g := &c.Groups[i]
		attributes := []string{"objectClass", "groupOfNames", "cn", g.Name, "description", fmt.Sprintf("%d people", len(g.Members))}
		for _, u := range g.Direct {
			attributes = append(attributes, "member", c.Users[u].DN())
		}
		for _, child := range g.Children {
			attributes = append(attributes, "member", c.Groups[child].DN())
		}
		Record(out, g.DN(), attributes...)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write company: %w", err)
	}
	return nil
}

// The containers of people and of groups in an Active Directory.
const (
	ADSuffix = "DC=ad,DC=test"
	ADPeople = "OU=people," + ADSuffix
	ADGroups = "OU=groups," + ADSuffix
)

// ADDN gives the DN of a person in an Active Directory.
func (u *User) ADDN() string { return "CN=" + u.UID + "," + ADPeople }

// ADDN gives the DN of a group in an Active Directory.
func (g *Group) ADDN() string { return "CN=" + ldap.EscapeDN(g.Name) + "," + ADGroups }

// WriteAD writes the company as LDIF for an Active Directory, without the domain itself.
// The accounts are enabled and have no password.
func (c *Company) WriteAD(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	Record(out, ADPeople, "objectClass", "organizationalUnit", "ou", "people")
	Record(out, ADGroups, "objectClass", "organizationalUnit", "ou", "groups")
	for i := range c.Users {
		u := &c.Users[i]
		Record(out, u.ADDN(), "objectClass", "user", "sAMAccountName", u.UID, "userPrincipalName", u.UID+"@ad.test",
			"givenName", u.Given, "sn", u.Family, "displayName", u.Given+" "+u.Family, "mail", u.Mail, "userAccountControl", "544")
	}
	for i := range c.Groups {
		g := &c.Groups[i]
		Record(out, g.ADDN(), "objectClass", "group", "sAMAccountName", fmt.Sprintf("g%05d", i+1), "description", fmt.Sprintf("%d people", len(g.Members)))
	}
	// Active Directory takes no member that is not there, so the members come last.
	for i := range c.Groups {
		g := &c.Groups[i]
		attributes := []string{"changetype", "modify", "add", "member"}
		for _, u := range g.Direct {
			attributes = append(attributes, "member", c.Users[u].ADDN())
		}
		for _, child := range g.Children {
			attributes = append(attributes, "member", c.Groups[child].ADDN())
		}
		Record(out, g.ADDN(), attributes...)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write company: %w", err)
	}
	return nil
}

// Record writes one entry: its DN, then names and values in turn. Errors stay in the
// writer until its Flush.
func Record(out *bufio.Writer, dn string, attributes ...string) {
	line(out, "dn", dn)
	for i := 0; i < len(attributes); i += 2 {
		line(out, attributes[i], attributes[i+1])
	}
	_ = out.WriteByte('\n')
}

// line writes one attribute, in base64 where RFC 2849 demands it.
func line(out *bufio.Writer, name, value string) {
	_, _ = out.WriteString(name)
	if plain(value) {
		_, _ = out.WriteString(": " + value + "\n")
		return
	}
	_, _ = out.WriteString(":: " + base64.StdEncoding.EncodeToString([]byte(value)) + "\n")
}

// plain says whether a value is a SAFE-STRING of RFC 2849 without a space at its end.
func plain(value string) bool {
	for i := range len(value) {
		if b := value[i]; b < ' ' || b >= 0x7f {
			return false
		}
	}
	return value == "" || (value[0] != ' ' && value[0] != ':' && value[0] != '<' && value[len(value)-1] != ' ')
}
