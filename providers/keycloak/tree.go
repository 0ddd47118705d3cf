package keycloak

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
)

// readGroups reads the tree of groups for the first time.
func (r *reading) readGroups(ctx context.Context) error {
	list, err := r.tree(ctx, false)
	for _, g := range list {
		r.groups[g.ID] = g
	}
	return err
}

// proveGroups reads the tree again, until no group can have been missed: each that one look
// showed and the other did not is asked for, and the server counts as many. A group that is
// moved or renamed while the tree is walked may be behind the walk at first and before it
// later. New groups are given to each.
func (r *reading) proveGroups(ctx context.Context, each func(context.Context, []string)) error {
	missing := func(g groupRow) (groupRow, bool, error) {
		var now groupRow
		err := r.get(ctx, "read group", "/groups/"+url.PathEscape(g.ID), nil, &now)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			return g, false, nil
		case err == nil && now.ID != g.ID:
			err = r.s.fail(fault.Incomplete, "read group", "", "%w", errOther)
		}
		return now, err == nil, err
	}
	before, err := r.countGroups(ctx)
	for round := range rounds {
		if err != nil {
			return err
		}
		// The number of sub-groups comes out of a cache, so it is not believed twice.
		list, err := r.tree(ctx, round > 0)
		if err != nil {
			return err
		}
		var fresh []string
		if err := settle(r.groups, list, missing, func(g groupRow) { fresh = append(fresh, g.ID) }); err != nil {
			return err
		}
		each(ctx, fresh)
		after, counting := r.countGroups(ctx)
		if counting != nil {
			return counting
		}
		if len(r.missing) > 0 || r.s.config.Group != "" || between(before, len(r.groups), after) {
			r.groupsListed = len(r.missing) == 0
			return nil
		}
		before = after
	}
	return r.s.fail(fault.Incomplete, "read groups", "groups come and go faster than they can be listed: the next read may be luckier", "%w", errCounts)
}

// countGroups gives how many groups there are; nothing where only some are read.
func (r *reading) countGroups(ctx context.Context) (int, error) {
	if r.s.config.Group != "" {
		return 0, nil
	}
	var n struct {
		Count *int `json:"count"`
	}
	err := r.get(ctx, "count groups", "/groups/count", nil, &n)
	if err == nil && n.Count == nil {
		err = r.s.fail(fault.Incomplete, "count groups", "", "%w", errNull)
	}
	if err != nil {
		return 0, err
	}
	return *n.Count, nil
}

// tree walks all groups, level by level. all asks each group for its sub-groups, also those
// that are said to have none. Groups whose sub-groups could not be read are in r.missing.
func (r *reading) tree(ctx context.Context, all bool) ([]groupRow, error) {
	level, err := r.top(ctx)
	if err != nil {
		return nil, err
	}
	clear(r.missing)
	shown := map[string]bool{}
	var found []groupRow
	for len(level) > 0 {
		var ask []groupRow
		for _, g := range level {
			if shown[g.ID] {
				continue // It was moved meanwhile.
			}
			shown[g.ID] = true
			found = append(found, g)
			if all || g.SubGroups == nil || *g.SubGroups > 0 {
				ask = append(ask, g)
			}
		}
		level = nil
		parallel(ctx, r.s.config.Parallel, ask, func(ctx context.Context, g groupRow) {
			children, _, err := rows[groupRow](ctx, r, "read sub-groups", "groups", "/groups/"+url.PathEscape(g.ID)+"/children", true)
			r.mu.Lock()
			defer r.mu.Unlock()
			if err != nil && fault.KindOf(err) != fault.NotFound {
				r.missing[g.ID] = err
			}
			for _, c := range children {
				if r.above[c.ID] == nil {
					r.above[c.ID] = map[string]bool{}
				}
				r.above[c.ID][g.ID] = true
			}
			level = append(level, children...)
		})
		if err := ctx.Err(); err != nil {
			return found, r.s.begin(ctx, "read groups")
		}
		slices.SortFunc(level, func(a, b groupRow) int { return strings.Compare(a.ID, b.ID) })
	}
	return found, nil
}

// top gives the groups at the top of the tree.
func (r *reading) top(ctx context.Context) ([]groupRow, error) {
	if r.s.config.Group == "" {
		list, _, err := rows[groupRow](ctx, r, "read groups", "groups", "/groups", true)
		return list, err
	}
	root, err := r.s.root(ctx, r.session)
	return []groupRow{root}, err
}
