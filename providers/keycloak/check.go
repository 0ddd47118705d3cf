package keycloak

import (
	"context"
	"fmt"
	"net/url"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// checking gathers what doctor says.
type checking struct {
	providers.Findings
	s       *source
	session *httpx.Session
}

// bad reports an error, and whether there was one.
func (c *checking) bad(check string, err error) bool {
	if err != nil {
		c.Err(check, err)
	}
	return err != nil
}

// Check looks at the rights of the service account and at what makes a realm hard to read.
func (s *source) Check(ctx context.Context) []providers.Finding {
	c := &checking{s: s, session: s.client.Session(), Findings: providers.Findings{List: providers.InClear(s.config.URL)}}
	_, asked := s.count(ctx, c.session, nil)
	rights, err := s.rights(ctx)
	if c.bad("sign in", err) {
		return c.List
	}
	c.OK("sign in", "the realm %s gives the client %s access tokens", s.config.tokenRealm(), s.config.ClientID)
	if !c.rights(rights) || c.bad("users", asked) {
		return c.List
	}
	c.users(ctx)
	c.groups(ctx)
	c.events(ctx, rights)
	return c.List
}

// rights reports each right that is missing, and whether all are there.
func (c *checking) rights(rights map[string]bool) bool {
	if rights == nil {
		c.bad("rights", c.s.allowed(nil))
		return false
	}
	all := true
	for _, n := range c.s.config.needs() {
		if n.holds(rights) {
			c.OK("rights", "%s: %s", n.roles[0], n.what)
			continue
		}
		all = false
		c.Fail("rights", fmt.Sprintf("Clients, %s, Service account roles, Assign role: %s of %s", c.s.config.ClientID, n.roles[0], c.s.managedBy()),
			"the service account lacks %s for %s; without it the server leaves them out and says nothing", n.roles[0], n.what)
	}
	for _, more := range []string{"manage-users", "manage-realm", "manage-clients", "realm-admin"} {
		if rights[more] {
			c.Warn("rights", "take the role away and leave the view- roles", "the service account has %s, and nothing here writes", more)
		}
	}
	return all
}

func (c *checking) users(ctx context.Context) {
	total, err := c.s.count(ctx, c.session, nil)
	if c.bad("users", err) {
		return
	}
	var some []userRow
	if c.bad("users", c.s.get(ctx, c.session, "read users", "/users", page(0, defaultPageSize, true), &some)) {
		return
	}
	c.OK("users", "the realm has %d people", total)
	for _, u := range some {
		if u.FederationLink != "" {
			c.Warn("federation", "watch the federation's own health, and keep safety.max_group_loss and max_people", "people come from a user federation: while that cannot be reached, Keycloak answers with fewer people and members and says nothing")
			break
		}
	}
	unverified, err := c.unverified(ctx)
	switch {
	case c.bad("mail", err):
	case unverified == 0:
		c.OK("mail", "every mail address is verified")
	case c.s.config.UnverifiedEmail:
		c.Warn("mail", "make sure that nobody can register or change their own mail address without verifying it", "%d of %d people have no verified mail address, and unverified ones are used", unverified, total)
	default:
		c.Warn("mail", "have the addresses verified, switch Trust Email on for the federation or identity provider they come from, or write unverified_email: true where nobody can write their own",
			"%d of %d people have no verified mail address: it is not used, and their accounts are found by other means only", unverified, total)
	}
}

// unverified counts people without a verified mail address. A count with a condition has the
// accounts of clients in it, ours for one, which a count without one leaves out.
func (c *checking) unverified(ctx context.Context) (int, error) {
	all, err := c.s.count(ctx, c.session, url.Values{"emailVerified": {"false"}})
	if err != nil || all == 0 {
		return 0, err
	}
	clients, err := c.s.count(ctx, c.session, url.Values{"emailVerified": {"false"}, "username": {serviceAccounts}})
	return max(0, all-clients), err
}

func (c *checking) groups(ctx context.Context) {
	if c.s.config.Group != "" {
		root, err := c.s.root(ctx, c.session)
		if !c.bad("groups", err) {
			c.OK("groups", "%s and the groups below it are read", root.Path)
		}
		return
	}
	var count struct {
		Count *int `json:"count"`
	}
	err := c.s.get(ctx, c.session, "count groups", "/groups/count", nil, &count)
	if err == nil && count.Count == nil {
		err = c.s.fail(fault.Incomplete, "count groups", "", "%w", errNull)
	}
	if !c.bad("groups", err) {
		noun := "groups"
		if *count.Count == 1 {
			noun = "group"
		}
		c.OK("groups", "the realm has %d %s", *count.Count, noun)
	}
}

// events says whether changes can be noticed.
func (c *checking) events(ctx context.Context, rights map[string]bool) {
	for _, role := range []string{"view-events", "manage-events"} {
		if rights[role] {
			config, err := c.s.eventConfig(ctx, c.session)
			switch {
			case c.bad("events", err):
			case config.Admin && config.Events:
				c.OK("events", "the realm saves admin events and those of people: changes show within seconds")
			case config.Admin:
				c.Warn("events", remedyEvents, "the realm saves admin events and not those of people: what changes at a sign-in shows with the next read")
			case config.Events:
				c.Warn("events", remedyEvents, "the realm saves events of people and no admin events: changes of groups show with the next read")
			default:
				c.Warn("events", remedyEvents, "the realm saves no events: changes show with the next read")
			}
			return
		}
	}
	c.Warn("events", remedyRight+" of "+c.s.managedBy()+", and "+remedyEvents, "the service account may not read events: changes show with the next read")
}
