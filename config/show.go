package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"groupsyncd/permission"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

// Show writes the configuration that is in force, every default filled in, as a file
// that Load would read again. Secrets appear as the references that they are, and
// files with the folder that they belong to.
func Show(c *Config) ([]byte, error) {
	node, err := encodeSlots(slotsOf(reflect.ValueOf(c).Elem()))
	if err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	out, err := yaml.Dump(node)
	if err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	return out, nil
}

// encodeSlots writes a block; keys without a value are left out.
func encodeSlots(slots []slot) (*yaml.Node, error) {
	block := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range slots {
		value, err := encodeValue(s.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.key, err)
		}
		if value != nil {
			block.Content = append(block.Content, textNode(s.key), value)
		}
	}
	if len(block.Content) == 0 {
		return nil, nil //nolint:nilnil // nothing to show is no failure
	}
	return block, nil
}

func textNode(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

func plainNode(tag, s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: s}
}

// encodeValue writes one value; nil stands for a value that is not set.
func encodeValue(v reflect.Value) (*yaml.Node, error) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil, nil //nolint:nilnil // nothing to show is no failure
		}
		if s, ok := reflect.TypeAssert[*string](v); ok {
			return textNode(*s), nil // set, even when empty
		}
		return encodeValue(v.Elem())
	}
	if v.Kind() == reflect.Slice && v.Len() == 0 {
		return nil, nil //nolint:nilnil // nothing to show is no failure
	}
	if node, ok, err := encodeSpecial(v.Interface()); ok || err != nil {
		return node, err
	}
	switch v.Kind() {
	case reflect.Struct:
		return encodeSlots(slotsOf(v))
	case reflect.Map:
		return encodeTable(v)
	case reflect.Slice:
		return encodeList(v)
	case reflect.String:
		if v.Len() == 0 {
			return nil, nil //nolint:nilnil // nothing to show is no failure
		}
		return textNode(v.String()), nil
	case reflect.Bool:
		return plainNode("!!bool", strconv.FormatBool(v.Bool())), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return plainNode("!!int", strconv.FormatInt(v.Int(), 10)), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return plainNode("!!int", strconv.FormatUint(v.Uint(), 10)), nil
	}
	return nil, fmt.Errorf("a value of type %s cannot be written", v.Type())
}

// encodeSpecial writes the types with forms of their own; ok is false for others.
func encodeSpecial(value any) (node *yaml.Node, ok bool, err error) {
	switch x := value.(type) {
	case []*Source:
		node = &yaml.Node{Kind: yaml.MappingNode}
		for _, s := range x {
			inner, err := encodeSlots(slotsOfSource(s))
			if err != nil {
				return nil, true, fmt.Errorf("%s: %w", s.Name, err)
			}
			node.Content = append(node.Content, textNode(s.Name), inner)
		}
		return node, true, nil
	case []*Target:
		node = &yaml.Node{Kind: yaml.MappingNode}
		for _, t := range x {
			inner, err := encodeSlots(slotsOf(reflect.ValueOf(t).Elem()))
			if err != nil {
				return nil, true, fmt.Errorf("%s: %w", t.Name, err)
			}
			node.Content = append(node.Content, textNode(t.Name), inner)
		}
		return node, true, nil
	case []*Webhook:
		if len(x) == 0 {
			return nil, true, nil
		}
		node = &yaml.Node{Kind: yaml.MappingNode}
		for _, w := range x {
			inner, err := encodeSlots(slotsOf(reflect.ValueOf(w).Elem()))
			if err != nil {
				return nil, true, fmt.Errorf("%s: %w", w.Name, err)
			}
			node.Content = append(node.Content, textNode(w.Name), inner)
		}
		return node, true, nil
	case Access:
		return encodeAccess(x), true, nil
	case Managers:
		if x.Owners {
			return textNode(ownersWord), true, nil
		}
		node, err = encodeValue(reflect.ValueOf(x.Groups))
		return node, true, err
	case mapping.Match:
		return encodeMatch(x), true, nil
	case plan.Limit:
		return encodeLimit(x), true, nil
	case Listen:
		return textNode(string(x)), true, nil // set, even when empty
	case Create:
		if x == CreateUsed {
			return textNode(string(x)), true, nil
		}
		return plainNode("!!bool", string(x)), true, nil
	case Permissions:
		return encodePermissions(x), true, nil
	case PermissionSet:
		node = encodeTree(x.Set)
		if len(x.Extends) > 0 {
			node.Content = append([]*yaml.Node{textNode("extends"), textList(x.Extends)}, node.Content...)
		}
		return node, true, nil
	case yaml.Marshaler:
		inner, err := x.MarshalYAML()
		if err != nil || inner == nil {
			return nil, true, err
		}
		node = &yaml.Node{}
		err = node.Encode(inner)
		return node, true, err
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil || len(text) == 0 {
			return nil, true, err
		}
		return textNode(string(text)), true, nil
	}
	return nil, false, nil
}

