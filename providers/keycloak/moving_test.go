package keycloak_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/providers/keycloak"
	"groupsyncd/providers/keycloak/keycloaktest"
	"groupsyncd/providers/providertest"
)

func person(n int) string { return fmt.Sprintf("0a000000-0000-4000-8000-%012d", n) }
func place(n int) string  { return fmt.Sprintf("0b000000-0000-4000-8000-%012d", n) }

// tree is a world of groups on three levels, with memberships and groups above.
func tree(people, groups, each int) (w providertest.World, parents map[string]string, members map[[2]string]bool) {
	parents, members = map[string]string{}, map[[2]string]bool{}
	for i := range people {
		w.Users = append(w.Users, providertest.User{ID: person(i), Username: fmt.Sprintf("user%04d", i), Email: fmt.Sprintf("user%04d@example.org", i), Name: fmt.Sprintf("User %d", i)})
	}
	for i := range groups {
		g := providertest.Group{ID: place(i), Name: fmt.Sprintf("group%04d", i)}
		parents[g.ID] = ""
		for n := range each {
			id := person((i*7 + n*3) % people)
			if !members[[2]string{id, g.ID}] {
				members[[2]string{id, g.ID}] = true
				g.Members = append(g.Members, id)
			}
		}
		w.Groups = append(w.Groups, g)
	}
	for i := 1; i < groups; i++ {
		if i%10 != 0 { // Nine of ten are below another, on three levels in all.
			above := i - i%10
			if i%3 == 0 && i-1 != above {
				above = i - 1
				if parents[place(above)] != place(i-i%10) {
					above = i - i%10
				}
			}
			w.Groups[above].Groups = append(w.Groups[above].Groups, place(i))
			parents[place(i)] = place(above)
		}
	}
	return w, parents, members
}

// TestNobodyIsLostWhileTheRealmMoves: a membership that lasts through the whole read is in
// what it shows, or the group is not claimed, however much moves between two requests.
func TestNobodyIsLostWhileTheRealmMoves(t *testing.T) {
	t.Parallel()
	seeds := uint64(6)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		for _, inherit := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d inherit %t", seed, inherit), func(t *testing.T) {
				t.Parallel()
				moving(t, seed, inherit, 3)
			})
		}
	}
}

// moving reads a realm that changes between requests, and counts what was claimed.
func moving(t *testing.T, seed uint64, inherit bool, reads int) {
	w, parents, members := tree(90, 30, 24)
	server := keycloaktest.New(t, w)
	call := func(method, path string, body any) int {
		status, _ := server.Admin(method, path, body)
		return status
	}
	var people []string
	for _, u := range w.Users {
		people = append(people, u.ID)
	}
	m := keycloaktest.NewMover(seed, call, parents, people, members)
	chance := rand.New(rand.NewPCG(seed, 1))
	// One request at a time, so that a seed is a history.
	source := server.Open(t, func(c *keycloak.Config) { c.Inherit, c.PageSize, c.Parallel = inherit, 10, 1 })
	calm := seed%2 == 0 // Then the first read sees the world at rest, and the others know who leaves.
	server.Hook = func(path string) {
		for !calm && chance.IntN(3) == 0 {
			m.Move(strings.TrimSuffix(strings.TrimPrefix(path, "/groups/"), "/members"))
		}
	}
	claimed := 0
	for range reads {
		s, err := source.Pull(t.Context(), nil)
		if kind := fault.KindOf(err); err != nil && kind != fault.Incomplete {
			t.Fatalf("Pull: %v", err)
		}
		calm = false
		for _, lost := range m.Lost(s, inherit) {
			t.Error(lost)
		}
		for i := range s.Groups {
			if s.Groups[i].MembersKnown {
				claimed++
			}
		}
	}
	t.Logf("%d moves, %d member lists claimed", m.Moves(), claimed)
	if claimed < reads*len(parents)/2 {
		t.Errorf("%d member lists are claimed in %d reads of %d groups: nothing can be said of a realm that moves", claimed, reads, len(parents))
	}
}

// hops is a world where somebody moves from one sub-group to another after the second was
// read and before the first is.
func hops(t *testing.T) (*keycloaktest.Server, func() map[string]string) {
	w := providertest.World{
		Users: []providertest.User{{ID: person(1), Username: "ann"}, {ID: person(2), Username: "bob"}},
		Groups: []providertest.Group{
			{ID: place(1), Name: "team", Groups: []string{place(2), place(3)}}, {ID: place(2), Name: "east"}, {ID: place(3), Name: "west", Members: []string{person(1), person(2)}},
		},
	}
	server := keycloaktest.New(t, w)
	source := server.Open(t, func(c *keycloak.Config) { c.Inherit, c.Parallel = true, 1 })
	return server, func() map[string]string { return names(pull(t, source)) }
}

func hopOnce(server *keycloaktest.Server) {
	hopped := false
	server.Hook = func(path string) {
		if path == "/groups/"+place(3)+"/members" && !hopped {
			hopped = true
			server.Admin(http.MethodPut, "/users/"+person(1)+"/groups/"+place(2), nil)
			server.Admin(http.MethodDelete, "/users/"+person(1)+"/groups/"+place(3), nil)
		}
	}
}

func TestWhoMovesBetweenTwoGroupsIsLostInNeither(t *testing.T) {
	t.Parallel()
	t.Run("at the first read", func(t *testing.T) {
		t.Parallel()
		server, read := hops(t)
		hopOnce(server)
		if got := read(); got["/team"] != "ann bob" {
			t.Errorf("%v", got)
		}
	})
	t.Run("later", func(t *testing.T) {
		t.Parallel()
		server, read := hops(t)
		read()
		before := len(server.Requests())
		read()
		usual := len(server.Requests()) - before
		hopOnce(server)
		if got := read(); got["/team"] != "ann bob" {
			t.Errorf("%v", got)
		}
		if more := len(server.Requests()) - before - 2*usual; more != 1 {
			t.Errorf("one who left costs %d requests, want 1", more)
		}
	})
}

func TestWhoIsRenamedWhileAListIsReadIsNotLost(t *testing.T) {
	t.Parallel()
	w, _, _ := tree(30, 1, 0)
	for i := range w.Users {
		w.Groups[0].Members = append(w.Groups[0].Members, w.Users[i].ID)
	}
	server := keycloaktest.New(t, w)
	pages := 0
	server.Hook = func(path string) {
		if strings.HasSuffix(path, "/members") {
			if pages++; pages == 2 {
				server.Admin(http.MethodPut, "/users/"+person(29), map[string]any{"username": "aaron"})
			}
		}
	}
	s := pull(t, server.Open(t, func(c *keycloak.Config) { c.PageSize = 10 }))
	if len(s.Groups[0].Members) != 30 {
		t.Errorf("%d members of 30", len(s.Groups[0].Members))
	}
}
