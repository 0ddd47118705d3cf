package dn_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cell is one byte of a DN after its escapes are resolved.
type cell struct {
	c       byte
	escaped bool
}

// is reports whether a cell is one of some characters and means what they mean.
func (c cell) is(chars string) bool { return !c.escaped && strings.IndexByte(chars, c.c) >= 0 }

// model reads a DN slowly and step by step: escapes, then separators, then values. It
// gives the RDNs with their parts as "type=value" in lower case, not yet escaped, or
// false for what is no DN.
func model(dn string) ([][]string, bool) {
	cells, ok := resolve(dn)
	cells = trim(cells)
	if len(cells) == 0 {
		return nil, ok
	}
	var rdns [][]string
	for _, rdn := range split(cells, ",;") {
		var parts []string
		for _, p := range split(rdn, "+") {
			part, good := modelPart(p)
			ok = ok && good
			parts = append(parts, part)
		}
		slices.Sort(parts)
		rdns = append(rdns, parts)
	}
	return rdns, ok
}

func resolve(dn string) ([]cell, bool) {
	var cells []cell
	for i := 0; i < len(dn); i++ {
		if dn[i] != '\\' {
			cells = append(cells, cell{dn[i], false})
			continue
		}
		rest := dn[i+1:]
		if rest != "" && strings.ContainsRune(" \"#+,;<=>\\", rune(rest[0])) {
			cells = append(cells, cell{rest[0], true})
			i++
			continue
		}
		b, err := hex.DecodeString(rest[:min(2, len(rest))])
		if err != nil || len(b) != 1 {
			return nil, false
		}
		cells = append(cells, cell{b[0], true})
		i += 2
	}
	return cells, true
}

func trim(cells []cell) []cell {
	for len(cells) > 0 && cells[0].is(" ") {
		cells = cells[1:]
	}
	for len(cells) > 0 && cells[len(cells)-1].is(" ") {
		cells = cells[:len(cells)-1]
	}
	return cells
}

func split(cells []cell, separators string) [][]cell {
	var out [][]cell
	from, quoted := 0, false
	for i, c := range cells {
		if c.is(`"`) {
			quoted = !quoted
		}
		if !quoted && c.is(separators) {
			out = append(out, cells[from:i])
			from = i + 1
		}
	}
	return append(out, cells[from:])
}

func modelPart(cells []cell) (string, bool) {
	at := slices.IndexFunc(cells, func(c cell) bool { return c.is("=") })
	if at < 0 {
		return "", false
	}
	name, value := trim(cells[:at]), trim(cells[at+1:])
	kind := ""
	for _, c := range name {
		if c.escaped || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-._", unicode.ToLower(rune(c.c))) {
			return "", false
		}
		kind += strings.ToLower(string(rune(c.c)))
	}
	text, ok := modelValue(value)
	return modelType(strings.TrimPrefix(kind, "oid.")) + "=" + text, ok && kind != ""
}

func modelType(kind string) string {
	for short, others := range map[string][]string{
		"cn": {"2.5.4.3", "commonname"}, "c": {"2.5.4.6", "countryname"}, "l": {"2.5.4.7", "localityname"},
		"st": {"2.5.4.8", "stateorprovincename"}, "street": {"2.5.4.9", "streetaddress"}, "o": {"2.5.4.10", "organizationname"},
		"ou": {"2.5.4.11", "organizationalunitname"}, "dc": {"0.9.2342.19200300.100.1.25", "domaincomponent"},
		"uid": {"0.9.2342.19200300.100.1.1", "userid"},
	} {
		if slices.Contains(others, kind) {
			return short
		}
	}
	return kind
}

// modelValue gives the value, with a BER value that is no string marked by a byte that
// no folded text begins with.
func modelValue(cells []cell) (string, bool) {
	if len(cells) > 0 && cells[0].is("#") {
		digits := ""
		for _, c := range cells[1:] {
			if c.escaped {
				return "", false
			}
			digits += string(rune(c.c))
		}
		ber, err := hex.DecodeString(digits)
		if err != nil || len(ber) == 0 {
			return "", false
		}
		if text, ok := modelBER(ber); ok {
			return modelFold(text), true
		}
		return "BER " + strings.ToLower(digits), true
	}
	if n := len(cells); n > 1 && cells[0].is(`"`) && cells[n-1].is(`"`) {
		cells = cells[1 : n-1]
		for i := range cells {
			cells[i].escaped = cells[i].escaped || strings.IndexByte(",;+<>", cells[i].c) >= 0
		}
	}
	text := ""
	for _, c := range cells {
		if c.is("\"<>\x00") {
			return "", false
		}
		text += string([]byte{c.c})
	}
	return modelFold(text), true
}

func modelBER(ber []byte) (string, bool) {
	if len(ber) < 2 || !slices.Contains([]byte{0x04, 0x0c, 0x12, 0x13, 0x16}, ber[0]) {
		return "", false
	}
	rest := ber[2:]
	if ber[1] < 0x80 {
		return string(rest), int(ber[1]) == len(rest)
	}
	for size := 1; size <= 4 && size <= len(rest); size++ {
		var length [8]byte
		copy(length[8-size:], rest[:size])
		if int(ber[1]) == 0x80+size {
			n := 0
			for _, b := range length {
				n = n*256 + int(b)
			}
			return string(rest[size:]), n == len(rest)-size
		}
	}
	return "", false
}

func modelFold(s string) string {
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	out := ""
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		l := string(unicode.ToLower(r))
		if r == utf8.RuneError && size == 1 || len(l) == 1 && size > 1 {
			l = s[:size]
		}
		out, s = out+l, s[size:]
	}
	return out
}

// written gives the normal form of what model read.
func written(rdns [][]string) string {
	var out []string
	for _, parts := range rdns {
		var texts []string
		for _, p := range parts {
			kind, value, _ := strings.Cut(p, "=")
			texts = append(texts, kind+"="+writtenValue(value))
		}
		slices.Sort(texts)
		out = append(out, strings.Join(texts, "+"))
	}
	return strings.Join(out, ",")
}

func writtenValue(value string) string {
	if digits, ok := strings.CutPrefix(value, "BER "); ok {
		return "#" + digits
	}
	out := ""
	for i, r := range value {
		_, size := utf8.DecodeRuneInString(value[i:])
		ends := i == 0 || i == len(value)-1
		switch {
		case r == utf8.RuneError && size == 1, r < ' ', r == 0x7f:
			out += fmt.Sprintf(`\%02x`, value[i])
		case strings.ContainsRune(`"+,;<>\`, r), r == ' ' && ends, r == '#' && i == 0:
			out += `\` + string(r)
		default:
			out += string(r)
		}
	}
	return out
}
