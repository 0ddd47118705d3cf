package hooks

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"groupsyncd/directory"
)

const (
	// maxHints is how many people one delivery may name. More than that is everybody.
	maxHints = 1000
	// maxName bounds what anybody is called.
	maxName = 512
	// maxToken bounds a token that stands in a body.
	maxToken = 64 << 10
)

// What Read says is wrong.
var (
	errBody   = errors.New("the body is not what this kind of sender sends")
	errNobody = errors.New("the body names nobody")
)

// loose is a value that is left empty where the body has something else: what we do not
// need must not make us deaf to what we do.
type loose[T any] struct{ v T }

// UnmarshalJSON never fails for JSON of another type.
func (l *loose[T]) UnmarshalJSON(text []byte) error {
	var v T
	if json.Unmarshal(text, &v) == nil {
		l.v = v
	}
	return nil
}

// text is a text in a body, empty where there is none.
type text = loose[string]

// decode reads a body. What encoding/json says about it may repeat some of it, so that is
// dropped.
func decode(body []byte, into any) error {
	if json.Unmarshal(body, into) != nil {
		return errBody
	}
	return nil
}

// named says whether a text can be the name or id of somebody.
func named(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, unicode.IsControl)
}

// person gives the hint for somebody whom a sender knows by some of these.
//
// Its id is left out where the source has ids of its own, and would be looked for under
// that id and found to be nobody. Somebody who is known by nothing else cannot be named
// there, so everybody is looked at.
func (o *Options) person(id, email, username string) []Hint {
	var p directory.Person
	if named(email) && strings.Contains(email, "@") {
		p.Email = email
	}
	if named(username) {
		p.Username = username
	}
	known := named(id)
	nameless := p == directory.Person{}
	switch {
	case known && (o.ids || o.Source == "" && nameless):
		p.ID = id
	case known && nameless:
		return []Hint{{All: true}}
	case nameless:
		return nil
	}
	return []Hint{{Person: p}}
}

// gathered gives each hint once, and one for everybody in place of too many.
func gathered(hints []Hint) []Hint {
	seen := make(map[Hint]bool, min(len(hints), maxHints))
	var list []Hint
	for _, h := range hints {
		if seen[h] {
			continue
		}
		seen[h] = true
		if list = append(list, h); len(list) > maxHints {
			return []Hint{{All: true}}
		}
	}
	return list
}
