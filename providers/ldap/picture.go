package ldap

import (
	"context"
	"maps"
	"slices"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/providers/ldap/dn"
)

// picture is a picture of the directory with changes being applied to it. Users and
// groups keep their places until the end; those that are gone are dead until then.
type picture struct {
	*differ
	usersNow  []directory.User
	groupsNow []directory.Group
	deadUser  []bool
	deadGroup []bool

	userAt, groupAt map[string]uint32 // by id
	userByDN        map[string]uint32
	userByName      map[string]uint32 // by folded username, where members are named so
	groupByDN       map[string]uint32

	// moved mark users and groups whose name in references is another one now, hard
	// where the references to them do not follow by themselves.
	movedUser, movedGroup map[uint32]bool
	// names are DNs and folded usernames that somebody has now and nobody had.
	names map[string]bool
	// entered are the DNs of entries that were not listed before.
	entered []string

	// joins are the entries of groups whose members are joined anew.
	joins   map[uint32]*ldap.Entry
	pending map[uint32][]string
	// settled are references that are known to name nobody.
	settled map[string]bool
	looked  map[string]uint32
	looks   int

	// keys are the primary groups by user id, tokens the groups by key.
	keys   map[string]string
	tokens map[string]string
}

// ambiguous marks a username that stands for two users.
const ambiguous = ^uint32(0)

// noGroup is what looking at a reference gives when it names no group.
const noGroup = ^uint32(0)

func newPicture(d *differ) *picture {
	p := &picture{differ: d, usersNow: slices.Clone(d.base.Users), groupsNow: slices.Clone(d.base.Groups),
		userAt: make(map[string]uint32, len(d.base.Users)), groupAt: make(map[string]uint32, len(d.base.Groups)),
		movedUser: map[uint32]bool{}, movedGroup: map[uint32]bool{}, names: map[string]bool{},
		joins: map[uint32]*ldap.Entry{}, pending: map[uint32][]string{}, settled: map[string]bool{}, looked: map[string]uint32{}, tokens: map[string]string{}}
	p.deadUser, p.deadGroup = make([]bool, len(p.usersNow)), make([]bool, len(p.groupsNow))
	for i := range p.usersNow {
		p.userAt[p.usersNow[i].ID] = uint32(i)
	}
	for i := range p.groupsNow {
		p.groupAt[p.groupsNow[i].ID] = uint32(i)
	}
	return p
}

// build applies everything that changed.
func (p *picture) build(ctx context.Context, next *cursor) (*directory.Snapshot, error) {
	for _, step := range []func(context.Context) error{p.applyUsers, p.applyGroups, p.readUnlisted, p.index, p.readAgain, p.join, p.resolve} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.joinPrimary(next); err != nil {
		return nil, err
	}
	if err := p.readStatus(ctx); err != nil {
		return nil, err
	}
	p.prune()
	s := p.compact()
	s.Close(p.layout.nested)
	if s.Coverage() != directory.Full {
		return nil, needFull("the changes leave a doubt about members")
	}
	return s, nil
}

// byNames reports whether groups name users by their usernames.
func (l *layout) byNames() bool { return slices.ContainsFunc(l.groups.Members, byUsername) }

func (p *picture) applyUsers(context.Context) error {
	p.keys = map[string]string{}
	if p.layout.ad {
		if p.from.Primary == nil {
			return needFull("the cursor does not know the primary groups")
		}
		p.keys = p.from.Primary.keys(slices.Collect(maps.Keys(p.userAt)))
	}
	for id := range p.users.gone {
		at := p.userAt[id]
		p.deadUser[at] = true
		delete(p.userAt, id)
		delete(p.keys, id)
	}
	for _, id := range slices.Sorted(maps.Keys(p.users.entries)) {
		if err := p.applyUser(id, p.users.entries[id]); err != nil {
			return err
		}
	}
	return nil
}

