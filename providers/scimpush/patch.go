package scimpush

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// maxOperations bounds the operations of one request.
const maxOperations = 10_000

// operation is one operation of a patch, in the shapes in which RFC 7644, Entra and Okta send it.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// patcher carries out operations on a document that nobody else sees.
type patcher struct {
	kind *resourceType
	doc  document
	// members takes what is about the members of a group, which are kept apart; nil for users.
	members func(op string, t *target, value any) error
}

// apply carries out one operation.
func (p *patcher) apply(o *operation) error {
	op := strings.ToLower(o.Op)
	if op != "add" && op != "replace" && op != "remove" {
		return refuse(http.StatusBadRequest, "invalidSyntax", "the operation %q is not add, replace or remove", brief(o.Op))
	}
	if strings.TrimSpace(o.Path) != "" {
		return p.at(op, o.Path, o.Value, true)
	}
	doc, ok := o.Value.(document)
	switch {
	case op == "remove":
		return refuse(http.StatusBadRequest, "noTarget", "a remove needs a path")
	case !ok:
		return badValue("without a path the value must be an object")
	}
	return p.all(op, "", doc)
}

// all carries out an operation for each attribute of an object, whose names may be paths.
func (p *patcher) all(op, begin string, doc document) error {
	for _, key := range slices.Sorted(maps.Keys(doc)) {
		inner, isDoc := doc[key].(document)
		var err error
		if begin == "" && isDoc && len(key) > 4 && strings.EqualFold(key[:4], "urn:") {
			err = p.all(op, key+":", inner)
		} else {
			err = p.at(op, begin+key, doc[key], false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// at carries out an operation at a path. Without strict what is not the provider's to change
// is left as it is, as in an object that it sends back.
func (p *patcher) at(op, path string, value any, strict bool) error {
	t, err := parsePath(path)
	if err != nil {
		return refuse(http.StatusBadRequest, "invalidPath", "the path %q cannot be read: %v", brief(path), err)
	}
	if t.name == enterpriseSchema {
		return p.extension(op, value)
	}
	a := p.kind.attribute(attrPath{urn: t.urn, name: t.name})
	switch {
	case strings.EqualFold(t.name, "password") || a != nil && a.mutability == "ignored":
		return nil
	case a != nil && a.mutability == "readOnly":
		if strict {
			return refuse(http.StatusBadRequest, "mutability", "%s cannot be changed", a.name)
		}
		return nil
	case a != nil && a.name == "members" && p.members != nil:
		return p.members(op, t, value)
	}
	doc, name := p.container(t, a)
	if doc == nil {
		if op == "remove" {
			return nil
		}
		doc = document{}
		p.doc[t.urn] = doc
	}
	if op == "remove" || value == nil {
		if op != "add" {
			p.remove(doc, name, t, value)
		}
		return nil
	}
	return p.put(op, doc, name, t, a, value)
}

// extension carries out an operation on a whole extension.
func (p *patcher) extension(op string, value any) error {
	doc, ok := value.(document)
	switch {
	case op == "remove" || value == nil:
		key, _, _ := get(p.doc, enterpriseSchema)
		delete(p.doc, key)
		return nil
	case !ok:
		return badValue("%s must be an object", enterpriseSchema)
	}
	return p.all(op, enterpriseSchema+":", doc)
}

// container gives the object that has the attribute of a path, nil when there is none yet,
// and the name that the attribute has there.
func (p *patcher) container(t *target, a *attribute) (document, string) {
	doc, name := p.doc, t.name
	if t.urn != "" && !strings.EqualFold(t.urn, p.kind.core.id) {
		if e := p.kind.extension(t.urn); e != nil {
			t.urn = e.id
		}
		key, inner, _ := get(p.doc, t.urn)
		t.urn = key
		doc, _ = inner.(document)
	}
	if a != nil {
		name = a.name
	} else {
		name, _, _ = get(doc, name)
	}
	return doc, name
}

func (p *patcher) remove(doc document, name string, t *target, value any) {
	list, several := doc[name].([]any)
	inner, single := doc[name].(document)
	drop := func(x any) {
		if d, ok := x.(document); ok {
			key, _, _ := get(d, t.sub)
			delete(d, key)
		}
	}
	switch {
	case t.some != nil && t.sub != "":
		for _, i := range p.chosen(list, t) {
			drop(list[i])
		}
	case t.some != nil:
		chosen := p.chosen(list, t)
		var left []any
		for i, x := range list {
			if !slices.Contains(chosen, i) {
				left = append(left, x)
			}
		}
		doc[name] = left
	case t.sub != "" && several:
		for _, x := range list {
			drop(x)
		}
	case t.sub != "" && single:
		drop(inner)
	case t.sub != "":
	case several && value != nil:
		gone := asList(value)
		doc[name] = slices.DeleteFunc(slices.Clone(list), func(x any) bool {
			return slices.ContainsFunc(gone, func(y any) bool { return sameValue(x, y) })
		})
	default:
		delete(doc, name)
	}
}

// chosen gives the positions of the values that the filter of a path chooses.
func (p *patcher) chosen(list []any, t *target) []int {
	v := &view{kind: p.kind, doc: p.doc}
	var out []int
	for i, x := range list {
		if v.within(t.attrPath, x, t.some) {
			out = append(out, i)
		}
	}
	return out
}

func (p *patcher) put(op string, doc document, name string, t *target, a *attribute, value any) error {
	list, several := doc[name].([]any)
	if t.some != nil {
		return p.putChosen(op, doc, name, t, value)
	}
	several = several || a != nil && a.multi
	switch {
	case t.sub != "" && several:
		if len(list) == 0 {
			list = []any{document{}}
		}
		for _, x := range list {
			if d, ok := x.(document); ok {
				key, _, _ := get(d, t.sub)
				d[key] = value
			}
		}
		doc[name] = list
	case t.sub != "":
		d, ok := doc[name].(document)
		if !ok {
			d = document{}
			doc[name] = d
		}
		key, _, _ := get(d, t.sub)
		d[key] = value
	case several && op == "add":
		for _, x := range asList(value) {
			if !slices.ContainsFunc(list, func(y any) bool { return reflect.DeepEqual(x, y) }) {
				list = append(list, x)
				onePrimary(list, len(list)-1)
			}
		}
		doc[name] = list
	case several:
		doc[name] = asList(value)
	default:
		merge(doc, name, value)
	}
	return nil
}

// putChosen changes those of several values that a filter chooses; when there are none, one
// that meets the filter is made where the filter says how.
func (p *patcher) putChosen(op string, doc document, name string, t *target, value any) error {
	list, _ := doc[name].([]any)
	chosen := p.chosen(list, t)
	if len(chosen) == 0 {
		made := document{}
		if !fill(made, t.some) {
			return refuse(http.StatusBadRequest, "noTarget", "no value of %s meets the filter", name)
		}
		list = append(list, made)
		chosen = []int{len(list) - 1}
	}
	for _, i := range chosen {
		d, ok := list[i].(document)
		if !ok {
			d = document{"value": list[i]}
		}
		switch given, isDoc := value.(document); {
		case t.sub != "":
			key, _, _ := get(d, t.sub)
			d[key] = value
		case isDoc && op == "replace":
			d = maps.Clone(given)
		case isDoc:
			for k, v := range given {
				key, _, _ := get(d, k)
				d[key] = v
			}
		default:
			d["value"] = value
		}
		list[i] = d
		onePrimary(list, i)
	}
	doc[name] = list
	return nil
}

// fill puts into an object what a filter of equalities wants; false for any other filter.
func fill(d document, e expr) bool {
	switch e := e.(type) {
	case both:
		return fill(d, e.a) && fill(d, e.b)
	case compare:
		if e.op != "eq" || e.path.sub != "" || e.value == nil {
			return false
		}
		d[e.path.name] = e.value
		return true
	}
	return false
}

// merge sets a value; an object is laid over the one that is there.
func merge(doc document, name string, value any) {
	have, ok := doc[name].(document)
	given, isDoc := value.(document)
	if !ok || !isDoc {
		doc[name] = value
		return
	}
	for k, v := range given {
		key, _, _ := get(have, k)
		have[key] = v
	}
}

// onePrimary takes the mark from all other values when one was given it.
func onePrimary(list []any, at int) {
	primary := func(x any) (document, bool) {
		d, _ := x.(document)
		_, v, _ := get(d, "primary")
		return d, strings.EqualFold(plain(v), "true")
	}
	if _, is := primary(list[at]); !is {
		return
	}
	for i, x := range list {
		if d, is := primary(x); is && i != at {
			key, _, _ := get(d, "primary")
			d[key] = false
		}
	}
}

// sameValue reports whether a value is the one that somebody names, whole or by what is
// called value in it.
func sameValue(x, named any) bool {
	if reflect.DeepEqual(x, named) {
		return true
	}
	value := func(x any) any {
		if d, ok := x.(document); ok {
			_, v, _ := get(d, "value")
			return v
		}
		return x
	}
	a, b := value(x), value(named)
	_, partial := named.(document)
	return a != nil && reflect.DeepEqual(a, b) && (!partial || len(named.(document)) == 1)
}

func asList(x any) []any {
	if list, ok := x.([]any); ok {
		return slices.Clone(list)
	}
	return []any{x}
}
