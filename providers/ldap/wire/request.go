package wire

import (
	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

// encode writes a search request (RFC 4511, 4.5.1).
func encode(id int64, q *ldap.SearchRequest) ([]byte, error) {
	filter, err := ldap.CompileFilter(q.Filter)
	if err != nil {
		return nil, err
	}
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchRequest, nil, "")
	op.AppendChild(octets(q.BaseDN))
	op.AppendChild(number(ber.TagEnumerated, q.Scope))
	op.AppendChild(number(ber.TagEnumerated, q.DerefAliases))
	op.AppendChild(number(ber.TagInteger, q.SizeLimit))
	op.AppendChild(number(ber.TagInteger, q.TimeLimit))
	op.AppendChild(ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, q.TypesOnly, ""))
	op.AppendChild(filter)
	names := ber.NewSequence("")
	for _, name := range q.Attributes {
		names.AppendChild(octets(name))
	}
	op.AppendChild(names)
	message := ber.NewSequence("")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	message.AppendChild(op)
	if len(q.Controls) > 0 {
		controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, c := range q.Controls {
			controls.AppendChild(c.Encode())
		}
		message.AppendChild(controls)
	}
	return message.Bytes(), nil
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func number(tag ber.Tag, n int) *ber.Packet {
	return ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, tag, int64(n), "")
}
