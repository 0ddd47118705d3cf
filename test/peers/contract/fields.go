package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
)

// unknownFields gives the fields of an answer that its schema does not name. OpenAPI allows
// them unless it says otherwise; a copy of an interface has no business to have any.
func (d *OpenAPI) unknownFields(route *routers.Route, x *Exchange) []string {
	response := route.Operation.Responses.Status(x.Status)
	if response == nil || response.Value == nil {
		return nil
	}
	media := response.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		return nil
	}
	var body any
	if json.Unmarshal(x.Body, &body) != nil {
		return nil // It was told before.
	}
	var bad []string
	unknown("answer", []*openapi3.Schema{media.Schema.Value}, body, &bad)
	slices.Sort(bad)
	return slices.Compact(bad)
}

// unknown walks through a value along with the schemas that may describe it.
func unknown(at string, schemas []*openapi3.Schema, value any, bad *[]string) {
	schemas = flat(schemas, map[*openapi3.Schema]bool{})
	switch value := value.(type) {
	case []any:
		var items []*openapi3.Schema
		for _, s := range schemas {
			if s.Items != nil {
				items = append(items, s.Items.Value)
			}
		}
		if len(items) > 0 {
			for _, item := range value {
				unknown(at+"[]", items, item, bad)
			}
		}
	case map[string]any:
		open, named := false, false
		for _, s := range schemas {
			open = open || s.AdditionalProperties.Schema != nil || s.AdditionalProperties.Has != nil && *s.AdditionalProperties.Has
			named = named || len(s.Properties) > 0
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			var inner []*openapi3.Schema
			for _, s := range schemas {
				if p := s.Properties[name]; p != nil {
					inner = append(inner, p.Value)
				}
			}
			switch {
			case len(inner) > 0:
				unknown(at+"."+name, inner, value[name], bad)
			case named && !open && !strings.HasPrefix(name, "_"):
				*bad = append(*bad, fmt.Sprintf("%s.%s is not described", at, name))
			}
		}
	}
}

// flat gives schemas with all that they are made of.
func flat(schemas []*openapi3.Schema, met map[*openapi3.Schema]bool) []*openapi3.Schema {
	var all []*openapi3.Schema
	for _, s := range schemas {
		if s == nil || met[s] {
			continue
		}
		met[s] = true
		all = append(all, s)
		for _, refs := range []openapi3.SchemaRefs{s.AllOf, s.OneOf, s.AnyOf} {
			for _, ref := range refs {
				all = append(all, flat([]*openapi3.Schema{ref.Value}, met)...)
			}
		}
	}
	return all
}
