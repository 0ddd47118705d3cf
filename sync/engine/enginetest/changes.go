package enginetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// Tells says how a source tells what changed.
type Tells int

// The ways of telling.
const (
	// Nothing: it cannot.
	Nothing Tells = iota
	// Plainly: entries that are not shown any more are named, whatever became of them.
	Plainly
	// Tombstones: entries that were deleted are named as that.
	Tombstones
)

// cursor is the time of the directory that a read showed.
func cursor(data time.Time) []byte { return []byte(data.Format(time.RFC3339Nano)) }

// PullChanges applies what changed since the cursor of base to base, and to nothing else: an
// entry that did not change is as base has it. References are kept by name and resolved anew,
// as a server's entries hold them.
func (s *Source) PullChanges(ctx context.Context, base *directory.Snapshot, _ providers.Progress) (*directory.Snapshot, error) {
	s.clock.turn.Lock()
	defer s.clock.turn.Unlock()
	f, asOf := s.Next, s.clock.Now()
	since, err := time.Parse(time.RFC3339Nano, string(base.Cursor))
	data := asOf.Add(-f.Behind)
	switch {
	case f.Panics:
		s.Next = Whole()
		panic("a bug in the reader of changes")
	case f.Fails || ctx.Err() != nil:
		s.Next = Whole()
		return &directory.Snapshot{AsOf: asOf}, fault.Errorf(fault.Unavailable, "read changes", "directory", "the connection was refused")
	case f.Cut != nil || f.CutUsers >= 0 || f.CutGroups >= 0:
		return nil, fault.Errorf(fault.Incomplete, "read changes", "directory", "the answer was cut")
	case s.Tells == Nothing || s.Forgot || err != nil || data.Before(since):
		s.Forgot = false
		return nil, fmt.Errorf("the server does not know %q: %w", base.Cursor, providers.ErrFullRead)
	}
	s.Next = Whole()
	was, is := s.Directory.At(since).snapshot(since, s.Narrow), s.Directory.At(data).snapshot(data, s.Narrow)
	e := entriesOf(base)
	deletedUsers, deletedGroups := e.apply(entriesOf(was), entriesOf(is))
	out := e.snapshot()
	out.AsOf, out.Cursor, out.Delta = asOf, cursor(data), true
	if now := s.Directory.At(data); s.Tells == Tombstones {
		out.DeletedUsers = slices.DeleteFunc(deletedUsers, func(id string) bool { _, there := now.Users[id]; return there })
		out.DeletedGroups = slices.DeleteFunc(deletedGroups, func(id string) bool { _, there := now.Groups[id]; return there })
	}
	s.note(out, data, true)
	return out, nil
}

// entries are what a server holds: groups name their members in words.
type entries struct {
	users  map[string]directory.User
	groups map[string]entry
}

type entry struct {
	group directory.Group
	refs  string // sorted, parted by bars
}

func entriesOf(s *directory.Snapshot) *entries {
	e := &entries{users: map[string]directory.User{}, groups: map[string]entry{}}
	for _, u := range s.Users {
		e.users[u.ID] = u
	}
	for _, g := range s.Groups {
		refs := slices.Clone(g.Unresolved)
		for _, n := range g.Direct {
			refs = append(refs, s.Users[n].DN)
		}
		for _, n := range g.Children {
			refs = append(refs, s.Groups[n].DN)
		}
		slices.Sort(refs)
		g.Direct, g.Children, g.Members, g.Unresolved, g.MembersKnown = nil, nil, nil, nil, true
		e.groups[g.ID] = entry{group: g, refs: strings.Join(slices.Compact(refs), "|")}
	}
	return e
}

// apply puts in what differs between two states, and gives the ids of what is gone.
func (e *entries) apply(was, is *entries) (users, groups []string) {
	for id, u := range is.users {
		if old, there := was.users[id]; !there || !sameUser(&old, &u) {
			e.users[id] = u
		}
	}
	for id := range was.users {
		if _, there := is.users[id]; !there {
			delete(e.users, id)
			users = append(users, id)
		}
	}
	for id, g := range is.groups {
		if old, there := was.groups[id]; !there || !sameEntry(&old, &g) {
			e.groups[id] = g
		}
	}
	for id := range was.groups {
		if _, there := is.groups[id]; !there {
			delete(e.groups, id)
			groups = append(groups, id)
		}
	}
	return users, groups
}

func sameUser(a, b *directory.User) bool {
	return a.Email == b.Email && a.Username == b.Username && a.Name == b.Name && a.DN == b.DN && a.Disabled == b.Disabled &&
		maps.EqualFunc(a.Attributes, b.Attributes, slices.Equal)
}

func sameEntry(a, b *entry) bool {
	return a.refs == b.refs && a.group.Name == b.group.Name && a.group.DN == b.group.DN && a.group.Description == b.group.Description && a.group.Unlisted == b.group.Unlisted
}

func (e *entries) snapshot() *directory.Snapshot {
	out := &directory.Snapshot{UsersListed: true, GroupsListed: true}
	users, groups := map[string]uint32{}, map[string]uint32{}
	for _, id := range slices.Sorted(maps.Keys(e.users)) {
		users[e.users[id].DN] = uint32(len(out.Users))
		out.Users = append(out.Users, e.users[id])
	}
	ids := slices.Sorted(maps.Keys(e.groups))
	for _, id := range ids {
		g := e.groups[id].group
		groups[g.DN] = uint32(len(out.Groups))
		out.Groups = append(out.Groups, g)
	}
	for at, id := range ids {
		g := &out.Groups[at]
		for ref := range strings.SplitSeq(e.groups[id].refs, "|") {
			user, person := users[ref]
			child, nested := groups[ref]
			switch {
			case person:
				g.Direct = append(g.Direct, user)
			case nested:
				g.Children = append(g.Children, child)
			case ref != "":
				g.Unresolved = append(g.Unresolved, ref)
			}
		}
	}
	out.Close(true)
	return out
}
