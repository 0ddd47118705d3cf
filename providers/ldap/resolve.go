package ldap

import (
	"context"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/dn"
	"groupsyncd/providers/ldap/wire"
)

// verdict is what is known about one name that is no listed user's.
type verdict uint8

const (
	nobody  verdict = iota + 1 // neither a user of ours nor a group
	unread                     // the look failed
	foreign                    // somebody of another forest
)

// resolver finds out what references name that name neither a listed user nor a
// listed group.
//
// The looks are bounded. What lies beyond the bound counts as naming nobody, like a
// dummy, and its groups stay covered: groups with thousands of references to people
// outside our filter are common, and would otherwise never be covered, so that
// nobody could ever leave them. The order is fixed, and references outside the bases
// of the users come first, because there the groups are. A nested group that was
// resolved once and falls behind the bound later is an unresolved reference then,
// and never a reason by itself to take its people out.
type resolver struct {
	*reader
	bases    []string
	verdicts []verdict // by number of the name
	looks    int
	beyond   int
}

// resolve turns the pending references into children and unresolved ones.
func (r *reader) resolve(ctx context.Context) {
	v := &resolver{reader: r, bases: dn.NormalAll(r.layout.users.Base)}
	complete := r.snapshot.UsersListed && r.snapshot.GroupsListed
	if complete && r.layout.nested {
		v.look(ctx)
	}
	v.grow()
	for at := range r.snapshot.Groups {
		v.close(at, complete)
	}
	if complete {
		v.askWhoMoved(ctx)
	}
	v.joinMemberOf()
	r.joinPrimary()
	v.closeOwners(complete)
	v.report()
}

// groupOf finds the group that a name stands for; shared says that it stands for two.
func (v *resolver) groupOf(n uint32) (at uint32, found, shared bool) {
	name := v.groups.names[n]
	if v.groups.sharedDN[name] {
		return 0, true, true
	}
	v.key = append(v.key[:0], name...)
	if at, found = v.groups.byDN.find(v.key); !found {
		at, found = v.groups.alias[n]
	}
	return at, found, false
}

// close settles the references of one group.
func (v *resolver) close(at int, complete bool) {
	g := &v.snapshot.Groups[at]
	for _, n := range v.groups.pending[at] {
		name := v.groups.names[n]
		switch child, found, shared := v.groupOf(n); {
		case shared:
			v.unclear(g, name, "groups")
		case found:
			g.Children = append(g.Children, child)
		default:
			g.Unresolved = append(g.Unresolved, name)
			if v.verdicts[n] == unread {
				g.MembersKnown = false
			}
		}
	}
	slices.Sort(g.Unresolved)
	g.Unresolved = slices.Compact(g.Unresolved)
	// A reference to somebody whom an incomplete list has not shown may be a
	// member for all we know.
	if !complete && len(g.Unresolved) > 0 {
		g.MembersKnown = false
	}
}

// report says in the log what references lead nowhere for a reason of its own.
func (v *resolver) report() {
	if v.beyond > 0 {
		v.source.logger.Warn("more member references than are looked at name no user or group", "looked", v.looks, "beyond", v.beyond)
	}
	count, example := 0, ""
	for n, name := range v.groups.names {
		if v.layout.ad && isForeign(name) {
			v.verdicts[n] = foreign
			if count++; count == 1 {
				example = name
			}
		}
	}
	if count > 0 {
		v.source.logger.Warn("members from another forest are known here by their SID only and are left out", "count", count, "dn", example)
	}
}

// isForeign reports whether a DN in normal form is a foreign security principal: how
// Active Directory writes a member of another forest, or somebody whom every machine
// knows, such as Authenticated Users.
func isForeign(name string) bool {
	sid, place, _ := strings.Cut(name, ",")
	return strings.HasPrefix(sid, "cn=s-1-") && strings.HasPrefix(place, "cn=foreignsecurityprincipals,")
}

func (v *resolver) grow() {
	for len(v.verdicts) < len(v.groups.names) {
		v.verdicts = append(v.verdicts, 0)
	}
}

