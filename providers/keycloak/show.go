package keycloak

import (
	"fmt"
	"maps"
	"slices"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
)

// snapshot puts together what was read, and adds the errors of single lists to those of the
// read.
func (r *reading) snapshot() *directory.Snapshot {
	a := &directory.Assembly{Snapshot: directory.Snapshot{AsOf: r.asOf, UsersListed: r.usersListed, GroupsListed: r.groupsListed && (r.roles == nil || r.roles.listed)}}
	for _, id := range slices.Sorted(maps.Keys(r.users)) {
		a.User(r.s.config.user(r.users[id]))
	}
	for _, id := range slices.Sorted(maps.Keys(r.missing)) {
		r.errs = append(r.errs, r.missing[id])
	}
	for _, id := range slices.Sorted(maps.Keys(r.groups)) {
		g := r.groups[id].group()
		g.Unlisted = !r.s.config.includes(Groups)
		a.Group(g)
		// Whoever is below a group whose sub-groups could not be read counts here, unseen.
		r.show(a, id, id, r.s.config.Inherit && r.missing[id] != nil)
	}
	if r.s.config.Inherit {
		for id, groups := range r.above {
			for above := range groups {
				r.below(a, above, id)
			}
		}
	}
	if r.roles != nil {
		r.showRoles(a)
	}
	s := a.Close(true)
	s.Requests, _ = r.session.Spent()
	if len(r.errs) > 0 {
		s.Reason = nothing(r.asOf, r.errs[0]).Reason
		if more := len(r.errs) - 1; more > 0 {
			s.Reason += fmt.Sprintf(", and %d more errors", more)
		}
	}
	return s
}

// below makes the members of one group members of another.
func (r *reading) below(a *directory.Assembly, above, id string) {
	if a.HasGroup(id) && a.HasGroup(above) {
		a.Member(above, directory.Ref{ID: id, Kind: directory.GroupMember})
	}
}

// show gives a group the people of a list. doubt says that there may be more.
func (r *reading) show(a *directory.Assembly, group, id string, doubt bool) {
	l := r.lists[id]
	if l == nil {
		l = &list{err: r.s.fail(fault.Incomplete, "read members", "", "the read ended before the members of a group were read")}
	}
	for _, person := range slices.Sorted(maps.Keys(l.people)) {
		_, known := r.users[person]
		if known || !r.nobody[person] && !l.people[person].serviceAccount() {
			a.Member(group, directory.Ref{ID: person, Kind: directory.UserMember})
		}
	}
	switch {
	case l.err != nil:
		r.errs = append(r.errs, l.err)
	case !doubt:
		a.Known(group)
	}
}

// showRoles shows the roles as groups of everybody who has them: given to the person, to a
// group of theirs or above it, or contained in another role that they have.
func (r *reading) showRoles(a *directory.Assembly) {
	for _, id := range r.roles.wanted {
		a.Group(r.roles.roles[id].group())
	}
	children := map[string][]string{}
	for id, groups := range r.above {
		for above := range groups {
			children[above] = append(children[above], id)
		}
	}
	for _, id := range r.roles.wanted {
		doubt := false
		for group := range within(children, r.roles.held[id]) {
			doubt = doubt || r.missing[group] != nil
			r.below(a, roleID(id), group)
		}
		r.show(a, roleID(id), roleID(id), doubt)
		for above := range r.roles.inside[id] {
			r.below(a, roleID(id), roleID(above))
		}
	}
}

// within gives groups and everything below them: sub-groups have the roles of those above.
func within(children map[string][]string, groups map[string]bool) map[string]bool {
	all := map[string]bool{}
	next := slices.Collect(maps.Keys(groups))
	for ; len(next) > 0; next = next[1:] {
		if !all[next[0]] {
			all[next[0]] = true
			next = append(next, children[next[0]]...)
		}
	}
	return all
}

// remembered gives who was in what at the latest reads, and whether that is all: else a read
// cannot tell who left.
func (s *source) remembered() (last map[string]map[string]bool, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last = make(map[string]map[string]bool, len(s.last))
	for id, people := range s.last {
		last[id] = maps.Clone(people) // Look-ups go on while a read compares.
	}
	return last, s.all
}

// remember keeps who is in what, until the next read. Lists that were not read keep whom they
// had.
func (s *source) remember(r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, whole := make(map[string]map[string]bool, len(r.lists)), r.groupsListed
	for id, l := range r.lists {
		if l.err != nil {
			whole = false
			if people := s.last[id]; people != nil {
				last[id] = people
			}
			continue
		}
		last[id] = make(map[string]bool, len(l.people))
		for person := range l.people {
			last[id][person] = true
		}
	}
	if !r.groupsListed {
		for id, people := range s.last {
			if last[id] == nil {
				last[id] = people
			}
		}
	}
	s.last, s.all = last, s.all || whole
}

// note remembers that somebody was seen in groups, so that the next read misses them there.
func (s *source) note(person string, groups []groupRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range groups {
		if s.last[g.ID] == nil && s.last != nil {
			s.last[g.ID] = map[string]bool{}
		}
		if people := s.last[g.ID]; people != nil {
			people[person] = true
		}
	}
}
