package config

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"groupsyncd/providers"
	"groupsyncd/sync/mapping"
)

// checkTeams finds teams that contradict themselves or each other.
func (d *decoder) checkTeams(c *Config) {
	var sources []string
	for _, s := range c.Sources {
		sources = append(sources, s.Name)
	}
	sets := slices.Sorted(maps.Keys(c.PermissionSets))
	for i, t := range c.Teams {
		p := path{"teams"}.index(i)
		d.checkNames(p.child("target"), "target", t.Target, targetNames(c))
		for _, perms := range []*Permissions{&t.MemberPermissions, &t.ManagerPermissions} {
			for j, name := range perms.Sets {
				if c.PermissionSets[name] == nil {
					d.undefined(d.sets[perms][j], "permission set", name, sets)
				}
			}
		}
		if t.Discover != nil {
			d.checkDiscover(t, sources, p)
		} else {
			d.checkNamed(t, sources, p)
		}
		if !strings.Contains(t.ManagersName, "{{") && t.Discover != nil || t.ManagersName == "" {
			d.reportAt(p.child("managers_name"), "must be a template that names the team", `write managers_name: "{{ .Team }} managers"`)
		} else if _, err := mapping.TeamName(t.ManagersName, "team"); err != nil {
			d.reportAt(p.child("managers_name"), err.Error(), "the name of the team is .Team: {{ .Team }} managers")
		}
		d.checkOwners(c, t, p)
		spec := mapping.Spec{Match: mapping.Match{Everyone: true}, To: "team", Parent: t.Parent, Resources: t.resources(false)}
		if t.Discover != nil && t.Name != "" {
			spec.To = t.Name
		}
		for _, problem := range spec.Check() {
			key := problem.Field
			if key == "to" {
				key = "name"
			}
			d.reportAt(p.child(key), problem.Message, "")
		}
	}
	d.checkTeamsApart(c)
}

func (d *decoder) checkNamed(t *Team, sources []string, p path) {
	switch {
	case t.Name == "":
		d.reportAt(p, "has neither name nor discover", "write name: for one team, or discover: {regex: …} to find teams by the names of directory groups")
	case strings.Contains(t.Name, "{{"):
		d.reportAt(p.child("name"), "must be a name: templates are for discovered teams", "to find teams by the names of directory groups write discover: {regex: …}")
	case strings.TrimSpace(t.Name) != t.Name:
		d.reportAt(p.child("name"), "begins or ends with a space", "")
	}
	if len(t.Members) == 0 {
		d.reportAt(p.child("members"), "is missing: nobody would be in the team", "write members: [{from: SOURCE, match: GROUP}]")
	}
	for key, list := range map[string][]Selector{"members": t.Members, "managers": t.Managers.Groups} {
		for i := range list {
			at := p.child(key).index(i)
			d.checkNames(at.child("from"), "source", list[i].From, sources)
			spec := mapping.Spec{Match: list[i].Match, To: "team"}
			for _, problem := range spec.Check() {
				d.reportAt(at.child(problem.Field), problem.Message, "")
			}
		}
	}
	if !t.Managers.Owners && len(t.Managers.Groups) == 0 {
		d.warnAt(p, "nobody runs the team: it has no managers", "name them with managers: [{from: SOURCE, match: GROUP}], or managers: owners")
	}
}

