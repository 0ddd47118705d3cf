package ldap

import (
	"maps"
	"slices"
	"strings"

	"groupsyncd/providers/ldap/dn"
)

// The layouts of directories.
const (
	// Auto asks each server for its kind and its schema.
	Auto = "auto"
	// RFC2307 has posixAccount and posixGroup, whose memberUid names users by uid.
	RFC2307 = "rfc2307"
	// RFC2307bis has inetOrgPerson and groupOfNames, whose member holds DNs.
	RFC2307bis = "rfc2307bis"
	// AD is Active Directory, and Samba as a domain controller.
	AD = "ad"
	// FreeIPA is the tree below cn=accounts of FreeIPA and Red Hat IdM.
	FreeIPA = "freeipa"
)

// layout is a configuration with the presets filled in.
type layout struct {
	// name is what the presets are called.
	name string
	// detected says that the server decided on the presets.
	detected bool
	ad       bool
	nested   bool
	users    Users
	groups   Groups
	// memberOf is the attribute of people, and of groups in groups, that names the groups
	// they are in, where groups do not name their members; then groups.Members is empty.
	memberOf string
}

// presets are what a layout says about users and groups.
type presets struct {
	name   string
	users  Users
	groups Groups
}

// presetsOf gives the presets of a layout that needs no server to be told.
func presetsOf(name string) presets {
	users := Users{Filter: "(objectClass=inetOrgPerson)", ID: "entryUUID", Email: "mail", Username: "uid", Name: "cn"}
	groups := Groups{Filter: "(|(objectClass=groupOfNames)(objectClass=groupOfMembers))", ID: "entryUUID", Name: "cn", Description: "description", Members: List{"member", "memberUid"}}
	switch name {
	case RFC2307:
		users.Filter = "(objectClass=posixAccount)"
		groups.Filter, groups.Members = "(objectClass=posixGroup)", List{"memberUid", "member"}
	case AD:
		users = Users{Filter: "(&(objectCategory=person)(objectClass=user))", ID: "objectGUID", Email: "mail", Username: "sAMAccountName", Name: "displayName"}
		groups = Groups{Filter: "(objectCategory=group)", ID: "objectGUID", Name: "cn", Description: "description", Members: List{"member"}}
	case FreeIPA:
		// Not every account of IPA is an inetOrgPerson (admin is none), and a group that
		// goes with one user is no ipaUserGroup.
		users.Filter, users.ID, users.Disabled = "(objectClass=posixAccount)", "ipaUniqueID", "(nsAccountLock=TRUE)"
		groups.Filter, groups.ID, groups.Members = "(objectClass=ipaUserGroup)", "ipaUniqueID", List{"member"}
	}
	return presets{name: name, users: users, groups: groups}
}

// resolve fills every key that is not set from the preset of the layout. What a server
// has to decide stays empty.
func (c *Config) resolve() layout {
	if c.Layout == Auto {
		return c.fill(presets{name: Auto})
	}
	return c.fill(presetsOf(c.Layout))
}

func (c *Config) fill(p presets) layout {
	l := layout{name: p.name, ad: p.name == AD, nested: c.Nested, users: c.Users, groups: c.Groups}
	// A group of unique names has no member attribute, so that the preset would show
	// every such group as empty.
	if p.name == RFC2307bis && len(c.Groups.Members) == 1 && strings.EqualFold(c.Groups.Members[0], "uniqueMember") {
		p.groups.Filter = "(objectClass=groupOfUniqueNames)"
	}
	preset(&l.users.Filter, p.users.Filter)
	preset(&l.users.ID, p.users.ID)
	preset(&l.users.Email, p.users.Email)
	preset(&l.users.Username, p.users.Username)
	preset(&l.users.Name, p.users.Name)
	preset(&l.users.Disabled, p.users.Disabled)
	preset(&l.groups.Filter, p.groups.Filter)
	preset(&l.groups.ID, p.groups.ID)
	preset(&l.groups.Name, p.groups.Name)
	preset(&l.groups.Description, p.groups.Description)
	switch {
	case len(l.groups.Members) == 0:
		l.groups.Members = p.groups.Members
	case ofUsers(l.groups.Members[0]):
		l.memberOf, l.groups.Members = l.groups.Members[0], nil
	}
	return l
}

// ofUsers reports whether an attribute is one of people that names their groups.
func ofUsers(attribute string) bool {
	return strings.EqualFold(attribute, "memberOf") || strings.EqualFold(attribute, "isMemberOf")
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
	if l.memberOf != "" {
		names = append(names, l.memberOf)
	}
	if l.ad && l.users.Disabled == "" {
		names = append(names, "userAccountControl", "accountExpires")
	}
	return unique(names)
}

// groupAttributes lists what is asked for with each group.
func (l *layout) groupAttributes() []string {
	names := append([]string{l.groups.ID, l.groups.Name, l.groups.Description}, l.groups.Members...)
	if l.groups.Owners != "" {
		names = append(names, l.groups.Owners)
	}
	if l.ad {
		names = append(names, "primaryGroupToken")
	}
	if l.memberOf != "" && l.nested {
		names = append(names, l.memberOf)
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
	if l.memberOf != "" {
		members = strings.ToLower(l.memberOf) + " of users"
	}
	nested := "no"
	if l.nested {
		nested = "yes"
	}
	if l.groups.Owners != "" {
		nested += "\nowners: " + strings.ToLower(l.groups.Owners)
	}
	return strings.Join([]string{
		"users: " + bases(l.users.Base), "filter: " + l.users.Filter, "id: " + strings.ToLower(l.users.ID),
		"groups: " + bases(l.groups.Base), "filter: " + l.groups.Filter, "id: " + strings.ToLower(l.groups.ID),
		"members: " + members, "nested: " + nested,
	}, "\n")
}

// decided is what the server decided about the entries: nothing when the configuration
// says it all.
func (l *layout) decided() string {
	if !l.detected {
		return ""
	}
	return l.scope()
}

// membersText says in words where members come from.
func (l *layout) membersText() string {
	if l.memberOf != "" {
		return l.memberOf + " of users"
	}
	if l.ad {
		return l.groups.Members.String() + " and the primary group"
	}
	return l.groups.Members.String()
}
