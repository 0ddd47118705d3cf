package mapping

import (
	"cmp"
	"fmt"
	"slices"

	"groupsyncd/directory"
	"groupsyncd/permission"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
	"groupsyncd/sync/run"
)

// Source is a source as rules see it. Its position in the list given to Apply is how
// feeds refer to it.
type Source struct {
	ID, Name string
	Replica  *replica.Replica
}

// Apply says what the rules that concern a target want of it.
func Apply(target string, rules []*Rule, sources []Source) *plan.Desired {
	m := mapper{sources: sources, desired: &plan.Desired{AddOnly: map[string]bool{}, Access: map[string]map[string]plan.Access{}}}
	for _, r := range rules {
		if len(r.Targets) > 0 && !slices.Contains(r.Targets, target) {
			continue
		}
		m.desired.Access[r.key] = r.extras.widest(r.Resources)
		if r.members() == plan.AddOnly {
			m.desired.AddOnly[r.key] = true
		}
		if r.Role != "" {
			m.role(r)
			continue
		}
		before := len(m.candidates)
		for s := range sources {
			if r.covers(sources[s].ID) {
				m.source(r, s)
			}
		}
		if r.Team != nil && len(m.candidates) == before {
			m.emptyTeam(r)
		}
	}
	m.unite()
	m.desired.Wants = append(m.desired.Wants, m.roles...)
	return m.desired
}

// candidate is one directory group that one rule selects.
type candidate struct {
	rule        *Rule
	link        plan.LinkKey
	name        string
	description *string
	feed        plan.Feed
	group       *replica.Group
	parent      string
	team        *plan.TeamPart
	resources   map[string]plan.Access
	unfilled    bool
}

// united says that several directory groups may share the name.
func (c *candidate) united() bool { return c.link.To != "" || c.rule.Merge }

type mapper struct {
	sources    []Source
	desired    *plan.Desired
	candidates []candidate
	// roles are the wanted roles, behind all groups.
	roles []plan.Want
}

func (m *mapper) source(r *Rule, s int) {
	src := m.sources[s]
	if r.Match.Everyone && !r.Owners {
		m.add(r, s, nil, 0, nil)
	}
	groups := src.Replica.Groups()
	var owners map[string]uint32
	if r.Owners {
		owners = ownersOf(groups)
	}
	for n := range groups {
		if !groups[n].Listed || groups[n].OwnersOf != "" {
			continue
		}
		switch parts, ok := r.selects(&groups[n]); {
		case !ok || !r.allows(parts):
		case r.Owners:
			m.addOwners(r, s, &groups[n], owners, parts)
		default:
			m.add(r, s, &groups[n], uint32(n), parts)
		}
	}
}

func (m *mapper) add(r *Rule, s int, g *replica.Group, number uint32, parts map[string]string) {
	src := m.sources[s]
	v := view{Source: src.Name, Match: parts}
	id := plan.Everyone
	if g != nil {
		v.Name, v.ID, v.DN, v.Path, v.Description = g.Name, g.ID, g.DN, g.Path, g.Description
		id = g.ID
	}
	key := directory.GroupKey{Source: src.ID, ID: id}
	c := candidate{rule: r, group: g, link: plan.LinkKey{Rule: r.key, Group: key},
		feed: plan.Feed{Key: plan.FeedKey{Rule: r.key, Group: key}, Source: s, Group: number, Everyone: g == nil, Direct: r.Direct, Where: r.filter()}}
	team, err := r.teamOf(v)
	if team != nil {
		v.Team = team.Team
	}
	name := ""
	if err == nil {
		name, err = render(r.to, v)
	}
	if err == nil {
		err = checkName(name)
	}
	if r.Literal() {
		c.link = plan.LinkKey{Rule: r.key, To: name}
	}
	// Without a usable name nothing is made or renamed, but what is linked already goes
	// on: a bad name must not cost anybody their membership.
	if err != nil {
		m.problem(fmt.Sprintf("rule %s gives %s no usable name: it %s", r.key, nameOf(g, src.Name), err), "change the rule's `to`")
		name = ""
	}
	c.name, c.team = name, team
	if c.resources, err = r.extras.resources(r.Resources, v); err != nil {
		c.unfilled = true
		m.problem(fmt.Sprintf("rule %s shares nothing with %s: %s", r.key, nameOf(g, src.Name), err), "rename the directory group, or name what is shared without a template")
	}
	if r.extras.parent != nil {
		if c.parent, err = render(r.extras.parent, v); err != nil {
			m.problem(fmt.Sprintf("rule %s gives %s no parent: it %s", r.key, nameOf(g, src.Name), err), "change the rule's `parent`")
			c.parent = ""
		}
	}
	if r.description != nil {
		text, err := render(r.description, v)
		if err != nil {
			m.problem(fmt.Sprintf("rule %s gives %s no description: it %s", r.key, nameOf(g, src.Name), err), "change the rule's `description`")
		} else {
			c.description = &text
		}
	}
	m.candidates = append(m.candidates, c)
}

