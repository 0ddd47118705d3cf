package scim_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/scim"
	"groupsyncd/providers/scim/scimtest"
)

// TestWhoStaysIsNeverLost: while lists are read, people are deleted, made and moved between
// pages. Everybody who was there all the time is in every list that is claimed to be whole, and
// nobody is taken out of a group that is claimed to be known.
func TestWhoStaysIsNeverLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p := scimtest.Standard()
		p.Cap = rapid.IntRange(1, 12).Draw(rt, "cap")
		p.SaysCursor = rapid.Bool().Draw(rt, "cursor")
		p.Cursor = p.SaysCursor
		p.NoTotal = rapid.Bool().Draw(rt, "no total")
		if rapid.Bool().Draw(rt, "alone") {
			p.Members = scimtest.Alone
		}
		w := crowd(40)
		s := scimtest.New(t, w, p)
		source := open(t, s, func(c *scim.Config) { c.Parallel = 1 })
		if rapid.Bool().Draw(rt, "read before") {
			if _, err := source.Pull(t.Context(), nil); err != nil {
				rt.Fatal(err)
			}
		}
		at := map[int]int{}
		for range rapid.IntRange(1, 4).Draw(rt, "changes") {
			at[rapid.IntRange(1, 30).Draw(rt, "at")] = rapid.IntRange(0, 1).Draw(rt, "what")
		}
		n, made := 0, 0
		random := rand.New(rand.NewPCG(uint64(rapid.IntRange(0, 1000).Draw(rt, "seed")), 1))
		stays := map[string]bool{}
		for _, u := range w.Users {
			stays[u.ID] = true
		}
		s.Before(func(r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/Users") {
				return
			}
			n++
			what, changes := at[n]
			if !changes {
				return
			}
			now := s.World()
			users := slices.Clone(now.Users)
			i := 15 + random.IntN(len(users)-15) // In no group.
			switch what {
			case 0:
				delete(stays, users[i].ID)
				users = slices.Delete(users, i, i+1)
			case 1:
				made++
				name := fmt.Sprintf("new%d", made)
				users = slices.Insert(users, i, providertest.User{ID: name, Username: name, Name: name})
			}
			s.SetWorld(providertest.World{Users: users, Groups: now.Groups})
		})
		got, err := source.Pull(t.Context(), nil)
		if err != nil && fault.KindOf(err) != fault.Incomplete {
			rt.Fatal(err)
		}
		if got.UsersListed {
			for i := range got.Users {
				delete(stays, got.Users[i].ID)
			}
			if len(stays) > 0 {
				rt.Errorf("lost: %v", stays)
			}
		}
		for i := range got.Groups {
			if g := &got.Groups[i]; g.MembersKnown && len(g.Members) != len(w.Groups[i].Members) {
				rt.Errorf("group %s has %d members", g.Name, len(g.Members))
			}
		}
	})
}

// TestADeletionIsSeenBesideANewPerson: the total is what it was, and so is the number of entries
// that came; only the entry with which a page begins shows that everybody moved up.
func TestADeletionIsSeenBesideANewPerson(t *testing.T) {
	t.Parallel()
	p := scimtest.Standard()
	p.Cap = 3
	w := crowd(40)
	s := scimtest.New(t, w, p)
	source := open(t, s, func(c *scim.Config) { c.Parallel = 1 })
	n := 0
	s.Before(func(r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/Users") {
			return
		}
		now := s.World()
		switch n++; n {
		case 2:
			now.Users = slices.Insert(slices.Clone(now.Users), 35, providertest.User{ID: "new", Username: "new", Name: "new"})
		case 10:
			now.Users = slices.Delete(slices.Clone(now.Users), 15, 16)
		default:
			return
		}
		s.SetWorld(now)
	})
	got, err := source.Pull(t.Context(), nil)
	if err != nil && fault.KindOf(err) != fault.Incomplete {
		t.Fatal(err)
	}
	stays := map[string]bool{}
	for _, u := range s.World().Users {
		stays[u.ID] = true
	}
	for i := range got.Users {
		delete(stays, got.Users[i].ID)
	}
	if got.UsersListed && len(stays) > 0 {
		t.Errorf("lost: %v", stays)
	}
}

// TestOneEntryAPageIsWalkedTwice: without room for an overlap and without totals, a deletion
// shows nowhere but in a second walk.
func TestOneEntryAPageIsWalkedTwice(t *testing.T) {
	t.Parallel()
	p := scimtest.Standard()
	p.Cap, p.NoTotal = 1, true
	w := crowd(30)
	s := scimtest.New(t, w, p)
	n := 0
	s.Before(func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Users") {
			if n++; n == 22 {
				now := s.World()
				s.SetWorld(providertest.World{Users: slices.Delete(slices.Clone(now.Users), 20, 21), Groups: now.Groups})
			}
		}
	})
	source := open(t, s)
	got, err := source.Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, claim := range (providertest.Harness{}).Claims(got, s.World()) {
		t.Error(claim)
	}
	if !slices.ContainsFunc(got.Users, func(u directory.User) bool { return u.ID == "u21" }) {
		t.Error("who stood behind the one who was deleted is lost")
	}
}
