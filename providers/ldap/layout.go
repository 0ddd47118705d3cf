package ldap

import (
	"maps"
	"slices"
	"strings"

	"groupsyncd/providers/ldap/dn"
)

// The layouts of directories.
const (
	// RFC2307 has posixAccount and posixGroup, whose memberUid names users by uid.
	RFC2307 = "rfc2307"
	// RFC2307bis has inetOrgPerson and groupOfNames, whose member holds DNs.
	RFC2307bis = "rfc2307bis"
	// AD is Active Directory.
	AD = "ad"
)

// layout is a configuration with the presets filled in.
type layout struct {
	ad     bool
	nested bool
	users  Users
	groups Groups
}

// resolve fills every key that is not set from the preset of the layout.
func (c *Config) resolve() layout {
	l := layout{ad: c.Layout == AD, nested: c.Nested, users: c.Users, groups: c.Groups}
	users := Users{Filter: "(objectClass=inetOrgPerson)", ID: "entryUUID", Email: "mail", Username: "uid", Name: "cn"}
	groups := Groups{Filter: "(|(objectClass=groupOfNames)(objectClass=groupOfMembers))", ID: "entryUUID", Name: "cn", Description: "description", Members: List{"member", "memberUid"}}
	switch c.Layout {
	case RFC2307:
		users.Filter = "(objectClass=posixAccount)"
		groups.Filter, groups.Members = "(objectClass=posixGroup)", List{"memberUid", "member"}
	case AD:
		users = Users{Filter: "(&(objectCategory=person)(objectClass=user))", ID: "objectGUID", Email: "mail", Username: "sAMAccountName", Name: "displayName"}
		groups = Groups{Filter: "(objectCategory=group)", ID: "objectGUID", Name: "cn", Description: "description", Members: List{"member"}}
	default:
		// A group of unique names has no member attribute, so that the preset would
		// show every such group as empty.
		if len(c.Groups.Members) == 1 && strings.EqualFold(c.Groups.Members[0], "uniqueMember") {
			groups.Filter = "(objectClass=groupOfUniqueNames)"
		}
	}
	preset(&l.users.Filter, users.Filter)
	preset(&l.users.ID, users.ID)
	preset(&l.users.Email, users.Email)
	preset(&l.users.Username, users.Username)
	preset(&l.users.Name, users.Name)
	preset(&l.groups.Filter, groups.Filter)
	preset(&l.groups.ID, groups.ID)
	preset(&l.groups.Name, groups.Name)
	preset(&l.groups.Description, groups.Description)
	if len(l.groups.Members) == 0 {
		l.groups.Members = groups.Members
	}
	return l
}

func preset(value *string, otherwise string) {
	if *value == "" {
		*value = otherwise
	}
}

// byUsername reports whether a member attribute names users by their username
// instead of their DN (RFC 2307, memberUid).
func byUsername(attribute string) bool { return strings.EqualFold(attribute, "memberUid") }

// userAttributes lists what is asked for with each user.
func (l *layout) userAttributes() []string {
	names := []string{l.users.ID, l.users.Email, l.users.Username, l.users.Name}
	for _, key := range slices.Sorted(maps.Keys(l.users.Attributes)) {
		names = append(names, l.users.Attributes[key])
	}
	if l.ad {
		names = append(names, "primaryGroupID")
	}
	if l.ad && l.users.Disabled == "" {
		names = append(names, "userAccountControl", "accountExpires")
	}
	return unique(names)
}

// groupAttributes lists what is asked for with each group.
func (l *layout) groupAttributes() []string {
	names := append([]string{l.groups.ID, l.groups.Name, l.groups.Description}, l.groups.Members...)
	if l.ad {
		names = append(names, "primaryGroupToken")
	}
	return unique(names)
}

// unique drops names that occur before in any case.
func unique(names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, n) }) {
			out = append(out, n)
		}
	}
	return out
}

// and joins two filters.
func and(a, b string) string { return "(&" + a + b + ")" }

// scope writes down everything that decides which entries are shown under which ids.
func (l *layout) scope() string {
	bases := func(list List) string {
		normal := make([]string, len(list))
		for i, b := range list {
			normal[i] = dn.Normal(b)
		}
		slices.Sort(normal)
		return strings.Join(slices.Compact(normal), " | ")
	}
	members := strings.ToLower(strings.Join(l.groups.Members, " "))
	nested := "no"
	if l.nested {
		nested = "yes"
	}
	return strings.Join([]string{
		"users: " + bases(l.users.Base), "filter: " + l.users.Filter, "id: " + strings.ToLower(l.users.ID),
		"groups: " + bases(l.groups.Base), "filter: " + l.groups.Filter, "id: " + strings.ToLower(l.groups.ID),
		"members: " + members, "nested: " + nested,
	}, "\n")
}
