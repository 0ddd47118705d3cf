package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Discovery is a description in Google's format (discovery#restDescription).
type Discovery struct {
	Parameters map[string]discoveryType     `json:"parameters"`
	Resources  map[string]discoveryResource `json:"resources"`
	Schemas    map[string]discoveryType     `json:"schemas"`
}

type discoveryResource struct {
	Methods   map[string]discoveryMethod   `json:"methods"`
	Resources map[string]discoveryResource `json:"resources"`
}

type discoveryMethod struct {
	HTTPMethod string                   `json:"httpMethod"`
	Path       string                   `json:"path"`
	Parameters map[string]discoveryType `json:"parameters"`
	Response   struct {
		Ref string `json:"$ref"`
	} `json:"response"`
}

// discoveryType is a parameter or a schema.
type discoveryType struct {
	Ref        string                   `json:"$ref"`
	Type       string                   `json:"type"`
	Format     string                   `json:"format"`
	Location   string                   `json:"location"`
	Required   bool                     `json:"required"`
	Enum       []string                 `json:"enum"`
	Pattern    string                   `json:"pattern"`
	Minimum    string                   `json:"minimum"`
	Maximum    string                   `json:"maximum"`
	Default    string                   `json:"default"`
	Properties map[string]discoveryType `json:"properties"`
	Items      *discoveryType           `json:"items"`
	Additional *discoveryType           `json:"additionalProperties"`
}

// NewDiscovery reads a description.
func NewDiscovery(data []byte) (*Discovery, error) {
	d := &Discovery{}
	if err := json.Unmarshal(data, d); err != nil {
		return nil, err
	}
	if len(d.Resources) == 0 || len(d.Schemas) == 0 {
		return nil, fmt.Errorf("the description has %d resources and %d schemas", len(d.Resources), len(d.Schemas))
	}
	return d, nil
}

// Check gives what of an exchange the description does not know.
func (d *Discovery) Check(x *Exchange) []string {
	method, values, ok := d.find(d.Resources, x)
	if !ok {
		return []string{fmt.Sprintf("the path %s %s is not described", x.Method, x.URL.Path)}
	}
	var bad []string
	for name, value := range values {
		if why := method.Parameters[name].text(value); why != "" {
			bad = append(bad, fmt.Sprintf("parameter %s: %s", name, why))
		}
	}
	bad = append(bad, d.query(method, x.URL.Query())...)
	if x.Status < 200 || x.Status > 299 {
		return bad // Google describes no errors.
	}
	var body any
	if err := json.Unmarshal(x.Body, &body); err != nil {
		return append(bad, "the answer is no JSON")
	}
	return append(bad, d.value("answer", discoveryType{Ref: method.Response.Ref}, body, fields(x.URL.Query().Get("fields")))...)
}

// find gives the method of a request, and what stands in its path for which parameter.
func (d *Discovery) find(resources map[string]discoveryResource, x *Exchange) (method discoveryMethod, values map[string]string, ok bool) {
	for _, name := range slices.Sorted(maps.Keys(resources)) {
		r := resources[name]
		for _, m := range slices.Sorted(maps.Keys(r.Methods)) {
			if method := r.Methods[m]; method.HTTPMethod == x.Method {
				if values, ok := matches(method.Path, x.URL.EscapedPath()); ok {
					return method, values, true
				}
			}
		}
		if method, values, ok := d.find(r.Resources, x); ok {
			return method, values, true
		}
	}
	return discoveryMethod{}, nil, false
}

// matches compares a path with the pattern of one.
func matches(pattern, path string) (map[string]string, bool) {
	a, b := strings.Split(pattern, "/"), strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(a) != len(b) || strings.Contains(pattern, "{+") {
		return nil, false
	}
	values := map[string]string{}
	for i := range a {
		name, variable := strings.CutPrefix(a[i], "{")
		text, err := url.PathUnescape(b[i])
		if err != nil || !variable && a[i] != text {
			return nil, false
		}
		if variable {
			values[strings.TrimSuffix(name, "}")] = text
		}
	}
	return values, true
}

// query checks the parameters of a query.
func (d *Discovery) query(m discoveryMethod, q url.Values) []string {
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(q)) {
		p, ok := m.Parameters[name]
		if !ok {
			p, ok = d.Parameters[name]
		}
		if !ok || p.Location != "query" {
			bad = append(bad, fmt.Sprintf("parameter %s is not described", name))
			continue
		}
		for _, value := range q[name] {
			if why := p.text(value); why != "" {
				bad = append(bad, fmt.Sprintf("parameter %s: %s", name, why))
			}
		}
	}
	for name, p := range m.Parameters {
		if p.Required && p.Location == "query" && !q.Has(name) {
			bad = append(bad, fmt.Sprintf("parameter %s is missing", name))
		}
	}
	return bad
}

