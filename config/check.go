package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
	"groupsyncd/sync/mapping"
)

// check looks for mistakes that single values do not show.
func (d *decoder) check(c *Config) {
	if _, err := time.LoadLocation(c.TimeZone); err != nil || c.TimeZone == "" {
		d.reportAt(path{"time_zone"}, "there is no such time zone", "write UTC, or a name such as Europe/Berlin")
	}
	if c.State == "" {
		d.reportAt(path{"state"}, "is empty", "name the folder for what must survive a restart")
	}
	if c.StaleAfter < 1 {
		d.reportAt(path{"stale_after"}, "must be at least 1", "")
	}
	d.checkAdmin(&c.Server.Admin, path{"server", "admin"})
	d.checkPublic(c)
	d.checkSafety(&c.Safety)
	d.checkBackup(&c.Backup)
	d.checkAudit(&c.Audit)
	d.checkThere("sources", len(c.Sources), "describe at least one directory to read from")
	d.checkThere("targets", len(c.Targets), "describe at least one Open WebUI to write to")
	d.checkThere("rules", len(c.Rules)+len(c.Teams), `say which directory groups to keep, such as: rules: [{match: "ai-*"}]`)
	readTargets(c)
	for _, s := range c.Sources {
		d.checkSource(s, path{"sources", s.Name})
		d.checkReads(c, s, path{"sources", s.Name})
	}
	for _, t := range c.Targets {
		d.checkTarget(t, path{"targets", t.Name})
		d.checkAccounts(c, t, path{"targets", t.Name})
		if t.Mode == "" {
			t.Mode = c.Mode
		}
	}
	d.checkWebhooks(c)
	d.checkNotify(c)
	d.checkPermissionSets(c)
	d.checkRules(c)
	d.checkTeams(c)
	d.checkSingle(c)
}

func (d *decoder) checkThere(key string, n int, hint string) {
	if n == 0 {
		d.reportAt(path{key}, "needs at least one entry", hint)
	}
}

func (d *decoder) checkSafety(s *Safety) {
	if s.Absence.Reads < 1 {
		d.reportAt(path{"safety", "absence", "reads"}, "must be at least 1", "")
	}
	if s.ApprovalTTL <= 0 {
		d.reportAt(path{"safety", "approval_ttl"}, "must be longer than nothing", "")
	}
}

// checkAudit also makes the path of a forward absolute.
func (d *decoder) checkAudit(a *Audit) {
	if a.Retention < day {
		d.reportAt(path{"audit", "retention"}, "must be at least 1d", "a year is a usual time: 400d")
	}
	switch {
	case a.Forward == "" || a.Forward == ForwardSyslog:
	case strings.HasSuffix(a.Forward, "/"):
		d.reportAt(path{"audit", "forward"}, "is the path of a folder", "name a file in it")
	case !strings.Contains(a.Forward, "/"):
		d.reportAt(path{"audit", "forward"}, "must be syslog, or a path with a slash", "write ./audit.jsonl for a file beside this one")
	default:
		a.Forward = string(scalar.Path(a.Forward).In(d.opts.Dir))
	}
}

func (d *decoder) checkSource(s *Source, p path) {
	if s.MaxAge <= 0 {
		d.reportAt(p.child("max_age"), "must be longer than nothing", "")
	}
	if s.Schedule == "" {
		d.reportAt(p.child("schedule"), "is empty", "write every 15m, @hourly, or five-field cron")
	} else if d.opts.CheckSchedule != nil {
		if err := d.opts.CheckSchedule(s.Schedule); err != nil {
			d.reportAt(p.child("schedule"), withoutValue(err.Error(), s.Schedule), "write every 15m, @hourly, or five-field cron such as 0 3 * * *")
		}
	}
	d.checkChanges(s, p)
	if s.SignIn != nil {
		at := p.child("sign_in")
		if s.SignIn.Provider == "" {
			d.reportAt(at.child("provider"), "is missing", "name the OAuth provider inside Open WebUI, such as oidc")
		}
		if s.SignIn.Subject == "" {
			d.reportAt(at.child("subject"), "is missing", "name the attribute that the provider gives as subject, such as id")
		}
	}
	for i, domain := range s.EmailDomains {
		if domain == "" || strings.ContainsAny(domain, "@* ") {
			d.reportAt(p.child("email_domains").index(i), "must be the part of a mail address behind the @", "write example.org")
		}
	}
	if s.Config == nil {
		return
	}
	for _, problem := range s.Config.Check() {
		d.reportAt(append(slices.Clip(p), problem.Path...), problem.Message, problem.Hint)
	}
}

