package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"groupsyncd/config"
)

func TestSchemaAcceptsGoodFilesAndRefusesBadOnes(t *testing.T) {
	t.Parallel()
	raw, err := config.Schema(registry())
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	if root["$schema"] != "http://json-schema.org/draft-07/schema#" {
		t.Error(root["$schema"])
	}
	v := validator{definitions: root["definitions"].(map[string]any)}
	good := []string{smallest, string(config.Init())}
	full, err := os.ReadFile("testdata/good/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	shown, err := config.Show(load(t, string(full)))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(good, string(full), string(shown)) {
		if err := v.check(document(t, text), root, ""); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
	for _, name := range []string{"bad_values", "empty_lists", "literal_secrets", "not_a_mapping", "nothing_to_do", "source_types", "unknown_key", "unknown_nested_key", "wrong_types"} {
		text, err := os.ReadFile("testdata/bad/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if err := v.check(document(t, string(text)), root, ""); err == nil {
			t.Errorf("the schema accepts %s", name)
		}
	}
	for _, change := range [][2]string{
		{"url: ldap://localhost", "urls: ldap://localhost"},
		{"type: ldap", "type: list"},
		{"api_key: file:key", "api_key: sk-literal"},
		{"match:", "match: a, create: maybe, x:"},
		{`match: "ai-*"`, "match: {nmae: x}"},
		{`match: "ai-*"`, `match: x, members: all`},
		{`match: "ai-*"`, `name: x`},
		{"api_key: file:key", "api_key: file:key, accounts: {gone: never}"},
		{"api_key: file:key", "api_key: file:key, accounts: {role: {admin: [{from: corp}]}}"},
		{`match: "ai-*"`, `match: x, models: {raed: y}`},
		{"rules:", "safety: {max_people: 20 percent}\nrules:"},
		{"rules:", "safety: {absence: {over: soon}}\nrules:"},
	} {
		text := strings.Replace(smallest, change[0], change[1], 1)
		if text == smallest {
			t.Fatal(change)
		}
		if err := v.check(document(t, text), root, ""); err == nil {
			t.Errorf("the schema accepts %s", text)
		}
	}
}

func TestSchemaDescribesEveryCommonKey(t *testing.T) {
	t.Parallel()
	raw, err := config.Schema(registry())
	if err != nil {
		t.Fatal(err)
	}
	var root struct {
		Properties  map[string]map[string]any
		Definitions map[string]struct{ Properties map[string]map[string]any }
	}
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	blocks := map[string]map[string]map[string]any{"": root.Properties}
	for _, name := range []string{"rule", "target", "source_file"} {
		blocks[name] = root.Definitions[name].Properties
	}
	for block, properties := range blocks {
		if len(properties) < 7 {
			t.Errorf("%q has %d keys only", block, len(properties))
		}
		for key, p := range properties {
			if p["description"] == nil && key != "path" {
				t.Errorf("%s.%s has no description", block, key)
			}
		}
	}
	if got := fmt.Sprintf("%v %v %v", blocks["source_file"]["max_age"]["default"], blocks["rule"]["members"]["default"], blocks[""]["stale_after"]["default"]); got != "2d owned 3" {
		t.Errorf("defaults: %s", got)
	}
}

func document(t *testing.T, text string) any {
	t.Helper()
	var out any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	// Through JSON, so that the kinds of values are those of JSON.
	raw, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// validator checks the keywords of draft 7 that the schema uses, and fails on others.
type validator struct{ definitions map[string]any }

func (v validator) check(value any, s map[string]any, at string) error {
	for keyword, arg := range s {
		if err := v.keyword(value, s, keyword, arg, at); err != nil {
			return err
		}
	}
	return nil
}

func (v validator) keyword(value any, s map[string]any, keyword string, arg any, at string) error {
	object, isObject := value.(map[string]any)
	fail := func() error { return fmt.Errorf("%s: %s %v", at, keyword, arg) }
	switch keyword {
	case "$schema", "title", "description", "default", "definitions", "then":
	case "$ref":
		name := strings.TrimPrefix(arg.(string), "#/definitions/")
		return v.check(value, v.definitions[name].(map[string]any), at)
	case "type":
		kinds, ok := arg.([]any)
		if !ok {
			kinds = []any{arg}
		}
		if !slices.ContainsFunc(kinds, func(k any) bool { return is(value, k.(string)) }) {
			return fail()
		}
	case "enum":
		if !slices.Contains(arg.([]any), value) {
			return fail()
		}
	case "const":
		if value != arg {
			return fail()
		}
	case "pattern":
		if text, ok := value.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(text) {
			return fail()
		}
	case "minimum", "maximum":
		n, ok := value.(float64)
		if ok && (keyword == "minimum" && n < arg.(float64) || keyword == "maximum" && n > arg.(float64)) {
			return fail()
		}
	case "minProperties", "maxProperties":
		n := float64(len(object))
		if isObject && (keyword == "minProperties" && n < arg.(float64) || keyword == "maxProperties" && n > arg.(float64)) {
			return fail()
		}
	case "required":
		for _, key := range arg.([]any) {
			if _, ok := object[key.(string)]; isObject && !ok {
				return fail()
			}
		}
	case "properties":
		for key, inner := range arg.(map[string]any) {
			if child, ok := object[key]; ok {
				if err := v.check(child, inner.(map[string]any), at+"/"+key); err != nil {
					return err
				}
			}
		}
	case "additionalProperties":
		known, _ := s["properties"].(map[string]any)
		for key, child := range object {
			if known[key] != nil {
				continue
			}
			inner, ok := arg.(map[string]any)
			if !ok {
				return fmt.Errorf("%s: key %s is not known", at, key)
			}
			if err := v.check(child, inner, at+"/"+key); err != nil {
				return err
			}
		}
	case "items":
		list, _ := value.([]any)
		for i, child := range list {
			if err := v.check(child, arg.(map[string]any), fmt.Sprint(at, "/", i)); err != nil {
				return err
			}
		}
	case "allOf":
		for _, inner := range arg.([]any) {
			if err := v.check(value, inner.(map[string]any), at); err != nil {
				return err
			}
		}
	case "anyOf":
		var last error
		for _, inner := range arg.([]any) {
			if last = v.check(value, inner.(map[string]any), at); last == nil {
				return nil
			}
		}
		return last
	case "if":
		if v.check(value, arg.(map[string]any), at) == nil {
			return v.check(value, s["then"].(map[string]any), at)
		}
	default:
		return fmt.Errorf("the keyword %s is not one of those that this test knows", keyword)
	}
	return nil
}

func is(value any, kind string) bool {
	switch x := value.(type) {
	case map[string]any:
		return kind == "object"
	case []any:
		return kind == "array"
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case float64:
		return kind == "number" || kind == "integer" && x == float64(int64(x))
	}
	return kind == "null"
}
