package dn

import (
	"bytes"
	"encoding/hex"
	"slices"
)

// few is how many parts of an RDN are noted without allocating.
const few = 8

// appendParsed appends the normal form of any DN, or reports that the text is none;
// then what it appended means nothing. It is the rule; appendPlain is only faster.
func appendParsed(dst, in []byte) ([]byte, bool) {
	at := skipSpaces(in, 0)
	if at == len(in) {
		return dst, true
	}
	var room [few]int
	for {
		starts, ok := room[:0], false
		for {
			starts = append(starts, len(dst))
			if dst, at, ok = appendPart(dst, in, at); !ok {
				return dst, false
			}
			if at == len(in) || in[at] != '+' {
				break
			}
			dst = append(dst, '+')
			at++
		}
		sortParts(dst, starts)
		if at == len(in) {
			return dst, true
		}
		dst = append(dst, ',')
		at++
	}
}

// sortParts sorts the parts of an RDN, which begin at starts and have a plus sign
// between them.
func sortParts(dst []byte, starts []int) {
	if len(starts) == 1 {
		return
	}
	part := func(i int) []byte {
		if i+1 == len(starts) {
			return dst[starts[i]:]
		}
		return dst[starts[i] : starts[i+1]-1]
	}
	if len(starts) == 2 {
		first, second, rdn := part(0), part(1), dst[starts[0]:]
		if bytes.Compare(first, second) > 0 {
			cut := len(second)
			slices.Reverse(rdn)
			slices.Reverse(rdn[:cut])
			slices.Reverse(rdn[cut+1:])
		}
		return
	}
	parts := make([][]byte, len(starts))
	for i := range parts {
		parts[i] = bytes.Clone(part(i))
	}
	slices.SortFunc(parts, bytes.Compare)
	copy(dst[starts[0]:], bytes.Join(parts, []byte("+")))
}

// appendPart appends one type with its value and stops at the separator behind it.
func appendPart(dst, in []byte, at int) ([]byte, int, bool) {
	at = skipSpaces(in, at)
	from := at
	for at < len(in) && isType(in[at]) {
		at++
	}
	name := in[from:at]
	at = skipSpaces(in, at)
	if len(name) == 0 || at == len(in) || in[at] != '=' {
		return dst, at, false
	}
	dst = append(appendType(dst, name), '=')
	value := len(dst)
	dst, at, what := appendValue(dst, in, skipSpaces(in, at+1))
	if what == text {
		dst = normalValue(dst, value)
	}
	return dst, at, what != nothing
}

// found says what stands behind an equals sign.
type found int

const (
	nothing found = iota // No value.
	text                 // A decoded text.
	digits               // BER that is no string, in lower case hex digits.
)

// appendValue appends a value and stops at the separator behind it.
func appendValue(dst, in []byte, at int) ([]byte, int, found) {
	ok := false
	switch {
	case at < len(in) && in[at] == '#':
		return appendHex(dst, in, at+1)
	case at < len(in) && in[at] == '"':
		dst, at, ok = appendQuoted(dst, in, at+1)
	default:
		dst, at, ok = appendText(dst, in, at)
	}
	if !ok {
		return dst, at, nothing
	}
	return dst, at, text
}

// appendText decodes a value up to the separator behind it. Spaces at its end count
// only when they are escaped.
func appendText(dst, in []byte, at int) ([]byte, int, bool) {
	keep := len(dst)
	for at < len(in) && !isSeparator(in[at]) {
		c := in[at]
		switch c {
		case '\\':
			var n int
			if c, n = unescape(in[at+1:]); n == 0 {
				return dst, at, false
			}
			at += n
			dst = append(dst, c)
			keep = len(dst)
		case '"', '<', '>', 0:
			return dst, at, false
		default:
			dst = append(dst, c)
			if c != ' ' {
				keep = len(dst)
			}
		}
		at++
	}
	return dst[:keep], at, true
}

// appendQuoted decodes a value in quotes, whose first one is behind us.
func appendQuoted(dst, in []byte, at int) ([]byte, int, bool) {
	for ; at < len(in) && in[at] != '"'; at++ {
		c := in[at]
		if c == 0 {
			return dst, at, false
		}
		if c == '\\' {
			var n int
			if c, n = unescape(in[at+1:]); n == 0 {
				return dst, at, false
			}
			at += n
		}
		dst = append(dst, c)
	}
	if at == len(in) {
		return dst, at, false
	}
	at = skipSpaces(in, at+1)
	return dst, at, at == len(in) || isSeparator(in[at])
}

// appendHex appends a value given in BER, whose number sign is behind us.
func appendHex(dst, in []byte, at int) ([]byte, int, found) {
	from := at
	for at < len(in) && isHex(in[at]) {
		at++
	}
	ber := in[from:at]
	at = skipSpaces(in, at)
	if len(ber) == 0 || len(ber)%2 == 1 || at < len(in) && !isSeparator(in[at]) {
		return dst, at, nothing
	}
	value := len(dst)
	dst, _ = hex.AppendDecode(dst, ber)
	if s, ok := berString(dst[value:]); ok {
		return dst[:value+copy(dst[value:], s)], at, text
	}
	dst = append(dst[:value], '#')
	for _, c := range ber {
		dst = append(dst, lowerByte(c))
	}
	return dst, at, digits
}

// berString gives the text of a string in BER: one element of a kind that is a text in
// UTF-8 or ASCII, and nothing behind it.
func berString(b []byte) ([]byte, bool) {
	const octets, utf8String, numeric, printable, ia5, long = 0x04, 0x0c, 0x12, 0x13, 0x16, 0x80
	if len(b) < 2 || !slices.Contains([]byte{octets, utf8String, numeric, printable, ia5}, b[0]) {
		return nil, false
	}
	n, text := int(b[1]), b[2:]
	if b[1] >= long {
		size := int(b[1] - long)
		if size == 0 || size > 4 || size > len(text) {
			return nil, false
		}
		n = 0
		for _, c := range text[:size] {
			n = n<<8 | int(c)
		}
		text = text[size:]
	}
	return text, n == len(text)
}

// unescape gives the byte that an escape stands for, and its length behind the
// backslash; zero says that there is no such escape.
func unescape(in []byte) (byte, int) {
	switch {
	case len(in) >= 1 && isSpecial(in[0]):
		return in[0], 1
	case len(in) >= 2 && isHex(in[0]) && isHex(in[1]):
		var b [1]byte
		_, _ = hex.Decode(b[:], in[:2])
		return b[0], 2
	}
	return 0, 0
}

func skipSpaces(in []byte, at int) int {
	for at < len(in) && in[at] == ' ' {
		at++
	}
	return at
}

func isSeparator(c byte) bool { return c == ',' || c == ';' || c == '+' }

func isSpecial(c byte) bool { return bytes.IndexByte([]byte(` "#+,;<=>\`), c) >= 0 }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// isType knows what types are made of: names and numbers with dots (RFC 4514), and
// the underscore that some servers let pass.
func isType(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_'
}
