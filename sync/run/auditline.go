package run

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The line of a record is JSON in one fixed form: the members of AuditRecord in their
// order, without those that are empty, times in UTC, texts with as few escapes as JSON
// allows. It is written here and not by encoding/json, whose output may differ from one
// version of Go to the next: hashes must not.

// Line gives the record as one line of JSON without its end. Whoever cuts the last
// member, the hash, out of it can check that hash with any tool.
func (r *AuditRecord) Line() []byte {
	b := r.body()
	b = append(b[:len(b)-1], `,"hash":`...)
	return append(appendText(b, r.Hash), '}')
}

// Sum gives the hash that the record should have.
func (r *AuditRecord) Sum() string {
	sum := sha256.Sum256(r.body())
	return hex.EncodeToString(sum[:])
}

// MarshalJSON gives the line.
func (r AuditRecord) MarshalJSON() ([]byte, error) { return r.Line(), nil }

// SignedText is what the signature of a head is over.
func (h *AuditHead) SignedText() []byte {
	return []byte("groupsyncd audit " + strconv.FormatUint(h.Seq, 10) + " " + h.Hash)
}

func (r *AuditRecord) body() []byte {
	b := make([]byte, 0, 512)
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, r.Seq, 10)
	b = append(b, `,"prev":`...)
	b = appendText(b, r.Prev)
	b = append(b, `,"event":`...)
	b = r.Event.appendLine(b)
	return append(b, '}')
}

func (e *Event) appendLine(b []byte) []byte {
	b = append(b, `{"at":"`...)
	b = e.At.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","kind":`...)
	b = appendText(b, string(e.Kind))
	text := func(name, s string) {
		if s != "" {
			b = appendText(append(b, `,"`+name+`":`...), s)
		}
	}
	text("run", e.Run)
	text("target", e.Target)
	text("by", e.By)
	text("reason", e.Reason)
	text("op", string(e.Op))
	text("group", e.Group)
	text("group_name", e.GroupName)
	text("user", e.User)
	text("user_name", e.UserName)
	text("resource", e.Resource)
	text("rule", e.Rule)
	text("absence", e.Absence)
	if len(e.Fields) > 0 {
		b = appendFields(append(b, `,"fields":`...), e.Fields)
	}
	text("outcome", string(e.Outcome))
	text("error", e.Error)
	text("check", string(e.Check))
	text("scope", e.Scope)
	text("hash", e.Hash)
	if e.Count != 0 {
		b = strconv.AppendInt(append(b, `,"count":`...), int64(e.Count), 10)
	}
	if len(e.Keys) > 0 {
		b = appendTexts(append(b, `,"keys":`...), e.Keys)
	}
	text("detail", e.Detail)
	return append(b, '}')
}

func appendFields(b []byte, fields []Field) []byte {
	b = append(b, '[')
	for i := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"name":`...), fields[i].Name)
		b = AppendValue(append(b, `,"from":`...), fields[i].From)
		b = AppendValue(append(b, `,"to":`...), fields[i].To)
		if fields[i].Principal != "" {
			b = appendText(append(b, `,"principal":`...), fields[i].Principal)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendTexts(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, s)
	}
	return append(b, ']')
}

// AppendValue writes the value of a field in the fixed form. What is none of the types
// that JSON comes back as is taken through encoding/json once.
func AppendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case string:
		return appendText(b, v)
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case []any:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendValue(b, x)
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendValue(append(appendText(b, k), ':'), v[k])
		}
		return append(b, '}')
	}
	var plain any
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err != nil {
		return appendText(b, "not a value of JSON: "+err.Error())
	}
	return AppendValue(b, plain)
}

// appendText writes a text: quotes, backslashes and control characters are escaped, bytes
// that are no UTF-8 become the replacement character.
func appendText(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
