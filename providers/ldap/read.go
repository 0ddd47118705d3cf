package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/ldap/dn"
)

// reader gathers one pull. It belongs to one goroutine.
type reader struct {
	source   *source
	session  *session
	layout   *layout
	snapshot *directory.Snapshot
	progress providers.Progress
	now      time.Time

	userByID   map[string]uint32
	userByDN   map[string]uint32 // ambiguous where two users share a DN in normal form
	userByName map[string]uint32 // by folded username, for memberUid
	groupByID  map[string]uint32
	groupByDN  map[string]uint32

	// primary is, per user, the key of the primary group of Active Directory, which
	// no member attribute shows; tokens finds the groups by it.
	primary []string
	tokens  map[string]uint32

	// pending are, per group, references that name no listed user.
	pending [][]string
	// dns are, per group, the DN as the server spells it.
	dns         []string
	ranged      []rangedValues
	memberShown bool

	err     error
	reasons []string
	failed  map[string]bool
}

// ambiguous marks a name that stands for two users.
const ambiguous = ^uint32(0)

func newReader(s *source, progress providers.Progress) *reader {
	now := s.now()
	return &reader{
		source: s, progress: progress, now: now,
		snapshot: &directory.Snapshot{AsOf: now},
		userByID: map[string]uint32{}, userByDN: map[string]uint32{}, userByName: map[string]uint32{},
		groupByID: map[string]uint32{}, groupByDN: map[string]uint32{}, tokens: map[string]uint32{}, failed: map[string]bool{},
	}
}

// fail notes why something is not covered. The first failure is the error of the
// pull; all of them are its reason.
func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	if text := err.Error(); !r.failed[text] {
		r.failed[text] = true
		r.reasons = append(r.reasons, text)
	}
}

// failure makes a failure out of words.
func (r *reader) failure(kind fault.Kind, op, hint, format string, args ...any) error {
	return fault.New(kind, op, r.session.server.text, fmt.Errorf(format, args...), hint)
}

// list reads one list below all its bases. It gives true when its end is proved and
// every entry could be used.
func (r *reader) list(ctx context.Context, block string, bases []string, filter string, attributes []string, each func(*ldap.Entry) error) bool {
	op := "read " + block
	var bad badEntries
	count, complete := 0, true
	for _, base := range bases {
		f, err := r.session.search(ctx, query{base, ldap.ScopeWholeSubtree, filter, attributes}, r.source.config.PageSize, func(e *ldap.Entry) error {
			bad.see(e, each(e))
			if count++; count%500 == 0 {
				r.progress.Report(block, count)
			}
			return nil
		})
		if err == nil && f.entries == 0 {
			err = r.seeBase(ctx, block, base)
		}
		switch {
		case err != nil:
			r.fail(searchError(ctx, r.session.server, op, block, base, err))
			complete = false
			r.session.giveUp(err)
		case f.references > 0 && !r.layout.ad:
			// In Active Directory every domain refers to its other partitions, which
			// are no part of it; elsewhere a reference stands for entries.
			r.fail(r.failure(fault.Incomplete, op, "referrals are never followed: read that server with a source of its own, or choose a base without it",
				"below %q: the server refers to others for a part of the entries (%d search references)", base, f.references))
			complete = false
		}
		if ctx.Err() != nil || code(err) >= ldap.ErrorNetwork {
			break
		}
	}
	r.progress.Report(block, count)
	if bad.count > 0 {
		complete = false
		r.failBad(ctx, op, block, &bad, count)
	}
	if e := ended(ctx, op, r.session.server.text); complete && e != nil {
		r.fail(e)
		return false
	}
	return complete
}

// seeBase makes sure that a base below which there is nothing can be seen itself:
// some servers answer a reader without rights with an empty success.
func (r *reader) seeBase(ctx context.Context, block, base string) error {
	e, err := r.session.entry(ctx, base, "(objectClass=*)", []string{"1.1"})
	if err == nil && e == nil {
		err = r.failure(fault.Auth, "read "+block, "let the account of bind.dn read there, or check "+block+".base", "nothing is shown below %q, nor that entry itself", base)
	}
	return err
}

// badEntries counts entries that cannot be used.
type badEntries struct {
	count int
	first error
	dn    string
}

func (b *badEntries) see(e *ldap.Entry, err error) {
	if err == nil {
		return
	}
	if b.count++; b.first == nil {
		b.first, b.dn = err, e.DN
	}
}

