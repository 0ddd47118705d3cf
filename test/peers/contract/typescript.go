package contract

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Types are the interfaces and the unions of texts of a TypeScript declaration file: names of
// properties and their types, which is all that some vendors publish in a package.
type Types struct {
	interfaces map[string]tsInterface
	unions     map[string][]string
}

type tsInterface struct {
	extends    string
	properties map[string]string
}

// NewTypes reads a declaration file of the plain kind: comments, interfaces with one property
// in a line, and unions of texts.
func NewTypes(data []byte) (*Types, error) {
	text := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(string(data), "")
	text = regexp.MustCompile(`(?m)^\s*//.*$`).ReplaceAllString(text, "")
	t := &Types{interfaces: map[string]tsInterface{}, unions: map[string][]string{}}
	for _, m := range regexp.MustCompile(`(?m)^export interface (\w+)(?: extends (\w+))? \{([^}]*)\}`).FindAllStringSubmatch(text, -1) {
		i := tsInterface{extends: m[2], properties: map[string]string{}}
		for _, p := range regexp.MustCompile(`(?m)^\s+"?([\w@.]+)"?\??:\s*([^;]+);`).FindAllStringSubmatch(m[3], -1) {
			i.properties[p[1]] = strings.Join(strings.Fields(p[2]), " ")
		}
		t.interfaces[m[1]] = i
	}
	for _, m := range regexp.MustCompile(`(?m)^export type (\w+)\s*=([^;]*);`).FindAllStringSubmatch(text, -1) {
		for _, value := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(m[2], -1) {
			t.unions[m[1]] = append(t.unions[m[1]], value[1])
		}
	}
	if len(t.interfaces) < 100 {
		return nil, fmt.Errorf("the declarations hold %d interfaces only", len(t.interfaces))
	}
	return t, nil
}

// property gives the type of a property of an interface, or of what it extends.
func (t *Types) property(name, property string) (string, bool) {
	for i, ok := t.interfaces[name]; ok; i, ok = t.interfaces[i.extends] {
		if p, ok := i.properties[property]; ok {
			return p, true
		}
	}
	return "", false
}

// is reports whether an interface is another, or extends it.
func (t *Types) is(name, other string) bool {
	for ; name != ""; name = t.interfaces[name].extends {
		if name == other {
			return true
		}
	}
	return false
}

// plain gives the name in a type, and whether it may be null and is a list.
func plain(text string) (name string, null, list bool) {
	for {
		text = strings.TrimSpace(text)
		switch inner, optional := strings.CutPrefix(text, "NullableOption<"); {
		case optional:
			text, null = strings.TrimSuffix(inner, ">"), true
		case strings.HasSuffix(text, "[]"):
			text, list = strings.TrimSuffix(text, "[]"), true
		case strings.HasPrefix(text, "("):
			text = strings.TrimSuffix(strings.TrimPrefix(text, "("), ")")
		default:
			return text, null, list
		}
	}
}

// check gives what of a value does not fit a type. extra says of a property that the interface
// lacks whether it may be there, and what is wrong with it.
func (t *Types) check(at, kind string, value any, extra func(at, owner, name string, value any) []string) []string {
	name, null, list := plain(kind)
	if value == nil {
		if null {
			return nil
		}
		return []string{at + " is null"}
	}
	if list {
		items, ok := value.([]any)
		if !ok {
			return []string{at + " is no list"}
		}
		var bad []string
		for i, item := range items {
			bad = append(bad, t.check(fmt.Sprintf("%s[%d]", at, i), name, item, extra)...)
		}
		return bad
	}
	if union := t.unions[name]; union != nil {
		if text, ok := value.(string); !ok || !slices.Contains(union, text) {
			return []string{fmt.Sprintf("%s is %v, none of %v", at, value, union)}
		}
		return nil
	}
	if _, known := t.interfaces[name]; known {
		return t.object(at, name, value, extra)
	}
	fits := map[string]bool{"any": true}
	switch value.(type) {
	case string:
		fits["string"] = true
	case float64:
		fits["number"] = true
	case bool:
		fits["boolean"] = true
	}
	if !fits[name] {
		return []string{fmt.Sprintf("%s is a %T, not a %s", at, value, name)}
	}
	return nil
}

func (t *Types) object(at, name string, value any, extra func(at, owner, name string, value any) []string) []string {
	o, ok := value.(map[string]any)
	if !ok {
		return []string{at + " is no object"}
	}
	var bad []string
	for _, p := range slices.Sorted(maps.Keys(o)) {
		if kind, known := t.property(name, p); known {
			bad = append(bad, t.check(at+"."+p, kind, o[p], extra)...)
		} else {
			bad = append(bad, extra(at, name, p, o[p])...)
		}
	}
	return bad
}
