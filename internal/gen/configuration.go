package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

const configurationHead = `# Configuration

Made by ` + "`go generate ./...`" + ` from the program itself; [config.example.yaml](../config.example.yaml)
shows every key in use, and [config.schema.json](config.schema.json) tells an editor the same.

The file is found by ` + "`--config FILE`, else `$GROUPSYNCD_CONFIG`, else `./groupsyncd.yaml`, else\n`/etc/groupsyncd/groupsyncd.yaml`" + `. Reading is strict: unknown keys, wrong types and undefined
names are all reported at once. Relative paths belong to the folder of the file.

- A *secret* is never written into the file, only where it is kept: ` + "`file:PATH`, `env:NAME` or\n  `credential:NAME`" + ` (systemd). It is read at each use; a file that everybody may read is refused.
- A *duration* is ` + "`90s`, `15m`, `24h` or `7d`" + `.
- A *limit* is a number, ` + "`20%`, `{count: 500, percent: 20}` (the lower wins), `0` (none allowed) or `off`" + `.
- Every list may be written as its only entry alone.
`

// node is the part of JSON Schema that the configuration's schema uses.
type node struct {
	Ref         string           `json:"$ref"`
	Type        any              `json:"type"`
	Description string           `json:"description"`
	Default     json.RawMessage  `json:"default"`
	Enum        []any            `json:"enum"`
	AllOf       []*node          `json:"allOf"`
	AnyOf       []*node          `json:"anyOf"`
	Items       *node            `json:"items"`
	Properties  map[string]*node `json:"properties"`
	Additional  json.RawMessage  `json:"additionalProperties"`
	Required    []string         `json:"required"`
	Definitions map[string]*node `json:"definitions"`
}

// reference writes the tables.
type reference struct {
	root *node
	// order gives, for each block, its keys as the example shows them.
	order map[string][]string
	out   bytes.Buffer
}

// configuration writes the reference of all keys from the schema, in the order in
// which the example has them.
func configuration(schema, example []byte) ([]byte, error) {
	r := &reference{root: &node{}, order: map[string][]string{}}
	if err := json.Unmarshal(schema, r.root); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	var file yaml.Node
	if err := yaml.Load(example, &file); err != nil {
		return nil, fmt.Errorf("read the example: %w", err)
	}
	r.collect(&file, "")
	r.out.WriteString(configurationHead)

	r.section("The whole file", "")
	r.table("", r.root)
	r.sources()
	r.section("targets.NAME", "One Open WebUI each.")
	r.table("targets.*", r.root.Definitions["target"])
	r.section("webhooks.NAME", "One sender each; see [webhooks.md](webhooks.md).")
	r.table("webhooks.*", r.root.Definitions["webhook"])
	r.section("rules", "A list. What a rule does not say is left alone.")
	r.table("rules.*", r.root.Definitions["rule"])
	if team := r.root.Definitions["team"]; team != nil {
		r.section("teams", "A list; see [teams.md](teams.md).")
		r.table("teams.*", team)
	}
	if notify := r.root.Definitions["notify"]; notify != nil {
		r.section("notify", "A list; see [notices.md](notices.md).")
		r.table("notify.*", notify)
	}
	r.permissions()
	return r.out.Bytes(), nil
}

// collect notes the order of keys in every block of the example. Names of one's own
// choice, and positions in lists, are a star in the path.
func (r *reference) collect(n *yaml.Node, path string) {
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			r.collect(c, path)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			r.collect(c, join(path, "*"))
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if path == "sources" || path == "targets" || path == "webhooks" || path == "permission_sets" {
				key = "*"
			}
			if !slices.Contains(r.order[path], key) {
				r.order[path] = append(r.order[path], key)
			}
			r.collect(n.Content[i+1], join(path, key))
		}
	}
}

