package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/providers"
)

// checkLayout says how the directory is read and what it could be asked besides.
func (s *source) checkLayout(ctx context.Context, f *providers.Findings, made *session) {
	l := made.layout
	chosen := l.name + " is configured"
	if l.detected {
		chosen = "auto chose " + l.name
	}
	ids := l.users.ID
	if l.groups.ID != ids {
		ids += " and " + l.groups.ID
	}
	f.OK("layout", "%s: people are %s, groups are %s, ids are in %s, members in %s", chosen, l.users.Filter, l.groups.Filter, ids, l.membersText())
	if l.ad {
		return
	}
	root, err := made.root(ctx)
	if err != nil {
		return
	}
	known, err := made.schema(ctx, root)
	if err != nil {
		return // Auto has failed on it already, and nothing else needs it.
	}
	if l.users.Disabled == "" {
		if filter := lockedFilter(root, known); filter != "" {
			f.Warn("users.disabled", "write users: {disabled: \""+filter+"\"}, or that people are locked elsewhere: disabled: \"(!(objectClass=*))\"",
				"nobody counts as disabled, though the schema knows a way to lock accounts")
		}
		return
	}
	for _, name := range namesIn(l.users.Disabled) {
		if !known.attribute(name) {
			f.Warn("users.disabled", "correct the name of the attribute", "the schema knows no attribute %s, so that %s may find nobody", name, l.users.Disabled)
		}
	}
}

// lockedFilter suggests how disabled accounts are found. Some of these searches are
// costly on their servers, so that they are never a preset.
func lockedFilter(root *ldap.Entry, known *schema) string {
	for _, c := range []struct{ attribute, filter string }{
		{"pwdAccountLockedTime", "(pwdAccountLockedTime=000001010000Z)"}, {"nsAccountLock", "(nsAccountLock=TRUE)"},
		{"ds-pwp-account-disabled", "(ds-pwp-account-disabled=true)"}, {"loginDisabled", "(loginDisabled=TRUE)"},
	} {
		policy := c.attribute != "pwdAccountLockedTime" || hasPasswordPolicy(root)
		if known.attribute(c.attribute) && policy {
			return c.filter
		}
	}
	return ""
}

// namesIn lists the attributes that a filter asks about.
func namesIn(filter string) []string {
	var names []string
	for part := range strings.SplitSeq(filter, "(") {
		if at := strings.IndexAny(part, "=~<>:;"); at > 0 {
			names = append(names, part[:at])
		}
	}
	return unique(names)
}

// checkBases looks whether each base exists and shows entries with the attributes
// that are needed.
func (s *source) checkBases(ctx context.Context, f *providers.Findings, made *session) {
	l := made.layout
	for _, base := range l.users.Base {
		s.checkBase(ctx, f, made, "users", base, l.users.Filter, []string{l.users.ID, l.users.Email, l.users.Username})
	}
	for _, base := range l.groups.Base {
		s.checkBase(ctx, f, made, "groups", base, l.groups.Filter, []string{l.groups.ID, l.groups.Name})
	}
	if l.users.Disabled != "" {
		_, err := made.ask(sample(l.users.Base[0], and(l.users.Filter, l.users.Disabled), []string{"1.1"}))
		if err != nil && code(err) != ldap.LDAPResultSizeLimitExceeded {
			f.Err("users.disabled", searchError(ctx, made.server, "search", "users", l.users.Base[0], err))
		}
	}
}

// sample asks for a few entries only.
func sample(base, filter string, attributes []string) *ldap.SearchRequest {
	q := request(query{base, ldap.ScopeWholeSubtree, filter, attributes})
	q.SizeLimit = 5
	return q
}

func (s *source) checkBase(ctx context.Context, f *providers.Findings, made *session, block, base, filter string, attributes []string) {
	check := block + ".base"
	result, err := made.ask(sample(base, filter, attributes))
	if err != nil && code(err) != ldap.LDAPResultSizeLimitExceeded {
		f.Err(check, searchError(ctx, made.server, "search", block, base, err))
		return
	}
	if len(result.Entries) == 0 {
		f.Warn(check, "check "+block+".base and "+block+".filter, and what the account of bind.dn may see", "no %s below %q with %s", block, base, filter)
		return
	}
	for _, a := range attributes {
		if !slices.ContainsFunc(result.Entries, func(e *ldap.Entry) bool { return len(rawValues(e, a)) > 0 }) {
			f.Warn(check, "correct the name of the attribute, or let the account of bind.dn read it", "the first %s below %q have no %s", block, base, a)
			return
		}
	}
	f.OK(check, "there are %s below %q", block, base)
}

