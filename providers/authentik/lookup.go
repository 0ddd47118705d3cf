package authentik

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

const (
	// mostFound is how many users an answer to a question about one may have; more means that
	// the question was not understood.
	mostFound = 500
	// mostAbove is how many groups are climbed above those of one person.
	mostAbove = 2000
)

// LookUp reads one person and all groups that they count as members of.
func (s *source) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	a := directory.Assembly{Snapshot: directory.Snapshot{AsOf: s.now()}}
	r := s.reading()
	nothing := func(reason string, err error) (*directory.Snapshot, error) {
		if err != nil {
			reason = err.Error()
		}
		return &directory.Snapshot{AsOf: a.Snapshot.AsOf, Reason: reason, Requests: r.spent()}, err
	}
	if err := s.begin(ctx, "look up a person"); err != nil {
		return nothing("", err)
	}
	found, err := r.find(ctx, who)
	switch {
	case err != nil:
		return nothing("", err)
	case len(found) == 0:
		return nothing("authentik shows nobody of that id, mail address or user name", nil)
	case len(found) > 1:
		return nothing("authentik shows several people of that mail address or user name", nil)
	}
	u := &found[0]
	p := s.config.person(u)
	if p.ID == "" || u.Groups == nil {
		return nothing("", s.fail(fault.Invalid, "look up a person", "", "the answer lacks the uuid or the groups of the user %d", u.PK))
	}
	p.GroupsKnown = true
	a.User(p)
	if err := r.climb(ctx, &a, u, p.ID); err != nil {
		return nothing("", err)
	}
	a.Snapshot.Requests = r.spent()
	a.Snapshot.Reason = "one person was looked up"
	return a.Close(s.config.Nested), nil
}

// find gives the users that a name fits. Every filter is checked against what came: versions
// differ in which ones they know, and ignore the others.
func (r *reading) find(ctx context.Context, who directory.Person) ([]userRow, error) {
	switch c := &r.config; {
	case who.ID != "":
		if c.Users.ID == ByPK {
			return r.byPK(ctx, who.ID)
		}
		if !isUUID(who.ID) {
			return nil, nil
		}
		return r.filtered(ctx, url.Values{"uuid": {who.ID}}, func(u *userRow) bool { return strings.EqualFold(u.UUID, who.ID) })
	case who.Email != "":
		wanted := directory.FoldEmail(who.Email)
		return r.named(ctx, c.Users.Email, who.Email, func(v string) bool { return directory.FoldEmail(v) == wanted })
	case who.Username != "":
		return r.named(ctx, c.Users.Username, who.Username, func(v string) bool { return v == who.Username })
	}
	return nil, nil
}

// byPK reads the user of a number.
func (r *reading) byPK(ctx context.Context, id string) ([]userRow, error) {
	if n, err := strconv.ParseInt(id, 10, 64); err != nil || n <= 0 {
		return nil, nil
	}
	u, seen, err := one[userRow](ctx, r, "a user", "/core/users/"+id+"/", nil)
	if err != nil || !seen || u.id() != id || !r.config.counts(&u) {
		return nil, err
	}
	return []userRow{u}, nil
}

// named finds users by a field. Mail addresses are searched without regard to case, which no
// filter does; the search is a hint only, so whom it does not find is asked for exactly.
func (r *reading) named(ctx context.Context, field, text string, fits func(string) bool) ([]userRow, error) {
	match := func(u *userRow) bool { return slices.ContainsFunc(u.values(field), fits) }
	switch field {
	case "username", "name":
		return r.filtered(ctx, url.Values{field: {text}}, match)
	case "email":
		found, err := r.filtered(ctx, url.Values{"search": {text}}, match)
		if err != nil || len(found) > 0 {
			return found, err
		}
		return r.filtered(ctx, url.Values{"email": {text}}, match)
	}
	return r.byField(ctx, strings.TrimPrefix(field, "attributes."), text, match)
}

// byField finds users by a custom attribute.
func (r *reading) byField(ctx context.Context, field, text string, match func(*userRow) bool) ([]userRow, error) {
	filter, err := json.Marshal(map[string]string{strings.ReplaceAll(field, ".", "__"): text})
	if err != nil {
		return nil, r.fail(fault.Invalid, "look up a person", "", "%w", err)
	}
	return r.filtered(ctx, url.Values{"attributes": {string(filter)}}, match)
}

