package okta

import (
	"context"
	"errors"
	"net/url"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// Pull reads everybody, every group, and the members of each.
func (s *source) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	asOf := s.now()
	r := s.reader(progress)
	ofGroups, ofUsers := r.lists(ctx)
	if ofGroups != nil {
		return r.none(asOf, ofGroups)
	}
	ofMembers := r.members(ctx, r.groups)
	a := r.assemble(asOf)
	ofOwners := r.owners(ctx, a)
	snapshot := a.Close(true)
	snapshot.Requests = r.session.spent()
	snapshot.UsersListed, snapshot.GroupsListed = ofUsers == nil, true
	err := errors.Join(ofUsers, ofMembers, ofOwners)
	if err == nil {
		err = s.ended(ctx, "read members")
	}
	if err != nil {
		err = first(ofUsers, ofMembers, ofOwners, err)
		snapshot.Reason = err.Error()
		return snapshot, err
	}
	if !s.config.Owners {
		snapshot.Cursor = r.cursor(snapshot)
	}
	return snapshot, nil
}

// first gives the first error that is one: each says by itself what is wrong.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// owners reads who owns each group, where that is configured. Owners are groups of their own.
func (r *reader) owners(ctx context.Context, a *directory.Assembly) error {
	if !r.config.Owners {
		return nil
	}
	found := map[string][]owner{}
	failed := r.each(ctx, r.groups, func(ctx context.Context, g *group) error {
		var all []owner
		err := again(func() error {
			all = nil
			_, err := walk(ctx, r.session[members], httpx.Request{Path: "/api/v1/groups/" + url.PathEscape(g.ID) + "/owners", Query: r.limit(""), Op: "read owners"}, func(p []owner) error {
				all = append(all, p...)
				return nil
			})
			return err
		})
		r.mu.Lock()
		defer r.mu.Unlock()
		found[g.ID] = all
		return err
	})
	for i := range r.groups {
		g := r.groups[i].shown()
		of := g.Owners()
		a.Group(of)
		if failed[g.ID] != nil {
			continue
		}
		a.Known(of.ID)
		for _, o := range found[g.ID] {
			kind := directory.UserMember
			if o.Type == "GROUP" {
				kind = directory.GroupMember
			}
			if o.ID != g.ID { // A group that owns itself is owned by nobody by that.
				a.Member(of.ID, directory.Ref{ID: o.ID, Kind: kind})
			}
		}
	}
	return r.sum(failed)
}

// none is a read that proved nothing.
func (r *reader) none(asOf time.Time, err error) (*directory.Snapshot, error) {
	s := nothing(asOf, err.Error())
	s.Requests = r.session.spent()
	if fault.KindOf(err) == 0 {
		err = fault.New(fault.Invalid, "read", r.where(), err, "")
	}
	return s, err
}
