package ldaptest

import (
	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

// whoOf gives the authorisation identity that a bind stands for (RFC 4513, 5.2.1.8).
func whoOf(bind *ber.Packet) string {
	if bind.Children[2].Tag == 3 {
		return "dn:cn=external"
	}
	if name := bind.Children[1].Data.String(); name != "" {
		return "dn:" + name
	}
	return ""
}

// whoAmI answers the request of RFC 4532.
func (s *session) whoAmI(id int64) bool {
	if s.server.options.NoWhoAmI {
		s.result(id, ldap.ApplicationExtendedResponse, ldap.LDAPResultProtocolError, "unsupported extended operation", nil)
		return true
	}
	who := s.who
	if s.server.options.Nobody {
		who = ""
	}
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedResponse, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, ldap.LDAPResultSuccess, ""))
	op.AppendChild(octets(""))
	op.AppendChild(octets(""))
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 11, who, ""))
	s.send(id, op)
	return true
}
