package entratest

import "groupsyncd/providers/providertest"

// The changes of a running directory, one by one. Each is told by delta queries as Graph does.

// PutUser makes or changes a user; kind is Member or Guest.
func (s *Server) PutUser(u providertest.User, kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir.putUser(u, kind)
}

// DeleteUser deletes a user, who can be restored by PutUser unless it is for good.
func (s *Server) DeleteUser(id string, forGood bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir.deleteUser(id, forGood)
}

// PutGroup makes or changes a group.
func (s *Server) PutGroup(id, name, description, visibility string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir.putGroup(id, name, description, visibility)
}

// DeleteGroup deletes a group, which can be restored by PutGroup unless it is for good.
func (s *Server) DeleteGroup(id string, forGood bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir.deleteGroup(id, forGood)
}

// AddMember puts something into a group; kind is its type in OData, such as user, group or device.
func (s *Server) AddMember(group, id, kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir.addMember(group, id, kind)
}

// RemoveMember takes something out of a group.
func (s *Server) RemoveMember(group, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir.removeMember(group, id)
}

// Application is an enterprise application with what is assigned to it.
type Application struct {
	ID, AppID, Name string
	Roles           []Role
	Assigned        []Assignment
}

// Role is an app role that people and groups can have.
type Role struct{ ID, Name, Value, Description string }

// Assignment gives a role to a user or a group (Type User or Group).
type Assignment struct{ Role, Type, Principal string }

// NoRole is the role of whoever is assigned without one.
const NoRole = "00000000-0000-0000-0000-000000000000"

// SetApplication replaces the only application.
func (s *Server) SetApplication(a Application) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.app = &a
}