// filtered reads the users that a filter gives, of those types that count, and keeps those
// whom it should have given.
func (r *reading) filtered(ctx context.Context, query url.Values, match func(*userRow) bool) ([]userRow, error) {
	var found []userRow
	seen := map[int64]bool{}
	bound := httpx.Walk{Max: mostFound}
	for n := 1; n > 0; {
		if err := bound.Next(number(n)); err != nil {
			return nil, r.fail(fault.Invalid, "look up a person", "", "%w", err)
		}
		query.Set("ordering", "pk")
		query.Set("page_size", number(r.config.PageSize))
		query.Set("page", number(n))
		var p page[userRow]
		if err := r.get(ctx, "look up a person", "/core/users/", query, &p); err != nil {
			return nil, err
		}
		if p.Pagination == nil || p.Pagination.Next == nil || p.Pagination.Count == nil || p.Results == nil {
			return nil, r.fail(fault.Invalid, "look up a person", "is url the address of authentik?", "the answer is no page of a list")
		}
		if *p.Pagination.Count > mostFound {
			return nil, r.fail(fault.Invalid, "look up a person", "is authentik older than 2024.2? write users: {id: pk}", "%d users come for one: this version does not know the filter", int(*p.Pagination.Count))
		}
		for _, u := range *p.Results {
			if err := u.check(); err != nil {
				return nil, r.fail(fault.Invalid, "look up a person", "", "%w", err)
			}
			if !seen[u.PK] && match(&u) && r.config.counts(&u) {
				found = append(found, u)
			}
			seen[u.PK] = true
		}
		next := int(*p.Pagination.Next)
		if next != 0 && next != n+1 {
			return nil, r.fail(fault.Invalid, "look up a person", "", "the page behind %d is said to be %d", n, next)
		}
		n = next
	}
	return found, nil
}

// climb reads the groups of a user, and all groups above them.
func (r *reading) climb(ctx context.Context, a *directory.Assembly, u *userRow, id string) error {
	rows, err := r.groupsOf(ctx, u)
	if err != nil {
		return err
	}
	next := slices.Clone(*u.Groups)
	for i := 0; i < len(next); i++ {
		if a.HasGroup(next[i]) {
			continue
		}
		if i > mostAbove {
			return r.fail(fault.Incomplete, "read the groups of a person", "", "there are more than %d groups above them", mostAbove)
		}
		g, read := rows[next[i]]
		if !read {
			var seen bool
			g, seen, err = one[groupRow](ctx, r, "a group of a person", "/core/groups/"+url.PathEscape(next[i])+"/", leanGroups())
			if err != nil {
				return err
			}
			if !seen || g.PK != next[i] {
				return r.fail(fault.Incomplete, "read the groups of a person", hintRights, "the token does not see a group that the user is in")
			}
		}
		a.Group(directory.Group{ID: g.PK, Name: g.Name})
		rows[g.PK] = g
		if r.config.Nested {
			next = append(next, g.above()...)
		}
	}
	for _, g := range *u.Groups {
		a.Member(g, directory.Ref{ID: id, Kind: directory.UserMember})
	}
	if r.config.Nested {
		for _, g := range rows {
			for _, above := range g.above() {
				a.Member(above, directory.Ref{ID: g.PK, Kind: directory.GroupMember})
			}
		}
	}
	return nil
}

// groupsOf reads the groups that name a user, by as few requests as there are pages where the
// filter works. Which ones they are the user's own row says.
func (r *reading) groupsOf(ctx context.Context, u *userRow) (map[string]groupRow, error) {
	rows := map[string]groupRow{}
	if len(*u.Groups) < 2 {
		return rows, nil
	}
	query := leanGroups()
	query.Set("members_by_pk", u.id())
	query.Set("ordering", "pk")
	query.Set("page_size", number(r.config.PageSize))
	for n := 1; n > 0 && n <= len(*u.Groups) && len(rows) < len(*u.Groups); {
		query.Set("page", number(n))
		var p page[groupRow]
		err := r.get(ctx, "read the groups of a person", "/core/groups/", query, &p)
		if n > 1 && fault.KindOf(err) == fault.NotFound {
			break // They have become fewer; what is missing is read one by one.
		}
		if err != nil {
			return nil, err
		}
		if p.Results == nil || p.Pagination == nil || p.Pagination.Next == nil {
			return nil, r.fail(fault.Invalid, "read the groups of a person", "", "the answer is no page of a list")
		}
		for _, g := range *p.Results {
			if slices.Contains(*u.Groups, g.PK) {
				rows[g.PK] = g
			}
		}
		if next := int(*p.Pagination.Next); next != n+1 || p.Pagination.Count != nil && *p.Pagination.Count > mostFound+float64(len(*u.Groups)) {
			break // The last page, or a version that does not know the filter.
		}
		n++
	}
	return rows, nil
}
