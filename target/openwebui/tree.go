package openwebui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
)

// object reads one level of a JSON object and leaves its values as they are; anything
// else is an empty one.
func object(b json.RawMessage) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	if notNull(b) == nil || json.Unmarshal(b, &m) != nil || m == nil {
		return map[string]json.RawMessage{}
	}
	return m
}

// same reports whether two JSON texts mean the same.
func same(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || notNull(b) == nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// setPermissions lays a set over the tree that a group has, without the dropped keys. A
// group without a tree gets one that names every permission: the server's own sign-in sync
// gives its defaults to groups whose tree is empty.
func setPermissions(held json.RawMessage, set permission.Set, dropped []string) (json.RawMessage, error) {
	for _, key := range dropped {
		tree, err := without(held, strings.Split(key, "."))
		if err != nil {
			return nil, err
		}
		held = tree
	}
	if len(object(held)) == 0 {
		return permission.Explicit(set), nil
	}
	return permission.Merge(held, set)
}

// without takes a leaf out of a tree, and a category that has nothing else in it; all else
// stays as it is written.
func without(tree json.RawMessage, path []string) (json.RawMessage, error) {
	level := object(tree)
	inner, ok := level[path[0]]
	switch {
	case !ok:
		return tree, nil
	case len(path) == 1:
		delete(level, path[0])
	default:
		left, err := without(inner, path[1:])
		if err != nil || bytes.Equal(left, inner) {
			return tree, err
		}
		level[path[0]] = left
		if len(object(left)) == 0 {
			delete(level, path[0])
		}
	}
	b, err := json.Marshal(level)
	if err != nil {
		return nil, fmt.Errorf("write the permissions: %w", err)
	}
	return b, nil
}

// setData gives the whole data of a group with the share mode and mark of a spec; nil
// when the spec touches neither. Keys that are not ours stay.
func setData(held json.RawMessage, spec *plan.GroupSpec) (json.RawMessage, error) {
	if spec.Share == "" && spec.Mark == nil && spec.DefaultModels == nil && spec.Data == nil {
		return nil, nil
	}
	data := layData(object(held), spec.Data)
	if spec.Mark != nil {
		b, err := json.Marshal(spec.Mark)
		if err != nil {
			return nil, fmt.Errorf("write the mark: %w", err)
		}
		data[markKey] = b
	}
	if spec.Share != "" || spec.DefaultModels != nil {
		b, err := setConfig(data["config"], spec)
		if err != nil {
			return nil, err
		}
		data["config"] = b
	}
	b, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("write the data: %w", err)
	}
	return b, nil
}

// layData lays data over others, and their config over the config there: the two levels at
// which servers merge.
func layData(held map[string]json.RawMessage, data json.RawMessage) map[string]json.RawMessage {
	over := object(data)
	if config, named := over["config"]; named && notNull(config) != nil {
		merged := object(held["config"])
		maps.Copy(merged, object(config))
		b, err := json.Marshal(merged)
		if err != nil { // what was read as JSON can be written
			panic(err)
		}
		over["config"] = b
	}
	maps.Copy(held, over)
	return held
}

// setConfig gives the config of a group's data with the share mode and the default models
// of a spec.
func setConfig(held json.RawMessage, spec *plan.GroupSpec) (json.RawMessage, error) {
	config := object(held)
	if spec.Share != "" {
		value, ok := shareValue(spec.Share)
		if !ok {
			return nil, fmt.Errorf("share %q is none of anyone, members, nobody", spec.Share)
		}
		config["share"] = value
	}
	if spec.DefaultModels != nil {
		b, err := json.Marshal(spec.DefaultModels)
		if err != nil {
			return nil, fmt.Errorf("write the default models: %w", err)
		}
		config["default_models"] = b
	}
	b, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("write the config: %w", err)
	}
	return b, nil
}
