package oktatest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/providers/providertest"
)

// Everyone is the id of the built-in group that has everybody.
const Everyone = "00gEveryone000000001"

// Department is the only attribute of a world.
const Department = "department"

type user struct {
	id, status       string
	profile          map[string]any
	created, updated time.Time
	raw              []byte // As JSON, while nothing changes.
}

// group is a group with what it was: stamps and members are shown late.
type group struct {
	id, kind, name, description string
	created, updated            time.Time
	owners                      []string
	shots                       []shot
}

// shot is who was in a group from a time on, and its stamp.
type shot struct {
	at, stamp time.Time
	members   []string // Sorted.
}

func (g *group) now() *shot { return &g.shots[len(g.shots)-1] }

// as gives how a group was at a time.
func (g *group) as(at time.Time) *shot {
	for i := len(g.shots) - 1; i > 0; i-- {
		if !g.shots[i].at.After(at) {
			return &g.shots[i]
		}
	}
	return &g.shots[0]
}

// set changes the members, with a new stamp unless it is silent.
func (g *group) set(members []string, now time.Time, silent bool) {
	slices.Sort(members)
	members = slices.Compact(members)
	if slices.Equal(members, g.now().members) {
		return
	}
	next := shot{at: now, stamp: now, members: members}
	if silent {
		next.stamp = g.now().stamp
	}
	g.shots = append(g.shots, next)
}

// SetWorld makes the organisation show another world. What stays the same keeps its stamps.
func (s *Server) SetWorld(w providertest.World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	keep := map[string]bool{}
	for i, u := range w.Users {
		keep[u.ID] = true
		s.loadUser(u, i, now)
	}
	for id := range s.users {
		if !keep[id] {
			s.dropUser(id, now)
		}
	}
	for i, g := range w.Groups {
		keep[g.ID] = true
		s.loadGroup(g, i, now)
	}
	for id := range s.groups {
		if !keep[id] {
			delete(s.groups, id)
		}
	}
	s.groups[Everyone] = &group{id: Everyone, kind: "BUILT_IN", name: "Everyone", description: "All users in your organization", created: now, updated: now, shots: []shot{{at: now, stamp: now}}}
}

func (s *Server) loadUser(w providertest.User, i int, now time.Time) {
	status := "ACTIVE"
	if w.Disabled {
		status = []string{"SUSPENDED", "DEPROVISIONED"}[i%2]
	}
	first, last, _ := strings.Cut(w.Name, " ")
	profile := map[string]any{"login": w.Username, "email": w.Email, "displayName": w.Name, "firstName": first, "lastName": last, "mobilePhone": nil, "secondEmail": nil}
	if values := w.Attributes[Department]; len(values) > 0 {
		profile[Department+"s"] = values
	}
	u := s.users[w.ID]
	if u == nil {
		u = &user{id: w.ID, created: now}
		s.users[w.ID], s.order = u, nil
	}
	if u.status != status || fmt.Sprint(u.profile) != fmt.Sprint(profile) {
		u.status, u.profile, u.updated, u.raw = status, profile, now, nil
	}
}

func (s *Server) loadGroup(w providertest.Group, i int, now time.Time) {
	g := s.groups[w.ID]
	if g == nil {
		g = &group{id: w.ID, kind: "OKTA_GROUP", created: now, updated: now, shots: []shot{{at: now, stamp: now}}}
		if i%3 == 2 {
			g.kind = "APP_GROUP"
		}
		s.groups[w.ID] = g
	}
	if g.name != w.Name || g.description != w.Description {
		g.name, g.description, g.updated = w.Name, w.Description, now
	}
	g.owners = slices.Clone(w.Owners)
	members := slices.DeleteFunc(slices.Clone(w.Members), func(id string) bool { return s.users[id] == nil })
	g.set(members, now, false)
}

// dropUser deletes somebody, who leaves all groups.
func (s *Server) dropUser(id string, now time.Time) {
	delete(s.users, id)
	delete(s.app.users, id)
	s.order = nil
	for _, g := range s.groups {
		if _, in := slices.BinarySearch(g.now().members, id); in {
			g.set(slices.DeleteFunc(slices.Clone(g.now().members), func(m string) bool { return m == id }), now, s.o.Silent)
		}
	}
}

// DeleteUser deletes somebody.
func (s *Server) DeleteUser(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropUser(id, s.o.Now())
}

// SetStatus gives somebody another status.
func (s *Server) SetStatus(id, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[id]; u != nil {
		u.status, u.updated, u.raw = status, s.o.Now(), nil
	}
}

// SetProfile changes a property of somebody's profile.
func (s *Server) SetProfile(id, property string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[id]; u != nil {
		u.profile = maps.Clone(u.profile)
		u.profile[property], u.updated, u.raw = value, s.o.Now(), nil
	}
}

// AddUser adds somebody.
func (s *Server) AddUser(u providertest.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadUser(u, 0, s.o.Now())
}

// AddGroup adds a group.
func (s *Server) AddGroup(g providertest.Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadGroup(g, 0, s.o.Now())
}

// DeleteGroup deletes a group.
func (s *Server) DeleteGroup(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.groups, id)
	delete(s.app.groups, id)
}

// RenameGroup gives a group another name, which is no change of its members.
func (s *Server) RenameGroup(id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groups[id]; g != nil {
		g.name, g.updated = name, s.o.Now()
	}
}

// SetMembers gives a group other members.
func (s *Server) SetMembers(id string, members ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groups[id]; g != nil {
		g.set(slices.DeleteFunc(members, func(m string) bool { return s.users[m] == nil }), s.o.Now(), false)
	}
}

// Slip changes the members of a group without a new stamp, which Okta is not known to do.
func (s *Server) Slip(id string, members ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groups[id]; g != nil {
		g.set(members, s.o.Now(), true)
	}
}

// Assign assigns groups, with everybody in them, and people to the app that people use.
func (s *Server) Assign(groups, users []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.app.groups, s.app.users = map[string]bool{}, map[string]bool{}
	for _, id := range groups {
		s.app.groups[id] = true
	}
	for _, id := range users {
		s.app.users[id] = true
	}
}

// assigned reports whether somebody is assigned to the app, by themselves or by a group. Who
// is deactivated is assigned to nothing.
func (s *Server) assigned(id string) (in, byGroup bool) {
	if u := s.users[id]; u == nil || u.status == "DEPROVISIONED" {
		return false, false
	}
	for g := range s.app.groups {
		if group := s.groups[g]; group != nil {
			if _, member := slices.BinarySearch(group.now().members, id); member {
				byGroup = true
			}
		}
	}
	return s.app.users[id] || byGroup, byGroup
}