// checkPages asks for one page of the configured size, which some servers refuse.
func (s *source) checkPages(ctx context.Context, f *providers.Findings, made *session) {
	l := made.layout
	ask := func(size int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := request(query{l.users.Base[0], ldap.ScopeWholeSubtree, l.users.Filter, []string{"1.1"}})
		r.Controls = []ldap.Control{ldap.NewControlPaging(uint32(size))}
		_, err := made.ask(r)
		return err
	}
	size := s.config.PageSize
	if err := ask(size); code(err) != ldap.LDAPResultAdminLimitExceeded {
		return // Whatever else is wrong shows in the whole read.
	}
	for smaller := size / 2; smaller > 0; smaller /= 2 {
		if ask(smaller) == nil {
			f.Warn("page_size", fmt.Sprintf("set page_size: %d, or raise the server's limit for the account of bind.dn (OpenLDAP: limits … size.pr)", smaller),
				"%s refuses pages of %d entries, and takes %d", made.server.text, size, smaller)
			return
		}
	}
}

// probe is a search for one value, as a look-up of one person makes it.
type probe struct{ block, attribute, base, value string }

// checkIndexes looks up one value of each attribute that is searched for when one
// person is looked up, and compares what that costs with a read of one entry: without
// an index the server reads the whole directory each time.
func (s *source) checkIndexes(ctx context.Context, f *providers.Findings, made *session) {
	probes, at := s.probes(made)
	if len(probes) == 0 {
		return
	}
	one := fastest(func() error {
		_, err := made.entry(ctx, at, "(objectClass=*)", []string{"1.1"})
		return err
	})
	slow := false
	for _, p := range probes {
		var failed error
		took := fastest(func() error {
			_, err := made.ask(sample(p.base, "("+p.attribute+"="+p.value+")", []string{"1.1"}))
			if code(err) == ldap.LDAPResultSizeLimitExceeded {
				err = nil
			}
			failed = err
			return err
		})
		switch {
		case ctx.Err() != nil:
			return
		case failed != nil:
			slow = true
			f.Warn("index", indexRemedy(made, p.attribute), "a search for one %s fails: %s", p.attribute, reason(failed))
		case s.suspicious(one, took):
			slow = true
			f.Warn("index", indexRemedy(made, p.attribute), "a search for one %s takes %s, and reading one entry %s: has %s an index?",
				p.attribute, roughly(took), roughly(one), p.attribute)
		}
	}
	if !slow {
		f.OK("index", "searches for one value of %s are fast", list(attributesOfProbes(probes), 8))
	}
}

// suspicious judges the time of a search. Small directories are fast without an index,
// and then need none.
func (s *source) suspicious(one, took time.Duration) bool { return took > s.slow && took > 10*one }

// fastest gives the shortest of three times, because machines are busy with other things.
func fastest(do func() error) time.Duration {
	best := time.Duration(-1)
	for range 3 {
		begin := time.Now()
		if do() != nil {
			break
		}
		if took := time.Since(begin); best < 0 || took < best {
			best = took
		}
	}
	return max(best, 0)
}

// probes takes values of entries that are there, and gives the DN of one of them.
func (s *source) probes(made *session) (list []probe, at string) {
	l := made.layout
	take := func(block, base, filter string, names []string) {
		result, err := made.ask(sample(base, filter, names))
		if err != nil && code(err) != ldap.LDAPResultSizeLimitExceeded {
			return
		}
		for _, name := range names {
			for _, e := range result.Entries {
				raw := rawValues(e, name)
				if len(raw) == 0 {
					continue
				}
				at = e.DN
				list = append(list, probe{block, name, base, escapeBytes(raw[0])})
				break
			}
		}
	}
	take("users", l.users.Base[0], l.users.Filter, unique([]string{l.users.ID, l.users.Username, l.users.Email}))
	take("groups", l.groups.Base[0], l.groups.Filter, unique(append([]string{l.groups.ID}, l.groups.Members...)))
	return list, at
}

func attributesOfProbes(probes []probe) []string {
	names := make([]string, len(probes))
	for i, p := range probes {
		names[i] = p.attribute
	}
	return unique(names)
}

// indexRemedy says how an index is made, by the kind of the server.
func indexRemedy(made *session, attribute string) string {
	switch made.layout.name {
	case AD:
		return "set bit 1 of searchFlags of the attribute " + attribute + " in the schema of Active Directory"
	case FreeIPA, "389":
		return "dsconf INSTANCE backend index add --attr " + attribute + " --index-type eq --reindex BACKEND"
	}
	return "add olcDbIndex: " + attribute + " eq to the database (slapd.conf: index " + attribute + " eq, then slapindex); other servers have equality indexes too"
}

// roughly writes a time for people.
func roughly(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return "less than 1 ms"
}

var _ providers.Checker = (*source)(nil)
