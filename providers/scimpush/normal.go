package scimpush

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// normal gives a resource in the form in which it is kept: known attributes under the names of
// their schemas and with their types, without what is not the provider's to say, and without
// empty values. What no schema knows is kept as it came.
func normal(kind *resourceType, in document) (document, error) {
	out := document{}
	for _, key := range slices.Sorted(maps.Keys(in)) {
		value := in[key]
		if strings.EqualFold(key, "password") || !present(value) {
			continue // A password is never kept.
		}
		if len(key) > 4 && strings.EqualFold(key[:4], "urn:") {
			inner, ok := value.(document)
			if !ok {
				return nil, badValue("%s must be an object", brief(key))
			}
			if e := kind.extension(key); e != nil {
				key = e.id
				var err error
				if inner, err = normalParts(e.attributes, inner); err != nil {
					return nil, err
				}
			}
			if len(inner) > 0 {
				out[key] = inner
			}
			continue
		}
		a := kind.attribute(attrPath{name: key})
		if a == nil {
			out[key] = value
			continue
		}
		if a.mutability == "readOnly" || a.mutability == "ignored" {
			continue
		}
		v, err := normalValue(a, value)
		if err != nil {
			return nil, err
		}
		if present(v) {
			out[a.name] = v
		}
	}
	return out, required(kind, out)
}

// required finds the required attribute that is missing.
func required(kind *resourceType, doc document) error {
	for i := range kind.core.attributes {
		if a := &kind.core.attributes[i]; a.required && !present(doc[a.name]) {
			return badValue("%s is missing", a.name)
		}
	}
	return nil
}

func normalParts(attributes []attribute, in document) (document, error) {
	out := document{}
	for _, key := range slices.Sorted(maps.Keys(in)) {
		value := in[key]
		a := findIn(attributes, key)
		switch {
		case !present(value) || a != nil && a.mutability == "readOnly":
			continue
		case a == nil:
			out[key] = value
			continue
		}
		v, err := normalValue(a, value)
		if err != nil {
			return nil, err
		}
		if present(v) {
			out[a.name] = v
		}
	}
	return out, nil
}

func normalValue(a *attribute, value any) (any, error) {
	if !a.multi {
		return normalOne(a, value)
	}
	list, several := value.([]any)
	if !several {
		list = []any{value}
	}
	out := make([]any, 0, len(list))
	for _, x := range list {
		v, err := normalOne(a, x)
		if err != nil {
			return nil, err
		}
		if present(v) {
			out = append(out, v)
		}
	}
	return out, nil
}

func normalOne(a *attribute, value any) (any, error) {
	switch x := value.(type) {
	case nil:
		return nil, nil
	case document:
		if a.kind == "complex" {
			return normalParts(a.subs, x)
		}
	case string:
		switch {
		case x == "":
			return nil, nil
		case a.kind == "complex" && findIn(a.subs, "value") != nil:
			return document{"value": x}, nil
		case a.kind == "complex":
		case a.kind != "boolean":
			return x, nil
		case strings.EqualFold(x, "true"), strings.EqualFold(x, "false"):
			return strings.EqualFold(x, "true"), nil
		}
	case bool:
		switch a.kind {
		case "boolean":
			return x, nil
		case "":
			return strconv.FormatBool(x), nil
		}
	case json.Number:
		if a.kind == "" {
			return x.String(), nil
		}
	}
	kind := a.kind
	if kind == "" {
		kind = "string"
	}
	return nil, refuse(http.StatusBadRequest, "invalidValue", "%s must be of type %s", a.name, kind)
}
