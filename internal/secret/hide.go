package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// shortest is the length from which a secret is looked for in other forms than its own.
const shortest = 6

// Hide takes the secret out of a text that came from elsewhere: a server may repeat what
// it was sent, as it is or as JSON, URLs, base64 or hexadecimal write it.
func (v Value) Hide(text string) string {
	if v.s == nil || *v.s == "" || text == "" {
		return text
	}
	for _, form := range v.forms() {
		text = strings.ReplaceAll(text, form, hidden)
	}
	return text
}

// forms gives the ways in which a secret may be written, the longest first.
func (v Value) forms() []string {
	s := *v.s
	forms := []string{s}
	if len(s) < shortest {
		return forms
	}
	add := func(quoted string) { forms = append(forms, strings.Trim(quoted, `"`)) }
	add(strconv.Quote(s))
	if b, err := json.Marshal(s); err == nil {
		add(string(b))
	}
	var plain strings.Builder
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	if e.Encode(s) == nil {
		add(strings.TrimSpace(plain.String()))
	}
	forms = append(forms, url.QueryEscape(s), url.PathEscape(s), strings.TrimPrefix(url.UserPassword("", s).String(), ":"),
		hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))))
	// In base64 the characters at both ends depend on what stands beside the secret.
	for shift := range 3 {
		for _, code := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			inner := code.EncodeToString(append(make([]byte, shift), s...))
			forms = append(forms, inner[(shift*4+2)/3:len(inner)-2])
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(forms)
}
