package apitest

import (
	"fmt"

	"groupsyncd/providers/providertest"
)

// The size of the directory that every source has to manage.
const (
	LargeUsers  = 20_000
	LargeGroups = 2_000
)

// Large is a directory of LargeUsers people and LargeGroups groups with 200,000 memberships:
// one group of everybody, some large ones, many of usual size, and nesting four levels deep. It is the same each time.
func Large() providertest.World {
	w := providertest.World{Users: make([]providertest.User, LargeUsers), Groups: make([]providertest.Group, LargeGroups)}
	user := func(n int) string { return fmt.Sprintf("0a000000-0000-4000-8000-%012d", n%LargeUsers+1) }
	group := func(n int) string { return fmt.Sprintf("0b000000-0000-4000-8000-%012d", n+1) }
	for i := range w.Users {
		name := fmt.Sprintf("user%05d", i+1)
		w.Users[i] = providertest.User{ID: user(i), Username: name, Email: name + "@example.org", Name: fmt.Sprintf("User %d", i+1), Disabled: i%97 == 96}
	}
	for i := range w.Groups {
		g := &w.Groups[i]
		g.ID, g.Name = group(i), fmt.Sprintf("group%04d", i+1)
		for n := range largeSize(i) {
			g.Members = append(g.Members, user(i*37+n))
		}
		if i%20 >= 7 && i%20 <= 9 {
			g.Groups = []string{group(i + 1)}
		}
		if i%50 == 9 {
			g.Groups = append(g.Groups, group(i+5))
		}
	}
	return w
}

// largeSize gives how many direct members a group has: 200,000 in all.
func largeSize(i int) int {
	switch {
	case i == 0:
		return LargeUsers
	case i < 20:
		return 2000
	case i == 20:
		return 2480
	}
	return 70 + i%2
}
