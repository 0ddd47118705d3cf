package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/providers"
	"groupsyncd/providers/ldap/dn"
)

// originSyncrepl makes sure that the suffixes really answer syncrepl, and that no group
// is worked out by the server at each search: nothing changes when such a group does.
func (s *source) originSyncrepl(ctx context.Context, made *session, m *mark) error {
	for suffix, csns := range m.Contexts {
		// Nothing matches, so the answer is short however large the directory is.
		_, err := made.syncrepl(ctx, query{suffix, ldap.ScopeBaseObject, "(!(objectClass=*))", []string{"1.1"}}, syncCookie(csns), 0)
		if code(err) >= ldap.ErrorNetwork {
			return err
		}
		if err != nil {
			return nowhere("%q does not answer syncrepl: %s", suffix, reason(err))
		}
	}
	for _, base := range made.layout.groups.Base {
		r := request(query{base, ldap.ScopeWholeSubtree, and(made.layout.groups.Filter, "(memberURL=*)"), []string{"1.1"}})
		r.SizeLimit = 1
		result, err := made.ask(r)
		if result != nil && len(result.Entries) > 0 {
			return nowhere("%q is a dynamic group, whose members change without a trace", result.Entries[0].DN)
		}
		if err != nil && code(err) >= ldap.ErrorNetwork {
			return err
		}
	}
	return nil
}

// syncCookie makes a cookie out of the contextCSN of a suffix, as OpenLDAP writes it.
func syncCookie(csns []string) []byte { return []byte("rid=000,csn=" + strings.Join(csns, ";")) }

// syncAnswer is what one refresh showed (RFC 4533, 3.3).
type syncAnswer struct {
	entries []*ldap.Entry
	// present and deleted are the ids named alone.
	present, deleted map[string]bool
	// named says that there was a list of present ids.
	named bool
	done  *ldap.ControlSyncDone
}

var errTooMany = errors.New("more entries changed than are read alone")

// syncrepl asks once for what changed since a cookie. Its answer is complete only with
// the control at its end: go-ldap ends without an error when the connection or the
// context does. most bounds the entries.
func (s *session) syncrepl(ctx context.Context, q query, cookie []byte, most int) (*syncAnswer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &syncAnswer{present: map[string]bool{}, deleted: map[string]bool{}}
	r := s.conn.Syncrepl(ctx, request(q), 64, ldap.SyncRequestModeRefreshOnly, cookie, false)
	for r.Next() {
		if r.Referral() != "" {
			return a, needFull("below %q the server refers to others", q.base)
		}
		if err := a.take(r.Entry(), r.Controls()); err != nil {
			return a, err
		}
		if len(a.entries) > most {
			return a, errTooMany
		}
	}
	if err := hide(r.Err(), s.password); err != nil {
		return a, err
	}
	if err := ctx.Err(); err != nil {
		return a, err
	}
	if a.done == nil {
		if s.conn.IsClosing() {
			return a, ldap.NewError(ldap.ErrorNetwork, errors.New("the connection was lost"))
		}
		return a, fmt.Errorf("the refresh has no end: %w", errIncomplete)
	}
	return a, nil
}

// take notes one message of a refresh.
func (a *syncAnswer) take(e *ldap.Entry, controls []ldap.Control) error {
	stated := false
	for _, c := range controls {
		switch c := c.(type) {
		case *ldap.ControlSyncDone:
			a.done = c
		case *ldap.ControlSyncState:
			stated = true
			switch c.State {
			case ldap.SyncStateDelete:
				a.deleted[c.EntryUUID.String()] = true
			case ldap.SyncStatePresent:
				a.present[c.EntryUUID.String()], a.named = true, true
			case ldap.SyncStateAdd, ldap.SyncStateModify:
				if id, err := idOf(e, "entryUUID"); err != nil || id != c.EntryUUID.String() {
					return needFull("entry %q came under the id %s", e.DN, c.EntryUUID)
				}
				a.entries = append(a.entries, e)
			default:
				return needFull("entry %q came in a state that is not known: %d", e.DN, c.State)
			}
		case *ldap.ControlSyncInfo:
			if c.SyncIdSet == nil {
				// New cookies and the ends of phases come with refreshAndPersist.
				if c.NewCookie == nil {
					return needFull("a refresh in several phases")
				}
				continue
			}
			for _, id := range c.SyncIdSet.SyncUUIDs {
				if c.SyncIdSet.RefreshDeletes {
					a.deleted[id.String()] = true
				} else {
					a.present[id.String()] = true
				}
			}
			a.named = a.named || !c.SyncIdSet.RefreshDeletes
		}
	}
	if e != nil && !stated {
		return needFull("entry %q came without its state", e.DN)
	}
	return nil
}

// judge tells whether a refresh proves what is gone. now is the position of the suffix
// from before it.
func (a *syncAnswer) judge(now []string) error {
	if len(a.done.Cookie) == 0 {
		// Nothing changed, and yet the position did; or a cookie that the server did not
		// understand, with everything there is and nothing that was deleted.
		return needFull("the server does not know the cookie")
	}
	if a.done.RefreshDeletes && a.named {
		return needFull("a refresh that lists both what is left and what was deleted")
	}
	reached, err := bySID(strings.Split(cookieCSNs(string(a.done.Cookie)), ";"))
	if err != nil {
		return needFull("the cookie %q: %w", a.done.Cookie, err)
	}
	position, err := bySID(now)
	if err != nil {
		return needFull("%w", err)
	}
	for sid, csn := range position {
		if reached[sid] < csn {
			return needFull("the refresh reaches %q, not %s", reached[sid], csn)
		}
	}
	return nil
}

