package keycloak

import (
	"context"
	"net/url"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// readMembers reads the members of groups. A failure concerns that group alone.
func (r *reading) readMembers(ctx context.Context, groups []string) {
	slices.Sort(groups)
	parallel(ctx, r.s.config.Parallel, groups, func(ctx context.Context, id string) {
		people, pages, err := rows[userRow](ctx, r, "read members", "", "/groups/"+url.PathEscape(id)+"/members", true)
		r.keep(id, people, pages, err)
		r.report("member lists", 1)
	})
}

// keep unites what one look at a list showed with what others did: somebody who left
// meanwhile stays until the next read, and nobody is lost who was moved.
func (r *reading) keep(id string, people []userRow, pages int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lists[id]
	if l == nil {
		l = &list{people: map[string]userRow{}}
		r.lists[id] = l
	}
	for _, u := range people {
		l.people[u.ID] = u
	}
	l.pages = max(l.pages, pages)
	if err != nil {
		l.err = err
	}
}

// add puts somebody into a list who was found elsewhere to be in it.
func (r *reading) add(id string, u userRow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lists[id]; l != nil {
		l.people[u.ID] = u
	}
}

// leavers are those who were in a list at the latest read and are in none of that name now.
func (r *reading) leavers(last map[string]map[string]bool) map[string]bool {
	out := map[string]bool{}
	for id, people := range last {
		now := r.lists[id]
		if now == nil || now.err != nil {
			continue // The group is gone, or nothing is claimed of it.
		}
		for person := range people {
			if _, in := now.people[person]; !in {
				out[person] = true
			}
		}
	}
	return out
}

// ask asks for the groups and roles of people of whom a list may be wrong, and adds them
// where they are. Whoever moved from one group to another while we read is in neither list,
// when the first was read late and the second early. Without an answer, nothing that the
// person might be in is claimed.
func (r *reading) ask(ctx context.Context, people map[string]bool, doubt func(error)) {
	var ids []string
	for id := range people {
		if _, there := r.users[id]; there {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	parallel(ctx, r.s.config.Parallel, ids, func(ctx context.Context, id string) {
		in, err := r.s.listsOf(ctx, r.session, id, r.roles)
		if fault.KindOf(err) == fault.NotFound {
			return // Deleted meanwhile; the lists will show it next time.
		}
		if err != nil {
			doubt(err)
			return
		}
		for _, l := range in {
			r.add(l, r.users[id])
		}
	})
	if ctx.Err() != nil {
		doubt(r.s.begin(ctx, "look at people"))
	}
}

// listsOf gives the lists that somebody is directly in: groups by their ids, and roles.
func (s *source) listsOf(ctx context.Context, session *httpx.Session, user string, roles *roleReading) ([]string, error) {
	groups, err := s.groupsOf(ctx, session, user)
	if err != nil {
		return nil, err
	}
	var in []string
	for _, g := range groups {
		in = append(in, g.ID)
	}
	if roles == nil {
		return in, nil
	}
	var mapped struct {
		Realm   []roleRow `json:"realmMappings"`
		Clients map[string]struct {
			Roles []roleRow `json:"mappings"`
		} `json:"clientMappings"`
	}
	if err := s.get(ctx, session, "read roles of a user", "/users/"+url.PathEscape(user)+"/role-mappings", nil, &mapped); err != nil {
		return nil, err
	}
	for _, role := range mapped.Realm {
		in = append(in, roleID(role.ID))
	}
	for _, client := range mapped.Clients {
		for _, role := range client.Roles {
			in = append(in, roleID(role.ID))
		}
	}
	return in, nil
}

// groupsOf gives the groups that somebody is directly in. More than one page is read until two
// walks show the same: names are not unique in this list, and the server's count of it has
// groups of organizations that the list has not.
func (s *source) groupsOf(ctx context.Context, session *httpx.Session, user string) ([]groupRow, error) {
	const op = "read groups of a user"
	var before []string
	for range rounds {
		groups, pages, err := walk(max(defaultPageSize, s.config.PageSize), func(first, most int) ([]groupRow, error) {
			var part []groupRow
			err := s.get(ctx, session, op, "/users/"+url.PathEscape(user)+"/groups", page(first, most, true), &part)
			if err == nil && part == nil {
				err = s.fail(fault.Incomplete, op, "", "%w", errNull)
			}
			return part, err
		})
		if err != nil && fault.KindOf(err) == 0 {
			err = s.fail(fault.Incomplete, op, "", "%w", err)
		}
		if err != nil || pages == 1 {
			return groups, err
		}
		var ids []string
		for _, g := range groups {
			ids = append(ids, g.ID)
		}
		slices.Sort(ids)
		if slices.Equal(ids, before) {
			return groups, nil
		}
		before = ids
	}
	return nil, s.fail(fault.Incomplete, op, "", "%w", errMoving)
}
