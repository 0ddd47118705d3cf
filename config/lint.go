package config

import (
	"slices"
	"strings"

	"groupsyncd/permission"
)

// Lint says what of the permissions is probably not meant, or ought to be known: sets that
// nobody uses, that give what everybody has already, and keys that give more than their
// name tells. None of it is wrong, so only config validate shows it.
func (c *Config) Lint() Problems {
	l := linter{c: c, uses: map[string][]string{}, defaults: map[string]bool{}}
	l.collect()
	for _, name := range setNames(c) {
		p := path{"permission_sets", name}
		l.dangers(p, c.PermissionSets[name].Set)
		switch {
		case l.defaults[name]:
		case len(l.uses[name]) == 0:
			l.warn(p, "is not used", "name it in permissions of a rule, in a team, in extends of another set, or in defaults of a target; or take it out")
		default:
			l.redundant(p, c.PermissionSets[name].Set, l.uses[name])
		}
	}
	for i, r := range c.Rules {
		p := path{"rules"}.index(i).child("permissions")
		l.dangers(p, r.Permissions.Tree)
		l.redundant(p, r.Permissions.Tree, l.targets(r.Target))
	}
	return l.found.sorted()
}

type linter struct {
	c *Config
	// uses are the targets in which a set is used; defaults are the sets that make the
	// default permissions of one.
	uses     map[string][]string
	defaults map[string]bool
	found    Problems
}

func (l *linter) warn(p path, message, hint string) {
	at := l.c.at.find(p)
	l.found = append(l.found, Problem{File: l.c.file, Line: at.line, Column: at.column, Message: p.String() + ": " + message, Hint: hint})
}

func (l *linter) targets(named []string) []string {
	if len(named) > 0 {
		return named
	}
	return targetNames(l.c)
}

func (l *linter) collect() {
	use := func(p *Permissions, targets []string) {
		for _, name := range p.Sets {
			l.use(name, l.targets(targets), map[string]bool{})
		}
	}
	for _, r := range l.c.Rules {
		use(&r.Permissions, r.Target)
	}
	for _, t := range l.c.Teams {
		use(&t.MemberPermissions, t.Target)
		use(&t.ManagerPermissions, t.Target)
	}
	for _, t := range l.c.Targets {
		l.markDefaults(t.Defaults)
	}
}

// use notes a set, and those that it extends.
func (l *linter) use(name string, targets []string, seen map[string]bool) {
	set := l.c.PermissionSets[name]
	if set == nil || seen[name] {
		return
	}
	seen[name] = true
	l.uses[name] = unique(append(slices.Clone(l.uses[name]), targets...))
	for _, base := range set.Extends {
		l.use(base, targets, seen)
	}
}

func (l *linter) markDefaults(name string) {
	set := l.c.PermissionSets[name]
	if set == nil || l.defaults[name] {
		return
	}
	l.defaults[name] = true
	for _, base := range set.Extends {
		l.markDefaults(base)
	}
}

// redundant finds keys that everybody has already wherever the set is used. What a set
// takes from others that it extends is not looked at: it is said there.
func (l *linter) redundant(p path, set permission.Set, targets []string) {
	var keys []string
	for _, key := range set.Keys() {
		has := func(target string) bool { return l.c.DefaultPermissions(target)[key] }
		if set[key] && len(targets) > 0 && !slices.ContainsFunc(targets, func(t string) bool { return !has(t) }) {
			keys = append(keys, shown(key, "…", nil))
		}
	}
	if len(keys) > 0 {
		l.warn(p, "gives "+commaAnd(keys)+", which everybody in "+commaAnd(targets)+" has by its defaults already",
			"take it out here, or out of the set that defaults of the target names: a group can give, never take away")
	}
}

// dangers warns about keys that give more than their name tells.
func (l *linter) dangers(p path, set permission.Set) {
	for _, key := range set.Keys() {
		if why := permission.Danger(key); set[key] && why != "" {
			l.warn(l.place(p, key), quote(key)+" "+why, "")
		}
	}
}

// place finds a key of a tree that may be nested or dotted.
func (l *linter) place(p path, key string) path {
	if dotted := p.child(key); l.c.at.has(dotted) {
		return p
	}
	parts := strings.Split(key, ".")
	return append(slices.Clip(p), parts[:len(parts)-1]...)
}

func commaAnd(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
