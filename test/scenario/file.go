// Package scenario plays stories of directories over time, rules, and the hand of an
// administrator in Open WebUI through the real engine, and compares what comes of them
// with what the story says. The stories are the YAML files beside it; README.md
// describes their form.
package scenario

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"time"

	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"

	"go.yaml.in/yaml/v4"
)

// story is one file.
type story struct {
	About   string            `yaml:"about"`
	Sources map[string]source `yaml:"sources"`
	Rules   []rule            `yaml:"rules"`
	// Accounts say what of accounts and roles is ours; left out: nothing.
	Accounts *accounts `yaml:"accounts"`
	Grace    string    `yaml:"grace"`
	// Logins false: people do not also sign in after each run of this story.
	Logins *bool  `yaml:"logins"`
	Steps  []step `yaml:"steps"`
}

// accounts are what the configuration says about accounts, apart from the lines of roles,
// which are rules with a role.
type accounts struct {
	Authority list   `yaml:"authority"`
	Otherwise string `yaml:"otherwise"`
	Disabled  string `yaml:"disabled"`
	Gone      string `yaml:"gone"`
	Create    string `yaml:"create"`
}

// rules gives them with every default filled in.
func (a *accounts) rules() *plan.AccountRules {
	if a == nil {
		return nil
	}
	return &plan.AccountRules{Authority: a.Authority, Otherwise: cmp.Or(a.Otherwise, "keep"), Disabled: cmp.Or(a.Disabled, "pending"),
		Gone: cmp.Or(a.Gone, "pending"), RevokeSessions: true, Create: cmp.Or(a.Create, "never")}
}

// source is a source as the configuration has it.
type source struct {
	Lag    string `yaml:"lag"`
	MaxAge string `yaml:"max_age"`
	// Single: the source knows single people only, by the tokens of their sign-ins.
	Single bool `yaml:"single"`
}

// rule is a rule in the words of the configuration.
type rule struct {
	Name     string              `yaml:"name"`
	From     list                `yaml:"from"`
	Match    list                `yaml:"match"`
	Everyone bool                `yaml:"everyone"`
	Except   list                `yaml:"except"`
	Where    map[string][]string `yaml:"where"`
	To       string              `yaml:"to"`
	Create   string              `yaml:"create"`
	Adopt    list                `yaml:"adopt"`
	Members  string              `yaml:"members"`
	Merge    bool                `yaml:"merge"`
	// Models and Knowledge may be read.
	Models    list `yaml:"models"`
	Knowledge list `yaml:"knowledge"`
	// Team makes it a rule of a team: of its managers, or of everybody in it.
	Team      string `yaml:"team"`
	Managers  bool   `yaml:"managers"`
	Isolation string `yaml:"isolation"`
	// Role makes it a line of accounts.role.
	Role string `yaml:"role"`
}

// list is one word or several.
type list []string

// UnmarshalYAML takes a single word for a list of one.
func (l *list) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*l = list{n.Value}
		return nil
	}
	var words []string
	if err := n.Decode(&words); err != nil {
		return err
	}
	*l = words
	return nil
}

// step is one moment: first what changes, then what runs, then what must be true.
type step struct {
	About string `yaml:"about"`
	// After is how long after the step before.
	After     string               `yaml:"after"`
	Directory map[string]directory `yaml:"directory"`
	// Tokens are what sign-ins left in sources of single people, by the mail of the person.
	Tokens map[string]map[string]token `yaml:"tokens"`
	// Reads and LookUps say what goes wrong with the next read or look-up of a source.
	Reads   map[string]string `yaml:"reads"`
	LookUps map[string]string `yaml:"look_ups"`
	// Configured are the sources in force, Rules replace the rules.
	Configured list   `yaml:"configured"`
	Rules      []rule `yaml:"rules"`
	// Hand is what an administrator, or a person, does in Open WebUI.
	Hand list `yaml:"hand"`
	// State is what happens to our own state: backup, restore or lost.
	State string `yaml:"state"`
	// Approve are the checks whose holds are approved.
	Approve list `yaml:"approve"`
	// Release are the checks whose holds are released: what they list is kept.
	Release list `yaml:"release"`
	// Run is all, the name of a source, the mail address of a person, or sign-in and the
	// mail address of an account.
	Run string `yaml:"run"`
	// Meanwhile happens when the run has read its sources and not planned yet.
	Meanwhile []step  `yaml:"meanwhile"`
	Expect    *expect `yaml:"expect"`
}