// checkReads finds a source that reads what a target keeps which is not there.
func (d *decoder) checkReads(c *Config, s *Source, p path) {
	reader, ok := s.Config.(providers.TargetReader)
	if !ok || reader.ReadsTarget() == "" {
		return
	}
	d.checkNames(p.child("target"), "target", []string{reader.ReadsTarget()}, targetNames(c))
}

func (d *decoder) checkTarget(t *Target, p path) {
	d.checkURL(t.URL, p.child("url"))
	if t.APIKey.IsZero() {
		d.reportAt(p.child("api_key"), "is missing", "make a key as an administrator in Open WebUI, keep it in a file, and write api_key: file:secrets/openwebui")
	}
	if len(t.Match) == 0 {
		d.reportAt(p.child("match"), "is empty", "write sign_in, email or both")
	}
	d.checkWatch(t, p.child("watch"))
	for key, list := range map[string][]string{"ignore": t.Ignore, "protect": t.Protect} {
		for i, mail := range list {
			if !strings.Contains(mail, "@") {
				d.reportAt(p.child(key).index(i), "must be a mail address", "accounts are named by the mail address that Open WebUI shows")
			}
		}
	}
}

// checkURL says what is wrong with the address of a target, of which it repeats
// nothing.
func (d *decoder) checkURL(text string, p path) {
	const example = "write the address that a browser would use, such as https://chat.example.org"
	if text == "" {
		d.reportAt(p, "is missing", example)
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https":
		d.reportAt(p, "must be an address that begins with http:// or https://", example)
	case u.Hostname() == "":
		d.reportAt(p, "names no server", example)
	case u.User != nil:
		d.reportAt(p, "must not contain a user or password", "the key goes into api_key, as a reference")
	case u.RawQuery != "" || u.Fragment != "":
		d.reportAt(p, "must end before ? and #", example)
	case strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/api") || strings.Contains(u.Path, "/api/"):
		d.reportAt(p, "must be the address of Open WebUI itself, without /api", example)
	}
}

func (d *decoder) checkPermissionSets(c *Config) {
	names := setNames(c)
	for _, name := range names {
		at := path{"permission_sets", name, "extends"}
		for i, base := range c.PermissionSets[name].Extends {
			switch {
			case c.PermissionSets[base] == nil:
				d.undefined(at.index(i), "permission set", base, names)
			case d.extends(c, base, name, map[string]bool{}):
				d.reportAt(at.index(i), "the permission set extends itself", "take one of the two out")
			}
		}
	}
}

// extends reports whether one set builds on another, directly or not.
func (d *decoder) extends(c *Config, from, on string, seen map[string]bool) bool {
	if from == on {
		return true
	}
	set := c.PermissionSets[from]
	if set == nil || seen[from] {
		return false
	}
	seen[from] = true
	for _, base := range set.Extends {
		if d.extends(c, base, on, seen) {
			return true
		}
	}
	return false
}

// undefined reports a name that is used but not defined.
func (d *decoder) undefined(p path, what, name string, known []string) {
	hint := ""
	if len(known) > 0 && nearest(name, known) == "" && !slices.ContainsFunc(known, func(k string) bool { return !harmless(k) }) {
		hint = "defined are: " + strings.Join(known, ", ")
	}
	d.reportAt(p, "there is no "+what+" "+shown(name, "of that name", known)+didYouMean(name, known), hint)
}

