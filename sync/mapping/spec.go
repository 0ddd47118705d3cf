// Package mapping turns directory groups into wanted Open WebUI groups by rules,
// and says which rule asked for what.
//
// It reads replicas and rules and knows neither what Open WebUI holds nor what we
// did there before: package plan compares.
package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"text/template"
	"unicode"

	"groupsyncd/permission"
	"groupsyncd/sync/plan"
)

// Spec is a rule as the configuration states it, with every default filled in. Its
// JSON is what the state keeps of rules that were applied.
type Spec struct {
	Name string `json:"name,omitempty"`
	// From are source ids; empty: every source.
	From   []string `json:"from,omitempty"`
	Match  Match    `json:"match"`
	Except []string `json:"except,omitempty"`
	// Where limits the people: attribute name to globs, one of which must match.
	Where   map[string][]string `json:"where,omitempty"`
	To      string              `json:"to"`
	Targets []string            `json:"targets,omitempty"`
	Create  string              `json:"create"`  // true, false, used
	Adopt   []string            `json:"adopt"`   // name, id, path, or never
	Members string              `json:"members"` // owned, exact, add-only
	// Permissions are the keys that the rule sets; nil: none.
	Permissions permission.Set `json:"permissions,omitempty"`
	Share       string         `json:"share,omitempty"` // anyone, members, nobody
	Merge       bool           `json:"merge,omitempty"`
	Description *string        `json:"description,omitempty"`
	// Parent is the name of a group, as a template; DefaultModels are ids of models.
	Parent        string   `json:"parent,omitempty"`
	DefaultModels []string `json:"default_models,omitempty"`
	// Resources are what the group may use, by the type of resource.
	Resources map[string]plan.Access `json:"resources,omitempty"`
	// Role makes the rule one about accounts that get this role; it has no group.
	Role string `json:"role,omitempty"`
	// Direct leaves out members of nested groups.
	Direct bool `json:"direct,omitempty"`
	// Owners takes the owners of the matched groups in place of their members.
	Owners bool `json:"owners,omitempty"`
	// Only limits the matched groups to those in which named parts of the expression have
	// these values.
	Only map[string]string `json:"only,omitempty"`
	// Team says which part of a team the rule fills.
	Team *Team `json:"team,omitempty"`
}

// Team is the part of a team that a rule fills.
type Team struct {
	// Name is the name of the team, as a template.
	Name            string `json:"name"`
	Managers        bool   `json:"managers,omitempty"`
	OwnedByManagers bool   `json:"owned_by_managers,omitempty"`
	Isolation       string `json:"isolation,omitempty"` // report, enforce
}

// DefaultTo is the template of a rule without `to`.
const DefaultTo = "{{ .Name }}"

// Match selects directory groups: everyone, or groups by any of the lists.
type Match struct {
	Everyone bool     `json:"everyone,omitempty"`
	Names    []string `json:"names,omitempty"` // globs
	IDs      []string `json:"ids,omitempty"`
	DNs      []string `json:"dns,omitempty"`
	Paths    []string `json:"paths,omitempty"` // globs
	Regexps  []string `json:"regexps,omitempty"`
}

// Problem is a mistake in a rule, by the key at which it stands.
type Problem struct {
	Field   string // match, except, where, to, description
	Message string
}

// Key is the rule's identity: its name, else a hash of from, match and to.
func (s *Spec) Key() string {
	if s.Name != "" {
		return s.Name
	}
	part := Spec{From: slices.Sorted(slices.Values(s.From)), Match: s.Match, To: s.To, Role: s.Role}
	return plan.UnnamedRule + hashOf(part)[:12]
}

// Hash tells whether two specs say the same.
func (s *Spec) Hash() string { return hashOf(*s) }

