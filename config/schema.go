package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"

	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/permission"
	"groupsyncd/providers"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

// schema is a JSON Schema of draft 7, the draft that editors know best.
type schema map[string]any

// Schema describes the file for editors and other programs, with the kinds of sources
// of a registry.
//
// It comes from the same tags as the reading itself. A general generator would need a
// hook for nearly every value here: most have several forms, and the keys of a source
// come from two structs, chosen by a third value.
func Schema(registry providers.Registry) ([]byte, error) {
	b := &schemaBuilder{registry: registry, definitions: schema{}}
	root := b.block(slotsOf(reflect.ValueOf(defaults()).Elem()), "sources", "targets")
	root["anyOf"] = []schema{{"required": []string{"rules"}}, {"required": []string{"teams"}}}
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "groupsyncd configuration"
	root["definitions"] = b.definitions
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JSON Schema: %w", err)
	}
	return append(out, '\n'), nil
}

type schemaBuilder struct {
	registry    providers.Registry
	definitions schema
}

// ref names a definition and makes it the first time.
func (b *schemaBuilder) ref(name string, build func() schema) schema {
	if _, ok := b.definitions[name]; !ok {
		b.definitions[name] = build()
	}
	return schema{"$ref": "#/definitions/" + name}
}

// block describes a mapping with known keys.
func (b *schemaBuilder) block(slots []slot, required ...string) schema {
	properties := schema{}
	for _, s := range slots {
		properties[s.key] = b.property(s)
	}
	out := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// property describes one key, with its default where it has one.
func (b *schemaBuilder) property(s slot) schema {
	inner := b.value(s.value, s.words)
	if s.doc == "" {
		return inner
	}
	if _, isRef := inner["$ref"]; isRef {
		// Draft 7 ignores everything beside $ref.
		inner = schema{"allOf": []schema{inner}}
	}
	inner["description"] = s.doc
	if d, ok := schemaDefault(s.value); ok {
		inner["default"] = d
	}
	return inner
}

// schemaDefault gives the value that a key has when it is left out.
func schemaDefault(v reflect.Value) (any, bool) {
	switch x := v.Interface().(type) {
	case scalar.Duration:
		return x.String(), x != 0
	case Every:
		return x.String(), true
	case plan.Limit:
		switch {
		case x.ByCount && x.ByPercent:
			return schema{"count": x.Count, "percent": x.Percent}, true
		case x == plan.Limit{}:
			return nil, false
		}
		return x.String(), true
	case Create:
		return x == CreateTrue, x != ""
	case []string:
		return x, len(x) > 0
	}
	switch v.Kind() {
	case reflect.String, reflect.Int:
		return v.Interface(), !v.IsZero()
	case reflect.Bool:
		return v.Bool(), true
	}
	return nil, false
}

// value describes what can stand behind a key. v holds the default.
func (b *schemaBuilder) value(v reflect.Value, words []string) schema {
	if out, ok := b.special(v); ok {
		return out
	}
	switch v.Kind() {
	case reflect.Pointer:
		return b.value(reflect.New(v.Type().Elem()).Elem(), words)
	case reflect.Struct:
		return b.block(slotsOf(v))
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": b.value(reflect.New(v.Type().Elem()).Elem(), words)}
	case reflect.Slice:
		return b.list(v, words)
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.String:
		if len(words) > 0 {
			return schema{"enum": words}
		}
		return b.ref("text", func() schema { return schema{"type": []string{"string", "number"}} })
	}
	out := schema{"type": "integer"}
	if v.CanUint() {
		out["minimum"] = 0
	}
	return out
}

// list describes a list, which for texts may be a single one.
func (b *schemaBuilder) list(v reflect.Value, words []string) schema {
	items := b.value(reflect.New(v.Type().Elem()).Elem(), words)
	list := schema{"type": "array", "items": items}
	if !mayStandAlone(v.Type().Elem()) {
		return list
	}
	return schema{"anyOf": []schema{items, list}}
}

func (b *schemaBuilder) special(v reflect.Value) (schema, bool) {
	texts := schema{"type": "array", "items": schema{"type": []string{"string", "number"}}}
	switch v.Addr().Interface().(type) {
	case *[]*Source:
		return b.sources(), true
	case *[]*Target:
		return schema{"type": "object", "minProperties": 1, "additionalProperties": b.ref("target", func() schema {
			return b.block(slotsOf(reflect.ValueOf(defaultTarget("")).Elem()), "url", "api_key")
		})}, true
	case *[]*Webhook:
		return schema{"type": "object", "additionalProperties": b.ref("webhook", func() schema {
			return b.block(slotsOf(reflect.ValueOf(defaultWebhook("")).Elem()), "type")
		})}, true
	case *Rule:
		return b.ref("rule", func() schema { return b.block(slotsOf(reflect.ValueOf(defaultRule()).Elem()), "match") }), true
	case *Notify:
		return b.ref("notify", func() schema { return b.block(slotsOf(reflect.ValueOf(defaultNotify()).Elem()), "url") }), true
	case *Accounts:
		return b.block(slotsOf(reflect.ValueOf(defaultAccounts()).Elem())), true
	case *RoleLine:
		return b.block(slotsOf(reflect.ValueOf(&RoleLine{}).Elem()), "match"), true
	case *Access:
		return b.ref("access", func() schema {
			return schema{"anyOf": []schema{b.texts(), b.block(slotsOf(reflect.ValueOf(&Access{}).Elem()))}}
		}), true
	case *Team:
		return b.ref("team", func() schema { return b.block(slotsOf(reflect.ValueOf(defaultTeam()).Elem())) }), true
	case *Discover:
		return b.block(slotsOf(reflect.ValueOf(defaultDiscover()).Elem()), "regex"), true
	case *Selector:
		return b.ref("selector", func() schema { return b.block(slotsOf(reflect.ValueOf(&Selector{}).Elem()), "match") }), true
	case *Managers:
		return schema{"anyOf": []schema{{"const": ownersWord}, b.value(reflect.New(reflect.TypeFor[[]Selector]()).Elem(), nil)}}, true
	case *mapping.Match:
		return b.ref("match", func() schema {
			return schema{"anyOf": []schema{{"type": []string{"string", "number"}}, texts, {
				"type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
				"properties": schema{"name": b.texts(), "id": b.texts(), "dn": b.texts(), "path": b.texts(), "regex": b.texts()},
			}}}
		}), true
	case *plan.Limit:
		return b.ref("limit", limitSchema), true
	case *Create:
		return schema{"enum": []any{true, false, "used"}}, true
	case *Permissions:
		name := schema{"type": "string"}
		return schema{"anyOf": []schema{name, b.tree(), {"type": "array", "items": schema{"anyOf": []schema{name, b.tree()}}}}}, true
	case *PermissionSet:
		return b.permissionSet(), true
	case *secret.Ref:
		return b.ref("secret", func() schema {
			return schema{"type": "string", "pattern": "^(file|env|credential):.", "description": "Where a secret is kept: file:PATH, env:NAME or credential:NAME. Never the secret itself."}
		}), true
	case *scalar.Duration:
		return b.ref("duration", func() schema {
			return schema{"anyOf": []schema{{"type": "string", "pattern": `^([0-9]+d|([0-9.]+(h|m|s|ms|us|µs|ns))+|0)$`}, {"const": 0}}, "description": "90s, 15m, 24h or 7d."}
		}), true
	case *Every:
		return b.ref("every", func() schema {
			return schema{"anyOf": []schema{{"type": "string", "pattern": `^([0-9]+d|([0-9.]+(h|m|s|ms|us|µs|ns))+|off)$`}, {"const": false}}, "description": "90s, 15m, 24h or 7d; or off."}
		}), true
	case *scalar.Path:
		return schema{"type": "string"}, true
	case nodeUnmarshaler:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String {
			return b.texts(), true
		}
		return schema{}, true // a form of the source's own, which only it can check
	case encoding.TextUnmarshaler:
		return schema{"type": []string{"string", "number"}}, true
	}
	return nil, false
}

func (b *schemaBuilder) texts() schema {
	return b.ref("texts", func() schema {
		text := schema{"type": []string{"string", "number"}}
		return schema{"anyOf": []schema{text, {"type": "array", "items": text}}}
	})
}

func limitSchema() schema {
	return schema{
		"description": "A number, a share such as 20%, both (the lower wins), or off.",
		"anyOf": []schema{
			{"type": "integer", "minimum": 0},
			{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)? *%|off)$`},
			{
				"type": "object", "additionalProperties": false, "minProperties": 1,
				"properties": schema{
					"count":   schema{"type": "integer", "minimum": 0},
					"percent": schema{"anyOf": []schema{{"type": "number", "minimum": 0, "maximum": 100}, {"type": "string", "pattern": `^[0-9]+(\.[0-9]+)?%?$`}}},
				},
			},
		},
	}
}

// tree describes permissions: the known ones by name, and any other, which a newer
// server may have.
func (b *schemaBuilder) tree() schema {
	return b.ref("permissions", func() schema {
		return schema{"type": "object", "properties": knownTree(), "additionalProperties": schema{"type": []string{"boolean", "object"}}}
	})
}

func knownTree() schema {
	categories := schema{}
	var known map[string]map[string]bool
	if err := json.Unmarshal(permission.Explicit(nil), &known); err != nil {
		panic(err) // the known tree has two levels
	}
	for category, leaves := range known {
		properties := schema{}
		for leaf := range leaves {
			properties[leaf] = schema{"type": "boolean"}
		}
		categories[category] = schema{"type": "object", "properties": properties, "additionalProperties": schema{"type": "boolean"}}
	}
	return categories
}

func (b *schemaBuilder) permissionSet() schema {
	return b.ref("permission_set", func() schema {
		properties := knownTree()
		properties["extends"] = schema{"allOf": []schema{b.texts()}, "description": "Other sets that this one adds to."}
		return schema{"type": "object", "properties": properties, "additionalProperties": schema{"type": []string{"boolean", "object"}}}
	})
}

// sources describes the sources: which keys one may have depends on its type.
func (b *schemaBuilder) sources() schema {
	source := b.ref("source", func() schema {
		out := schema{
			"type": "object", "required": []string{"type"},
			"properties": schema{"type": schema{"enum": b.registry.Names(), "description": "The kind of source."}},
		}
		var kinds []schema
		for _, t := range b.registry {
			s := defaultSource("")
			s.of(t)
			own := b.block(slotsOfSource(s))
			kinds = append(kinds, schema{
				"if":   schema{"properties": schema{"type": schema{"const": t.Name}}},
				"then": b.ref("source_"+t.Name, func() schema { return own }),
			})
		}
		if len(kinds) > 0 {
			out["allOf"] = kinds
		}
		return out
	})
	return schema{"type": "object", "minProperties": 1, "additionalProperties": source}
}