// failBad explains entries that cannot be used. When none can, the configured id is
// the likely mistake, and the message shows which attributes there are.
func (r *reader) failBad(ctx context.Context, op, block string, bad *badEntries, of int) {
	attribute := r.layout.users.ID
	if block == "groups" {
		attribute = r.layout.groups.ID
	}
	if bad.count < of {
		r.fail(r.failure(fault.Incomplete, op, "correct these entries, or leave them out by "+block+".filter",
			"%d of %d %s cannot be used: %w", bad.count, of, block, bad.first))
		return
	}
	seen := r.attributesOf(ctx, bad.dn)
	r.fail(r.failure(fault.Invalid, op, hintAttribute(block+".id", attribute, seen, idAttributes()),
		"none of the %d %s can be used: %w; seen are %s", of, block, bad.first, strings.Join(seen, ", ")))
}

func (r *reader) readUsers(ctx context.Context) {
	l := r.layout
	unknown := 0
	r.snapshot.UsersListed = r.list(ctx, "users", l.users.Base, l.users.Filter, l.userAttributes(), func(e *ldap.Entry) error {
		return r.addUser(e, &unknown)
	})
	if unknown > 0 {
		r.fail(r.failure(fault.Auth, "read users", "let the account of bind.dn read userAccountControl and accountExpires",
			"of %d users it is not known whether they are disabled", unknown))
	}
}

func (r *reader) addUser(e *ldap.Entry, unknown *int) error {
	id, err := entryID(e, r.layout.users.ID)
	if err != nil {
		return err
	}
	name := dn.Normal(e.DN)
	if at, ok := r.userByID[id]; ok {
		if r.snapshot.Users[at].DN == name {
			return nil // The bases overlap.
		}
		r.userByDN[name] = ambiguous
		return fmt.Errorf("entries %q and %q have the same %s %q", r.snapshot.Users[at].DN, e.DN, r.layout.users.ID, id)
	}
	u := r.layout.user(e, id, name)
	u.StatusKnown = r.layout.users.Disabled == ""
	if r.layout.ad && u.StatusKnown {
		disabled, err := adDisabled(e, r.now)
		u.Disabled, u.StatusKnown = disabled && err == nil, err == nil
		if err != nil {
			*unknown++
		}
	}
	if r.layout.ad {
		key := ""
		if rid := first(e, "primaryGroupID"); rid != "" {
			key = rid + " " + dn.Domain(name)
		}
		r.primary = append(r.primary, key)
	}
	at := uint32(len(r.snapshot.Users))
	r.snapshot.Users = append(r.snapshot.Users, u)
	r.userByID[id] = at
	index(r.userByDN, name, at)
	if u.Username != "" {
		index(r.userByName, dn.Fold(u.Username), at)
	}
	return nil
}

// index notes a name, or that it is not unique.
func index(names map[string]uint32, name string, at uint32) {
	if _, taken := names[name]; taken {
		at = ambiguous
	}
	names[name] = at
}

// user makes a user of an entry.
func (l *layout) user(e *ldap.Entry, id, dn string) directory.User {
	u := directory.User{ID: id, DN: dn, Email: first(e, l.users.Email), Username: first(e, l.users.Username), Name: first(e, l.users.Name)}
	for key, name := range l.users.Attributes {
		values := e.GetEqualFoldAttributeValues(name)
		if len(values) == 0 {
			continue
		}
		if u.Attributes == nil {
			u.Attributes = make(map[string][]string, len(l.users.Attributes))
		}
		valid := make([]string, len(values))
		for i, v := range values {
			valid[i] = strings.ToValidUTF8(v, "\uFFFD")
		}
		u.Attributes[key] = valid
	}
	return u
}

// readDisabled finds the disabled users by the configured filter, in a second search
// that asks for nothing but ids. Without its proved end nobody's status is known.
func (r *reader) readDisabled(ctx context.Context) {
	l := r.layout
	if l.users.Disabled == "" {
		return
	}
	const op = "read disabled users"
	var disabled []uint32
	for _, base := range l.users.Base {
		q := query{base, ldap.ScopeWholeSubtree, and(l.users.Filter, l.users.Disabled), []string{l.users.ID}}
		f, err := r.session.search(ctx, q, r.source.config.PageSize, func(e *ldap.Entry) error {
			id, err := entryID(e, l.users.ID)
			if at, ok := r.userByID[id]; ok && err == nil {
				disabled = append(disabled, at)
			}
			return nil
		})
		if err == nil && f.references > 0 && !l.ad {
			err = fmt.Errorf("%d search references: %w", f.references, errIncomplete)
		}
		if err != nil {
			for i := range r.snapshot.Users {
				r.snapshot.Users[i].StatusKnown = false
			}
			r.fail(searchError(ctx, r.session.server, op, "users", base, err))
			r.session.giveUp(err)
			return
		}
	}
	for i := range r.snapshot.Users {
		r.snapshot.Users[i].Disabled, r.snapshot.Users[i].StatusKnown = false, true
	}
	for _, at := range disabled {
		r.snapshot.Users[at].Disabled = true
	}
}

