package ldaptest

import (
	"fmt"
	"maps"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"
)

// Schema names what a server knows. Entries are not held to it.
type Schema struct{ Classes, Attributes []string }

const schemaDN = "cn=Subschema"

// OpenLDAP is the schema of the files core, cosine, inetorgperson and nis, as far as
// people and groups go.
func OpenLDAP() *Schema {
	return &Schema{
		Classes: []string{"top", "person", "organizationalPerson", "inetOrgPerson", "posixAccount", "shadowAccount", "groupOfNames", "groupOfUniqueNames", "posixGroup"},
		Attributes: []string{"objectClass", "entryUUID", "cn", "sn", "uid", "mail", "displayName", "description", "departmentNumber", "employeeNumber", "employeeType", "givenName", "l", "manager", "o", "ou", "owner", "title", "userPassword",
			"member", "uniqueMember", "memberUid", "gidNumber", "uidNumber", "modifyTimestamp"},
	}
}

// special gives the entries that describe the server, for a search of just one of them.
func (s *Server) special(q Search) *entry {
	switch {
	case q.Scope != ldap.ScopeBaseObject:
		return nil
	case q.Base == "":
		return s.root()
	case strings.EqualFold(q.Base, schemaDN):
		return s.schema()
	case strings.EqualFold(q.Base, serviceDN) && s.changes().AD:
		return s.service()
	}
	return nil
}

// SetRoot gives an attribute of the root entry other values; none takes it away.
func (s *Server) SetRoot(name string, values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	root := maps.Clone(s.options.Root)
	if root == nil {
		root = map[string][]string{}
	}
	root[name] = values
	s.options.Root = root
}

// describe makes the root entry that of an OpenLDAP, or of what the options say.
func (s *Server) describe(root *entry) {
	root.set("objectClass", []string{"top", "OpenLDAProotDSE"})
	root.set("subschemaSubentry", []string{schemaDN})
	s.describeDomain(root)
	for name, values := range s.options.Root {
		root.set(name, values)
	}
}

func (s *Server) schema() *entry {
	known := s.options.Schema
	if known == nil {
		known = OpenLDAP()
	}
	if len(known.Classes)+len(known.Attributes) == 0 {
		return nil
	}
	describe := func(names []string) []string {
		out := make([]string, len(names))
		for i, name := range names {
			out[i] = fmt.Sprintf("( 1.3.6.1.4.1.55555.%d NAME ( '%s' 'x-%s' ) DESC 'what is called NAME (so)' )", i, name, name)
		}
		return out
	}
	e := &entry{dn: schemaDN, key: normalDN(schemaDN)}
	e.set("objectClass", []string{"top", "subentry", "subschema"})
	e.set("objectClasses", describe(known.Classes))
	e.set("attributeTypes", describe(known.Attributes))
	return e
}
