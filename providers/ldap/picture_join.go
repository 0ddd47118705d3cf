package ldap

import (
	"context"
	"maps"
	"slices"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/providers/ldap/dn"
)

// readAgain reads the groups whose references may mean somebody else now: those that
// name somebody who has another name or is gone, those with a reference that names
// somebody now, and those that the server says name whoever entered. The texts of
// references follow renamed entries without a trace on some servers.
func (p *picture) readAgain(ctx context.Context) error {
	again := map[string]bool{}
	for i := range p.groupsNow {
		at := uint32(i)
		if p.deadGroup[i] || p.joins[at] != nil {
			continue
		}
		if p.doubtful(at) || !p.applyLinks(at) {
			again[p.groupsNow[i].ID] = true
		}
	}
	if err := p.findNaming(ctx, again); err != nil {
		return err
	}
	if len(again) > maxAgain {
		return needFull("%d groups name somebody who has another name now", len(again))
	}
	fresh := &block{name: "groups", bases: p.groups.bases, filter: p.groups.filter, id: p.groups.id, asked: p.groups.asked, entries: map[string]*ldap.Entry{}}
	ids := slices.Sorted(maps.Keys(again))
	if err := p.fetch(ctx, fresh, ids); err != nil {
		return err
	}
	for _, id := range ids {
		e := fresh.entries[id]
		switch at, known := p.groupAt[id]; {
		case e == nil || known && dn.Normal(e.DN) != p.groupsNow[at].DN:
			return needFull("a group went or moved while the changes were read")
		case !known:
			return needFull("a group came while the changes were read")
		default:
			if _, err := p.applyGroup(id, e, false); err != nil {
				return err
			}
			p.pending[at] = nil
		}
	}
	return nil
}

// doubtful reports whether a group names somebody whose name means somebody else now.
func (p *picture) doubtful(at uint32) bool {
	g := &p.groupsNow[at]
	for _, u := range g.Direct {
		if p.movedUser[u] || p.deadUser[u] && !p.unlinked(p.deletedUsers, p.usersNow[u].ID) {
			return true
		}
	}
	for _, c := range g.Children {
		if p.movedGroup[c] || p.deadGroup[c] && !p.unlinked(p.deletedGroups, p.groupsNow[c].ID) {
			return true
		}
	}
	if len(p.names)+len(p.outside) == 0 {
		return false
	}
	return slices.ContainsFunc(g.Unresolved, func(ref string) bool {
		return p.names[ref] || p.outside[ref] || p.layout.byNames() && p.names[dn.Fold(ref)]
	})
}

// unlinked reports whether Active Directory took all links away with a deleted entry.
func (p *picture) unlinked(deleted []string, id string) bool {
	return p.layout.ad && slices.Contains(deleted, id)
}

