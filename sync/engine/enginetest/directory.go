package enginetest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
)

// Place says where a group stands, as seen from a source.
type Place int

// The places of a group.
const (
	// Inside is within the base and the filter.
	Inside Place = iota
	// Filtered is outside the filter: read only because another group contains it.
	Filtered
	// Away is outside the base: a reference to it names nobody.
	Away
)

// TrueGroup is a group as it really is.
type TrueGroup struct {
	ID, Name, Description string
	Place                 Place
	// Wide marks a group that a narrow filter leaves out.
	Wide     bool
	Members  map[string]bool
	Children map[string]bool
}

// DN gives the DN of the group: references to a group that moved away are rewritten.
func (g *TrueGroup) DN() string {
	if g.Place == Away {
		return "cn=" + g.ID + ",ou=elsewhere"
	}
	return "cn=" + g.ID + ",ou=groups"
}

// State is a directory at one time. It is not changed once it was published.
type State struct {
	At     time.Time
	Users  map[string]directory.User
	Groups map[string]TrueGroup
}

// Directory is a directory with all its past, because a server may lag behind.
type Directory struct {
	clock *Clock
	past  []*State
}

// NewDirectory gives an empty directory that is empty since always.
func NewDirectory(clock *Clock) *Directory {
	return &Directory{clock: clock, past: []*State{{Users: map[string]directory.User{}, Groups: map[string]TrueGroup{}}}}
}

// Now gives the directory as it is.
func (d *Directory) Now() *State { return d.past[len(d.past)-1] }

// At gives the directory as it was.
func (d *Directory) At(t time.Time) *State {
	for i := len(d.past) - 1; i > 0; i-- {
		if !d.past[i].At.After(t) {
			return d.past[i]
		}
	}
	return d.past[0]
}

// Change makes a new state out of the present one.
func (d *Directory) Change(change func(*State)) {
	now := d.Now()
	next := &State{At: d.clock.Now(), Users: maps.Clone(now.Users), Groups: maps.Clone(now.Groups)}
	change(next)
	if next.At.Equal(now.At) {
		d.past[len(d.past)-1] = next
		return
	}
	d.past = append(d.past, next)
}

// SetUser adds or changes a user.
func (d *Directory) SetUser(u directory.User) {
	d.Change(func(s *State) { s.Users[u.ID] = u })
}

// RemoveUser deletes a user; references to them dangle.
func (d *Directory) RemoveUser(id string) {
	d.Change(func(s *State) { delete(s.Users, id) })
}

// SetGroup adds or changes a group.
func (d *Directory) SetGroup(g TrueGroup) {
	g.Members, g.Children = maps.Clone(g.Members), maps.Clone(g.Children)
	d.Change(func(s *State) { s.Groups[g.ID] = g })
}

// RemoveGroup deletes a group and the references to it.
func (d *Directory) RemoveGroup(id string) {
	d.Change(func(s *State) {
		delete(s.Groups, id)
		for other, g := range s.Groups {
			if g.Children[id] {
				g.Children = maps.Clone(g.Children)
				delete(g.Children, id)
				s.Groups[other] = g
			}
		}
	})
}

// Edit changes one group in place, when it is there.
func (d *Directory) Edit(group string, edit func(*TrueGroup)) bool {
	g, ok := d.Now().Groups[group]
	if !ok {
		return false
	}
	g.Members, g.Children = cloned(g.Members), cloned(g.Children)
	edit(&g)
	d.Change(func(s *State) { s.Groups[group] = g })
	return true
}

func cloned(m map[string]bool) map[string]bool {
	if m == nil {
		return map[string]bool{}
	}
	return maps.Clone(m)
}

// Visible reports whether a source with that filter lists the group.
func (g *TrueGroup) Visible(narrow bool) bool { return g.Place == Inside && (!g.Wide || !narrow) }

// Closure gives who is in a group, nested ones included, as far as references resolve.
func (s *State) Closure(group string) map[string]bool {
	return s.closure(group, func(c string) bool { return s.Groups[c].Place != Away })
}

