package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"groupsyncd/permission"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

// Accounts says what of the accounts and roles of a target follows the directories. A target
// without it keeps every account and role as it is.
type Accounts struct {
	Authority      []string     `yaml:"authority" doc:"The sources that decide, for all sources, who is disabled, who is gone, and in which role. Needed when there are several sources."`
	Role           AccountRoles `yaml:"role" doc:"Which directory groups give which role. Of several roles a person gets the highest."`
	Disabled       string       `yaml:"disabled" words:"pending keep" doc:"What the account of a disabled person becomes."`
	Gone           string       `yaml:"gone" words:"pending keep" doc:"What the account of somebody becomes who is no longer in the directory, once that is sure; see safety.absence."`
	RevokeSessions bool         `yaml:"revoke_sessions" doc:"End the sign-in sessions of whoever becomes pending too, where the server can."`
	Create         string       `yaml:"create" words:"never pending user" doc:"Make accounts before the first sign-in, with this role."`
}

// AccountRoles are the lines that give roles.
type AccountRoles struct {
	Admin     []RoleLine `yaml:"admin" doc:"Groups whose members are administrators, by id or dn: names can be recycled."`
	User      []RoleLine `yaml:"user" doc:"Groups whose members are users."`
	Otherwise string     `yaml:"otherwise" words:"keep pending" doc:"What people become whom no line names and whose role we did not give."`
}

// RoleLine is one selection of directory groups whose members get a role.
type RoleLine struct {
	From  []string      `yaml:"from" doc:"The sources it applies to. Omitted: those of authority."`
	Match mapping.Match `yaml:"match" doc:"Which directory groups, as in rules; for admin by id or dn alone."`
	// Nested is filled in by the role that the line is about.
	Nested *bool `yaml:"nested" doc:"Members of member groups count. Default: false for admin, true for user."`
}

func defaultAccounts() *Accounts {
	return &Accounts{Role: AccountRoles{Otherwise: "keep"}, Disabled: plan.RolePending, Gone: plan.RolePending, RevokeSessions: true, Create: "never"}
}

// fill says for each line whether members of nested groups count.
func (r *AccountRoles) fill() {
	for nested, lines := range map[bool][]RoleLine{false: r.Admin, true: r.User} {
		for i := range lines {
			if lines[i].Nested == nil {
				lines[i].Nested = &nested
			}
		}
	}
}

// AccountRules gives what of accounts and roles is ours in a target, nil where nothing is.
// Authority holds names of sources.
func (c *Config) AccountRules(target string) *plan.AccountRules {
	t := c.Target(target)
	if t == nil || t.Accounts == nil {
		return nil
	}
	a := t.Accounts
	return &plan.AccountRules{Authority: c.authority(a), Otherwise: a.Role.Otherwise, Disabled: a.Disabled, Gone: a.Gone,
		RevokeSessions: a.RevokeSessions, Create: a.Create}
}

// authority gives the sources that decide about accounts: those that are named, else the
// only one.
func (c *Config) authority(a *Accounts) []string {
	if len(a.Authority) == 0 && len(c.Sources) == 1 {
		return []string{c.Sources[0].Name}
	}
	return slices.Clone(a.Authority)
}

// DefaultPermissions gives the keys of the default permissions that are ours in a target,
// nil where none are.
func (c *Config) DefaultPermissions(target string) permission.Set {
	if t := c.Target(target); t != nil && t.Defaults != "" {
		return c.PermissionSet(t.Defaults)
	}
	return nil
}

// roleSpecs gives a target's lines of roles as rules that have no group.
func (c *Config) roleSpecs(target string) []mapping.Spec {
	t := c.Target(target)
	if t == nil || t.Accounts == nil {
		return nil
	}
	var specs []mapping.Spec
	for i := range t.Accounts.Role.Admin {
		specs = append(specs, c.roleSpec(t, plan.RoleAdmin, &t.Accounts.Role.Admin[i]))
	}
	for i := range t.Accounts.Role.User {
		specs = append(specs, c.roleSpec(t, plan.RoleUser, &t.Accounts.Role.User[i]))
	}
	return specs
}

// RoleRule begins the name of the rule that each line of accounts.role is.
const RoleRule = "accounts.role."

func (c *Config) roleSpec(t *Target, role string, line *RoleLine) mapping.Spec {
	from := slices.Clone(line.From)
	if len(from) == 0 {
		from = c.authority(t.Accounts)
	}
	return mapping.Spec{Name: roleName(t, role, line), From: from, Match: line.Match, Targets: []string{t.Name}, Role: role, Direct: line.Nested != nil && !*line.Nested,
		Create: string(CreateFalse), Adopt: []string{"never"}, Members: "owned"}
}

