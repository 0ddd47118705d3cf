package scim

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// way is how a server shows who is in a group.
type way string

const (
	unknown way = ""
	// inList: in the list of groups; inGroup: in each group; byName: in each group, where
	// members are asked for by name.
	inList  way = "in the list of groups"
	inGroup way = "in each group"
	byName  way = "in each group, asked for by name"
	// ofGroup: users filtered by their group; the others: groups filtered by a member.
	ofGroup   way = "groups.value"
	ofMember  way = "members.value"
	ofMembers way = "members"
)

func (w way) perUser() bool { return w == ofMember || w == ofMembers }

// roster is the groups of one read and what was read of their members.
type roster struct {
	seen   *walked
	groups map[string]*group
	listed bool
	way    way
	// members are the members of the groups that were read to their end.
	members map[string][]reference
	// failed is the first of the errors because of which groups are not known.
	failed   error
	failures int
}

func (o *roster) has(id string) bool { return o.groups[id] != nil }

// fail keeps that the members of a group are not known.
func (o *roster) fail(err error) {
	if o.failures++; o.failed == nil {
		o.failed = err
	}
}

var errUndecided = errors.New("no group shows a member, in no way that is known, so that nothing tells empty groups from hidden members")

// listGroups walks the list of groups. Members are left out where they are read otherwise.
func (r *reader) listGroups(ctx context.Context, d description, without bool, progress providers.Progress) (*roster, error) {
	k := r.knows()
	w := walk{reader: r, op: "read groups", what: "groups", endpoint: d.groups, progress: progress}
	if without && !k.noExclude {
		w.query = url.Values{"excludedAttributes": {"members"}}
	}
	seen, p, err := w.all(ctx, r.begin(k.groups, k.users, d))
	if w.query != nil && refused(err) {
		r.learn(func(k *known) { k.noExclude = true })
		w.query = nil
		seen, p, err = w.all(ctx, r.begin(k.groups, k.users, d))
	}
	if missing(err) && d.groups != "/Groups" {
		w.endpoint = "/Groups" // What the server says of itself is wrong.
		if seen, p, err = w.all(ctx, r.begin(k.groups, k.users, d)); err == nil {
			r.learn(func(k *known) { k.description.groups = w.endpoint })
		}
	}
	o := &roster{seen: seen, groups: map[string]*group{}, members: map[string][]reference{}, listed: err == nil}
	if err == nil {
		r.learn(func(k *known) { k.groups = p })
	}
	for _, id := range seen.order {
		g := &group{}
		if bad := decode(seen.items[id], g); bad != nil {
			// Known by its id alone; its members are not.
			g = &group{ID: text(id), broken: true}
			o.fail(fault.New(fault.Incomplete, w.op, r.where(), fmt.Errorf("group %s has an unknown form", id), ""))
			o.groups[id] = g
			continue
		}
		o.groups[id] = g
	}
	return o, err
}

// readGroups lists the groups and reads their members, by the way that this server has.
func (r *reader) readGroups(ctx context.Context, d description, p *people, progress providers.Progress) (*roster, error) {
	how := r.way(d)
	o, err := r.listGroups(ctx, d, how != inList && how != unknown, progress)
	if err != nil && fault.KindOf(err) != fault.Incomplete || len(o.groups) == 0 {
		return o, err
	}
	if how == unknown || how == inList && r.config.Members == Auto {
		var bad error
		if how, bad = r.explore(ctx, d, o, p); bad != nil {
			o.fail(bad)
			return o, err
		}
	}
	o.way = how
	switch {
	case how == unknown:
		o.fail(fault.New(fault.Incomplete, "read members", r.where(), errUndecided, "if the groups are empty indeed, or shown otherwise, set members: list, group or filter"))
	case how == inList:
		for id, g := range o.groups {
			if !g.broken {
				o.members[id] = g.all()
			}
		}
	case how.perUser():
		r.perUser(ctx, d, o, p, progress)
	default:
		r.perGroup(ctx, d, o, progress)
	}
	return o, err
}

// way gives the way to begin with.
func (r *reader) way(d description) way {
	k := r.knows()
	switch r.config.Members {
	case FromList:
		return inList
	case FromGroup:
		if d.onRequest {
			return byName
		}
		return inGroup
	}
	if k.way != unknown {
		return k.way
	}
	return unknown
}

