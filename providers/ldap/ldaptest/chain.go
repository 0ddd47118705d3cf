package ldaptest

import (
	"slices"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

// inChain is the matching rule of Active Directory that follows a link from entry to
// entry.
const inChain = "1.2.840.113556.1.4.1941"

// unchain replaces the assertions of the rule in a filter by the DNs of the entries that
// meet them. Without the option the rule is undefined, which matches nothing. The server
// is locked.
func (s *Server) unchain(f *ber.Packet) *ber.Packet {
	if f.ClassType != ber.ClassContext {
		return f
	}
	switch f.Tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		c := *f
		c.Children = make([]*ber.Packet, len(f.Children))
		for i := range f.Children {
			c.Children[i] = s.unchain(f.Children[i])
		}
		return &c
	case ldap.FilterExtensibleMatch:
		if rule, name, value := extensibleParts(f); rule == inChain && s.options.InChain {
			return s.above(name, value)
		}
	}
	return f
}

// above makes a filter of the entries that a chain of links leads to, from the entry
// with that DN upwards.
func (s *Server) above(link, dn string) *ber.Packet {
	or := ber.Encode(ber.ClassContext, ber.TypeConstructed, ldap.FilterOr, nil, "Or")
	seen := map[string]bool{}
	for next := []string{normalDN(dn)}; len(next) > 0; {
		from := next
		next = nil
		for _, e := range s.entries {
			a := e.find(link)
			if a == nil || seen[e.key] || !slices.ContainsFunc(a.keys, func(k string) bool { return slices.Contains(from, k) }) {
				continue
			}
			seen[e.key] = true
			next = append(next, e.key)
			is := ber.Encode(ber.ClassContext, ber.TypeConstructed, ldap.FilterEqualityMatch, nil, "Equality")
			is.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, entryDN, "Name"))
			is.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, e.dn, "Value"))
			or.AppendChild(is)
		}
	}
	return or
}