// roleName tells a line from the others by what it matches. It leaves out the sources, so
// that a source can be renamed without its people losing their roles to a new rule.
func roleName(t *Target, role string, line *RoleLine) string {
	text, err := json.Marshal([]any{t.Name, line.Match})
	if err != nil { // a Match holds lists of texts only
		panic(err)
	}
	sum := sha256.Sum256(text)
	return RoleRule + role + "-" + hex.EncodeToString(sum[:])[:8]
}

func (d *decoder) checkAccounts(c *Config, t *Target, p path) {
	if t.Defaults != "" {
		d.checkDefaults(c, t, p.child("defaults"))
	}
	a := t.Accounts
	if a == nil {
		return
	}
	p = p.child("accounts")
	a.Role.fill()
	names := sourceNames(c)
	d.checkNames(p.child("authority"), "source", a.Authority, names)
	if len(a.Authority) == 0 && len(c.Sources) > 1 {
		d.reportAt(p, "authority is missing: several sources could contradict each other", "name the sources that decide who is disabled, gone, or in which role: authority: ["+names[0]+"]")
	}
	d.checkAuthority(c, a, p)
	for i := range a.Role.Admin {
		at := p.child("role").child("admin").index(i)
		if m := a.Role.Admin[i].Match; m.Everyone || len(m.Names)+len(m.Paths)+len(m.Regexps) > 0 {
			d.reportAt(at.child("match"), "administrators are found by id or dn only", `names can be given to another group: write match: {id: …} or match: {dn: "cn=…"}; groupsyncd list groups -o json shows both`)
		}
		d.checkRoleLine(c, a, &a.Role.Admin[i], at)
	}
	for i := range a.Role.User {
		d.checkRoleLine(c, a, &a.Role.User[i], p.child("role").child("user").index(i))
	}
	d.checkRoleLines(t, p.child("role"))
	if a.Create != "never" && !slices.Contains(t.Match, "email") {
		d.reportAt(p.child("create"), "accounts made before the first sign-in are found again by their mail address only", "add email to match of the target, or write create: never")
	}
}

// checkAuthority finds sources that could not know that somebody is disabled or gone.
func (d *decoder) checkAuthority(c *Config, a *Accounts, p path) {
	if a.Disabled == "keep" && a.Gone == "keep" {
		return
	}
	for i, name := range c.authority(a) {
		s := c.Source(name)
		if s == nil || !s.Single {
			continue
		}
		at := p
		if len(a.Authority) > 0 {
			at = listed(d, p.child("authority"), i)
		}
		d.reportAt(at, "source "+name+" knows single people only: it cannot tell who is disabled or gone",
			"name a source that has lists as authority, or write disabled: keep and gone: keep")
	}
}

// listed gives the place of an entry of a list, which may stand alone.
func listed(d *decoder, p path, i int) path {
	if d.at.has(p.index(i)) {
		return p.index(i)
	}
	return p
}

func (d *decoder) checkRoleLine(c *Config, a *Accounts, line *RoleLine, p path) {
	d.checkNames(p.child("from"), "source", line.From, sourceNames(c))
	authority := c.authority(a)
	for i, name := range line.From {
		if c.Source(name) != nil && len(authority) > 0 && !slices.Contains(authority, name) {
			d.reportAt(listed(d, p.child("from"), i), "source "+name+" is no authority, so it decides nobody's role", "add it to accounts.authority, or take it out here")
		}
	}
	spec := mapping.Spec{Match: line.Match, Role: plan.RoleUser}
	for _, problem := range spec.Check() {
		d.reportAt(p.child(problem.Field), problem.Message, "")
	}
}

// checkRoleLines finds lines that state could not tell apart.
func (d *decoder) checkRoleLines(t *Target, p path) {
	for _, list := range []struct {
		role  string
		lines []RoleLine
	}{{plan.RoleAdmin, t.Accounts.Role.Admin}, {plan.RoleUser, t.Accounts.Role.User}} {
		seen := map[string]bool{}
		for i := range list.lines {
			name := roleName(t, list.role, &list.lines[i])
			if at := p.child(list.role).index(i); seen[name] && !d.at.broken(at) {
				d.reportAt(at, "a line above selects the same groups", "put the two together: from takes a list")
			}
			seen[name] = true
		}
	}
}

func (d *decoder) checkDefaults(c *Config, t *Target, p path) {
	set := c.PermissionSets[t.Defaults]
	switch {
	case set == nil:
		d.undefined(p, "permission set", t.Defaults, setNames(c))
	case len(c.PermissionSet(t.Defaults)) == 0:
		d.warnAt(p, "the permission set names no key, so nothing of the default permissions is kept", "")
	}
}

// checkRuleName keeps names of rules apart from those that lines of roles have.
func (d *decoder) checkRuleName(r *Rule, p path) {
	if strings.HasPrefix(r.Name, RoleRule) {
		d.reportAt(p.child("name"), "begins with "+RoleRule+", as the lines of accounts.role do", "choose another name")
	}
}
