package ldap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/providers/ldap/wire"
)

// appendIDText appends the text of an id attribute's value. objectGUID is printed in
// Microsoft's order, in which the first three fields are little-endian; the GUID of
// eDirectory is binary too and printed as hexadecimal digits.
func appendIDText(to []byte, attribute string, raw []byte) ([]byte, error) {
	switch {
	case strings.EqualFold(attribute, "objectGUID"):
		if len(raw) != 16 {
			return to, fmt.Errorf("%s has %d bytes instead of 16", attribute, len(raw))
		}
		head := [8]byte{raw[3], raw[2], raw[1], raw[0], raw[5], raw[4], raw[7], raw[6]}
		for i, part := range [][]byte{head[:4], head[4:6], head[6:], raw[8:10], raw[10:]} {
			if i > 0 {
				to = append(to, '-')
			}
			to = hex.AppendEncode(to, part)
		}
		return to, nil
	case strings.EqualFold(attribute, "GUID"):
		return hex.AppendEncode(to, raw), nil
	case strings.EqualFold(attribute, "entryUUID"):
		from := len(to)
		to = append(to, raw...)
		for i, c := range to[from:] {
			if 'A' <= c && c <= 'Z' {
				to[from+i] = c + 'a' - 'A'
			}
		}
	default:
		to = append(to, raw...)
	}
	if !utf8.Valid(raw) {
		return to, fmt.Errorf("%s is not text", attribute)
	}
	return to, nil
}

// idAssertion gives the value of an id as a filter wants it, escaped. The text of an
// objectGUID that is none gives nothing, because nobody can have it.
func idAssertion(attribute, id string) string {
	switch strings.ToLower(attribute) {
	case "objectguid":
		raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
		if err != nil || len(raw) != 16 {
			return ""
		}
		binary.LittleEndian.PutUint32(raw, binary.BigEndian.Uint32(raw))
		binary.LittleEndian.PutUint16(raw[4:], binary.BigEndian.Uint16(raw[4:]))
		binary.LittleEndian.PutUint16(raw[6:], binary.BigEndian.Uint16(raw[6:]))
		return escapeBytes(raw)
	case "guid":
		raw, err := hex.DecodeString(id)
		if err != nil {
			return ""
		}
		return escapeBytes(raw)
	case "entryuuid":
		// The syntax of entryUUID is strict, and a server may answer a malformed
		// value with an error instead of with nobody.
		raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
		if err != nil || len(raw) != 16 {
			return ""
		}
	}
	return ldap.EscapeFilter(id)
}

// escapeBytes writes every byte as \xx (RFC 4515).
func escapeBytes(raw []byte) string {
	var b strings.Builder
	for _, c := range raw {
		fmt.Fprintf(&b, `\%02x`, c)
	}
	return b.String()
}

// appendID appends the id of an entry.
func appendID(to []byte, e *wire.Entry, attribute string) ([]byte, error) {
	a := e.Find(attribute)
	switch {
	case a == nil || a.Len() == 0:
		return to, fmt.Errorf("entry %q has no %s", e.DN, attribute)
	case a.Len() > 1:
		return to, fmt.Errorf("entry %q has %d values of %s, which makes it no id", e.DN, a.Len(), attribute)
	}
	from := len(to)
	to, err := appendIDText(to, attribute, a.First())
	if err != nil {
		return to, fmt.Errorf("entry %q: %w", e.DN, err)
	}
	if len(bytes.TrimSpace(to[from:])) == 0 {
		return to, fmt.Errorf("entry %q has an empty %s", e.DN, attribute)
	}
	return to, nil
}

// entryID gives the id of an entry.
func entryID(e *wire.Entry, attribute string) (string, error) {
	id, err := appendID(nil, e, attribute)
	if err != nil {
		return "", err
	}
	return string(id), nil
}

func rawValues(e *ldap.Entry, attribute string) [][]byte {
	for _, a := range e.Attributes {
		if strings.EqualFold(a.Name, attribute) {
			return a.ByteValues
		}
	}
	return nil
}

// first gives the first value of an attribute as valid text; servers keep a main
// address in front.
func first(e *ldap.Entry, attribute string) string {
	for _, a := range e.Attributes {
		if strings.EqualFold(a.Name, attribute) && len(a.Values) > 0 {
			return strings.ToValidUTF8(a.Values[0], "\uFFFD")
		}
	}
	return ""
}

// The bit of userAccountControl that disables an account, and the value of
// accountExpires that means never, like 0 (Microsoft, MS-ADTS 2.2.16 and MS-ADA1).
const (
	accountDisabled = 2
	neverExpires    = "9223372036854775807"
)

// adDisabled reads the status of an account of Active Directory. A locked account is
// not disabled: a lock ends by itself.
func adDisabled(e *wire.Entry, now time.Time) (disabled bool, err error) {
	text := e.First("userAccountControl")
	if len(text) == 0 {
		return false, errors.New("userAccountControl cannot be read")
	}
	control, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return false, fmt.Errorf("userAccountControl is %q", text)
	}
	if control&accountDisabled != 0 {
		return true, nil
	}
	expires := e.First("accountExpires")
	if len(expires) == 0 || string(expires) == "0" || string(expires) == neverExpires {
		return false, nil
	}
	ticks, err := strconv.ParseInt(string(expires), 10, 64)
	if err != nil {
		return false, fmt.Errorf("accountExpires is %q", expires)
	}
	return !fileTime(ticks).After(now), nil
}

// fileTime converts Windows' count of 100 ns since 1601.
func fileTime(ticks int64) time.Time {
	const secondsTo1970 = 11644473600
	return time.Unix(ticks/1e7-secondsTo1970, ticks%1e7*100)
}
