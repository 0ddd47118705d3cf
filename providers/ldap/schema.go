package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"
)

// schema is what a server's schema knows, by names in lower case and by OIDs.
type schema struct {
	classes, attributes map[string]bool
}

func parseSchema(e *ldap.Entry) schema {
	return schema{classes: described(e.GetEqualFoldAttributeValues("objectClasses")), attributes: described(e.GetEqualFoldAttributeValues("attributeTypes"))}
}

// described gives all names of descriptions such as
// ( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name ) (RFC 4512, 4.1).
func described(values []string) map[string]bool {
	names := make(map[string]bool, len(values))
	for _, v := range values {
		words := strings.Fields(strings.ReplaceAll(strings.ReplaceAll(v, "(", " ( "), ")", " ) "))
		if len(words) > 1 {
			names[words[1]] = true
		}
		at := slices.Index(words, "NAME")
		if at < 0 {
			continue
		}
		for _, w := range words[at+1:] {
			if w == "(" {
				continue
			}
			name, ok := strings.CutPrefix(w, "'")
			if !ok {
				break
			}
			names[strings.ToLower(strings.TrimSuffix(name, "'"))] = true
		}
	}
	return names
}

func (s *schema) class(name string) bool     { return s.classes[strings.ToLower(name)] }
func (s *schema) attribute(name string) bool { return s.attributes[strings.ToLower(name)] }

// isAD reports whether the root entry is that of a domain controller, Samba among them
// (MS-ADTS, 3.1.1.3.4.3).
func isAD(root *ldap.Entry) bool {
	return slices.Contains(root.GetEqualFoldAttributeValues("supportedCapabilities"), "1.2.840.113556.1.4.800")
}

// is389 reports whether the server is 389 Directory Server or one of its family.
func is389(root *ldap.Entry, known *schema) bool {
	vendor := root.GetEqualFoldAttributeValue("vendorName") + root.GetEqualFoldAttributeValue("vendorVersion")
	return strings.Contains(vendor, "389") && known.attribute("nsUniqueId")
}

// choose takes what the schema allows: everything that may be a person or a group here.
// The order is ours, so that equal schemas give equal texts.
func choose(root *ldap.Entry, known *schema) (presets, error) {
	if is389(root, known) && known.class("ipaUserGroup") && known.class("ipaObject") && known.attribute("ipaUniqueID") {
		return presetsOf(FreeIPA), nil
	}
	p := presets{name: "schema", users: Users{Email: "mail", Username: "uid", Name: "cn"}, groups: Groups{Name: "cn", Description: "description"}}
	p.users.Filter = anyClass(known, "inetOrgPerson", "posixAccount")
	p.groups.Filter = anyClass(known, "groupOfNames", "groupOfUniqueNames", "groupOfMembers", "posixGroup")
	for _, name := range memberAttributes() {
		if known.attribute(name) {
			p.groups.Members = append(p.groups.Members, name)
		}
	}
	id := ""
	switch {
	case is389(root, known):
		// Its entryUUID, where it has one, is missing from older entries.
		p.name, id = "389", "nsUniqueId"
		if known.attribute("nsAccountLock") {
			p.users.Disabled = "(nsAccountLock=TRUE)"
		}
	case known.attribute("entryUUID"):
		id = "entryUUID"
	case known.attribute("GUID"):
		id = "GUID"
	case known.attribute("ibm-entryUuid"):
		id = "ibm-entryUuid"
	}
	if isOpenLDAP(root) {
		p.name = "openldap"
		// Locked until an administrator unlocks it; a lock after wrong passwords, which
		// ends by itself, has another value. The schema has the attribute without the
		// overlay too, which then would be a search for nothing.
		if known.attribute("pwdAccountLockedTime") && hasPasswordPolicy(root) {
			p.users.Disabled = "(pwdAccountLockedTime=000001010000Z)"
		}
	}
	p.users.ID, p.groups.ID = id, id
	switch {
	case p.users.Filter == "":
		return p, errors.New("the schema knows neither inetOrgPerson nor posixAccount")
	case p.groups.Filter == "" || len(p.groups.Members) == 0:
		return p, errors.New("the schema knows no groups")
	}
	return p, nil
}

func isOpenLDAP(root *ldap.Entry) bool {
	return slices.ContainsFunc(root.GetEqualFoldAttributeValues("objectClass"), func(c string) bool { return strings.EqualFold(c, "OpenLDAProotDSE") })
}

// hasPasswordPolicy reports whether passwords obey rules (draft-behera-ldap-password-policy).
func hasPasswordPolicy(root *ldap.Entry) bool {
	return slices.Contains(root.GetEqualFoldAttributeValues("supportedControl"), ldap.ControlTypeBeheraPasswordPolicy)
}

// anyClass gives a filter for the classes that the schema knows.
func anyClass(known *schema, names ...string) string {
	var parts []string
	for _, name := range names {
		if known.class(name) {
			parts = append(parts, "(objectClass="+name+")")
		}
	}
	if len(parts) > 1 {
		return "(|" + strings.Join(parts, "") + ")"
	}
	return strings.Join(parts, "")
}

// check finds ids and members that no entry of this server can have.
func (s *schema) check(l *layout) error {
	type named struct{ key, name string }
	all := []named{{"users.id", l.users.ID}, {"groups.id", l.groups.ID}}
	for _, name := range l.groups.Members {
		all = append(all, named{"groups.members", name})
	}
	if l.memberOf != "" {
		all = append(all, named{"groups.members", l.memberOf})
	}
	for _, n := range all {
		name, _, _ := strings.Cut(n.name, ";")
		switch {
		case name == "":
			return fmt.Errorf("the schema knows no attribute that never changes, and %s is not set", n.key)
		case !s.attribute(name):
			return fmt.Errorf("the schema knows no attribute %s, which %s asks for", name, n.key)
		}
	}
	return nil
}
