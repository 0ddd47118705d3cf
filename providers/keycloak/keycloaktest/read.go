package keycloaktest

import (
	"net/http"
	"slices"
	"strings"
)

// routes are the calls of the admin API, each with the rights of which one is needed.
func (s *Server) routes(handle func(method, path string, rights []string, h answerer)) {
	users := []string{"view-users", "query-users"}
	groups := []string{"view-users", "query-groups"}
	view := []string{"view-users"}
	handle("GET", "/users", users, s.listUsers)
	handle("GET", "/users/count", users, s.countUsers)
	handle("GET", "/users/{id}", view, s.oneUser)
	handle("GET", "/users/{id}/groups", view, s.groupsOf)
	handle("GET", "/users/{id}/role-mappings", view, s.mappings)
	handle("GET", "/users/{id}/role-mappings/realm/composite", view, s.composite)
	handle("GET", "/users/{id}/role-mappings/clients/{client}/composite", view, s.composite)
	handle("GET", "/groups", groups, s.listGroups)
	handle("GET", "/groups/count", groups, s.countGroups)
	handle("GET", "/groups/{id}", view, s.oneGroup)
	handle("GET", "/groups/{id}/children", view, s.children)
	handle("GET", "/groups/{id}/members", view, s.members)
	handle("GET", "/group-by-path/{path...}", view, s.byPath)
	s.roleRoutes(handle)
	handle("GET", "/events/config", []string{"view-events"}, s.eventConfig)
	handle("GET", "/admin-events", []string{"view-events"}, s.adminEvents)
	handle("GET", "/events", []string{"view-events"}, s.peopleEvents)
	s.writeRoutes(handle)
}

func (u *user) show(brief, access bool) map[string]any {
	m := map[string]any{"id": u.id, "username": u.username, "emailVerified": u.verified, "enabled": u.enabled, "createdTimestamp": u.created}
	for key, value := range map[string]string{"firstName": u.first, "lastName": u.last, "email": u.email} {
		if value != "" {
			m[key] = value
		}
	}
	if !brief {
		m["totp"], m["disableableCredentialTypes"], m["requiredActions"], m["notBefore"] = false, []string{}, []string{}, 0
		if len(u.attributes) > 0 {
			m["attributes"] = u.attributes
		}
	}
	if access {
		m["access"] = map[string]bool{"manage": false}
	}
	return m
}

// people gives users in the order of their names.
func (s *Server) people(keep func(*user) bool) []*user {
	if s.byName == nil {
		s.byName = sorted(s.users, func(*user) bool { return true }, func(u *user) string { return u.username })
	}
	var list []*user
	for _, u := range s.byName {
		if keep(u) {
			list = append(list, u)
		}
	}
	return list
}

func (s *Server) listUsers(r *http.Request) answer {
	q := r.URL.Query()
	exact := q.Get("exact") == "true"
	fits := func(name, value string) bool {
		wanted := strings.ToLower(q.Get(name))
		value = strings.ToLower(value)
		return wanted == "" || value == wanted || !exact && strings.Contains(value, wanted)
	}
	list := s.people(func(u *user) bool {
		// A client's account is found by its whole name, and in no list.
		hidden := u.serviceAccountOf != "" && (!exact || q.Get("username") == "")
		return sees(r) && !hidden && fits("username", u.username) && fits("email", u.email)
	})
	return ok(each(window(r, list, 100), func(u *user) map[string]any { return u.show(brief(r, false), true) }))
}

func (s *Server) countUsers(r *http.Request) answer {
	verified, name := r.URL.Query().Get("emailVerified"), r.URL.Query().Get("username")
	return ok(len(s.people(func(u *user) bool {
		// The accounts of clients are left out of a count without a condition only.
		hidden := u.serviceAccountOf != "" && verified == "" && name == ""
		return sees(r) && !hidden && (verified == "" || (verified == "true") == u.verified) && strings.Contains(u.username, name)
	})))
}

