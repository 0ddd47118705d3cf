package ldap

import (
	"slices"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/wire"
)

// ShowsOwners reports whether groups are read with their owners.
func (c *Config) ShowsOwners() bool { return c.Groups.Owners != "" }

// owned are the references to the owners of one group.
type owned struct {
	group        uint32
	direct, open []uint32
	unclear      string
	cut          bool
}

// addOwners joins the owners of a listed group with the users. They are looked up like
// members, because a group may own another.
func (r *reader) addOwners(at uint32, e *wire.Entry) {
	if r.layout.groups.Owners == "" {
		return
	}
	var m members
	o := owned{group: at}
	for i := range e.Attributes {
		a := &e.Attributes[i]
		if name, options := a.Base(); wire.EqualFold(name, r.layout.groups.Owners) {
			o.cut = o.cut || isRange(options)
			r.addMembers(&m, r.layout.groups.Owners, a)
		}
	}
	o.direct, o.open, o.unclear = slices.Clone(m.direct), slices.Clone(m.open), m.unclear
	r.owners = append(r.owners, o)
}

// closeOwners makes a group of the owners of each group that was read with them, also where
// it has none: who owned it then has left.
func (v *resolver) closeOwners(complete bool) {
	for i := range v.owners {
		o := &v.owners[i]
		of := &v.snapshot.Groups[o.group]
		g := of.Owners()
		g.Direct, g.MembersKnown = o.direct, of.MembersKnown
		for _, n := range o.open {
			switch child, found, shared := v.groupOf(n); {
			case shared:
				o.unclear = v.groups.names[n]
			case found && child != o.group:
				g.Children = append(g.Children, child)
			case found: // It owns itself, and who is in it owns nothing by that.
			default:
				g.Unresolved = append(g.Unresolved, v.groups.names[n])
				g.MembersKnown = g.MembersKnown && v.verdicts[n] != unread
			}
		}
		slices.Sort(g.Unresolved)
		g.Unresolved = slices.Compact(g.Unresolved)
		v.closeOwned(o, of, &g, complete)
		v.snapshot.Groups = append(v.snapshot.Groups, g)
	}
}

// closeOwned says why the owners of a group are not known.
func (v *resolver) closeOwned(o *owned, of, g *directory.Group, complete bool) {
	switch {
	case o.unclear != "":
		g.MembersKnown = false
		v.fail(v.failure(fault.Incomplete, "read groups", "make the names of users and groups unique", "group %q has the owner %q, which names several", of.DN, o.unclear))
	case o.cut:
		g.MembersKnown = false
		v.fail(v.failure(fault.Incomplete, "read groups", "make a group the owner", "group %q has more owners than the server shows at once", of.DN))
	case !complete && len(g.Unresolved) > 0:
		g.MembersKnown = false
	}
}
