package google

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"groupsyncd/directory"
	"groupsyncd/internal/httpx"
)

// climb finds the groups of one person, those around them, and so on.
type climb struct {
	*source
	session *httpx.Session
	view    *view

	mu     sync.Mutex
	result directory.Assembly
	// foreign are groups of other customers, which anybody may call as they like.
	foreign map[string]bool
	// doubt is a group of which it could not be seen whether the person is in it.
	doubt string
	// next are the groups whose own groups are to be asked for.
	next []group
}

// all climbs from a person to the last group.
func (c *climb) all(ctx context.Context, u *user) error {
	c.foreign = map[string]bool{}
	direct, err := c.groupsOf(ctx, u.ID)
	if err != nil {
		return err
	}
	for i := range direct {
		if err := c.found(ctx, &direct[i], directory.Ref{ID: u.ID, Kind: directory.UserMember}); err != nil {
			return err
		}
	}
	if err := c.everybody(ctx, u); err != nil {
		return err
	}
	for len(c.next) > 0 && c.config.Nested {
		level := c.next
		c.next = nil
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(c.config.Parallel)
		for i := range level {
			g.Go(func() error { return c.above(ctx, &level[i]) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// groupsOf gives the groups that name somebody, or a group by its address.
func (c *climb) groupsOf(ctx context.Context, key string) ([]group, error) {
	var found []group
	_, err := c.walk(ctx, c.session, c.groupsWith(key), func(p *page) error {
		found = append(found, p.Groups...)
		return nil
	})
	return found, err
}

// above finds the groups around a group. One that contained it before and is not found now is
// asked itself: what a search does not find proves nothing.
func (c *climb) above(ctx context.Context, child *group) error {
	around, err := c.groupsOf(ctx, child.Email)
	if err != nil {
		return err
	}
	ref := directory.Ref{ID: child.ID, Kind: directory.GroupMember}
	for i := range around {
		if err := c.found(ctx, &around[i], ref); err != nil {
			return err
		}
	}
	for _, id := range c.view.around(child.ID) {
		if slices.ContainsFunc(around, func(g group) bool { return g.ID == id }) {
			continue
		}
		is, err := c.has(ctx, c.session, id, child.ID)
		if err != nil {
			return err
		}
		if is {
			if err := c.known(ctx, id, ref); err != nil {
				return err
			}
		}
	}
	return nil
}

// known takes in a group that was seen before. One that is refused now leaves a doubt.
func (c *climb) known(ctx context.Context, id string, member directory.Ref) error {
	g, err := c.readGroup(ctx, c.session, id)
	if err != nil {
		return err
	}
	if g == nil {
		c.doubts(id)
		return nil
	}
	return c.found(ctx, g, member)
}

func (c *climb) doubts(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubt = id
}

// everybody finds the groups that everybody of the customer is in. The API does not tell them
// of a person, so those are asked that were seen to be so before.
//
// A group that became one since then is missed, which takes nothing from anybody: no read has
// shown it yet.
func (c *climb) everybody(ctx context.Context, u *user) error {
	for _, id := range c.view.everybodys(u.CustomerID) {
		n, err := c.names(ctx, c.session, id)
		switch {
		case refused(err):
			c.doubts(id)
		case err != nil:
			return err
		case slices.Contains(n.everybody, u.CustomerID):
			if err := c.known(ctx, id, directory.Ref{ID: u.ID, Kind: directory.UserMember}); err != nil {
				return err
			}
		}
	}
	return nil
}

// found takes in a group that has a member, unless it is another customer's.
func (c *climb) found(ctx context.Context, g *group, member directory.Ref) error {
	c.mu.Lock()
	has, foreign := c.result.HasGroup(g.ID), c.foreign[g.ID]
	if has {
		c.result.Member(g.ID, member)
	}
	c.mu.Unlock()
	if has || foreign {
		return nil
	}
	shown := g.shownAs()
	if !c.view.listed[g.ID] {
		own, err := c.readGroup(ctx, c.session, g.ID)
		if err != nil {
			return err
		}
		if own == nil {
			if c.view.of[g.ID] != nil {
				c.doubts(g.ID)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.foreign[g.ID] = true
			return nil
		}
		// Whether the query selects it only the list can say.
		shown.Unlisted = c.config.Groups != "" || c.config.Domain != "" && !c.inDomain(own.Email)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.result.HasGroup(g.ID) {
		c.result.Group(shown)
		c.next = append(c.next, *g)
	}
	c.result.Member(g.ID, member)
	return nil
}
