package scim

import (
	"context"
	"slices"

	"groupsyncd/internal/fault"
)

// probes is how many groups, or users, are looked at in each way at most.
const probes = 50

// nobody is an id that no server has, for filters that take no notice of what is asked.
const nobody = "groupsyncd-asks-for-nobody"

// explore finds out how this server shows members. Lists in which all groups are empty prove
// nothing: some servers never show members there, some only where they are asked for by name,
// some by a filter alone. Only a way in which a member was seen counts; a way that was seen
// before goes on to count when all groups are empty now.
func (r *reader) explore(ctx context.Context, d description, o *roster, p *people) (way, error) {
	before := r.knows().way
	if r.config.Members == FromFilter {
		return r.learnt(r.byFilter(ctx, d, o, p))
	}
	some := false
	for _, g := range o.groups {
		some = some || g.shows()
	}
	order := r.likely(o, p)
	if some {
		return r.compare(ctx, d, o)
	}
	for _, how := range []way{inGroup, byName} {
		for _, id := range order[:min(probes, len(order))] {
			g, _, err := r.one(ctx, d, how, id, "")
			switch {
			case refused(err) || missing(err) || fault.KindOf(err) == fault.Auth && status(err) == 403:
			case err != nil:
				return unknown, err
			case g.shows():
				return r.learnt(how, nil)
			}
		}
	}
	how, err := r.byFilter(ctx, d, o, p)
	if how == unknown && err == nil {
		how = before // It showed members before, so that there are none now.
	}
	return r.learnt(how, err)
}

func (r *reader) learnt(how way, err error) (way, error) {
	if err == nil && how != unknown {
		r.learn(func(k *known) { k.way = how })
	}
	return how, err
}

// compare looks whether the list shows of groups what the groups show themselves: the largest
// one may be cut, an empty one may be hidden.
func (r *reader) compare(ctx context.Context, d description, o *roster) (way, error) {
	var largest, empty string
	for _, id := range o.seen.order {
		switch n := o.groups[id].count(); {
		case n == 0:
			empty = id
		case largest == "" || n > o.groups[largest].count():
			largest = id
		}
	}
	for _, id := range []string{largest, empty} {
		if id == "" {
			continue
		}
		g, _, err := r.one(ctx, d, inGroup, id, "")
		switch {
		case refused(err) || missing(err) || status(err) == 403:
			// It shows no single groups, or this one is gone: the list is all there is.
		case err != nil:
			return unknown, err
		case g.count() > o.groups[id].count():
			r.logger.Info("the list of groups shows fewer members than the groups themselves, each group is read", "server", r.where(), "group", id)
			return inGroup, nil
		}
	}
	return r.learnt(inList, nil)
}

// likely puts groups first that users say they are in.
func (r *reader) likely(o *roster, p *people) []string {
	named := map[string]bool{}
	if p != nil {
		for _, id := range p.seen.order {
			if raw, err := object(p.seen.items[id]); err == nil {
				for _, g := range shownGroups(raw) {
					named[g] = true
				}
			}
			if len(named) >= probes {
				break
			}
		}
	}
	order := slices.Clone(o.seen.order)
	slices.SortStableFunc(order, func(a, b string) int {
		switch {
		case named[a] == named[b]:
			return 0
		case named[a]:
			return -1
		}
		return 1
	})
	return order
}

// byFilter looks for a filter that finds members, and finds none for an id that nobody has.
func (r *reader) byFilter(ctx context.Context, d description, o *roster, p *people) (way, error) {
	groups := r.likely(o, p)
	var users []string
	if p != nil {
		users = p.seen.order
	}
	for _, try := range []struct {
		how way
		ids []string
	}{{ofGroup, groups}, {ofMember, users}, {ofMembers, users}} {
		works, err := r.finds(ctx, d, try.how, try.ids)
		if err != nil {
			return unknown, err
		}
		if works {
			return try.how, nil
		}
	}
	return unknown, nil
}

// finds reports whether a filter finds something for one of the ids, and nothing for nobody.
func (r *reader) finds(ctx context.Context, d description, how way, ids []string) (bool, error) {
	for _, id := range ids[:min(probes, len(ids))] {
		seen, err := r.filtered(ctx, d, how, id)
		switch {
		case refused(err) || missing(err) || status(err) == 403 || fault.KindOf(err) == fault.Incomplete:
			return false, nil
		case err != nil:
			return false, err
		case len(seen.order) > 0:
			none, err := r.filtered(ctx, d, how, nobody)
			if err != nil && !refused(err) && !missing(err) {
				return false, err
			}
			return none == nil || len(none.order) == 0, nil
		}
	}
	return false, nil
}
