package ldap

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// List is a value that may be written alone or as a list.
type List []string

// UnmarshalYAML reads a scalar as a list of one.
func (l *List) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		var one string
		if err := node.Decode(&one); err != nil {
			return err
		}
		*l = List{one}
		return nil
	}
	var many []string
	if err := node.Decode(&many); err != nil {
		return err
	}
	*l = many
	return nil
}

// MarshalYAML writes a list of one as a scalar.
func (l List) MarshalYAML() (any, error) {
	if len(l) == 1 {
		return l[0], nil
	}
	return []string(l), nil
}

// String joins the values with commas.
func (l List) String() string { return strings.Join(l, ", ") }
