package authentiktest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
)

// times are the same for everybody.
const (
	joined = "2024-03-01T09:00:00Z"
	signed = "2026-11-02T07:30:00.125Z"
)

// uid is the subject that tokens give unless another is chosen.
func (u *user) uid() string {
	sum := sha256.Sum256([]byte("an install of " + u.ID))
	return hex.EncodeToString(sum[:])
}

// asked says whether a parameter asks for something, whose default is yes.
func asked(q url.Values, parameter string, otherwise bool) bool {
	switch q.Get(parameter) {
	case "true":
		return true
	case "false":
		return false
	}
	return otherwise
}

// attributes are the custom attributes of a user.
func (u *user) attributes() map[string]any {
	all := map[string]any{}
	for key, values := range u.Attributes {
		if all[key] = values; len(values) == 1 {
			all[key] = values[0]
		}
	}
	return all
}

func (s *Server) userRow(u *user, q url.Values) map[string]any {
	row := map[string]any{
		"pk": u.pk, "uuid": u.ID, "uid": u.uid(), "username": u.Username, "name": u.Name, "email": u.Email,
		"is_active": !u.Disabled, "last_login": nil, "date_joined": joined, "last_updated": signed, "password_change_date": joined,
		"is_superuser": u.pk == account && s.set.Superuser, "avatar": "data:image/svg+xml;base64,PHN2Zy8+", "attributes": u.attributes(),
		"path": "users", "type": u.kind, "groups_obj": nil, "roles": []string{}, "roles_obj": nil,
	}
	var ids []string
	objects := []any{}
	for _, g := range u.groups {
		ids = append(ids, g.ID)
		object := map[string]any{"pk": g.ID, "num_pk": number(g.ID), "name": g.Name, "is_superuser": false, "attributes": map[string]any{}}
		if s.set.Old {
			object["parent"], object["parent_name"] = g.parent()
		}
		objects = append(objects, object)
	}
	if ids == nil {
		ids = []string{}
	}
	whole := asked(q, "include_groups", true)
	if whole || !s.set.Sparse {
		row["groups"] = ids
	}
	if whole {
		row["groups_obj"] = objects
	}
	if asked(q, "include_roles", true) {
		row["roles_obj"] = []any{}
	}
	return row
}

// number is what authentik calls a group as a number, for systems that want one.
func number(uuid string) int {
	n := 0
	for _, c := range uuid {
		n = (n*31 + int(c)) % 100_000
	}
	return n
}

// parent gives the only parent that a group had in old versions.
func (g *group) parent() (id, name any) {
	if len(g.parents) == 0 {
		return nil, nil
	}
	return g.parents[0].ID, g.parents[0].Name
}

func (s *Server) groupRow(g *group, q url.Values) map[string]any {
	row := map[string]any{
		"pk": g.ID, "num_pk": number(g.ID), "name": g.Name, "is_superuser": false, "attributes": map[string]any{},
		"roles": []string{}, "roles_obj": []any{}, "users_obj": nil,
	}
	pks := make([]int64, 0, len(g.users))
	for _, u := range g.users {
		pks = append(pks, u.pk)
	}
	whole := asked(q, "include_users", true)
	if whole || !s.set.Sparse {
		row["users"] = pks
	}
	if whole {
		objects := make([]any, 0, len(g.users))
		for _, u := range g.users {
			objects = append(objects, map[string]any{
				"pk": u.pk, "username": u.Username, "name": u.Name, "is_active": !u.Disabled, "last_login": nil,
				"email": u.Email, "attributes": u.attributes(), "uid": u.uid(),
			})
		}
		row["users_obj"] = objects
	}
	if s.set.Old {
		row["parent"], row["parent_name"] = g.parent()
		return row
	}
	row["parents"], row["parents_obj"] = related(g.parents, asked(q, "include_parents", false))
	row["children"], row["children_obj"] = related(g.kids, asked(q, "include_children", false))
	row["inherited_roles_obj"] = nil
	if asked(q, "include_inherited_roles", false) {
		row["inherited_roles_obj"] = []any{}
	}
	return row
}

// related gives groups by their ids, and as objects where they are asked for.
func related(groups []*group, whole bool) (ids []string, objects any) {
	ids = make([]string, 0, len(groups))
	list := []any{}
	for _, g := range groups {
		ids = append(ids, g.ID)
		list = append(list, map[string]any{"pk": g.ID, "name": g.Name, "is_superuser": false, "attributes": map[string]any{}, "group_uuid": g.ID})
	}
	if whole {
		return ids, list
	}
	return ids, nil
}

func (s *Server) serveMe(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.byPK[account]
	groups := []any{}
	for _, g := range u.groups {
		groups = append(groups, map[string]any{"pk": g.ID, "name": g.Name})
	}
	me := map[string]any{
		"pk": u.pk, "username": u.Username, "name": u.Name, "is_active": true, "is_superuser": s.set.Superuser, "is_current": true,
		"groups": groups, "roles": []any{}, "email": u.Email, "avatar": "data:image/svg+xml;base64,PHN2Zy8+", "uid": u.uid(),
		"settings": map[string]any{}, "type": u.kind, "system_permissions": []string{},
	}
	send(w, http.StatusOK, map[string]any{"user": me, "users": []any{me}})
}
