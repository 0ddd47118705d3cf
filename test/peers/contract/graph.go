package contract

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Graph is what the types of Microsoft Graph say of its interface, by the rules of OData: a
// path goes from a set to an entity and along its properties, and an answer is what the last
// one is declared as.
type Graph struct {
	types *Types
	sets  map[string]string
}

// NewGraph reads the declarations. sets gives the type of what is in each set.
func NewGraph(data []byte, sets map[string]string) (*Graph, error) {
	t, err := NewTypes(data)
	if err != nil {
		return nil, err
	}
	return &Graph{types: t, sets: sets}, nil
}

// Check gives what of an exchange the declarations do not know.
func (g *Graph) Check(x *Exchange) []string {
	name, list, err := g.resolve(x.Method, x.URL.Path)
	if err != nil {
		return []string{err.Error()}
	}
	bad := g.query(name, x.URL.Query())
	var body any
	if err := json.Unmarshal(x.Body, &body); err != nil {
		return append(bad, "the answer is no JSON")
	}
	if x.Status > 299 {
		return append(bad, refusal(body)...)
	}
	if !list {
		return append(bad, g.entity("answer", name, body, x.URL.Query())...)
	}
	o, ok := body.(map[string]any)
	if !ok {
		return append(bad, "the answer is no object")
	}
	values, ok := o["value"].([]any)
	if !ok {
		return append(bad, "answer.value is no list")
	}
	for property := range o {
		if property != "value" && !strings.HasPrefix(property, "@odata.") {
			bad = append(bad, fmt.Sprintf("answer.%s is not described", property))
		}
	}
	for i, v := range values {
		bad = append(bad, g.entity(fmt.Sprintf("value[%d]", i), name, v, x.URL.Query())...)
	}
	return bad
}

// refusal checks the body of an error (OData JSON format 4.01, section 21).
func refusal(body any) []string {
	o, _ := body.(map[string]any)
	e, _ := o["error"].(map[string]any)
	code, _ := e["code"].(string)
	if _, ok := e["message"].(string); !ok || code == "" {
		return []string{"the error has no code and message"}
	}
	return nil
}

var byKey = regexp.MustCompile(`^(\w+)\((\w+)='[^']*'\)$`)

// resolve follows a path, and gives the type of what it leads to and whether it is a list.
func (g *Graph) resolve(method, path string) (name string, list bool, err error) {
	parts := strings.Split(strings.TrimPrefix(path, "/v1.0/"), "/")
	first := parts[0]
	m := byKey.FindStringSubmatch(first)
	if m != nil {
		first = m[1]
	}
	name, ok := g.sets[first]
	if !ok || !strings.HasPrefix(path, "/v1.0/") {
		return "", false, fmt.Errorf("the path %s is not described", path)
	}
	if list = m == nil; !list {
		if _, ok := g.types.property(name, m[2]); !ok {
			return "", false, fmt.Errorf("%s has no key %s", name, m[2])
		}
	}
	for _, part := range parts[1:] {
		cast, isCast := strings.CutPrefix(part, "microsoft.graph.")
		switch {
		case isCast:
			name = strings.ToUpper(cast[:1]) + cast[1:]
		case list && part == "delta":
		case list:
			list = false // The id of one of them.
		case method == "POST" && slices.Contains([]string{"getMemberObjects", "getMemberGroups"}, part):
			name, list = "string", true
		default:
			kind, ok := g.types.property(name, part)
			if !ok {
				return "", false, fmt.Errorf("%s has no property %s, in %s", name, part, path)
			}
			name, _, list = plain(kind)
		}
	}
	return name, list, nil
}

// query checks the options of a query: OData's, with names that the type has.
func (g *Graph) query(name string, q url.Values) []string {
	var bad []string
	for option := range q {
		if !slices.Contains([]string{"$select", "$filter", "$top", "$expand", "$count", "$orderby", "$search", "$skiptoken", "$deltatoken"}, option) {
			bad = append(bad, fmt.Sprintf("the option %s is none of OData", option))
		}
	}
	for _, property := range selected(q) {
		if _, ok := g.types.property(name, property); !ok && !extension(property) && !g.anywhere(name, property) {
			bad = append(bad, fmt.Sprintf("%s has no property %s to select", name, property))
		}
	}
	if e := q.Get("$expand"); e != "" {
		property, _, _ := strings.Cut(e, "(")
		if _, ok := g.types.property(name, property); !ok {
			bad = append(bad, fmt.Sprintf("%s has no property %s to expand", name, property))
		}
	}
	return bad
}

// anywhere reports whether a property is one of a type that what is listed may be.
func (g *Graph) anywhere(name, property string) bool {
	for other := range g.types.interfaces {
		if _, ok := g.types.property(other, property); ok && g.types.is(other, name) {
			return true
		}
	}
	return false
}

func selected(q url.Values) []string {
	if q.Get("$select") == "" {
		return nil
	}
	return strings.Split(q.Get("$select"), ",")
}

// extension reports whether a property is one that a tenant made itself.
func extension(property string) bool {
	return regexp.MustCompile(`^extension_[0-9a-f]{32}_\w+$`).MatchString(property)
}

// entity checks one object of an answer.
func (g *Graph) entity(at, name string, value any, q url.Values) []string {
	o, ok := value.(map[string]any)
	if !ok {
		return g.types.check(at, name, value, g.extra)
	}
	if said, ok := o["@odata.type"].(string); ok {
		actual := strings.TrimPrefix(said, "#microsoft.graph.")
		actual = strings.ToUpper(actual[:1]) + actual[1:]
		if !g.types.is(actual, name) {
			return []string{fmt.Sprintf("%s is a %s, no %s", at, said, name)}
		}
		name = actual
	}
	bad := g.types.object(at, name, value, g.extra)
	if id, ok := o["id"].(string); g.types.is(name, "Entity") && (!ok || id == "") && (len(selected(q)) == 0 || slices.Contains(selected(q), "id")) {
		bad = append(bad, at+".id is missing")
	}
	if list := selected(q); len(list) > 0 {
		for property := range o {
			base, _, _ := strings.Cut(property, "@")
			if base != "" && base != "id" && !slices.Contains(list, base) && base != q.Get("$expand") && !strings.HasPrefix(q.Get("$expand"), base+"(") {
				bad = append(bad, fmt.Sprintf("%s.%s was not asked for", at, property))
			}
		}
	}
	return bad
}

// extra checks what OData adds to the properties of a type.
func (g *Graph) extra(at, owner, name string, value any) []string {
	base, annotation, annotated := strings.Cut(name, "@")
	switch {
	case extension(name), annotated && base == "" && strings.HasPrefix(annotation, "odata."):
		return nil
	case name == "@removed":
		if o, ok := value.(map[string]any); ok && (o["reason"] == "changed" || o["reason"] == "deleted") {
			return nil
		}
		return []string{at + ".@removed has no reason that is known"}
	case annotated:
		kind, ok := g.types.property(owner, base)
		if _, _, list := plain(kind); !ok || !list && annotation == "delta" {
			return []string{fmt.Sprintf("%s.%s is not described", at, name)}
		}
		if annotation == "delta" {
			items, ok := value.([]any)
			if !ok {
				return []string{at + "." + name + " is no list"}
			}
			var bad []string
			for i, item := range items {
				bad = append(bad, g.entity(fmt.Sprintf("%s.%s[%d]", at, name, i), "DirectoryObject", item, nil)...)
			}
			return bad
		}
		return nil
	}
	return []string{fmt.Sprintf("%s.%s is not described", at, name)}
}
