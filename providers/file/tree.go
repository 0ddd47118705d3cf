package file

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"groupsyncd/directory"
)

const treeHint = "the file has two lists, users: and groups:; an empty one is written as []"

// tree reads the lists of a YAML or JSON file from its nodes. Problems are noted and
// reading goes on; nothing is used of a file that has any.
type tree struct {
	*problems
	list    listing
	userAt  map[string]uint32
	groupAt map[string]uint32
	members []references
}

// references are what a group names, to be resolved when all ids are known.
type references struct {
	members, groups, owners []string
	// owned is where the owners stand; nil: the group has no such key.
	owned *yaml.Node
}

// parseTree reads the lists from the node of the document.
func parseTree(root *yaml.Node, p *problems, live func() error) (*listing, error) {
	if err := live(); err != nil {
		return nil, err
	}
	t := &tree{problems: p, userAt: map[string]uint32{}, groupAt: map[string]uint32{}}
	keys := t.block(root, "the file", "users", "groups")
	if keys == nil {
		p.hint = treeHint
		return &t.list, nil
	}
	for _, key := range []string{"users", "groups"} {
		if keys[key] == nil {
			p.add(root.Line, root.Column, treeHint, "%s is missing", key)
		}
	}
	for _, step := range []struct {
		key  string
		read func(*yaml.Node)
	}{{"users", t.user}, {"groups", t.group}} {
		for i, n := range t.entries(keys[step.key], step.key) {
			if i%1000 == 0 {
				if err := live(); err != nil {
					return nil, err
				}
			}
			step.read(n)
		}
	}
	for i, refs := range t.members {
		if refs.owned == nil {
			continue
		}
		if _, taken := t.groupAt[t.list.groups[i].Owners().ID]; taken {
			t.add(refs.owned.Line, refs.owned.Column, "give that group another id", "the id for the owners of %s is the id of a group", quoted(t.list.groups[i].ID))
			continue
		}
		number := t.list.own(i)
		for _, ref := range refs.owners {
			t.list.link(number, ref, t.userAt, t.groupAt)
		}
	}
	for i, refs := range t.members {
		for _, ref := range refs.members {
			t.list.link(i, ref, t.userAt, nil)
		}
		for _, ref := range refs.groups {
			t.list.link(i, ref, nil, t.groupAt)
		}
	}
	return &t.list, nil
}

func (t *tree) user(n *yaml.Node) {
	keys := t.block(n, "a user", "id", "email", "username", "name", "disabled", "attributes")
	if keys == nil {
		return
	}
	u := directory.User{
		ID:    t.text(keys["id"], "id"),
		Email: t.text(keys["email"], "email"), Username: t.text(keys["username"], "username"), Name: t.text(keys["name"], "name"),
		Disabled: t.flag(keys["disabled"], "disabled"), Attributes: t.attributes(keys["attributes"]),
	}
	if t.unique(n, keys["id"], "user", u.ID, t.userAt, len(t.list.users)) {
		t.list.users = append(t.list.users, u)
	}
}

func (t *tree) group(n *yaml.Node) {
	keys := t.block(n, "a group", "id", "name", "description", "members", "groups", "owners")
	if keys == nil {
		return
	}
	g := directory.Group{ID: t.text(keys["id"], "id"), Name: t.text(keys["name"], "name"), Description: t.text(keys["description"], "description")}
	refs := references{members: t.texts(keys["members"], "members"), groups: t.texts(keys["groups"], "groups")}
	refs.owners, refs.owned = t.texts(keys["owners"], "owners"), keys["owners"]
	id := keys["id"]
	if id == nil {
		id, g.ID = keys["name"], g.Name
	}
	if keys["name"] == nil || g.Name == "" && keys["name"].Value == "" {
		t.add(n.Line, n.Column, "", "a group has no name")
		return
	}
	if t.unique(n, id, "group", g.ID, t.groupAt, len(t.list.groups)) {
		t.list.groups = append(t.list.groups, g)
		t.members = append(t.members, refs)
	}
}

