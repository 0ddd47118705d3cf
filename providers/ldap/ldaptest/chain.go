package ldaptest

import (
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

// inChain is the matching rule of Active Directory that follows a link from entry to
// entry.
const inChain = "1.2.840.113556.1.4.1941"

// oneOf marks a filter that holds the keys of the entries that meet it.
const oneOf ber.Tag = 30

// unchain replaces the assertions of the rule in a filter by the entries that meet them,
// and those about memberOf where that attribute is computed. Without the option the rule
// is undefined, which matches nothing. The server is locked.
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
	case ldap.FilterEqualityMatch:
		if s.computed(f.Children[0].Data.String()) {
			return among(s.below(f.Children[1].Data.String(), false))
		}
	case ldap.FilterExtensibleMatch:
		switch rule, name, value := extensibleParts(f); {
		case rule != inChain || !s.options.InChain && s.options.AD == nil:
		case s.computed(name):
			return among(s.below(value, true))
		default:
			return among(s.above(name, value))
		}
	}
	return f
}

// computed reports whether an attribute is the other direction of member.
func (s *Server) computed(name string) bool {
	return s.options.AD != nil && strings.EqualFold(name, "memberOf")
}

func among(keys map[string]bool) *ber.Packet {
	return &ber.Packet{Identifier: ber.Identifier{ClassType: ber.ClassContext, Tag: oneOf}, Value: keys}
}

// above finds the entries that a chain of links leads to, from the entry with that DN
// upwards.
func (s *Server) above(link, dn string) map[string]bool {
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
		}
	}
	return seen
}

// below finds the members of a group, and theirs.
func (s *Server) below(dn string, deep bool) map[string]bool {
	seen := map[string]bool{}
	for next := []string{normalDN(dn)}; len(next) > 0; {
		key := next[0]
		next = next[1:]
		e := s.byDN[key]
		if e == nil || e.find("member") == nil {
			continue
		}
		for _, k := range e.find("member").keys {
			if !seen[k] && deep {
				next = append(next, k)
			}
			seen[k] = true
		}
	}
	return seen
}
