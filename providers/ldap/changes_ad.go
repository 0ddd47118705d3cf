package ldap

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/providers/ldap/dn"
)

// Flags of DirSync (MS-ADTS 3.1.1.3.4.1.3).
const (
	dirSyncObjectSecurity    = 0x1
	dirSyncIncrementalValues = 0x80000000
	// dirSyncBytes is how much one answer may hold; there may be more.
	dirSyncBytes = 1 << 20
	// maxDirSync bounds the answers that say that there are more.
	maxDirSync = 10000
)

// originDirSync gets a cookie of now, by a search that shows nothing. With the right to
// replicate, deletions are told; without it only what the account may see is, and no
// deletions are, so that the lists are compared by their ids each time.
func (s *source) originDirSync(ctx context.Context, made *session, m *mark) (string, error) {
	nothing := query{m.Root, ldap.ScopeWholeSubtree, "(!(objectClass=*))", []string{"objectGUID"}}
	var refused error
	for _, flags := range []int64{dirSyncIncrementalValues, dirSyncIncrementalValues | dirSyncObjectSecurity} {
		cookie, err := made.dirSync(ctx, nothing, flags, nil, func(*ldap.Entry) error { return nil })
		if err == nil {
			m.Flags, m.Cookie = flags, cookie
			if refused != nil {
				return "the account may not replicate (" + reason(refused) + "), so deletions are found by comparing ids", nil
			}
			return "", nil
		}
		if code(err) >= ldap.ErrorNetwork {
			return "", err
		}
		refused = err
	}
	m.Way = wayUSN
	return "the server refuses DirSync: " + reason(refused), nil
}

// dirSync reads all changes since a cookie and gives the next one.
func (s *session) dirSync(ctx context.Context, q query, flags int64, cookie []byte, each func(*ldap.Entry) error) ([]byte, error) {
	for range maxDirSync {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		result, err := s.ask(asking(q, ldap.NewRequestControlDirSync(flags, dirSyncBytes, cookie)))
		if err != nil {
			return nil, err
		}
		control, ok := ldap.FindControl(result.Controls, ldap.ControlTypeDirSync).(*ldap.ControlDirSync)
		if !ok || len(control.Cookie) == 0 {
			return nil, needFull("an answer without the control of DirSync or its cookie")
		}
		for _, e := range result.Entries {
			if err := each(e); err != nil {
				return nil, err
			}
		}
		cookie = control.Cookie
		if control.Flags == 0 {
			return cookie, nil
		}
	}
	return nil, needFull("DirSync comes to no end")
}

// replicated are the attributes whose changes count: those shown, and those by which
// the filters choose. What the server works out at each search never changes.
func (l *layout) replicated() []string {
	names := []string{"objectGUID", "name", "whenCreated", "isDeleted"}
	names = append(names, l.userAttributes()...)
	names = append(names, l.groupAttributes()...)
	names = append(names, attributesOfFilter(l.users.Filter)...)
	names = append(names, attributesOfFilter(l.groups.Filter)...)
	return slices.DeleteFunc(unique(names), func(n string) bool { return strings.EqualFold(n, "primaryGroupToken") })
}

// attributesOfFilter lists the attributes that a filter names.
func attributesOfFilter(filter string) []string {
	var names []string
	for part := range strings.SplitSeq(filter, "(") {
		name, _, found := strings.Cut(part, "=")
		if i := strings.IndexAny(name, ":~<>;"); i >= 0 {
			name = name[:i]
		}
		if name = strings.TrimSpace(name); found && name != "" {
			names = append(names, name)
		}
	}
	return unique(names)
}

// feedDirSync asks the whole naming context for changed attributes. Changed entries are
// then read whole by their ids, because a filter can be judged on the whole entry only;
// groups of which nothing but single members changed are not read at all.
func (d *differ) feedDirSync(ctx context.Context, next *cursor) error {
	next.Cookie = d.from.Cookie
	if next.USN == d.from.USN {
		return nil
	}
	var touched []string
	count := 0
	q := query{d.from.Root, ldap.ScopeWholeSubtree, "(objectClass=*)", d.layout.replicated()}
	cookie, err := d.session.dirSync(ctx, q, d.from.Flags, d.from.Cookie, func(e *ldap.Entry) error {
		if count++; d.tooMany(count) != nil {
			return d.tooMany(count)
		}
		id, err := idOf(e, "objectGUID")
		if err != nil {
			return needFull("%w", err)
		}
		if strings.EqualFold(first(e, "isDeleted"), "TRUE") {
			d.tombstone(id)
			return nil
		}
		if !d.takeLinks(id, e) {
			touched = append(touched, id)
		}
		name := dn.Normal(e.DN)
		d.outside[name] = true
		renamed := len(rawValues(e, "name")) > 0 && len(rawValues(e, "whenCreated")) == 0
		if renamed && d.users.known[id] == "" && d.groups.known[id] == "" && name != d.from.Root {
			d.containers[name] = true
		}
		return nil
	})
	if err != nil {
		return d.problem(ctx, "read changes", "users", d.from.Root, err)
	}
	next.Cookie = cookie
	d.progress.Report("changes", count)
	if err := d.settle(ctx, touched); err != nil {
		return err
	}
	if d.from.Flags&dirSyncObjectSecurity != 0 {
		return d.present(ctx)
	}
	return nil
}

