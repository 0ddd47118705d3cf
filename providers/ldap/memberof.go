package ldap

import (
	"context"
	"fmt"
	"slices"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/dn"
	"groupsyncd/providers/ldap/wire"
)

// followMemberOf finds the groups of a person where entries name the groups that they
// are in: those of the person, and with nesting those of each group.
func (c *climber) followMemberOf(ctx context.Context, e *ldap.Entry) error {
	if err := c.noRange(wire.EntryOf(e)); err != nil {
		return err
	}
	names := e.GetEqualFoldAttributeValues(c.layout.memberOf)
	primary, err := c.primaryGroup(e)
	if err != nil {
		return err
	}
	if primary != "" {
		contexts, err := c.contexts(ctx)
		if err != nil {
			return err
		}
		err = c.search(ctx, contexts, primary, c.attributes(), false, func(g *ldap.Entry) error {
			names = append(names, g.DN)
			return nil
		})
		if err != nil {
			return err
		}
	}
	seen, others := map[string]bool{}, map[string]bool{}
	for level := 0; len(names) > 0; level++ {
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			normal := dn.Normal(name)
			known := seen[normal]
			seen[normal] = true
			return known
		})
		if len(seen) > maxClimb || len(names) > 0 && level > maxLevels {
			return fault.New(fault.Incomplete, "look up user", c.session.server.text,
				fmt.Errorf("the person is in more than %d groups, or above them are more than %d levels", maxClimb, maxLevels), "set nested: false")
		}
		if names, err = c.readGroups(ctx, names, others); err != nil {
			return err
		}
	}
	if err := c.list(ctx, nil); err != nil {
		return err
	}
	// What memberOf names beside groups, such as a role, is shown when it is listed.
	c.groups = slices.DeleteFunc(c.groups, func(g directory.Group) bool { return g.Unlisted && (others[g.ID] || !c.layout.nested) })
	return nil
}

// readGroups reads entries that memberOf names, and gives the groups that those are in.
// Of those that are no groups it notes the ids in others, and follows them no further.
func (c *climber) readGroups(ctx context.Context, names []string, others map[string]bool) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	attributes := append(c.layout.groupAttributes(), "objectClass")
	var next []string
	var failed error
	err := c.session.looks(ctx, names, func(int) []string { return attributes }, func(i int, e *wire.Entry, err error) {
		if err == nil && e != nil {
			group := c.layout.isGroup(e)
			below := dn.Within(dn.Normal(names[i]), dn.NormalAll(c.layout.groups.Base))
			if !group && !below {
				return
			}
			if err = c.noRange(e); err == nil {
				_, err = c.add(e.Copy(), true)
			}
			if err == nil && !group {
				id, _ := entryID(e, c.layout.groups.ID)
				others[id] = true
			}
			if a := e.Find(c.layout.memberOf); a != nil && group && c.layout.nested {
				for v := range a.Values() {
					next = append(next, string(v))
				}
			}
		}
		if err != nil && failed == nil {
			failed = searchError(ctx, c.session.server, "look up user", "groups", names[i], err)
		}
	})
	if err == nil {
		err = failed
	}
	return next, err
}

// noRange refuses an entry that shows only some of the groups that it is in.
func (c *climber) noRange(e *wire.Entry) error {
	for i := range e.Attributes {
		if name, options := e.Attributes[i].Base(); wire.EqualFold(name, c.layout.memberOf) && isRange(options) {
			return fault.New(fault.Incomplete, "look up user", c.session.server.text,
				fmt.Errorf("%q is in more groups than the server shows at once", e.DN), "set groups.members to the attribute of groups that holds their members")
		}
	}
	return nil
}