// look reads what the references name, and what groups found so refer to, until
// nothing new turns up.
func (v *resolver) look(ctx context.Context) {
	for from := 0; from < len(v.groups.names); {
		to := len(v.groups.names)
		open := v.open(from, to)
		now := min(len(open), v.source.lookUps-v.looks)
		v.looks += now
		v.beyond += len(open) - now
		v.lookAt(ctx, open[:now])
		v.readRanges(ctx)
		from = to
	}
}

// open lists the names among these that are not settled yet, those outside the bases
// of the users first.
func (v *resolver) open(from, to int) []uint32 {
	v.grow()
	var outside, inside []uint32
	for i := from; i < to; i++ {
		n := uint32(i)
		v.verdicts[n] = nobody
		name := v.groups.names[n]
		if _, group, _ := v.groupOf(n); group || v.layout.ad && isForeign(name) {
			continue
		}
		if dn.Within(name, v.bases) {
			inside = append(inside, n)
		} else {
			outside = append(outside, n)
		}
	}
	byName := func(a, b uint32) int { return strings.Compare(v.groups.names[a], v.groups.names[b]) }
	slices.SortFunc(outside, byName)
	slices.SortFunc(inside, byName)
	return append(outside, inside...)
}

// lookAt reads entries, many at once. A group joins the snapshot, unlisted; anything
// else stays nobody.
func (v *resolver) lookAt(ctx context.Context, open []uint32) {
	if len(open) == 0 {
		return
	}
	names := make([]string, len(open))
	for i, n := range open {
		names[i] = v.groups.names[n]
	}
	attributes := append(v.layout.groupAttributes(), "objectClass")
	answered := 0
	failed := func(i int, err error) {
		v.verdicts[open[i]] = unread
		v.fail(searchError(ctx, v.session.server, "look at member", "groups", names[i], err))
	}
	err := v.session.looks(ctx, names, func(int) []string { return attributes }, func(i int, e *wire.Entry, err error) {
		answered++
		if err == nil && e != nil && v.layout.isGroup(e) {
			err = v.found(open[i], e)
		}
		if err != nil {
			failed(i, err)
		}
	})
	if err == nil {
		return
	}
	for i := answered; i < len(open); i++ {
		failed(i, err)
	}
	v.session.giveUp(err)
}

// found takes in a group that another one contains. The name by which that one knows it
// may differ from the one it gives itself.
func (v *resolver) found(n uint32, e *wire.Entry) error {
	at, err := v.addGroup(e, true)
	if err != nil {
		return v.failure(fault.Incomplete, "look at member", "correct this entry", "%w", err)
	}
	if v.snapshot.Groups[at].DN != v.groups.names[n] {
		v.groups.alias[n] = at
	}
	return nil
}

// groupClasses are the object classes of groups.
func groupClasses() []string {
	return []string{"group", "groupOfNames", "groupOfUniqueNames", "groupOfMembers", "posixGroup", "ipaUserGroup"}
}

// isGroup reports whether an entry that a group contains is a group itself.
func (l *layout) isGroup(e *wire.Entry) bool {
	for i := range e.Attributes {
		name, _ := e.Attributes[i].Base()
		if slices.ContainsFunc(l.groups.Members, func(m string) bool { return wire.EqualFold(name, m) }) {
			return true
		}
	}
	classes := e.Find("objectClass")
	if classes == nil {
		return false
	}
	for class := range classes.Values() {
		if slices.ContainsFunc(groupClasses(), func(known string) bool { return strings.EqualFold(known, string(class)) }) {
			return true
		}
	}
	return false
}

// joinPrimary adds users to their primary group in Active Directory. Without the
// whole list of users no group's members are known there, because anybody who is
// missing may be in any group by this.
func (r *reader) joinPrimary() {
	if !r.layout.ad {
		return
	}
	groups := make([]int, len(r.users.keys)+1)
	for key, n := range r.users.keys {
		groups[n] = -1
		if at, ok := r.groups.tokens[key]; ok {
			groups[n] = int(at)
		}
	}
	for i, n := range r.users.primary {
		if n != 0 && groups[n] >= 0 {
			g := &r.snapshot.Groups[groups[n]]
			g.Direct = append(g.Direct, uint32(i))
		}
	}
	if !r.snapshot.UsersListed {
		r.noMembersKnown()
	}
}
