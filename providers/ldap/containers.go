package ldap

import (
	"context"

	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/dn"
	"groupsyncd/providers/ldap/wire"
)

// containers keeps which groups users and groups say that they are in, where groups do
// not name their members.
type containers struct {
	// users and groups hold, per user and per group, numbers of names.
	users, groups [][]uint32
	// doubt says that somebody may be in any group for all we know.
	doubt bool
	shown bool
}

// addMemberOf takes what an entry says about the groups it is in. to gives the place of
// the numbers, which moves while entries are read.
func (r *reader) addMemberOf(e *wire.Entry, block string, to func() *[]uint32) {
	for i := range e.Attributes {
		a := &e.Attributes[i]
		name, options := a.Base()
		if !wire.EqualFold(name, r.layout.memberOf) {
			continue
		}
		r.containers.shown = r.containers.shown || a.Len() > 0
		take := func(a *wire.Attribute) {
			for v := range a.Values() {
				r.key = dn.Append(r.key[:0], v)
				*to() = append(*to(), r.groups.number(r.key))
			}
		}
		if !isRange(options) {
			take(a)
			continue
		}
		at := string(e.DN)
		r.ranged = append(r.ranged, &sliced{dn: at, attribute: r.layout.memberOf, take: take, restart: func() { *to() = nil },
			end: func(ctx context.Context, err error) {
				if err != nil {
					r.containers.doubt = true
					r.fail(searchError(ctx, r.session.server, "read groups of an entry", block, at, err))
				}
			}})
	}
}

// checkMemberOf makes sure that anybody says which groups they are in. A directory
// where nobody is in any group looks like one that does not show it to us.
func (r *reader) checkMemberOf() {
	if r.layout.memberOf == "" || r.containers.shown || len(r.snapshot.Users) == 0 || len(r.snapshot.Groups) == 0 {
		return
	}
	r.containers.doubt = true
	r.fail(r.failure(fault.Auth, "read users", "let the account of bind.dn read "+r.layout.memberOf+", or name the attribute of groups that holds members in groups.members",
		"none of the %d users has %s", len(r.snapshot.Users), r.layout.memberOf))
}

// maxMoved is how many names without a group are asked after.
const maxMoved = 200

// askWhoMoved asks after groups that people said they are in and that are not in the list.
// Where people name their groups by DN, a group that is renamed between the list of people
// and that of groups looks like one in which nobody is. Whoever says something else now shows
// that; a name that stays leads nowhere, as one of a role does.
func (v *resolver) askWhoMoved(ctx context.Context) {
	if v.layout.memberOf == "" {
		return
	}
	bases := dn.NormalAll(v.layout.groups.Base)
	seen := map[uint32]bool{}
	var names []uint32
	var people []string
	for i, said := range v.containers.users {
		for _, n := range said {
			if _, found, _ := v.groupOf(n); found || seen[n] || len(names) == maxMoved || !dn.Within(v.groups.names[n], bases) {
				continue
			}
			seen[n] = true
			names, people = append(names, n), append(people, v.snapshot.Users[i].DN)
		}
	}
	if len(names) == 0 {
		return
	}
	err := v.session.looks(ctx, people, func(int) []string { return []string{v.layout.memberOf} }, func(i int, e *wire.Entry, err error) {
		switch {
		case err != nil:
			v.doubtMoved(searchError(ctx, v.session.server, "read groups of an entry", "users", people[i], err))
		case e != nil && !v.says(e, v.groups.names[names[i]]):
			v.doubtMoved(v.failure(fault.Incomplete, "read groups", "", "the group %q was renamed or deleted while people were read", v.groups.names[names[i]]))
		}
	})
	if err != nil {
		v.doubtMoved(searchError(ctx, v.session.server, "read groups of an entry", "users", people[0], err))
	}
}

func (v *resolver) doubtMoved(err error) {
	if !v.containers.doubt {
		v.containers.doubt = true
		v.fail(err)
	}
}

// says reports whether an entry still says that it is in a group.
func (v *resolver) says(e *wire.Entry, group string) bool {
	for i := range e.Attributes {
		name, _ := e.Attributes[i].Base()
		if !wire.EqualFold(name, v.layout.memberOf) {
			continue
		}
		for value := range e.Attributes[i].Values() {
			if v.key = dn.Append(v.key[:0], value); string(v.key) == group {
				return true
			}
		}
	}
	return false
}

// joinMemberOf puts users and groups into the groups that they say they are in. Anybody
// who was not read may be in any of them, so that nothing is known without both lists.
func (v *resolver) joinMemberOf() {
	if v.layout.memberOf == "" {
		return
	}
	join := func(names []uint32, in func(group uint32)) {
		for _, n := range names {
			at, found, shared := v.groupOf(n)
			switch {
			case shared || v.verdicts[n] == unread:
				v.containers.doubt = true
			case found:
				in(at)
			}
		}
	}
	for i, names := range v.containers.users {
		join(names, func(at uint32) {
			g := &v.snapshot.Groups[at]
			g.Direct = append(g.Direct, uint32(i))
		})
	}
	for i, names := range v.containers.groups {
		join(names, func(at uint32) {
			g := &v.snapshot.Groups[at]
			g.Children = append(g.Children, uint32(i))
		})
	}
	if v.containers.doubt || !v.snapshot.UsersListed || v.layout.nested && !v.snapshot.GroupsListed {
		v.noMembersKnown()
	}
}
