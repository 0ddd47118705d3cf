// Package config reads the configuration file: strict YAML in which every mistake is
// reported at once, each with its position and what to do about it, and none with a
// value that might be a secret.
//
// It owns the keys of the file, their defaults, and the checks between them. What a
// source's own keys mean is left to the source, which config finds in a
// providers.Registry; patterns and templates of rules are left to package mapping;
// it opens nothing but the file itself and, on demand, the secrets that it names.
//
// Keys come from the yaml tags of structs. Two further tags, which structs of sources
// may carry as well, serve the checks, the JSON Schema and the reference: `words`
// lists the only values that a text may have, parted by spaces, and `doc` says in
// plain words what the key is for. A list of texts with one entry may always be
// written as that text alone.
package config

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/permission"
	"groupsyncd/providers"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

// Config is a configuration that was read and found right, every default filled in.
// It is not changed after Load.
type Config struct {
	Mode     string      `yaml:"mode" words:"apply plan" doc:"Apply changes, or only plan and report them. A target may say it for itself."`
	State    scalar.Path `yaml:"state" doc:"Folder for what must survive a restart: state.db, control.sock, backups."`
	TimeZone string      `yaml:"time_zone" doc:"Time zone of the schedules, such as Europe/Berlin."`
	Log      Log         `yaml:"log" doc:"What is logged, and how it looks."`
	Server   Server      `yaml:"server" doc:"Where the daemon can be asked over HTTP, beside its control socket."`

	// Sources, Targets and Rules stand in the order of the file.
	Sources []*Source `yaml:"sources" doc:"The directories that people and groups come from, by a name of your choice."`
	Targets []*Target `yaml:"targets" doc:"The Open WebUI servers, by a name of your choice."`
	Rules   []*Rule   `yaml:"rules" doc:"Which directory groups become which Open WebUI groups. Every matching rule applies."`

	// Teams stand in the order of the file as well.
	Teams []*Team `yaml:"teams" doc:"Scoped administration on top of groups: teams with members, managers, their rights and what belongs to them."`

	// Webhooks stand in the order of the file too.
	Webhooks []*Webhook `yaml:"webhooks" doc:"Who may tell the daemon whom to look at, by a name of your choice: POST /hooks/NAME of server.public."`

	PermissionSets map[string]*PermissionSet `yaml:"permission_sets" doc:"Permissions by a name of your choice, for use in rules; spelled as in Open WebUI's own tree."`
	Safety         Safety                    `yaml:"safety" doc:"How much may be taken away without somebody approving it."`
	Backup         Backup                    `yaml:"backup" doc:"Copies of the state, made and verified while the program runs."`
	Audit          Audit                     `yaml:"audit" doc:"The record of what was done, held and decided; see groupsyncd audit."`
	// Notify stand in the order of the file.
	Notify     []*Notify `yaml:"notify" doc:"Services outside that people are told by: Slack, Teams, mail, ntfy, a webhook of your own …"`
	StaleAfter int       `yaml:"stale_after" doc:"After how many missed intervals a source counts as stale."`

	file     string
	sum      [sha256.Size]byte
	at       places
	warnings Problems
}

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level" words:"debug info warn error" doc:"The least important messages that are still shown."`
	Format string `yaml:"format" words:"auto text json" doc:"auto is coloured text on a terminal and JSON otherwise."`
}

// Source is one directory: the keys that every kind has, and those of its kind.
type Source struct {
	Name string `yaml:"-"`

	Type     string          `yaml:"type" doc:"The kind of source."`
	Schedule string          `yaml:"schedule" doc:"When to read: every 15m, @hourly, or five-field cron."`
	Changes  *Changes        `yaml:",inline"`
	MaxAge   scalar.Duration `yaml:"max_age" doc:"Older knowledge counts as unknown: nothing is added or removed on it."`
	Lag      scalar.Duration `yaml:"lag" doc:"How far a replica of this directory may be behind. Default: 0s for a single server, 5m for several and for Active Directory."`
	// LagReplicated is the lag of a source that turns out to have replicas only when it is read.
	LagReplicated scalar.Duration `yaml:"-"`
	SignIn        *SignIn         `yaml:"sign_in" doc:"How these people sign in to Open WebUI, to find their accounts for certain."`
	EmailDomains  []string        `yaml:"email_domains" doc:"Mail addresses link accounts only in these domains. Omitted: in any."`

	// Config holds the keys of the kind of source; Single says that it knows single people
	// only.
	Config providers.Config `yaml:"-"`
	Single bool             `yaml:"-"`
	// Push says that its provider tells it of changes, Walks that it reads one group after the
	// other.
	Push  bool `yaml:"-"`
	Walks bool `yaml:"-"`
}

// SignIn names the OAuth provider inside Open WebUI that the people of a source use,
// and which attribute of theirs is its subject.
type SignIn struct {
	Provider string `yaml:"provider" doc:"Name of the OAuth provider inside Open WebUI, such as oidc, google or microsoft."`
	Subject  string `yaml:"subject" doc:"The attribute that the provider gives as subject: id, username, email, or a declared one."`
}

