package ldap

import (
	"context"
	"fmt"
	"slices"

	ldap "github.com/go-ldap/ldap/v3"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers/ldap/dn"
	"groupsyncd/providers/ldap/wire"
)

// userBooks finds the users of a snapshot by what entries call them.
type userBooks struct {
	byID, byDN *index
	// byName finds users by folded username, for memberUid; nil until it is needed,
	// because most directories name members by DN.
	byName *index
	// Names that stand for two users, which is neither of them.
	sharedDN, sharedName map[string]bool

	// primary is, per user, the primary group of Active Directory, which no member
	// attribute shows, as a number in keys; 0 is none.
	primary []uint32
	keys    map[string]uint32
	// unknown counts users of whom it is not known whether they are disabled.
	unknown int
}

func newUserBooks(s *directory.Snapshot) userBooks {
	return userBooks{
		byID:     newIndex(func(at uint32, id []byte) bool { return s.Users[at].ID == string(id) }),
		byDN:     newIndex(func(at uint32, name []byte) bool { return s.Users[at].DN == string(name) }),
		sharedDN: map[string]bool{}, sharedName: map[string]bool{}, keys: map[string]uint32{},
	}
}

func (r *reader) readUsers(ctx context.Context) {
	l := r.layout
	r.snapshot.UsersListed = r.list(ctx, "users", l.users.Base, l.users.Filter, l.userAttributes(), r.addUser)
	r.readRanges(ctx)
	if r.users.unknown > 0 {
		r.fail(r.failure(fault.Auth, "read users", "let the account of bind.dn read userAccountControl and accountExpires",
			"of %d users it is not known whether they are disabled", r.users.unknown))
	}
}

// addUser adds a user to the snapshot.
func (r *reader) addUser(e *wire.Entry) error {
	u, err := r.texts.user(r.layout, e)
	if err != nil {
		return err
	}
	at := uint32(len(r.snapshot.Users))
	r.key = append(r.key[:0], u.ID...)
	if known, taken := r.users.byID.add(r.key, at); taken {
		if r.snapshot.Users[known].DN == u.DN {
			return nil // The bases overlap.
		}
		r.users.sharedDN[u.DN] = true
		return fmt.Errorf("entries %q and %q have the same %s %q", r.snapshot.Users[known].DN, e.DN, r.layout.users.ID, u.ID)
	}
	if !r.status(e, &u) {
		r.users.unknown++
	}
	if r.layout.ad {
		r.users.primary = append(r.users.primary, r.primaryOf(e, u.DN))
	}
	if len(r.snapshot.Users) == cap(r.snapshot.Users) {
		r.snapshot.Users = slices.Grow(r.snapshot.Users, max(1024, len(r.snapshot.Users)))
	}
	r.snapshot.Users = append(r.snapshot.Users, u)
	r.nameUser(at)
	if r.layout.memberOf != "" {
		r.containers.users = append(r.containers.users, nil)
		r.addMemberOf(e, "users", func() *[]uint32 { return &r.containers.users[at] })
	}
	return nil
}

// nameUser notes what a user is called.
func (r *reader) nameUser(at uint32) {
	u := &r.snapshot.Users[at]
	r.key = append(r.key[:0], u.DN...)
	if _, taken := r.users.byDN.add(r.key, at); taken {
		r.users.sharedDN[u.DN] = true
	}
	if r.users.byName != nil {
		r.users.nameUsername(r.snapshot, at)
	}
}

// status reads whether somebody is disabled, as far as the entry itself says it, and
// gives false when it should and does not.
func (r *reader) status(e *wire.Entry, u *directory.User) bool {
	u.StatusKnown = r.layout.users.Disabled == ""
	if !r.layout.ad || !u.StatusKnown {
		return true
	}
	disabled, err := adDisabled(e, r.now)
	u.Disabled, u.StatusKnown = disabled && err == nil, err == nil
	return err == nil
}

// primaryOf gives the number of a user's primary group.
func (r *reader) primaryOf(e *wire.Entry, name string) uint32 {
	rid := e.First("primaryGroupID")
	if len(rid) == 0 {
		return 0
	}
	r.key = append(append(append(r.key[:0], rid...), ' '), dn.Domain(name)...)
	n, ok := r.users.keys[string(r.key)]
	if !ok {
		n = uint32(len(r.users.keys) + 1)
		r.users.keys[string(r.key)] = n
	}
	return n
}

// findName finds the user of a username.
func (p *userBooks) findName(s *directory.Snapshot, username []byte) (at uint32, found, shared bool) {
	if p.byName == nil {
		room := []byte{}
		p.byName = newIndex(func(at uint32, name []byte) bool {
			room = dn.AppendFold(room[:0], []byte(s.Users[at].Username))
			return string(room) == string(name)
		})
		for i := range s.Users {
			p.nameUsername(s, uint32(i))
		}
	}
	name := dn.AppendFold(nil, username)
	if p.sharedName[string(name)] {
		return 0, true, true
	}
	at, found = p.byName.find(name)
	return at, found, false
}

func (p *userBooks) nameUsername(s *directory.Snapshot, at uint32) {
	if s.Users[at].Username == "" {
		return
	}
	name := dn.AppendFold(nil, []byte(s.Users[at].Username))
	if _, taken := p.byName.add(name, at); taken {
		p.sharedName[string(name)] = true
	}
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
		f, err := r.session.read(ctx, q, func(e *wire.Entry) error {
			var err error
			if r.key, err = appendID(r.key[:0], e, l.users.ID); err != nil {
				return nil //nolint:nilerr // the list of users has reported such an entry
			}
			if at, ok := r.users.byID.find(r.key); ok {
				disabled = append(disabled, at)
			}
			return nil
		}, nil)
		if err == nil && f.References > 0 && !l.ad {
			err = fmt.Errorf("%d search references: %w", f.References, errIncomplete)
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
