package okta

import (
	"context"
	"slices"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

const (
	// overlap is how far what Okta shows of members may lag behind the stamp of their group.
	overlap = 10 * time.Minute
	// maxAgain is how many groups are read again, besides half of them: beyond, a full read
	// costs little more.
	maxAgain = 200
	// maxBack is how many people who came, or came back, are asked for their groups.
	maxBack = 100
)

// PullChanges gives the picture of base with what changed since.
//
// Both lists are read whole: they say who and what is there, in which state, and cost a
// twentieth of a full read. What costs is the members of each group, and those are read again
// only where something speaks for a change: the group's stamp is another one, or so young at
// the last read that its members may have lagged behind it; the picture has other members than
// the cursor was made for; a member is in no list any more; or somebody new, or enabled again,
// is in the group by their own account. Nothing here depends on our clock or on Okta's index
// of changes: a stamp that arrives late is another one than before, however late.
func (s *source) PullChanges(ctx context.Context, base *directory.Snapshot, progress providers.Progress) (*directory.Snapshot, error) {
	if s.config.Owners {
		return nil, needFull("owners of groups are read each time")
	}
	from, err := decodeCursor(base.Cursor)
	switch {
	case err != nil:
		return nil, needFull("%w", err)
	case base.Coverage() != directory.Full:
		return nil, needFull("the picture of before is not complete")
	}
	asOf := s.now()
	r := s.reader(progress)
	ofGroups, ofUsers := r.lists(ctx)
	if err := first(ofGroups, ofUsers); err != nil {
		return nil, doubt(err)
	}
	if r.at.IsZero() {
		return nil, needFull("Okta does not tell its time")
	}
	stale, err := r.compare(ctx, base, from)
	if err != nil {
		return nil, err
	}
	if err := r.members(ctx, stale); err != nil {
		return nil, doubt(err)
	}
	if err := s.ended(ctx, "read changes"); err != nil {
		return nil, err
	}
	snapshot := r.assemble(asOf).Close(true)
	snapshot.UsersListed, snapshot.GroupsListed, snapshot.Delta = true, true, true
	snapshot.Requests = r.session.spent()
	snapshot.Cursor = r.cursor(snapshot)
	return snapshot, nil
}

// doubt leaves it to a full read to say what is wrong, unless that would fail just as well.
func doubt(err error) error {
	switch fault.KindOf(err) {
	case fault.Auth, fault.Throttled, fault.Unavailable, fault.Canceled:
		return err
	}
	return needFull("%w", err)
}

// compare takes the members of groups that nothing speaks against from the picture of before,
// and gives the other groups.
func (r *reader) compare(ctx context.Context, base *directory.Snapshot, from *cursor) ([]group, error) {
	before := make(map[string]*directory.Group, len(base.Groups))
	for i := range base.Groups {
		before[base.Groups[i].ID] = &base.Groups[i]
	}
	young := from.At.Add(-overlap)
	var stale []group
	for _, g := range r.groups {
		was, known := from.Groups[g.ID]
		old := before[g.ID]
		at, err := time.Parse(time.RFC3339, g.Stamp)
		if known && old != nil && err == nil && g.Stamp == was.Stamp && at.Before(young) && fingerprint(base, old) == was.Print {
			if ids, whole := r.carry(base, old); whole {
				r.within[g.ID] = ids
				continue
			}
		}
		stale = append(stale, g)
	}
	back, err := r.back(ctx, base)
	if err != nil {
		return nil, err
	}
	for i := range r.groups {
		if g := r.groups[i]; back[g.ID] && r.within[g.ID] != nil {
			delete(r.within, g.ID)
			stale = append(stale, g)
		}
	}
	if n := len(stale); n > maxAgain+len(r.groups)/2 {
		return nil, needFull("%d of %d groups may have changed", n, len(r.groups))
	}
	return stale, nil
}

// carry gives the members of a group as they were, and whether they are all still listed.
func (r *reader) carry(base *directory.Snapshot, old *directory.Group) (ids []string, whole bool) {
	ids = make([]string, 0, len(old.Direct))
	for _, at := range old.Direct {
		id := base.Users[at].ID
		if _, listed := r.known[id]; !listed {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, len(old.Unresolved) == 0
}

// back gives the groups that people who are new or enabled again say they are in, and the
// picture of before does not. It is not documented that such a change has a stamp.
func (r *reader) back(ctx context.Context, base *directory.Snapshot) (map[string]bool, error) {
	was := make(map[string]bool, len(base.Users))
	for i := range base.Users {
		was[base.Users[i].ID] = !base.Users[i].Disabled
	}
	var came []string
	for _, id := range r.listed {
		if !was[id] && !r.known[id].Disabled {
			came = append(came, id)
		}
	}
	if len(came) > maxBack {
		return nil, needFull("%d people are new or enabled again", len(came))
	}
	differ := map[string]bool{}
	for _, id := range came {
		of, err := r.groupsOf(ctx, r.session[people], id)
		switch {
		case gone(err): // Deleted meanwhile; the next read says so.
			continue
		case err != nil:
			return nil, doubt(r.failed(err))
		}
		for _, g := range of {
			if ids, read := r.within[g.ID]; read && !slices.Contains(ids, id) {
				differ[g.ID] = true
			}
		}
	}
	return differ, nil
}
