package mapping

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"groupsyncd/directory"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
)

// With gives a match of what either selects.
func (m Match) With(o Match) Match {
	return Match{Everyone: m.Everyone || o.Everyone, Names: slices.Concat(m.Names, o.Names), IDs: slices.Concat(m.IDs, o.IDs), DNs: slices.Concat(m.DNs, o.DNs),
		Paths: slices.Concat(m.Paths, o.Paths), Regexps: slices.Concat(m.Regexps, o.Regexps)}
}

// TeamName fills a template that is made of the name of a team alone.
func TeamName(text, team string) (string, error) {
	t, err := parseTemplate("name", text)
	if err != nil {
		return "", err
	}
	name, err := render(t, view{Team: team})
	if err == nil {
		err = checkName(name)
	}
	return name, err
}

// extras are the parts of a rule that few rules have.
type extras struct {
	team, parent *template.Template
	// globs are the patterns of resources that are templates.
	globs map[string]*template.Template
}

func compileExtras(s *Spec) (x extras, err error) {
	if s.Team != nil {
		if x.team, err = parseTemplate("team", s.Team.Name); err != nil {
			return x, err
		}
	}
	if s.Parent != "" {
		if x.parent, err = parseTemplate("parent", s.Parent); err != nil {
			return x, err
		}
	}
	for kind, a := range s.Resources {
		for _, pattern := range slices.Concat(a.Read, a.Write) {
			if !strings.Contains(pattern, "{{") {
				continue
			}
			if x.globs == nil {
				x.globs = map[string]*template.Template{}
			}
			if x.globs[pattern], err = parseTemplate(kind, pattern); err != nil {
				return x, err
			}
		}
	}
	return x, nil
}

// resources gives what a rule shares with the group of one directory group. A name from the
// directory must not become a pattern that means more than itself.
func (x *extras) resources(all map[string]plan.Access, v view) (map[string]plan.Access, error) {
	if len(x.globs) == 0 {
		return all, nil
	}
	for _, text := range append(slices.Collect(maps.Values(v.Match)), v.Team, v.Name, v.ID, v.DN, v.Path, v.Description) {
		if strings.ContainsAny(text, "*?") {
			return nil, errors.New("its name has a * or ?, which would mean more than itself there")
		}
	}
	return x.each(all, func(t *template.Template) (string, error) { return render(t, v) })
}

// widest gives what a rule may share with any group: a template is anything.
func (x *extras) widest(all map[string]plan.Access) map[string]plan.Access {
	if len(x.globs) == 0 {
		return all
	}
	out, err := x.each(all, func(*template.Template) (string, error) { return "*", nil })
	if err != nil { // nothing is filled in that could fail
		panic(err)
	}
	return out
}

// each replaces the patterns that are templates.
func (x *extras) each(all map[string]plan.Access, fill func(*template.Template) (string, error)) (map[string]plan.Access, error) {
	out := map[string]plan.Access{}
	list := func(patterns []string) ([]string, error) {
		patterns = slices.Clone(patterns)
		for i, p := range patterns {
			if t := x.globs[p]; t != nil {
				text, err := fill(t)
				if err != nil {
					return nil, err
				}
				patterns[i] = text
			}
		}
		return patterns, nil
	}
	for kind, a := range all {
		var next plan.Access
		var err error
		if next.Read, err = list(a.Read); err != nil {
			return nil, err
		}
		if next.Write, err = list(a.Write); err != nil {
			return nil, err
		}
		out[kind] = next
	}
	return out, nil
}

// checkExtras finds what is wrong with their templates.
func (s *Spec) checkExtras(add func(field, format string, args ...any)) {
	for field, text := range map[string]string{"team": s.team(), "parent": s.Parent} {
		if _, err := parseTemplate(field, text); err != nil {
			add(field, "%s", err)
		}
	}
	for kind, a := range s.Resources {
		for _, pattern := range slices.Concat(a.Read, a.Write) {
			if _, err := parseTemplate(kind, pattern); strings.Contains(pattern, "{{") && err != nil {
				add(kind, "%s", err)
			}
		}
	}
}

