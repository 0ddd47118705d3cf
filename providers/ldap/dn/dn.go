// Package dn compares distinguished names: texts that name one entry have one normal
// form, and texts that name different entries never have the same.
//
// A text is read as RFC 4514 says, and with what RFC 2253 and RFC 1779 allowed before:
// spaces beside separators, semicolons as commas, values in quotes, "OID." before a
// number. In the normal form
//   - types are in lower case; the nine types of RFC 4514 have their short name, also
//     when written as a number or in full (2.5.4.3, commonName);
//   - values are decoded first, so that \, and \2C are one, and written with a backslash
//     before the characters that need one; control characters and bytes that are no
//     UTF-8 become \xx. A value in BER (#0402…) is decoded when it is a string, and stays
//     in lower case hex digits otherwise;
//   - values are in lower case, whatever their type, and runs of spaces are one space;
//   - the parts of a multi-valued RDN are sorted;
//   - nothing stands between the parts but one comma or one plus sign.
//
// Lower case is taken letter by letter and never turns another letter into an ASCII
// one (the Kelvin sign, the dotted capital I), because that would let one entry stand
// for another. Umlauts compare without case. An umlaut in one piece and one of a letter
// and a combining mark stay different, as do leading and trailing spaces that somebody
// escaped: servers disagree about both, and what stays different here can leave a
// reference unresolved, but never gives it to somebody else.
//
// A text that is no DN (a part without an equals sign, a type that no attribute can
// have, a special character without a backslash, a backslash before what is neither a
// special character nor two hex digits) is compared in lower case, without the spaces
// around it and with runs of spaces as one. It never equals a DN.
package dn

import (
	"bytes"
	"slices"
	"strings"
)

// Append appends the normal form of a DN.
func Append(dst, dn []byte) []byte {
	from := len(dst)
	dst = slices.Grow(dst, len(dn))
	if appendPlain(dst[from:from+len(dn)], dn) {
		return dst[:from+len(dn)]
	}
	parsed, ok := appendParsed(dst, dn)
	if !ok {
		return AppendFold(parsed[:from], bytes.Trim(dn, " "))
	}
	return parsed
}

// Normal gives the normal form of a DN, which is its argument when that is normal.
func Normal(dn string) string {
	if plain, lower := plainLower(dn); plain && lower {
		return dn
	}
	normal := Append(make([]byte, 0, len(dn)+len(dn)/4), []byte(dn))
	if string(normal) == dn {
		return dn
	}
	return string(normal)
}

// NormalAll gives the normal forms of several DNs.
func NormalAll(dns []string) []string {
	out := make([]string, len(dns))
	for i, d := range dns {
		out[i] = Normal(d)
	}
	return out
}

// AppendReference appends the normal form of the DN in a member value. A value of
// uniqueMember may carry a bit string behind the DN: cn=x#'0101'B (RFC 4517, 3.3.21).
func AppendReference(dst, value []byte) []byte {
	if rest, ok := bytes.CutSuffix(value, []byte("'B")); ok {
		rest = bytes.TrimRight(rest, "01")
		if dn, ok := bytes.CutSuffix(rest, []byte("#'")); ok && len(dn) > 0 && !escaped(dn) {
			value = dn
		}
	}
	return Append(dst, value)
}

// Reference is AppendReference for a string.
func Reference(value string) string {
	if !strings.HasSuffix(value, "'B") {
		return Normal(value)
	}
	return string(AppendReference(nil, []byte(value)))
}

// Within reports whether a normal DN is one of the bases, which are normal too, or
// lies below one.
func Within(dn string, bases []string) bool {
	return slices.ContainsFunc(bases, func(b string) bool {
		above, ok := strings.CutSuffix(dn, b)
		if b == "" || ok && above == "" {
			return true
		}
		above, comma := strings.CutSuffix(above, ",")
		return ok && comma && !escaped(above)
	})
}

// Domain gives the trailing dc components of a normal DN: the domain in Active
// Directory. A DN without any has none.
func Domain(dn string) string {
	start := len(dn)
	for at := len(dn); at >= 0; {
		comma := strings.LastIndexByte(dn[:at], ',')
		for comma >= 0 && escaped(dn[:comma]) {
			comma = strings.LastIndexByte(dn[:comma], ',')
		}
		if !strings.HasPrefix(dn[comma+1:], "dc=") {
			break
		}
		start, at = comma+1, comma
	}
	return dn[start:]
}

// escaped reports whether what follows a text is escaped by a backslash at its end.
func escaped[T string | []byte](text T) bool {
	n := len(text)
	for n > 0 && text[n-1] == '\\' {
		n--
	}
	return (len(text)-n)%2 == 1
}

// FirstValue gives the value of the first part of a DN as it is written, for people. A
// text that is no DN is given back.
func FirstValue(dn string) string {
	in := []byte(dn)
	if _, ok := appendParsed(nil, in); !ok {
		return dn
	}
	if at := bytes.IndexByte(in, '='); at >= 0 {
		value, _, _ := appendValue(nil, in, skipSpaces(in, at+1))
		return string(value)
	}
	return ""
}
