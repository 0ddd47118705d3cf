package ldap

import (
	"context"
	"fmt"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/dn"
	"groupsyncd/providers/ldap/wire"
)

// groupBooks finds the groups of a snapshot, and keeps what is not settled about their
// members.
type groupBooks struct {
	byID, byDN *index
	// sharedDN are DNs that stand for two groups.
	sharedDN map[string]bool
	// tokens finds the groups by what users.keys counts.
	tokens map[string]uint32

	// names are the DNs that groups refer to and that are no user's, each once; pending
	// are, per group, the numbers of those it has.
	names   []string
	byName  *index
	pending [][]uint32
	// alias are names that a server takes for those of other groups than we do.
	alias map[uint32]uint32

	// sample are DNs of a few groups as the server spells them.
	sample      []string
	memberShown bool
	members     members
}

func newGroupBooks(s *directory.Snapshot) groupBooks {
	b := groupBooks{
		byID:     newIndex(func(at uint32, id []byte) bool { return s.Groups[at].ID == string(id) }),
		byDN:     newIndex(func(at uint32, name []byte) bool { return s.Groups[at].DN == string(name) }),
		sharedDN: map[string]bool{}, tokens: map[string]uint32{}, alias: map[uint32]uint32{},
	}
	return b
}

// members gathers the references of one group.
type members struct {
	direct, open []uint32
	// usernames are those that nobody has.
	usernames []string
	// unclear is a reference that names two users.
	unclear string
}

func (m *members) reset() {
	m.direct, m.open, m.usernames, m.unclear = m.direct[:0], m.open[:0], nil, ""
}

func (r *reader) readGroups(ctx context.Context) {
	l := r.layout
	r.snapshot.GroupsListed = r.list(ctx, "groups", l.groups.Base, l.groups.Filter, l.groupAttributes(), func(e *wire.Entry) error {
		_, err := r.addGroup(e, false)
		return err
	})
	r.readRanges(ctx)
	if len(r.snapshot.Groups) > 0 && !r.groups.memberShown {
		r.checkNoMembers(ctx)
	}
	r.checkMemberOf()
}

// sampleSize is how many groups are looked at closer when none shows a member.
const sampleSize = 5

// addGroup adds a group and joins its references with the users.
func (r *reader) addGroup(e *wire.Entry, unlisted bool) (uint32, error) {
	g, err := r.texts.group(r.layout, e)
	if err != nil {
		return 0, err
	}
	b := &r.groups
	at := uint32(len(r.snapshot.Groups))
	r.key = append(r.key[:0], g.ID...)
	if known, taken := b.byID.add(r.key, at); taken {
		old := &r.snapshot.Groups[known]
		if old.DN == g.DN || unlisted {
			return known, nil
		}
		old.MembersKnown = false
		return 0, fmt.Errorf("entries %q and %q have the same %s %q", old.DN, e.DN, r.layout.groups.ID, g.ID)
	}
	g.MembersKnown, g.Unlisted = true, unlisted
	r.snapshot.Groups = append(r.snapshot.Groups, g)
	b.pending = append(b.pending, nil)
	r.nameGroup(at)
	if len(b.sample) < sampleSize {
		b.sample = append(b.sample, string(e.DN))
	}
	if token := e.First("primaryGroupToken"); len(token) > 0 {
		b.tokens[string(token)+" "+dn.Domain(g.DN)] = at
	}
	if r.layout.memberOf != "" {
		b := &r.containers
		b.groups = append(b.groups, nil)
		if r.layout.nested {
			r.addMemberOf(e, "groups", func() *[]uint32 { return &b.groups[at] })
		}
	}
	b.members.reset()
	for i := range e.Attributes {
		r.addValues(at, e, &e.Attributes[i])
	}
	r.settle(at, &b.members)
	if !unlisted {
		r.addOwners(at, e)
	}
	return at, nil
}

// nameGroup notes what a group is called.
func (r *reader) nameGroup(at uint32) {
	name := r.snapshot.Groups[at].DN
	r.key = append(r.key[:0], name...)
	if _, taken := r.groups.byDN.add(r.key, at); taken {
		r.groups.sharedDN[name] = true
	}
}

// addValues takes the members out of one attribute of a group. A range of values is
// only noted: it is read from its beginning when the list is at its end.
func (r *reader) addValues(at uint32, e *wire.Entry, a *wire.Attribute) {
	name, options := a.Base()
	for _, configured := range r.layout.groups.Members {
		if !wire.EqualFold(name, configured) {
			continue
		}
		if isRange(options) {
			r.groups.memberShown = true
			r.rangedMembers(at, string(e.DN), configured)
			return
		}
		r.groups.memberShown = r.groups.memberShown || a.Len() > 0
		r.addMembers(&r.groups.members, configured, a)
		return
	}
}

// addMembers joins the references of one attribute with the users.
func (r *reader) addMembers(m *members, attribute string, a *wire.Attribute) {
	if byUsername(attribute) {
		for v := range a.Values() {
			switch u, found, shared := r.users.findName(r.snapshot, v); {
			case !found:
				m.usernames = append(m.usernames, wire.Text(v))
			case shared:
				m.unclear = wire.Text(v)
			default:
				m.direct = append(m.direct, u)
			}
		}
		return
	}
	b := &r.batch
	b.reset()
	for v := range a.Values() {
		if b.buf = dn.AppendReference(b.buf, v); b.end() {
			r.joinNames(m)
		}
	}
	r.joinNames(m)
}

// joinNames joins a batch of references by DN with the users.
func (r *reader) joinNames(m *members) {
	b := &r.batch
	r.users.byDN.findAll(b, func(at uint32) string { return r.snapshot.Users[at].DN })
	for i := range b.n {
		name := b.name(i)
		switch shared := len(r.users.sharedDN) > 0 && r.users.sharedDN[string(name)]; {
		case shared:
			m.unclear = string(name)
		case b.found[i]:
			m.direct = append(m.direct, b.at[i])
		default:
			m.open = append(m.open, r.groups.number(name))
		}
	}
	b.reset()
}

// number gives the number of a name that is no user's.
func (b *groupBooks) number(name []byte) uint32 {
	if b.byName == nil {
		b.byName = newIndex(func(at uint32, name []byte) bool { return b.names[at] == string(name) })
	}
	at, taken := b.byName.add(name, uint32(len(b.names)))
	if !taken {
		b.names = append(b.names, string(name))
	}
	return at
}

// settle gives a group the references that were gathered for it.
func (r *reader) settle(at uint32, m *members) {
	g := &r.snapshot.Groups[at]
	g.Direct = append(g.Direct, m.direct...)
	g.Unresolved = append(g.Unresolved, m.usernames...)
	r.groups.pending[at] = append(r.groups.pending[at], m.open...)
	if m.unclear != "" {
		r.unclear(g, m.unclear, "users")
	}
}

// unclear notes a reference that names two of something: whichever was meant, the
// people of the other must not be taken out or put in.
func (r *reader) unclear(g *directory.Group, name, what string) {
	g.MembersKnown = false
	r.fail(r.failure(fault.Incomplete, "read groups", "make the names of "+what+" unique below "+what+".base",
		"group %q has the member %q, which names several %s", g.DN, name, what))
}

// noMembersKnown says of no group that its members are known.
func (r *reader) noMembersKnown() {
	for i := range r.snapshot.Groups {
		r.snapshot.Groups[i].MembersKnown = false
	}
}