// Through reports whether somebody is in a group through nested groups that cannot be
// reached in another state alone, and is in them still by references that lead nowhere.
func (s *State) Through(group, person string, now *State) bool {
	if !s.Closure(group)[person] || s.closure(group, func(c string) bool { return s.Groups[c].Place != Away && now.Groups[c].Place != Away })[person] {
		return false
	}
	return now.closure(group, func(string) bool { return true })[person]
}

func (s *State) closure(group string, reached func(string) bool) map[string]bool {
	members := map[string]bool{}
	seen := map[string]bool{group: true}
	stack := []string{group}
	for len(stack) > 0 {
		g := s.Groups[stack[len(stack)-1]]
		stack = stack[:len(stack)-1]
		for m := range g.Members {
			if _, ok := s.Users[m]; ok {
				members[m] = true
			}
		}
		for c := range g.Children {
			if _, ok := s.Groups[c]; ok && reached(c) && !seen[c] {
				seen[c] = true
				stack = append(stack, c)
			}
		}
	}
	return members
}

// snapshot gives a whole read of the state.
func (s *State) snapshot(asOf time.Time, narrow bool) *directory.Snapshot {
	out := &directory.Snapshot{AsOf: asOf, UsersListed: true, GroupsListed: true}
	userAt, groupAt := map[string]uint32{}, map[string]uint32{}
	for _, id := range slices.Sorted(maps.Keys(s.Users)) {
		u := s.Users[id]
		u.StatusKnown = true
		userAt[id] = uint32(len(out.Users))
		u.DN = "uid=" + u.ID
		out.Users = append(out.Users, u)
	}
	ids := slices.Sorted(maps.Keys(s.Groups))
	inside := s.reached(narrow)
	for _, id := range ids {
		g := s.Groups[id]
		if !inside[id] {
			continue
		}
		groupAt[id] = uint32(len(out.Groups))
		out.Groups = append(out.Groups, directory.Group{ID: id, Name: g.Name, DN: g.DN(), Description: g.Description,
			MembersKnown: true, Unlisted: !g.Visible(narrow)})
	}
	for _, id := range ids {
		at, ok := groupAt[id]
		if !ok {
			continue
		}
		truth, g := s.Groups[id], &out.Groups[at]
		for _, m := range slices.Sorted(maps.Keys(truth.Members)) {
			if n, ok := userAt[m]; ok {
				g.Direct = append(g.Direct, n)
			} else {
				g.Unresolved = append(g.Unresolved, "uid="+m)
			}
		}
		for _, c := range slices.Sorted(maps.Keys(truth.Children)) {
			if n, ok := groupAt[c]; ok {
				g.Children = append(g.Children, n)
			} else if child, ok := s.Groups[c]; ok {
				g.Unresolved = append(g.Unresolved, child.DN())
			}
		}
		slices.Sort(g.Unresolved)
	}
	out.Close(true)
	return out
}

// reached marks the groups that a read shows: listed ones, and what they contain.
func (s *State) reached(narrow bool) map[string]bool {
	seen := map[string]bool{}
	var stack []string
	for id, g := range s.Groups {
		if g.Visible(narrow) {
			seen[id] = true
			stack = append(stack, id)
		}
	}
	for len(stack) > 0 {
		g := s.Groups[stack[len(stack)-1]]
		stack = stack[:len(stack)-1]
		for c := range g.Children {
			if child, ok := s.Groups[c]; ok && child.Place != Away && !seen[c] {
				seen[c] = true
				stack = append(stack, c)
			}
		}
	}
	return seen
}

// find gives the ids of the users whom a look-up names.
func (s *State) find(who directory.Person) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(s.Users)) {
		u := s.Users[id]
		switch {
		case who.ID != "" && u.ID == who.ID,
			who.ID == "" && who.Email != "" && strings.EqualFold(u.Email, who.Email),
			who.ID == "" && who.Email == "" && u.Username == who.Username:
			ids = append(ids, id)
		}
	}
	return ids
}
