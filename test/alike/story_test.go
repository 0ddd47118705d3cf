// Package alike holds the same directory behind every kind of source: what Open WebUI gets,
// and what is done to it, must not depend on how the directory was read.
package alike

import (
	"fmt"
	"slices"

	"groupsyncd/providers/providertest"
)

// The people of the story. Nora has no account yet, and Otto is in no group before the end.
const (
	ana = iota
	ben
	cleo
	dora
	emil
	nora
	otto
)

func names() []string { return []string{"ana", "ben", "cleo", "dora", "emil", "nora", "otto"} }

func userID(n int) string  { return fmt.Sprintf("0a000000-0000-4000-8000-%012d", n+1) }
func groupID(n int) string { return fmt.Sprintf("0b000000-0000-4000-8000-%012d", n+1) }

func mail(n int) string { return names()[n] + "@example.org" }

// chapter says who is named by which group, in the order of groups, and which groups contain
// others.
type chapter struct {
	title   string
	members [3][]int
}

// The groups of the story: Everybody contains the other two.
const (
	finance = iota
	research
	everybody
)

func groups() []string { return []string{"Finance", "R&D (EMEA)", "Everybody"} }

func story() []chapter {
	return []chapter{
		{"the directory as it was", [3][]int{{ana, ben}, {cleo, dora, nora}, {emil}}},
		{"nothing happened", [3][]int{{ana, ben}, {cleo, dora, nora}, {emil}}},
		{"one leaves, one moves, one joins", [3][]int{{ben, cleo}, {dora, nora, emil}, {emil}}},
		{"the move is taken back, somebody new comes", [3][]int{{ana, ben}, {cleo, dora, otto}, {emil}}},
		{"only the way from above is left", [3][]int{{ben}, {cleo, otto}, {ana, emil}}},
	}
}

// world is a chapter as a directory; flat, where a source knows no groups in groups.
func (c *chapter) world(flat bool) providertest.World {
	var w providertest.World
	for n, name := range names() {
		w.Users = append(w.Users, providertest.User{ID: userID(n), Username: name, Email: mail(n), Name: name + " Example"})
	}
	for g, name := range groups() {
		group := providertest.Group{ID: groupID(g), Name: name}
		list := c.members[g]
		if g == everybody && flat {
			list = slices.Concat(c.members[:]...)
			slices.Sort(list)
			list = slices.Compact(list)
		}
		for _, n := range list {
			group.Members = append(group.Members, userID(n))
		}
		if g == everybody && !flat {
			group.Groups = []string{groupID(finance), groupID(research)}
		}
		w.Groups = append(w.Groups, group)
	}
	return w
}
