package ldaptest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

// send writes one message. Errors of the connection show at the next flush.
func (s *session) send(id int64, op *ber.Packet, controls ...ldap.Control) {
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	if len(controls) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, c := range controls {
			list.AppendChild(c.Encode())
		}
		m.AppendChild(list)
	}
	_, _ = s.out.Write(m.Bytes())
}

// result sends an answer that consists of a result code (RFC 4511, 4.1.9).
func (s *session) result(id int64, tag ber.Tag, code int, why string, control ldap.Control) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	op.AppendChild(octets(""))
	op.AppendChild(octets(why))
	if control == nil {
		s.send(id, op)
		return
	}
	s.send(id, op, control)
}

func (s *session) done(id int64, code int, why string, control ldap.Control) {
	s.result(id, ldap.ApplicationSearchResultDone, code, why, control)
}

func (s *session) reference(id int64, uri string) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultReference, nil, "")
	op.AppendChild(octets(uri))
	s.send(id, op)
}

// entry sends an entry with the attributes that were asked for.
func (s *session) entry(id int64, e *entry, names []string, controls ...ldap.Control) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(octets(e.dn))
	list := ber.NewSequence("")
	all := len(names) == 0 || slices.Contains(names, "*")
	for i := range e.attributes {
		a := &e.attributes[i]
		name, lo, asked := wanted(a.name, names)
		if !asked && (!all || operational(a.name)) && !(slices.Contains(names, "+") && operational(a.name)) {
			continue
		}
		s.attribute(list, name, a.values, lo)
	}
	op.AppendChild(list)
	s.send(id, op, controls...)
}

// wanted finds an attribute among those asked for, also as name;range=LO-HI.
func wanted(name string, names []string) (shown string, lo int, found bool) {
	for _, n := range names {
		base, option, ranged := strings.Cut(n, ";range=")
		if !strings.EqualFold(base, name) {
			continue
		}
		if ranged {
			from, _, _ := strings.Cut(option, "-")
			lo, _ = strconv.Atoi(from)
		}
		return name, lo, true
	}
	return name, 0, false
}

// attribute appends an attribute, cut to a range of its values where the server has
// a limit: then the attribute itself is shown without values and a sibling with the
// option range carries them, which is how Active Directory does it.
func (s *session) attribute(list *ber.Packet, name string, values []string, lo int) {
	limit := s.server.maxValues()
	if limit == 0 || lo == 0 && len(values) <= limit {
		appendAttribute(list, name, values)
		return
	}
	lo = min(lo, len(values))
	hi := lo + limit
	end := strconv.Itoa(hi - 1)
	if hi >= len(values) {
		hi, end = len(values), "*"
	}
	appendAttribute(list, name, nil)
	appendAttribute(list, fmt.Sprintf("%s;range=%d-%s", name, lo, end), values[lo:hi])
}

func appendAttribute(list *ber.Packet, name string, values []string) {
	a := ber.NewSequence("")
	a.AppendChild(octets(name))
	set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
	for _, v := range values {
		set.AppendChild(octets(v))
	}
	a.AppendChild(set)
	list.AppendChild(a)
}

// values sends an entry with exactly these values.
func (s *session) values(id int64, dn string, attributes []attribute) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(octets(dn))
	list := ber.NewSequence("")
	for _, a := range attributes {
		appendAttribute(list, a.name, a.values)
	}
	op.AppendChild(list)
	s.send(id, op)
}