// directory is a source's directory as it is from now on.
type directory struct {
	People map[string]person `yaml:"people"`
	Groups map[string]group  `yaml:"groups"`
}

// person is a user: a mail address, or all there is to say.
type person struct {
	Mail       string              `yaml:"mail"`
	Disabled   bool                `yaml:"disabled"`
	Attributes map[string][]string `yaml:"attributes"`
}

// UnmarshalYAML takes a single word for the mail address.
func (p *person) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		p.Mail = n.Value
		return nil
	}
	type plain person
	return n.Decode((*plain)(p))
}

// group is a directory group: its members, or all there is to say.
type group struct {
	Name    string `yaml:"name"`
	Members list   `yaml:"members"`
	Groups  list   `yaml:"groups"`
	// Place is inside, filtered (outside the filter) or away (outside the base).
	Place string `yaml:"place"`
}

// UnmarshalYAML takes a list for the members.
func (g *group) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode((*[]string)(&g.Members))
	}
	type plain group
	return n.Decode((*plain)(g))
}

// expect is what must be true after a step. What is not named is not looked at, but for
// holds: none that is not named may be there.
type expect struct {
	Members map[string]list `yaml:"members"`
	// Shared are all grants of what is shared, as "read GROUP", by "TYPE ID".
	Shared map[string]list `yaml:"shared"`
	// Told are texts that problems of the report must have.
	Told list `yaml:"told"`
	// Roles are those of accounts, by the part of their mail before the @.
	Roles map[string]string `yaml:"roles"`
	// Absent are names that no group may have; Same are pairs of names, of which the
	// second is a later name of the group that had the first.
	Absent   list              `yaml:"absent"`
	Same     map[string]string `yaml:"same"`
	Held     list              `yaml:"held"`
	Problems list              `yaml:"problems"`
	Changes  list              `yaml:"changes"`
	Pending  *int              `yaml:"pending"`
	Exit     *int              `yaml:"exit"`
}

// load reads a story; a key that it does not know is a mistake.
func load(path string) (*story, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	var s story
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.About == "" || len(s.Sources) == 0 || len(s.Rules) == 0 || len(s.Steps) == 0 {
		return nil, fmt.Errorf("%s: about, sources, rules and steps are needed", path)
	}
	return &s, nil
}

func duration(text string, otherwise time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	return time.ParseDuration(text)
}

// compile gives the rule with every default filled in.
func (r *rule) compile() (*mapping.Rule, error) {
	spec := mapping.Spec{Name: r.Name, From: r.From, Match: mapping.Match{Names: r.Match, Everyone: r.Everyone}, Except: r.Except, Where: r.Where,
		To: r.To, Create: r.Create, Adopt: r.Adopt, Members: r.Members, Merge: r.Merge, Role: r.Role, Direct: r.Role != ""}
	spec.Resources = map[string]plan.Access{}
	for kind, patterns := range map[string]list{plan.Models: r.Models, plan.Knowledge: r.Knowledge} {
		if len(patterns) > 0 {
			spec.Resources[kind] = plan.Access{Read: patterns}
		}
	}
	if r.Team != "" {
		spec.Team = &mapping.Team{Name: r.Team, Managers: r.Managers, Isolation: r.Isolation}
	}
	set := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	set(&spec.To, mapping.DefaultTo)
	set(&spec.Create, "true")
	set(&spec.Members, "owned")
	if len(spec.Adopt) == 0 {
		spec.Adopt = []string{"name"}
	}
	if slices.Contains(spec.Adopt, "never") {
		spec.Adopt = []string{"never"}
	}
	return mapping.Compile(spec)
}
