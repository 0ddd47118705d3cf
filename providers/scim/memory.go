package scim

import (
	"slices"

	"groupsyncd/directory"
)

// memory is what the last read showed, as far as later calls need it: to ask for who is missing,
// to try whether filters work, and to find people by what filters do not know.
type memory struct {
	users, groups map[string]bool
	// mails and usernames lead to the one user who has them; empty: several do.
	mails, usernames map[string]string
	// user is in group, and child in parent, as far as there are such.
	user, group   string
	child, parent string
	// shared says that a user and a group have the same id, so that a filter by the id of one
	// finds what the other is in.
	shared bool
}

func (s *source) remembered() *memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// remember keeps what a read showed. A list that is not whole leaves the one before in force.
func (s *source) remember(p *people, o *roster, snapshot *directory.Snapshot) {
	m := &memory{users: map[string]bool{}, groups: map[string]bool{}, mails: map[string]string{}, usernames: map[string]string{}}
	for i := range snapshot.Users {
		u := &snapshot.Users[i]
		m.users[u.ID] = true
		index(m.mails, directory.FoldEmail(u.Email), u.ID)
		index(m.usernames, directory.FoldEmail(u.Username), u.ID)
	}
	for i := range snapshot.Groups {
		g := &snapshot.Groups[i]
		m.groups[g.ID] = true
		m.shared = m.shared || m.users[g.ID]
		if len(g.Direct) > 0 && m.group == "" {
			m.user, m.group = snapshot.Users[g.Direct[0]].ID, g.ID
		}
		for _, c := range g.Children {
			if snapshot.Groups[c].ID != g.ID && m.parent == "" {
				m.child, m.parent = snapshot.Groups[c].ID, g.ID
			}
		}
	}
	whole := snapshot.Coverage() == directory.Full && userGroups(p, snapshot)
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := s.last; last != nil {
		if !p.listed {
			m.users = last.users
		}
		if !o.listed {
			m.groups = last.groups
		}
	}
	s.last = m
	s.known.userGroups = whole
}

func index(to map[string]string, key, id string) {
	if key == "" {
		return
	}
	if other, taken := to[key]; taken && other != id {
		id = ""
	}
	to[key] = id
}

// userGroups reports whether all users show exactly the groups that they are in, those above
// included, and at least one shows some.
func userGroups(p *people, snapshot *directory.Snapshot) bool {
	in := make([][]string, len(snapshot.Users))
	for i := range snapshot.Groups {
		for _, u := range snapshot.Groups[i].Members {
			in[u] = append(in[u], snapshot.Groups[i].ID)
		}
	}
	some := false
	for i := range snapshot.Users {
		raw, err := object(p.raw(snapshot.Users[i].ID))
		if err != nil {
			return false
		}
		shown := shownGroups(raw)
		slices.Sort(shown)
		shown = slices.Compact(shown)
		slices.Sort(in[i])
		if !slices.Equal(shown, in[i]) {
			return false
		}
		some = some || len(shown) > 0
	}
	return some
}