func (r *reader) readGroups(ctx context.Context) {
	l := r.layout
	r.snapshot.GroupsListed = r.list(ctx, "groups", l.groups.Base, l.groups.Filter, l.groupAttributes(), func(e *ldap.Entry) error {
		_, err := r.addGroup(e, false)
		return err
	})
	r.readRanges(ctx)
	if len(r.snapshot.Groups) > 0 && !r.memberShown {
		r.checkNoMembers(ctx)
	}
}

// addGroup adds a group and joins its references with the users.
func (r *reader) addGroup(e *ldap.Entry, unlisted bool) (uint32, error) {
	l := r.layout
	id, err := entryID(e, l.groups.ID)
	if err != nil {
		return 0, err
	}
	name := dn.Normal(e.DN)
	if at, ok := r.groupByID[id]; ok {
		if r.snapshot.Groups[at].DN == name || unlisted {
			return at, nil
		}
		r.snapshot.Groups[at].MembersKnown = false
		return 0, fmt.Errorf("entries %q and %q have the same %s %q", r.snapshot.Groups[at].DN, e.DN, l.groups.ID, id)
	}
	at := uint32(len(r.snapshot.Groups))
	g := directory.Group{ID: id, DN: name, Name: first(e, l.groups.Name), Description: first(e, l.groups.Description), MembersKnown: true, Unlisted: unlisted}
	if g.Name == "" {
		g.Name = dn.FirstValue(e.DN)
	}
	r.snapshot.Groups = append(r.snapshot.Groups, g)
	r.pending = append(r.pending, nil)
	r.dns = append(r.dns, e.DN)
	r.groupByID[id] = at
	r.groupByDN[name] = at
	if token := first(e, "primaryGroupToken"); token != "" {
		r.tokens[token+" "+dn.Domain(name)] = at
	}
	for _, a := range e.Attributes {
		r.addValues(at, a)
	}
	return at, nil
}

// addValues takes the members out of one attribute of a group. A range of values is
// only noted: it is read from its beginning when the list is at its end.
func (r *reader) addValues(at uint32, a *ldap.EntryAttribute) {
	name, option, _ := strings.Cut(a.Name, ";")
	for _, configured := range r.layout.groups.Members {
		if !strings.EqualFold(name, configured) {
			continue
		}
		if strings.HasPrefix(strings.ToLower(option), "range=") {
			r.memberShown = true
			r.ranged = append(r.ranged, rangedValues{group: at, attribute: configured})
			return
		}
		r.memberShown = r.memberShown || len(a.Values) > 0
		for _, v := range a.Values {
			r.addMember(at, configured, v)
		}
		return
	}
}

// addMember joins one reference of a group with the users.
func (r *reader) addMember(at uint32, attribute, value string) {
	g := &r.snapshot.Groups[at]
	if byUsername(attribute) {
		switch u, ok := r.userByName[dn.Fold(value)]; {
		case !ok:
			g.Unresolved = append(g.Unresolved, value)
		case u == ambiguous:
			r.unclear(g, value)
		default:
			g.Direct = append(g.Direct, u)
		}
		return
	}
	ref := dn.Reference(value)
	switch u, ok := r.userByDN[ref]; {
	case !ok:
		r.pending[at] = append(r.pending[at], ref)
	case u == ambiguous:
		r.unclear(g, ref)
	default:
		g.Direct = append(g.Direct, u)
	}
}

// unclear notes a reference that names two users: whichever was meant, the other
// must not be taken out or put in.
func (r *reader) unclear(g *directory.Group, name string) {
	g.MembersKnown = false
	r.fail(r.failure(fault.Incomplete, "read groups", "make the names of users unique below users.base",
		"group %q has the member %q, which names several users", g.DN, name))
}

var errMoved = errors.New("the group changed while it was read, again and again")