func (p *picture) applyUser(id string, e *ldap.Entry) error {
	u, err := p.shownUser(e)
	if err != nil {
		return needFull("%q: %w", e.DN, err)
	}
	if p.layout.ad {
		p.keys[id] = primaryKey(e, u.DN)
	}
	at, known := p.userAt[id]
	if !known {
		p.userAt[id] = uint32(len(p.usersNow))
		p.usersNow, p.deadUser = append(p.usersNow, u), append(p.deadUser, false)
		p.enter(e.DN, u.DN, u.Username)
		return nil
	}
	old := &p.usersNow[at]
	if old.DN != u.DN {
		p.enter(e.DN, u.DN, "")
		p.movedUser[at] = p.movedUser[at] || !p.layout.ad
	}
	if p.layout.byNames() && dn.Fold(old.Username) != dn.Fold(u.Username) {
		p.names[dn.Fold(u.Username)] = true
		p.movedUser[at] = true
	}
	if p.layout.users.Disabled != "" {
		u.Disabled = old.Disabled
	}
	*old = u
	return nil
}

// primaryKey is what finds the primary group of a user.
func primaryKey(e *ldap.Entry, name string) string {
	if rid := first(e, "primaryGroupID"); rid != "" {
		return rid + " " + dn.Domain(name)
	}
	return ""
}

// enter notes a name that somebody has now.
func (p *picture) enter(spelled, name, username string) {
	p.entered = append(p.entered, spelled)
	p.names[name] = true
	if username != "" && p.layout.byNames() {
		p.names[dn.Fold(username)] = true
	}
}

func (p *picture) applyGroups(context.Context) error {
	for id := range p.groups.gone {
		p.deadGroup[p.groupAt[id]] = true
		delete(p.groupAt, id)
	}
	for _, id := range slices.Sorted(maps.Keys(p.groups.entries)) {
		if _, err := p.applyGroup(id, p.groups.entries[id], false); err != nil {
			return err
		}
	}
	return nil
}

// applyGroup takes a group as it is now. Its members are joined later, when all names
// are known.
func (p *picture) applyGroup(id string, e *ldap.Entry, unlisted bool) (uint32, error) {
	g, err := p.shownGroup(e)
	if err != nil {
		return noGroup, needFull("%w", err)
	}
	g.Unlisted, g.MembersKnown = unlisted, true
	at, known := p.groupAt[id]
	if !known {
		at = uint32(len(p.groupsNow))
		p.groupAt[id] = at
		p.groupsNow, p.deadGroup = append(p.groupsNow, g), append(p.deadGroup, false)
		p.enter(e.DN, g.DN, "")
	} else {
		if old := &p.groupsNow[at]; old.DN != g.DN {
			p.enter(e.DN, g.DN, "")
			p.movedGroup[at] = p.movedGroup[at] || !p.layout.ad
		}
		p.groupsNow[at] = g
	}
	p.joins[at] = e
	if token := first(e, "primaryGroupToken"); token != "" {
		p.tokens[token+" "+dn.Domain(g.DN)] = id
	}
	return at, nil
}

