package app

import (
	"encoding/json"
	"fmt"
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
	return strings.TrimSuffix(b.String(), "\n")
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
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxPlain {
		return fmt.Sprintf("%.*s…", maxPlain, text)
	}
	return text
}
