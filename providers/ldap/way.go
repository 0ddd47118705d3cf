package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/providers/ldap/dn"
)

// Object identifiers that tell what a server can do.
const (
	capabilityAD    = "1.2.840.113556.1.4.800"
	controlSyncrepl = ldap.ControlTypeSyncRequest
	controlDirSync  = ldap.ControlTypeDirSync
)

// noWay says why a server does not tell changes. It is no failure.
type noWay struct{ why string }

func (n *noWay) Error() string { return n.why }

func nowhere(format string, args ...any) error { return &noWay{fmt.Sprintf(format, args...)} }

// observe reads which server this is, how it tells changes, and how far they are.
// An error that is a noWay says that it tells none.
func (s *source) observe(ctx context.Context, made *session) (*mark, error) {
	root, err := made.entry(ctx, "", "(objectClass=*)", []string{"supportedControl", "supportedCapabilities", "namingContexts", "dsServiceName", "dnsHostName", "highestCommittedUSN"})
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, nowhere("the server does not show its root entry")
	}
	if made.layout.memberOf != "" {
		return nil, nowhere("%s of users is worked out by the server, and leaves no trace there", made.layout.memberOf)
	}
	m := &mark{URL: made.server.text}
	switch {
	case slices.Contains(root.GetEqualFoldAttributeValues("supportedCapabilities"), capabilityAD):
		err = s.observeAD(ctx, made, root, m)
	case slices.Contains(root.GetEqualFoldAttributeValues("supportedControl"), controlSyncrepl):
		err = s.observeSyncrepl(ctx, made, root, m)
	default:
		return nil, nowhere("the server offers neither syncrepl (RFC 4533) nor DirSync")
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// contextsOf gives, for each base of users and groups, the longest naming context that
// holds it.
func contextsOf(root *ldap.Entry, bases []string) (map[string][]string, error) {
	contexts := dn.NormalAll(root.GetEqualFoldAttributeValues("namingContexts"))
	held := map[string][]string{}
	for _, b := range bases {
		best, found := "", false
		for _, c := range contexts {
			if dn.Within(b, []string{c}) && (!found || len(c) > len(best)) {
				best, found = c, true
			}
		}
		if !found {
			return nil, nowhere("no naming context of the server holds %q", b)
		}
		held[best] = append(held[best], b)
	}
	return held, nil
}

// bases are all bases in normal form.
func (l *layout) bases() []string {
	all := dn.NormalAll(append(slices.Clone(l.users.Base), l.groups.Base...))
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *source) observeSyncrepl(ctx context.Context, made *session, root *ldap.Entry, m *mark) error {
	l := made.layout
	m.Way = waySyncrepl
	if !strings.EqualFold(l.users.ID, "entryUUID") || !strings.EqualFold(l.groups.ID, "entryUUID") {
		return nowhere("deletions carry nothing but entryUUID, and the ids are %s and %s", l.users.ID, l.groups.ID)
	}
	held, err := contextsOf(root, l.bases())
	if err != nil {
		return err
	}
	m.Contexts = map[string][]string{}
	for suffix := range held {
		e, err := made.entry(ctx, suffix, "(objectClass=*)", []string{"contextCSN"})
		if err != nil {
			return err
		}
		var csns []string
		if e != nil {
			csns = slices.Sorted(slices.Values(e.GetEqualFoldAttributeValues("contextCSN")))
		}
		if len(csns) == 0 {
			return nowhere("%q shows no contextCSN: it has no overlay syncprov, or may not be read", suffix)
		}
		m.Contexts[suffix] = csns
	}
	return nil
}

func (s *source) observeAD(ctx context.Context, made *session, root *ldap.Entry, m *mark) error {
	l := made.layout
	if !strings.EqualFold(l.users.ID, "objectGUID") || !strings.EqualFold(l.groups.ID, "objectGUID") {
		return nowhere("deletions carry nothing but objectGUID, and the ids are %s and %s", l.users.ID, l.groups.ID)
	}
	held, err := contextsOf(root, l.bases())
	if err != nil {
		return err
	}
	if len(held) > 1 {
		return nowhere("the bases lie in %d naming contexts", len(held))
	}
	for suffix := range held {
		m.Root = suffix
	}
	m.Host = strings.ToLower(first(root, "dnsHostName"))
	if m.USN, err = strconv.ParseInt(first(root, "highestCommittedUSN"), 10, 64); err != nil || m.Host == "" {
		return nowhere("the server does not show highestCommittedUSN and dnsHostName")
	}
	e, err := made.entry(ctx, first(root, "dsServiceName"), "(objectClass=*)", []string{"invocationId"})
	if err != nil {
		return err
	}
	if e != nil {
		if raw := rawValues(e, "invocationId"); len(raw) == 1 {
			m.Invocation = fmt.Sprintf("%x", raw[0])
		}
	}
	if m.Invocation == "" {
		return nowhere("the invocationId of the domain controller may not be read")
	}
	m.Way = wayUSN
	if slices.Contains(root.GetEqualFoldAttributeValues("supportedControl"), controlDirSync) {
		m.Way = wayDirSync
	}
	return nil
}

// compare finds what makes a mark of before useless now: another server, a restored
// one, or one that went back.
func (m *mark) compare(now *mark) error {
	switch {
	case now.Way != m.Way && !(now.Way == wayDirSync && m.Way == wayUSN):
		return needFull("the cursor is for %s and the server tells changes by %s", m.Way, now.Way)
	case m.Way == waySyncrepl && m.URL != now.URL:
		return needFull("another server answers: %s, not %s", now.URL, m.URL)
	case m.Way == waySyncrepl:
		return compareContexts(m.Contexts, now.Contexts)
	case m.Root != now.Root:
		return needFull("the naming context is %q, not %q", now.Root, m.Root)
	case m.Host != now.Host:
		return needFull("another domain controller answers: %s, not %s", now.Host, m.Host)
	case m.Invocation != now.Invocation:
		return needFull("the domain controller %s was restored: its invocationId is another one", now.Host)
	case now.USN < m.USN:
		return needFull("highestCommittedUSN went back from %d to %d", m.USN, now.USN)
	}
	return nil
}

// compareContexts makes sure that no provider went back, came or went.
func compareContexts(old, now map[string][]string) error {
	if len(old) != len(now) {
		return needFull("the bases lie in %d naming contexts, not %d", len(now), len(old))
	}
	for suffix, csns := range old {
		before, err := bySID(csns)
		if err != nil {
			return needFull("the cursor: %w", err)
		}
		after, err := bySID(now[suffix])
		if err != nil {
			return needFull("below %q: %w", suffix, err)
		}
		if len(before) != len(after) {
			return needFull("%q has changes of %d servers, not of %d", suffix, len(after), len(before))
		}
		for sid, csn := range before {
			if after[sid] < csn {
				return needFull("contextCSN of %q went back from %s to %q: the server was restored from an older copy", suffix, csn, after[sid])
			}
		}
	}
	return nil
}

// bySID takes change sequence numbers apart: time#count#server#modification. Those of
// one server sort as texts.
func bySID(csns []string) (map[string]string, error) {
	found := make(map[string]string, len(csns))
	for _, csn := range csns {
		parts := strings.Split(csn, "#")
		if len(parts) != 4 || len(parts[0]) < len("20060102150405Z") {
			return nil, fmt.Errorf("%q is no change sequence number", csn)
		}
		found[parts[2]] = max(found[parts[2]], csn)
	}
	return found, nil
}

// origin is where a read begins: nil when its server tells no changes. What it finds
// out must be from before the first search, so that nothing that changes during the
// read is missed by the changes that follow.
func (s *source) origin(ctx context.Context, made *session) *cursor {
	m, err := s.observe(ctx, made)
	why := ""
	if err == nil {
		switch m.Way {
		case waySyncrepl:
			err = s.originSyncrepl(ctx, made, m)
		case wayDirSync:
			why, err = s.originDirSync(ctx, made, m)
		default:
			why = "the server offers no DirSync"
		}
	}
	if err != nil {
		if n, ok := errors.AsType[*noWay](err); ok {
			s.say("", n.why)
		}
		// Any other failure shows in the read itself, which has its own words for it.
		return nil
	}
	s.say(m.Way, why)
	return &cursor{mark: *m, Scope: made.layout.digest(), At: s.now()}
}

// say writes down once how changes are read, and why not in a better way.
func (s *source) say(w way, why string) {
	s.mu.Lock()
	text := string(w) + " " + why
	told := s.told == text
	s.told = text
	s.mu.Unlock()
	switch {
	case told:
	case w == "":
		s.logger.Info("the directory is read as a whole each time", "reason", why)
	default:
		s.logger.Info("changes of the directory can be read alone", "way", string(w), "reason", why)
	}
}

// seal makes the cursor of a picture that was read completely. Without one the next
// read is a full one too.
func (s *source) seal(c *cursor, snapshot *directory.Snapshot, r *reader) []byte {
	if c == nil {
		return nil
	}
	unlisted := 0
	for i := range snapshot.Groups {
		g := &snapshot.Groups[i]
		if !g.Unlisted {
			continue
		}
		if unlisted++; unlisted > maxUnlisted || !dn.Within(g.DN, c.contexts()) {
			s.say("", "too many nested groups lie outside groups.base, or in another naming context")
			return nil
		}
	}
	if r.layout.ad {
		if c.Primary = r.primaries(); c.Primary == nil {
			s.say("", "too many users have primary groups of their own")
			return nil
		}
	}
	c.Print = fingerprint(snapshot)
	raw, err := c.encode()
	if err != nil {
		s.logger.Warn("the place where changes begin cannot be kept", "err", err)
		return nil
	}
	return raw
}