// tombstone notes that the server says that an entry was deleted.
func (d *differ) tombstone(id string) {
	if _, known := d.users.known[id]; known {
		d.deletedUsers = append(d.deletedUsers, id)
		d.users.lost(id)
	}
	if _, known := d.groups.known[id]; known {
		d.deletedGroups = append(d.deletedGroups, id)
		d.groups.lost(id)
	}
}

// takeLinks takes the changed members of a group of which nothing else changed:
// member;range=1-1 are those that it got, member;range=0-0 those that it lost.
func (d *differ) takeLinks(id string, e *ldap.Entry) bool {
	if _, known := d.groups.known[id]; !known || d.from.Primary.isGroup(id) {
		return false
	}
	l := &links{}
	for _, a := range e.Attributes {
		name, option, _ := strings.Cut(a.Name, ";")
		member := slices.ContainsFunc(d.layout.groups.Members, func(m string) bool { return strings.EqualFold(m, name) && !byUsername(m) })
		switch {
		case strings.EqualFold(a.Name, "objectGUID") || strings.EqualFold(a.Name, "instanceType"):
		case member && strings.EqualFold(option, "range=1-1"):
			l.added = append(l.added, a.Values...)
		case member && strings.EqualFold(option, "range=0-0"):
			l.removed = append(l.removed, a.Values...)
		default:
			return false
		}
	}
	d.links[id] = l
	return true
}

// feedUSN looks for everything in the naming context that changed on this domain
// controller. Deletions are shown to few accounts, so the lists are compared by ids.
func (d *differ) feedUSN(ctx context.Context, next *cursor) error {
	if next.USN == d.from.USN {
		return nil
	}
	since := "(uSNChanged>=" + strconv.FormatInt(d.from.USN+1, 10) + ")"
	touched := map[string]bool{}
	q := query{d.from.Root, ldap.ScopeWholeSubtree, since, []string{"objectGUID", "objectClass", "uSNCreated"}}
	err := d.search(ctx, "entries", q, func(e *ldap.Entry) error {
		id, err := idOf(e, "objectGUID")
		if err != nil {
			return needFull("%w", err)
		}
		touched[id] = true
		if err := d.tooMany(len(touched)); err != nil {
			return err
		}
		name := dn.Normal(e.DN)
		d.outside[name] = true
		if d.mayHold(e) && d.users.known[id] == "" && d.groups.known[id] == "" && name != d.from.Root {
			d.containers[name] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.progress.Report("changes", len(touched))
	if err := d.settle(ctx, slices.Sorted(maps.Keys(touched))); err != nil {
		return err
	}
	if err := d.tombstones(ctx, since); err != nil {
		return err
	}
	return d.present(ctx)
}

// mayHold reports whether an entry is older than the cursor and of a kind that holds
// others.
func (d *differ) mayHold(e *ldap.Entry) bool {
	if created, err := strconv.ParseInt(first(e, "uSNCreated"), 10, 64); err == nil && created > d.from.USN {
		return false
	}
	for _, class := range e.GetEqualFoldAttributeValues("objectClass") {
		switch strings.ToLower(class) {
		case "user", "group", "contact", "foreignsecurityprincipal":
			return false
		}
	}
	return true
}

// tombstones reads what was deleted, as far as the account may see it.
func (d *differ) tombstones(ctx context.Context, since string) error {
	q := query{d.from.Root, ldap.ScopeWholeSubtree, and(since, "(isDeleted=TRUE)"), []string{"objectGUID"}}
	var cookie []byte
	for range maxDirSync {
		paging := ldap.NewControlPaging(uint32(d.session.pageSize))
		paging.SetCookie(cookie)
		result, err := d.session.ask(asking(q, paging, ldap.NewControlMicrosoftShowDeleted()))
		if err != nil {
			return d.problem(ctx, "read deletions", "users", d.from.Root, err)
		}
		for _, e := range result.Entries {
			if id, err := idOf(e, "objectGUID"); err == nil {
				d.tombstone(id)
			}
		}
		answer, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(answer.Cookie) == 0 {
			return nil
		}
		cookie = answer.Cookie
	}
	return needFull("the deletions come to no end")
}
