package ldap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/dn"
	"groupsyncd/providers/ldap/wire"
)

// The bounds of climbing from a person to the groups above.
const (
	// climbBatch is how many groups one search asks about.
	climbBatch = 50
	// maxClimb is how many groups one person may be in.
	maxClimb = 20000
)

// LookUp reads one person and climbs from group to group. Every group found names
// the person as a direct member, because the chain between is not read.
func (s *source) LookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	none := &directory.Snapshot{AsOf: s.now()}
	ctx, end, err := s.begin(ctx)
	defer end()
	c := &climber{source: s, asOf: none.AsOf, seen: map[string]bool{}}
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

// climber gathers one look-up.
type climber struct {
	source  *source
	session *session
	layout  *layout
	asOf    time.Time

	groups []directory.Group
	seen   map[string]bool // ids of groups
}

func (c *climber) lookUp(ctx context.Context, who directory.Person) (*directory.Snapshot, error) {
	s := &directory.Snapshot{AsOf: c.asOf}
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
	bases, err := c.contexts(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.climb(ctx, e, u.Username, bases); err != nil {
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
		f, err := c.session.search(ctx, query{base, ldap.ScopeWholeSubtree, filter, attributes}, each)
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

// contexts gives the places below which groups that contain groups are looked for:
// the whole naming contexts of the configured bases, because a pull follows a
// reference to a nested group wherever it is. Without nesting there are none.
func (c *climber) contexts(ctx context.Context) ([]string, error) {
	if !c.layout.nested {
		return nil, nil
	}
	root, err := c.session.entry(ctx, "", "(objectClass=*)", []string{"namingContexts"})
	if err != nil {
		return nil, err
	}
	var bases []string
	if root != nil {
		for _, naming := range root.GetEqualFoldAttributeValues("namingContexts") {
			above := []string{dn.Normal(naming)}
			if slices.ContainsFunc(append(slices.Clone(c.layout.users.Base), c.layout.groups.Base...), func(b string) bool { return dn.Within(dn.Normal(b), above) }) {
				bases = append(bases, naming)
			}
		}
	}
	if len(bases) == 0 {
		return nil, fault.New(fault.Incomplete, "look up user", c.session.server.text,
			errors.New("the server does not show its naming contexts, so that nested groups outside groups.base cannot be found"),
			"let the account of bind.dn read namingContexts of the root entry, or set nested: false")
	}
	return bases, nil
}

// climb finds the groups of the person level by level. Each level is two searches:
// which entries anywhere name those of the level below, and which of them the
// configuration lists.
func (c *climber) climb(ctx context.Context, e *ldap.Entry, username string, contexts []string) error {
	tests := c.personTests(e, username)
	for len(tests) > 0 {
		var next []string
		for batch := range slices.Chunk(tests, climbBatch) {
			up, err := c.level(ctx, "(|"+strings.Join(batch, "")+")", contexts)
			if err != nil {
				return err
			}
			next = append(next, up...)
		}
		if len(c.groups) > maxClimb {
			return fmt.Errorf("the person is in more than %d groups: %w", maxClimb, errIncomplete)
		}
		if !c.layout.nested {
			return nil
		}
		tests = tests[:0]
		for _, dn := range next {
			tests = append(tests, c.memberTests(dn)...)
		}
	}
	return nil
}

// personTests are the filters that find the groups naming the person themselves.
func (c *climber) personTests(e *ldap.Entry, username string) []string {
	tests := c.memberTests(e.DN)
	for _, name := range c.layout.groups.Members {
		if byUsername(name) && username != "" {
			tests = append(tests, "("+name+"="+ldap.EscapeFilter(username)+")")
		}
	}
	if sid := primaryGroupSID(e); c.layout.ad && sid != nil {
		tests = append(tests, "(objectSid="+escapeBytes(sid)+")")
	}
	return tests
}

// memberTests are the filters that find the groups naming a DN.
func (c *climber) memberTests(dn string) []string {
	var tests []string
	for _, name := range c.layout.groups.Members {
		if !byUsername(name) {
			tests = append(tests, "("+name+"="+ldap.EscapeFilter(dn)+")")
		}
	}
	return tests
}

// level adds the groups that match and gives the DNs of the new ones.
func (c *climber) level(ctx context.Context, filter string, contexts []string) ([]string, error) {
	l := c.layout
	attributes := []string{l.groups.ID, l.groups.Name, l.groups.Description}
	var dns []string
	add := func(unlisted bool) func(e *ldap.Entry) error {
		return func(e *ldap.Entry) error {
			id, err := entryID(wire.EntryOf(e), l.groups.ID)
			if err != nil {
				return fault.New(fault.Incomplete, "look up user", c.session.server.text, err, "check groups.id")
			}
			if c.seen[id] {
				return nil
			}
			c.seen[id] = true
			name := first(e, l.groups.Name)
			if name == "" {
				name = dn.FirstValue(e.DN)
			}
			c.groups = append(c.groups, directory.Group{ID: id, DN: dn.Normal(e.DN), Name: name, Description: first(e, l.groups.Description),
				Direct: []uint32{0}, Unlisted: unlisted})
			dns = append(dns, e.DN)
			return nil
		}
	}
	if err := c.search(ctx, l.groups.Base, and(l.groups.Filter, filter), attributes, true, add(false)); err != nil {
		return nil, err
	}
	return dns, c.search(ctx, contexts, filter, attributes, false, add(true))
}

// primaryGroupSID gives the SID of a user's primary group: the user's own with the
// last part replaced by primaryGroupID (MS-DTYP 2.4.2.2: little-endian).
func primaryGroupSID(e *ldap.Entry) []byte {
	raw := rawValues(e, "objectSid")
	rid, err := strconv.ParseUint(first(e, "primaryGroupID"), 10, 32)
	if len(raw) != 1 || len(raw[0]) < 12 || err != nil {
		return nil
	}
	sid := slices.Clone(raw[0])
	binary.LittleEndian.PutUint32(sid[len(sid)-4:], uint32(rid))
	return sid
}