func encodeTable(v reflect.Value) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.MappingNode}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		value, err := encodeValue(v.MapIndex(key))
		if err != nil {
			return nil, err
		}
		if value != nil {
			node.Content = append(node.Content, textNode(key.String()), value)
		}
	}
	if len(node.Content) == 0 {
		return nil, nil //nolint:nilnil // nothing to show is no failure
	}
	return node, nil
}

func encodeList(v reflect.Value) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.SequenceNode}
	if mayStandAlone(v.Type().Elem()) {
		node.Style = yaml.FlowStyle
	}
	for i := range v.Len() {
		value, err := encodeValue(v.Index(i))
		if err != nil {
			return nil, err
		}
		if value == nil {
			value = textNode("")
		}
		node.Content = append(node.Content, value)
	}
	return node, nil
}

func textList(texts []string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range texts {
		node.Content = append(node.Content, textNode(s))
	}
	return node
}

func encodeMatch(m mapping.Match) *yaml.Node {
	switch {
	case m.Everyone:
		return textNode("everyone")
	case len(m.Names) == 1 && m.Names[0] != "everyone":
		return textNode(m.Names[0])
	}
	block := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, form := range []struct {
		key  string
		list []string
	}{{"name", m.Names}, {"id", m.IDs}, {"dn", m.DNs}, {"path", m.Paths}, {"regex", m.Regexps}} {
		if len(form.list) > 0 {
			block.Content = append(block.Content, textNode(form.key), textList(form.list))
		}
	}
	return block
}

func encodeLimit(l plan.Limit) *yaml.Node {
	percent := strconv.FormatFloat(l.Percent, 'f', -1, 64)
	switch {
	case l.Off():
		return textNode("off")
	case l.ByCount && l.ByPercent:
		return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{
			textNode("count"), plainNode("!!int", strconv.Itoa(l.Count)),
			textNode("percent"), plainNode(numberTag(percent), percent),
		}}
	case l.ByPercent:
		return textNode(percent + "%")
	}
	return plainNode("!!int", strconv.Itoa(l.Count))
}

func numberTag(s string) string {
	if strings.Contains(s, ".") {
		return "!!float"
	}
	return "!!int"
}

func encodePermissions(p Permissions) *yaml.Node {
	switch {
	case p.Tree == nil && len(p.Sets) == 0:
		return nil
	case p.Tree == nil:
		return textList(p.Sets)
	case len(p.Sets) == 0:
		return encodeTree(p.Tree)
	}
	node := textList(p.Sets)
	node.Style = 0
	node.Content = append(node.Content, encodeTree(p.Tree))
	return node
}

// encodeTree nests the dotted names of a set.
func encodeTree(set permission.Set) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	inner := map[string]permission.Set{}
	for _, name := range set.Keys() {
		category, rest, nested := strings.Cut(name, ".")
		if !nested {
			node.Content = append(node.Content, textNode(name), plainNode("!!bool", strconv.FormatBool(set[name])))
			continue
		}
		if inner[category] == nil {
			inner[category] = permission.Set{}
		}
		inner[category][rest] = set[name]
	}
	for _, category := range slices.Sorted(maps.Keys(inner)) {
		node.Content = append(node.Content, textNode(category), encodeTree(inner[category]))
	}
	if len(node.Content) == 0 {
		node.Style = yaml.FlowStyle
	}
	return node
}
