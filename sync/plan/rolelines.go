package plan

import (
	"slices"

	"groupsyncd/sync/replica"
)

// mayName reports whether it cannot be told that no line of the role names an account: one
// shows them in doubt, or somewhere that it selects from was not read. What another line gave
// must not end then, because this one would have kept them from losing it.
func (s *roleSide) mayName(a uint32) bool {
	if s.is(a, isUnknown) || s.is(a, isOwned) && !s.is(a, isWanted) && s.verdicts[a].unknown {
		return true
	}
	return s.want != nil && slices.ContainsFunc(s.want.Could, func(source int) bool { return s.c.silent(source, s.want.selected(source), a) })
}

// allLines gives the sources of all lines, when all of them are sure to have nothing to say
// about an account: each line selects something, was read, and shows nobody in doubt.
func (c *computer) allLines(a uint32) (sources []string, sure bool) {
	for i := range c.wantedRoles {
		w := &c.wantedRoles[i]
		for _, l := range w.Links {
			if !slices.ContainsFunc(w.Feeds, func(f Feed) bool { return f.Key.Rule == l.Rule }) {
				return nil, false
			}
		}
		for _, s := range w.Could {
			if _, fresh := c.ready(s, w.selected(s)); !fresh || c.in.Sources[s].Single && c.silent(s, nil, a) {
				return nil, false
			}
			sources = append(sources, c.in.Sources[s].ID)
		}
	}
	slices.Sort(sources)
	return slices.Compact(sources), len(sources) > 0
}

// decides reports whether somebody behind an account is known to a deciding source, unless all
// of these say that they are disabled or gone.
func (c *computer) decides(a uint32) bool {
	return (c.evidence[a] == nil || !c.evidence[a].off) &&
		slices.ContainsFunc(c.people.of(a), func(p person) bool { return slices.Contains(c.authority, p.source) })
}

// elsewhere reports whether a line names somebody whose account cannot be found, in a source in
// which nobody has this one: it may be theirs.
func (c *computer) elsewhere(a uint32) bool {
	for _, source := range c.strangers() {
		if !slices.ContainsFunc(c.people.of(a), func(p person) bool { return p.source == source }) {
			return true
		}
	}
	return false
}

// strangers gives the sources in which a line of a role names somebody whose account cannot be
// found.
func (c *computer) strangers() []int {
	if c.strange != nil {
		return c.strange
	}
	c.strange = []int{}
	for i := range c.wantedRoles {
		for f := range c.wantedRoles[i].Feeds {
			feed := &c.wantedRoles[i].Feeds[f]
			named := func(user uint32) bool {
				account := c.people.account[feed.Source][user]
				return (account == unmatched || account == conflict) && c.shows(feed, user) == replica.Shown
			}
			r := c.in.Sources[feed.Source].Replica
			strange := false
			if feed.Everyone {
				for n := 0; n < len(r.Users()) && !strange; n++ {
					strange = named(uint32(n))
				}
			} else {
				strange = slices.ContainsFunc(r.Groups()[feed.Group].Members, named)
			}
			if strange && !slices.Contains(c.strange, feed.Source) {
				c.strange = append(c.strange, feed.Source)
			}
		}
	}
	return c.strange
}