// unique notes an id, or the problem that it is missing, empty or used before.
func (t *tree) unique(n, at *yaml.Node, what, id string, ids map[string]uint32, number int) bool {
	switch _, twice := ids[id]; {
	case at == nil:
		t.add(n.Line, n.Column, "an id never changes: a number of the person or a username that is never given away", "a %s has no id", what)
	case id == "" && !isText(at):
		// The wrong type has been noted.
	case id == "":
		t.add(at.Line, at.Column, "", "the id of a %s is empty", what)
	case twice:
		t.add(at.Line, at.Column, "", "the id %s is used by two %ss", quoted(id), what)
	default:
		ids[id] = uint32(number)
		return true
	}
	return false
}

// block reads a mapping with known keys. It gives nil when n is none.
func (t *tree) block(n *yaml.Node, what string, known ...string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		t.add(n.Line, n.Column, "", "%s must be a block of keys, not %s", what, kindOf(n))
		return nil
	}
	keys := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode:
			t.add(key.Line, key.Column, "", "a key must be text, not %s", kindOf(key))
		case known != nil && !slices.Contains(known, key.Value):
			t.add(key.Line, key.Column, "known keys are "+strings.Join(known, ", "), "unknown key %s in %s", quoted(key.Value), what)
		case keys[key.Value] != nil:
			t.add(key.Line, key.Column, "", "the key %s comes twice", quoted(key.Value))
		default:
			keys[key.Value] = n.Content[i+1]
		}
	}
	return keys
}

// entries gives the members of a list; a missing one has none.
func (t *tree) entries(n *yaml.Node, what string) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind != yaml.SequenceNode:
		t.add(n.Line, n.Column, "an empty list is written as []", "%s must be a list, not %s", what, kindOf(n))
		return nil
	}
	return n.Content
}

func isText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" }

// text reads a text. Numbers, dates and the like have to be quoted: YAML would have
// lost how they were written, as 007.
func (t *tree) text(n *yaml.Node, what string) string {
	if n == nil {
		return ""
	}
	if !isText(n) {
		t.add(n.Line, n.Column, "put the value in quotes", "%s must be text, not %s", what, kindOf(n))
		return ""
	}
	return n.Value
}

// texts reads a list of texts that are not empty.
func (t *tree) texts(n *yaml.Node, what string) []string {
	var list []string
	for _, e := range t.entries(n, what) {
		s := t.text(e, "an entry of "+what)
		if s == "" && isText(e) {
			t.add(e.Line, e.Column, "", "an entry of %s is empty", what)
		}
		list = append(list, s)
	}
	return list
}

func (t *tree) flag(n *yaml.Node, what string) bool {
	if n == nil {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		t.add(n.Line, n.Column, "", "%s must be true or false, not %s", what, kindOf(n))
		return false
	}
	return strings.EqualFold(n.Value, "true")
}

// attributes reads the extra attributes of a user: a text or a list of texts each.
func (t *tree) attributes(n *yaml.Node) map[string][]string {
	if n == nil {
		return nil
	}
	keys := t.block(n, "attributes")
	if len(keys) == 0 {
		return nil
	}
	attributes := make(map[string][]string, len(keys))
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		switch {
		case keys[name] != value:
		case slices.Contains([]string{"id", "email", "username", "name", "dn"}, name):
			t.add(n.Content[i].Line, n.Content[i].Column, "", "an attribute cannot be called %s", name)
		case value.Kind == yaml.SequenceNode:
			attributes[name] = t.texts(value, "attribute "+quoted(name))
		default:
			if s := t.text(value, "attribute "+quoted(name)); s != "" {
				attributes[name] = []string{s}
			}
		}
	}
	return attributes
}

// kindOf says in words what a node is.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a block of keys"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!str":
		return "text"
	case "!!timestamp":
		return "a date"
	}
	return fmt.Sprintf("a value of type %s", quoted(n.Tag))
}