func (s *Spec) team() string {
	if s.Team == nil {
		return ""
	}
	return s.Team.Name
}

// allows reports whether the named parts of the expression are those that the rule asks for.
func (r *Rule) allows(parts map[string]string) bool {
	for name, value := range r.Only {
		if parts[name] != value {
			return false
		}
	}
	return true
}

// ownersOf gives, by the group that they own, the numbers of the groups of owners.
func ownersOf(groups []replica.Group) map[string]uint32 {
	owners := map[string]uint32{}
	for n := range groups {
		if groups[n].OwnersOf != "" && groups[n].Listed {
			owners[groups[n].OwnersOf] = uint32(n)
		}
	}
	return owners
}

// addOwners adds the owners of a selected group in place of its members; a group whose
// owners the source does not show has none.
func (m *mapper) addOwners(r *Rule, s int, g *replica.Group, owners map[string]uint32, parts map[string]string) {
	number, ok := owners[g.ID]
	if !ok {
		return
	}
	before := len(m.candidates)
	m.add(r, s, g, number, parts)
	for i := range m.candidates[before:] {
		c := &m.candidates[before+i]
		key := directory.GroupKey{Source: m.sources[s].ID, ID: m.sources[s].Replica.Groups()[number].ID}
		c.feed.Key.Group = key
		if !r.Literal() {
			c.link.Group = key
		}
	}
}

// AsMembers ends the names of rules that put those who run a team among its members.
const AsMembers = ": managers as members"

// emptyTeam tells that a rule of a team selects nothing, once its sources were read.
func (m *mapper) emptyTeam(r *Rule) {
	for i := range m.sources {
		if r.covers(m.sources[i].ID) && m.sources[i].Replica.GroupsAt.IsZero() {
			return
		}
	}
	switch {
	case r.Team.Managers && r.Owners:
		m.problem(fmt.Sprintf("rule %s finds no group with owners: nobody runs the team", r.key), "give the directory group an owner, or name the managers by a group")
	case r.Team.Managers:
		m.problem(fmt.Sprintf("rule %s selects no directory group: nobody runs the team", r.key), "correct its match; groupsyncd list groups shows what there is")
	case !strings.Contains(r.key, AsMembers):
		m.problem(fmt.Sprintf("rule %s selects no directory group: there is no such team", r.key), "correct its match; groupsyncd list groups shows what there is")
	}
}

// teamOf gives the part of a team that a rule fills for one directory group.
func (r *Rule) teamOf(v view) (*plan.TeamPart, error) {
	if r.Team == nil {
		return nil, nil //nolint:nilnil // most rules are of no team
	}
	name, err := render(r.extras.team, v)
	if err == nil {
		err = checkName(name)
	}
	if err != nil {
		return nil, err
	}
	return &plan.TeamPart{Team: name, Managers: r.Team.Managers, OwnedByManagers: r.Team.OwnedByManagers, Isolation: r.Team.Isolation}, nil
}

// uniteExtras fills in the parent, the default models and the team of a wanted group.
func (m *mapper) uniteExtras(w *plan.Want, set []*candidate) {
	var parents, models []string
	var teams []*plan.TeamPart
	for _, c := range set {
		if c.parent != "" {
			parents = append(parents, c.parent)
		}
		if len(c.rule.DefaultModels) > 0 {
			models = append(models, strings.Join(c.rule.DefaultModels, "\n"))
		}
		if c.team != nil && !slices.ContainsFunc(teams, func(t *plan.TeamPart) bool { return *t == *c.team }) {
			teams = append(teams, c.team)
		}
	}
	w.Parent, _ = m.one("parent", w.Name, parents)
	if text, ok := m.one("default_models", w.Name, models); ok {
		w.DefaultModels = strings.Split(text, "\n")
	}
	switch {
	case len(teams) == 1:
		w.Team = teams[0]
	case len(teams) > 1:
		m.problem(fmt.Sprintf("several teams lead to the group %q: it counts as of none", w.Name), "give each team a name of its own")
	}
}
