package keycloaktest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
)

func (s *Server) writeRoutes(handle func(method, path string, rights []string, h answerer)) {
	users, realm := []string{"manage-users"}, []string{"manage-realm"}
	handle("POST", "/users", users, s.createUser)
	handle("PUT", "/users/{id}", users, s.updateUser)
	handle("DELETE", "/users/{id}", users, s.deleteUser)
	handle("PUT", "/users/{id}/groups/{group}", users, s.join)
	handle("DELETE", "/users/{id}/groups/{group}", users, s.leave)
	handle("POST", "/users/{id}/role-mappings/realm", users, s.mapRoles)
	handle("DELETE", "/users/{id}/role-mappings/realm", users, s.mapRoles)
	handle("POST", "/groups", users, s.createGroup)
	handle("POST", "/groups/{id}/children", users, s.createGroup)
	handle("PUT", "/groups/{id}", users, s.updateGroup)
	handle("DELETE", "/groups/{id}", users, s.deleteGroup)
	handle("POST", "/groups/{id}/role-mappings/realm", users, s.mapRoles)
	handle("POST", "/roles", realm, s.createRole)
	handle("POST", "/roles/{name}/composites", realm, s.addParts)
	handle("PUT", "/events/config", realm, s.setEvents)
}

// Admin makes a call as somebody who may do everything, and gives the status and the body.
func (s *Server) Admin(method, path string, body any) (int, []byte) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // A test hands over what cannot be written.
	}
	r := httptest.NewRequest(method, "/admin/realms/"+RealmName+path, bytes.NewReader(text))
	r.Header.Set("Authorization", "Bearer "+admin)
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	return w.Code, w.Body.Bytes()
}

// wish is what a write asks for.
type wish struct {
	ID, Name, Description         string
	Username, FirstName, LastName string
	Email                         *string
	EmailVerified, Enabled        *bool
	Attributes                    map[string][]string
	AdminEventsEnabled            *bool
	EventsEnabled                 *bool
}

func decode[T any](r *http.Request) T {
	var v T
	body, _ := io.ReadAll(r.Body) // It comes from memory.
	_ = json.Unmarshal(body, &v)
	return v
}

func done() answer { return answer{http.StatusNoContent, nil} }

func set[T any](v *T, to *T) {
	if to != nil {
		*v = *to
	}
}

func (s *Server) createUser(r *http.Request) answer {
	w := decode[wish](r)
	for _, u := range s.users {
		if u.username == w.Username {
			return answer{http.StatusConflict, map[string]string{"errorMessage": "User exists with same username"}}
		}
	}
	u := s.newUser(w.Username)
	u.enabled = false
	s.change(u, w)
	s.happened("CREATE", "USER", "users/"+u.id)
	return answer{http.StatusCreated, nil}
}

func (s *Server) change(u *user, w wish) {
	if w.Username != "" {
		u.username = w.Username
	}
	if w.FirstName != "" {
		u.first = w.FirstName
	}
	if w.LastName != "" {
		u.last = w.LastName
	}
	set(&u.email, w.Email)
	set(&u.verified, w.EmailVerified)
	set(&u.enabled, w.Enabled)
	if w.Attributes != nil {
		u.attributes = w.Attributes
	}
}

func (s *Server) updateUser(r *http.Request) answer {
	u := s.users[r.PathValue("id")]
	if u == nil {
		return noUser()
	}
	s.change(u, decode[wish](r))
	s.happened("UPDATE", "USER", resourcePath(r))
	return done()
}

func (s *Server) deleteUser(r *http.Request) answer {
	if s.users[r.PathValue("id")] == nil {
		return noUser()
	}
	delete(s.users, r.PathValue("id"))
	s.happened("DELETE", "USER", resourcePath(r))
	return done()
}

func (s *Server) join(r *http.Request) answer {
	u, g := s.users[r.PathValue("id")], s.groups[r.PathValue("group")]
	switch {
	case u == nil:
		return noUser()
	case g == nil:
		return fail(http.StatusNotFound, "Group not found")
	}
	if !u.groups[g.id] {
		u.groups[g.id] = true
		s.happened("CREATE", "GROUP_MEMBERSHIP", resourcePath(r))
	}
	return done()
}

