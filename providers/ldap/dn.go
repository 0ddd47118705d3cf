package ldap

import (
	"slices"
	"strings"
	"unicode"

	ldap "github.com/go-ldap/ldap/v3"
)

// normalDN gives the form in which DNs are compared and shown. There is one rule:
// attribute types and values in lower case, no spaces beside separators, runs of
// spaces as one, the parts of a multi-valued RDN sorted, escapes as in RFC 4514.
// A text that is no DN is compared in lower case.
//
// Lower case never turns another letter into an ASCII one (the Kelvin sign, the
// dotted capital I), because that would let one entry stand for another. What
// servers take for equal beyond this rule stays different here, which can leave a
// reference unresolved and never gives it to somebody else.
func normalDN(dn string) string {
	if plain, lower := plainDN(dn); plain {
		if lower {
			return dn
		}
		return strings.ToLower(dn)
	}
	parsed, err := ldap.ParseDN(dn)
	if err != nil || slices.ContainsFunc(parsed.RDNs, strangeType) {
		return fold(strings.TrimSpace(dn))
	}
	var b strings.Builder
	for i, rdn := range parsed.RDNs {
		if i > 0 {
			b.WriteByte(',')
		}
		parts := make([]string, len(rdn.Attributes))
		for j, a := range rdn.Attributes {
			parts[j] = fold(strings.TrimSpace(a.Type)) + "=" + ldap.EscapeDN(fold(a.Value))
		}
		slices.Sort(parts)
		b.WriteString(strings.Join(parts, "+"))
	}
	return b.String()
}

// strangeType reports whether an RDN has a type that no attribute can have (RFC 4514
// knows names and numbers with dots): such a text is no DN, whatever the parser says.
func strangeType(rdn *ldap.RelativeDN) bool {
	strange := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._", r)
	}
	return slices.ContainsFunc(rdn.Attributes, func(a *ldap.AttributeTypeAndValue) bool {
		name := strings.TrimSpace(a.Type)
		return name == "" || strings.ContainsFunc(name, strange)
	})
}

// plainDN reports whether a DN consists of ASCII and needs no parsing, and whether
// it is in lower case already. Most DNs of most directories are plain.
func plainDN(dn string) (plain, lower bool) {
	lower = true
	before := byte(',')
	for i := 0; i < len(dn); i++ {
		c := dn[i]
		switch {
		case c < ' ' || c > '~':
			return false, false
		case 'A' <= c && c <= 'Z':
			lower = false
		case c == ' ':
			if before == ' ' || before == ',' || before == '=' {
				return false, false
			}
		case c == ',' || c == '=':
			// An empty part and a space before a separator need the parser; a second
			// equals sign in a value stays as it is there and here.
			if before == ' ' || before == ',' || before == '=' {
				return false, false
			}
		case strings.IndexByte(`\"+;<>#`, c) >= 0:
			return false, false
		}
		before = c
	}
	return before != ' ' && before != ',' && before != '=', lower
}

// fold gives lower case, and one space for several, as the matching rules of names
// do (RFC 4518).
func fold(s string) string {
	space := false
	return strings.Map(func(r rune) rune {
		if r == ' ' {
			if space {
				return -1
			}
			space = true
			return r
		}
		space = false
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		if l := unicode.ToLower(r); l >= 0x80 {
			return l
		}
		return r
	}, s)
}

// reference gives the DN of a member value in normal form. A value of uniqueMember
// may carry a bit string behind the DN: cn=x#'0101'B (RFC 4517, 3.3.21).
func reference(value string) string {
	if i := strings.LastIndex(value, "#'"); i > 0 && strings.HasSuffix(value, "'B") {
		if strings.Trim(value[i+2:len(value)-2], "01") == "" {
			value = value[:i]
		}
	}
	return normalDN(value)
}

// within reports whether a normal DN is one of the bases or lies below one.
func within(dn string, bases []string) bool {
	return slices.ContainsFunc(bases, func(b string) bool {
		return b == "" || dn == b || strings.HasSuffix(dn, ","+b)
	})
}

// domainOf gives the trailing dc components of a normal DN: the domain in Active
// Directory.
func domainOf(dn string) string {
	if strings.HasPrefix(dn, "dc=") {
		return dn
	}
	_, domain, _ := strings.Cut(dn, ",dc=")
	return "dc=" + domain
}

func normalAll(dns []string) []string {
	out := make([]string, len(dns))
	for i, d := range dns {
		out[i] = normalDN(d)
	}
	return out
}
