package authentik

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// checkMembers is how many members of groups doctor looks for.
const checkMembers = 10

// Check asks who we are and reads the first page of each list.
func (s *source) Check(ctx context.Context) []providers.Finding {
	f, r := &providers.Findings{List: providers.InClear(s.config.URL)}, s.reading()
	if err := s.begin(ctx, "check"); err != nil {
		f.Err("account", err)
		return f.List
	}
	var own me
	err := r.get(ctx, "read our own account", "/core/users/me/", nil, &own)
	if err == nil && own.User == nil {
		err = s.fail(fault.Invalid, "read our own account", "is url the address of authentik?", "the answer names no user")
	}
	if err != nil {
		f.Err("account", err)
		return f.List
	}
	f.OK("account", "%s answers, and knows us as %s", s.config.URL, own.User.Username)
	if own.User.Superuser {
		f.Warn("account", "take it out of superuser groups and give its role \"Can view User\" and \"Can view Group\" alone", "%s is a superuser, which is more than reading needs", own.User.Username)
	}
	r.checkUsers(ctx, f, own)
	r.checkGroups(ctx, f, own)
	return f.List
}

// first reads the first page of a list.
func first[T row[T]](ctx context.Context, r *reading, what, path string, query url.Values) ([]T, int, error) {
	query.Set("ordering", "pk")
	query.Set("page_size", number(r.config.PageSize))
	var p page[T]
	if err := r.get(ctx, "read "+what, path, query, &p); err != nil {
		return nil, 0, err
	}
	if p.Pagination == nil || p.Pagination.Count == nil || p.Results == nil {
		return nil, 0, r.fail(fault.Invalid, "read "+what, "is url the address of authentik?", "the answer is no page of a list")
	}
	for _, row := range *p.Results {
		if err := row.check(); err != nil {
			return nil, 0, r.fail(fault.Invalid, "read "+what, "", "%w", err)
		}
	}
	return *p.Results, int(*p.Pagination.Count), nil
}

func (r *reading) checkUsers(ctx context.Context, f *providers.Findings, own me) {
	rows, count, err := first[userRow](ctx, r, "users", "/core/users/", leanUsers())
	if err != nil {
		f.Err("users", err)
		return
	}
	_, seen, err := one[userRow](ctx, r, "our own account", "/core/users/"+userRow{PK: own.User.PK}.id()+"/", nil)
	switch {
	case err != nil:
		f.Err("users", err)
		return
	case !seen:
		f.Fail("users", hintRights, "the token sees only some users: %s itself is not among them", own.User.Username)
		return
	}
	people, mail := 0, 0
	for i := range rows {
		u := &rows[i]
		switch {
		case r.config.key(u) == "":
			f.Fail("users", "write users: {id: pk}, which every version has", "the user %s has no uuid", u.Username)
			return
		case !r.config.counts(u):
		default:
			people++
			if strings.Contains(r.config.person(u).Email, "@") {
				mail++
			}
		}
	}
	f.OK("users", "%d users are listed; of the first %d, %d are of the types %s", count, len(rows), people, strings.Join(r.config.Types, ", "))
	if people > 0 && mail == 0 {
		f.Warn("mail", "check users.email, or link people by sign_in", "none of the first %d people has a mail address", people)
	}
}

func (r *reading) checkGroups(ctx context.Context, f *providers.Findings, own me) {
	rows, count, err := first[groupRow](ctx, r, "groups", "/core/groups/", leanGroups())
	if err != nil {
		f.Err("groups", err)
		return
	}
	for _, g := range own.User.Groups {
		_, seen, err := one[groupRow](ctx, r, "a group of our own", "/core/groups/"+url.PathEscape(g.PK)+"/", leanGroups())
		if err != nil {
			f.Err("groups", err)
			return
		}
		if !seen {
			f.Fail("groups", hintRights, "the token sees only some groups: one that %s is in is not among them", own.User.Username)
			return
		}
	}
	f.OK("groups", "%d groups are listed", count)
	if len(own.User.Groups) == 0 {
		f.Warn("groups", "put the service account into a group of its own, with nothing else in it", "%s is in no group, so that missing rights on groups may go unnoticed", own.User.Username)
	}
	r.checkMembers(ctx, f, rows)
}

// checkMembers looks for some members of groups among the users.
func (r *reading) checkMembers(ctx context.Context, f *providers.Findings, rows []groupRow) {
	var members []int64
	for _, g := range rows {
		if g.Users == nil {
			f.OK("members", "this version gives members only together with their users: reads of groups are larger")
			return
		}
		for _, pk := range *g.Users {
			if !slices.Contains(members, pk) && len(members) < checkMembers {
				members = append(members, pk)
			}
		}
	}
	for _, pk := range members {
		_, seen, err := one[userRow](ctx, r, "a member", "/core/users/"+userRow{PK: pk}.id()+"/", nil)
		if err != nil {
			f.Err("members", err)
			return
		}
		if !seen {
			f.Fail("members", hintRights, "the token sees only some users: the member %d of a group is not among them", pk)
			return
		}
	}
	f.OK("members", "%d members of groups were looked for and found", len(members))
}