func (s *Server) leave(r *http.Request) answer {
	u, g := s.users[r.PathValue("id")], s.groups[r.PathValue("group")]
	switch {
	case u == nil:
		return noUser()
	case g == nil:
		return fail(http.StatusNotFound, "Group not found")
	}
	if u.groups[g.id] {
		delete(u.groups, g.id)
		s.happened("DELETE", "GROUP_MEMBERSHIP", resourcePath(r))
	}
	return done()
}

func (s *Server) createGroup(r *http.Request) answer {
	w, parent := decode[wish](r), r.PathValue("id")
	if parent != "" && s.groups[parent] == nil {
		return noGroup()
	}
	if w.ID != "" { // The group is moved.
		g := s.groups[w.ID]
		if g == nil {
			return fail(http.StatusNotFound, "Could not find child by id")
		}
		g.parent = parent
		s.happened("UPDATE", "GROUP", resourcePath(r))
		return done()
	}
	if slices.ContainsFunc(s.below(parent), func(g *group) bool { return g.name == w.Name }) {
		return answer{http.StatusConflict, map[string]string{"errorMessage": "Top level group named '" + w.Name + "' already exists."}}
	}
	g := &group{id: s.id(), name: w.Name, description: w.Description, parent: parent, roles: map[string]bool{}}
	s.groups[g.id] = g
	s.happened("CREATE", "GROUP", resourcePath(r))
	if parent == "" {
		return answer{http.StatusCreated, nil}
	}
	return answer{http.StatusCreated, s.showGroup(g, false, false)}
}

func (s *Server) updateGroup(r *http.Request) answer {
	g := s.groups[r.PathValue("id")]
	if g == nil {
		return noGroup()
	}
	w := decode[wish](r)
	g.name, g.description = w.Name, w.Description
	s.happened("UPDATE", "GROUP", resourcePath(r))
	return done()
}

// deleteGroup deletes a group with everything below it.
func (s *Server) deleteGroup(r *http.Request) answer {
	if s.groups[r.PathValue("id")] == nil {
		return noGroup()
	}
	s.remove(r.PathValue("id"))
	s.happened("DELETE", "GROUP", resourcePath(r))
	return done()
}

func (s *Server) remove(id string) {
	for _, g := range slices.Clone(s.below(id)) {
		s.remove(g.id)
	}
	delete(s.groups, id)
	for _, u := range s.users {
		delete(u.groups, id)
	}
}

func (s *Server) createRole(r *http.Request) answer {
	w := decode[wish](r)
	role := &role{id: s.id(), name: w.Name, description: w.Description, parts: map[string]bool{}}
	s.roles[role.id] = role
	s.happened("CREATE", "REALM_ROLE", "roles/"+w.Name)
	return answer{http.StatusCreated, nil}
}

func (s *Server) addParts(r *http.Request) answer {
	role := s.named(r)
	if role == nil {
		return noRole()
	}
	for _, part := range decode[[]wish](r) {
		role.parts[part.ID] = true
	}
	s.happened("CREATE", "REALM_ROLE", resourcePath(r))
	return done()
}

// mapRoles gives roles to a user or a group, or takes them away.
func (s *Server) mapRoles(r *http.Request) answer {
	var has map[string]bool
	if u := s.users[r.PathValue("id")]; u != nil {
		has = u.roles
	} else if g := s.groups[r.PathValue("id")]; g != nil {
		has = g.roles
	} else {
		return noUser()
	}
	operation := map[string]string{"POST": "CREATE", "DELETE": "DELETE"}[r.Method]
	for _, w := range decode[[]wish](r) {
		has[w.ID] = true
		if operation == "DELETE" {
			delete(has, w.ID)
		}
	}
	maps.DeleteFunc(has, func(id string, _ bool) bool { return s.roles[id] == nil })
	s.happened(operation, "REALM_ROLE_MAPPING", resourcePath(r))
	return done()
}

func (s *Server) setEvents(r *http.Request) answer {
	w := decode[wish](r)
	set(&s.events.admin, w.AdminEventsEnabled)
	set(&s.events.people, w.EventsEnabled)
	return done()
}