// Target is one Open WebUI.
type Target struct {
	Name string `yaml:"-"`

	Type   string      `yaml:"type" words:"openwebui" doc:"The kind of target."`
	URL    string      `yaml:"url" doc:"Address of Open WebUI."`
	APIKey secret.Ref  `yaml:"api_key" doc:"Where the API key of an administrator is kept."`
	CAFile scalar.Path `yaml:"ca_file" doc:"Certificates to trust beside those of the system, as PEM."`
	Match  []string    `yaml:"match" words:"sign_in email" doc:"How a directory user finds the account, in this order."`
	Watch  Every       `yaml:"watch" doc:"How often it is asked who signed in, so that their groups are right within seconds; or off."`
	// Ignore are accounts that are neither added nor removed anywhere.
	Ignore []string `yaml:"ignore" doc:"Mail addresses of accounts that are never touched, neither added nor removed."`
	// Protect are accounts that are never removed.
	Protect  []string  `yaml:"protect" doc:"Mail addresses of accounts that are never removed from a group or demoted."`
	Accounts *Accounts `yaml:"accounts" doc:"Which accounts and roles follow the directories. Omitted: accounts and roles are never touched."`
	Defaults string    `yaml:"defaults" doc:"A permission set that is kept as the instance's default permissions. Omitted: never touched."`
	Mode     string    `yaml:"mode" words:"apply plan" doc:"As the mode at the top, for this target alone."`
}

// Rule says which directory groups become which Open WebUI groups.
type Rule struct {
	Name        string              `yaml:"name" doc:"Keeps the rule's identity when it is edited."`
	From        []string            `yaml:"from" doc:"The sources it applies to. Omitted: all."`
	Match       mapping.Match       `yaml:"match" doc:"Which directory groups: a glob on the name or a list of them, one of {name, id, dn, path, regex}, or everyone."`
	Except      []string            `yaml:"except" doc:"Names of groups to leave out, as globs."`
	Where       map[string][]string `yaml:"where" doc:"Only people with these attributes, as globs."`
	To          string              `yaml:"to" doc:"Name of the Open WebUI group, as a template."`
	Target      []string            `yaml:"target" doc:"The targets it applies to. Omitted: all."`
	Create      Create              `yaml:"create" doc:"Make the group when it does not exist: true, false, or used (once it has a member with an account)."`
	Adopt       []string            `yaml:"adopt" words:"name id path never" doc:"Take over an existing group whose name equals our name, or the directory group's id or path; or never."`
	Members     string              `yaml:"members" words:"owned exact add-only" doc:"Whose memberships may be taken away: ours, everybody's, or nobody's."`
	Permissions Permissions         `yaml:"permissions" doc:"Permissions of the group: names of permission sets, or a tree."`
	Share       string              `yaml:"share" words:"anyone members nobody" doc:"Who may share with the group. Omitted: not touched."`
	Parent      string              `yaml:"parent" doc:"Name of the parent group, as a template, where the server has them. Omitted: not touched."`
	// DefaultModels are ids of models.
	DefaultModels []string  `yaml:"default_models" doc:"Ids of the models that members find chosen, where the server has them. Omitted: not touched."`
	Resources     Resources `yaml:",inline"`
	Merge         bool      `yaml:"merge" doc:"Allow several directory groups to share one templated name."`
	Description   *string   `yaml:"description" doc:"Description of the group, as a template. Omitted: not touched."`
}

// Create says when a rule makes a group: true, false or used.
type Create string

// The values of Create.
const (
	CreateTrue  Create = "true"
	CreateFalse Create = "false"
	CreateUsed  Create = "used"
)

// Permissions are what a rule grants: named sets, a tree of its own, or both.
type Permissions struct {
	Sets []string
	Tree permission.Set
}

// PermissionSet is a named set of permissions, with what it builds on.
type PermissionSet struct {
	Extends []string
	Set     permission.Set
}

// Audit says how the audit is kept.
type Audit struct {
	Retention scalar.Duration `yaml:"retention" doc:"Older records are dropped; a record says so, and the rest can still be proved."`
	Names     bool            `yaml:"names" doc:"Keep names of groups and mail addresses beside ids. Records cannot be changed afterwards."`
	// Forward is empty, ForwardSyslog, or an absolute path.
	Forward string `yaml:"forward" doc:"Pass every record on: syslog (the local one), or the path of a file, with a slash in it, for one line of JSON each. Omitted: nowhere."`
}

// ForwardSyslog is the forward to the syslog of this machine.
const ForwardSyslog = "syslog"