func (d *decoder) checkRules(c *Config) {
	sources, targets, sets := sourceNames(c), targetNames(c), setNames(c)
	keys := map[string]int{}
	for i, r := range c.Rules {
		p := path{"rules"}.index(i)
		d.checkNames(p.child("from"), "source", r.From, sources)
		d.checkNames(p.child("target"), "target", r.Target, targets)
		for j, name := range r.Permissions.Sets {
			if c.PermissionSets[name] == nil {
				d.undefined(d.sets[&r.Permissions][j], "permission set", name, sets)
			}
		}
		if len(r.Adopt) == 0 {
			d.reportAt(p.child("adopt"), "is empty", "write never, or by what to take over: name, id, path")
		} else if slices.Contains(r.Adopt, "never") && len(r.Adopt) > 1 {
			d.reportAt(p.child("adopt"), "never stands alone", "")
		}
		for attribute, globs := range r.Where {
			if len(globs) == 0 {
				d.reportAt(p.child("where").child(attribute), "names no value", "")
			}
		}
		d.checkRuleName(r, p)
		d.checkAccess(&r.Resources, p)
		spec := c.spec(r)
		for _, problem := range spec.Check() {
			d.reportAt(p.child(problem.Field), problem.Message, "")
		}
		d.checkIdentity(c, i, &spec, keys, p)
	}
	d.checkShared(c)
}

// checkNames reports names that are not defined. A single one may stand without list.
func (d *decoder) checkNames(p path, what string, names, known []string) {
	for i, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		at := p
		if d.at.has(p.index(i)) {
			at = p.index(i)
		}
		d.undefined(at, what, name, known)
	}
}

// checkIdentity finds rules that state could not tell apart.
func (d *decoder) checkIdentity(c *Config, i int, spec *mapping.Spec, keys map[string]int, p path) {
	first, twice := keys[spec.Key()]
	if !twice {
		keys[spec.Key()] = i
		return
	}
	line := d.at.find(path{"rules"}.index(first)).line
	switch {
	case c.Rules[i].Name != "":
		d.reportAt(p.child("name"), fmt.Sprintf("the rule in line %d has this name too", line), "give each rule a name of its own")
	case !d.at.broken(path{"rules"}.index(first)):
		d.reportAt(p, fmt.Sprintf("the rule in line %d selects the same for the same groups", line), "put the two together, or give each a name")
	}
}

// checkShared finds rules that ask for different things of one Open WebUI group. It
// can be told here for rules with a fixed name only.
func (d *decoder) checkShared(c *Config) {
	fixed := map[string][]int{}
	for i, r := range c.Rules {
		if spec := (mapping.Spec{To: r.To}); !spec.Literal() {
			continue
		}
		for _, j := range fixed[r.To] {
			if overlap(c.Rules[j].Target, r.Target) && d.differ(c.Rules[j], r, j, i) {
				break // one contradiction is enough for a rule
			}
		}
		fixed[r.To] = append(fixed[r.To], i)
	}
}

// differ reports what two rules for the same group contradict each other in.
func (d *decoder) differ(first, second *Rule, i, j int) bool {
	var keys []string
	if first.Share != "" && second.Share != "" && first.Share != second.Share {
		keys = append(keys, "share")
	}
	if first.Description != nil && second.Description != nil && *first.Description != *second.Description {
		keys = append(keys, "description")
	}
	if first.Parent != "" && second.Parent != "" && first.Parent != second.Parent {
		keys = append(keys, "parent")
	}
	if len(first.DefaultModels) > 0 && len(second.DefaultModels) > 0 && !slices.Equal(first.DefaultModels, second.DefaultModels) {
		keys = append(keys, "default_models")
	}
	if !slices.Equal(first.Adopt, second.Adopt) && !slices.Equal(unique(first.Adopt), unique(second.Adopt)) {
		keys = append(keys, "adopt")
	}
	for _, key := range keys {
		line := d.at.find(path{"rules"}.index(i)).line
		d.reportAt(path{"rules"}.index(j).child(key), fmt.Sprintf("differs from the rule in line %d, which feeds the same Open WebUI group", line), "say the same in both rules")
	}
	return len(keys) > 0
}

// overlap reports whether two lists of targets share one; an empty list is all.
func overlap(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(t string) bool { return slices.Contains(b, t) })
}