// readUnlisted reads the nested groups outside the bases, whose changes the bases do
// not show.
func (p *picture) readUnlisted(ctx context.Context) error {
	var ids []string
	for i := range p.groupsNow {
		if g := &p.groupsNow[i]; g.Unlisted && !p.deadGroup[i] {
			ids = append(ids, g.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	all := &block{name: "groups", bases: p.from.contexts(), filter: "(objectClass=*)", id: p.layout.groups.ID,
		asked: append(p.layout.groupAttributes(), "objectClass"), entries: map[string]*ldap.Entry{}}
	if err := p.fetch(ctx, all, ids); err != nil {
		return err
	}
	for _, id := range ids {
		at := p.groupAt[id]
		if e := all.entries[id]; e != nil && p.layout.isGroupEntry(e) {
			if _, err := p.applyGroup(id, e, true); err != nil {
				return err
			}
			continue
		}
		p.deadGroup[at] = true
		delete(p.groupAt, id)
	}
	return nil
}

// contexts are the naming contexts of the bases.
func (m *mark) contexts() []string {
	if m.Root != "" {
		return []string{m.Root}
	}
	return slices.Sorted(maps.Keys(m.Contexts))
}

// index finds users and groups by the names that references use. Two for one name are a
// doubt, unless nobody asks for it.
func (p *picture) index(context.Context) error {
	p.userByDN, p.groupByDN = make(map[string]uint32, len(p.usersNow)), make(map[string]uint32, len(p.groupsNow))
	if p.layout.byNames() {
		p.userByName = make(map[string]uint32, len(p.usersNow))
	}
	for i := range p.usersNow {
		if p.deadUser[i] {
			continue
		}
		u := &p.usersNow[i]
		if _, taken := p.userByDN[u.DN]; taken {
			return needFull("two users have the DN %q", u.DN)
		}
		p.userByDN[u.DN] = uint32(i)
		if p.userByName == nil || u.Username == "" {
			continue
		}
		name := dn.Fold(u.Username)
		if _, taken := p.userByName[name]; taken && p.names[name] {
			return needFull("two users have the username %q", u.Username)
		}
		if _, taken := p.userByName[name]; taken {
			p.userByName[name] = ambiguous
		} else {
			p.userByName[name] = uint32(i)
		}
	}
	for i := range p.groupsNow {
		if p.deadGroup[i] {
			continue
		}
		g := &p.groupsNow[i]
		if _, taken := p.groupByDN[g.DN]; taken {
			return needFull("two groups have the DN %q", g.DN)
		}
		p.groupByDN[g.DN] = uint32(i)
	}
	return nil
}

// prune drops nested groups outside the bases that no listed group leads to any more.
func (p *picture) prune() {
	reached := make([]bool, len(p.groupsNow))
	var open []uint32
	for i := range p.groupsNow {
		if !p.deadGroup[i] && !p.groupsNow[i].Unlisted {
			reached[i] = true
			open = append(open, uint32(i))
		}
	}
	for len(open) > 0 {
		g := &p.groupsNow[open[len(open)-1]]
		open = open[:len(open)-1]
		for _, c := range g.Children {
			if !p.deadGroup[c] && !reached[c] {
				reached[c] = true
				open = append(open, c)
			}
		}
	}
	for i := range p.groupsNow {
		p.deadGroup[i] = p.deadGroup[i] || !reached[i]
	}
}

// compact leaves out the dead and numbers the others anew. Nothing in it is shared with
// the picture of before that could be changed.
func (p *picture) compact() *directory.Snapshot {
	s := &directory.Snapshot{AsOf: p.asOf, UsersListed: true, GroupsListed: true, Scope: p.base.Scope, Delta: true, Replicated: p.layout.ad}
	users, groups := numbers(p.deadUser), numbers(p.deadGroup)
	// The list of users is our own, and mostly nobody has gone: it is not copied again.
	s.Users = p.usersNow
	if slices.Contains(p.deadUser, true) {
		s.Users = make([]directory.User, 0, len(p.usersNow))
		for i := range p.usersNow {
			if !p.deadUser[i] {
				s.Users = append(s.Users, p.usersNow[i])
			}
		}
	}
	for i := range s.Users {
		s.Users[i].StatusKnown = true
	}
	s.Groups = make([]directory.Group, 0, len(p.groupsNow))
	for i := range p.groupsNow {
		if p.deadGroup[i] {
			continue
		}
		g := p.groupsNow[i]
		g.Direct, g.Children, g.Members = renumber(g.Direct, users), renumber(g.Children, groups), nil
		g.Unresolved = slices.Compact(slices.Sorted(slices.Values(g.Unresolved)))
		g.MembersKnown = true
		s.Groups = append(s.Groups, g)
	}
	s.DeletedUsers = slices.DeleteFunc(slices.Clone(p.deletedUsers), func(id string) bool { _, live := p.userAt[id]; return live })
	s.DeletedGroups = slices.DeleteFunc(slices.Clone(p.deletedGroups), func(id string) bool { _, live := p.groupAt[id]; return live })
	return s
}

// gap is the number of a dead entry.
const gap = ^uint32(0)

func numbers(dead []bool) []uint32 {
	all := make([]uint32, len(dead))
	n := uint32(0)
	for i := range dead {
		if all[i] = gap; !dead[i] {
			all[i] = n
			n++
		}
	}
	return all
}

func renumber(list, numbers []uint32) []uint32 {
	if len(list) == 0 {
		return nil
	}
	out := make([]uint32, 0, len(list))
	for _, at := range list {
		if n := numbers[at]; n != gap {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// readStatus finds out who is disabled now: by the configured filter, or in Active
// Directory whose account expired since the last read.
func (p *picture) readStatus(ctx context.Context) error {
	l := p.layout
	switch {
	case l.users.Disabled != "":
		for i := range p.usersNow {
			p.usersNow[i].Disabled = false
		}
		return p.disable(ctx, l.users.Disabled)
	case l.ad:
		return p.disable(ctx, "(&(accountExpires>="+fileTicks(p.from.At.Add(-clockSkew))+")(accountExpires<="+fileTicks(p.asOf)+"))")
	}
	return nil
}

func (p *picture) disable(ctx context.Context, filter string) error {
	for _, base := range p.users.bases {
		q := query{base, ldap.ScopeWholeSubtree, and(p.users.filter, filter), []string{p.users.id}}
		err := p.search(ctx, "users", q, func(e *ldap.Entry) error {
			id, err := idOf(e, p.users.id)
			if at, ok := p.userAt[id]; ok && err == nil {
				p.usersNow[at].Disabled = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// joinPrimary puts users into their primary groups. A group that was read anew has only
// its own members so far; the others have their primary users already, less whoever
// changed.
func (p *picture) joinPrimary(next *cursor) error {
	if !p.layout.ad {
		return nil
	}
	before := p.from.Primary.keys(nil)
	was := func(id string) (string, bool) {
		if _, known := p.users.known[id]; !known {
			return "", false
		}
		if key, other := before[id]; other {
			return key, true
		}
		return p.from.Primary.Most, true
	}
	groupOf := func(key string) (uint32, bool) {
		id := p.from.Primary.Groups[key]
		if now, ok := p.tokens[key]; ok {
			id = now
		}
		at, live := p.groupAt[id]
		return at, live && id != ""
	}
	for id, key := range p.keys {
		at := p.userAt[id]
		old, known := was(id)
		if _, told := p.from.Primary.Groups[key]; !told && p.tokens[key] == "" && key != "" {
			return needFull("the primary group of %q was nobody's before", p.usersNow[at].DN)
		}
		if known && old != key {
			if g, ok := groupOf(old); ok && p.joins[g] == nil {
				p.groupsNow[g].Direct = without(p.groupsNow[g].Direct, at)
			}
		}
		if g, ok := groupOf(key); ok && (!known || old != key || p.joins[g] != nil) {
			p.groupsNow[g].Direct = append(slices.Clip(p.groupsNow[g].Direct), at)
		}
	}
	next.Primary = newPrimaries(p.keys, func(key string) string {
		if g, ok := groupOf(key); ok {
			return p.groupsNow[g].ID
		}
		return ""
	})
	if next.Primary == nil {
		return needFull("too many users have primary groups of their own")
	}
	return nil
}

// without gives a copy that leaves one out.
func without(list []uint32, one uint32) []uint32 {
	return slices.DeleteFunc(slices.Clone(list), func(x uint32) bool { return x == one })
}

// searchNames builds the filter that finds the groups naming one of these DNs.
func (l *layout) searchNames(dns []string) string {
	var either strings.Builder
	for _, attribute := range l.groups.Members {
		if byUsername(attribute) {
			continue
		}
		for _, one := range dns {
			either.WriteString("(" + attribute + "=" + ldap.EscapeFilter(one) + ")")
		}
	}
	if either.Len() == 0 {
		return ""
	}
	return "(|" + either.String() + ")"
}
