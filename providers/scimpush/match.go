package scimpush

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// document is a resource, or a part of one, as JSON has it. Numbers are json.Number.
type document = map[string]any

// view is what a filter sees of a resource.
type view struct {
	kind *resourceType
	doc  document
	// more gives an attribute that is not in the document because it is large; has says
	// without making it whether one of its values is that one. Both may be nil.
	more func(name string) any
	has  func(name, value string) bool
	// path is where doc stands in the resource, when it is one of several values.
	path attrPath
}

// get finds a value by its name in any case.
func get(doc document, name string) (key string, value any, found bool) {
	if v, ok := doc[name]; ok {
		return name, v, true
	}
	for k, v := range doc {
		if strings.EqualFold(k, name) {
			return k, v, true
		}
	}
	return name, nil, false
}

// whole gives the attribute of a path, without regard to the part that the path names.
func (v *view) whole(p attrPath) any {
	doc := v.doc
	if p.urn != "" && !strings.EqualFold(p.urn, v.kind.core.id) {
		_, inner, _ := get(doc, p.urn)
		doc, _ = inner.(document)
	}
	_, value, found := get(doc, p.name)
	if !found && v.more != nil && p.urn == "" {
		value = v.more(p.name)
	}
	return value
}

// list gives the values of a path that can be compared: of several values with parts that
// which is called value, unless the path names another.
func (v *view) list(p attrPath) []any {
	var out []any
	add := func(x any) {
		if inner, ok := x.(document); ok {
			part := p.sub
			if part == "" {
				part = "value"
			}
			_, x, _ = get(inner, part)
		} else if p.sub != "" {
			return
		}
		if x != nil {
			out = append(out, x)
		}
	}
	switch x := v.whole(p).(type) {
	case []any:
		for _, one := range x {
			add(one)
		}
	default:
		add(x)
	}
	return out
}

func (e both) is(v *view) bool    { return e.a.is(v) && e.b.is(v) }
func (e either) is(v *view) bool  { return e.a.is(v) || e.b.is(v) }
func (e negated) is(v *view) bool { return !e.x.is(v) }

func (e values) is(v *view) bool {
	if c, ok := e.some.(compare); ok && c.op == "eq" && v.has != nil && large(e.path) && strings.EqualFold(c.path.name, "value") {
		if id, ok := c.value.(string); ok {
			return v.has(e.path.name, id)
		}
	}
	list, _ := v.whole(e.path).([]any)
	if one, ok := v.whole(e.path).(document); ok {
		list = []any{one}
	}
	for _, x := range list {
		if v.within(e.path, x, e.some) {
			return true
		}
	}
	return false
}

// within reports whether one of several values meets a filter.
func (v *view) within(p attrPath, x any, some expr) bool {
	doc, ok := x.(document)
	if !ok {
		doc = document{"value": x}
	}
	return some.is(&view{kind: v.kind, doc: doc, path: p})
}

// large reports whether a path leads to what is made only where it is needed.
func large(p attrPath) bool {
	return p.urn == "" && (strings.EqualFold(p.name, "members") || strings.EqualFold(p.name, "groups"))
}

func (e compare) is(v *view) bool {
	if id, ok := e.value.(string); ok && e.op == "eq" && v.has != nil && large(e.path) && (e.path.sub == "" || strings.EqualFold(e.path.sub, "value")) {
		return v.has(e.path.name, id)
	}
	if e.op == "pr" {
		return present(v.whole(e.path)) && (e.path.sub == "" || len(v.list(e.path)) > 0)
	}
	list := v.list(e.path)
	if e.value == nil {
		return (e.op == "eq") == (len(list) == 0) && (e.op == "eq" || e.op == "ne")
	}
	p := e.path
	if v.path.name != "" {
		p = attrPath{urn: v.path.urn, name: v.path.name, sub: e.path.name}
	}
	a := v.kind.attribute(p)
	same := a != nil && a.exact
	if e.op == "ne" {
		return !anyOf(list, e.value, "eq", same)
	}
	return anyOf(list, e.value, e.op, same)
}

func anyOf(list []any, want any, op string, exact bool) bool {
	for _, have := range list {
		if holds(have, want, op, exact) {
			return true
		}
	}
	return false
}

// present reports whether an attribute has a value at all.
func present(x any) bool {
	switch x := x.(type) {
	case nil:
		return false
	case string:
		return x != ""
	case []any:
		return len(x) > 0
	case document:
		return len(x) > 0
	}
	return true
}

// holds compares two values. What is a text on one side and a bool on the other is compared as
// texts: Entra writes "True".
func holds(have, want any, op string, exact bool) bool {
	a, b := plain(have), plain(want)
	_, truth := have.(bool)
	if !exact || truth {
		a, b = strings.ToLower(a), strings.ToLower(b)
	}
	switch op {
	case "eq":
		return a == b || op == "eq" && order(have, want, a, b) == 0
	case "co":
		return strings.Contains(a, b)
	case "sw":
		return strings.HasPrefix(a, b)
	case "ew":
		return strings.HasSuffix(a, b)
	}
	n := order(have, want, a, b)
	return op == "gt" && n > 0 || op == "ge" && n >= 0 || op == "lt" && n < 0 || op == "le" && n <= 0
}

// order compares numbers and times as such, everything else as texts.
func order(have, want any, a, b string) int {
	_, n1 := have.(json.Number)
	_, n2 := want.(json.Number)
	if n1 && n2 {
		x, _ := strconv.ParseFloat(a, 64) // A json.Number is a number.
		y, _ := strconv.ParseFloat(b, 64)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	if x, err := time.Parse(time.RFC3339, strings.ToUpper(a)); err == nil {
		if y, err := time.Parse(time.RFC3339, strings.ToUpper(b)); err == nil {
			return x.Compare(y)
		}
	}
	return strings.Compare(a, b)
}

func plain(x any) string {
	switch x := x.(type) {
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case json.Number:
		return x.String()
	}
	return ""
}
