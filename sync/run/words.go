package run

import (
	"cmp"
	"fmt"
	"strings"
)

// Values says in words for people what a change sets; empty: what it does says it all.
func (c *Change) Values() string {
	var parts []string
	for i := range c.Fields {
		parts = append(parts, c.value(&c.Fields[i]))
	}
	return strings.Join(parts, ", ")
}

func (c *Change) value(f *Field) string {
	switch c.Op {
	case SetRole:
		return fmt.Sprintf("%v → %v", or(f.From, "no role"), or(f.To, "no role"))
	case CreateAccount:
		if f.Name == "role" {
			return fmt.Sprintf("as %v", f.To)
		}
	case SetGrants:
		if on, ok := f.To.(bool); ok && on {
			return "+" + f.Name
		}
		return "-" + f.Name
	}
	switch f.To {
	case nil:
		return f.Name + "=unset"
	case "":
		return f.Name + `=""`
	}
	return fmt.Sprintf("%s=%v", f.Name, f.To)
}

func or(value any, otherwise string) any {
	if value == nil || value == "" {
		return otherwise
	}
	return value
}

// Who names the person whom a change is about; empty: nobody.
func (c *Change) Who() string {
	if c.User == nil {
		return ""
	}
	return cmp.Or(c.User.Email, c.User.ID)
}

// Where names what the change is made to: a group, something that grants share, an account,
// or the default permissions.
func (c *Change) Where() string {
	switch {
	case c.Group != nil:
		return c.Group.Name
	case c.Resource != nil:
		return c.Resource.Words()
	case c.User != nil:
		return "account"
	}
	return "default permissions"
}

// Words names a resource for people.
func (r *ResourceRef) Words() string {
	return strings.TrimSuffix(r.Type, "s") + " " + cmp.Or(r.Name, r.ID)
}
