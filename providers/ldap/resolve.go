package ldap

import (
	"context"
	"slices"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/dn"
)

// verdict is what looking at one reference gave.
type verdict int

const (
	nobody verdict = iota + 1 // neither a user of ours nor a group
	unread                    // the look failed
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
	verdicts map[string]verdict
	looks    int
	beyond   int
}

// resolve turns the pending references into children and unresolved ones.
func (r *reader) resolve(ctx context.Context) {
	v := &resolver{reader: r, bases: dn.NormalAll(r.layout.users.Base), verdicts: map[string]verdict{}}
	complete := r.snapshot.UsersListed && r.snapshot.GroupsListed
	if complete && r.layout.nested {
		v.look(ctx)
	}
	for at := range r.snapshot.Groups {
		g := &r.snapshot.Groups[at]
		for _, dn := range r.pending[at] {
			if child, ok := r.groupByDN[dn]; ok {
				g.Children = append(g.Children, child)
				continue
			}
			g.Unresolved = append(g.Unresolved, dn)
			if v.verdicts[dn] == unread {
				g.MembersKnown = false
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
	r.joinPrimary()
	if v.beyond > 0 {
		r.source.logger.Warn("more member references than are looked at name no user or group", "source", r.source.name, "looked", v.looks, "beyond", v.beyond)
	}
}

// look reads what the references name, and what groups found so contain, until
// nothing new turns up.
func (v *resolver) look(ctx context.Context) {
	for from := 0; from < len(v.snapshot.Groups); {
		to := len(v.snapshot.Groups)
		for _, dn := range v.open(from, to) {
			if v.looks == v.source.lookUps {
				v.beyond++
				continue
			}
			v.looks++
			if err := v.lookAt(ctx, dn); err != nil {
				v.verdicts[dn] = unread
				v.fail(searchError(ctx, v.session.server, "look at member", "groups", dn, err))
			}
		}
		v.readRanges(ctx)
		from = to
	}
}

// open lists the references of some groups that are not settled yet, those outside
// the bases of the users first.
func (v *resolver) open(from, to int) []string {
	var outside, inside []string
	for _, refs := range v.pending[from:to] {
		for _, ref := range refs {
			if _, group := v.groupByDN[ref]; group || v.verdicts[ref] != 0 {
				continue
			}
			v.verdicts[ref] = nobody
			if dn.Within(ref, v.bases) {
				inside = append(inside, ref)
			} else {
				outside = append(outside, ref)
			}
		}
	}
	slices.Sort(outside)
	slices.Sort(inside)
	return append(outside, inside...)
}

// lookAt reads one entry. A group joins the snapshot, unlisted; anything else stays
// nobody.
func (v *resolver) lookAt(ctx context.Context, dn string) error {
	e, err := v.session.entry(ctx, dn, "(objectClass=*)", append(v.layout.groupAttributes(), "objectClass"))
	if err != nil || e == nil || !v.layout.isGroup(e) {
		return err
	}
	at, err := v.addGroup(e, true)
	if err != nil {
		return v.failure(fault.Incomplete, "look at member", "correct this entry", "%w", err)
	}
	v.groupByDN[dn] = at
	return nil
}

// isGroup reports whether an entry that a group contains is a group itself.
func (l *layout) isGroup(e *ldap.Entry) bool {
	for _, a := range e.Attributes {
		name, _, _ := strings.Cut(a.Name, ";")
		if slices.ContainsFunc(l.groups.Members, func(m string) bool { return strings.EqualFold(m, name) }) {
			return true
		}
	}
	for _, class := range e.GetEqualFoldAttributeValues("objectClass") {
		switch strings.ToLower(class) {
		case "group", "groupofnames", "groupofuniquenames", "groupofmembers", "posixgroup", "ipausergroup":
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
	for i, key := range r.primary {
		if at, ok := r.tokens[key]; ok && key != "" {
			r.snapshot.Groups[at].Direct = append(r.snapshot.Groups[at].Direct, uint32(i))
		}
	}
	if !r.snapshot.UsersListed {
		for i := range r.snapshot.Groups {
			r.snapshot.Groups[i].MembersKnown = false
		}
	}
}