func hashOf(s Spec) string {
	b, err := json.Marshal(s)
	if err != nil { // a Spec holds strings, lists and maps of strings only
		panic(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Literal reports whether `to` is a fixed name rather than a template.
func (s *Spec) Literal() bool { return !strings.Contains(s.To, "{{") }

// Check finds what is wrong with the patterns and templates of a rule.
func (s *Spec) Check() []Problem {
	var problems []Problem
	add := func(field, format string, args ...any) {
		problems = append(problems, Problem{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	m := s.Match
	if !m.Everyone && len(m.Names)+len(m.IDs)+len(m.DNs)+len(m.Paths)+len(m.Regexps) == 0 {
		add("match", "selects nothing: give a glob on the name, one of name, id, dn, path, regex, or everyone")
	}
	for _, p := range m.Regexps {
		if _, err := regexp.Compile(p); err != nil {
			add("match", "%s", regexpError(err))
		}
	}
	if s.Role != "" {
		if s.Role != plan.RoleAdmin && s.Role != plan.RoleUser {
			add("role", "is %q: a directory group gives the role admin or user", s.Role)
		}
		return problems // It has no group, and so nothing to name.
	}
	if m.Everyone && s.To == DefaultTo {
		add("to", "a rule for everyone needs a `to`: there is no directory group to take the name from")
	}
	if _, err := parseTemplate("to", s.To); err != nil {
		add("to", "%s", err)
	}
	if s.To == "" {
		add("to", "is empty: every Open WebUI group needs a name")
	}
	if s.Description != nil {
		if _, err := parseTemplate("description", *s.Description); err != nil {
			add("description", "%s", err)
		}
	}
	s.checkExtras(add)
	return problems
}

func regexpError(err error) string {
	if e, ok := errors.AsType[*syntax.Error](err); ok {
		return "is not a regular expression: " + e.Code.String() + ": " + e.Expr
	}
	return "is not a regular expression: " + err.Error()
}

// view is what templates see.
type view struct {
	Name, ID, DN, Path, Source, Description string
	// Team is the name of the team, in rules that make one.
	Team  string
	Match map[string]string
}

func parseTemplate(name, text string) (*template.Template, error) {
	t, err := template.New(name).Option("missingkey=error").Funcs(functions()).Parse(text)
	if err != nil {
		return nil, templateError(err)
	}
	// A dry run finds fields that do not exist. Named groups of the expression are
	// not known here, so any of them is accepted.
	probe := view{Name: "name", ID: "id", DN: "dn", Path: "path", Source: "source", Match: map[string]string{}}
	if err := t.Option("missingkey=zero").Execute(&strings.Builder{}, probe); err != nil {
		return nil, templateError(err)
	}
	return t.Option("missingkey=error"), nil
}

// templateError takes the file-like prefix off a template's error: the position that
// a person needs is the one in the configuration file.
func templateError(err error) error {
	text := strings.TrimPrefix(err.Error(), "template: ")
	if _, after, ok := strings.Cut(text, ": "); ok {
		text = after
	}
	return fmt.Errorf("is not a valid template: %s (known: .Name .ID .DN .Path .Source .Description .Match.x; lower upper title trimPrefix trimSuffix replace base)", text)
}

func functions() template.FuncMap {
	return template.FuncMap{
		"lower":      strings.ToLower,
		"upper":      strings.ToUpper,
		"title":      title,
		"trimPrefix": func(prefix, s string) string { return strings.TrimPrefix(s, prefix) },
		"trimSuffix": func(suffix, s string) string { return strings.TrimSuffix(s, suffix) },
		"replace":    func(from, to, s string) string { return strings.ReplaceAll(s, from, to) },
		"base":       func(s string) string { return s[strings.LastIndexByte(s, '/')+1:] },
	}
}

// title makes the first letter of each word upper case, words being parted by
// anything that is neither letter nor digit.
func title(s string) string {
	out := []rune(s)
	start := true
	for i, r := range out {
		if start {
			out[i] = []rune(strings.ToUpper(string(r)))[0]
		}
		start = !isWord(r)
	}
	return string(out)
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '\'' }
