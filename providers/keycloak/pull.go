package keycloak

import (
	"context"
	"maps"
	"slices"

	"groupsyncd/directory"
	"groupsyncd/providers"
)

// Pull reads the whole realm: users, groups and roles, who is in which, and then users,
// groups and roles again, because none of these lists stands still while it is read.
func (s *source) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	r := &reading{
		s: s, session: s.client.Session(), asOf: s.now(), progress: progress,
		users: map[string]userRow{}, groups: map[string]groupRow{}, above: map[string]map[string]bool{}, suspects: map[string]bool{},
		missing: map[string]error{}, lists: map[string]*list{}, nobody: map[string]bool{}, counts: map[string]int{},
	}
	err := s.begin(ctx, "read the realm")
	if err == nil {
		err = r.outline(ctx)
	}
	if err != nil {
		snapshot := nothing(r.asOf, err)
		snapshot.Requests, _ = r.session.Spent()
		return snapshot, err
	}
	r.detail(ctx)
	snapshot := r.snapshot()
	s.remember(r)
	if len(r.errs) > 0 {
		return snapshot, r.errs[0]
	}
	return snapshot, nil
}

// outline reads what there is. Nothing can be said without it.
func (r *reading) outline(ctx context.Context) error {
	if _, err := r.s.count(ctx, r.session, nil); err != nil {
		return err
	}
	err := r.s.mayRead(ctx)
	if err == nil {
		err = r.readUsers(ctx)
	}
	if err == nil {
		err = r.readGroups(ctx)
	}
	if err == nil && r.s.config.roles() {
		err = r.readRoles(ctx)
	}
	return err
}

// detail reads who is in what, and proves that nothing was missed.
func (r *reading) detail(ctx context.Context) {
	r.readMembers(ctx, slices.Collect(maps.Keys(r.groups)))
	if r.roles != nil {
		r.readRoleMembers(ctx)
	}
	last, all := r.s.remembered()
	if indirect := r.s.config.Inherit || r.roles != nil; indirect && !all {
		// Who moves between two groups that count as one must not be lost between them, and
		// there is nobody yet to miss: so everything is read twice, once.
		r.readMembers(ctx, slices.Collect(maps.Keys(r.groups)))
		if r.roles != nil {
			r.readRoleMembers(ctx)
		}
	}
	if r.roles != nil {
		if err := r.readRoles(ctx); err != nil {
			r.roles.listed = false
			r.failed(err)
		}
	}
	if err := r.proveGroups(ctx, r.readMembers); err != nil {
		r.failed(err)
	}
	if err := r.proveUsers(ctx); err != nil {
		r.failed(err)
		r.doubtful(err)
	}
	r.resolve(ctx)
	suspects := r.leavers(last)
	maps.Copy(suspects, r.suspects)
	r.ask(ctx, suspects, r.doubtful)
}

// doubtful withdraws every list that somebody may be missing from: who was renamed may be
// missing from one that took several pages; who moved may be missing from any.
func (r *reading) doubtful(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lists {
		if l.err == nil && (l.pages > 1 || r.s.config.Inherit || r.roles != nil) {
			l.err = err
		}
	}
}

// resolve asks for members whom the list of users does not have: accounts of clients, who are
// nobody, people deleted meanwhile, and people whom the list missed.
func (r *reading) resolve(ctx context.Context) {
	strangers := map[string]bool{}
	for _, l := range r.lists {
		for id, u := range l.people {
			if _, known := r.users[id]; !known && !u.serviceAccount() {
				strangers[id] = true
			}
		}
	}
	parallel(ctx, r.s.config.Parallel, slices.Sorted(maps.Keys(strangers)), func(ctx context.Context, id string) {
		u, there, err := r.oneUser(ctx, id)
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case err != nil:
			r.usersListed = false
			r.errs = append(r.errs, err)
		case there:
			r.users[id] = u
		default:
			r.nobody[id] = true
		}
	})
}