// nameOf names a directory group, or everyone, for people.
func nameOf(g *replica.Group, source string) string {
	if g == nil {
		return "everyone in " + source
	}
	return fmt.Sprintf("%q (%s)", cmp.Or(g.DN, g.Path, g.Name), source)
}

func (m *mapper) problem(message, hint string) {
	m.desired.Problems = append(m.desired.Problems, run.Problem{Kind: run.KindNaming, Message: message, Hint: hint})
}

// unite makes one wanted group of the candidates of one name that belong together: those
// of the same directory group, and all that are meant to be united. Other directory
// groups of that name stay apart; plan decides between them.
func (m *mapper) unite() {
	byName := map[string][]*candidate{}
	var names []string
	for i := range m.candidates {
		c := &m.candidates[i]
		if byName[c.name] == nil {
			names = append(names, c.name)
		}
		byName[c.name] = append(byName[c.name], c)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, set := range partition(byName[name]) {
			m.desired.Wants = append(m.desired.Wants, m.want(name, set))
		}
	}
	slices.SortStableFunc(m.desired.Wants, func(a, b plan.Want) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Links[0].Compare(b.Links[0]))
	})
}

// partition keeps what is meant to be united together with the only other directory
// group of the name, if there is just one; several others stay apart each, and so do
// those without a name.
func partition(all []*candidate) [][]*candidate {
	var union []*candidate
	apart := map[directory.GroupKey][]*candidate{}
	var keys []directory.GroupKey
	for _, c := range all {
		if c.united() && c.name != "" {
			union = append(union, c)
			continue
		}
		key := c.feed.Key.Group
		if apart[key] == nil {
			keys = append(keys, key)
		}
		apart[key] = append(apart[key], c)
	}
	if len(union) > 0 && len(keys) == 1 {
		return [][]*candidate{append(union, apart[keys[0]]...)}
	}
	var sets [][]*candidate
	if len(union) > 0 {
		sets = append(sets, union)
	}
	for _, k := range keys {
		sets = append(sets, apart[k])
	}
	return sets
}

func (m *mapper) want(name string, set []*candidate) plan.Want {
	first := set[0]
	w := plan.Want{Name: name, Members: first.rule.members(), Create: first.rule.create(), Adopt: first.rule.adopt()}
	var shares, descriptions []string
	groups := map[directory.GroupKey]bool{}
	for _, c := range set {
		r := c.rule
		if r.members() != w.Members {
			m.differ("members", name, "the gentlest is used")
		}
		w.Members = min(w.Members, r.members())
		w.Create = max(w.Create, r.create())
		if a := r.adopt(); a != w.Adopt {
			w.Adopt = plan.Adopt{Name: w.Adopt.Name && a.Name, ID: w.Adopt.ID && a.ID, Path: w.Adopt.Path && a.Path}
			m.differ("adopt", name, "only what all of them allow is used")
		}
		if r.Share != "" {
			shares = append(shares, r.Share)
		}
		if c.description != nil {
			descriptions = append(descriptions, *c.description)
		}
		if r.Permissions != nil {
			w.Permissions = permission.Union(w.Permissions, r.Permissions)
		}
		share(&w, c.resources)
		w.Unfilled = w.Unfilled || c.unfilled
		w.Links = append(w.Links, c.link)
		w.Feeds = append(w.Feeds, c.feed)
		groups[c.feed.Key.Group] = true
		for s := range m.sources {
			if r.covers(m.sources[s].ID) && !slices.Contains(w.Could, s) {
				w.Could = append(w.Could, s)
			}
		}
	}
	w.Share, _ = m.one("share", name, shares)
	if text, ok := m.one("description", name, descriptions); ok {
		w.Description = &text
	}
	if len(groups) == 1 && first.group != nil {
		w.DirID, w.DirPath = first.group.ID, first.group.Path
	}
	m.uniteExtras(&w, set)
	slices.SortFunc(w.Links, plan.LinkKey.Compare)
	w.Links = slices.CompactFunc(w.Links, func(a, b plan.LinkKey) bool { return a.Compare(b) == 0 })
	slices.SortFunc(w.Feeds, func(a, b plan.Feed) int { return a.Key.Compare(b.Key) })
	slices.Sort(w.Could)
	return w
}

// share adds what a rule shares with its groups to what others share with this one.
func share(w *plan.Want, more map[string]plan.Access) {
	for kind, a := range more {
		if w.Resources == nil {
			w.Resources = map[string]plan.Access{}
		}
		have := w.Resources[kind]
		w.Resources[kind] = plan.Access{Read: unite(have.Read, a.Read), Write: unite(have.Write, a.Write)}
	}
}

// unite gives all words of two lists, sorted.
func unite(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// one gives the value on which all rules agree that name one; where they differ, none is
// written and the difference is told.
func (m *mapper) one(field, name string, values []string) (string, bool) {
	if len(values) == 0 {
		return "", false
	}
	for _, v := range values[1:] {
		if v != values[0] {
			m.differ(field, name, "it is not written")
			return "", false
		}
	}
	return values[0], true
}

func (m *mapper) differ(field, name, what string) {
	m.problem(fmt.Sprintf("several rules give group %q different values of %s: %s", name, field, what), "give the rules the same value")
}
