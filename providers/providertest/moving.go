package providertest

import (
	"fmt"
	"slices"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
)

// mostMoves is how often the world changes while it is read.
const mostMoves = 6

// restless is a world of which the first 300 people and their memberships in the first 40
// groups stay as they are, and the rest comes and goes.
func restless(h Harness) World {
	w := World{Users: people(420)}
	for i := range 50 {
		g := Group{ID: gid(i + 1), Name: fmt.Sprintf("group%04d", i)}
		for n := range 40 {
			g.Members = append(g.Members, uid((i*17+n*11)%420+1))
		}
		slices.Sort(g.Members)
		g.Members = slices.Compact(g.Members)
		w.Groups = append(w.Groups, g)
	}
	return h.fit(w)
}

func staysPerson(id string) bool { return id <= uid(300) }
func staysGroup(id string) bool  { return id <= gid(40) }

// move gives the world as it is after the n-th change: somebody near the beginning is renamed, a
// person and a group are deleted, somebody else comes, and others join and leave.
func (h Harness) move(w World, n int) World {
	w.Users, w.Groups = slices.Clone(w.Users), slices.Clone(w.Groups)
	w.Users[n].Name = fmt.Sprintf("Renamed %d", n)
	if !h.OwnIDs {
		w.Groups[n].Name = fmt.Sprintf("renamed%d", n)
	}
	gone, added := uid(301+n*7), uid(1000+n)
	w.Users = slices.DeleteFunc(w.Users, func(u User) bool { return u.ID == gone })
	name := fmt.Sprintf("anew%04d", n)
	w.Users = append(w.Users, User{ID: added, Username: name, Email: name + "@example.org", Name: name})
	w.Groups = slices.DeleteFunc(w.Groups, func(g Group) bool { return g.ID == gid(41+n) })
	for i := range w.Groups {
		g := &w.Groups[i]
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(id string) bool {
			return id == gone || (i+n)%3 == 0 && id == uid(390-n)
		})
		if (i+n)%4 == 0 {
			g.Members = append(g.Members, added)
		}
	}
	return w
}

// testMoving reads a world that changes while it is read. Nothing that was there all the time
// may be missing where a list, or the members of a group, are said to be known. A reference to
// nobody, such as the old DN of somebody who was renamed, is no absence either.
func (h Harness) testMoving(t *testing.T) {
	w := restless(h)
	before := w
	s, change := h.Live(t, w)
	moves := 0
	snapshot, err := s.Pull(t.Context(), func(string, int) {
		if moves < mostMoves {
			w = h.fit(h.move(w, moves))
			change(w)
			moves++
		}
	})
	if moves == 0 {
		t.Fatal("a pull reports no progress")
	}
	h.inspect(t, snapshot, err)
	if kind := fault.KindOf(err); err != nil && kind != fault.Incomplete && kind != fault.Conflict && kind != fault.Unavailable && kind != fault.NotFound {
		t.Errorf("a world that moves gives %v (%s)", err, kind)
	}
	h.checkStayed(t, snapshot, before)
	h.checkPull(t, s, w)
}

// checkStayed checks that what stayed is in everything that is claimed.
func (h Harness) checkStayed(t *testing.T, s *directory.Snapshot, before World) {
	t.Helper()
	users, keys := map[string]bool{}, map[string]string{}
	for i := range s.Users {
		users[h.userKey(s.Users[i].ID, s.Users[i].Username)] = true
	}
	for _, u := range before.Users {
		keys[u.ID] = h.userKey(u.ID, u.Username)
		if s.UsersListed && staysPerson(u.ID) && !users[keys[u.ID]] {
			t.Errorf("%s was there all the time and is not in the list of users", u.Username)
		}
	}
	for _, g := range before.Groups {
		if !staysGroup(g.ID) {
			continue
		}
		i := slices.IndexFunc(s.Groups, func(x directory.Group) bool {
			return x.Counts() && h.groupKey(x.ID, x.Name) == h.groupKey(g.ID, g.Name)
		})
		if i < 0 {
			if s.GroupsListed {
				t.Errorf("%s was there all the time and is not in the list of groups", g.Name)
			}
			continue
		}
		in := map[string]bool{}
		for _, m := range s.Groups[i].Members {
			in[h.userKey(s.Users[m].ID, s.Users[m].Username)] = true
		}
		for _, id := range g.Members {
			if s.Groups[i].MembersKnown && len(s.Groups[i].Unresolved) == 0 && staysPerson(id) && !in[keys[id]] {
				t.Errorf("%s was in %s all the time and is not among its members", keys[id], g.Name)
			}
		}
	}
}
