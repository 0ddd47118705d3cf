package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/dn"
	"groupsyncd/providers/ldap/wire"
)

// LookUp reads one person and climbs from group to group. Every group found names
// the person as a direct member, because the chain between is not read.
func (s *source) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	none := &directory.Snapshot{AsOf: s.now()}
	ctx, end, err := s.begin(ctx)
	defer end()
	c := newClimber(s, none.AsOf)
	if err == nil {
		err = ended(ctx, "look up user", s.where())
	}
	if err == nil {
		c.session, err = s.connect(ctx)
	}
	if err == nil {
		defer c.session.close()
		c.layout = c.session.layout
		var found *directory.Snapshot
		if found, err = c.lookUp(ctx, who); err == nil {
			return found, nil
		}
		err = searchError(ctx, c.session.server, "look up user", "users", "", err)
	}
	none.Reason = err.Error()
	return none, err
}

func (c *climber) lookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	s := &directory.Snapshot{AsOf: c.asOf, Replicated: c.layout.ad}
	entries, err := c.find(ctx, who)
	if err != nil {
		return nil, err
	}
	if len(entries) != 1 {
		s.Reason = fmt.Sprintf("%d users match the look-up", len(entries))
		return s, nil
	}
	e := entries[0]
	u, err := new(texts).user(c.layout, wire.EntryOf(e))
	if err != nil {
		return nil, fault.New(fault.Incomplete, "look up user", c.session.server.text, err, "check users.id")
	}
	if err := c.status(ctx, e, &u); err != nil {
		return nil, err
	}
	if err := c.groupsOf(ctx, e, u.Username); err != nil {
		return nil, err
	}
	u.GroupsKnown = true
	s.Users, s.Groups = []directory.User{u}, c.groups
	s.Close(c.layout.nested)
	return s, nil
}

// find gives the users whom the person may be, with the same bases and filter as a
// pull. Servers match more loosely than we do, so the answer is checked.
func (c *climber) find(ctx context.Context, who directory.Person) ([]*ldap.Entry, error) {
	l := c.layout
	var attribute, value string
	var fits func(e *ldap.Entry) bool
	switch {
	case who.ID != "":
		attribute, value = l.users.ID, idAssertion(l.users.ID, who.ID)
		fits = func(e *ldap.Entry) bool {
			id, err := entryID(wire.EntryOf(e), l.users.ID)
			return err == nil && id == who.ID
		}
	case who.Email != "":
		attribute, value = l.users.Email, ldap.EscapeFilter(who.Email)
		fits = func(e *ldap.Entry) bool {
			return slices.ContainsFunc(e.GetEqualFoldAttributeValues(attribute), func(v string) bool {
				return directory.FoldEmail(v) == directory.FoldEmail(who.Email)
			})
		}
	case who.Username != "":
		attribute, value = l.users.Username, ldap.EscapeFilter(who.Username)
		fits = func(e *ldap.Entry) bool {
			return slices.ContainsFunc(e.GetEqualFoldAttributeValues(attribute), func(v string) bool { return dn.Fold(v) == dn.Fold(who.Username) })
		}
	}
	if value == "" {
		return nil, nil
	}
	attributes := l.userAttributes()
	if l.ad {
		attributes = append(attributes, "objectSid")
	}
	var entries []*ldap.Entry
	filter := and(l.users.Filter, "("+attribute+"="+value+")")
	err := c.search(ctx, l.users.Base, filter, attributes, true, func(e *ldap.Entry) error {
		known := slices.ContainsFunc(entries, func(x *ldap.Entry) bool { return dn.Normal(x.DN) == dn.Normal(e.DN) })
		if fits(e) && !known {
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}

// search reads below several bases. A reference to another server makes the answer
// incomplete where it may stand for entries.
func (c *climber) search(ctx context.Context, bases []string, filter string, attributes []string, strict bool, each func(*ldap.Entry) error) error {
	for _, base := range bases {
		ask := func() (wire.Found, error) {
			return c.session.search(ctx, query{base, ldap.ScopeWholeSubtree, filter, attributes}, each)
		}
		f, err := ask()
		if exact := c.exact(filter); err != nil && refusesRule(err) && exact != filter {
			filter = exact
			f, err = ask()
		}
		if err == nil && strict && f.References > 0 && !c.layout.ad {
			err = fmt.Errorf("%d search references: %w", f.References, errIncomplete)
		}
		if err != nil {
			block := "users"
			if !slices.Contains(c.layout.users.Base, base) {
				block = "groups"
			}
			return searchError(ctx, c.session.server, "look up user", block, base, err)
		}
	}
	return nil
}

// exact takes out of a filter what a server may refuse.
func (c *climber) exact(filter string) string {
	for _, test := range c.loose {
		filter = strings.ReplaceAll(filter, test, "")
	}
	return filter
}

// refusesRule reports whether a server does not want a matching rule.
func refusesRule(err error) bool {
	switch code(err) {
	case ldap.LDAPResultUnavailableCriticalExtension, ldap.LDAPResultInappropriateMatching, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInvalidAttributeSyntax:
		return true
	}
	return false
}

// status reads whether the person is disabled.
func (c *climber) status(ctx context.Context, e *ldap.Entry, u *directory.User) error {
	u.StatusKnown = true
	switch {
	case c.layout.users.Disabled != "":
		match, err := c.session.entry(ctx, e.DN, and(c.layout.users.Filter, c.layout.users.Disabled), []string{c.layout.users.ID})
		if err != nil {
			return err
		}
		u.Disabled = match != nil
	case c.layout.ad:
		disabled, err := adDisabled(wire.EntryOf(e), c.asOf)
		if err != nil {
			return fault.New(fault.Auth, "look up user", c.session.server.text, err, "let the account of bind.dn read userAccountControl and accountExpires")
		}
		u.Disabled = disabled
	}
	return nil
}
