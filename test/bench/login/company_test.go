package login

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"groupsyncd/directory"
	"groupsyncd/providers"
	"groupsyncd/test/bench/site"
)

// company is a directory in memory that answers at once. It reads everybody as site has
// them, and single people with the groups that they were given since.
type company struct {
	size  site.Size
	whole *directory.Snapshot

	mu sync.Mutex
	// groups are those of each person, by their numbers.
	groups [][]uint32
	byID   map[string]int
	waited atomic.Int64
}

func newCompany(size site.Size) *company {
	c := &company{size: size, groups: make([][]uint32, size.Users), byID: map[string]int{}, whole: size.Read(time.Now())}
	for g := range c.whole.Groups {
		for _, u := range c.whole.Groups[g].Members {
			c.groups[u] = append(c.groups[u], uint32(g))
		}
	}
	for n := range c.whole.Users {
		c.byID[c.whole.Users[n].ID], c.byID[c.whole.Users[n].Email] = n, n
	}
	return c
}

// Pull reads everybody.
func (c *company) Pull(context.Context, providers.Progress) (*directory.Snapshot, error) {
	return c.size.Read(time.Now()), nil
}

// Close has nothing to close.
func (c *company) Close() error { return nil }

// join gives a person that many more groups, and gives their names in Open WebUI.
func (c *company) join(person, more int) []uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var given []uint32
	for g := uint32(person); len(given) < more; g += 17 {
		if at := g % uint32(c.size.Groups); !slices.Contains(c.groups[person], at) {
			c.groups[person] = append(c.groups[person], at)
			given = append(given, at)
		}
	}
	return given
}

// LookUp reads one person, as a directory does that finds a person's groups.
func (c *company) LookUp(_ context.Context, who directory.Person) (*directory.Snapshot, error) {
	began := time.Now()
	defer func() { c.waited.Add(int64(time.Since(began))) }()
	n, known := c.byID[who.ID]
	if !known {
		n, known = c.byID[who.Email]
	}
	s := &directory.Snapshot{AsOf: began}
	if !known {
		return s, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.whole.Users[n]
	u.StatusKnown, u.GroupsKnown = true, true
	s.Users = []directory.User{u}
	for _, at := range c.groups[n] {
		g := &c.whole.Groups[at]
		s.Groups = append(s.Groups, directory.Group{ID: g.ID, Name: g.Name, DN: g.DN, Direct: []uint32{0}, Members: []uint32{0}})
	}
	return s, nil
}

// mail gives the mail address of a person.
func mail(person int) string { return fmt.Sprintf("user%d@example.org", person) }
