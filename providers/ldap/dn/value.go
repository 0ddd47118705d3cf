package dn

import (
	"bytes"
	"encoding/hex"
	"unicode"
	"unicode/utf8"
)

// appendType appends the lower case of a type, or the short name that it has.
func appendType(dst, name []byte) []byte {
	from := len(dst)
	for _, c := range name {
		dst = append(dst, lowerByte(c))
	}
	made := dst[from:]
	if number, ok := bytes.CutPrefix(made, []byte("oid.")); ok {
		dst = dst[:from+copy(made, number)]
	}
	if short := shortName(dst[from:]); short != "" {
		dst = append(dst[:from], short...)
	}
	return dst
}

// shortName gives the name of RFC 4514 of a type that is written otherwise.
func shortName(name []byte) string {
	switch string(name) {
	case "2.5.4.3", "commonname":
		return "cn"
	case "2.5.4.6", "countryname":
		return "c"
	case "2.5.4.7", "localityname":
		return "l"
	case "2.5.4.8", "stateorprovincename":
		return "st"
	case "2.5.4.9", "streetaddress":
		return "street"
	case "2.5.4.10", "organizationname":
		return "o"
	case "2.5.4.11", "organizationalunitname":
		return "ou"
	case "0.9.2342.19200300.100.1.25", "domaincomponent":
		return "dc"
	case "0.9.2342.19200300.100.1.1", "userid":
		return "uid"
	}
	return ""
}

// normalValue puts the decoded value at the end of dst into its normal form.
func normalValue(dst []byte, from int) []byte {
	end := len(dst)
	// The form is written behind the value and then moved to its place, so that it
	// needs no memory of its own.
	value := dst[from:end]
	for i := 0; i < len(value); {
		c := value[i]
		switch {
		case c == ' ':
			run := skipSpaces(value, i)
			if i == 0 || run == len(value) {
				dst = append(dst, '\\')
			}
			dst = append(dst, ' ')
			i = run
			continue
		case c < ' ' || c == 0x7f:
			dst = hex.AppendEncode(append(dst, '\\'), value[i:i+1])
		case c == '#' && i == 0 || c != '#' && c != '=' && isSpecial(c):
			dst = append(dst, '\\', c)
		case c < utf8.RuneSelf:
			dst = append(dst, lowerByte(c))
		default:
			r, size := utf8.DecodeRune(value[i:])
			if r == utf8.RuneError && size == 1 {
				dst = hex.AppendEncode(append(dst, '\\'), value[i:i+1])
			} else {
				dst = utf8.AppendRune(dst, lowerRune(r))
			}
			i += size
			continue
		}
		i++
	}
	return dst[:from+copy(dst[from:], dst[end:])]
}

// Fold gives the form in which usernames are compared: lower case, and one space for
// several, as the matching rules of names do (RFC 4518). Letters become lower case as
// in a DN; bytes that are no UTF-8 stay.
func Fold(s string) string {
	before := byte('x')
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' || c == ' ' && before == ' ' {
			return string(AppendFold(make([]byte, 0, len(s)+len(s)/4), []byte(s)))
		}
		before = c
	}
	return s
}

// AppendFold appends what Fold gives.
func AppendFold(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ':
			dst = append(dst, c)
			i = skipSpaces(s, i)
			continue
		case c < utf8.RuneSelf:
			dst = append(dst, lowerByte(c))
			i++
			continue
		}
		r, size := utf8.DecodeRune(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, c)
		} else {
			dst = utf8.AppendRune(dst, lowerRune(r))
		}
		i += size
	}
	return dst
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// lowerRune never gives an ASCII letter for another one.
func lowerRune(r rune) rune {
	if l := unicode.ToLower(r); l >= utf8.RuneSelf {
		return l
	}
	return r
}