// cookieCSNs finds the positions in a cookie of OpenLDAP: rid=000,sid=001,csn=A;B.
func cookieCSNs(cookie string) string {
	for part := range strings.SplitSeq(cookie, ",") {
		if csns, ok := strings.CutPrefix(part, "csn="); ok {
			return strings.Trim(csns, ";")
		}
	}
	return ""
}

// feedSyncrepl asks every base for its changes. All start at the position that the
// picture had; the next read starts at the one from before all of these.
func (d *differ) feedSyncrepl(ctx context.Context, next *cursor) error {
	changed := map[string]bool{}
	for suffix, csns := range next.Contexts {
		changed[suffix] = !slices.Equal(csns, d.from.Contexts[suffix])
	}
	for _, b := range []*block{d.users, d.groups} {
		if err := d.refresh(ctx, b, next, changed); err != nil {
			return err
		}
	}
	for suffix := range changed {
		if changed[suffix] {
			if err := d.touchedEntries(ctx, suffix, d.from.Contexts[suffix], next.Contexts[suffix]); err != nil {
				return err
			}
		}
	}
	return nil
}

// refresh asks for the changes of one list. An entry may move from one base to another,
// so it is gone only when no base names it.
func (d *differ) refresh(ctx context.Context, b *block, next *cursor, changed map[string]bool) error {
	named := map[string]bool{}
	gone := map[string]bool{}
	for _, base := range b.bases {
		normal := dn.Normal(base)
		suffix := suffixOf(normal, next.Contexts)
		if !changed[suffix] {
			continue
		}
		q := query{base, ldap.ScopeWholeSubtree, b.filter, unique(append(slices.Clone(b.asked), "entryUUID"))}
		a, err := d.session.syncrepl(ctx, q, syncCookie(d.from.Contexts[suffix]), maxChanged+len(b.known)/4)
		if err == nil {
			err = a.judge(next.Contexts[suffix])
		}
		if err != nil {
			return d.syncProblem(ctx, b, base, err)
		}
		for _, e := range a.entries {
			if err := b.take(e); err != nil {
				return err
			}
			id, _ := idOf(e, b.id)
			named[id] = true
		}
		for id := range a.present {
			named[id] = true
			if _, known := b.known[id]; !known && b.entries[id] == nil {
				return needFull("the server takes %s for known among the %s", id, b.name)
			}
		}
		for id := range a.deleted {
			gone[id] = true
		}
		if a.done.RefreshDeletes {
			continue
		}
		for id, name := range b.known {
			if dn.Within(name, []string{normal}) && !a.present[id] {
				gone[id] = true
			}
		}
	}
	for id := range gone {
		if !named[id] {
			b.lost(id)
		}
	}
	d.progress.Report("changed "+b.name, len(b.entries)+len(b.gone))
	return nil
}

// syncProblem explains an error of a refresh. e-syncRefreshRequired means that the
// server cannot tell the changes since the cookie, unwilling that it is behind it.
func (d *differ) syncProblem(ctx context.Context, b *block, base string, err error) error {
	switch {
	case errors.Is(err, providers.ErrFullRead):
		return err
	case errors.Is(err, errTooMany):
		return needFull("below %q: %w", base, err)
	case code(err) == ldap.LDAPResultSyncRefreshRequired || code(err) == ldap.LDAPResultUnwillingToPerform:
		return needFull("below %q: %s", base, reason(err))
	}
	return d.problem(ctx, "read changed "+b.name, b.name, base, err)
}

func suffixOf(base string, contexts map[string][]string) string {
	best := ""
	for suffix := range contexts {
		if dn.Within(base, []string{suffix}) && len(suffix) > len(best) {
			best = suffix
		}
	}
	return best
}

// touchedEntries looks at everything below a suffix that changed, listed or not, by the
// number that each change leaves on its entry.
func (d *differ) touchedEntries(ctx context.Context, suffix string, before, after []string) error {
	old, err := bySID(before)
	if err != nil {
		return needFull("%w", err)
	}
	now, err := bySID(after)
	if err != nil {
		return needFull("%w", err)
	}
	least := ""
	for sid, csn := range old {
		// A server that changed nothing may have been silent for years.
		if now[sid] != csn && (least == "" || csn < least) {
			least = csn
		}
	}
	count := 0
	q := query{suffix, ldap.ScopeWholeSubtree, "(entryCSN>=" + ldap.EscapeFilter(least) + ")", []string{"entryUUID", "entryCSN", "hasSubordinates", "createTimestamp"}}
	return d.search(ctx, "entries", q, func(e *ldap.Entry) error {
		csn, err := bySID([]string{first(e, "entryCSN")})
		if err != nil {
			return needFull("entry %q: %w", e.DN, err)
		}
		for sid, n := range csn {
			if n <= old[sid] {
				return nil
			}
		}
		if count++; count > 0 {
			if err := d.tooMany(count); err != nil {
				return err
			}
		}
		name, id := dn.Normal(e.DN), strings.ToLower(first(e, "entryUUID"))
		d.outside[name] = true
		created := first(e, "createTimestamp")
		isNew := created != "" && created[:min(14, len(created))] > least[:14]
		known := d.users.known[id] == name || d.groups.known[id] == name
		if strings.EqualFold(first(e, "hasSubordinates"), "TRUE") && !known && name != suffix && !isNew {
			d.containers[name] = true
		}
		return nil
	})
}
