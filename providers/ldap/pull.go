package ldap

import (
	"context"
	"strings"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// Pull reads all users and groups. The DNs of the snapshot, and its unresolved
// references, are in the normal form of package dn.
func (s *source) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	r := newReader(s, progress)
	ctx, end, err := s.begin(ctx)
	defer end()
	if err == nil {
		err = r.connect(ctx)
	}
	if err != nil {
		r.fail(err)
		return r.result()
	}
	defer r.session.close()
	origin := s.origin(ctx, r.session)
	r.readUsers(ctx)
	if ctx.Err() == nil {
		r.readDisabled(ctx)
		r.readGroups(ctx)
	}
	r.resolve(ctx)
	r.closeGroups()
	r.warnEmpty()
	snapshot, err := r.result()
	if err == nil && !s.config.ShowsOwners() {
		snapshot.Cursor = s.seal(origin, snapshot, r)
	}
	return snapshot, err
}

func (r *reader) connect(ctx context.Context) error {
	if e := ended(ctx, "connect", r.source.where()); e != nil {
		return e
	}
	var err error
	if r.session, err = r.source.connect(ctx); err != nil {
		return err
	}
	r.layout = r.session.layout
	r.snapshot.Scope, r.snapshot.Replicated = r.layout.decided(), r.layout.ad
	return nil
}

// result closes the books: without a failure everything is covered.
func (r *reader) result() (*directory.Snapshot, error) {
	r.snapshot.Reason = strings.Join(r.reasons[:min(len(r.reasons), 5)], "; ")
	if r.err == nil && r.snapshot.Coverage() != directory.Full {
		r.err = fault.New(fault.Incomplete, "read directory", r.source.where(), errIncomplete, "")
		r.snapshot.Reason = errIncomplete.Error()
	}
	return r.snapshot, r.err
}

// warnEmpty says in the log when no user at all has a mail or a username. That is
// no failure, because not everybody needs both.
func (r *reader) warnEmpty() {
	if len(r.snapshot.Users) == 0 {
		return
	}
	email, username := false, false
	for i := range r.snapshot.Users {
		email = email || r.snapshot.Users[i].Email != ""
		username = username || r.snapshot.Users[i].Username != ""
	}
	if !email {
		r.source.logger.Warn("no user has the configured attribute", "key", "users.email", "attribute", r.layout.users.Email)
	}
	if !username {
		r.source.logger.Warn("no user has the configured attribute", "key", "users.username", "attribute", r.layout.users.Username)
	}
}
