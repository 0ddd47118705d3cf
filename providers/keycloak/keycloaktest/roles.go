package keycloaktest

import (
	"net/http"
	"slices"
)

func (s *Server) roleRoutes(handle func(method, path string, rights []string, h answerer)) {
	realm, clients := []string{"view-realm"}, []string{"view-clients"}
	handle("GET", "/roles", realm, s.listRoles)
	handle("GET", "/roles/{name}/users", realm, s.roleUsers)
	handle("GET", "/roles/{name}/groups", realm, s.roleGroups)
	handle("GET", "/roles-by-id/{id}/composites", append(realm, clients...), s.parts)
	handle("GET", "/clients", append(clients, "query-clients"), s.listClients)
	handle("GET", "/clients/{client}/roles", clients, s.listRoles)
	handle("GET", "/clients/{client}/roles/{name}/users", clients, s.roleUsers)
	handle("GET", "/clients/{client}/roles/{name}/groups", clients, s.roleGroups)
}

// AddRole makes a role of the realm, or of a client by its client id, and gives its id.
func (s *Server) AddRole(clientID, name string, parts ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &role{id: s.id(), name: name, parts: map[string]bool{}}
	for _, c := range s.clients {
		if c.clientID == clientID {
			r.client = c.id
		}
	}
	for _, part := range parts {
		r.parts[part] = true
	}
	s.roles[r.id] = r
	return r.id
}

// Give gives a role to a user or to a group.
func (s *Server) Give(role, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[to]; u != nil {
		u.roles[role] = true
	} else {
		s.groups[to].roles[role] = true
	}
}

func (r *role) show() map[string]any {
	container := "0e000000-0000-4000-8000-000000000001"
	if r.client != "" {
		container = r.client
	}
	m := map[string]any{"id": r.id, "name": r.name, "composite": len(r.parts) > 0, "clientRole": r.client != "", "containerId": container}
	if r.description != "" {
		m["description"] = r.description
	}
	return m
}

func (s *Server) rolesOf(client string) []*role {
	return sorted(s.roles, func(r *role) bool { return r.client == client }, func(r *role) string { return r.name })
}

func (s *Server) listRoles(r *http.Request) answer {
	return ok(each(window(r, s.rolesOf(r.PathValue("client")), 100), (*role).show))
}

func (s *Server) listClients(r *http.Request) answer {
	wanted := r.URL.Query().Get("clientId")
	list := sorted(s.clients, func(c *client) bool { return wanted == "" || c.clientID == wanted }, func(c *client) string { return c.clientID })
	return ok(each(window(r, list, -1), func(c *client) map[string]any {
		return map[string]any{"id": c.id, "clientId": c.clientID, "enabled": true, "clientAuthenticatorType": "client-secret"}
	}))
}

// named gives the role of a path.
func (s *Server) named(r *http.Request) *role {
	for _, role := range s.rolesOf(r.PathValue("client")) {
		if role.name == r.PathValue("name") {
			return role
		}
	}
	return nil
}

func noRole() answer { return fail(http.StatusNotFound, "Could not find role") }

func (s *Server) roleUsers(r *http.Request) answer {
	role := s.named(r)
	if role == nil {
		return noRole()
	}
	list := s.people(func(u *user) bool { return u.roles[role.id] })
	return ok(each(window(r, list, 100), func(u *user) map[string]any { return u.show(brief(r, false), true) }))
}

func (s *Server) roleGroups(r *http.Request) answer {
	role := s.named(r)
	if role == nil {
		return noRole()
	}
	list := sorted(s.groups, func(g *group) bool { return g.roles[role.id] }, func(g *group) string { return g.name })
	return s.showGroups(r, list, 100, true, false)
}

func (s *Server) parts(r *http.Request) answer {
	whole := s.roles[r.PathValue("id")]
	if whole == nil {
		return fail(http.StatusNotFound, "Could not find role with id")
	}
	list := sorted(s.roles, func(part *role) bool { return whole.parts[part.id] }, func(part *role) string { return part.name })
	return ok(each(list, (*role).show))
}

// mappings gives the roles that somebody was given themselves.
func (s *Server) mappings(r *http.Request) answer {
	u := s.users[r.PathValue("id")]
	if u == nil {
		return noUser()
	}
	m := map[string]any{}
	given := func(client string) []map[string]any {
		list := slices.DeleteFunc(s.rolesOf(client), func(role *role) bool { return !u.roles[role.id] })
		return each(list, (*role).show)
	}
	if list := given(""); len(list) > 0 {
		m["realmMappings"] = list
	}
	clients := map[string]any{}
	for _, c := range s.clients {
		if list := given(c.id); len(list) > 0 {
			clients[c.clientID] = map[string]any{"id": c.id, "client": c.clientID, "mappings": list}
		}
	}
	if len(clients) > 0 {
		m["clientMappings"] = clients
	}
	return ok(m)
}

// composite gives the roles that somebody has, however they came to them.
func (s *Server) composite(r *http.Request) answer {
	u := s.users[r.PathValue("id")]
	if u == nil {
		return noUser()
	}
	has := map[string]bool{}
	var add func(ids map[string]bool)
	add = func(ids map[string]bool) {
		for id := range ids {
			if !has[id] {
				has[id] = true
				add(s.roles[id].parts)
			}
		}
	}
	add(u.roles)
	for id := range u.groups {
		for g := s.groups[id]; g != nil; g = s.groups[g.parent] {
			add(g.roles)
		}
	}
	list := slices.DeleteFunc(s.rolesOf(r.PathValue("client")), func(role *role) bool { return !has[role.id] })
	return ok(each(list, (*role).show))
}
