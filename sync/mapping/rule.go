package mapping

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"

	"groupsyncd/internal/glob"
	"groupsyncd/sync/plan"
	"groupsyncd/sync/replica"
)

// Rule is a compiled Spec.
type Rule struct {
	Spec
	key         string
	names       []*regexp.Regexp
	paths       []*regexp.Regexp
	expressions []*regexp.Regexp
	except      []*regexp.Regexp
	where       []condition
	to          *template.Template
	description *template.Template
	extras      extras
}

// condition is one attribute that must match one of several globs.
type condition struct {
	attribute string
	globs     []*regexp.Regexp
}

// Compile prepares a rule. A spec without problems always compiles.
func Compile(s Spec) (*Rule, error) {
	if problems := s.Check(); len(problems) > 0 {
		return nil, fmt.Errorf("rule %s: %s: %s", s.Key(), problems[0].Field, problems[0].Message)
	}
	r := &Rule{Spec: s, key: s.Key(), names: globs(s.Match.Names), paths: globs(s.Match.Paths), except: globs(s.Except)}
	for _, p := range s.Match.Regexps {
		r.expressions = append(r.expressions, regexp.MustCompile(p))
	}
	for _, attribute := range slices.Sorted(maps.Keys(s.Where)) {
		r.where = append(r.where, condition{attribute, globs(s.Where[attribute])})
	}
	var err error
	if r.to, err = parseTemplate("to", s.To); err != nil {
		return nil, err
	}
	if s.Description != nil {
		if r.description, err = parseTemplate("description", *s.Description); err != nil {
			return nil, err
		}
	}
	if r.extras, err = compileExtras(&s); err != nil {
		return nil, err
	}
	return r, nil
}

func globs(patterns []string) []*regexp.Regexp {
	var out []*regexp.Regexp
	for _, p := range patterns {
		out = append(out, glob.Compile(p))
	}
	return out
}

// covers reports whether the rule reads a source.
func (r *Rule) covers(source string) bool {
	return len(r.From) == 0 || slices.Contains(r.From, source)
}

// selects reports whether the rule takes a directory group, with the named parts of the
// expression that took it.
func (r *Rule) selects(g *replica.Group) (map[string]string, bool) {
	if matches(r.except, g.Name) {
		return nil, false
	}
	for _, e := range r.expressions {
		if m := e.FindStringSubmatch(g.Name); m != nil {
			parts := map[string]string{}
			for i, name := range e.SubexpNames() {
				if name != "" {
					parts[name] = m[i]
				}
			}
			return parts, true
		}
	}
	m := r.Match
	ok := matches(r.names, g.Name) || matches(r.paths, g.Path) && g.Path != "" ||
		slices.Contains(m.IDs, g.ID) || g.DN != "" && slices.ContainsFunc(m.DNs, func(dn string) bool { return sameDN(dn, g.DN) })
	return map[string]string{}, ok
}

func matches(globs []*regexp.Regexp, s string) bool {
	return slices.ContainsFunc(globs, func(g *regexp.Regexp) bool { return g.MatchString(s) })
}

// sameDN compares a written DN with one from a directory: case and spaces around the
// separators do not count.
func sameDN(a, b string) bool { return foldDN(a) == foldDN(b) }

func foldDN(dn string) string {
	parts := strings.Split(dn, ",")
	for i, p := range parts {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		parts[i] = strings.ToLower(strings.TrimSpace(name)) + "=" + strings.ToLower(strings.TrimSpace(value))
	}
	return strings.Join(parts, ",")
}

// filter gives the condition on people, nil when there is none.
func (r *Rule) filter() func(*replica.User) bool {
	if len(r.where) == 0 {
		return nil
	}
	return func(u *replica.User) bool {
		for _, c := range r.where {
			if !slices.ContainsFunc(u.Value(c.attribute), func(v string) bool { return matches(c.globs, v) }) {
				return false
			}
		}
		return true
	}
}

// render fills a template; what comes out must be usable as a name.
func render(t *template.Template, v view) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return "", templateError(err)
	}
	return b.String(), nil
}

// checkName refuses names that people could not tell apart or see.
func checkName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return fmt.Errorf("is empty")
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%q begins or ends with a space", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("%q is not text in UTF-8", name)
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }):
		return fmt.Errorf("%q has characters that cannot be seen", name)
	}
	return nil
}

func (r *Rule) members() plan.Members {
	switch r.Members {
	case "exact":
		return plan.ExactMembers
	case "add-only":
		return plan.AddOnly
	}
	return plan.Owned
}

func (r *Rule) create() plan.Create {
	switch r.Create {
	case "false":
		return plan.CreateNever
	case "used":
		return plan.CreateUsed
	}
	return plan.CreateAlways
}

func (r *Rule) adopt() plan.Adopt {
	return plan.Adopt{Name: slices.Contains(r.Adopt, "name"), ID: slices.Contains(r.Adopt, "id"), Path: slices.Contains(r.Adopt, "path")}
}
