package scim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
)

// errTooMany is inside of the error of a look-up that would ask for too much.
var errTooMany = errors.New("no filter was seen to work, and there are too many groups to read each of them for one person")

// errShared is inside of the error of members that cannot be told apart.
var errShared = errors.New("a user and a group have the same id")

// groupsOf gives every group a person is in: by a filter that was seen to find somebody in a
// group, by the person's own list where all lists were seen to be right, or by reading all.
func (r *reader) groupsOf(ctx context.Context, d description, id string, shown map[string]any) ([]directory.Group, error) {
	last := r.remembered()
	for _, how := range []way{ofMember, ofMembers} {
		if last != nil && last.shared {
			break // Nothing tells whose groups they find.
		}
		works, err := r.trusted(ctx, d, how, last)
		if err != nil {
			return nil, err
		}
		if works {
			return r.climb(ctx, d, how, id)
		}
	}
	if r.knows().userGroups {
		return r.named(ctx, d, shownGroups(shown))
	}
	return r.fromAll(ctx, d, id)
}

// trusted reports whether a filter finds a group of somebody who is known to be in it, and of a
// group that is known to be in another, and nothing for nobody. It is tried once.
func (r *reader) trusted(ctx context.Context, d description, how way, last *memory) (bool, error) {
	key := "trusted " + string(how)
	works, tried := r.tried(key)
	if tried || last == nil || last.group == "" {
		return works, nil
	}
	checks := []struct{ member, in string }{{last.user, last.group}, {last.child, last.parent}, {nobody, ""}}
	works = true
	for _, c := range checks {
		if c.member == "" || !works {
			continue
		}
		seen, err := r.filtered(ctx, d, how, c.member)
		switch {
		case refused(err) || missing(err) || status(err) == 403 || fault.KindOf(err) == fault.Incomplete:
			works = c.member == nobody && !errors.Is(err, errMoved)
		case err != nil:
			return false, err
		case c.in == "":
			works = len(seen.order) == 0
		default:
			_, works = seen.items[c.in]
		}
	}
	r.try(key, works)
	return works, nil
}

// climb asks for the groups of a person, for the groups of those, and so on.
func (r *reader) climb(ctx context.Context, d description, how way, id string) ([]directory.Group, error) {
	found := map[string]directory.Group{}
	for next := []string{id}; len(next) > 0; {
		at := next[0]
		next = next[1:]
		seen, err := r.filtered(ctx, d, how, at)
		if err != nil {
			return nil, err
		}
		for _, in := range seen.order {
			var g group
			if err := decode(seen.items[in], &g); err != nil {
				return nil, fault.New(fault.Incomplete, "look up groups", r.where(), fmt.Errorf("group %s: %w", in, err), "")
			}
			if _, known := found[in]; !known {
				found[in] = directory.Group{ID: in, Name: g.name()}
				if r.config.Nested {
					next = append(next, in)
				}
			}
		}
		if len(found) > r.scanGroupsMost*10 {
			return nil, fault.New(fault.Incomplete, "look up groups", r.where(), errTooMany, "")
		}
	}
	return inOrder(found), nil
}

func inOrder(groups map[string]directory.Group) []directory.Group {
	out := make([]directory.Group, 0, len(groups))
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, groups[id])
	}
	return out
}

// named reads the groups that a person names, for what they are called.
func (r *reader) named(ctx context.Context, d description, ids []string) ([]directory.Group, error) {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	groups := make([]directory.Group, len(ids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.config.Parallel)
	for i, id := range ids {
		g.Go(func() error {
			one, _, err := r.one(ctx, d, inGroup, id, "")
			if err != nil {
				return err
			}
			groups[i] = directory.Group{ID: id, Name: one.name()}
			return nil
		})
	}
	return groups, g.Wait()
}

// fromAll reads all groups, where that takes few requests, and looks who contains whom.
func (r *reader) fromAll(ctx context.Context, d description, id string) ([]directory.Group, error) {
	if how := r.way(d); how != unknown && how != inList {
		if last := r.remembered(); how.perUser() || last != nil && len(last.groups) > r.scanGroupsMost {
			return nil, fault.New(fault.Incomplete, "look up groups", r.where(), errTooMany, "")
		}
	}
	o, err := r.readGroups(ctx, d, nil, nil)
	if err != nil {
		return nil, err
	}
	if o.failed != nil {
		return nil, o.trouble()
	}
	last := r.remembered()
	ofUser, above := []string{}, map[string][]string{}
	for in, members := range o.members {
		for _, m := range members {
			kind := m.kind()
			named := kind == "User" || kind == "Group"
			switch {
			case m.id() == "":
				return nil, fault.New(fault.Incomplete, "look up groups", r.where(), fmt.Errorf("group %s has a member without an id", in), "")
			case !named && o.has(m.id()) && (m.id() == id || last != nil && last.shared):
				return nil, fault.New(fault.Incomplete, "look up groups", r.where(), errShared, "")
			case kind == "Group", !named && o.has(m.id()):
				above[m.id()] = append(above[m.id()], in)
			case m.id() == id:
				ofUser = append(ofUser, in)
			}
		}
	}
	found := map[string]directory.Group{}
	for next := ofUser; len(next) > 0; next = next[1:] {
		if _, known := found[next[0]]; known {
			continue
		}
		found[next[0]] = directory.Group{ID: next[0], Name: o.groups[next[0]].name()}
		if r.config.Nested {
			next = append(next, above[next[0]]...)
		}
	}
	return inOrder(found), nil
}
