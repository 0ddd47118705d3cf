package oktatest

import (
	"errors"
	"slices"
	"strings"
)

// filter is an expression as Okta takes it: comparisons, joined by and and or, which binds less.
type filter [][]comparison

type comparison struct{ property, operator, value string }

var errFilter = errors.New("invalid search criteria")

// parse reads a filter without parentheses, which is all that sources write.
func parse(text string) (filter, error) {
	f := filter{nil}
	for {
		var c comparison
		var ok bool
		if c.property, text, ok = word(text); !ok {
			return nil, errFilter
		}
		if c.operator, text, ok = word(text); !ok || !slices.Contains([]string{"eq", "gt", "ge", "lt", "le"}, c.operator) {
			return nil, errFilter
		}
		if c.operator != "eq" && !strings.HasPrefix(c.property, "last") {
			return nil, errFilter
		}
		if c.value, text, ok = quoted(text); !ok {
			return nil, errFilter
		}
		f[len(f)-1] = append(f[len(f)-1], c)
		if strings.TrimSpace(text) == "" {
			return f, nil
		}
		var join string
		switch join, text, _ = word(text); join {
		case "and":
		case "or":
			f = append(f, nil)
		default:
			return nil, errFilter
		}
	}
}

func word(text string) (first, rest string, ok bool) {
	first, rest, ok = strings.Cut(strings.TrimLeft(text, " "), " ")
	return first, rest, ok && first != ""
}

func quoted(text string) (value, rest string, ok bool) {
	text = strings.TrimLeft(text, " ")
	if !strings.HasPrefix(text, `"`) {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), text[i+1:], true
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		b.WriteByte(text[i])
	}
	return "", "", false
}

// holds reports whether an entry is found. A search takes upper and lower case for the same.
func (f filter) holds(value func(string) string, folded bool) bool {
	for _, all := range f {
		held := true
		for _, c := range all {
			held = held && c.holds(value(c.property), folded)
		}
		if held {
			return true
		}
	}
	return false
}

func (c comparison) holds(value string, folded bool) bool {
	switch c.operator {
	case "eq":
		return value == c.value || folded && strings.EqualFold(value, c.value)
	case "gt":
		return value > c.value
	case "ge":
		return value >= c.value
	case "lt":
		return value < c.value
	}
	return value <= c.value
}
