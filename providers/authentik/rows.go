package authentik

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"groupsyncd/directory"
)

// userRow is a user as authentik gives it.
type userRow struct {
	PK       int64  `json:"pk"`
	UUID     string `json:"uuid"`
	UID      string `json:"uid"`
	Username string `json:"username"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	Active   *bool  `json:"is_active"`
	Type     string `json:"type"`
	Path     string `json:"path"`
	// Groups are the ids of the groups that name the user; nil where they were not given.
	Groups     *[]string      `json:"groups"`
	Attributes map[string]any `json:"attributes"`
}

func (u userRow) id() string { return strconv.FormatInt(u.PK, 10) }

func (u userRow) before(next userRow) bool { return u.PK < next.PK }

// groupRow is a group as authentik gives it.
type groupRow struct {
	PK   string `json:"pk"`
	Name string `json:"name"`
	// Parents are the groups that contain it, since 2025.12; Parent is the only one, before.
	Parents []string `json:"parents"`
	Parent  *string  `json:"parent"`
	// Children are the groups in it, since 2025.12.
	Children []string `json:"children"`
	// Users are its direct members; nil where they were not given, which is not nobody.
	Users *[]int64 `json:"users"`
}

func (g groupRow) id() string { return g.PK }

// before compares as the database does, which sorts UUIDs by their bytes.
func (g groupRow) before(next groupRow) bool { return g.PK < next.PK }

// above gives the groups that contain the group.
func (g *groupRow) above() []string {
	if g.Parent != nil && *g.Parent != "" {
		return append(slices.Clone(g.Parents), *g.Parent)
	}
	return g.Parents
}

// me is our own account.
type me struct {
	User *struct {
		PK        int64  `json:"pk"`
		Username  string `json:"username"`
		Superuser bool   `json:"is_superuser"`
		Groups    []struct {
			PK string `json:"pk"`
		} `json:"groups"`
	} `json:"user"`
}

// check finds what a row must have.
func (u userRow) check() error {
	switch {
	case u.PK == 0:
		return errors.New("a user has no pk")
	case u.Active == nil:
		return fmt.Errorf("the user %d has no is_active", u.PK)
	}
	return nil
}

func (g groupRow) check() error {
	if g.PK == "" {
		return errors.New("a group has no pk")
	}
	return nil
}

// key gives what people are known by.
func (c *Config) key(u *userRow) string {
	if c.Users.ID == ByPK {
		return u.id()
	}
	return strings.ToLower(u.UUID)
}

// person gives a row in our words.
func (c *Config) person(u *userRow) directory.User {
	first := func(field string) string {
		if values := u.values(field); len(values) > 0 {
			return strings.TrimSpace(values[0])
		}
		return ""
	}
	p := directory.User{
		ID: c.key(u), Email: first(c.Users.Email), Username: first(c.Users.Username), Name: first(c.Users.Name),
		Disabled: !*u.Active, StatusKnown: true,
	}
	for name, field := range c.Users.Attributes {
		if values := u.values(field); len(values) > 0 {
			if p.Attributes == nil {
				p.Attributes = map[string][]string{}
			}
			p.Attributes[name] = values
		}
	}
	return p
}

// counts reports whether a user is of a type that counts as a person. Versions before 2023.8
// had no types, and only people who sign in there.
func (c *Config) counts(u *userRow) bool {
	return slices.Contains(c.Types, cmp.Or(u.Type, "internal"))
}

// values gives a field of the user, or a custom attribute: by its key, or by keys with dots
// between them where attributes hold objects.
func (u *userRow) values(field string) []string {
	var v string
	switch field {
	case "pk":
		v = u.id()
	case "uuid":
		v = u.UUID
	case "uid":
		v = u.UID
	case "username":
		v = u.Username
	case "name":
		v = u.Name
	case "email":
		v = u.Email
	case "type":
		v = u.Type
	case "path":
		v = u.Path
	default:
		return texts(custom(u.Attributes, strings.TrimPrefix(field, "attributes.")))
	}
	if v == "" {
		return nil
	}
	return []string{v}
}

// custom finds a custom attribute. A key that has dots itself comes first.
func custom(in map[string]any, key string) any {
	if v, there := in[key]; there {
		return v
	}
	head, rest, dotted := strings.Cut(key, ".")
	if inner, ok := in[head].(map[string]any); ok && dotted {
		return custom(inner, rest)
	}
	return nil
}

// texts gives the values of an attribute that can be compared with a text.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		if v != "" {
			return []string{v}
		}
	case bool:
		return []string{strconv.FormatBool(v)}
	case float64:
		b, err := json.Marshal(v)
		if err == nil {
			return []string{string(b)}
		}
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, texts(one)...)
		}
		return all
	}
	return nil
}
