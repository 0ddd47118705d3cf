package mapping

import (
	"slices"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
)

// role adds what a rule about a role selects to the one want of that role, however many
// rules and directory groups give it. A rule that selects nothing is named there too: whom
// it could give the role nobody knows then.
func (m *mapper) role(r *Rule) {
	at := slices.IndexFunc(m.roles, func(w plan.Want) bool { return w.Role == r.Role })
	if at < 0 {
		at = len(m.roles)
		m.roles = append(m.roles, plan.Want{Role: r.Role, Members: plan.Owned})
	}
	w := &m.roles[at]
	w.Links = append(w.Links, plan.LinkKey{Rule: r.key, To: plan.RoleGroup(r.Role)})
	for s := range m.sources {
		src := &m.sources[s]
		if !r.covers(src.ID) {
			continue
		}
		if !slices.Contains(w.Could, s) {
			w.Could = append(w.Could, s)
		}
		feed := func(id string, number uint32) {
			key := plan.FeedKey{Rule: r.key, Group: directory.GroupKey{Source: src.ID, ID: id}}
			w.Feeds = append(w.Feeds, plan.Feed{Key: key, Source: s, Group: number, Everyone: id == plan.Everyone, Direct: r.Direct, Where: r.filter()})
		}
		if r.Match.Everyone {
			feed(plan.Everyone, 0)
		}
		groups := src.Replica.Groups()
		for n := range groups {
			if !groups[n].Listed || groups[n].OwnersOf != "" {
				continue
			}
			if parts, ok := r.selects(&groups[n]); ok && r.allows(parts) {
				feed(groups[n].ID, uint32(n))
			}
		}
	}
	slices.SortFunc(w.Links, plan.LinkKey.Compare)
	slices.SortFunc(w.Feeds, func(a, b plan.Feed) int { return a.Key.Compare(b.Key) })
	slices.Sort(w.Could)
	slices.SortFunc(m.roles, func(a, b plan.Want) int { return compareRoles(a.Role, b.Role) })
}

// compareRoles puts the stronger role first.
func compareRoles(a, b string) int { return plan.RoleRank(b) - plan.RoleRank(a) }