func join(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

// sources writes the keys that all kinds share, and then those of each kind.
func (r *reference) sources() {
	kinds := map[string]*node{}
	for name, d := range r.root.Definitions {
		if kind, found := strings.CutPrefix(name, "source_"); found {
			kinds[kind] = d
		}
	}
	names := slices.Sorted(maps.Keys(kinds))
	shared := &node{Properties: map[string]*node{}, Required: r.root.Definitions["source"].Required}
	if len(names) > 0 {
		for key, value := range kinds[names[0]].Properties {
			same := func(kind string) bool { return alike(kinds[kind].Properties[key], value) }
			if !slices.ContainsFunc(names, func(kind string) bool { return !same(kind) }) {
				shared.Properties[key] = value
			}
		}
	}
	shared.Properties["type"] = r.root.Definitions["source"].Properties["type"]
	r.section("sources.NAME", "The keys of every kind of source.")
	r.table("sources.*", shared)
	for _, name := range names {
		own := &node{Properties: map[string]*node{}, Required: kinds[name].Required}
		for key, value := range kinds[name].Properties {
			if !reflect.DeepEqual(shared.Properties[key], value) && key != "type" {
				own.Properties[key] = value
			}
		}
		r.section("sources.NAME with type: "+name, "")
		r.table("sources.*", own)
	}
}

// alike reports whether two kinds of source mean the same by a key, whatever its default.
func alike(a, b *node) bool {
	if a == nil || b == nil {
		return false
	}
	x, y := *a, *b
	x.Default, y.Default = nil, nil
	return reflect.DeepEqual(x, y)
}

// permissions lists the names of permissions, which are Open WebUI's own.
func (r *reference) permissions() {
	set := r.root.Definitions["permission_set"]
	r.section("permission_sets.NAME", "`extends` names other sets, which are united; what the set itself says comes first. The other\n"+
		"keys are Open WebUI's own, each `true` or `false`; a newer server may have more, which are taken\nas they are. Keys that no set names are never touched.")
	var lines []string
	for _, category := range slices.Sorted(maps.Keys(set.Properties)) {
		if leaves := slices.Sorted(maps.Keys(set.Properties[category].Properties)); len(leaves) > 0 {
			lines = append(lines, "- `"+category+"`: "+strings.Join(leaves, ", "))
		}
	}
	fmt.Fprintf(&r.out, "\n%s\n", strings.Join(lines, "\n"))
}

func (r *reference) section(title, text string) {
	fmt.Fprintf(&r.out, "\n## %s\n", title)
	if text != "" {
		fmt.Fprintf(&r.out, "\n%s\n", text)
	}
}

// table writes the keys of a block, those of blocks inside it with their path.
func (r *reference) table(path string, block *node) {
	r.out.WriteString("\n| key | value | default | meaning |\n|---|---|---|---|\n")
	r.rows(path, "", block)
}

func (r *reference) rows(path, prefix string, block *node) {
	for _, key := range r.keys(path, block) {
		value := block.Properties[key]
		if len(value.Properties) > 0 {
			r.row(prefix+key, "block", "", value.Description)
			r.rows(join(path, key), prefix+key+".", value)
			continue
		}
		if value.Items != nil && len(value.Items.Properties) > 0 {
			r.row(prefix+key, "list of blocks", "", value.Description)
			r.rows(join(join(path, key), "*"), prefix+key+".", value.Items)
			continue
		}
		standard := plainDefault(value.Default)
		if slices.Contains(block.Required, key) {
			standard = "required"
		}
		r.row(prefix+key, r.kind(value), standard, value.Description)
	}
}

// row writes one key; a | in a text would end its cell.
func (r *reference) row(key string, texts ...string) {
	fmt.Fprintf(&r.out, "| `%s` |", key)
	for _, text := range texts {
		if text != "" {
			text = " " + strings.ReplaceAll(text, "|", `\|`)
		}
		r.out.WriteString(text + " |")
	}
	r.out.WriteString("\n")
}

// keys gives the keys of a block in the order of the example, then the others.
func (r *reference) keys(path string, block *node) []string {
	var keys []string
	for _, key := range r.order[path] {
		if block.Properties[key] != nil {
			keys = append(keys, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(block.Properties)) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// kind says in words what a key takes.
func (r *reference) kind(n *node) string {
	switch {
	case n.Ref != "":
		return r.named(strings.TrimPrefix(n.Ref, "#/definitions/"))
	case len(n.AllOf) == 1:
		return r.kind(n.AllOf[0])
	case len(n.Enum) > 0:
		words := make([]string, len(n.Enum))
		for i, w := range n.Enum {
			words[i] = fmt.Sprintf("`%v`", w)
		}
		return strings.Join(words, ", ")
	case len(n.AnyOf) == 2 && n.AnyOf[1].Items != nil:
		return r.kind(n.AnyOf[0]) + "; or a list"
	case len(n.AnyOf) > 0:
		return "several forms"
	case n.Items != nil:
		return "list"
	}
	switch n.Type {
	case "boolean":
		return "`true`, `false`"
	case "integer":
		return "number"
	case "string":
		return "path"
	case "object":
		return "block by name"
	}
	return "text"
}

// named says in words what a definition stands for.
func (r *reference) named(name string) string {
	switch name {
	case "texts":
		return "text; or a list"
	case "duration", "limit", "secret", "text":
		return name
	case "every":
		return "duration, or `off`"
	}
	return r.kind(r.root.Definitions[name])
}

// plainDefault writes a default as it would stand in the file.
func plainDefault(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	var pair struct{ Count, Percent *float64 }
	if json.Unmarshal(raw, &pair) == nil && pair.Count != nil && pair.Percent != nil {
		return fmt.Sprintf("`{count: %v, percent: %v}`", *pair.Count, *pair.Percent)
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return "`[" + strings.Join(list, ", ") + "]`"
	}
	return "`" + strings.Trim(string(raw), `"`) + "`"
}
