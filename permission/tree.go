package permission

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Flatten reads a nested tree of booleans. Leaves that are no booleans, and keys
// that a dotted name cannot express, grant nothing; their names come back as others,
// sorted, and Merge keeps them. Nothing and null are the empty tree.
func Flatten(raw json.RawMessage) (set Set, others []string, err error) {
	set = Set{}
	if isNull(raw) {
		return set, nil, nil
	}
	tree, ok := object(raw)
	if !ok {
		return nil, nil, fmt.Errorf("read permission tree: %w", errNotObject)
	}
	flatten(tree, "", set, &others)
	slices.Sort(others)
	return set, others, nil
}

func flatten(tree map[string]json.RawMessage, prefix string, set Set, others *[]string) {
	for key, raw := range tree {
		name := prefix + key
		if !expressible(key) {
			*others = append(*others, name)
			continue
		}
		if child, ok := object(raw); ok {
			flatten(child, name+".", set, others)
			continue
		}
		switch string(bytes.TrimSpace(raw)) {
		case "true":
			set[name] = true
		case "false":
			set[name] = false
		default:
			*others = append(*others, name)
		}
	}
}

// expressible says whether a key can be one part of a dotted name.
func expressible(key string) bool { return key != "" && !strings.Contains(key, ".") }

// errNotObject says that a text is no tree; it repeats nothing of the text.
var errNotObject = errors.New("it is not a JSON object")

func isNull(raw json.RawMessage) bool {
	trimmed := bytes.TrimSpace(raw)
	return len(trimmed) == 0 || string(trimmed) == "null"
}

// object reads one level of a JSON object and leaves its values as they are.
func object(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	trimmed := bytes.TrimSpace(raw)
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, false
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(trimmed, &m); err != nil {
		return nil, false
	}
	return m, true
}

// Merge sets the leaves that the set names in a nested tree and keeps everything
// else: unknown keys, values that are no booleans, numbers in their full length.
// Categories are made as needed; nothing and null become a tree. A tree that says
// all of it already comes back as it is.
//
// It fails, with the tree unchanged, where a name leads through a value that is no
// category, or where it would replace a category by a switch.
func Merge(raw json.RawMessage, set Set) (json.RawMessage, error) {
	tree := map[string]json.RawMessage{}
	if !isNull(raw) {
		var ok bool
		if tree, ok = object(raw); !ok {
			return nil, fmt.Errorf("merge permissions: %w", errNotObject)
		}
	}
	changed := isNull(raw)
	for _, name := range set.Keys() {
		did, err := put(tree, strings.Split(name, "."), set[name])
		if err != nil {
			return nil, fmt.Errorf("merge permission %q: %w", name, err)
		}
		changed = changed || did
	}
	if !changed {
		return raw, nil
	}
	return encode(tree)
}

// put sets one leaf below tree and reports whether that changed anything.
func put(tree map[string]json.RawMessage, parts []string, on bool) (bool, error) {
	key := parts[0]
	if key == "" {
		return false, errors.New("it is not a dotted name")
	}
	have, exists := tree[key]
	child, isObject := object(have)
	if len(parts) == 1 {
		if isObject {
			return false, fmt.Errorf("%q is a category, not a permission", key)
		}
		want := json.RawMessage("false")
		if on {
			want = json.RawMessage("true")
		}
		if bytes.Equal(bytes.TrimSpace(have), want) {
			return false, nil
		}
		tree[key] = want
		return true, nil
	}
	switch {
	case isObject:
	case !exists || isNull(have):
		child = map[string]json.RawMessage{}
	default:
		return false, fmt.Errorf("%q is not a category", key)
	}
	did, err := put(child, parts[1:], on)
	if err != nil || !did {
		return false, err
	}
	raw, err := encode(child)
	if err != nil {
		return false, err
	}
	tree[key] = raw
	return true, nil
}

// encode writes one level with sorted keys. Values go in as they are: the standard
// encoder would rewrite them, which keeps the meaning but not the look.
func encode(tree map[string]json.RawMessage) (json.RawMessage, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range slices.Sorted(maps.Keys(tree)) {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(key)
		if err != nil {
			return nil, fmt.Errorf("write permission tree: %w", err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(tree[key])
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
