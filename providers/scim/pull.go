package scim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// Pull reads all users and groups. Whatever has no proved end is left out of the coverage.
func (s *source) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	asOf := s.now()
	r := s.reader()
	snapshot, err := r.pull(ctx, progress)
	snapshot.AsOf = asOf
	snapshot.Requests, _ = r.session.Spent()
	if err == nil && ctx.Err() != nil {
		// Whoever ended the call does not expect a proof from it.
		err = fault.New(fault.KindOf(ctx.Err()), "read directory", r.where(), ctx.Err(), "")
		snapshot = nothing(asOf, err)
	}
	if err != nil {
		snapshot.Reason, _, _ = strings.Cut(err.Error(), "\n")
	}
	return snapshot, err
}

// nothing is a snapshot that covers nothing because of an error.
func nothing(asOf time.Time, err error) *directory.Snapshot {
	reason, _, _ := strings.Cut(err.Error(), "\n")
	return &directory.Snapshot{AsOf: asOf, Reason: reason}
}

func (r *reader) pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	d, err := r.describe(ctx)
	if err != nil {
		return &directory.Snapshot{}, err
	}
	p, usersErr := r.listUsers(ctx, d, progress)
	if usersErr != nil && fault.KindOf(usersErr) != fault.Incomplete {
		return &directory.Snapshot{}, usersErr
	}
	o, groupsErr := r.readGroups(ctx, d, p, progress)
	if err := ctx.Err(); err != nil {
		return &directory.Snapshot{}, fault.New(fault.KindOf(err), "read directory", r.where(), err, "")
	}
	if usersErr == nil {
		p, usersErr = r.findUsers(ctx, d, p, o, progress)
	}
	if groupsErr == nil {
		o, groupsErr = r.findGroups(ctx, d, p, o, progress)
	}
	p.listed, o.listed = usersErr == nil, groupsErr == nil
	snapshot, bad := r.assemble(p, o)
	r.remember(p, o, snapshot)
	for _, err := range []error{usersErr, groupsErr, o.trouble(), bad} {
		if err != nil {
			return snapshot, err
		}
	}
	if snapshot.Coverage() != directory.Full {
		return snapshot, fault.New(fault.Incomplete, "read members", r.where(), errors.New(snapshot.Reason), "")
	}
	return snapshot, nil
}

// trouble says in one error why groups are not known.
func (o *roster) trouble() error {
	if o.failed == nil || o.failures < 2 {
		return o.failed
	}
	f, ok := errors.AsType[*fault.Error](o.failed)
	if !ok {
		return o.failed
	}
	return fault.New(f.Kind, f.Op, f.Where, fmt.Errorf("%w (the first of %d failures)", f.Err, o.failures), f.Hint)
}

// findUsers looks after users that the list may have lost, walks again where it lost some, and
// takes whom it goes on to hide as the server shows them, if they are few.
func (r *reader) findUsers(ctx context.Context, d description, p *people, o *roster, progress providers.Progress) (*people, error) {
	lost, _, err := r.lostUsers(ctx, d, p, o)
	if err != nil || len(lost) == 0 {
		return p, err
	}
	r.logger.Warn("the list of users lacks some who are there, it is read again", "server", r.where(), "lost", len(lost))
	again, err := r.listUsers(ctx, d, progress)
	if err != nil {
		return again, err
	}
	for id, raw := range p.extra {
		if !again.has(id) {
			again.extra[id] = raw
		}
	}
	hidden, all, err := r.lostUsers(ctx, d, again, o)
	if err == nil && len(hidden) > 0 && !all {
		err = fault.New(fault.Incomplete, "read users", r.where(), fmt.Errorf("%w, and more than %d are missing", errHidden, r.confirmAtMost), "let the token see all users in lists")
	}
	maps.Copy(again.extra, hidden)
	return again, err
}

// findGroups does the same for groups. Who is in a group that the list hides is not known.
func (r *reader) findGroups(ctx context.Context, d description, p *people, o *roster, progress providers.Progress) (*roster, error) {
	lost, err := r.lostGroups(ctx, d, p, o)
	if err != nil || len(lost) == 0 {
		return o, err
	}
	r.logger.Warn("the list of groups lacks some that are there, it is read again", "server", r.where(), "lost", len(lost))
	again, err := r.readGroups(ctx, d, p, progress)
	if err != nil {
		return again, err
	}
	for id := range lost {
		if !again.has(id) {
			return again, fault.New(fault.Incomplete, "read groups", r.where(), fmt.Errorf("%w: group %s", errHidden, id), "let the token see all groups in lists")
		}
	}
	return again, nil
}

// assemble puts the snapshot together.
func (r *reader) assemble(p *people, o *roster) (*directory.Snapshot, error) {
	a := &directory.Assembly{Snapshot: directory.Snapshot{UsersListed: p.listed, GroupsListed: o.listed}}
	var bad error
	for _, id := range p.seen.order {
		u, _, err := r.user(p.seen.items[id])
		if err != nil {
			a.Snapshot.UsersListed = false
			bad = fault.New(fault.Incomplete, "read users", r.where(), fmt.Errorf("user %s: %w", id, err), "")
			continue
		}
		u.ID = id
		a.User(u)
	}
	for _, id := range slices.Sorted(maps.Keys(p.extra)) {
		if u, _, err := r.user(p.extra[id]); err == nil && !a.HasUser(id) {
			u.ID = id
			a.User(u)
		}
	}
	for _, id := range o.seen.order {
		a.Group(directory.Group{ID: id, Name: o.groups[id].name()})
	}
	for _, id := range o.seen.order {
		members, read := o.members[id]
		if !read {
			continue
		}
		if known := addMembers(a, id, members, p, o); known {
			a.Known(id)
		}
	}
	s := a.Close(r.config.Nested)
	if s.Coverage() != directory.Full && s.Reason == "" {
		s.Reason = "some groups have members that cannot be told"
	}
	return s, bad
}

// addMembers adds the members of a group, and reports whether all of them can be told. One that
// names nobody may be somebody whom an incomplete list lacks; an id that a user and a group
// share, without a word which is meant, may be either, so that neither gets in by it.
func addMembers(a *directory.Assembly, id string, members []reference, p *people, o *roster) bool {
	known := true
	for _, m := range members {
		ref := directory.Ref{ID: m.id()}
		user, isGroup := a.HasUser(ref.ID), a.HasGroup(ref.ID)
		switch m.kind() {
		case "User":
			ref.Kind = directory.UserMember
		case "Group":
			ref.Kind = directory.GroupMember
		}
		lost := !user && !isGroup && (!p.listed || !o.listed)
		lost = lost || ref.Kind == directory.UserMember && !user && !p.listed || ref.Kind == directory.GroupMember && !isGroup && !o.listed
		either := user && isGroup && ref.Kind == directory.AnyMember
		if ref.ID == "" || lost || either {
			known = false
		}
		if ref.ID != "" && !either {
			a.Member(id, ref)
		}
	}
	return known
}
