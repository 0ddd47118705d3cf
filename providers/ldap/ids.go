package ldap

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	ldap "github.com/go-ldap/ldap/v3"
)

// idText gives the text of an id attribute's value. objectGUID is printed in
// Microsoft's order, in which the first three fields are little-endian; the GUID of
// eDirectory is binary too and printed as hexadecimal digits.
func idText(attribute string, raw []byte) (string, error) {
	switch strings.ToLower(attribute) {
	case "objectguid":
		if len(raw) != 16 {
			return "", fmt.Errorf("%s has %d bytes instead of 16", attribute, len(raw))
		}
		return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(raw), binary.LittleEndian.Uint16(raw[4:]),
			binary.LittleEndian.Uint16(raw[6:]), raw[8:10], raw[10:]), nil
	case "guid":
		return hex.EncodeToString(raw), nil
	case "entryuuid":
		return strings.ToLower(string(raw)), nil
	}
	if !utf8.Valid(raw) {
		return "", fmt.Errorf("%s is not text", attribute)
	}
	return string(raw), nil
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

// entryID gives the id of an entry.
func entryID(e *ldap.Entry, attribute string) (string, error) {
	values := rawValues(e, attribute)
	switch len(values) {
	case 0:
		return "", fmt.Errorf("entry %q has no %s", e.DN, attribute)
	case 1:
	default:
		return "", fmt.Errorf("entry %q has %d values of %s, which makes it no id", e.DN, len(values), attribute)
	}
	id, err := idText(attribute, values[0])
	if err != nil {
		return "", fmt.Errorf("entry %q: %w", e.DN, err)
	}
	if strings.TrimSpace(id) == "" {
		return "", fmt.Errorf("entry %q has an empty %s", e.DN, attribute)
	}
	return id, nil
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
func adDisabled(e *ldap.Entry, now time.Time) (disabled bool, err error) {
	text := first(e, "userAccountControl")
	if text == "" {
		return false, errors.New("userAccountControl cannot be read")
	}
	control, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return false, fmt.Errorf("userAccountControl is %q", text)
	}
	if control&accountDisabled != 0 {
		return true, nil
	}
	expires := first(e, "accountExpires")
	if expires == "" || expires == "0" || expires == neverExpires {
		return false, nil
	}
	ticks, err := strconv.ParseInt(expires, 10, 64)
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
