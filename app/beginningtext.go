package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// sourceName makes the name of a source from one for people.
func sourceName(text, otherwise string) string {
	name := strings.Join(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-")
	if name == "" || len(name) > 32 {
		return otherwise
	}
	if slices.Contains([]string{"null", "true", "false"}, name) {
		return otherwise + "-" + name // By itself it would be no text.
	}
	return name
}

// quoted writes a text as a value.
func quoted(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return `""` // A text always has a form in JSON.
	}
	text = strings.TrimSuffix(b.String(), "\n")
	for _, r := range text { // JSON leaves alone what YAML takes for the end of a line, or for none of its characters.
		if unprintable(r) {
			text = strings.ReplaceAll(text, string(r), fmt.Sprintf(`\u%04x`, r))
		}
	}
	return text
}

// unprintable reports whether YAML has no such character outside of escapes, or ends a line,
// and with it a comment, at it.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r == '\ufffe' || r == '\uffff'
}

func quotedList(texts []string) string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = quoted(text)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// maxPlain bounds what somebody else wrote and stands in a comment.
const maxPlain = 200

// plainWords makes a text that another server gave fit for a comment: in one line, and
// short.
func plainWords(text string) string {
	text = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxPlain {
		return fmt.Sprintf("%.*s…", maxPlain, text)
	}
	return text
}
