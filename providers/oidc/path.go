package oidc

import (
	"errors"
	"fmt"
	"strings"
)

// path leads to a claim.
type path struct {
	// text is as it was written; a claim of exactly that name comes first, because names
	// such as https://example.org/groups and cognito:groups are usual.
	text  string
	parts []string
}

const (
	maxPath  = 1000
	maxParts = 20
)

// parsePath reads a name, a.b, "a.b".c, or a JSON pointer (RFC 6901).
func parsePath(text string) (path, error) {
	p := path{text: text}
	switch {
	case text == "":
		return p, errors.New("the name of a claim is empty")
	case len(text) > maxPath:
		return p, errors.New("the name of a claim is too long")
	case strings.HasPrefix(text, "/"):
		for part := range strings.SplitSeq(text[1:], "/") {
			p.parts = append(p.parts, strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
		}
	default:
		var err error
		if p.parts, err = dotted(text); err != nil {
			return p, err
		}
	}
	if len(p.parts) > maxParts {
		return p, fmt.Errorf("%q leads too deep", text)
	}
	return p, nil
}

// dotted takes a.b apart. A part in double quotes may hold dots, and a doubled quote
// stands for one.
func dotted(text string) ([]string, error) {
	var parts []string
	for rest := text; ; {
		var part string
		if strings.HasPrefix(rest, `"`) {
			end := closing(rest)
			if end < 0 {
				return nil, fmt.Errorf("%q has a quote that is not closed", text)
			}
			part, rest = strings.ReplaceAll(rest[1:end], `""`, `"`), rest[end+1:]
			if rest != "" && rest[0] != '.' {
				return nil, fmt.Errorf("%q goes on behind a closing quote without a dot", text)
			}
		} else {
			end := strings.IndexByte(rest, '.')
			if end < 0 {
				end = len(rest)
			}
			part, rest = rest[:end], rest[end:]
		}
		parts = append(parts, part)
		if rest == "" {
			return parts, nil
		}
		rest = rest[1:]
	}
}

// closing finds the quote that closes the one at the start, or -1.
func closing(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			continue
		}
		if i+1 == len(s) || s[i+1] != '"' {
			return i
		}
		i++
	}
	return -1
}

// top gives the name of the claim at the top of a token in which the value would be.
func (p path) top(claims map[string]any) string {
	if _, flat := claims[p.text]; flat || len(p.parts) == 0 {
		return p.text
	}
	return p.parts[0]
}

// find follows the path. there is false when a name on the way is missing, or null before
// the last one; an error says that something on the way is no object.
func (p path) find(claims map[string]any) (value any, there bool, err error) {
	if v, ok := claims[p.text]; ok {
		return v, true, nil
	}
	var at any = claims
	for i, part := range p.parts {
		if at == nil {
			return nil, false, nil
		}
		object, ok := at.(map[string]any)
		if !ok {
			return nil, false, fmt.Errorf("%s is %s, not an object", strings.Join(p.parts[:i], "."), kindOf(at))
		}
		if at, ok = object[part]; !ok {
			return nil, false, nil
		}
	}
	return at, true, nil
}
