package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// path leads to an attribute of a resource (RFC 7644, 3.10): schema:name[test eq value].sub,
// of which everything but the name may be missing.
type path struct {
	schema, name, sub string
	// test and value choose among several values.
	test, value string
}

var errPath = errors.New("is not an attribute")

// parsePath reads a path.
func parsePath(text string) (path, error) {
	var p path
	rest := text
	if len(text) > 4 && strings.EqualFold(text[:4], "urn:") {
		// A version has dots too, so that the name begins behind the last colon before a test.
		head, _, _ := strings.Cut(text, "[")
		i := strings.LastIndexByte(head, ':')
		p.schema, rest = text[:i], text[i+1:]
	}
	if name, tail, found := strings.Cut(rest, "["); found {
		inner, after, closed := strings.Cut(tail, "]")
		test, value, equals := strings.Cut(inner, " eq ")
		if !closed || !equals || after != "" && after[0] != '.' {
			return p, fmt.Errorf("%q %w", text, errPath)
		}
		if json.Unmarshal([]byte(value), &p.value) != nil {
			p.value = value // A bare word, such as true.
		}
		p.test = test
		rest = name + after
		if !attributeName(test) || p.value == "" {
			return p, fmt.Errorf("%q %w", text, errPath)
		}
	}
	var dotted bool
	p.name, p.sub, dotted = strings.Cut(rest, ".")
	if !attributeName(p.name) || dotted && !attributeName(p.sub) {
		return p, fmt.Errorf("%q %w", text, errPath)
	}
	return p, nil
}

// attributeName reports whether a word may be the name of an attribute.
func attributeName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '$')
	})
}

// coreSchemas are those whose attributes stand in a resource itself.
const coreSchemas = "urn:ietf:params:scim:schemas:core:2.0:"

// filter gives the path as a filter names it, without the test.
func (p path) filter() string {
	text := p.name
	if p.schema != "" {
		text = p.schema + ":" + p.name
	}
	if p.sub != "" {
		text += "." + p.sub
	}
	return text
}

// values gives what a resource has there, as texts.
func (p path) values(r map[string]any) []string {
	if p.schema != "" && !strings.HasPrefix(strings.ToLower(p.schema), strings.ToLower(coreSchemas)) {
		inner, _ := member(r, p.schema).(map[string]any)
		r = inner
	}
	var out []string
	for _, v := range many(member(r, p.name)) {
		object, isObject := v.(map[string]any)
		switch {
		case p.test != "" && (!isObject || !strings.EqualFold(plain(member(object, p.test)), p.value)):
			continue
		case isObject && p.sub == "":
			v = member(object, "value")
		case isObject:
			v = member(object, p.sub)
		case p.sub != "" && p.sub != "value":
			continue
		}
		for _, v := range many(v) {
			if text := plain(v); text != "" {
				out = append(out, text)
			}
		}
	}
	return out
}

// first gives the first value, or nothing.
func (p path) first(r map[string]any) string {
	for _, v := range p.values(r) {
		return v
	}
	return ""
}

// member gives an attribute by its name, whose case does not matter (RFC 7643, 2.1).
func member(r map[string]any, name string) any {
	if v, found := r[name]; found {
		return v
	}
	for key, v := range r {
		if strings.EqualFold(key, name) {
			return v
		}
	}
	return nil
}

// many gives the values of an attribute, of which there may be one or several.
func many(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// plain writes a simple value as a text; anything else is none.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return strings.ToValidUTF8(v, "\uFFFD")
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	return ""
}
