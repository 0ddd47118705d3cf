package pseudonym

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// JSON replaces the names in everything that is text in a value, keys that are names too.
func (n *Names) JSON(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write it as JSON: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, fmt.Errorf("read it as JSON: %w", err)
	}
	out, err := json.MarshalIndent(n.Tree(tree), "", "  ")
	return append(out, '\n'), err
}

// Tree is JSON for what was decoded already.
func (n *Names) Tree(v any) any {
	switch x := v.(type) {
	case string:
		return n.Text(x)
	case []any:
		for i := range x {
			x[i] = n.Tree(x[i])
		}
		return x
	case map[string]any:
		out := make(map[string]any, len(x))
		for key, value := range x {
			out[n.word(key)] = n.Tree(value)
		}
		return out
	}
	return v
}

// word keeps a key that is a word of ours: report fields have underscores.
func (n *Names) word(key string) string {
	if n.keys[key] {
		return key
	}
	for p := range strings.SplitSeq(key, "_") {
		if !n.plain(p) {
			return n.Text(key)
		}
	}
	return key
}

// Metrics replaces the names in the values of labels.
func (n *Names) Metrics(text string) string {
	return regexp.MustCompile(`="((?:[^"\\]|\\.)*)"`).ReplaceAllStringFunc(text, func(m string) string {
		return `="` + n.Text(m[2:len(m)-1]) + `"`
	})
}
