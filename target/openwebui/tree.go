package openwebui

import (
	"encoding/json"
	"fmt"
	"reflect"

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

// setPermissions lays a set over the tree that a group has. A group without a tree
// gets one that names every permission: the server's own sign-in sync gives its
// defaults to groups whose tree is empty.
func setPermissions(held json.RawMessage, set permission.Set) (json.RawMessage, error) {
	if len(object(held)) == 0 {
		return permission.Explicit(set), nil
	}
	return permission.Merge(held, set)
}

// setData gives the whole data of a group with the share mode and mark of a spec; nil
// when the spec touches neither. Keys that are not ours stay.
func setData(held json.RawMessage, spec *plan.GroupSpec) (json.RawMessage, error) {
	if spec.Share == "" && spec.Mark == nil {
		return nil, nil
	}
	data := object(held)
	if spec.Mark != nil {
		b, err := json.Marshal(spec.Mark)
		if err != nil {
			return nil, fmt.Errorf("write the mark: %w", err)
		}
		data[markKey] = b
	}
	if spec.Share != "" {
		value, ok := shareValue(spec.Share)
		if !ok {
			return nil, fmt.Errorf("share %q is none of anyone, members, nobody", spec.Share)
		}
		config := object(data["config"])
		config["share"] = value
		b, err := json.Marshal(config)
		if err != nil {
			return nil, fmt.Errorf("write the share mode: %w", err)
		}
		data["config"] = b
	}
	b, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("write the data: %w", err)
	}
	return b, nil
}
