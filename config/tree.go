package config

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// path leads to a value from the top of the file: "sources", "corp", "url". Entries
// of lists are "#0", "#1", which no key can be confused with in practice and no
// message shows.
type path []string

func (p path) child(key string) path { return append(slices.Clip(p), key) }

func (p path) index(i int) path { return p.child("#" + strconv.Itoa(i)) }

func (p path) key() string { return strings.Join(p, "\x00") }

// last gives the last key on the way.
func (p path) last() string {
	for _, part := range slices.Backward(p) {
		if !strings.HasPrefix(part, "#") {
			return part
		}
	}
	return ""
}

// String writes the path for people, without positions in lists; a part that may not
// be repeated is left out.
func (p path) String() string {
	var parts []string
	for _, part := range p {
		switch {
		case strings.HasPrefix(part, "#"):
		case harmless(part):
			parts = append(parts, part)
		default:
			parts = append(parts, "…")
		}
	}
	return strings.Join(parts, ".")
}

// position is a place in the file, from one.
type position struct{ line, column int }

// places remember where the values of a file stand, and which could not be read.
type places struct {
	values map[string]position
	keys   map[string]position
	// bad are the values that could not be read, around those that hold a bad one.
	bad    map[string]bool
	around map[string]bool
}

func newPlaces() places {
	return places{values: map[string]position{}, keys: map[string]position{}, bad: map[string]bool{}, around: map[string]bool{}}
}

// spoil notes that the value at p could not be read.
func (pl places) spoil(p path) {
	pl.bad[p.key()] = true
	for i := range p {
		pl.around[p[:i].key()] = true
	}
}

// find gives the place of the value at p. For one that is missing it is the key of
// the innermost block around it that the file has.
func (pl places) find(p path) position {
	if at, ok := pl.values[p.key()]; ok {
		return at
	}
	for len(p) > 0 {
		if at, ok := pl.keys[p.key()]; ok {
			return at
		}
		if at, ok := pl.values[p.key()]; ok {
			return at
		}
		p = p[:len(p)-1]
	}
	return position{1, 1}
}

// has reports whether the file gives a value at p.
func (pl places) has(p path) bool {
	_, ok := pl.values[p.key()]
	return ok
}

// broken reports whether the value at p, one around it, or one inside it could not
// be read.
func (pl places) broken(p path) bool {
	for i := 1; i <= len(p); i++ {
		if pl.bad[p[:i].key()] {
			return true
		}
	}
	return pl.around[p.key()]
}

// pair is one key of a mapping with its value.
type pair struct {
	key   string
	node  *yaml.Node // of the key
	value *yaml.Node
}

// pairs lists the keys of a mapping in their order. It reports keys that come twice
// or are no text, and takes in what a merge key (<<) names: keys of the mapping
// itself come before those.
func (d *decoder) pairs(n *yaml.Node, p path) ([]pair, bool) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, p, "a block of keys")
		return nil, false
	}
	var pairs []pair
	var merges []*yaml.Node
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode && key.Alias != nil {
			key = key.Alias
		}
		switch {
		case key.ShortTag() == "!!merge":
			merges = append(merges, value)
			continue
		case key.Kind != yaml.ScalarNode || isNull(key):
			d.add(&d.problems, position{n.Content[i].Line, n.Content[i].Column}, p, "a key must be text", "")
			continue
		}
		if line, twice := lines[key.Value]; twice {
			d.add(&d.problems, position{key.Line, key.Column}, p, "the key "+shown(key.Value, "here", nil)+" is already in line "+strconv.Itoa(line), "a key can only be given once in a block")
			continue
		}
		lines[key.Value] = key.Line
		d.at.keys[p.child(key.Value).key()] = position{key.Line, key.Column}
		pairs = append(pairs, pair{key.Value, key, value})
	}
	for _, m := range merges {
		pairs = d.merged(pairs, m, p, lines, 0)
	}
	return pairs, true
}

// merged adds the keys that a merge key names and that are not there yet.
func (d *decoder) merged(pairs []pair, n *yaml.Node, p path, have map[string]int, depth int) []pair {
	if d.budget--; d.budget < 0 || depth > maxDepth {
		return pairs
	}
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for _, item := range n.Content {
			pairs = d.merged(pairs, item, p, have, depth+1)
		}
		return pairs
	case yaml.MappingNode:
	default:
		d.add(&d.problems, position{n.Line, n.Column}, p, "<< must name a block of keys by an alias", "")
		return pairs
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if d.budget--; d.budget < 0 {
			return pairs
		}
		if key.ShortTag() == "!!merge" {
			pairs = d.merged(pairs, value, p, have, depth+1)
			continue
		}
		if _, known := have[key.Value]; known || key.Kind != yaml.ScalarNode {
			continue
		}
		have[key.Value] = key.Line
		d.at.keys[p.child(key.Value).key()] = position{key.Line, key.Column}
		pairs = append(pairs, pair{key.Value, key, value})
	}
	return pairs
}