// text says what is wrong with the value of a parameter, or nothing.
func (p discoveryType) text(value string) string {
	switch p.Type {
	case "integer":
		n, err := strconv.ParseInt(value, 10, 64)
		least, _ := strconv.ParseInt(p.Minimum, 10, 64)
		most, bound := strconv.ParseInt(p.Maximum, 10, 64)
		if err != nil || p.Minimum != "" && n < least || bound == nil && n > most {
			return fmt.Sprintf("%q is no number from %s to %s", value, p.Minimum, p.Maximum)
		}
	case "boolean":
		if value != "true" && value != "false" {
			return fmt.Sprintf("%q is neither true nor false", value)
		}
	}
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, value) {
		return fmt.Sprintf("%q is none of %v", value, p.Enum)
	}
	if p.Pattern != "" && !regexp.MustCompile(p.Pattern).MatchString(value) {
		return fmt.Sprintf("%q does not fit %s", value, p.Pattern)
	}
	return ""
}

// value checks a value of an answer. asked is what of it the request named; nil: everything.
func (d *Discovery) value(at string, s discoveryType, value any, asked map[string]any) []string {
	if s.Ref != "" {
		to, ok := d.Schemas[s.Ref]
		if !ok {
			return []string{fmt.Sprintf("%s: the schema %s is not described", at, s.Ref)}
		}
		s = to
	}
	switch s.Type {
	case "object":
		return d.object(at, s, value, asked)
	case "array":
		list, ok := value.([]any)
		if !ok {
			return []string{at + " is no list"}
		}
		var bad []string
		for i, item := range list {
			bad = append(bad, d.value(fmt.Sprintf("%s[%d]", at, i), *s.Items, item, asked)...)
		}
		return bad
	case "any", "":
		return nil
	}
	if why := s.scalar(value); why != "" {
		return []string{at + " " + why}
	}
	return nil
}

func (d *Discovery) object(at string, s discoveryType, value any, asked map[string]any) []string {
	o, ok := value.(map[string]any)
	if !ok {
		return []string{at + " is no object"}
	}
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		inner, _ := asked[name].(map[string]any)
		if _, named := asked[name]; asked != nil && !named {
			bad = append(bad, fmt.Sprintf("%s.%s was not asked for", at, name))
		}
		p, known := s.Properties[name]
		switch {
		case known:
			bad = append(bad, d.value(at+"."+name, p, o[name], inner)...)
		case s.Additional != nil:
			bad = append(bad, d.value(at+"."+name, *s.Additional, o[name], inner)...)
		default:
			bad = append(bad, fmt.Sprintf("%s.%s is not described", at, name))
		}
	}
	// Each kind of resource says which it is.
	if kind := s.Properties["kind"].Default; kind != "" && o["kind"] != kind && (asked == nil || asked["kind"] != nil) {
		bad = append(bad, fmt.Sprintf("%s.kind is %v, not %s", at, o["kind"], kind))
	}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		if _, known := s.Properties[name]; !known && s.Additional == nil {
			bad = append(bad, fmt.Sprintf("the field %s of %s was asked for, and is not described", name, at))
		}
	}
	return bad
}

// scalar says what is wrong with a value that is no object and no list, or nothing.
func (p discoveryType) scalar(value any) string {
	switch v := value.(type) {
	case string:
		if p.Type != "string" {
			return fmt.Sprintf("is a text, not of type %s", p.Type)
		}
		if p.Format == "int64" {
			if _, err := strconv.ParseInt(v, 10, 64); err != nil {
				return fmt.Sprintf("is %q, no number", v)
			}
		}
		if p.Format == "date-time" {
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				return fmt.Sprintf("is %q, no time", v)
			}
		}
		if len(p.Enum) > 0 && !slices.Contains(p.Enum, v) {
			return fmt.Sprintf("is %q, none of %v", v, p.Enum)
		}
	case bool:
		if p.Type != "boolean" {
			return "is true or false, not of type " + p.Type
		}
	case float64:
		if p.Type != "integer" && p.Type != "number" {
			return "is a number, not of type " + p.Type
		}
	default:
		return fmt.Sprintf("is %T", value)
	}
	return ""
}

// fields reads the parameter of that name into a tree of names; nil: all fields.
func fields(text string) map[string]any {
	if text == "" {
		return nil
	}
	tree, _ := fieldList(text)
	return tree
}

func fieldList(text string) (tree map[string]any, rest string) {
	tree = map[string]any{}
	for text != "" && text[0] != ')' {
		text = strings.TrimPrefix(text, ",")
		end := strings.IndexAny(text+",", ",/()")
		name := text[:end]
		text = text[end:]
		var inner map[string]any
		switch {
		case strings.HasPrefix(text, "("):
			inner, text = fieldList(text[1:])
			text = strings.TrimPrefix(text, ")")
		case strings.HasPrefix(text, "/"):
			end := strings.IndexAny(text[1:]+",", ",()") + 1
			inner, _ = fieldList(text[1:end])
			text = text[end:]
		}
		if inner == nil {
			tree[name] = true
		} else {
			tree[name] = inner
		}
	}
	return tree, text
}