// findNaming asks the server which groups name the entries that entered or moved.
func (p *picture) findNaming(ctx context.Context, again map[string]bool) error {
	for batch := range slices.Chunk(p.entered, idBatch/2) {
		naming := p.layout.searchNames(batch)
		if naming == "" {
			return nil
		}
		for _, base := range p.groups.bases {
			err := p.search(ctx, "groups", query{base, ldap.ScopeWholeSubtree, and(p.groups.filter, naming), []string{p.groups.id}}, func(e *ldap.Entry) error {
				id, err := idOf(e, p.groups.id)
				if err != nil {
					return needFull("%w", err)
				}
				if at, known := p.groupAt[id]; !known || p.joins[at] == nil {
					again[id] = true
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// applyLinks applies the members that a group got and lost. It gives false when one of
// them cannot be placed.
func (p *picture) applyLinks(at uint32) bool {
	g := &p.groupsNow[at]
	l := p.links[g.ID]
	if l == nil {
		return true
	}
	direct, children, unresolved := slices.Clone(g.Direct), slices.Clone(g.Children), slices.Clone(g.Unresolved)
	for _, value := range l.removed {
		name := dn.Reference(value)
		if u, ok := p.userByDN[name]; ok && slices.Contains(direct, u) {
			direct = without(direct, u)
		} else if c, ok := p.groupByDN[name]; ok && slices.Contains(children, c) {
			children = without(children, c)
		} else if i := slices.Index(unresolved, name); i >= 0 {
			unresolved = slices.Delete(unresolved, i, i+1)
		} else {
			return false
		}
	}
	for _, value := range l.added {
		name := dn.Reference(value)
		if u, ok := p.userByDN[name]; ok {
			direct = append(direct, u)
		} else {
			p.pending[at] = append(p.pending[at], name)
		}
	}
	g.Direct, g.Children, g.Unresolved = direct, children, unresolved
	return true
}

// join joins the references of the groups that were read with the users.
func (p *picture) join(ctx context.Context) error {
	for _, at := range slices.Sorted(maps.Keys(p.joins)) {
		if !p.deadGroup[at] {
			if err := p.joinGroup(ctx, at, p.joins[at]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *picture) joinGroup(ctx context.Context, at uint32, e *ldap.Entry) error {
	p.groupsNow[at].Direct, p.groupsNow[at].Children, p.groupsNow[at].Unresolved = nil, nil, nil
	p.pending[at] = nil
	for _, a := range e.Attributes {
		name, option, _ := strings.Cut(a.Name, ";")
		i := slices.IndexFunc(p.layout.groups.Members, func(m string) bool { return strings.EqualFold(m, name) })
		if i < 0 {
			continue
		}
		attribute, values := p.layout.groups.Members[i], a.Values
		if strings.HasPrefix(strings.ToLower(option), "range=") {
			var err error
			if values, err = p.ranged(ctx, e.DN, attribute); err != nil {
				return p.problem(ctx, "read members", "groups", e.DN, err)
			}
		}
		for _, value := range values {
			if err := p.joinMember(at, attribute, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *picture) joinMember(at uint32, attribute, value string) error {
	g := &p.groupsNow[at]
	if byUsername(attribute) {
		switch u, ok := p.userByName[dn.Fold(value)]; {
		case !ok:
			g.Unresolved = append(g.Unresolved, value)
		case u == ambiguous:
			return needFull("group %q has the member %q, which names several users", g.DN, value)
		default:
			g.Direct = append(g.Direct, u)
		}
		return nil
	}
	name := dn.Reference(value)
	if u, ok := p.userByDN[name]; ok {
		g.Direct = append(g.Direct, u)
		return nil
	}
	p.pending[at] = append(p.pending[at], name)
	return nil
}

// resolve finds out what the other references name: listed groups, groups outside the
// bases, or nobody. What named nobody before and did not change names nobody now.
func (p *picture) resolve(ctx context.Context) error {
	for i := range p.base.Groups {
		for _, ref := range p.base.Groups[i].Unresolved {
			if !p.outside[ref] && !p.names[ref] {
				p.settled[ref] = true
			}
		}
	}
	for len(p.pending) > 0 {
		open := p.pending
		p.pending = map[uint32][]string{}
		for _, at := range slices.Sorted(maps.Keys(open)) {
			refs := open[at]
			slices.Sort(refs)
			for _, name := range slices.Compact(refs) {
				child, err := p.look(ctx, name)
				if err != nil {
					return err
				}
				if g := &p.groupsNow[at]; child == noGroup {
					g.Unresolved = append(slices.Clip(g.Unresolved), name)
				} else {
					g.Children = append(slices.Clip(g.Children), child)
				}
			}
		}
	}
	return nil
}

// look finds the group that a reference names.
func (p *picture) look(ctx context.Context, name string) (uint32, error) {
	if at, ok := p.groupByDN[name]; ok {
		return at, nil
	}
	if at, ok := p.looked[name]; ok {
		return at, nil
	}
	p.looked[name] = noGroup
	if p.settled[name] || p.looks >= p.source.lookUps || p.layout.ad && isForeign(name) {
		return noGroup, nil
	}
	p.looks++
	e, err := p.session.entry(ctx, name, "(objectClass=*)", unique(append(p.layout.groupAttributes(), "objectClass", p.users.id)))
	if err != nil {
		return noGroup, p.problem(ctx, "look at member", "groups", name, err)
	}
	if e == nil {
		return noGroup, nil
	}
	if id, err := idOf(e, p.users.id); err == nil {
		if _, listed := p.userAt[id]; listed {
			return noGroup, needFull("%q was renamed while the changes were read", e.DN)
		}
	}
	if !p.layout.nested || !p.layout.isGroupEntry(e) {
		return noGroup, nil
	}
	id, err := idOf(e, p.groups.id)
	if err != nil {
		return noGroup, needFull("%w", err)
	}
	if at, ok := p.groupAt[id]; ok {
		p.looked[name] = at
		return at, nil
	}
	at, err := p.applyGroup(id, e, true)
	if err != nil {
		return noGroup, err
	}
	p.groupByDN[p.groupsNow[at].DN] = at
	p.looked[name] = at
	return at, p.joinGroup(ctx, at, e)
}
