package all_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"groupsyncd/config"
	"groupsyncd/providers/all"
)

const example = "../../config.example.yaml"

func options() config.Options {
	return config.Options{File: "config.example.yaml", Dir: "/etc/groupsyncd", Registry: all.Registry()}
}

func TestExampleAndInitialFileLoad(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"the example": data, "the initial file": config.Init()} {
		c, err := config.Load(text, options())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(c.Warnings()) > 0 {
			t.Errorf("%s: %v", name, c.Warnings())
		}
		shown, err := config.Show(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(shown, options()); err != nil {
			t.Errorf("%s: what is shown of it is refused: %v\n%s", name, err, shown)
		}
	}
}

// TestExampleSaysTheDefaults takes every value that the example marks as a default out
// of it: what is in force must stay the same.
func TestExampleSaysTheDefaults(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	want := shown(t, lines)
	marked := 0
	for i, line := range lines {
		if !strings.HasSuffix(line, "# default") {
			continue
		}
		marked++
		without := append([]string{}, lines...)
		without[i] = ""
		if got := shown(t, without); got != want {
			t.Errorf("%q is not the default", strings.TrimSpace(line))
		}
	}
	if marked < 25 {
		t.Errorf("only %d values are marked", marked)
	}
}

func shown(t *testing.T, lines []string) string {
	t.Helper()
	c, err := config.Load([]byte(strings.Join(lines, "\n")), options())
	if err != nil {
		t.Fatal(err)
	}
	out, err := config.Show(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestExampleNamesEveryKey walks the JSON Schema, which comes from the structs, beside
// the example.
func TestExampleNamesEveryKey(t *testing.T) {
	t.Parallel()
	raw, err := config.Schema(all.Registry())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	w := walker{t: t, said: []string{"schedule", "max_age", "lag", "sign_in", "email_domains"}}
	var root map[string]any
	var document any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	w.definitions = root["definitions"].(map[string]any)
	w.walk(root, []any{document}, "")
	if w.keys < 80 {
		t.Errorf("the schema has only %d keys", w.keys)
	}
}

type walker struct {
	t           *testing.T
	definitions map[string]any
	keys        int
	// said are keys of every kind of source; the example says so at the first.
	said []string
}

// walk looks whether one of the values, all of which a schema describes, has each key
// that it knows.
func (w *walker) walk(schema map[string]any, values []any, at string) {
	if ref, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/definitions/")
		if strings.HasPrefix(name, "permission") || name == "limit" {
			return // Open WebUI's own keys, and a value with several forms
		}
		if name == "match" && at != ".rules.match" || name == "access" && at != ".rules.knowledge" {
			return // the example shows every form of it once
		}
		schema = w.definitions[name].(map[string]any)
	}
	properties, _ := schema["properties"].(map[string]any)
	for key, inner := range properties {
		if slices.Contains(w.said, key) && strings.Contains(at, "(") && !strings.Contains(at, "(ldap)") {
			continue
		}
		w.keys++
		var found []any
		for _, v := range values {
			if block, ok := v.(map[string]any); ok {
				if child, ok := block[key]; ok {
					found = append(found, child)
				}
			}
		}
		if len(found) == 0 {
			w.t.Errorf("the example does not name %s.%s", at, key)
			continue
		}
		w.walk(inner.(map[string]any), found, at+"."+key)
	}
	if inner, ok := schema["additionalProperties"].(map[string]any); ok {
		var children []any
		for _, v := range values {
			block, _ := v.(map[string]any)
			for _, child := range block {
				children = append(children, child)
			}
		}
		w.walk(inner, children, at+".NAME")
	}
	w.branches(schema, values, at)
}

// branches follows lists and alternatives. Of an alternative with keys, only the values
// that are blocks are looked at, and those of a source by their type.
func (w *walker) branches(schema map[string]any, values []any, at string) {
	if inner, ok := schema["items"].(map[string]any); ok {
		var children []any
		for _, v := range values {
			list, _ := v.([]any)
			children = append(children, list...)
		}
		w.walk(inner, children, at)
	}
	for _, keyword := range []string{"allOf", "anyOf"} {
		list, _ := schema[keyword].([]any)
		for _, inner := range list {
			w.walk(inner.(map[string]any), values, at)
		}
	}
	condition, ok := schema["if"].(map[string]any)
	if !ok {
		return
	}
	kind := condition["properties"].(map[string]any)["type"].(map[string]any)["const"]
	var chosen []any
	for _, v := range values {
		if v.(map[string]any)["type"] == kind {
			chosen = append(chosen, v)
		}
	}
	w.walk(schema["then"].(map[string]any), chosen, at+"("+kind.(string)+")")
}