// perGroup reads the members of each group, some at a time. A group that cannot be read is not
// known; one that is not found is not empty either.
func (r *reader) perGroup(ctx context.Context, d description, o *roster, progress providers.Progress) {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(r.config.Parallel)
	round := r.etags.begin(o)
	done := 0
	for _, id := range o.seen.order {
		g.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			var members []reference
			var err error
			if o.way == ofGroup {
				members, err = r.usersOf(ctx, d, id)
			} else {
				members, err = r.membersOf(ctx, d, o.way, id, round)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				o.fail(err)
				return nil
			}
			o.members[id] = members
			done++
			progress.Report("members of groups", done)
			return nil
		})
	}
	_ = g.Wait() // What failed is in the roster.
	if err := ctx.Err(); err != nil {
		o.fail(fault.New(fault.KindOf(err), "read members", r.where(), err, ""))
	}
}

// one reads a group by its id.
func (r *reader) one(ctx context.Context, d description, how way, id string, tag string) (*group, string, error) {
	var query url.Values
	if how == byName {
		query = url.Values{"attributes": {"displayName,externalId,members"}}
	}
	g := &group{}
	a, err := r.get(ctx, "read group", d.groups, id, query, ifNoneMatch(tag), g)
	if err != nil {
		return nil, "", err
	}
	if a.Status == 304 {
		return nil, tag, nil
	}
	if string(g.ID) != id {
		return nil, "", fault.New(fault.Incomplete, "read group", r.where(), fmt.Errorf("the server gives another group than %s", id), "")
	}
	return g, a.Header.Get("ETag"), nil
}

// membersOf reads the members of one group.
func (r *reader) membersOf(ctx context.Context, d description, how way, id string, round *round) ([]reference, error) {
	kept, tag := round.ask(id)
	g, now, err := r.one(ctx, d, how, id, tag)
	if err != nil {
		return nil, err
	}
	if g == nil {
		return kept, nil
	}
	members := g.all()
	round.keep(id, now, members)
	return members, nil
}

// usersOf reads the members of one group by a filter on the users.
func (r *reader) usersOf(ctx context.Context, d description, id string) ([]reference, error) {
	seen, err := r.filtered(ctx, d, ofGroup, id)
	if err != nil {
		return nil, err
	}
	members := make([]reference, 0, len(seen.order))
	for _, user := range seen.order {
		members = append(members, reference{Value: text(user), Type: "User"})
	}
	return members, nil
}

// filtered walks what a filter finds.
func (r *reader) filtered(ctx context.Context, d description, how way, id string) (*walked, error) {
	k := r.knows()
	w := walk{reader: r, op: "filter groups", what: "groups", endpoint: d.groups, query: url.Values{"filter": {string(how) + " eq " + quote(id)}}}
	p := r.begin(k.groups, k.users, d)
	if how == ofGroup {
		w.op, w.what, w.endpoint, p = "filter users", "users", d.users, r.begin(k.users, k.groups, d)
	}
	seen, _, err := w.all(ctx, p)
	return seen, err
}

// perUser reads the groups of each user by a filter. One user whose groups cannot be read may
// be in any group, so that none is known then. Groups in groups are found in the same way.
func (r *reader) perUser(ctx context.Context, d description, o *roster, p *people, progress providers.Progress) {
	if p == nil || !p.listed {
		o.fail(fault.New(fault.Incomplete, "read members", r.where(), errors.New("members are asked for by user, and the list of users is not known"), ""))
		return
	}
	if slices.ContainsFunc(p.seen.order, o.has) {
		o.fail(fault.New(fault.Incomplete, "read members", r.where(), errShared, ""))
		return
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.config.Parallel)
	members, done := map[string][]reference{}, 0
	ask := func(id string, kind text) {
		g.Go(func() error {
			seen, err := r.filtered(ctx, d, o.way, id)
			if kind == "Group" && (refused(err) || missing(err)) {
				return nil // This server has no groups in groups.
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, in := range seen.order {
				members[in] = append(members[in], reference{Value: text(id), Type: kind})
			}
			done++
			progress.Report("memberships of users", done)
			return nil
		})
	}
	for _, id := range p.seen.order {
		ask(id, "User")
	}
	if r.config.Nested {
		for _, id := range o.seen.order {
			ask(id, "Group")
		}
	}
	if err := g.Wait(); err != nil {
		o.fail(err)
		return
	}
	for id := range o.groups {
		o.members[id] = members[id]
	}
}
