package entra

import (
	"maps"
	"slices"
	"strings"

	"groupsyncd/directory"
)

// userProperties are what is asked of users, sorted.
func (c *Config) userProperties() []string {
	list := []string{"id", "accountEnabled", "createdDateTime", "userType", c.Users.Username, c.Users.Name}
	list = append(list, c.Users.Email...)
	list = slices.AppendSeq(list, maps.Values(c.Users.Attributes))
	for i, p := range list {
		list[i], _, _ = strings.Cut(p, "/")
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// excludes reports whether somebody is not to be shown.
func (c *Config) excludes(o object) bool {
	kind, _ := o.text("userType")
	return !c.Guests && strings.EqualFold(kind, "Guest")
}

// user makes a user of what was told. Where was is set, base is what was known: a property
// that is not there stays as it was. whole is false where that cannot be worked out.
func (c *Config) user(o object, id string, base directory.User, was bool) (u directory.User, whole bool) {
	u = base
	u.ID = id
	if text, there := o.text(c.Users.Username); there || !was {
		u.Username = text
	}
	if text, there := o.text(c.Users.Name); there || !was {
		u.Name = text
	}
	u.Email, whole = c.email(o, base.Email, was)
	if text, there := o.text("accountEnabled"); there {
		u.Disabled, u.StatusKnown = text == "false", text != ""
	} else if !was {
		u.Disabled, u.StatusKnown = false, false
	}
	if len(c.Users.Attributes) == 0 {
		return u, whole
	}
	attributes := map[string][]string{}
	for name, path := range c.Users.Attributes {
		values, there := o.values(path)
		if !there && was {
			values = base.Attributes[name]
		}
		if len(values) > 0 {
			attributes[name] = values
		}
	}
	u.Attributes = nil
	if len(attributes) > 0 {
		u.Attributes = attributes
	}
	return u, whole
}

// email gives the first address that is set. Of several properties all have to be told, since
// which of them the known address came from is not known.
func (c *Config) email(o object, base string, was bool) (address string, whole bool) {
	for _, name := range c.Users.Email {
		text, there := o.text(name)
		if !there && was {
			return base, len(c.Users.Email) == 1
		}
		if address == "" {
			address = text
		}
	}
	return address, true
}