func (d *decoder) checkDiscover(t *Team, sources []string, p path) {
	at := p.child("discover")
	d.checkNames(at.child("from"), "source", t.Discover.From, sources)
	if t.Name != "" && !strings.Contains(t.Name, "{{") {
		d.reportAt(p.child("name"), "is a fixed name, which every discovered team would have", "leave it out, or write a template such as {{ .Match.team | title }}")
	}
	for key, given := range map[string]bool{"members": len(t.Members) > 0, "managers": len(t.Managers.Groups) > 0} {
		if given {
			d.reportAt(p.child(key), "cannot be named for discovered teams", "the part role of the expression says which groups hold members and which managers; managers: owners takes their owners")
		}
	}
	re, err := regexp.Compile(t.Discover.Regex)
	switch {
	case t.Discover.Regex == "":
		d.reportAt(at.child("regex"), "is missing", `write an expression such as ^ws-(?P<team>.+)-(?P<role>members|managers)$`)
		return
	case err != nil:
		spec := mapping.Spec{Match: mapping.Match{Regexps: []string{t.Discover.Regex}}, To: "team"}
		for _, problem := range spec.Check() {
			d.reportAt(at.child("regex"), problem.Message, "")
		}
		return
	}
	names := slices.DeleteFunc(re.SubexpNames(), func(s string) bool { return s == "" })
	if !slices.Contains(names, partTeam) {
		meant := ""
		for _, n := range names {
			meant = cmp.Or(meant, didYouMean(n, []string{partTeam}))
		}
		d.reportAt(at.child("regex"), "has no part named team"+meant, "mark the name of the team: (?P<team>.+)")
	}
	if !slices.Contains(names, partRole) && !t.Managers.Owners {
		d.warnAt(at, "nobody runs these teams: the expression has no part named role", "mark it, such as (?P<role>members|managers), or write managers: owners")
	}
}

// checkOwners finds sources that have no owners of groups to show.
func (d *decoder) checkOwners(c *Config, t *Team, p path) {
	if !t.Managers.Owners {
		return
	}
	selectors := t.Members
	if t.Discover != nil {
		selectors = []Selector{{From: t.Discover.From}}
	}
	for _, s := range selectors {
		var able, unable []string
		for _, src := range c.Sources {
			if len(s.From) > 0 && !slices.Contains(s.From, src.Name) || src.Config == nil {
				continue
			}
			if shower, ok := src.Config.(providers.OwnerShower); ok && shower.ShowsOwners() {
				able = append(able, src.Name)
			} else {
				unable = append(unable, src.Name)
			}
		}
		if len(unable) == 0 || len(s.From) == 0 && len(able) > 0 {
			continue
		}
		d.reportAt(p.child("managers"), "source "+unable[0]+" shows no owners of groups", "name the managers by a directory group, or use a source that shows owners: type file, or ldap with groups.owners")
		return
	}
}

// checkTeamsApart finds teams that would share a group.
func (d *decoder) checkTeamsApart(c *Config) {
	type place struct {
		team int
		what string
	}
	line := func(i int) int { return d.at.find(path{"teams"}.index(i)).line }
	seen, made := map[string][]place{}, map[string]int{}
	for i, t := range c.Teams {
		p := path{"teams"}.index(i)
		for _, spec := range c.teamSpecs(t) {
			first, twice := made[spec.Name]
			switch {
			case !twice:
				made[spec.Name] = i
			case first == i:
			case t.Discover != nil:
				d.reportAt(p.child("discover"), fmt.Sprintf("finds the same teams as in line %d", line(first)), "put the two together")
			case t.Name != c.Teams[first].Name:
				d.reportAt(p.child("name"), fmt.Sprintf("is too much like that of the team in line %d", line(first)), "give it another name")
			}
		}
		if t.Discover != nil {
			continue
		}
		managers, _ := mapping.TeamName(t.ManagersName, t.Name)
		for _, mine := range []place{{i, t.Name}, {i, managers}} {
			for _, other := range seen[mine.what] {
				if overlap(c.Teams[other.team].Target, t.Target) {
					key := "name"
					if mine.what != t.Name {
						key = "managers_name"
					}
					d.reportAt(p.child(key), fmt.Sprintf("the team in line %d has a group of this name too", line(other.team)), "give each team a name of its own")
				}
			}
			if mine.what != "" {
				seen[mine.what] = append(seen[mine.what], mine)
			}
		}
	}
	for i, r := range c.Rules {
		if team, taken := made[r.Name]; taken {
			d.reportAt(path{"rules"}.index(i).child("name"), fmt.Sprintf("is the name of a rule that the team in line %d makes", line(team)), "give the rule another name")
		}
		for _, team := range seen[r.To] {
			if overlap(c.Teams[team.team].Target, r.Target) {
				d.warnAt(path{"rules"}.index(i), fmt.Sprintf("the people of this rule go into a group of the team in line %d, and are in the team", line(team.team)), "give the rule another `to`, or name its groups among the members of the team")
			}
		}
	}
}
