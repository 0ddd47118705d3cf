package config

import (
	"cmp"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

// Team is scoped administration on top of groups: one group for everybody in the team, one
// for those who run it, what they may do, and what belongs to them.
type Team struct {
	Name     string     `yaml:"name" doc:"Name of the team and of its Open WebUI group. With discover a template, such as {{ .Match.team | title }}."`
	Discover *Discover  `yaml:"discover" doc:"Find teams by the names of directory groups, in place of one team by name."`
	Members  []Selector `yaml:"members" doc:"The directory groups whose people are in the team."`
	Managers Managers   `yaml:"managers" doc:"The directory groups whose people run the team, or owners: the owners of the directory groups of its members."`

	ManagersName       string      `yaml:"managers_name" doc:"Name of the Open WebUI group of those who run the team, as a template of .Team."`
	MemberPermissions  Permissions `yaml:"member_permissions" doc:"Permissions of everybody in the team: names of permission sets, or a tree."`
	ManagerPermissions Permissions `yaml:"manager_permissions" doc:"Permissions that those who run it have beside them."`

	Models    []string `yaml:"models" doc:"Models that belong to the team, as globs on id or name, or templates of them with .Team: its people read them, those who run it write them too."`
	Knowledge []string `yaml:"knowledge" doc:"Knowledge that belongs to the team."`
	Prompts   []string `yaml:"prompts" doc:"Prompts that belong to the team."`
	Tools     []string `yaml:"tools" doc:"Tools that belong to the team."`
	Skills    []string `yaml:"skills" doc:"Skills that belong to the team."`

	OwnedByManagers bool     `yaml:"owned_by_managers" doc:"What somebody who runs the team has made belongs to the team as well."`
	Isolation       string   `yaml:"isolation" words:"report enforce" doc:"What lets anybody else in is reported, or taken away as far as that can be done."`
	Target          []string `yaml:"target" doc:"The targets it applies to. Omitted: all."`
	Parent          string   `yaml:"parent" doc:"Name of the group above the group of the team, where the server has such. Omitted: not touched."`
}

// Discover finds teams by the names of directory groups.
type Discover struct {
	From  []string `yaml:"from" doc:"The sources to look in. Omitted: all."`
	Regex string   `yaml:"regex" doc:"Expression on the name of a directory group. Its part team is the name of the team; its part role, if there is one, says whether the group holds members or managers."`
	// MemberRole and ManagerRole are the values of the part role.
	MemberRole  string `yaml:"member_role" doc:"What the part role is for a group of members."`
	ManagerRole string `yaml:"manager_role" doc:"What the part role is for a group of managers."`
}

// Selector selects directory groups of some sources.
type Selector struct {
	From  []string      `yaml:"from" doc:"The sources to look in. Omitted: all."`
	Match mapping.Match `yaml:"match" doc:"Which directory groups, as in rules."`
}

// Managers are the owners of a team's directory groups, or people of other groups.
type Managers struct {
	Owners bool
	Groups []Selector
}

// ownersWord stands for the owners of directory groups.
const ownersWord = "owners"

// The named parts of the expression that discovers teams.
const (
	partTeam = "team"
	partRole = "role"
)

// defaultDiscovered is the name of a discovered team.
const defaultDiscovered = "{{ .Match.team }}"

func defaultTeam() *Team {
	return &Team{ManagersName: "{{ .Team }} managers", Isolation: "report"}
}

func defaultDiscover() *Discover {
	return &Discover{MemberRole: "members", ManagerRole: "managers"}
}

// hasRole reports whether the expression says what is in a group.
func (d *Discover) hasRole() bool {
	re, err := regexp.Compile(d.Regex)
	return err == nil && slices.Contains(re.SubexpNames(), partRole)
}

// resources gives what belongs to the team by its name, for members or for managers.
func (t *Team) resources(managers bool) map[string]plan.Access {
	out := map[string]plan.Access{}
	for kind, globs := range map[string][]string{plan.Models: t.Models, plan.Knowledge: t.Knowledge, plan.Prompts: t.Prompts, plan.Tools: t.Tools, plan.Skills: t.Skills} {
		switch {
		case len(globs) == 0:
		case managers:
			out[kind] = plan.Access{Write: slices.Clone(globs)}
		default:
			out[kind] = plan.Access{Read: slices.Clone(globs)}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// feed is some directory groups whose members, or owners, a team takes.
type feed struct {
	from   []string
	match  mapping.Match
	only   map[string]string
	owners bool
	// word tells feeds of one part of a team apart.
	word string
}

// teamSpecs gives the rules that make a team: everybody goes into the group of the team,
// those who run it into a group of their own as well, which stands below it.
func (c *Config) teamSpecs(t *Team) []mapping.Spec {
	key, name, managersName := "team "+t.Name, t.Name, t.ManagersName
	if t.Discover != nil {
		key, name = "teams "+t.Discover.Regex, cmp.Or(t.Name, defaultDiscovered)
	} else if text, err := mapping.TeamName(t.ManagersName, t.Name); err == nil {
		managersName = text
	}
	base := func(key string, f feed) mapping.Spec {
		return mapping.Spec{Name: key, From: slices.Clone(f.from), Match: f.match, Only: maps.Clone(f.only), Owners: f.owners, Merge: t.Discover != nil,
			Targets: slices.Clone(t.Target), Create: string(CreateTrue), Adopt: []string{"name"}, Members: "owned",
			Team: &mapping.Team{Name: name, OwnedByManagers: t.OwnedByManagers, Isolation: t.Isolation}}
	}
	var specs []mapping.Spec
	everybody := func(key string, f feed) {
		s := base(key, f)
		s.To, s.Parent, s.Permissions, s.Resources = name, t.Parent, c.permissions(t.MemberPermissions), t.resources(false)
		specs = append(specs, s)
	}
	for _, f := range t.memberFeeds() {
		everybody(key+f.word, f)
	}
	for _, f := range t.managerFeeds() {
		everybody(key+mapping.AsMembers+f.word, f)
		s := base(key+": managers"+f.word, f)
		s.To, s.Parent, s.Permissions, s.Resources = managersName, name, c.permissions(t.ManagerPermissions), t.resources(true)
		s.Team.Managers = true
		specs = append(specs, s)
	}
	return specs
}

func (t *Team) memberFeeds() []feed {
	if d := t.Discover; d != nil {
		return []feed{d.feed(d.MemberRole)}
	}
	return feedsOf(t.Members)
}

func (t *Team) managerFeeds() []feed {
	var feeds []feed
	if t.Managers.Owners {
		feeds = t.memberFeeds()
		for i := range feeds {
			feeds[i].owners = true
			feeds[i].word = ", owners" + feeds[i].word
		}
	}
	if d := t.Discover; d != nil {
		if d.hasRole() {
			feeds = append(feeds, d.feed(d.ManagerRole))
		}
		return feeds
	}
	return append(feeds, feedsOf(t.Managers.Groups)...)
}

func (d *Discover) feed(role string) feed {
	f := feed{from: d.From, match: mapping.Match{Regexps: []string{d.Regex}}, word: fromWord(d.From)}
	if d.hasRole() {
		f.only = map[string]string{partRole: role}
	}
	return f
}

// feedsOf makes one feed of all selectors that look into the same sources, so that a rule
// is known by the team and the sources, however often its groups are edited.
func feedsOf(selectors []Selector) []feed {
	var feeds []feed
	for _, s := range selectors {
		word := fromWord(s.From)
		i := slices.IndexFunc(feeds, func(f feed) bool { return f.word == word })
		if i < 0 {
			i, feeds = len(feeds), append(feeds, feed{from: unique(s.From), word: word})
		}
		feeds[i].match = feeds[i].match.With(s.Match)
	}
	return feeds
}

func fromWord(from []string) string {
	if len(from) == 0 {
		return ""
	}
	return " (" + strings.Join(unique(from), ", ") + ")"
}

// managers reads the word owners, or a list of selectors.
func (d *decoder) managers(n *yaml.Node, m *Managers, p path) {
	if n.Kind == yaml.ScalarNode {
		if text, ok := d.text(n, p); ok {
			m.Owners = text == ownersWord
			if !m.Owners {
				d.report(n, p, "must be a list of directory groups, or owners"+didYouMean(text, []string{ownersWord}),
					"write managers: [{from: SOURCE, match: GROUP}], or managers: owners for the owners of the directory groups of its members")
			}
		}
		return
	}
	d.list(n, reflect.ValueOf(&m.Groups).Elem(), p, nil)
}