func (s *Server) oneUser(r *http.Request) answer {
	u := s.users[r.PathValue("id")]
	if u == nil {
		return noUser()
	}
	return ok(u.show(false, true))
}

func noUser() answer  { return fail(http.StatusNotFound, "User not found") }
func noGroup() answer { return fail(http.StatusNotFound, "Could not find group by id") }

func (s *Server) path(g *group) string {
	path := "/" + g.name
	for g = s.groups[g.parent]; g != nil; g = s.groups[g.parent] {
		path = "/" + g.name + path
	}
	return path
}

func (s *Server) below(parent string) []*group {
	if s.byParent == nil {
		s.byParent = map[string][]*group{}
		for _, g := range sorted(s.groups, func(*group) bool { return true }, func(g *group) string { return g.name }) {
			s.byParent[g.parent] = append(s.byParent[g.parent], g)
		}
	}
	return s.byParent[parent]
}

// showGroup gives a group; counted is how lists show it.
func (s *Server) showGroup(g *group, brief, counted bool) map[string]any {
	m := map[string]any{"id": g.id, "name": g.name, "path": s.path(g), "subGroups": []any{}}
	if g.description != "" {
		m["description"] = g.description
	}
	if g.parent != "" {
		m["parentId"] = g.parent
	}
	if counted {
		if !s.NoCount {
			m["subGroupCount"] = len(s.below(g.id))
		}
		m["access"] = map[string]bool{"view": true, "viewMembers": true, "manageMembers": false, "manage": false, "manageMembership": false}
	}
	if !brief {
		m["attributes"], m["realmRoles"], m["clientRoles"] = map[string]any{}, s.roleNames(g.roles), map[string]any{}
	}
	return m
}

func (s *Server) showGroups(r *http.Request, list []*group, usual int, briefly, counted bool) answer {
	if !sees(r) {
		list = nil
	}
	return ok(each(window(r, list, usual), func(g *group) map[string]any { return s.showGroup(g, brief(r, briefly), counted) }))
}

func (s *Server) listGroups(r *http.Request) answer {
	return s.showGroups(r, s.below(""), -1, true, true)
}

func (s *Server) countGroups(r *http.Request) answer {
	n := 0
	for _, g := range s.groups {
		if sees(r) && (g.parent == "" || r.URL.Query().Get("top") != "true") {
			n++
		}
	}
	return ok(map[string]int{"count": n})
}

func (s *Server) oneGroup(r *http.Request) answer {
	g := s.groups[r.PathValue("id")]
	if g == nil {
		return noGroup()
	}
	return ok(s.showGroup(g, false, true))
}

func (s *Server) children(r *http.Request) answer {
	if s.groups[r.PathValue("id")] == nil {
		return noGroup()
	}
	return s.showGroups(r, s.below(r.PathValue("id")), 10, false, true)
}

func (s *Server) byPath(r *http.Request) answer {
	for _, g := range s.groups {
		if s.path(g) == "/"+r.PathValue("path") {
			return ok(s.showGroup(g, false, true))
		}
	}
	return fail(http.StatusNotFound, "Group path does not exist")
}

func (s *Server) members(r *http.Request) answer {
	id := r.PathValue("id")
	if s.groups[id] == nil {
		return noGroup()
	}
	list := s.people(func(u *user) bool { return u.groups[id] })
	return ok(each(window(r, list, 100), func(u *user) map[string]any { return u.show(brief(r, false), false) }))
}

func (s *Server) groupsOf(r *http.Request) answer {
	u := s.users[r.PathValue("id")]
	if u == nil {
		return noUser()
	}
	list := sorted(s.groups, func(g *group) bool { return u.groups[g.id] }, func(g *group) string { return g.name })
	return s.showGroups(r, list, 100, true, false)
}

func (s *Server) roleNames(ids map[string]bool) []string {
	names := []string{}
	for id := range ids {
		names = append(names, s.roles[id].name)
	}
	slices.Sort(names)
	return names
}
