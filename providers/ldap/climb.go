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
	climbBatch = 100
	// maxClimb is how many groups one person may be in.
	maxClimb = 20000
	// maxLevels is how many levels of groups may be above the person's own.
	maxLevels = 100
)

// anyCase is the matching rule by which a pull compares usernames (RFC 4517, 4.2.3).
// memberUid has another one. A server that does not know this one finds nothing by it,
// or refuses it.
const anyCase = ":caseIgnoreIA5Match:"

// climber finds the groups of one person.
type climber struct {
	source  *source
	session *session
	layout  *layout
	asOf    time.Time

	// groups are unlisted until list finds them.
	groups []directory.Group
	at     map[string]int // the place of a group by its id
	texts  texts
	loose  []string // the tests that use anyCase
}

func newClimber(s *source, asOf time.Time) *climber {
	return &climber{source: s, asOf: asOf, at: map[string]int{}}
}

// groupsOf finds all groups of a person, in the way that costs the fewest requests.
func (c *climber) groupsOf(ctx context.Context, e *ldap.Entry, username string) error {
	if c.layout.memberOf != "" {
		return c.followMemberOf(ctx, e)
	}
	tests, err := c.personTests(e, username)
	if err != nil {
		return err
	}
	if !c.layout.nested {
		return c.list(ctx, tests)
	}
	contexts, err := c.contexts(ctx)
	if err != nil {
		return err
	}
	if c.chained() {
		return c.climbOrChain(ctx, e, tests, contexts)
	}
	_, err = c.climb(ctx, tests, contexts)
	return err
}

// contexts gives the places below which groups that contain groups are looked for:
// the whole naming contexts of the configured bases, because a pull follows a
// reference to a nested group wherever it is.
func (c *climber) contexts(ctx context.Context) ([]string, error) {
	configured := slices.Concat(c.layout.users.Base, c.layout.groups.Base)
	if domains := c.domains(configured); domains != nil {
		return domains, nil
	}
	named := c.session.contexts
	if named == nil {
		root, err := c.session.entry(ctx, "", "(objectClass=*)", []string{"namingContexts"})
		if err != nil {
			return nil, err
		}
		if root != nil {
			named = root.GetEqualFoldAttributeValues("namingContexts")
		}
	}
	var bases []string
	for _, context := range named {
		above := []string{dn.Normal(context)}
		if slices.ContainsFunc(configured, func(b string) bool { return dn.Within(dn.Normal(b), above) }) {
			bases = append(bases, context)
		}
	}
	if len(bases) == 0 {
		return nil, fault.New(fault.Incomplete, "look up user", c.session.server.text,
			errors.New("the server does not show its naming contexts, so that nested groups outside groups.base cannot be found"),
			"let the account of bind.dn read namingContexts of the root entry, or set nested: false")
	}
	above := dn.NormalAll(bases)
	for _, b := range c.layout.groups.Base {
		if !dn.Within(dn.Normal(b), above) {
			bases = append(bases, b)
		}
	}
	return bases, nil
}

// domains gives the naming contexts of Active Directory without a request: they are
// called after the domains.
func (c *climber) domains(configured []string) []string {
	if !c.layout.ad {
		return nil
	}
	var domains []string
	for _, b := range configured {
		domain := dn.Domain(dn.Normal(b))
		if domain == "" {
			return nil
		}
		if !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	}
	return domains
}

// climb finds the groups of the person level by level, anywhere, and then which of
// them the configuration lists. It reports whether a group is above another.
func (c *climber) climb(ctx context.Context, person, contexts []string) (bool, error) {
	deep := false
	for level, tests := 0, person; len(tests) > 0; level++ {
		above, err := c.above(ctx, tests, contexts)
		if err != nil {
			return deep, err
		}
		deep = deep || level > 0 && len(above) > 0
		if level > maxLevels && len(above) > 0 {
			return deep, fault.New(fault.Incomplete, "look up user", c.session.server.text,
				fmt.Errorf("groups above the person are nested more than %d levels deep, such as %q", maxLevels, above[0]), "take groups out of each other, or set nested: false")
		}
		tests = nil
		for _, name := range above {
			tests = append(tests, c.memberTests(name, "")...)
		}
	}
	return deep, c.list(ctx, person)
}