// Safety are the limits of the guard.
type Safety struct {
	MaxPeople       plan.Limit      `yaml:"max_people" doc:"People who lose something in one run. A run that touches fewer than 5 people never trips it."`
	MaxPeople24h    plan.Limit      `yaml:"max_people_24h" doc:"People who lose something within any 24 hours."`
	MaxGroupLoss    plan.Limit      `yaml:"max_group_loss" doc:"Members that one group loses within 24 hours, for groups from 10 members up."`
	MaxDemotions    plan.Limit      `yaml:"max_demotions" doc:"Accounts that get a lower role within any 24 hours."`
	MaxNewAdmins    plan.Limit      `yaml:"max_new_admins" doc:"Accounts that become administrators in one run."`
	MaxNewGroups    plan.Limit      `yaml:"max_new_groups" doc:"Groups made in one run. The first run makes them all."`
	MaxCuts         plan.Limit      `yaml:"max_cuts" doc:"People from whom permissions or grants of resources are taken within any 24 hours."`
	MaxSourceShrink plan.Limit      `yaml:"max_source_shrink" doc:"How much smaller a source may be than when it was last accepted; at least five, or all of it."`
	Absence         Absence         `yaml:"absence" doc:"How surely somebody or some group must be gone."`
	ApprovalTTL     scalar.Duration `yaml:"approval_ttl" doc:"How long the list that a hold showed can still be approved after it has changed."`
}

// Absence says how often, and over how long, something must be missing.
type Absence struct {
	Reads int             `yaml:"reads" doc:"In how many complete reads it must be missing."`
	Over  scalar.Duration `yaml:"over" doc:"Time that must lie between the first and the last of them."`
}

// File gives the name of the file as it was given to Load.
func (c *Config) File() string { return c.file }

// Sum gives the first six bytes of the SHA-256 of the file: a number that metrics can hold.
func (c *Config) Sum() uint64 {
	return binary.BigEndian.Uint64(append([]byte{0, 0}, c.sum[:6]...))
}

// Warnings lists what is probably not meant, in the order of the file.
func (c *Config) Warnings() Problems { return c.warnings }

// Source gives the source of that name, or nil.
func (c *Config) Source(name string) *Source {
	if i := slices.IndexFunc(c.Sources, func(s *Source) bool { return s.Name == name }); i >= 0 {
		return c.Sources[i]
	}
	return nil
}

// Target gives the target of that name, or nil.
func (c *Config) Target(name string) *Target {
	if i := slices.IndexFunc(c.Targets, func(t *Target) bool { return t.Name == name }); i >= 0 {
		return c.Targets[i]
	}
	return nil
}

// Specs gives the rules of one target, in the order of the file, with their
// permissions resolved, and then its lines of roles. From holds the names of sources.
func (c *Config) Specs(target string) []mapping.Spec {
	var specs []mapping.Spec
	for _, r := range c.Rules {
		if len(r.Target) == 0 || slices.Contains(r.Target, target) {
			specs = append(specs, c.spec(r))
		}
	}
	for _, t := range c.Teams {
		if len(t.Target) == 0 || slices.Contains(t.Target, target) {
			specs = append(specs, c.teamSpecs(t)...)
		}
	}
	return append(specs, c.roleSpecs(target)...)
}

func (c *Config) spec(r *Rule) mapping.Spec {
	where := maps.Clone(r.Where)
	for attribute := range where {
		where[attribute] = slices.Clone(where[attribute])
	}
	return mapping.Spec{
		Name: r.Name, From: slices.Clone(r.From), Match: r.Match, Except: slices.Clone(r.Except), Where: where,
		To: r.To, Targets: slices.Clone(r.Target), Create: string(r.Create), Adopt: slices.Clone(r.Adopt),
		Members: r.Members, Permissions: c.permissions(r.Permissions), Share: r.Share, Merge: r.Merge,
		Description: r.Description, Parent: r.Parent, DefaultModels: slices.Clone(r.DefaultModels), Resources: r.Resources.byType(),
	}
}

// permissions unites the sets and the tree of a rule, nil when it has neither.
func (c *Config) permissions(p Permissions) permission.Set {
	if len(p.Sets) == 0 && p.Tree == nil {
		return nil
	}
	all := []permission.Set{p.Tree}
	for _, name := range p.Sets {
		all = append(all, c.PermissionSet(name))
	}
	return permission.Union(all...)
}

// PermissionSet gives what a named set grants together with the sets that it
// extends: those are united, and what the set itself says about a key comes before
// what they say.
func (c *Config) PermissionSet(name string) permission.Set {
	return c.resolveSet(name, map[string]permission.Set{})
}

// resolveSet keeps results in done, so that sets that many others extend are worked
// out once. A set that extends itself, which Load refuses, adds nothing to itself.
func (c *Config) resolveSet(name string, done map[string]permission.Set) permission.Set {
	if set, ok := done[name]; ok {
		return set
	}
	done[name] = permission.Set{}
	own := c.PermissionSets[name]
	if own == nil {
		return permission.Set{}
	}
	var bases []permission.Set
	for _, base := range own.Extends {
		bases = append(bases, c.resolveSet(base, done))
	}
	set := permission.Union(bases...)
	maps.Copy(set, own.Set)
	done[name] = set
	return set
}
