package ldap

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	ldap "github.com/go-ldap/ldap/v3"
)

// inChain is the matching rule of Active Directory that follows a link from group to
// group on the server (MS-ADTS 3.1.1.3.4.4.3).
const inChain = ":1.2.840.113556.1.4.1941:"

// chainTrust is how long what was found out about the rule counts.
const chainTrust = time.Hour

// chains remembers on which servers the rule was seen to work. A server that does not
// know a rule finds nothing by it and says nothing, so it is believed only after it gave
// the groups of a person in nested groups as climbing level by level does, and as soon:
// Samba follows the links of every group there is, which takes longer than asking.
type chains struct {
	mu       sync.Mutex
	verdicts map[string]chainVerdict
}

type chainVerdict struct {
	works bool
	until time.Time
}

// about says what is known of a server.
func (c *chains) about(server string, now time.Time) (works, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.verdicts[server]
	if !ok || !now.Before(v.until) {
		return false, false
	}
	return v.works, true
}

func (c *chains) note(server string, works bool, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.verdicts == nil {
		c.verdicts = map[string]chainVerdict{}
	}
	c.verdicts[server] = chainVerdict{works, until}
}

// chained reports whether the rule can do: members are links, on a server that may
// know it.
func (c *climber) chained() bool {
	members := c.layout.groups.Members
	return c.layout.ad && len(members) > 0 && !slices.ContainsFunc(members, byUsername)
}

// climbOrChain uses the rule where it is known to work. Where that is not known and
// the person is in nested groups, it is tried beside climbing.
func (c *climber) climbOrChain(ctx context.Context, e *ldap.Entry, tests, contexts []string) error {
	server, now := c.session.server.text, c.asOf
	works, known := c.source.chains.about(server, now)
	if works {
		err := c.chain(ctx, e, tests, contexts)
		if err == nil || ctx.Err() != nil {
			return err
		}
		c.source.chains.note(server, false, now.Add(chainTrust))
		c.source.logger.Warn("the server does not follow nested groups any more, so look-ups go level by level",
			"server", server, "err", err)
		c.groups, c.at = nil, map[string]int{}
	}
	begin := c.source.now()
	deep, err := c.climb(ctx, tests, contexts)
	if err != nil || known || !deep {
		return err
	}
	took := c.source.now().Sub(begin)
	c.source.chains.note(server, c.probe(ctx, e, tests, contexts, took), now.Add(chainTrust))
	return nil
}

// probe reports whether the rule gives what climbing gave, and takes no longer. Samba's is
// not tried: it walks all of what a group contains, for each group, and took half a minute
// where climbing took some milliseconds (thirty levels above a group of 1,800).
func (c *climber) probe(ctx context.Context, e *ldap.Entry, tests, contexts []string, climbing time.Duration) bool {
	other := newClimber(c.source, c.asOf)
	other.session, other.layout = c.session, c.layout
	root, err := c.session.root(ctx)
	if err != nil || strings.HasPrefix(root.GetEqualFoldAttributeValue("vendorName"), "Samba") {
		return false
	}
	begin := c.source.now()
	if err := other.chain(ctx, e, tests, contexts); err != nil {
		c.source.logger.Info("the server does not follow nested groups itself, so look-ups go level by level",
			"server", c.session.server.text, "err", err)
		return false
	}
	took := c.source.now().Sub(begin)
	same := len(c.groups) == len(other.groups)
	for i := range c.groups {
		at, ok := other.at[c.groups[i].ID]
		same = same && ok && other.groups[at].Unlisted == c.groups[i].Unlisted
	}
	if !same {
		c.source.logger.Info("the server follows nested groups in a way of its own, so look-ups go level by level",
			"server", c.session.server.text, "groups", len(c.groups), "groups_in_chain", len(other.groups))
	}
	c.source.logger.Debug("the server's own way through nested groups was tried", "server", c.session.server.text,
		"same", same, "took", took, "level_by_level", climbing)
	return same && took <= climbing
}

// chain finds the groups of the person by the rule. The primary group and what
// contains it are no part of any chain from the person, so it is a second beginning.
func (c *climber) chain(ctx context.Context, e *ldap.Entry, tests, contexts []string) error {
	begin := []string{e.DN}
	primary, err := c.primaryGroup(e)
	if err != nil {
		return err
	}
	if primary != "" {
		names, err := c.above(ctx, []string{primary}, contexts)
		if err != nil {
			return err
		}
		begin = append(begin, names...)
	}
	var chains []string
	for _, name := range begin {
		chains = append(chains, c.memberTests(name, inChain)...)
	}
	if _, err := c.above(ctx, chains, contexts); err != nil {
		return err
	}
	return c.list(ctx, tests)
}