// above finds the groups anywhere that pass one of the tests, and gives the DNs of
// those that are new.
func (c *climber) above(ctx context.Context, tests, contexts []string) ([]string, error) {
	var names []string
	for batch := range slices.Chunk(tests, climbBatch) {
		err := c.search(ctx, contexts, c.ofGroups(anyOf(batch)), c.attributes(), false, func(e *ldap.Entry) error {
			fresh, err := c.add(e, true)
			if fresh {
				names = append(names, e.DN)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(c.groups) > maxClimb {
			return nil, fault.New(fault.Incomplete, "look up user", c.session.server.text, fmt.Errorf("the person is in more than %d groups", maxClimb), "set nested: false")
		}
	}
	return names, nil
}

// ofGroups keeps Active Directory from trying a filter on everybody: Samba has no index
// of members, and tries each entry there is.
func (c *climber) ofGroups(filter string) string {
	if !c.layout.ad {
		return filter
	}
	kinds := []string{c.layout.groups.Filter}
	for _, class := range groupClasses() {
		kinds = append(kinds, "(objectClass="+class+")")
	}
	return and(anyOf(kinds), filter)
}

// list finds out which groups the configuration lists: those found so far, and those
// that name the person.
func (c *climber) list(ctx context.Context, person []string) error {
	tests := slices.Clone(person)
	for i := range c.groups {
		tests = append(tests, "("+c.layout.groups.ID+"="+idAssertion(c.layout.groups.ID, c.groups[i].ID)+")")
	}
	for batch := range slices.Chunk(tests, climbBatch) {
		err := c.search(ctx, c.layout.groups.Base, and(c.layout.groups.Filter, anyOf(batch)), c.attributes(), true, func(e *ldap.Entry) error {
			_, err := c.add(e, false)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// attributes are what is asked for with each group: not its members, which may be
// many.
func (c *climber) attributes() []string {
	return unique([]string{c.layout.groups.ID, c.layout.groups.Name, c.layout.groups.Description})
}

// add notes a group, and reports whether it was not known.
func (c *climber) add(e *ldap.Entry, unlisted bool) (bool, error) {
	g, err := c.texts.group(c.layout, wire.EntryOf(e))
	if err != nil {
		return false, fault.New(fault.Incomplete, "look up user", c.session.server.text, err, "check groups.id")
	}
	if at, known := c.at[g.ID]; known {
		c.groups[at].Unlisted = c.groups[at].Unlisted && unlisted
		return false, nil
	}
	c.at[g.ID] = len(c.groups)
	g.Direct, g.Unlisted = []uint32{0}, unlisted
	c.groups = append(c.groups, g)
	return true, nil
}

// personTests are the filters that find the groups naming the person themselves.
func (c *climber) personTests(e *ldap.Entry, username string) ([]string, error) {
	tests := c.memberTests(e.DN, "")
	for _, name := range c.layout.groups.Members {
		if byUsername(name) && username != "" {
			loose := "(" + name + anyCase + "=" + ldap.EscapeFilter(username) + ")"
			c.loose = append(c.loose, loose)
			tests = append(tests, "("+name+"="+ldap.EscapeFilter(username)+")", loose)
		}
	}
	sid, err := c.primaryGroup(e)
	if sid != "" {
		tests = append(tests, sid)
	}
	return tests, err
}

// memberTests are the filters that find the groups naming a DN, by a matching rule or
// by the usual one.
func (c *climber) memberTests(name, rule string) []string {
	var tests []string
	for _, attribute := range c.layout.groups.Members {
		if !byUsername(attribute) {
			tests = append(tests, "("+attribute+rule+"="+ldap.EscapeFilter(name)+")")
		}
	}
	return tests
}

// primaryGroup gives the filter that finds a user's primary group in Active Directory,
// which does not name the user: its SID is the user's own with the last part replaced
// by primaryGroupID (MS-DTYP 2.4.2.2: little-endian).
func (c *climber) primaryGroup(e *ldap.Entry) (string, error) {
	id := first(e, "primaryGroupID")
	if !c.layout.ad || id == "" {
		return "", nil
	}
	raw := rawValues(e, "objectSid")
	rid, err := strconv.ParseUint(id, 10, 32)
	if len(raw) != 1 || len(raw[0]) < 12 || err != nil {
		return "", fault.New(fault.Incomplete, "look up user", c.session.server.text,
			fmt.Errorf("%q has no usable objectSid and primaryGroupID, so that the primary group cannot be found", e.DN), "let the account of bind.dn read objectSid of users")
	}
	sid := slices.Clone(raw[0])
	binary.LittleEndian.PutUint32(sid[len(sid)-4:], uint32(rid))
	return "(objectSid=" + escapeBytes(sid) + ")", nil
}

// anyOf joins filters of which one is enough.
func anyOf(tests []string) string { return "(|" + strings.Join(tests, "") + ")" }
